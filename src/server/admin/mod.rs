//! The admin interface: a small HTTP server for operators and their tools. `routes` holds the paths, `interface` what every
//! answer needs, `guard` checks requests, `look` and `view` build the answers, `metrics` those for Prometheus. `page` is the
//! status page with its events.
//!
//! It listens before PHP starts, so that an address in use is found early. It answers until the last PHP thread has
//! left, so that a stop that hangs can be examined.

mod guard;
mod interface;
mod look;
mod metrics;
mod page;
mod probes;
mod routes;
pub mod view;

use super::control::Control;
use crate::config::Admin;
use crate::http::write_limit::WriteLimit;
use crate::limits;
use crate::sockets::{self, SocketFile};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use interface::Interface;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, Semaphore, oneshot, watch};
use tokio::task::JoinHandle;

/// Why the admin interface does not listen.
#[derive(Debug, thiserror::Error)]
#[error(
    "the admin interface cannot listen on {address}: {error}; choose another address with `admin`, or write `admin off`"
)]
pub struct AdminError {
    /// As configured.
    address: Admin,
    error: io::Error,
}

/// How long pending answers may take when the server ends: they are ready, and small.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// A bound address that does not accept yet.
pub(super) struct BoundAdmin {
    socket: Bound,
}

enum Bound {
    Tcp(std::net::TcpListener, SocketAddr),
    Unix(std::os::unix::net::UnixListener, SocketFile, PathBuf),
}

