//! Runs the server once: starts engine, threads and listeners, handles signals, and shuts down.

use super::admin::{self, AdminError, BoundAdmin, RunningAdmin};
use super::control::{Control, ControlError, Controlled, Reloaded, Request, Requests, StopSignal};
use super::inherited::InheritedSockets;
use super::runtime::Runtimes;
use super::shutdown::shut_down;
use super::traces::Traces;
use super::watch::Watcher;
use super::{housekeeping, overdue, remote_php, stalls, systemd};
use crate::assemble::encryption::Encryption;
use crate::assemble::opcache::Coordinator;
use crate::assemble::{Leaving, Live, Threads, engine_options, log_engine, sites};
use crate::config::{Config, Listener};
use crate::http::connection_threads::ConnectionThreads;
use crate::http::listener::{BindError, BoundListener, RunningListener};
use crate::http::phase::ListenerSettings;
use crate::http::service::HttpService;
use crate::limits::{DESCRIPTORS_MAX, KILL_SECONDS_MAX};
use crate::php::{EXIT_STUCK, Engine, EngineError, exit_at_once, process};
use crate::resp::{BoundPort, PortError, Ports};
use crate::signals::SignalMask;
use crate::tls::{Challenges, KeptFresh, TlsError};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The engine did not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// An address cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A site cannot be encrypted as it is configured.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The admin interface cannot listen.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The Redis port of a store cannot listen.
    #[error(transparent)]
    Port(#[from] PortError),
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

/// Serves the configuration until a signal ends it. `source` is the file it came from, which a reload reads again.
/// Returns after everything has been stopped. If a PHP thread cannot be stopped, the process exits here, with a log
/// record that names it.
///
/// # Errors Why the server did not start; everything started is stopped again.
pub fn run(mut config: Config, source: Option<&Path>) -> Result<(), ServeError> {
    allow_descriptors();
    remote_php::choose(&mut config);
    // Addresses first, because a port in use should fail before PHP starts.
    let challenges = Arc::new(Challenges::default());
    let encryption = Encryption::prepare(&config, &challenges)?;
    let inherited = InheritedSockets::take();
    let bound = inherited.bind(&config, sites::sockets(&config))?;
    let admin = admin::bind(config.global.admin.as_ref())?;
    let ports = Ports::default().bind(&config)?;
    let engine = Engine::start(&engine_options(&config))?;
    process::own();
    log_engine(&engine);
    // Every thread that starts from here on inherits the mask: a signal that a script handles by pcntl_signal() would
    // end the process on a thread without PHP. PHP's threads have the mask that the engine was started with.
    SignalMask::block_all_but(&OWN_SIGNALS);
    let runtimes = process::own_descriptors_of(Runtimes::start)
        .map_err(|error| ServeError::System { doing: "starting the async runtime", error })?;
    let connection_threads = runtimes.connection_threads();
    let serving = || {
        runtimes.main.block_on(serve(
            config,
            source.map(absolute),
            Sockets { bound, inherited, admin, ports, encryption, challenges },
            connection_threads,
        ))
    };
    let Ok(result) = catch_unwind(AssertUnwindSafe(serving)) else {
        // No one is left to let the PHP threads leave.
        tracing::error!("the server's loop panicked, and the process ends at once; this is a defect of igor");
        exit_at_once(EXIT_STUCK);
    };
    // Its threads end before PHP does: a thread that is just ending must not use memory that the end of the process
    // frees.
    runtimes.shut_down();
    match result {
        Ok(stuck) if !stuck.is_empty() => leave_without(&engine, &stuck),
        Ok(_) => Ok(()),
        Err((error, stuck)) if !stuck.is_empty() => {
            tracing::error!("{error}");
            leave_without(&engine, &stuck)
        }
        Err((error, _)) => Err(error),
    }
}

type Stuck = Vec<crate::threads::Stuck>;

/// Exits the process while PHP threads still run: stopping the engine would free the memory that they use.
fn leave_without(_engine: &Engine, stuck: &Stuck) -> ! {
    for thread in stuck {
        let place = thread.place.as_deref().unwrap_or("unknown");
        tracing::error!(
            thread = thread.thread,
            place,
            "a PHP thread could not be interrupted; the process ends without it"
        );
    }
    exit_at_once(EXIT_STUCK)
}

/// The state of the loop of a running server.
pub(super) struct Server {
    /// The configuration file: absolute.
    pub(super) source: Option<PathBuf>,
    /// What the admin interface and the coordinators see.
    pub(super) live: watch::Sender<Arc<Live>>,
    /// One for each socket.
    pub(super) listeners: Vec<Listening>,
    /// Where the connections of all listeners run.
    pub(super) connection_threads: ConnectionThreads,
    /// The sockets that the service manager has opened.
    pub(super) inherited: InheritedSockets,
    /// The challenges that certificate authorities may request now.
    pub(super) challenges: Arc<Challenges>,
    /// Renews the certificates of the running configuration.
    pub(super) kept_fresh: Option<KeptFresh>,
    /// The admin interface, if one is configured.
    pub(super) admin: Option<RunningAdmin>,
    /// The Redis ports of stores.
    pub(super) ports: Ports,
    /// The parts that the last reload has replaced, while they end.
    pub(super) retiring: Option<JoinHandle<(Leaving, Stuck)>>,
    /// Sends spans, if the configuration traces.
    pub(super) traces: Traces,
    /// Dropped in the first step of a shutdown.
    opcache: Option<Coordinator>,
    /// Threads of earlier configurations that could not be stopped when they were replaced.
    pub(super) left_behind: Vec<Leaving>,
}

/// A listener and the handler of its next requests.
pub(super) struct Listening {
    /// The address in the configuration.
    pub(super) listener: Listener,
    /// Ends when it is dropped.
    pub(super) running: RunningListener,
    /// Held here too, so that a reload can wait until its requests have ended.
    pub(super) service: HttpService,
}

impl Listening {
    /// Connections that are accepted from here on get the new settings and service. Returns the old service.
    pub(super) fn replace(&mut self, settings: ListenerSettings, service: HttpService) -> HttpService {
        self.running.replace_settings(settings);
        self.running.replace_service(service.clone());
        std::mem::replace(&mut self.service, service)
    }

    /// Starts to accept.
    pub(super) fn start(
        listener: Listener,
        socket: BoundListener,
        settings: ListenerSettings,
        service: HttpService,
        threads: &ConnectionThreads,
    ) -> Result<Self, BindError> {
        let address = socket.local_address().clone();
        let encrypted = settings.tls.is_some();
        let running = socket.serve_as(settings, service.clone(), threads)?;
        tracing::info!(%listener, %address, encrypted, "listening");
        Ok(Self { listener, running, service })
    }
}

/// The sockets, which are ready before PHP starts.
struct Sockets {
    /// The sockets of the sites.
    bound: Vec<(Listener, BoundListener)>,
    inherited: InheritedSockets,
    admin: Option<BoundAdmin>,
    /// Of the stores.
    ports: Vec<BoundPort>,
    encryption: Encryption,
    challenges: Arc<Challenges>,
}

/// Starts the tasks that run as long as the server does.
fn spawn_housekeeping(control: &Control) {
    tokio::spawn(systemd::keep_alive());
    tokio::spawn(housekeeping::run());
    tokio::spawn(housekeeping::return_memory());
    tokio::spawn(stalls::watch(control.clone()));
    tokio::spawn(overdue::watch(control.clone()));
}

async fn serve(
    config: Config,
    source: Option<PathBuf>,
    sockets: Sockets,
    connection_threads: ConnectionThreads,
) -> Result<Stuck, (ServeError, Stuck)> {
    let Sockets { bound, inherited, admin, ports, mut encryption, challenges } = sockets;
    let mut stop = StopSignal::new();
    // Before any PHP thread runs: from then on a signal must not end the process without the phases of a stop.
    let signals =
        Signals::catch().map_err(|error| (ServeError::System { doing: "listening for signals", error }, Vec::new()))?;
    let threads = Arc::new(start_threads(&config)?);
    let live = Arc::new(Live { config, threads });
    let (control, Controlled { mut requests, live }) = Control::new(live, &stop);
    tokio::spawn(signals.forward(control.clone()));
    let running = control.clone();
    let opcache = Some(Coordinator::start(move || running.live()));
    let mut server = Server {
        source,
        live,
        listeners: Vec::new(),
        connection_threads,
        inherited,
        challenges,
        kept_fresh: None,
        admin: None,
        ports: Ports::default(),
        retiring: None,
        traces: Traces::default(),
        opcache,
        left_behind: Vec::new(),
    };
    server.follow_traces();
    // Before the workers boot, so that a worker that does not boot can be examined.
    match admin.map(|admin| admin.serve(control.clone())).transpose() {
        Ok(admin) => server.admin = admin,
        Err(error) => return Err((error.into(), server.shut_down().await)),
    }
    let booted = tokio::select! {
        booted = server.booted() => booted.map_err(ServeError::Worker),
        reason = stop.wait() => return Ok(server.stop(reason).await),
    };
    // Before the first request, so that a server which answers also sees changes of files.
    let mut watcher = Watcher::start(&control);
    if let Err(error) = booted.and_then(|()| server.listen(bound, &encryption)) {
        return Err((error, server.shut_down().await));
    }
    server.open_ports(ports);
    server.kept_fresh = encryption.keep_fresh();
    spawn_housekeeping(&control);
    systemd::ready();
    let reason = server.reload_until(&mut stop, &mut requests, &mut watcher).await;
    Ok(server.stop(reason).await)
}

fn start_threads(config: &Config) -> Result<Threads, (ServeError, Stuck)> {
    Threads::start(config, &[]).map_err(|(error, leaving)| {
        // Waits on this thread, where nothing else runs yet, because the system may have no other thread left.
        let until = Instant::now() + config.global.grace_period;
        let stuck = leaving.leave(until, Duration::from_secs(KILL_SECONDS_MAX));
        (ServeError::System { doing: "starting PHP threads", error }, stuck)
    })
}

/// Writes the outcome of a reload to the log.
fn log_reload(result: &Result<Reloaded, ControlError>) {
    match result {
        Ok(Reloaded { warnings }) => {
            warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            tracing::info!("the configuration was reloaded");
        }
        Err(error) => tracing::error!("the configuration was not reloaded, and the running one stays in use: {error}"),
    }
}

impl Server {
    /// Waits until the HTTP workers serve.
    async fn booted(&self) -> Result<(), String> {
        let live = self.live.borrow().clone();
        let booted = tokio::task::spawn_blocking(move || live.threads.wait_booted(None));
        booted.await.unwrap_or_else(|error| Err(format!("waiting for workers to boot: {error}")))
    }

    fn listen(&mut self, mut bound: Vec<(Listener, BoundListener)>, encryption: &Encryption) -> Result<(), ServeError> {
        let live = self.live.borrow().clone();
        for (listener, service) in sites::listeners(&live.config, &live.threads) {
            if let Some(position) = bound.iter().position(|(bound, _)| *bound == listener) {
                let (_, socket) = bound.swap_remove(position);
                let service = service.with_challenges(Arc::clone(&self.challenges));
                let settings = encryption.settings(&listener);
                self.listeners.push(Listening::start(listener, socket, settings, service, &self.connection_threads)?);
            }
        }
        Ok(())
    }

    fn open_ports(&mut self, bound: Vec<BoundPort>) {
        let live = self.live.borrow().clone();
        self.ports.open(&live.config, live.threads.stores(), bound);
    }

    /// Carries out one reload after the other until the server is stopped; returns the reason of the stop.
    async fn reload_until(
        &mut self,
        stop: &mut StopSignal,
        requests: &mut Requests,
        watcher: &mut Watcher,
    ) -> &'static str {
        loop {
            tokio::select! {
                // A reload that was asked for before the stop is answered: it ends at once, and says why.
                biased;
                Some(Request::Reload { text, reply }) = requests.next() => {
                    systemd::reloading();
                    let result = self.reload(text, stop, requests).await;
                    if result.is_ok() {
                        watcher.follow();
                    }
                    log_reload(&result);
                    systemd::ready();
                    // A reload by signal has no caller that waits for the reply.
                    let _ = reply.send(result);
                }
                reason = stop.wait() => return reason,
            }
        }
    }

    /// Switches tracing on or off, as the running configuration wants.
    pub(super) fn follow_traces(&mut self) {
        let live = self.live.borrow().clone();
        self.traces.follow(&live.config);
    }

    async fn stop(self, reason: &'static str) -> Stuck {
        tracing::info!(signal = reason, "stopping");
        self.shut_down().await
    }

    async fn shut_down(mut self) -> Stuck {
        systemd::stopping();
        self.opcache = None;
        self.ports.close();
        let live = self.live.borrow().clone();
        let listeners = std::mem::take(&mut self.listeners).into_iter().map(|listening| listening.running).collect();
        let mut stuck = shut_down(listeners, live).await;
        self.retired().await;
        stuck.extend(self.stuck());
        // When all work has ended, so that its spans are there.
        self.traces.shut_down().await;
        // It runs to the end, so that a stop that hangs can be examined.
        if let Some(admin) = self.admin.take() {
            admin.shut_down().await;
        }
        stuck
    }
}

