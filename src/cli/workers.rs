//! `igor workers`: prints the workers of a running server as a table, and why one is not ready.

use super::arguments::WorkersArguments;
use super::output::print;
use super::remote::{self, Question, Remote};
use crate::server::admin::view::{BackgroundView, ClusterWorkerView, ErrorView, HttpView, TaskView, Workers};
use http::Method;
use std::io::{self, IsTerminal};
use std::time::Duration;

/// How often `--watch` looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Clears a terminal: moves the cursor to the top left, then erases from there on.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Prints the workers; with `--watch` every second, until the output has no reader.
pub(super) fn show(arguments: &WorkersArguments) -> Result<(), String> {
    let remote = Remote::find(arguments.remote.address.as_deref(), arguments.remote.config.as_deref())?;
    let mut first = true;
    loop {
        let output = match look(&remote, arguments.json) {
            Ok(output) => output,
            // The server may be restarting while someone watches.
            Err(error) if !first => format!("{error}\n"),
            Err(error) => return Err(error),
        };
        let clear = if arguments.watch && !arguments.json && io::stdout().is_terminal() { CLEAR } else { "" };
        if !print(&format!("{clear}{output}"))? || !arguments.watch {
            return Ok(());
        }
        first = false;
        std::thread::sleep(LOOK_EVERY);
    }
}

fn look(remote: &Remote, json: bool) -> Result<String, String> {
    let question =
        Question { method: Method::GET, path: "/frankenphp/workers", body: String::new(), takes_time: false };
    let answer = remote.ask(question)?;
    if json {
        return Ok(format!("{answer}\n"));
    }
    remote::understood(&answer).map(|workers| table(&workers))
}

fn table(workers: &Workers) -> String {
    let mut text = String::new();
    if !workers.background.is_empty() {
        let head =
            ["BACKGROUND WORKER", "STATE", "THREADS", "RUN", "ATTEMPTS", "EXIT", "VERSION", "BYTES", "AGE", "WAITING"];
        let rows = workers.background.iter().map(|worker| (background_row(worker), background_notes(worker)));
        text.push_str(&columns(&head.map(str::to_owned), rows.collect()));
    }
    if !workers.http.is_empty() {
        if !text.is_empty() {
            text.push('\n');
        }
        let head = ["HTTP WORKER", "THREADS", "READY", "BUSY", "QUEUE", "REQUESTS", "CRASHES", "EXIT"];
        let rows = workers.http.iter().map(|worker| (http_row(worker), http_notes(worker)));
        text.push_str(&columns(&head.map(str::to_owned), rows.collect()));
    }
    if text.is_empty() {
        text.push_str("the server has no workers\n");
    }
    text
}

fn background_row(worker: &BackgroundView) -> Vec<String> {
    vec![
        format!("{}:{}", worker.scope, worker.name),
        worker.state.clone(),
        worker.threads.to_string(),
        worker.run.to_string(),
        match worker.max_consecutive_failures {
            Some(max) => format!("{}/{max}", worker.attempts),
            None => worker.attempts.to_string(),
        },
        or_dash(worker.last_exit_status),
        worker.version.to_string(),
        or_dash(worker.bytes),
        worker.age_seconds.map_or_else(|| "-".to_owned(), ago),
        worker.waiters.len().to_string(),
    ]
}

/// Who leads, how far the snapshot is, and what is wrong with the engine.
fn cluster_note(cluster: &ClusterWorkerView) -> String {
    let who = match &cluster.leader {
        _ if cluster.leads => "this instance leads".to_owned(),
        Some(leader) => format!("{leader} leads"),
        None => "no leader is known".to_owned(),
    };
    let at = match (cluster.epoch, cluster.behind) {
        (0, _) => "nothing has arrived".to_owned(),
        (epoch, 0) => format!("the snapshot is {epoch}.{}", cluster.number),
        (epoch, behind) => format!("the snapshot is {epoch}.{}, {behind} behind", cluster.number),
    };
    let silent = match &cluster.error {
        Some(error) => format!("; the engine has not answered for {} s: {error}", cluster.silent_seconds),
        None => String::new(),
    };
    format!("cluster: {who}, {at}{silent}")
}

