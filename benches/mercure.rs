//! Both ends of `make bench-mercure`: a plain hyper server that sends events to its clients, and clients that measure.

use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, Either, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, body::Body, body::Incoming};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io::{self, BufRead, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", address] => serve(address).await,
        ["clients", address, count, token] => clients(address, count.parse().map_err(io::Error::other)?, token).await,
        _ => Err(io::Error::other("usage: serve ADDRESS | clients ADDRESS COUNT TOKEN")),
    }
}

// --- The plain server ---------------------------------------------------------------------------------------------

/// The updates that wait for one client: as many as a hub of Igor keeps.
const QUEUE_UPDATES_MAX: usize = 256;

type Senders = Arc<Mutex<Vec<mpsc::Sender<Bytes>>>>;

struct Events(mpsc::Receiver<Bytes>);

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

async fn answer(
    request: Request<Incoming>,
    senders: Senders,
) -> Result<Response<Either<Events, Full<Bytes>>>, hyper::Error> {
    if request.method() != Method::POST {
        let (sender, receiver) = mpsc::channel(QUEUE_UPDATES_MAX);
        let _ = sender.try_send(Bytes::from_static(b":\n"));
        senders.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        let mut response = Response::new(Either::Left(Events(receiver)));
        let kind = hyper::header::HeaderValue::from_static("text/event-stream");
        response.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
        return Ok(response);
    }
    let data = request.into_body().collect().await?.to_bytes();
    let event = Bytes::from([b"id: 1\ndata: ", &data[..], b"\n\n"].concat());
    let mut senders = senders.lock().unwrap_or_else(PoisonError::into_inner);
    senders.retain(|sender| sender.try_send(event.clone()).is_ok());
    Ok(Response::new(Either::Right(Full::default())))
}

async fn serve(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let senders = Senders::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let senders = Arc::clone(&senders);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, Arc::clone(&senders)));
            // A client that goes away is no error of the benchmark.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

// --- The clients --------------------------------------------------------------------------------------------------

/// A server that needs longer for one update has lost it.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// The updates after which the clients must have them all: those that are slow for a moment are not dropped.
const BATCH: usize = 128;

/// What all clients together have received.
#[derive(Default)]
struct Received {
    connected: AtomicUsize,
    events: AtomicUsize,
    changed: Notify,
    /// The number of either that is waited for.
    wanted: AtomicUsize,
}

impl Received {
    fn add(&self, counter: &AtomicUsize, count: usize) {
        if counter.fetch_add(count, Ordering::SeqCst) + count >= self.wanted.load(Ordering::SeqCst) {
            self.changed.notify_one();
        }
    }

    async fn wait(&self, counter: &AtomicUsize, wanted: usize) -> io::Result<()> {
        self.wanted.store(wanted, Ordering::SeqCst);
        let arrived = async {
            while counter.load(Ordering::SeqCst) < wanted {
                self.changed.notified().await;
            }
        };
        let waited = tokio::time::timeout(WAIT_MAX, arrived).await;
        waited.map_err(|_| io::Error::other(format!("{} of {wanted} arrived", counter.load(Ordering::SeqCst))))
    }
}

/// Opens the streams, says so, and then does what the lines of the standard input say: `publish` measures one update in
/// milliseconds, `flood N` many in seconds.
async fn clients(address: &str, count: usize, token: &str) -> io::Result<()> {
    let received = Arc::new(Received::default());
    received.wanted.store(count, Ordering::SeqCst);
    for _ in 0..count {
        let stream = TcpStream::connect(address).await?;
        tokio::spawn(subscribe(stream, Arc::clone(&received)));
    }
    received.wait(&received.connected, count).await?;
    say("connected")?;
    let mut publisher = Publisher::connect(address, token).await?;
    let mut events = 0;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let began = Instant::now();
        if let Some(updates) = line.strip_prefix("flood ") {
            let updates: usize = updates.parse().map_err(io::Error::other)?;
            for number in 1..=updates {
                publisher.send().await?;
                publisher.read_answer().await?;
                events += count;
                if number % BATCH == 0 || number == updates {
                    received.wait(&received.events, events).await?;
                }
            }
            say(&began.elapsed().as_secs_f64().to_string())?;
        } else {
            events += count;
            publisher.send().await?;
            received.wait(&received.events, events).await?;
            say(&(began.elapsed().as_secs_f64() * 1e3).to_string())?;
            publisher.read_answer().await?;
        }
    }
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    println!("{line}");
    io::stdout().flush()
}

/// Counts the events of one stream. They end with an empty line, which is nowhere else.
async fn subscribe(mut stream: TcpStream, received: Arc<Received>) {
    let request = b"GET /.well-known/mercure?topic=a HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut buffer = [0; 512];
    let (mut is_connected, mut last) = (false, 0);
    if stream.write_all(request).await.is_err() {
        return;
    }
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        let mut events = 0;
        for byte in &buffer[..length] {
            events += usize::from(*byte == b'\n' && last == b'\n');
            last = *byte;
        }
        if !is_connected {
            is_connected = true;
            received.add(&received.connected, 1);
        }
        if events > 0 {
            received.add(&received.events, events);
        }
    }
}

/// A connection that publishes.
struct Publisher {
    stream: TcpStream,
    request: String,
}

impl Publisher {
    async fn connect(address: &str, token: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let form = format!("topic=a&data={}", "x".repeat(100));
        let request = format!(
            "POST /.well-known/mercure HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len(),
        );
        Ok(Self { stream, request })
    }

    async fn send(&mut self) -> io::Result<()> {
        self.stream.write_all(self.request.as_bytes()).await
    }

    /// Both servers send their short answers in one piece.
    async fn read_answer(&mut self) -> io::Result<()> {
        let mut buffer = [0; 2048];
        let length = self.stream.read(&mut buffer).await?;
        let is_ok = buffer[..length].starts_with(b"HTTP/1.1 200");
        if is_ok { Ok(()) } else { Err(io::Error::other(String::from_utf8_lossy(&buffer[..length]).into_owned())) }
    }
}
