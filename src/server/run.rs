//! One life of the server: engine, threads, listeners; then signals; then the way down.

use super::assemble::{Threads, engine_options};
use super::shutdown::shut_down;
use super::sites;
use crate::config::Config;
use crate::http::listener::{BindError, BoundListener, RunningListener};
use crate::php::{Engine, EngineError};
use std::io;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The engine did not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system refused something.
    #[error("{doing}: {error}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// An HTTP worker's script does not boot.
    #[error("{0}")]
    Worker(String),
}

/// Serves the configuration until a signal ends it. Returns after everything has been taken down. If a PHP thread cannot
/// be made to leave, the process ends here, with a log record that names it.
///
/// # Errors
/// Says why the server did not start; nothing half-started stays behind.
pub fn run(config: &Config) -> Result<(), ServeError> {
    // Addresses first: a port in use must not cost a start of PHP.
    let bound = bind(config)?;
    let engine = Engine::start(&engine_options(config))?;
    log_engine(&engine);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("igor-async")
        .build()
        .map_err(|error| ServeError::System { doing: "starting the async runtime", error })?;
    let result = runtime.block_on(serve(config, bound));
    runtime.shutdown_background();
    match result {
        Ok(stuck) if !stuck.is_empty() => leave_without(&engine, &stuck),
        Ok(_) => Ok(()),
        Err((error, stuck)) => {
            if !stuck.is_empty() {
                leave_without(&engine, &stuck);
            }
            Err(error)
        }
    }
}

/// Exit status when a PHP thread had to be left behind.
const EXIT_STUCK: i32 = 70;

type Stuck = Vec<crate::pool::Stuck>;

/// Ends the process under PHP threads that do not leave: stopping the engine would take the memory they run on.
fn leave_without(_engine: &Engine, stuck: &Stuck) -> ! {
    for thread in stuck {
        let place = thread.place.as_deref().unwrap_or("unknown");
        tracing::error!(
            thread = thread.thread,
            place,
            "a PHP thread could not be interrupted; the process ends without it"
        );
    }
    crate::php::exit_at_once(EXIT_STUCK)
}

async fn serve(config: &Config, bound: Vec<BoundListener>) -> Result<Stuck, (ServeError, Stuck)> {
    let threads = Threads::start(config)
        .map(Arc::new)
        .map_err(|error| (ServeError::System { doing: "starting PHP threads", error }, Vec::new()))?;
    let grace = config.global.grace_period;
    if let Err(error) = wait_booted(&threads).await {
        return Err((ServeError::Worker(error), shut_down(Vec::new(), threads, grace).await));
    }
    // Before anybody can see that the server is up: a signal must not end the process without its phases from then on.
    let mut signals = match Signals::catch() {
        Ok(signals) => signals,
        Err(error) => {
            let error = ServeError::System { doing: "listening for signals", error };
            return Err((error, shut_down(Vec::new(), threads, grace).await));
        }
    };
    let listeners = match listen(config, bound, &threads) {
        Ok(listeners) => listeners,
        Err(error) => return Err((error, shut_down(Vec::new(), threads, grace).await)),
    };
    // Outside of the record: its fields are not evaluated where the log's level leaves it out.
    let signal = signals.wait().await;
    tracing::info!(signal, "stopping");
    Ok(shut_down(listeners, threads, grace).await)
}

fn bind(config: &Config) -> Result<Vec<BoundListener>, BindError> {
    let mut listeners = Vec::new();
    for listener in config.sites.iter().flat_map(crate::config::Site::listeners) {
        if !listeners.contains(&listener) {
            listeners.push(listener);
        }
    }
    listeners.into_iter().map(|listener| BoundListener::bind(sites::socket_address(listener))).collect()
}

fn listen(config: &Config, bound: Vec<BoundListener>, threads: &Threads) -> Result<Vec<RunningListener>, ServeError> {
    let services = sites::listeners(config, threads);
    let mut running = Vec::new();
    for (socket, (listener, service)) in bound.into_iter().zip(services) {
        let address = socket.local_address();
        running.push(socket.serve(service)?);
        tracing::info!(%listener, %address, "listening");
    }
    Ok(running)
}

async fn wait_booted(threads: &Arc<Threads>) -> Result<(), String> {
    let threads = threads.clone();
    let booted =
        tokio::task::spawn_blocking(move || threads.http.iter().try_for_each(|(_, worker, _)| worker.wait_booted()));
    booted.await.unwrap_or_else(|error| Err(format!("waiting for workers to boot: {error}")))
}

/// The signals that mean something to the server.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    quit: Signal,
    /// A closing terminal must not end a server without its grace period.
    hangup: Signal,
}

impl Signals {
    /// Takes the signals from the system's own handling of them.
    fn catch() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for one that ends the server, and gives its name.
    async fn wait(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.quit.recv() => return "SIGQUIT",
                _ = self.hangup.recv() => {
                    tracing::warn!("SIGHUP: the configuration cannot be reloaded while the server runs yet; restart it instead");
                }
            }
        }
    }
}

fn log_engine(engine: &Engine) {
    let info = engine.info();
    tracing::info!(
        php = info.php_version,
        ini = info.loaded_ini.as_deref().unwrap_or("none"),
        opcache = info.opcache_enabled,
        jit = info.jit_enabled,
        "PHP started"
    );
    if !info.opcache_enabled {
        let why = if info.opcache_loaded {
            "it is loaded but off: set opcache.enable=1 in php.ini"
        } else {
            "it is not loaded: add zend_extension=opcache to php.ini"
        };
        tracing::warn!("opcache does not run, so every request compiles its scripts anew; {why}");
    }
}
