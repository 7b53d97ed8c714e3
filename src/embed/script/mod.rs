//! Runs one script from the command line: a classic request on one PHP thread, or on several at once. The output goes to
//! the standard output. The background workers of a configuration run beside it.

mod compare;
mod exchange;

use super::workers::Workers;
use crate::assemble::{declared_stores, engine_options, thread_options};
use crate::config::{Config, Global};
use crate::exchange::RequestHead;
use crate::php::{self, Ended, Engine, EngineError, EngineOptions, Interrupt, Mode, Next, Scope, ThreadOptions, Work};
use crate::signals::SignalMask;
use crate::store::Stores;
use compare::ThreadResult;
use exchange::{Body, Kept, Output, ProcessExchange};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Barrier, mpsc};
use std::thread::JoinHandle;

/// Why a script did not run.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The engine did not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The system refused something.
    #[error("{doing}: {error}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// An eager background worker did not start.
    #[error("starting background workers: {0}")]
    Worker(String),
    /// Several threads need a script file that each of them can open.
    #[error(
        "running the script on {threads} threads: the script on the standard input can be read only once; give a file or -r"
    )]
    ReadOnce {
        /// How many threads were wanted.
        threads: usize,
    },
    /// The results of the threads differ.
    #[error("{0}")]
    Differs(String),
}

/// Runs one script to its end and returns its exit status. It sees the background workers of the first `php_server`
/// block of `config`, or the global ones. They run until the script has ended, and then have the grace period to end.
/// HTTP workers of the configuration are not started, which is logged. With more than one of `threads` the script runs
/// on each at the same time, and its output is printed once. If a PHP thread cannot be stopped, the process exits here,
/// with the script's exit status.
///
/// # Errors Why the script did not run, or how the results of its threads differ.
pub fn run_script(
    config: Option<Config>,
    mut options: EngineOptions,
    head: RequestHead,
    threads: usize,
) -> Result<i32, ScriptError> {
    let reads_stdin = head.script.is_empty() && head.command.as_ref().is_none_or(|command| command.code.is_none());
    if threads > 1 && reads_stdin {
        return Err(ScriptError::ReadOnce { threads });
    }
    let config = config.unwrap_or_else(without_sites);
    warn_of_http_workers(&config);
    let of_config = engine_options(&config);
    options.ini.extend(of_config.ini);
    options.threads = of_config.threads + threads;
    let _engine = Engine::start(&options)?;

    // The script receives the signals of the process.
    let stores = Stores::new(&declared_stores(&config));
    let thread_options = ThreadOptions { blocks_signals: true, ..thread_options(&config, Arc::default(), stores) };
    let workers = Workers::start(&config, &thread_options).map_err(ScriptError::Worker)?;
    let result = run_request(&thread_options, workers.scope(), head, threads);
    let left = workers.stop();
    match result {
        // Stopping the engine would free the memory that the stuck thread uses.
        Ok(status) if !left => php::exit_at_once(status),
        result => result,
    }
}

fn warn_of_http_workers(config: &Config) {
    let ignored = config.scopes().flat_map(|scope| scope.workers).filter(|worker| !worker.is_background());
    for worker in ignored {
        tracing::warn!(file = %worker.file.display(), "beside a script only background workers run; this HTTP worker is ignored");
    }
}

/// The settings of a script without a configuration.
fn without_sites() -> Config {
    Config {
        global: Global::default(),
        sites: Vec::new(),
        warnings: Vec::new(),
        base_dir: PathBuf::new(),
        sources: Vec::new(),
    }
}

/// Runs the request on dedicated threads and returns its exit status. They receive the signals of the process, so
/// handlers of `pcntl_signal()` run as in a single-threaded process.
fn run_request(
    options: &ThreadOptions,
    scope: Arc<dyn Scope>,
    head: RequestHead,
    threads: usize,
) -> Result<i32, ScriptError> {
    let signals = SignalMask::block_all();
    let result = if threads == 1 {
        run_on_one(options, scope, head, signals)
    } else {
        run_on_many(options, &scope, &head, signals, threads)
    };
    signals.apply();
    result
}

fn run_on_one(
    options: &ThreadOptions,
    scope: Arc<dyn Scope>,
    head: RequestHead,
    signals: SignalMask,
) -> Result<i32, ScriptError> {
    let output =
        Output::of_process().map_err(|error| ScriptError::System { doing: "opening the standard output", error })?;
    let body = exchange::body_of_process(&head).map_err(reading_body)?;
    let request = ScriptRequest { head, output, body, scope, start: None, logs: true };
    Ok(start(options, request, signals)?.wait())
}

