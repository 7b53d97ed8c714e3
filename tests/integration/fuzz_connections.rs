//! Whole connections with arbitrary input: mutated bytes from a corpus are sent, in pieces, to the socket of a server
//! with PHP. For any input, every connection ends, scripts only get requests, and the server continues.
//!
//! Input that causes a new kind of answer becomes a new starting point of the run; `FUZZ_KEEP` writes it into the
//! corpus (`make fuzz-connections`); few of those are worth a place there. Each client has its own seed, which a
//! failure prints with the bytes.

mod http2;

use crate::common::{Igor, Request, Server, php_tests};
use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The duration of the test without `FUZZ_SECONDS`: a sample.
const SAMPLE_SECONDS: u64 = 3;

/// How long a connection may last whose client has sent all: a script's time, and what the server waits for a client that has
/// closed its side.
const CONNECTION_MAX: Duration = Duration::from_secs(60);

/// A connection has at most this many bytes, so that a run has many connections.
const BYTES_MAX: usize = 4096;

/// The longest connection that `FUZZ_KEEP` writes.
const KEPT_BYTES_MAX: usize = 600;

/// The placeholder in the corpus of FastCGI for the path of the script, which differs between machines and follows its length.
const PLACE_OF_SCRIPT: [u8; 200] = [b'@'; 200];

/// The largest corpus in memory.
const CORPUS_MAX: usize = 4000;

/// Words with a meaning in the protocols.
const WORDS: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    "\0",
    " ",
    "\t",
    ":",
    "0\r\n\r\n",
    "1\r\na\r\n",
    "ffffffffffffffff\r\n",
    "5;ext=\"a\r\nb\"\r\n",
    "\r\n\r\n",
    "GET /fuzz.php HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /worker/fuzz.php HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na=1",
    "Content-Length: 0\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: -1\r\n",
    "Content-Length: +5\r\n",
    "Content-Length: 5, 5\r\n",
    "Content-Length: 18446744073709551616\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Transfer-Encoding:\x0bchunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: \r\n chunked\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Connection: upgrade\r\n",
    "Upgrade: websocket\r\n",
    "Upgrade: h2c\r\n",
    "Expect: 100-continue\r\n",
    "Expect: 200-ok\r\n",
    "Host: a\r\n",
    "Host: b:99999\r\n",
    "Host: [::1\r\n",
    "Trailer: X\r\n",
    "Range: bytes=0-0,2-3\r\n",
    "Range: bytes=-1\r\n",
    "If-Range: \"x\"\r\n",
    "TE: trailers\r\n",
    "Cookie: a=b; c[d]=e\r\n",
    "Authorization: Basic OjpA\r\n",
    "Content-Type: multipart/form-data; boundary=x\r\n",
    "Content-Type: application/x-www-form-urlencoded\r\n",
    "--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"f\"\r\n\r\n",
    "--x--\r\n",
    "HTTP/1.0",
    "HTTP/1.1",
    "HTTP/2.0",
    "HTTP/0.9",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "OPTIONS * ",
    "CONNECT a:80 ",
    "TRACE / ",
    "HEAD ",
    "http://a/",
    "http://a@b:80/",
    "//",
    "/../",
    "%00",
    "%2e%2e%2f",
    "%",
    "?",
    "#",
    "/static.txt",
    "/fuzz.php/info",
    "/worker/fuzz.php",
    "/streamed/fuzz.php",
    "/respond",
    "/redirect",
    "\u{ff}",
    "\u{2028}",
];

struct Found {
    bytes: Vec<u8>,
    seed: u64,
}

/// The protocol of the connections.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
    FastCgi,
}

impl Protocol {
    /// The folder of its corpus.
    fn name(self) -> &'static str {
        match self {
            Self::Http1 => "http",
            Self::Http2 => "http2",
            Self::FastCgi => "fastcgi",
        }
    }

    fn word(self, random: &mut fastrand::Rng) -> Vec<u8> {
        match self {
            Self::Http2 => http2::frame(random),
            _ => random.choice(WORDS).expect("there are words").as_bytes().to_vec(),
        }
    }

    /// A place before `at` where a word has a meaning: the start of a line or a frame.
    fn place_of_word(self, bytes: &[u8], at: usize) -> usize {
        match self {
            Self::Http2 => {
                http2::frames(bytes).into_iter().map(|frame| frame.start).rfind(|&start| start <= at).unwrap_or(at)
            }
            _ => bytes[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |place| place + 1),
        }
    }
}