/// Raises the limit of descriptors as far as the system allows. The usual limit, 1,024, is too low for a server, and
/// the server's own sockets belong above those of scripts.
fn allow_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(DESCRIPTORS_MAX).min(DESCRIPTORS_MAX);
    if limit.current.is_some_and(|current| current < most) {
        limit.current = Some(most);
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::debug!("raising the limit of descriptors: {error}");
        }
    }
}

/// The signals that the server handles, by [`Signals`].
const OWN_SIGNALS: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGQUIT, libc::SIGHUP];

/// Where they arrive.
struct Signals {
    /// SIGINT, as from Ctrl-C: stop.
    interrupt: Signal,
    /// SIGTERM: stop.
    terminate: Signal,
    quit: Signal,
    /// SIGHUP: reload.
    hangup: Signal,
}

impl Signals {
    /// Installs the handlers of the signals.
    fn catch() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Forwards them until the process ends.
    async fn forward(mut self, control: Control) {
        loop {
            tokio::select! {
                // A reload that came before a stop, or with it, is asked for first.
                biased;
                _ = self.hangup.recv() => {
                    tracing::info!(signal = "SIGHUP", "reloading the configuration");
                    control.ask_reload();
                }
                _ = self.interrupt.recv() => control.stop("SIGINT"),
                _ = self.terminate.recv() => control.stop("SIGTERM"),
                _ = self.quit.recv() => control.stop("SIGQUIT"),
            }
        }
    }
}

/// The absolute path of the configuration file, so that a reload finds it from any working directory.
fn absolute(source: &Path) -> PathBuf {
    std::path::absolute(source).unwrap_or_else(|_| source.to_owned())
}
