//! The messages of failed waits (contract lines B17 to B21). The texts are part of the interface; tests compare them.

use crate::php::{Cut, Failure, ScriptError};
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// The last failed run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LastFailure {
    /// 255 after a fatal error or an uncaught exception.
    pub(super) exit_status: i32,
    /// What PHP reported last, if it was fatal.
    pub(super) error: Option<ScriptError>,
}

/// The facts that every message about a worker names.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    /// As declared, or as the catch-all was asked for.
    pub(super) name: &'a str,
    /// The script.
    pub(super) file: &'a Path,
    /// The label of the scope.
    pub(super) scope: &'a str,
    /// What makes it ready.
    pub(super) readied_by: ReadiedBy,
}

/// What makes a worker ready, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadiedBy {
    /// A script, by this function.
    Script(&'static str),
    /// Code in Rust, by a publish.
    Rust,
}

impl ReadiedBy {
    /// The function by which a background script becomes ready.
    pub(super) const SET_VARS: Self = Self::Script("frankenphp_set_vars()");
    /// The function by which an HTTP worker's script becomes ready.
    pub(super) const HANDLE_REQUEST: Self = Self::Script("frankenphp_handle_request()");

    /// That it runs, but has not done so yet.
    fn not_yet(self) -> String {
        match self {
            Self::Script(call) => format!("has not called {call} yet"),
            Self::Rust => "has not published yet".to_owned(),
        }
    }

    /// That it ended before.
    fn ended_before(self) -> String {
        match self {
            Self::Script(call) => format!("the script ended before it called {call}"),
            Self::Rust => "the run ended before it published".to_owned(),
        }
    }
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, file, scope, .. } = self;
        write!(f, "background worker \"{name}\" ({}) in scope \"{scope}\"", file.display())
    }
}

/// B17
pub(super) fn not_declared(name: &str, scope: &str, declared: &[String]) -> Failure {
    let known = match declared {
        [] => "no background workers are declared there".to_owned(),
        names => format!("declared there: {}", quoted(names)),
    };
    Failure::runtime(format!(
        "background worker \"{name}\" is not declared in scope \"{scope}\" ({known}); declare it with `worker {{ file … \
         background name {name} }}` in the php_server block or in the global frankenphp block, or declare a worker without \
         a name as catch-all"
    ))
}

/// B18, B19
pub(super) fn timed_out(subject: Subject<'_>, waited: Duration, attempts: u32, last: Option<&LastFailure>) -> Failure {
    let why = match last {
        None => format!("the script runs, but {}", subject.readied_by.not_yet()),
        Some(last) => failed(attempts, last, subject.readied_by),
    };
    Failure::runtime(format!("{subject} was not ready after {}: {why}", seconds(waited)))
}

/// B10 (a), B19
pub(super) fn boot_failed(subject: Subject<'_>, attempts: u32, last: &LastFailure) -> Failure {
    Failure::runtime(format!("{subject} failed to boot: {}", failed(attempts, last, subject.readied_by)))
}

/// B20
pub(super) fn gave_up(subject: Subject<'_>, attempts: u32, last: &LastFailure) -> Failure {
    let why = failed(attempts, last, subject.readied_by);
    Failure::runtime(format!("{subject} has been given up: {why}; see max_consecutive_failures"))
}

/// B10 (b)
pub(super) fn not_running(subject: Subject<'_>) -> Failure {
    Failure::runtime(format!(
        "{subject} is not running, and a request of an HTTP worker does not start one: call \
         frankenphp_require_background_worker() before the loop of frankenphp_handle_request(), or declare the worker with \
         `num 1`"
    ))
}

/// B16
pub(super) fn cycle(names: &[String]) -> Failure {
    Failure::runtime(format!(
        "background workers wait for each other in a circle: {}",
        quoted(names).replace(", ", " -> ")
    ))
}

/// B21
pub(super) fn cap_reached(name: &str, scope: &str, cap: usize) -> Failure {
    Failure::runtime(format!(
        "background worker \"{name}\" cannot be started: the catch-all of scope \"{scope}\" runs {cap} names already; raise \
         its max_threads"
    ))
}

/// B21
pub(super) fn stopping(name: &str) -> Failure {
    Failure::runtime(format!("background worker \"{name}\" is not available: the server is stopping"))
}

