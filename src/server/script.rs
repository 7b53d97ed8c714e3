//! One script from the command line: a classic request on a PHP thread of its own, its output on the standard output, and
//! the background workers of a configuration beside it.

use super::assemble::{declared_scopes, engine_options, thread_options};
use crate::config::{Config, Global, ScopeLabel, Site};
use crate::exchange::{BodyAborted, Exchange, Flow, RequestHead, ResponseHead};
use crate::limits::KILL_SECONDS_MAX;
use crate::php::{
    self, Ended, Engine, EngineError, EngineOptions, Interrupt, Mode, Next, Scope, SignalMask, ThreadOptions, Work,
};
use crate::pool;
use crate::vars::Slot;
use crate::worker::background::Shared;
use crate::worker::{Declared, ScopeView};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

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
    /// A background worker that should start at once did not.
    #[error("starting background workers: {0}")]
    Worker(String),
}

/// Runs one script to its end and gives its exit status. It sees the background workers of the first `php_server` block of
/// `config`, or the global ones; those run until the script has ended, and then have the grace period to end too. HTTP
/// workers of the configuration are not started. If a PHP thread cannot be made to leave, the process ends here, with the
/// script's exit status.
///
/// # Errors
/// Says why the script did not run.
pub fn run_script(config: Option<Config>, mut options: EngineOptions, head: RequestHead) -> Result<i32, ScriptError> {
    let config = config.unwrap_or_else(without_sites);
    let of_config = engine_options(&config);
    options.ini.extend(of_config.ini);
    options.threads = of_config.threads;
    let _engine = Engine::start(&options)?;

    let threads = thread_options(&config.global.frankenphp.vars, Arc::default());
    let workers = Workers::start(&config, &threads)?;
    let status = run_request(&threads, workers.scope(), head)?;
    if workers.stop() {
        return Ok(status);
    }
    // Stopping the engine would take the memory that the stuck thread runs on.
    php::exit_at_once(status)
}

/// What a script without a configuration runs under.
fn without_sites() -> Config {
    Config {
        global: Global::default(),
        sites: Vec::new(),
        warnings: Vec::new(),
        base_dir: PathBuf::new(),
        sources: Vec::new(),
    }
}

/// The background workers beside the script.
struct Workers {
    declared: HashMap<ScopeLabel, Arc<Declared>>,
    global: Arc<Declared>,
    /// What the script sees.
    own: Arc<Declared>,
    stopping: Arc<AtomicBool>,
    grace_period: Duration,
}

impl Workers {
    fn start(config: &Config, threads: &ThreadOptions) -> Result<Self, ScriptError> {
        let stopping = Arc::new(AtomicBool::new(false));
        let shared = Shared { options: threads.clone(), waits: Arc::default(), stopping: stopping.clone() };
        let declared = declared_scopes(config, &shared);
        let first_block = config.sites.iter().flat_map(Site::php_servers).next();
        let own = declared[first_block.map_or(&config.global.scope, |block| &block.scope)].clone();
        let global = declared[&config.global.scope].clone();
        let workers = Self { declared, global, own, stopping, grace_period: config.global.grace_period };
        for declared in workers.declared.values() {
            declared.start_eager().map_err(|failure| ScriptError::Worker(failure.message))?;
        }
        Ok(workers)
    }

    fn scope(&self) -> Arc<dyn Scope> {
        ScopeView::of(&self.own, &self.global)
    }

    /// Ends the workers within the grace period. `false`: a thread could not be made to leave.
    fn stop(&self) -> bool {
        self.stopping.store(true, Ordering::Release);
        for declared in self.declared.values() {
            declared.stop();
        }
        let background: Vec<_> = self.declared.values().flat_map(|declared| declared.workers()).collect();
        let crews: Vec<_> = background.iter().map(|worker| worker.crew()).collect();
        let stuck = pool::leave(&crews, Instant::now() + self.grace_period, Duration::from_secs(KILL_SECONDS_MAX));
        for stuck in &stuck {
            let place = stuck.place.as_deref().unwrap_or("an unknown place");
            eprintln!(
                "igor: the PHP thread {} could not be interrupted at {place}; the process ends without it",
                stuck.thread
            );
        }
        stuck.is_empty()
    }
}

/// Runs the request on a thread of its own and gives its exit status. That thread takes the signals of the process, so that
/// handlers of `pcntl_signal()` run as in a process of one thread.
fn run_request(threads: &ThreadOptions, scope: Arc<dyn Scope>, head: RequestHead) -> Result<i32, ScriptError> {
    let signals = SignalMask::block_all();
    let result = run_on_thread(threads, scope, head, signals);
    signals.apply();
    result
}