struct Fuzz {
    address: SocketAddr,
    protocol: Protocol,
    corpus: Mutex<Vec<Vec<u8>>>,
    /// Each way in which the server has answered.
    ways: Mutex<BTreeSet<String>>,
    /// The last input, for a failure that is noticed later.
    last: Mutex<VecDeque<Found>>,
    connections: AtomicUsize,
    until: Instant,
    keep: Option<PathBuf>,
}

fn corpus_folder(kind: &str) -> PathBuf {
    php_tests().parent().expect("the project").join("tests/corpus/connections").join(kind)
}

fn read_corpus(folder: &Path) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(folder).expect("the corpus is there");
    let mut files: Vec<PathBuf> = files.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let corpus: Vec<_> = files.iter().map(|file| std::fs::read(file).expect("a file")).collect();
    assert!(!corpus.is_empty());
    corpus
}

/// Changes bytes in one of the ways that parsers have trouble with.
fn mutate(protocol: Protocol, bytes: &mut Vec<u8>, other: &[u8], random: &mut fastrand::Rng) {
    if protocol == Protocol::Http2 && random.bool() {
        return http2::mutate(bytes, other, random);
    }
    let at = random.usize(..=bytes.len());
    let end = (at + random.usize(..=bytes.len() / 3 + 1)).min(bytes.len());
    match random.u8(..9) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.u8(..8),
        1 if at < bytes.len() => bytes[at] = random.u8(..),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        4 => {
            let from = random.usize(..=other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        5 => {
            let place = if random.bool() { protocol.place_of_word(bytes, at) } else { at };
            bytes.splice(place..place, protocol.word(random));
        }
        6 => {
            bytes.splice(at..end, protocol.word(random));
        }
        7 => {
            let digits: Vec<usize> = (0..bytes.len()).filter(|&place| bytes[place].is_ascii_digit()).collect();
            if let Some(&place) = random.choice(&digits) {
                bytes.splice(
                    place..=place,
                    random.choice(["", "0", "9", "00", "-1", "4294967296", "a"]).unwrap_or("").bytes(),
                );
            }
        }
        _ => {
            let own = bytes.clone();
            bytes.extend_from_slice(&own);
        }
    }
    bytes.truncate(BYTES_MAX);
}

impl Fuzz {
    fn new(server: &Server, protocol: Protocol, seconds: u64) -> Self {
        let folder = corpus_folder(protocol.name());
        Self {
            address: server.address(),
            protocol,
            corpus: Mutex::new(read_corpus(&folder)),
            ways: Mutex::default(),
            last: Mutex::default(),
            connections: AtomicUsize::new(0),
            until: Instant::now() + Duration::from_secs(seconds),
            keep: std::env::var_os("FUZZ_KEEP").is_some_and(|keep| keep == "1").then_some(folder),
        }
    }

    /// Sends the corpus unchanged, then mutations of it until the time is over.
    fn run(&self, server: &Server) {
        let start = self.corpus.lock().expect("no client panicked").clone();
        start.iter().for_each(|bytes| self.connection(bytes, 0));
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..8).map(|_| scope.spawn(|| self.client())).collect();
            let mut failed = false;
            for client in clients {
                failed |= client.join().is_err();
            }
            assert!(!failed, "a client failed; the last connections were\n{}", self.last_sent());
        });
        let log = server.log.text();
        let seen: Vec<&str> = log.lines().filter(|line| line.contains("seen by a script: ")).collect();
        assert!(seen.is_empty(), "{}\nthe last connections were\n{}", seen[0], self.last_sent());
        let (count, ways) =
            (self.connections.load(Ordering::Relaxed), self.ways.lock().expect("no client panicked").len());
        println!("{count} connections, answered in {ways} ways");
    }

    fn client(&self) {
        let seed = fastrand::u64(..);
        let mut random = fastrand::Rng::with_seed(seed);
        while Instant::now() < self.until {
            let (mut bytes, other) = {
                let corpus = self.corpus.lock().expect("no client panicked");
                let draw = |random: &mut fastrand::Rng| random.choice(&*corpus).expect("it is not empty").clone();
                (draw(&mut random), draw(&mut random))
            };
            for _ in 0..random.usize(1..6) {
                mutate(self.protocol, &mut bytes, &other, &mut random);
            }
            self.connection(&bytes, random.u64(1..));
        }
    }

    /// Sends the bytes on a new connection, and records how the server answers.
    fn connection(&self, bytes: &[u8], seed: u64) {
        {
            let mut last = self.last.lock().expect("no client panicked");
            last.push_back(Found { bytes: bytes.to_vec(), seed });
            if last.len() > 16 {
                last.pop_front();
            }
        }
        self.connections.fetch_add(1, Ordering::Relaxed);
        let way = match self.protocol {
            Protocol::Http1 => way_of_http(&exchange(self.address, bytes, seed)),
            Protocol::FastCgi => way_of_fastcgi(&exchange(self.address, bytes, seed)),
            Protocol::Http2 => http2::way(&http2::exchange(self.address, bytes, seed)),
        };
        let is_new = self.ways.lock().expect("no client panicked").insert(way.clone());
        if is_new && seed != 0 {
            let mut corpus = self.corpus.lock().expect("no client panicked");
            if corpus.len() < CORPUS_MAX {
                corpus.push(bytes.to_vec());
            }
            // Short ones: what they show is seen better, and a run finds thousands.
            if let Some(folder) = self.keep.as_ref().filter(|_| bytes.len() <= KEPT_BYTES_MAX) {
                std::fs::write(folder.join(format!("{:016x}", hash(bytes))), bytes).expect("the corpus can be written");
            }
        }
    }

    fn last_sent(&self) -> String {
        let last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        last.iter().map(|found| format!("seed {}: \"{}\"\n", found.seed, found.bytes.escape_ascii())).collect()
    }
}

