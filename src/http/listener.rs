//! Sockets: binds them, accepts connections, and closes both.
//!
//! A listener outlives a configuration. On a reload it keeps its socket and its connections, and their next requests go to
//! the new [`HttpService`]. So no request is refused, and none changes its handler while it runs.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::connection::ConnectionInfo;
use super::connection_threads::ConnectionThreads;
use super::file_sender::Socket as SendsFiles;
use super::http3::{Advertised, Http3};
use super::phase::{ListenerSettings, Phase};
use super::protocol::Connection;
use super::service::HttpService;
use crate::limits;
use crate::sockets::{self, SocketFile};

/// Why a socket cannot be opened. The message names it and what to do.
#[derive(Debug, thiserror::Error)]
#[error("listening on {address}: {reason}")]
pub struct BindError {
    /// The requested address.
    pub address: ListenAddress,
    /// The system's reason, and what the operator can do.
    reason: String,
    #[source]
    source: io::Error,
}

impl BindError {
    fn new(address: ListenAddress, source: io::Error) -> Self {
        let reason = format!("{source}{}", way_out(&address, source.kind()));
        Self { address, reason, source }
    }

    /// For a socket that the service manager has not opened, but should have.
    pub(crate) fn not_inherited(name: &str, source: io::Error) -> Self {
        Self::new(ListenAddress::Inherited(name.to_owned()), source)
    }
}

fn log_failed_accept(backoff_ms: u64, error: &io::Error) {
    tracing::error!(
        backoff_ms,
        "accepting connections: {error}; if descriptors ran out, raise the limit (`ulimit -n`)"
    );
}

/// What the operator can do, as the end of the error's message.
fn way_out(address: &ListenAddress, kind: io::ErrorKind) -> String {
    match (address, kind) {
        (ListenAddress::Tcp(address), io::ErrorKind::AddrInUse) => {
            let port = address.port();
            format!("; stop the program that uses it (`ss -ltnp 'sport = :{port}'` shows it) or choose another port")
        }
        (ListenAddress::Tcp(address), io::ErrorKind::PermissionDenied) if address.port() < 1024 => {
            "; ports below 1024 need the capability CAP_NET_BIND_SERVICE, or choose a port above".to_owned()
        }
        (ListenAddress::Tcp(_), io::ErrorKind::AddrNotAvailable) => {
            "; no interface of this machine has this address".to_owned()
        }
        (ListenAddress::Unix { .. }, io::ErrorKind::AddrInUse) => {
            "; stop the program that listens there (`ss -lxp` shows it) or choose another file".to_owned()
        }
        (ListenAddress::Unix { .. }, io::ErrorKind::NotFound) => "; make its folder first".to_owned(),
        (ListenAddress::Unix { .. }, io::ErrorKind::PermissionDenied) => {
            "; its folder must be writable for the user of the server".to_owned()
        }
        (ListenAddress::Inherited(_), _) => {
            "; start igor by a socket unit of systemd (`LISTEN_FDS` counts its sockets, the first is `fd/3`)".to_owned()
        }
        _ => String::new(),
    }
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// A TCP port of an interface. Port 0: any free port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix {
        /// Its file.
        path: PathBuf,
        /// The permissions of the file.
        mode: u32,
    },
    /// A socket that the service manager has opened.
    Inherited(String),
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix { path, .. } => write!(f, "unix/{}", path.display()),
            Self::Inherited(name) => write!(f, "fd/{name}"),
        }
    }
}

/// A bound socket that does not accept yet. All addresses of a configuration are bound before any of them serves.
#[derive(Debug)]
pub struct BoundListener {
    socket: Bound,
    /// The socket's file, if it is a Unix socket; removed by its drop.
    file: Option<SocketFile>,
    /// As configured, for messages.
    address: ListenAddress,
}

#[derive(Debug)]
enum Bound {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

impl BoundListener {
    /// Binds the address.
    ///
    /// # Errors The address is in use, not this machine's, or not allowed. An inherited socket cannot be bound, only
    /// adopted.
    pub fn bind(address: ListenAddress) -> Result<Self, BindError> {
        Self::try_bind(address.clone()).map_err(|error| BindError::new(address, error))
    }

