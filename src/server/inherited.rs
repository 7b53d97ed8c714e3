//! Sockets that the service manager has opened before it started the server (systemd's socket units).

use crate::assemble::sites;
use crate::config::{Config, Listener};
use crate::http::listener::{BindError, BoundListener};
use listenfd::ListenFd;
use std::io;
use std::os::fd::OwnedFd;

/// The descriptor of the first one (`sd_listen_fds(3)`).
const FIRST_DESCRIPTOR: usize = 3;

/// The inherited sockets. They stay open, so that a reload can use a socket again that an earlier configuration has
/// released.
#[derive(Debug)]
pub(super) struct InheritedSockets(Vec<Inherited>);

#[derive(Debug)]
struct Inherited {
    /// Its name in `LISTEN_FDNAMES`.
    name: Option<String>,
    /// Or why this descriptor cannot be used.
    socket: io::Result<OwnedFd>,
}

impl Inherited {
    /// Another descriptor of the socket, because a reload may bind it again.
    fn copy(&self) -> io::Result<OwnedFd> {
        match &self.socket {
            Ok(socket) => socket.try_clone(),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        }
    }
}

impl InheritedSockets {
    /// Takes the sockets of `LISTEN_FDS`, and removes the variable, because children must not see it. Must be called
    /// before any thread reads the environment.
    pub(super) fn take() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':').filter(|name| !name.is_empty()).map(str::to_owned);
        let mut inherited = ListenFd::from_env();
        Self(
            (0..inherited.len())
                .map(|index| Inherited { name: names.next(), socket: socket(&mut inherited, index) })
                .collect(),
        )
    }

    /// Binds the sockets, or takes them from the inherited ones.
    ///
    /// # Errors An address cannot be bound, or a socket was not inherited.
    pub(super) fn bind(
        &self,
        config: &Config,
        listeners: Vec<Listener>,
    ) -> Result<Vec<(Listener, BoundListener)>, BindError> {
        let bind = |listener: Listener| {
            let bound = match &listener {
                Listener::Inherited(name) => self.adopt(name),
                _ => BoundListener::bind(sites::listen_address(config, &listener)),
            };
            bound.map(|bound| (listener, bound))
        };
        listeners.into_iter().map(bind).collect()
    }

    fn adopt(&self, name: &str) -> Result<BoundListener, BindError> {
        let copy = self.find(name).and_then(Inherited::copy);
        BoundListener::adopt(copy.map_err(|error| BindError::not_inherited(name, error))?, name)
    }

    fn find(&self, name: &str) -> io::Result<&Inherited> {
        let number = name.parse::<usize>().ok().and_then(|number| number.checked_sub(FIRST_DESCRIPTOR));
        let found = match number {
            Some(index) => self.0.get(index),
            None => self.0.iter().find(|inherited| inherited.name.as_deref() == Some(name)),
        };
        found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the service manager has opened no such socket"))
    }
}

fn socket(inherited: &mut ListenFd, index: usize) -> io::Result<OwnedFd> {
    match inherited.take_unix_listener(index) {
        Ok(Some(listener)) => Ok(listener.into()),
        _ => inherited.take_tcp_listener(index)?.map(OwnedFd::from).ok_or_else(|| io::ErrorKind::NotFound.into()),
    }
}
