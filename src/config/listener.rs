//! Where sites listen.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// A port in digits only.
pub(crate) fn parse_port(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// One word of `bind`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Bind {
    /// The interface with this IP.
    Ip(IpAddr),
    /// A Unix socket.
    Unix {
        /// Where its file is: absolute.
        path: PathBuf,
        /// The permissions of the file.
        mode: u32,
    },
    /// A socket that the service manager has opened; see [`Listener::Inherited`].
    Inherited(String),
}

impl Bind {
    /// The socket, for an address with this port.
    pub(super) fn listener(&self, port: u16) -> Listener {
        match self {
            Self::Ip(ip) => Listener::Tcp { ip: Some(*ip), port },
            Self::Unix { path, .. } => Listener::Unix(path.clone()),
            Self::Inherited(name) => Listener::Inherited(name.clone()),
        }
    }
}

/// One socket to listen on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Listener {
    /// A TCP port.
    Tcp {
        /// The interface; `None`: all of them, by IPv4 and IPv6.
        ip: Option<IpAddr>,
        /// The port.
        port: u16,
    },
    /// The Unix socket with this absolute path.
    Unix(PathBuf),
    /// A socket that the service manager has opened: its name in `LISTEN_FDNAMES`, or its descriptor, the first of which is 3.
    Inherited(String),
}

impl Listener {
    /// The interface and the port of a TCP socket.
    #[must_use]
    pub fn tcp(&self) -> Option<(Option<IpAddr>, u16)> {
        match self {
            Self::Tcp { ip, port } => Some((*ip, *port)),
            Self::Unix(_) | Self::Inherited(_) => None,
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { ip: Some(ip), port } => write!(f, "{}", SocketAddr::new(*ip, *port)),
            Self::Tcp { ip: None, port } => write!(f, ":{port}"),
            Self::Unix(path) => write!(f, "unix/{}", path.display()),
            Self::Inherited(name) => write!(f, "fd/{name}"),
        }
    }
}
