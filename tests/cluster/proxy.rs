//! A network between one instance and one server of an engine.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// What the network does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Weather {
    Fine,
    /// Nothing passes, and nothing is closed, as in a network that has lost the way.
    Cut,
    /// Everything comes later.
    Slow,
    /// Connections end in the middle, new ones too.
    Dropping,
}

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    ToServer,
    ToClient,
}

/// What happens to bytes before they pass.
type Filter = dyn Fn(Way, &mut Vec<u8>) + Send + Sync;

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    weather: Arc<AtomicU8>,
}

impl Proxy {
    pub(crate) fn start(to: SocketAddr) -> Self {
        Self::with(to, |_, _| {})
    }

    /// The filter sees what was received in one piece, and may change it.
    pub(crate) fn with(to: SocketAddr, filter: impl Fn(Way, &mut Vec<u8>) + Send + Sync + 'static) -> Self {
        let filter: Arc<Filter> = Arc::new(filter);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let weather = Arc::new(AtomicU8::new(Weather::Fine as u8));
        let shared = weather.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(to) else { continue };
                for (way, from, into) in [(Way::ToServer, &client, &server), (Way::ToClient, &server, &client)] {
                    let (from, into) = (from.try_clone().expect("a copy"), into.try_clone().expect("a copy"));
                    let (weather, filter) = (shared.clone(), filter.clone());
                    std::thread::spawn(move || pass(from, into, &weather, |bytes| filter(way, bytes)));
                }
            }
        });
        Self { address, weather }
    }

    pub(crate) fn set(&self, weather: Weather) {
        self.weather.store(weather as u8, Ordering::Relaxed);
    }
}

fn pass(mut from: TcpStream, mut into: TcpStream, weather: &AtomicU8, filter: impl Fn(&mut Vec<u8>)) {
    let mut bytes = [0; 65536];
    let now = || weather.load(Ordering::Relaxed);
    loop {
        let count = from.read(&mut bytes).unwrap_or(0);
        while now() == Weather::Cut as u8 {
            std::thread::sleep(Duration::from_millis(5));
        }
        if now() == Weather::Slow as u8 {
            std::thread::sleep(Duration::from_millis(150));
        }
        // Half of what has come still passes.
        let is_dropped = now() == Weather::Dropping as u8;
        let mut passing = bytes[..if is_dropped { count / 2 } else { count }].to_vec();
        filter(&mut passing);
        if into.write_all(&passing).is_err() || count == 0 || is_dropped {
            let _ = (from.shutdown(Shutdown::Both), into.shutdown(Shutdown::Both));
            return;
        }
    }
}
