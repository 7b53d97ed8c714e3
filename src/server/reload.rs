//! Replaces the running configuration by another one (contract line B52).
//!
//! Everything that can fail comes first: reading and checking, binding new addresses, starting new threads, booting new
//! HTTP workers. Until then the running configuration does not change. The switch itself cannot fail: every listener
//! passes its next requests to the new handlers, and the scopes take over their new declarations. Removed parts end
//! after their running requests.

use super::control::{ControlError, Reloaded, Requests, StopSignal};
use super::remote_php;
use super::run::{Listening, Server};
use super::shutdown::settled;
use crate::assemble::encryption::Encryption;
use crate::assemble::{Leaving, Live, Threads, sites};
use crate::config::{self, Config, Listener};
use crate::http::listener::{BoundListener, ListenAddress};
use crate::http::service::HttpService;
use crate::limits::KILL_SECONDS_MAX;
use crate::threads::Stuck;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a replaced handler is checked for requests that it has not answered.
const LOOK_EVERY: Duration = Duration::from_millis(5);

impl Server {
    /// Reloads, unless `stop` comes first, or a request of `newer` arrives while new workers boot: a script that never
    /// becomes ready must not block a corrected configuration. [`Server::retired`] ends the parts that were started
    /// until then.
    pub(super) async fn reload(
        &mut self,
        text: Option<String>,
        stop: &mut StopSignal,
        newer: &mut Requests,
    ) -> Result<Reloaded, ControlError> {
        // The parts that the last reload replaced must have ended, so any number of reloads holds two configurations at
        // most.
        tokio::select! {
            () = self.retired() => {}
            _ = stop.wait() => return Err(ControlError::Stopping),
        }
        let old = self.live.borrow().clone();
        let reading = read(self.origin(text.is_some(), &old.config)?, text);
        let config = tokio::select! {
            config = reading => config?,
            _ = stop.wait() => return Err(ControlError::Stopping),
        };
        check_engine(&old.config, &config)?;
        crate::assemble::logging::check_access_logs(&config).map_err(ControlError::Log)?;
        crate::assemble::check_hubs(&config).map_err(ControlError::Hub)?;
        crate::assemble::check_histories(&config).map_err(ControlError::Hub)?;
        let warnings = warnings(&old.config, &config);
        let challenges = Arc::clone(&self.challenges);
        let preparing = tokio::task::spawn_blocking(move || (Encryption::prepare(&config, &challenges), config));
        let (encryption, config) = preparing.await?;
        let encryption = encryption?;
        let bound = self.bind_new(&config)?;
        let ports = self.ports.bind(&config)?;
        let grace = old.config.global.grace_period;
        let threads = match Threads::succeed(&old, &config) {
            Ok(threads) => Arc::new(threads),
            Err((error, leaving)) => {
                self.retire(leaving, Vec::new(), Vec::new(), grace);
                return Err(ControlError::Threads(error));
            }
        };
        if let Err(error) = booted(&threads, &old, stop, newer).await {
            let leaving = threads.withdraw(&old.threads, &old.config);
            self.retire(leaving, Vec::new(), Vec::new(), grace);
            return Err(error);
        }
        self.switch(&old, config, threads, bound, encryption);
        self.follow_traces();
        let live = self.live.borrow().clone();
        self.ports.open(&live.config, live.threads.stores(), ports);
        Ok(Reloaded { warnings })
    }

    /// The new configuration takes effect.
    fn switch(
        &mut self,
        old: &Live,
        config: Config,
        threads: Arc<Threads>,
        mut bound: Vec<(Listener, BoundListener)>,
        mut encryption: Encryption,
    ) {
        let mut replaced = Vec::new();
        let mut kept = Vec::new();
        let hubs = crate::assemble::succeed_hubs(&old.config, &config);
        for (listener, service) in sites::listeners(&config, &threads) {
            let service = service.with_challenges(Arc::clone(&self.challenges));
            let settings = encryption.settings(&listener);
            if let Some(position) = self.listeners.iter().position(|listening| listening.listener == listener) {
                let mut listening = self.listeners.swap_remove(position);
                if let ListenAddress::Unix { mode, .. } = sites::listen_address(&config, &listener) {
                    listening.running.allow(mode);
                }
                replaced.push(listening.replace(settings, service));
                kept.push(listening);
            } else if let Some(position) = bound.iter().position(|(bound, _)| *bound == listener) {
                let (_, socket) = bound.swap_remove(position);
                match Listening::start(listener, socket, settings, service, &self.connection_threads) {
                    Ok(listening) => kept.push(listening),
                    Err(error) => tracing::error!("{error}"),
                }
            }
        }
        let removed = std::mem::replace(&mut self.listeners, kept);
        drop(hubs);
        crate::assemble::close_other_hubs(&config);
        self.kept_fresh = encryption.keep_fresh();
        let leaving = threads.commit(&old.threads, &config);
        let grace = config.global.grace_period;
        self.live.send_replace(Arc::new(Live { config, threads }));
        self.retire(leaving, removed, replaced, grace);
    }

    /// The file of a new configuration, or, for a configuration as text, the file that the text replaces.
    fn origin(&self, has_text: bool, running: &Config) -> Result<PathBuf, ControlError> {
        match &self.source {
            Some(source) => Ok(source.clone()),
            None if has_text => Ok(running.base_dir.join("Caddyfile")),
            None => Err(ControlError::NoFile),
        }
    }