/// The notes that do not fit into a row: the script, the last error, and the waiting threads.
fn background_notes(worker: &BackgroundView) -> Vec<String> {
    let mut notes = vec![format!("file: {}", worker.file.display())];
    notes.extend(worker.last_error.as_ref().map(error_note));
    if worker.last_error.is_none() && worker.attempts > 0 {
        notes.push(match worker.last_exit_status {
            Some(0) => "last failure: the script ended before it called frankenphp_set_vars()".to_owned(),
            _ => "last failure: the script ended without a PHP error".to_owned(),
        });
    }
    if worker.state == "starting" && worker.attempts == 0 {
        notes.push("it runs, but has not asked for its handle or called frankenphp_set_vars() yet".to_owned());
    }
    if worker.state == "running" {
        notes.push("it runs and has its handle, but has not called frankenphp_set_vars() yet".to_owned());
    }
    if worker.state == "given up" {
        notes.push("given up: frankenphp_ensure_background_worker() or `igor restart` starts it again".to_owned());
    }
    notes.extend(worker.cluster.as_ref().map(cluster_note));
    let tasks = &worker.tasks;
    if *tasks != TaskView::default() {
        notes.push(format!(
            "tasks: {} queued{}, {} running, {} completed, {} aborted, {} abandoned, {} timed out",
            tasks.queued,
            tasks.oldest_seconds.map(|oldest| format!(" (the oldest for {})", ago(oldest))).unwrap_or_default(),
            tasks.running,
            tasks.completed,
            tasks.aborted,
            tasks.abandoned,
            tasks.timed_out
        ));
    }
    notes
        .extend(worker.waiters.iter().map(|waiter| format!("{} waits for it: {}", waiter.thread, ago(waiter.seconds))));
    notes
}

fn http_row(worker: &HttpView) -> Vec<String> {
    vec![
        format!("{}:{}", worker.scope, worker.name),
        worker.threads.to_string(),
        worker.ready.to_string(),
        worker.busy.to_string(),
        worker.queue.to_string(),
        worker.requests.to_string(),
        worker.crashes.to_string(),
        or_dash(worker.last_exit_status),
    ]
}

fn http_notes(worker: &HttpView) -> Vec<String> {
    let mut notes = vec![format!("file: {}", worker.file.display())];
    notes.extend(worker.last_error.as_ref().map(error_note));
    notes
}

fn error_note(error: &ErrorView) -> String {
    format!("last error: {} in {}:{}", error.message, error.file, error.line)
}

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn ago(seconds: f64) -> String {
    if seconds < 100.0 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}

/// Aligns the rows below their head; the notes of a row stand below it, indented. Control characters in names and
/// messages must not reach the terminal.
fn columns(head: &[String], rows: Vec<(Vec<String>, Vec<String>)>) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for (row, _) in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String]| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", printable(padded.join("  ").trim_end()))
    };
    let mut text = line(head);
    for (row, notes) in &rows {
        text.push_str(&line(row));
        for note in notes {
            text.push_str(&format!("    {}\n", printable(note)));
        }
    }
    text
}

fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::admin::view::WaiterView;

    /// B54: why a worker does not come up is in the table.
    #[test]
    fn the_table() {
        let failing = BackgroundView {
            scope: "example.com".into(),
            name: "redis".into(),
            file: "/app/redis.php".into(),
            state: "starting".into(),
            threads: 1,
            run: 4,
            attempts: 3,
            max_consecutive_failures: Some(6),
            last_exit_status: Some(255),
            last_error: Some(ErrorView {
                message: "Fatal error: Uncaught RedisException: \x1b[31mrefused".into(),
                file: "/app/redis.php".into(),
                line: 3,
            }),
            waiters: vec![WaiterView { thread: "php-2".into(), seconds: 2.26 }],
            ..BackgroundView::default()
        };
        let ready = BackgroundView {
            scope: "global".into(),
            name: "feature-flags".into(),
            file: "/app/flags.php".into(),
            state: "ready".into(),
            threads: 1,
            run: 1,
            version: 12,
            bytes: Some(4096),
            age_seconds: Some(125.4),
            ..BackgroundView::default()
        };
        let http = HttpView {
            scope: "example.com".into(),
            name: "app".into(),
            file: "/app/worker.php".into(),
            threads: 4,
            ready: 4,
            requests: 1000,
            ..HttpView::default()
        };
        insta::assert_snapshot!(table(&Workers { background: vec![failing, ready], http: vec![http] }));
        assert_eq!(table(&Workers::default()), "the server has no workers\n");
    }
}