/// FNV-1a: a name that is the same on every machine.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The bytes with the path of the script, which slashes make as long as its place.
fn with_script(bytes: &[u8]) -> Cow<'_, [u8]> {
    let length = PLACE_OF_SCRIPT.len();
    let places: Vec<usize> = bytes
        .windows(length)
        .enumerate()
        .filter(|(_, window)| *window == PLACE_OF_SCRIPT)
        .map(|(place, _)| place)
        .collect();
    if places.is_empty() {
        return Cow::Borrowed(bytes);
    }
    let script = php_tests().join("fuzz.php");
    let script = format!("{:/>length$}", script.display());
    let mut bytes = bytes.to_vec();
    places.iter().for_each(|&place| bytes[place..place + length].copy_from_slice(&script.as_bytes()[..length]));
    Cow::Owned(bytes)
}

/// One connection: the bytes are sent in up to three pieces; then the client closes its sending side, or disconnects.
/// Returns everything that the server sends.
fn exchange(address: SocketAddr, bytes: &[u8], seed: u64) -> Vec<u8> {
    let bytes = &*with_script(bytes);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut stream = TcpStream::connect(address).expect("the server accepts");
    stream.set_nodelay(true).expect("TCP_NODELAY can be set");
    stream.set_read_timeout(Some(CONNECTION_MAX)).expect("a timeout can be set");
    let mut cuts = [random.usize(..=bytes.len()), random.usize(..=bytes.len())];
    cuts.sort_unstable();
    for piece in [&bytes[..cuts[0]], &bytes[cuts[0]..cuts[1]], &bytes[cuts[1]..]] {
        // The server may have refused the rest.
        if stream.write_all(piece).is_err() {
            break;
        }
        if random.u8(..4) == 0 {
            std::thread::yield_now();
        }
    }
    if random.u8(..32) == 1 {
        return Vec::new();
    }
    let _ = stream.shutdown(Shutdown::Write);
    let (mut answer, mut buffer) = (Vec::new(), [0; 8192]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return answer,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("the connection has not ended: seed {seed}, \"{}\"", bytes.escape_ascii());
            }
            // The server has not read all that was sent.
            Err(_) => return answer,
        }
    }
}