    fn bind_new(&self, config: &Config) -> Result<Vec<(Listener, BoundListener)>, ControlError> {
        let known = |listener: &Listener| self.listeners.iter().any(|listening| listening.listener == *listener);
        let new = sites::sockets(config).into_iter().filter(|listener| !known(listener)).collect();
        Ok(self.inherited.bind(config, new)?)
    }

    /// Ends the replaced parts in the background: first the listeners, and then the threads, when the replaced handlers
    /// have answered all requests.
    fn retire(&mut self, leaving: Leaving, removed: Vec<Listening>, replaced: Vec<HttpService>, grace: Duration) {
        let until = Instant::now() + grace;
        self.retiring = Some(tokio::spawn(async move {
            let draining: Vec<_> =
                removed.into_iter().map(|listening| tokio::spawn(listening.running.shut_down(grace))).collect();
            let is_in_hand = || replaced.iter().any(|service| service.in_hand() > 0);
            if !settled(&draining, grace, is_in_hand).await {
                leaving.end_idle(grace);
            }
            for task in draining {
                // A task that panicked has dropped its listener, which closes it.
                let _ = task.await;
            }
            while is_in_hand() && Instant::now() < until {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            leaving.stop_serving(grace);
            tokio::task::spawn_blocking(move || leave(leaving, until)).await.unwrap_or_default()
        }));
    }

    /// Waits until the parts that the last reload replaced have ended. Threads that could not be stopped are kept for
    /// another attempt at the end, because the engine must not be stopped under them.
    pub(super) async fn retired(&mut self) {
        let Some(retiring) = &mut self.retiring else { return };
        let (leaving, stuck) = retiring.await.unwrap_or_default();
        self.retiring = None;
        for stuck in &stuck {
            let place = stuck.place.as_deref().unwrap_or("unknown");
            tracing::error!(
                thread = stuck.thread,
                place,
                "a PHP thread of the last configuration could not be interrupted"
            );
        }
        // Threads that were stuck before may have ended by now.
        self.left_behind.retain(|leaving| !still_there(leaving).is_empty());
        if !stuck.is_empty() {
            self.left_behind.push(leaving);
        }
    }

    /// The remaining threads of earlier configurations.
    pub(super) fn stuck(&self) -> Vec<Stuck> {
        self.left_behind.iter().flat_map(still_there).collect()
    }
}

/// The settings that PHP reads only when it starts must not have changed.
fn check_engine(running: &Config, config: &Config) -> Result<(), ControlError> {
    let (running, wanted) = (&running.global.frankenphp, &config.global.frankenphp);
    if wanted.php_ini != running.php_ini {
        return Err(ControlError::NeedsRestart("php_ini"));
    }
    if wanted.apcu != running.apcu { Err(ControlError::NeedsRestart("apcu")) } else { Ok(()) }
}

/// Joins the threads that have ended, and returns the others.
fn still_there(leaving: &Leaving) -> Vec<Stuck> {
    leaving.leave(Instant::now(), Duration::ZERO)
}

/// Waits for the threads until `until`, and then interrupts their scripts. Blocks. Returns those that could not be stopped.
fn leave(leaving: Leaving, until: Instant) -> (Leaving, Vec<Stuck>) {
    let stuck = leaving.leave(until, Duration::from_secs(KILL_SECONDS_MAX));
    (leaving, stuck)
}

/// Waits until the HTTP workers that `old` does not have are ready; see [`Server::reload`].
async fn booted(
    threads: &Arc<Threads>,
    old: &Arc<Live>,
    stop: &mut StopSignal,
    newer: &mut Requests,
) -> Result<(), ControlError> {
    // If nothing boots, a newer reload need not end the wait.
    if !threads.boots_more_than(&old.threads) {
        return Ok(());
    }
    let (threads, old) = (threads.clone(), old.clone());
    let booted = tokio::task::spawn_blocking(move || threads.wait_booted(Some(&old.threads)));
    tokio::select! {
        booted = booted => {
            booted.unwrap_or_else(|error| Err(format!("waiting for workers to boot: {error}"))).map_err(ControlError::Boot)
        }
        _ = stop.wait() => Err(ControlError::Stopping),
        () = newer.arrived() => Err(ControlError::Superseded),
    }
}

/// Reads a configuration, on a thread that may block: the server's loop must see a signal to stop meanwhile, however
/// large the configuration is and however slow its file system.
async fn read(origin: PathBuf, text: Option<String>) -> Result<Config, ControlError> {
    let reading = tokio::task::spawn_blocking(move || {
        let mut config = match text {
            Some(text) => config::parse(&text, &origin, &|name| std::env::var(name).ok()),
            None => config::load(&origin),
        }?;
        remote_php::choose(&mut config);
        Ok(config)
    });
    reading.await?.map_err(ControlError::Configuration)
}

/// Warnings: probable mistakes, and settings that only take effect at the next start.
fn warnings(running: &Config, config: &Config) -> Vec<String> {
    let mut warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
    let log = |config: &Config| (config.global.log.clone(), config.global.debug);
    if log(running) != log(config) {
        warnings.push(
            "the global `log` has changed: where the process writes, and what, takes effect at the next start".into(),
        );
    }
    if running.global.admin != config.global.admin {
        warnings.push("`admin` has changed: the address takes effect at the next start".into());
    }
    warnings
}
