//! Decides where the scripts of `php_fastcgi` run: in another process, if one answers at the address.

use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::config::{Config, RemotePhp, UpstreamAddress};
use crate::limits;
use crate::signals::SignalMask;

/// Asks each address of `php_fastcgi`, once. Blocks.
pub(super) fn choose(config: &mut Config) {
    for site in &mut config.sites {
        site.choose_remotes(&mut |remote| {
            let addresses = remote.upstreams.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            let is_there = answers(remote);
            if is_there {
                tracing::info!(addresses, "php_fastcgi: the FastCGI server answers, and runs the scripts");
            } else {
                tracing::info!(addresses, "php_fastcgi: no FastCGI server answers, so the scripts run in this process");
            }
            is_there
        });
    }
}

/// Whether one of the addresses takes a connection. On a thread of its own, because nothing bounds how long the system
/// looks for a name.
fn answers(remote: &RemotePhp) -> bool {
    let limit = remote.dial_timeout.min(Duration::from_secs(limits::REMOTE_PHP_SECONDS_MAX));
    let upstreams = remote.upstreams.clone();
    let (sender, receiver) = mpsc::channel();
    let mask = SignalMask::block_all();
    let asking = thread::Builder::new().name("ask-php".to_owned()).spawn(move || {
        let found = upstreams.iter().any(|upstream| takes_connection(upstream, limit));
        // After the time limit there is no receiver.
        let _ = sender.send(found);
    });
    mask.apply();
    asking.is_ok() && receiver.recv_timeout(limit).unwrap_or(false)
}

fn takes_connection(upstream: &UpstreamAddress, limit: Duration) -> bool {
    match upstream {
        UpstreamAddress::Unix(path) => UnixStream::connect(path).is_ok(),
        UpstreamAddress::Tcp { host, port } => (host.as_str(), *port)
            .to_socket_addrs()
            .is_ok_and(|mut found| found.any(|address| TcpStream::connect_timeout(&address, limit).is_ok())),
    }
}