/// The statuses, whether each answer has a body of its script, and how the connection ended.
fn way_of_http(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    assert!(
        answer.is_empty() || text.starts_with("HTTP/1.1 ") || text.starts_with("HTTP/1.0 "),
        "no answer of HTTP: {text}"
    );
    let mut way = String::new();
    for part in text.split("HTTP/1.").skip(1).take(6) {
        way += part.get(2..5).unwrap_or("?");
        for (mark, name) in
            [("X-Seen: 0", "z"), ("X-Seen", "b"), ("chunked", "c"), ("multipart/byteranges", "m"), ("lose\r", "x")]
        {
            if part.contains(mark) {
                way += name;
            }
        }
    }
    way
}

/// The kinds of the records and the protocol's status of each request.
fn way_of_fastcgi(answer: &[u8]) -> String {
    let (mut way, mut rest) = (String::new(), answer);
    while let [version, kind, _, _, high, low, padding, _, after @ ..] = rest {
        assert_eq!(*version, 1, "no record: {}", answer.escape_ascii());
        let length = usize::from(u16::from_be_bytes([*high, *low])) + usize::from(*padding);
        let content = &after[..length.min(after.len())];
        way += &format!("{kind}");
        if *kind == 3 {
            way += &format!("={:?}", content.get(4));
        } else if let Some(place) = content.windows(8).position(|window| window == b"Status: ") {
            way += &String::from_utf8_lossy(content.get(place + 8..place + 11).unwrap_or_default());
        }
        rest = &after[content.len()..];
        if way.len() > 60 {
            break;
        }
    }
    way
}

fn seconds() -> u64 {
    std::env::var("FUZZ_SECONDS").map_or(SAMPLE_SECONDS, |text| text.parse().expect("FUZZ_SECONDS is a number"))
}

/// The site of the tests of HTTP.
const SITE: &str = "root {$PHP_TESTS}\n\
    handle /respond {\nrespond ok\n}\n\
    redir /redirect /respond\n\
    handle /static.txt {\nroot {$DIR}\nfile_server\n}\n\
    handle_path /streamed/* {\nphp_server {\nrequest_buffering off\nenv STREAMED 1\n}\n}\n\
    handle_path /worker/* {\nphp_server {\nworker {$PHP_TESTS}/fuzz.php 2\n}\n}\n\
    php_server";

#[test]
fn any_bytes_of_a_client_of_http() {
    let server = Igor::new().frankenphp("num_threads 4").file("static.txt", "0123456789").site(SITE).start();
    Fuzz::new(&server, Protocol::Http1, seconds()).run(&server);
    let usual = server.send(&Request::post("/worker/fuzz.php", "abc"));
    assert_eq!((usual.status, usual.text().as_str()), (200, "[\"POST\",3,0,0,0,0]"), "the server works");
    assert_eq!(server.log.count("restarting it"), 0, "no run of the worker has ended");
}

#[test]
fn any_bytes_of_a_client_of_http2() {
    let igor = Igor::new().global("servers {\nprotocols h1 h2c\n}").frankenphp("num_threads 4");
    let server = igor.file("static.txt", "0123456789").site(SITE).start();
    Fuzz::new(&server, Protocol::Http2, seconds()).run(&server);
    let usual = http2::answer(server.address(), "POST", "/worker/fuzz.php", b"abc");
    assert_eq!(usual, "[\"POST\",3,0,0,0,0]", "the server works");
    assert_eq!(server.log.count("restarting it"), 0, "no run of the worker has ended");
}

#[test]
fn any_bytes_of_a_web_server_that_speaks_fastcgi() {
    let server = Igor::new().raw_site("fastcgi://127.0.0.1:0 {\nphp\n}\n").frankenphp("num_threads 2").start();
    Fuzz::new(&server, Protocol::FastCgi, seconds()).run(&server);
}
