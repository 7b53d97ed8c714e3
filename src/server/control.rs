//! The interface of the running server for signals, the admin interface and the watcher. A reload is a message to the
//! loop of the server (see `run`), which carries out one after the other. Restarts and stops need no loop.

use crate::assemble::Live;
use crate::config::{Diagnostic, ScopeLabel};
use crate::http::listener::BindError;
use crate::limits::{CONTROL_REQUESTS_MAX, KILL_SECONDS_MAX};
use crate::resp::PortError;
use crate::threads;
use crate::tls::TlsError;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};

/// A request to the server's loop.
pub(super) enum Request {
    /// Another configuration: this text, or the file as it is now.
    Reload { text: Option<String>, reply: oneshot::Sender<Result<Reloaded, ControlError>> },
}

/// The requests of the server's loop, in order.
pub(super) struct Requests {
    /// From every [`Control`].
    receiver: mpsc::Receiver<Request>,
    /// A request that [`arrived`](Self::arrived) has received, for the next call of [`next`](Self::next).
    seen: Option<Request>,
}

impl Requests {
    /// Takes the next request; `None` if no handle is left.
    pub(super) async fn next(&mut self) -> Option<Request> {
        match self.seen.take() {
            Some(request) => Some(request),
            None => self.receiver.recv().await,
        }
    }

    /// Waits for a request, and leaves it for [`next`](Self::next).
    pub(super) async fn arrived(&mut self) {
        if self.seen.is_none() {
            self.seen = self.receiver.recv().await;
        }
        if self.seen.is_none() {
            std::future::pending().await
        }
    }
}

/// The outcome of a reload that took effect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reloaded {
    /// Warnings: probable mistakes, and settings that only take effect at the next start.
    pub(super) warnings: Vec<String>,
}

/// The outcome of a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Restarted {
    /// How many workers restarted.
    pub(super) workers: usize,
    /// The threads whose scripts could not be stopped.
    pub(super) stuck: Vec<threads::Stuck>,
}

/// Why a request had no effect.
#[derive(Debug, thiserror::Error)]
pub(super) enum ControlError {
    /// The server was started from the command line's flags.
    #[error("there is no configuration file to read again: the server was started by its command line's flags")]
    NoFile,
    /// The configuration could not be read completely.
    #[error("reading the configuration: {0}")]
    Reading(#[from] tokio::task::JoinError),
    /// The configuration is wrong.
    #[error("the configuration has errors\n{}", lines(.0))]
    Configuration(Vec<Diagnostic>),
    /// The engine reads it when it starts.
    #[error("`{0}` cannot change while the server runs, because PHP reads it when it starts: restart the server")]
    NeedsRestart(&'static str),
    /// A site cannot be encrypted as it is configured.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A new address cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The Redis port of a store cannot listen.
    #[error(transparent)]
    Port(#[from] PortError),
    /// A log file cannot be opened. The message names it.
    #[error("{0}")]
    Log(std::io::Error),
    /// The key of a Mercure hub cannot be read. The message names the site.
    #[error("{0}")]
    Hub(String),
    /// The system has no thread left.
    #[error("starting PHP threads: {0}")]
    Threads(std::io::Error),
    /// An HTTP worker's script does not boot.
    #[error("{0}")]
    Boot(String),
    /// Another reload is waiting already.
    #[error("a newer reload came while the scripts of its HTTP workers still booted")]
    Superseded,
    /// The loop has ended.
    #[error("the server is stopping")]
    Stopping,
}

fn lines(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A handle to the running server. Cheap to clone.
#[derive(Clone)]
pub(super) struct Control {
    /// The loop carries them out one after the other.
    requests: mpsc::Sender<Request>,
    /// The running configuration; a reload replaces it.
    live: watch::Receiver<Arc<Live>>,
    /// The reason of the stop, once it is decided.
    stop: Arc<watch::Sender<Option<&'static str>>>,
}

/// The server's end of a [`Control`].
pub(super) struct Controlled {
    /// For the loop.
    pub(super) requests: Requests,
    /// Set by a reload.
    pub(super) live: watch::Sender<Arc<Live>>,
}

/// The signal that ends the server, with its reason. It can be awaited any number of times.
pub(super) struct StopSignal {
    /// Kept, so that the signal is never disconnected.
    sender: Arc<watch::Sender<Option<&'static str>>>,
    receiver: watch::Receiver<Option<&'static str>>,
}

impl StopSignal {
    pub(super) fn new() -> Self {
        let (sender, receiver) = watch::channel(None);
        Self { sender: Arc::new(sender), receiver }
    }

    /// Waits for the signal and returns its reason.
    pub(super) async fn wait(&mut self) -> &'static str {
        // The sender lives as long as the receiver, so the wait does not fail.
        self.receiver.wait_for(Option::is_some).await.ok().and_then(|reason| *reason).unwrap_or("none")
    }
}

impl Control {
    /// A control and its other end.
    pub(super) fn new(live: Arc<Live>, stop: &StopSignal) -> (Self, Controlled) {
        let (sender, receiver) = mpsc::channel(CONTROL_REQUESTS_MAX);
        let (live, lives) = watch::channel(live);
        let requests = Requests { receiver, seen: None };
        (Self { requests: sender, live: lives, stop: stop.sender.clone() }, Controlled { requests, live })
    }

    /// The running configuration and its threads.
    pub(super) fn live(&self) -> Arc<Live> {
        self.live.borrow().clone()
    }

    /// Replaces the running configuration by this text; `None`: by the file as it is now. See `reload`.
    ///
    /// # Errors Why the running configuration continues.
    pub(super) async fn reload(&self, text: Option<String>) -> Result<Reloaded, ControlError> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request::Reload { text, reply }).await.map_err(|_| ControlError::Stopping)?;
        answer.await.unwrap_or(Err(ControlError::Stopping))
    }

    /// Asks for a reload from the file, whose outcome the loop logs. A stop that is decided afterwards does not overtake it.
    pub(super) fn ask_reload(&self) {
        let (reply, _) = oneshot::channel();
        if let Err(TrySendError::Full(request)) = self.requests.try_send(Request::Reload { text: None, reply }) {
            // The caller does not wait for a place, so that a stop gets through.
            let requests = self.requests.clone();
            tokio::spawn(async move { requests.send(request).await.ok() });
        }
    }

    /// Restarts the workers of some scopes. Returns when each of their running scripts has ended: on its own
    /// within the grace period, or interrupted.
    pub(super) async fn restart(&self, scopes: impl Fn(&ScopeLabel) -> bool) -> Restarted {
        let live = self.live();
        let (workers, runs) = live.threads.restart(scopes);
        let grace = Instant::now() + live.config.global.grace_period;
        let ending =
            tokio::task::spawn_blocking(move || threads::end_runs(runs, grace, Duration::from_secs(KILL_SECONDS_MAX)));
        let stuck = ending.await.unwrap_or_default();
        for stuck in &stuck {
            let place = stuck.place.as_deref().unwrap_or("unknown");
            tracing::error!(
                thread = stuck.thread,
                place,
                "a script could not be interrupted; its worker did not restart"
            );
        }
        tracing::info!(workers, "workers restarted");
        Restarted { workers, stuck }
    }

    /// Starts the shutdown. The first reason counts.
    pub(super) fn stop(&self, reason: &'static str) {
        self.stop.send_if_modified(|given| {
            let first = given.is_none();
            *given = given.or(Some(reason));
            first
        });
    }
}