    /// [`Self::bind`] with the plain error of the system.
    fn try_bind(address: ListenAddress) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => Self::of_tcp(sockets::tcp(address)?),
            ListenAddress::Unix { path, mode } => {
                let (socket, file) = sockets::unix(&path, mode)?;
                Ok(Self { socket: Bound::Unix(socket), file: Some(file), address: ListenAddress::Unix { path, mode } })
            }
            ListenAddress::Inherited(_) => Err(io::Error::from(io::ErrorKind::Unsupported)),
        }
    }

    /// Adopts a listening socket by its name in the service manager.
    ///
    /// # Errors The socket is not a listening stream socket.
    pub(crate) fn adopt(socket: OwnedFd, name: &str) -> Result<Self, BindError> {
        Self::try_adopt(socket, name).map_err(|error| BindError::not_inherited(name, error))
    }

    /// Refuses a descriptor that is no listening socket of a known kind.
    fn try_adopt(socket: OwnedFd, name: &str) -> io::Result<Self> {
        let socket = Socket::from(sockets::above_those_of_scripts(socket));
        socket.set_nonblocking(true)?;
        if !socket.is_listener()? {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket does not listen for connections"));
        }
        match socket.domain()? {
            Domain::UNIX => {
                let address = ListenAddress::Inherited(name.to_owned());
                Ok(Self { socket: Bound::Unix(socket.into()), file: None, address })
            }
            _ => Self::of_tcp(socket.into()),
        }
    }

    fn of_tcp(socket: std::net::TcpListener) -> io::Result<Self> {
        // Connections inherit it.
        SockRef::from(&socket).set_tcp_notsent_lowat(limits::SOCKET_UNSENT_BYTES_MAX)?;
        let address = ListenAddress::Tcp(socket.local_addr()?);
        Ok(Self { socket: Bound::Tcp(socket), file: None, address })
    }

    /// The address that was bound, with the port that the kernel chose.
    pub fn local_address(&self) -> &ListenAddress {
        &self.address
    }

    /// Starts accepting, as plain HTTP/1.1. Must be called on a tokio runtime.
    ///
    /// # Errors The runtime cannot watch the socket.
    pub fn serve(self, service: HttpService) -> Result<RunningListener, BindError> {
        self.serve_as(ListenerSettings::default(), service, &ConnectionThreads::default())
    }

    /// Starts to accept. Must be called on a tokio runtime; connections run on those of `threads`.
    ///
    /// # Errors The runtime cannot watch the socket.
    pub fn serve_as(
        self,
        settings: ListenerSettings,
        service: HttpService,
        threads: &ConnectionThreads,
    ) -> Result<RunningListener, BindError> {
        let listener = match self.socket {
            Bound::Tcp(socket) => TcpListener::from_std(socket).map(Accepting::Tcp),
            Bound::Unix(socket) => UnixListener::from_std(socket).map(Accepting::Unix),
        };
        let listener = listener.map_err(|error| BindError::new(self.address.clone(), error))?;
        let (service, services) = watch::channel(service);
        let (settings, all_settings) = watch::channel(settings);
        let (phase, phases) = watch::channel(Phase::Serving);
        let places = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX as usize));
        let (advertised, http3) = watch::channel(None);
        if let ListenAddress::Tcp(address) = self.address {
            let (settings, services, phases) = (all_settings.clone(), services.clone(), phases.clone());
            let places = Arc::clone(&places);
            // It ends with the phase of serving.
            tokio::spawn(Http3 { address, settings, services, phases, places, advertised }.run());
        }
        let acceptor = Acceptor {
            listener,
            places: Arc::clone(&places),
            settings: all_settings,
            services,
            phases,
            http3,
            threads: threads.clone(),
        };
        let accepting = tokio::spawn(acceptor.run());
        Ok(RunningListener { address: self.address, file: self.file, settings, service, phase, places, accepting })
    }
}

