//! Ports of the loopback interface that tests name: for servers whose port must be known first, and for what must not answer.
//!
//! A port that the system has chosen (port 0) is anyone's again once it is closed. Another test may get it, and so may a
//! connection: one to this very port meets itself. So these ports are below those that the system chooses. Each belongs to one
//! test until its process ends, also while nothing listens on it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::Range;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixListener;
use std::sync::Mutex;

/// What keeps other tests off the ports of this process. The system closes it with the process, however that ends.
static HELD: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());

/// Below it are the ports of well-known services.
const PORT_MIN: u16 = 10_000;

/// How many ports there must be at least. Where the system chooses from almost all, these are among its own.
const PORTS_MIN: u16 = 10_000;

fn ports() -> Range<u16> {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first = range.split_whitespace().next().and_then(|first| first.parse().ok());
    PORT_MIN..first.unwrap_or(0).max(PORT_MIN + PORTS_MIN)
}

/// An address at which nothing listens, and which no other test gets.
pub(crate) fn free_address() -> SocketAddr {
    let ports = ports();
    let first = fastrand::u16(ports.clone());
    let found = (first..ports.end).chain(ports.start..first).find_map(|port| {
        let name = std::os::unix::net::SocketAddr::from_abstract_name(format!("igor-test-port-{port}"));
        let held = UnixListener::bind_addr(&name.expect("a short name")).ok()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        (TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()).then_some((held, address))
    });
    let (held, address) = found.expect("loopback has free ports");
    HELD.lock().expect("no panic").push(held);
    address
}
