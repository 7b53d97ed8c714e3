//! PHP in a Rust program with its own server: the threads of a configuration, and the [`tower::Service`] that passes
//! requests to them. The program itself has listeners, signals, reloads, an admin interface and a watcher, if it wants
//! them.

use super::vars::{Vars, VarsError};
use crate::assemble::opcache::Coordinator;
use crate::assemble::{Leaving, Live, Threads, engine_options, log_engine, sites};
use crate::config::{Config, ScopeLabel};
use crate::http::service::HttpService;
use crate::limits::KILL_SECONDS_MAX;
use crate::php::Engine;
use crate::server::ServeError;
use crate::threads::Stuck;
use crate::worker::scope::ScopeConfig;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// PHP, running in this process with the threads and workers of a configuration, until it is stopped or dropped.
///
/// A program can have one at a time. The value stays on the thread that started it, as PHP's engine does; its services
/// may move to any thread. It needs no async runtime itself: start it before you build yours, and stop it after your
/// server has answered its last request. Threads that already exist also receive PHP's signals. So if scripts use
/// `pcntl_signal()`, start this first, and then block other signals with [`SignalMask`](crate::signals::SignalMask).
///
/// Records, PHP's errors included, go to [`tracing`]: install a subscriber to see them.
///
/// # Examples
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use igor_php::{config, embed::Mounted};
///
/// let text = ":80\nphp_server {\n root public\n}";
/// let config = config::parse(text, "Caddyfile".as_ref(), &|_| None).map_err(|errors| errors[0].to_string())?;
/// let php = Mounted::start(config)?;
/// let service = php.service(); // for any number of connections, on any thread
/// // … serve …
/// php.stop()?;
/// # Ok(())
/// # }
/// ```
pub struct Mounted {
    live: Arc<Live>,
    service: HttpService,
    opcache: Option<Coordinator>,
    /// `None` once the engine was stopped, or must keep running.
    engine: Option<Engine>,
}

/// PHP threads that could not be stopped, each with what it runs. They still use the engine's memory, so the engine
/// was left running: end the process without exit handlers ([`exit_at_once`](crate::php::exit_at_once)).
#[derive(Debug, thiserror::Error)]
#[error("{} could not be interrupted, so PHP was not stopped", list(.0))]
pub struct StuckThreads(Vec<Stuck>);

fn list(stuck: &[Stuck]) -> String {
    let place = |thread: &Stuck| format!("{} ({})", thread.thread, thread.place.as_deref().unwrap_or("unknown"));
    stuck.iter().map(place).collect::<Vec<_>>().join(", ")
}

impl Mounted {
    /// Starts the engine, the classic threads, eager background workers and HTTP workers, and waits until the HTTP
    /// workers are ready. Blocks: not for async code.
    ///
    /// The configuration's settings for sockets, logs, the admin interface and watching have no effect. Only their
    /// hosts distinguish its sites.
    ///
    /// # Errors The reason. Everything started is stopped again; a thread that cannot be stopped is logged.
    pub fn start(config: Config) -> Result<Self, ServeError> {
        Self::start_with(config, Vec::new())
    }

    /// Starts PHP with these workers and the workers of the configuration.
    pub(super) fn start_with(config: Config, native: Vec<(ScopeLabel, ScopeConfig)>) -> Result<Self, ServeError> {
        let engine = Engine::start(&engine_options(&config))?;
        log_engine(&engine);
        let threads = match Threads::start(&config, &native) {
            Ok(threads) => Arc::new(threads),
            Err((error, leaving)) => {
                log_stuck(end(engine, &leaving, config.global.grace_period));
                return Err(ServeError::System { doing: "starting PHP threads", error });
            }
        };
        let live = Arc::new(Live { config, threads });
        let service = sites::all(&live.config, &live.threads);
        let running = live.clone();
        let opcache = Some(Coordinator::start(move || running.clone()));
        let mounted = Self { live, service, opcache, engine: Some(engine) };
        mounted.live.threads.wait_booted(None).map_err(ServeError::Worker)?;
        Ok(mounted)
    }

    /// What answers requests. Give each a [`ConnectionInfo`](crate::http::connection::ConnectionInfo) in its extensions.
    pub fn service(&self) -> HttpService {
        self.service.clone()
    }

    /// What the background worker of this name publishes: that of the global scope, or else that of the only other scope
    /// that declares one.
    ///
    /// # Errors None is declared, or several are.
    pub fn vars(&self, name: &str) -> Result<Vars, VarsError> {
        let found = self.live.threads.slots(name);
        match &found[..] {
            [(label, slot), ..] if label.is_global() => Ok(Vars::new(slot.clone())),
            [(_, slot)] => Ok(Vars::new(slot.clone())),
            [] => Err(self.not_declared(name)),
            _ => {
                let scopes = found.iter().map(|(label, _)| label.to_string()).collect();
                Err(VarsError::Ambiguous { name: name.to_owned(), scopes })
            }
        }
    }

    /// The same, for the scope of this label.
    ///
    /// # Errors It declares none.
    pub fn vars_of(&self, scope: &str, name: &str) -> Result<Vars, VarsError> {
        let found = self.live.threads.slots(name).into_iter().find(|(label, _)| label.as_str() == scope);
        found.map(|(_, slot)| Vars::new(slot)).ok_or_else(|| self.not_declared(name))
    }

    fn not_declared(&self, name: &str) -> VarsError {
        VarsError::NotDeclared { name: name.to_owned(), declared: self.live.threads.background_names() }
    }

    /// Stops workers and threads within the configuration's `grace_period`, interrupts those that take longer, and
    /// stops the engine. Later requests get a 503. Blocks: not for async code. Dropping the value
    /// does the same, and logs what this would return.
    ///
    /// # Errors Some threads could not be stopped.
    pub fn stop(mut self) -> Result<(), StuckThreads> {
        self.take_down()
    }

    fn take_down(&mut self) -> Result<(), StuckThreads> {
        let Some(engine) = self.engine.take() else { return Ok(()) };
        self.opcache = None;
        self.live.threads.stop_background();
        let leaving = self.live.threads.leaving();
        let grace = self.live.config.global.grace_period;
        leaving.stop_serving(grace);
        let ended = end(engine, &leaving, grace);
        self.live.threads.withdraw_slots();
        ended
    }
}

/// Waits until threads that should end have left, and stops the engine.
fn end(engine: Engine, leaving: &Leaving, grace: Duration) -> Result<(), StuckThreads> {
    let stuck = leaving.leave(Instant::now() + grace, Duration::from_secs(KILL_SECONDS_MAX));
    if stuck.is_empty() {
        return Ok(());
    }
    // Their memory is the engine's.
    std::mem::forget(engine);
    Err(StuckThreads(stuck))
}

fn log_stuck(ended: Result<(), StuckThreads>) {
    if let Err(stuck) = ended {
        tracing::error!("{stuck}");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        log_stuck(self.take_down());
    }
}

impl fmt::Debug for Mounted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mounted").field("service", &self.service).finish_non_exhaustive()
    }
}
