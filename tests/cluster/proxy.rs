//! A network between one instance and one server of an engine.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
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
    /// Publishes reach the server. Each loses its answer, and then the connection ends.
    Unanswered,
    /// Publishes do not reach the server: the connection ends instead. Everything else passes.
    Withheld,
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
    network: Arc<Network>,
}

/// What all connections through one proxy have.
struct Network {
    weather: AtomicU8,
    filter: Box<Filter>,
    is_publish: fn(&[u8]) -> bool,
    /// The newest publish that the instance has sent, whether or not it came through.
    publish: Mutex<Option<Vec<u8>>>,
}

impl Proxy {
    pub(crate) fn start(to: SocketAddr) -> Self {
        Self::with(to, |_, _| {})
    }

    /// The filter sees what was received in one piece, and may change it.
    pub(crate) fn with(to: SocketAddr, filter: impl Fn(Way, &mut Vec<u8>) + Send + Sync + 'static) -> Self {
        Self::run(to, Box::new(filter), |_| false)
    }

    /// It knows publishes, by the bytes that were received in one piece.
    pub(crate) fn knowing(to: SocketAddr, is_publish: fn(&[u8]) -> bool) -> Self {
        Self::run(to, Box::new(|_, _| {}), is_publish)
    }

    fn run(to: SocketAddr, filter: Box<Filter>, is_publish: fn(&[u8]) -> bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let weather = AtomicU8::new(Weather::Fine as u8);
        let network = Arc::new(Network { weather, filter, is_publish, publish: Mutex::default() });
        let shared = network.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(to) else { continue };
                let awaits = Arc::new(AtomicBool::new(false));
                for (way, from, into) in [(Way::ToServer, &client, &server), (Way::ToClient, &server, &client)] {
                    let (from, into) = (from.try_clone().expect("a copy"), into.try_clone().expect("a copy"));
                    let (network, awaits) = (shared.clone(), awaits.clone());
                    std::thread::spawn(move || network.pass(way, from, into, &awaits));
                }
            }
        });
        Self { address, network }
    }

    pub(crate) fn set(&self, weather: Weather) {
        self.network.weather.store(weather as u8, Ordering::Relaxed);
    }

    /// Takes the newest publish that the instance has sent since the last call.
    pub(crate) fn take_publish(&self) -> Option<Vec<u8>> {
        self.network.publish.lock().expect("no panic").take()
    }
}

impl Network {
    fn has(&self, weather: Weather) -> bool {
        self.weather.load(Ordering::Relaxed) == weather as u8
    }

    /// `awaits`: the connection waits for the answer to a publish.
    fn pass(&self, way: Way, mut from: TcpStream, mut into: TcpStream, awaits: &AtomicBool) {
        let mut bytes = [0; 65536];
        loop {
            let count = from.read(&mut bytes).unwrap_or(0);
            let is_publish = way == Way::ToServer && (self.is_publish)(&bytes[..count]);
            if is_publish {
                *self.publish.lock().expect("no panic") = Some(bytes[..count].to_vec());
                awaits.store(true, Ordering::Relaxed);
            }
            let is_answer = way == Way::ToClient && count > 0 && awaits.swap(false, Ordering::Relaxed);
            while self.has(Weather::Cut) {
                std::thread::sleep(Duration::from_millis(5));
            }
            if self.has(Weather::Slow) {
                std::thread::sleep(Duration::from_millis(150));
            }
            let is_lost = is_publish && self.has(Weather::Withheld) || is_answer && self.has(Weather::Unanswered);
            let is_dropped = self.has(Weather::Dropping);
            // Half of what has come still passes when a connection is dropped.
            let passes = if is_lost { 0 } else { count >> u8::from(is_dropped) };
            let mut passing = bytes[..passes].to_vec();
            (self.filter)(way, &mut passing);
            if into.write_all(&passing).is_err() || count == 0 || is_dropped || is_lost {
                let _ = (from.shutdown(Shutdown::Both), into.shutdown(Shutdown::Both));
                return;
            }
        }
    }
}