/// A running listener. Dropping it closes the socket and all connections at once.
#[derive(Debug)]
pub struct RunningListener {
    address: ListenAddress,
    /// Removed when the listener ends.
    file: Option<SocketFile>,
    /// Of connections that are accepted from now on.
    settings: watch::Sender<ListenerSettings>,
    /// Of requests that begin from now on.
    service: watch::Sender<HttpService>,
    /// Stops the acceptor, and ends every connection after its current requests.
    phase: watch::Sender<Phase>,
    /// One for each open connection; shared with the acceptor.
    places: Arc<Semaphore>,
    /// The task that accepts.
    accepting: JoinHandle<()>,
}

impl RunningListener {
    /// The address of the socket.
    pub fn local_address(&self) -> &ListenAddress {
        &self.address
    }

    /// Sets the permissions of a Unix socket's file; other sockets have none.
    pub(crate) fn allow(&self, mode: u32) {
        let changed = self.file.as_ref().map_or(Ok(()), |file| file.allow(mode));
        if let Err(error) = changed {
            tracing::error!(address = %self.address, "setting the permissions of the socket: {error}");
        }
    }

    /// Sends all later requests to `service`, also those on open connections.
    pub fn replace_service(&self, service: HttpService) {
        self.service.send_replace(service);
    }

    /// Uses `settings` for new connections. Open ones keep their settings.
    pub fn replace_settings(&self, settings: ListenerSettings) {
        self.settings.send_replace(settings);
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        limits::CONNECTIONS_MAX as usize - self.places.available_permits()
    }

    /// Stops accepting at once, asks clients to close their connections, and waits for the running responses; those
    /// still running after `grace` are cut off. Returns how many were.
    pub async fn shut_down(mut self, grace: Duration) -> usize {
        self.phase.send_replace(Phase::Draining);
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
        // The next server may take the name while the last responses are sent.
        self.file = None;
        let ended = tokio::time::timeout(grace, self.places.acquire_many(limits::CONNECTIONS_MAX)).await;
        if ended.is_ok() {
            return 0;
        }
        let cut_off = self.connections();
        self.phase.send_replace(Phase::Closed);
        let _ = self.places.acquire_many(limits::CONNECTIONS_MAX).await;
        cut_off
    }
}

enum Accepting {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The task of a listener.
struct Acceptor {
    listener: Accepting,
    /// Taken before a connection is served: without a free one, the others wait in the queue of the system.
    places: Arc<Semaphore>,
    settings: watch::Receiver<ListenerSettings>,
    services: watch::Receiver<HttpService>,
    phases: watch::Receiver<Phase>,
    /// What clients learn of HTTP/3.
    http3: watch::Receiver<Advertised>,
    /// Where connections without encryption run.
    threads: ConnectionThreads,
}

impl Acceptor {
    /// Ends when the listener stops.
    async fn run(mut self) {
        let mut backoff_ms = limits::ACCEPT_BACKOFF_MS_MIN;
        let mut phases = self.phases.clone();
        loop {
            let next = tokio::select! {
                biased;
                // Also if the `RunningListener` was dropped.
                _ = phases.wait_for(|phase| *phase != Phase::Serving) => return,
                next = self.next() => next,
            };
            match next {
                Ok(()) => backoff_ms = limits::ACCEPT_BACKOFF_MS_MIN,
                Err(error) if is_of_one_connection(&error) => {
                    tracing::debug!("accepting a connection: {error}");
                }
                Err(error) => {
                    log_failed_accept(backoff_ms, &error);
                    tokio::time::sleep(Duration::from_millis(backoff_ms)).await;
                    backoff_ms = (backoff_ms * 2).min(limits::ACCEPT_BACKOFF_MS_MAX);
                }
            }
        }
    }