fn run_on_thread(
    threads: &ThreadOptions,
    scope: Arc<dyn Scope>,
    head: RequestHead,
    signals: SignalMask,
) -> Result<i32, ScriptError> {
    let exchange =
        StdExchange::new(head).map_err(|error| ScriptError::System { doing: "opening the standard output", error })?;
    let (exit_status, receiver) = mpsc::channel();
    let request = Some((Box::new(exchange) as Box<dyn Exchange>, scope));
    let work = ScriptWork { request, signals, process: std::process::id(), exit_status };
    let options = ThreadOptions { name: "script".into(), ..threads.clone() };
    let thread = php::spawn(options, Box::new(work), Arc::new(Interrupt::default()))
        .map_err(|error| ScriptError::System { doing: "starting the PHP thread of the script", error })?;
    // A thread that is gone without a word has panicked, and the panic has been printed.
    let status = receiver.recv().unwrap_or(PHP_FAILED);
    let _ = thread.join();
    Ok(status)
}

/// PHP's exit status after a fatal error.
const PHP_FAILED: i32 = 255;

/// A PHP thread with one request.
struct ScriptWork {
    request: Option<(Box<dyn Exchange>, Arc<dyn Scope>)>,
    /// The signals that the script's thread, and those that it starts, block.
    signals: SignalMask,
    /// The process that runs the script. A child that the script forked runs this work to its end too.
    process: u32,
    exit_status: mpsc::Sender<i32>,
}

impl Work for ScriptWork {
    fn mode(&self) -> Mode {
        Mode::Classic
    }

    fn next(&mut self) -> Next {
        self.signals.apply();
        match self.request.take() {
            Some((exchange, scope)) => Next::Request { exchange, scope },
            None => Next::Stop,
        }
    }

    fn next_job(&mut self) -> Option<Box<dyn Exchange>> {
        None
    }

    fn job_ended(&mut self) {}

    fn ended(&mut self, ended: Ended) {
        if std::process::id() != self.process {
            // In the child of a fork only this thread exists: nobody waits for its result, and the engine is not its own.
            php::exit_at_once(ended.exit_status);
        }
        // Nobody waits any more when the process is being ended.
        let _ = self.exit_status.send(ended.exit_status);
    }

    fn slot(&self) -> Option<Arc<Slot>> {
        None
    }

    fn published(&mut self, _version: Option<u64>) {}

    fn handle(&mut self) -> io::Result<OwnedFd> {
        Err(io::Error::other("a script has no handle"))
    }

    fn output(&mut self, bytes: &[u8]) {
        let _ = io::stdout().write_all(bytes);
    }

    /// As PHP's own command line does: the bare message.
    fn log(&mut self, _level: i32, message: &str) {
        let _ = writeln!(io::stderr(), "{message}");
    }
}

/// A request whose answer goes to the standard output, without its head. It has no body: the standard input belongs to
/// the script, as `php://stdin`.
struct StdExchange {
    head: RequestHead,
    /// Unbuffered, so that the output of child processes falls into its place.
    output: File,
    finished: bool,
    gone: bool,
}

impl StdExchange {
    fn new(head: RequestHead) -> io::Result<Self> {
        let output = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Self { head, output: output.into(), finished: false, gone: false })
    }
}

impl Exchange for StdExchange {
    fn head(&self) -> &RequestHead {
        &self.head
    }

    fn read_body(&mut self, _into: &mut [u8]) -> Result<usize, BodyAborted> {
        Ok(0)
    }

    fn respond(&mut self, _head: ResponseHead) -> Flow {
        Flow::Continue
    }

    fn inform(&mut self, _head: ResponseHead) -> Flow {
        Flow::Continue
    }

    fn write(&mut self, bytes: &[u8]) -> Flow {
        if !self.finished && !self.gone {
            self.gone = self.output.write_all(bytes).is_err();
        }
        if self.gone { Flow::ClientGone } else { Flow::Continue }
    }

    fn flush(&mut self) -> Flow {
        if self.gone { Flow::ClientGone } else { Flow::Continue }
    }

    fn finish(&mut self) {
        self.finished = true;
    }

    fn client_gone(&self) -> bool {
        self.gone
    }

    fn ended(&mut self, _failed: bool) {}
}