fn run_on_many(
    options: &ThreadOptions,
    scope: &Arc<dyn Scope>,
    head: &RequestHead,
    signals: SignalMask,
    threads: usize,
) -> Result<i32, ScriptError> {
    let body = exchange::body_for_threads(head).map_err(reading_body)?;
    let together = Arc::new(Barrier::new(threads));
    let mut gates = Vec::new();
    let mut running = Vec::new();
    let mut failed = None;
    for number in 0..threads {
        let kept = Kept::new();
        let (gate, opened) = mpsc::channel();
        let request = ScriptRequest {
            head: head.clone(),
            output: Output::Kept(kept.clone()),
            body: exchange::body_again(&body),
            scope: scope.clone(),
            start: Some(Start { opened, together: together.clone() }),
            logs: number == 0,
        };
        match start(options, request, signals) {
            Ok(thread) => running.push((thread, kept)),
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
        gates.push(gate);
    }
    if failed.is_none() {
        // No thread can have ended: each waits for this.
        for gate in &gates {
            let _ = gate.send(());
        }
    }
    drop(gates);
    let results: Vec<ThreadResult> = running
        .into_iter()
        .map(|(thread, kept)| ThreadResult { exit_status: thread.wait(), output: kept.take() })
        .collect();
    match failed {
        Some(error) => Err(error),
        None => agreed(&results),
    }
}

/// Prints the common output of the threads, and returns their exit status.
fn agreed(results: &[ThreadResult]) -> Result<i32, ScriptError> {
    let first = &results[0];
    io::stdout()
        .write_all(&first.output)
        .and_then(|()| io::stdout().flush())
        .map_err(|error| ScriptError::System { doing: "writing to the standard output", error })?;
    match compare::difference(results) {
        None => Ok(first.exit_status),
        Some(difference) => Err(ScriptError::Differs(difference)),
    }
}

fn reading_body(error: io::Error) -> ScriptError {
    ScriptError::System { doing: "reading the request body from the standard input", error }
}

/// A thread that runs the script.
struct Running {
    exit_status: mpsc::Receiver<i32>,
    thread: JoinHandle<()>,
}

impl Running {
    fn wait(self) -> i32 {
        // A thread that ended without a result has panicked, and the panic has been printed.
        let status = self.exit_status.recv().unwrap_or(PHP_FAILED);
        let _ = self.thread.join();
        status
    }
}

fn start(options: &ThreadOptions, request: ScriptRequest, signals: SignalMask) -> Result<Running, ScriptError> {
    let (sender, exit_status) = mpsc::channel();
    let work = ScriptWork {
        logs: request.logs,
        request: Some(request),
        signals,
        process: std::process::id(),
        exit_status: sender,
    };
    let options = ThreadOptions { name: "script".into(), ..options.clone() };
    let thread = php::spawn(options, Box::new(work), Arc::new(Interrupt::default()))
        .map_err(|error| ScriptError::System { doing: "starting a PHP thread for the script", error })?;
    Ok(Running { exit_status, thread })
}

/// PHP's exit status after a fatal error.
const PHP_FAILED: i32 = 255;

/// The barrier of the threads, so that all run the script at the same time.
struct Start {
    /// Signals that all threads run; closed without a message if one could not be started.
    opened: mpsc::Receiver<()>,
    together: Arc<Barrier>,
}

/// What one thread runs.
struct ScriptRequest {
    head: RequestHead,
    output: Output,
    body: Body,
    scope: Arc<dyn Scope>,
    start: Option<Start>,
    /// Whether this thread's messages are shown: one of several equal threads is enough.
    logs: bool,
}

/// A PHP thread with one request.
struct ScriptWork {
    request: Option<ScriptRequest>,
    logs: bool,
    /// The signals that the script's thread, and those that it starts, block.
    signals: SignalMask,
    /// The process that runs the script. A forked child runs this work to its end too.
    process: u32,
    exit_status: mpsc::Sender<i32>,
}

impl Work for ScriptWork {
    fn mode(&self) -> Mode {
        Mode::Classic
    }

    fn next(&mut self) -> Next {
        self.signals.apply();
        let Some(request) = self.request.take() else { return Next::Stop };
        let ScriptRequest { head, output, body, scope, start, logs: _ } = request;
        if let Some(start) = start {
            if start.opened.recv().is_err() {
                return Next::Stop;
            }
            start.together.wait();
        }
        Next::Request { exchange: Box::new(ProcessExchange::new(head, output, body)), scope }
    }

    fn ended(&mut self, ended: Ended) {
        if std::process::id() != self.process {
            // A forked child only has this thread: nothing waits for its result, and it does not own the engine.
            php::exit_at_once(ended.exit_status);
        }
        // The receiver no longer exists while the process ends.
        let _ = self.exit_status.send(ended.exit_status);
    }

    fn output(&mut self, bytes: &[u8]) {
        let _ = io::stdout().write_all(bytes);
    }

    /// As PHP's own command line does: the bare message.
    fn log(&mut self, _level: i32, message: &str) {
        if self.logs {
            let _ = writeln!(io::stderr(), "{message}");
        }
    }
}