/// Binds the address. `None`: the admin interface is off. Or none is configured and the default address is in use,
/// probably by another server; this is logged.
///
/// # Errors The configured address cannot be bound.
pub(super) fn bind(asked: Option<&Admin>) -> Result<Option<BoundAdmin>, AdminError> {
    let address = asked.cloned().unwrap_or_default();
    let bound = match &address {
        Admin::Off => return Ok(None),
        Admin::Addr(address) => bind_tcp(*address),
        Admin::Unix(path) => bind_unix(path),
    };
    match bound {
        Ok(socket) => Ok(Some(BoundAdmin { socket })),
        Err(error) if asked.is_none() => {
            tracing::warn!(
                %address,
                "there is no admin interface: {error}; choose another address with `admin`, or write `admin off`"
            );
            Ok(None)
        }
        Err(error) => Err(AdminError { address, error }),
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<Bound> {
    let listener = sockets::tcp(address)?;
    let address = listener.local_addr()?;
    Ok(Bound::Tcp(listener, address))
}

/// Only the owner may use the socket, because a client may stop the server.
fn bind_unix(path: &Path) -> io::Result<Bound> {
    let (listener, file) = sockets::unix(path, 0o600)?;
    Ok(Bound::Unix(listener, file, path.to_owned()))
}

/// The running admin interface. Dropping it ends it at once.
pub(super) struct RunningAdmin {
    /// Sent or dropped: both end the interface.
    stop: oneshot::Sender<()>,
    /// The task that accepts and answers.
    accepting: JoinHandle<()>,
    /// The socket file, to be removed at the end.
    _file: Option<SocketFile>,
}

impl BoundAdmin {
    /// Starts to answer. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// The runtime cannot watch the socket.
    pub(super) fn serve(self, control: Control) -> Result<RunningAdmin, AdminError> {
        let started = SystemTime::now();
        let (stop, stopped) = oneshot::channel();
        let (listener, local, file) = match self.socket {
            Bound::Tcp(listener, address) => {
                let listener = tokio::net::TcpListener::from_std(listener)
                    .map_err(|error| AdminError { address: Admin::Addr(address), error })?;
                tracing::info!(%address, "admin listening");
                (Listener::Tcp(listener), Some(address), None)
            }
            Bound::Unix(listener, file, path) => {
                let listener = tokio::net::UnixListener::from_std(listener)
                    .map_err(|error| AdminError { address: Admin::Unix(path.clone()), error })?;
                tracing::info!(address = %Admin::Unix(path.clone()), "admin listening");
                (Listener::Unix(listener), None, Some(file))
            }
        };
        let accepting = tokio::spawn(accept(listener, Interface::new(control, local, started), stopped));
        Ok(RunningAdmin { stop, accepting, _file: file })
    }
}

impl RunningAdmin {
    /// Closes the socket, and returns when pending answers are sent.
    pub(super) async fn shut_down(mut self) {
        // The other end only disappears when there is nothing left to stop.
        let _ = self.stop.send(());
        if tokio::time::timeout(LAST_ANSWERS, &mut self.accepting).await.is_err() {
            self.accepting.abort();
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

enum Listener {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

impl Listener {
    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

fn log_outcome(outcome: Result<(), hyper::Error>) {
    if let Err(error) = outcome {
        tracing::debug!("a connection to the admin interface: {error}");
    }
}

/// Answers clients until `stopped`, or its sender is dropped. At most [`limits::ADMIN_CONNECTIONS_MAX`] are connected at
/// once; one more waits, and the oldest client that asks nothing is disconnected for it.
async fn accept(
    listener: Listener,
    (interface, open): (Interface, watch::Sender<()>),
    mut stopped: oneshot::Receiver<()>,
) {
    let places = Arc::new(Semaphore::new(limits::ADMIN_CONNECTIONS_MAX));
    let mut clients = Clients::default();
    let graceful = GracefulShutdown::new();
    let write_idle = Duration::from_secs(limits::RESPONSE_WRITE_IDLE_SECONDS_MAX);
    loop {
        let next = async {
            let stream = listener.accept().await;
            if places.available_permits() == 0 {
                clients.let_one_go();
            }
            // The semaphore is never closed, so this eventually gets a place.
            (stream, places.clone().acquire_owned().await)
        };
        let (stream, place) = tokio::select! {
            // Also when the `RunningAdmin` was dropped.
            _ = &mut stopped => break,
            next = next => next,
        };
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!("accepting a connection to the admin interface: {error}");
                tokio::time::sleep(Duration::from_millis(limits::ACCEPT_BACKOFF_MS_MAX)).await;
                continue;
            }
        };
        let interface = interface.clone();
        let client = clients.enter();
        let asking = Arc::clone(&client);
        let handler = service_fn(move |request| {
            let (interface, asking) = (interface.clone(), Arc::clone(&asking));
            async move {
                asking.asks.store(true, Ordering::Relaxed);
                let answer = routes::answer(&interface, request).await;
                asking.asks.store(false, Ordering::Relaxed);
                Ok::<_, Infallible>(answer)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(limits::ADMIN_REQUEST_SECONDS_MAX))
            .max_buf_size(limits::ADMIN_HEAD_BYTES_MAX)
            .serve_connection(WriteLimit::new(TokioIo::new(stream), write_idle), handler);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            tokio::select! {
                outcome = connection => log_outcome(outcome),
                () = client.go.notified() => {}
            }
            drop(place);
        });
    }
    drop(listener);
    // The events of open pages end.
    drop(open);
    graceful.shutdown().await;
}

/// The connected clients, oldest first. Idle clients must not block others.
#[derive(Default)]
struct Clients(VecDeque<Weak<Client>>);

#[derive(Default)]
struct Client {
    /// One of its requests is being answered.
    asks: AtomicBool,
    /// Ends its connection.
    go: Notify,
}

impl Clients {
    fn enter(&mut self) -> Arc<Client> {
        self.0.retain(|client| client.strong_count() > 0);
        let client = Arc::default();
        self.0.push_back(Arc::downgrade(&client));
        client
    }

    /// Ends the connection of the first idle client.
    fn let_one_go(&mut self) {
        let idle = |client: &Weak<Client>| client.upgrade().is_some_and(|client| !client.asks.load(Ordering::Relaxed));
        if let Some(client) = self.0.iter().position(idle).and_then(|index| self.0.remove(index)?.upgrade()) {
            client.go.notify_one();
        }
    }
}
