//! The sockets of stores, and their changes in a reload.

use super::connection::serve;
use super::session::Served;
use crate::config::{Admin, Config, Scope, StoreSettings};
use crate::limits::RESP_CLIENTS_MAX;
use crate::sockets::{self, SocketFile};
use crate::store::Stores;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, RwLock};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

/// Why the port of a store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("listening on {address} for the store \"{store}\": {error}")]
pub struct PortError {
    store: String,
    address: String,
    error: io::Error,
}

/// A store with the label of its scope; `None`: it belongs to all scopes.
#[derive(Clone)]
struct Declared {
    scope: Option<String>,
    settings: StoreSettings,
}

/// A bound socket that does not accept yet.
pub(crate) struct BoundPort {
    declared: Declared,
    socket: Socket,
}

enum Socket {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener, SocketFile),
}

/// The ports that are open.
#[derive(Default)]
pub(crate) struct Ports {
    open: Vec<Port>,
}

struct Port {
    declared: Declared,
    task: JoinHandle<()>,
    /// Removed with the port.
    _file: Option<SocketFile>,
}

impl Ports {
    /// Binds the declared ports that are not open yet.
    ///
    /// # Errors An address is in use, or not this machine's.
    pub(crate) fn bind(&self, config: &Config) -> Result<Vec<BoundPort>, PortError> {
        let is_open = |new: &Declared| self.open.iter().any(|port| port.declared.is_at(new));
        declared(config).into_iter().filter(|new| !is_open(new)).map(bind).collect()
    }

    /// Closes the ports that are no longer declared, with their connections, and opens the new ones.
    pub(crate) fn open(&mut self, config: &Config, stores: &Stores, mut bound: Vec<BoundPort>) {
        let declared = declared(config);
        for port in std::mem::take(&mut self.open) {
            let successor = declared.iter().find(|declared| declared.is_at(&port.declared));
            match successor {
                Some(store) if store.serves_as(&port.declared) => self.open.push(port),
                Some(store) => {
                    // The address now has another store or password, so its clients must reconnect.
                    port.close();
                    match bind(store.clone()) {
                        Ok(again) => bound.push(again),
                        Err(error) => tracing::error!("{error}"),
                    }
                }
                None => port.close(),
            }
        }
        for port in bound {
            let declared = port.declared.clone();
            let settings = &declared.settings;
            let Some(store) = stores.find(declared.scope.as_deref(), settings.name.as_bytes()) else { continue };
            let served = Arc::new(Served {
                store,
                password: settings.password.as_ref().map(|password| password.0.clone()),
                turn: RwLock::new(()),
            });
            let address = settings.listen.as_ref().map(ToString::to_string).unwrap_or_default();
            match port.accept(served) {
                Ok((task, file, local)) => {
                    let address = local.unwrap_or(address);
                    tracing::info!(store = settings.name, address, "listening for clients of Redis");
                    self.open.push(Port { declared, task, _file: file });
                }
                Err(error) => tracing::error!(store = settings.name, address, "listening: {error}"),
            }
        }
    }

    /// Closes all of them.
    pub(crate) fn close(&mut self) {
        for port in std::mem::take(&mut self.open) {
            port.close();
        }
    }
}

impl Port {
    fn close(self) {
        self.task.abort();
    }
}

impl Declared {
    /// Whether both listen at one address.
    fn is_at(&self, other: &Self) -> bool {
        self.settings.listen == other.settings.listen
    }

    /// Whether clients can stay connected across the change.
    fn serves_as(&self, other: &Self) -> bool {
        self.scope == other.scope
            && self.settings.name == other.settings.name
            && self.settings.password == other.settings.password
    }
}

/// The stores of every scope that listen.
fn declared(config: &Config) -> Vec<Declared> {
    let scoped = |scope: Scope<'_>| {
        let label = (!scope.label.is_global()).then(|| scope.label.to_string());
        let listening = scope.stores.iter().filter(|store| store.listen.is_some());
        let declared = listening.map(|settings| Declared { scope: label.clone(), settings: settings.clone() });
        declared.collect::<Vec<_>>()
    };
    config.scopes().flat_map(scoped).collect()
}

fn bind(declared: Declared) -> Result<BoundPort, PortError> {
    let store = &declared.settings;
    let socket = match &store.listen {
        Some(Admin::Addr(address)) => sockets::tcp(*address).map(Socket::Tcp),
        Some(Admin::Unix(path)) => sockets::unix(path, 0o600).map(|(socket, file)| Socket::Unix(socket, file)),
        _ => Err(io::Error::from(io::ErrorKind::Unsupported)),
    };
    let address = store.listen.as_ref().map(ToString::to_string).unwrap_or_default();
    match socket {
        Ok(socket) => Ok(BoundPort { declared, socket }),
        Err(error) => Err(PortError { store: store.name.clone(), address, error }),
    }
}

type Accepting = (JoinHandle<()>, Option<SocketFile>, Option<String>);

impl BoundPort {
    /// Accepts clients until the task is aborted; their connections end with it.
    fn accept(self, served: Arc<Served>) -> io::Result<Accepting> {
        match self.socket {
            Socket::Tcp(socket) => {
                let local = socket.local_addr().ok().map(|address| address.to_string());
                let socket = TcpListener::from_std(socket)?;
                let task = tokio::spawn(accept_all(served, move |context| {
                    socket.poll_accept(context).map_ok(|(stream, _)| {
                        // Replies are not delayed; without the option they are only slower.
                        let _ = stream.set_nodelay(true);
                        stream
                    })
                }));
                Ok((task, None, local))
            }
            Socket::Unix(socket, file) => {
                let socket = UnixListener::from_std(socket)?;
                let accept = move |context: &mut Context<'_>| socket.poll_accept(context).map_ok(|(stream, _)| stream);
                Ok((tokio::spawn(accept_all(served, accept)), Some(file), None))
            }
        }
    }
}

/// Serves every client that `accept` returns, with a bound on concurrent ones. Does not return.
async fn accept_all<S>(served: Arc<Served>, mut accept: impl FnMut(&mut Context<'_>) -> Poll<io::Result<S>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let places = Arc::new(Semaphore::new(RESP_CLIENTS_MAX));
    let mut clients = JoinSet::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match poll_fn(&mut accept).await {
            Ok(stream) => {
                let served = served.clone();
                clients.spawn(async move {
                    let _place = place;
                    serve(stream, served).await
                });
            }
            Err(error) => refused(&error).await,
        }
        while clients.try_join_next().is_some() {}
    }
}

/// The system may have no descriptor left, so this tries again after a while.
async fn refused(error: &io::Error) {
    tracing::warn!("accepting a client of a store: {error}");
    tokio::time::sleep(crate::limits::RESP_ACCEPT_PAUSE).await;
}