/// B49
pub(super) fn cut_off(name: &str, cut: Cut) -> Failure {
    let why = match cut {
        Cut::Interrupted => {
            "the script that waits for it is being stopped, because it did not end within the grace period"
        }
        Cut::HeldBack => {
            "opcache is being restarted, and no worker starts before this script has ended; try again in a new request"
        }
    };
    Failure::runtime(format!("background worker \"{name}\" is not ready: {why}"))
}

/// B52
pub(super) fn removed(name: &str) -> Failure {
    Failure::runtime(format!("background worker \"{name}\" is not available: a reload has removed it"))
}

/// B31
pub(super) fn nothing_published(subject: Subject<'_>, runs: bool) -> Failure {
    let hint = if runs {
        format!("it runs, but {}; wait for it with frankenphp_ensure_background_worker()", subject.readied_by.not_yet())
    } else {
        "it has not been started; call frankenphp_ensure_background_worker() first, or declare it with `num 1`"
            .to_owned()
    };
    Failure::runtime(format!("{subject} has published nothing: {hint}"))
}

/// A worker of the cluster, of which nothing has arrived.
pub(super) fn nothing_arrived(subject: Subject<'_>, waited: Duration, why: &str) -> Failure {
    let Subject { name, file, scope, .. } = subject;
    let seconds = seconds(waited);
    Failure::runtime(format!(
        "background worker \"{name}\" ({}) in scope \"{scope}\" was not ready after {seconds}: no snapshot has arrived from the \
         cluster: {why}",
        file.display()
    ))
}

/// The same without a wait.
pub(super) fn nothing_in_cluster(subject: Subject<'_>, why: &str) -> Failure {
    let Subject { name, file, scope, .. } = subject;
    Failure::runtime(format!(
        "background worker \"{name}\" ({}) in scope \"{scope}\" has published nothing: no snapshot has arrived from the cluster: \
         {why}; wait for it with frankenphp_ensure_background_worker()",
        file.display()
    ))
}

/// A system that cannot start threads.
pub(super) fn no_thread(name: &str, error: &std::io::Error) -> Failure {
    Failure::runtime(format!("background worker \"{name}\" cannot be started: the system has no thread left: {error}"))
}

/// The part of B19 that logs share.
pub(super) fn failed(attempts: u32, last: &LastFailure, readied_by: ReadiedBy) -> String {
    let times = if attempts == 1 { "1 failed attempt".to_owned() } else { format!("{attempts} failed attempts") };
    let status = last.exit_status;
    match &last.error {
        Some(error) => format!("{times}, last exit status {status}, last error: {error}"),
        None if status == 0 => {
            format!("{times}, last exit status 0: {}", readied_by.ended_before())
        }
        None => format!("{times}, last exit status {status}, no PHP error"),
    }
}

/// Separated by commas.
fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

/// With at most three decimals.
fn seconds(duration: Duration) -> String {
    format!("{} s", (duration.as_secs_f64() * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject<'static> {
        Subject {
            name: "redis",
            file: Path::new("/app/redis.php"),
            scope: "example.com",
            readied_by: ReadiedBy::SET_VARS,
        }
    }

    fn failure() -> LastFailure {
        let error = ScriptError {
            level: "Fatal error",
            message: "Uncaught RedisException: refused in /app/redis.php:3\nStack trace:\n#0 {main}\n  thrown".into(),
            file: "/app/redis.php".into(),
            line: 3,
        };
        LastFailure { exit_status: 255, error: Some(error) }
    }

    /// B10, B16 to B21, B31: every message with all its facts.
    #[test]
    fn messages() {
        let last = failure();
        let silent = LastFailure { exit_status: 0, error: None };
        let all = [
            not_declared("cache", "example.com", &["redis".into(), "flags".into()]),
            not_declared("cache", "global", &[]),
            timed_out(subject(), Duration::from_micros(500_400), 0, None),
            timed_out(subject(), Duration::from_secs(30), 3, Some(&last)),
            boot_failed(subject(), 1, &silent),
            gave_up(subject(), 6, &LastFailure { exit_status: 3, error: None }),
            not_running(subject()),
            cycle(&["a".into(), "b".into(), "a".into()]),
            cap_reached("seventeen", "example.com", 16),
            stopping("redis"),
            removed("redis"),
            nothing_published(subject(), true),
            nothing_published(subject(), false),
            no_thread("redis", &std::io::Error::from_raw_os_error(11)),
        ];
        let text: Vec<&str> = all.iter().map(|failure| failure.message.as_str()).collect();
        insta::assert_snapshot!(text.join("\n\n"));
    }
}