    /// Accepts one connection and serves it.
    async fn next(&mut self) -> io::Result<()> {
        match &self.listener {
            Accepting::Tcp(listener) => {
                let (stream, remote) = listener.accept().await?;
                let info = accepted(&stream, remote)?;
                let socket = sockets::above_those_of_scripts(stream.into_std()?.into()).into();
                self.begin(|| TcpStream::from_std(socket), info).await
            }
            Accepting::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let socket = sockets::above_those_of_scripts(stream.into_std()?.into()).into();
                // The peer has no address; the web server in front names the client in the request.
                self.begin(|| UnixStream::from_std(socket), ConnectionInfo::default()).await
            }
        }
    }

    /// Waits for a free place, and then serves the connection in a task of its own. `watch` lets the current runtime watch
    /// the socket.
    async fn begin<S>(&self, watch: impl FnOnce() -> io::Result<S>, info: ConnectionInfo) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + SendsFiles + Send + Unpin + 'static,
    {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return Ok(()) };
        let settings = self.settings.borrow().clone();
        let runtime = if settings.tls.is_some() || settings.h2c { Handle::current() } else { self.threads.next() };
        let stream = {
            let _entered = runtime.enter();
            watch()?
        };
        let connection = Connection {
            info,
            stream,
            settings,
            services: self.services.clone(),
            phases: self.phases.clone(),
            http3: self.http3.clone(),
            write_idle: Duration::from_secs(limits::RESPONSE_WRITE_IDLE_SECONDS_MAX),
        };
        runtime.spawn(async move {
            connection.serve().await;
            drop(place);
        });
        Ok(())
    }
}

/// The addresses of a new connection, whose socket is set up for HTTP.
fn accepted(stream: &TcpStream, remote: SocketAddr) -> io::Result<ConnectionInfo> {
    // A small response is one write; Nagle's algorithm would only delay the end of larger responses.
    stream.set_nodelay(true)?;
    Ok(ConnectionInfo { remote, local: stream.local_addr()?, tls: false })
}

/// Errors of a client that disconnected before it was accepted; the next `accept` may succeed.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::NotConnected
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FileServer, Matcher, Respond, Root, Status, Text};
    use crate::http::access_log::AccessLog;
    use crate::http::settings::Handler;
    use crate::http::site::SiteSettings;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// More than a connection buffers.
    const LARGE: usize = 4 << 20;

    fn service(handler: Handler) -> HttpService {
        HttpService::new(vec![SiteSettings {
            label: String::new(),
            hosts: Vec::new(),
            routes: Arc::new([(Matcher::any(), handler)].into_iter().collect()),
            error_routes: Arc::default(),
            trusted_proxies: Default::default(),
            body_read_max: None,
            access_log: AccessLog::Off,
        }])
    }

    #[test]
    fn a_client_that_takes_no_bytes_loses_its_connection() {
        let root = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(root.path().join("large"), vec![b'x'; LARGE]).expect("a file");
        let files = Handler::Files(FileServer::new(Root::Fixed(root.path().to_owned())));
        let text =
            Handler::Respond(Respond { status: Status::Usual, close: false, body: Text::literal(&"x".repeat(LARGE)) });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        for handler in [files, text] {
            runtime.block_on(async {
                let (mut client, server) = UnixStream::pair().expect("two sockets");
                let (_service, services) = watch::channel(service(handler));
                let (_phase, phases) = watch::channel(Phase::Serving);
                let write_idle = Duration::from_millis(20);
                let (info, settings) = (ConnectionInfo::default(), ListenerSettings::default());
                let (_http3, http3) = watch::channel(None);
                let connection = Connection { stream: server, info, settings, services, phases, http3, write_idle };
                let serving = tokio::spawn(connection.serve());
                client.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("the request is taken");
                let ended = tokio::time::timeout(Duration::from_secs(30), serving).await;
                ended.expect("the connection ends").expect("nothing panics");
                let mut taken = Vec::new();
                let _ = client.read_to_end(&mut taken).await;
                assert!(taken.starts_with(b"HTTP/1.1 200 ") && taken.len() < LARGE, "{} bytes", taken.len());
            });
        }
    }
}
