//! The HTTP side through the front door: a real socket, and a sender with fake PHP threads.

mod access;
mod access_log;
mod cgi;
mod connections;
mod exchange;
mod files;
mod queue;
mod routing;
mod sites;
mod tree;
mod walk;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError};

use super::listener::{BoundListener, ListenAddress, RunningListener};
use super::queue::RequestQueue;
use super::service::HttpService;
use super::settings::{Handler, PhpMode, PhpRoute};
use super::site::SiteSettings;
use super::tree::Routes;
use crate::config::{self, FileServer, Matcher, PhpSettings, Respond, Root, Status, Text};
use crate::exchange::{Exchange, Flow, Job, JobSender, ResponseHead};

/// The timeout of every wait of a test, as a guard against deadlocks; it measures no speed.
const DEADLINE: Duration = Duration::from_secs(30);

/// What a fake PHP thread does with a request.
type PhpScript = dyn Fn(&mut dyn Exchange) + Send + Sync;

/// A sender with its own threads, each of which runs `script` for every job.
struct FakeThreads {
    jobs: Sender<Job>,
    capacity: usize,
}

impl FakeThreads {
    fn start(capacity: usize, threads: usize, script: impl Fn(&mut dyn Exchange) + Send + Sync + 'static) -> Arc<Self> {
        let (sender, jobs) = Self::without_threads(capacity);
        let script: Arc<PhpScript> = Arc::new(script);
        for _ in 0..threads {
            let (jobs, script) = (jobs.clone(), Arc::clone(&script));
            std::thread::spawn(move || {
                for mut exchange in jobs.iter().filter_map(Job::take) {
                    script(exchange.as_mut());
                    exchange.ended(false);
                }
            });
        }
        sender
    }

    fn without_threads(capacity: usize) -> (Arc<Self>, Receiver<Job>) {
        let (jobs, queue) = crossbeam_channel::bounded(capacity);
        (Arc::new(Self { jobs, capacity }), queue)
    }
}

impl JobSender for FakeThreads {
    fn capacity(&self) -> usize {
        self.capacity
    }

    fn offer(&self, job: Job) -> Result<(), Job> {
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(job) | TrySendError::Disconnected(job) => job,
        })
    }
}

fn respond(exchange: &mut dyn Exchange, status: u16, lines: &[&str]) -> Flow {
    let mut head = ResponseHead::new(status);
    for line in lines {
        assert!(head.push_line(line.as_bytes()), "{line}");
    }
    exchange.respond(head)
}

fn uri(exchange: &dyn Exchange) -> String {
    exchange.head().uri.to_string_lossy().into_owned()
}

/// Reads the whole request body.
fn read_all(exchange: &mut dyn Exchange) -> Result<Vec<u8>, crate::exchange::BodyAborted> {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match exchange.read_body(&mut buffer)? {
            0 => return Ok(all),
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}

fn route(handler: Handler) -> (Matcher, Handler) {
    (Matcher::any(), handler)
}

/// `respond` with a fixed text.
fn text(status: u16, body: &str) -> Handler {
    Handler::Respond(Respond { status: Status::Code(status), close: false, body: Text::literal(body) })
}

fn php(route: PhpRoute) -> Handler {
    Handler::Php(Arc::new(route))
}

/// The site with these directives, for every host. Its `php_server` and `php` run on `queue`, in front of `root`.
fn configured(directives: &str, root: &Path, queue: &Arc<RequestQueue>) -> SiteSettings {
    configured_with("", directives, root, queue)
}

/// The same, with these global options.
fn configured_with(options: &str, directives: &str, root: &Path, queue: &Arc<RequestQueue>) -> SiteSettings {
    let caddyfile = format!("{{\n{options}\n}}\n:80 {{\nroot {}\n{directives}\n}}\n", root.display());
    let mut config = match config::parse(&caddyfile, &root.join("Caddyfile"), &|_| None) {
        Ok(config) => config,
        Err(errors) => panic!("{caddyfile}\n{errors:?}"),
    };
    let handler = |handler: &config::Handler| {
        Some(match handler.clone() {
            config::Handler::PhpServer(server) => {
                let own = server.settings;
                php(with_settings(root, queue, |settings| {
                    settings.index = own.index;
                    settings.try_files = own.try_files;
                    settings.env_of_request = own.env_of_request;
                    settings.request_buffering_bytes_max = own.request_buffering_bytes_max;
                    settings.leaves_files = own.leaves_files;
                    settings.file_server = own.file_server.map(|files| FileServer { root: own.root, ..files });
                }))
            }
            config::Handler::Php(_) => php(PhpRoute { mode: PhpMode::ScriptsOnly, ..php_route(root, queue) }),
            config::Handler::Respond(respond) => Handler::Respond(respond),
            config::Handler::Redir(redir) => Handler::Redir(redir),
            config::Handler::Change(change) => Handler::Change(change),
            config::Handler::Layer(layer) => Handler::Layer(layer),
            config::Handler::FileServer(files) => Handler::Files(files),
            config::Handler::Error(rule) => Handler::Error(rule),
            config::Handler::Abort => Handler::Abort,
            config::Handler::BasicAuth(auth) => Handler::BasicAuth(auth),
            config::Handler::RequestBody(limits) => Handler::RequestBody(limits),
            config::Handler::Mercure(settings) => Handler::Mercure(crate::mercure::Hub::with(&settings)),
            config::Handler::CopyResponse(status) => Handler::CopyResponse(status),
            config::Handler::ReverseProxy(_) | config::Handler::Intercept(_) => {
                panic!("these tests have no routes in a reverse_proxy or an intercept")
            }
            config::Handler::Subroute(_) => return None,
        })
    };
    let site = config.sites.remove(0);
    SiteSettings {
        routes: Arc::new(Routes::compile(&site.routes, &handler)),
        error_routes: Arc::new(Routes::compile(&site.error_routes, &handler)),
        trusted_proxies: Arc::new(config.global.trusted_proxies),
        body_read_max: config.global.timeouts.read_body,
        ..self::site(&[], Vec::new())
    }
}

fn site(hosts: &[&str], routes: Vec<(Matcher, Handler)>) -> SiteSettings {
    SiteSettings {
        label: hosts.first().copied().unwrap_or("*").to_owned(),
        hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
        routes: Arc::new(routes.into_iter().collect()),
        error_routes: Arc::default(),
        trusted_proxies: Default::default(),
        body_read_max: None,
        access_log: crate::http::access_log::AccessLog::Off,
    }
}

fn php_route(root: &Path, queue: &Arc<RequestQueue>) -> PhpRoute {
    with_settings(root, queue, |_| ())
}

/// A `php_server` with settings modified by `change`.
fn with_settings(root: &Path, queue: &Arc<RequestQueue>, change: impl FnOnce(&mut PhpSettings)) -> PhpRoute {
    let mut settings = PhpSettings::new();
    settings.root = Root::Fixed(root.to_owned());
    settings.file_server = Some(FileServer::new(settings.root.clone()));
    change(&mut settings);
    PhpRoute {
        mode: PhpMode::Server,
        settings,
        ini: None,
        environment: None,
        classic: Arc::clone(queue),
        workers: Vec::new(),
    }
}

/// A document root with a front controller, so that every path that is not a file reaches the fake PHP.
fn document_root() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(root.path().join("index.php"), "<?php").expect("the front controller is written");
    root
}

/// A running server in front of a sender.
struct Server {
    runtime: tokio::runtime::Runtime,
    listener: Option<RunningListener>,
    address: SocketAddr,
    queue: Arc<RequestQueue>,
    root: tempfile::TempDir,
}

impl Server {
    fn new(sender: Arc<dyn JobSender>, max_wait: Option<Duration>) -> Self {
        let root = document_root();
        let queue = RequestQueue::new(sender, max_wait);
        let site = site(&[], vec![route(php(php_route(root.path(), &queue)))]);
        Self::with(root, queue, vec![site])
    }

    /// The same, with request bodies that PHP reads from the connection.
    fn streaming(script: impl Fn(&mut dyn Exchange) + Send + Sync + 'static) -> Self {
        let (root, queue) = (document_root(), RequestQueue::new(FakeThreads::start(64, 2, script), None));
        let streaming = with_settings(root.path(), &queue, |settings| settings.request_buffering_bytes_max = None);
        Self::with(root, queue, vec![site(&[], vec![route(php(streaming))])])
    }

    /// A server whose two PHP threads run `script` for everything.
    fn running(script: impl Fn(&mut dyn Exchange) + Send + Sync + 'static) -> Self {
        Self::new(FakeThreads::start(64, 2, script), None)
    }

    fn with(root: tempfile::TempDir, queue: Arc<RequestQueue>, sites: Vec<SiteSettings>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let any = ListenAddress::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let bound = BoundListener::bind(any).expect("any free port");
        let ListenAddress::Tcp(address) = *bound.local_address() else { panic!("it is TCP") };
        let listener = {
            let _entered = runtime.enter();
            bound.serve(HttpService::new(sites)).expect("the socket is watched")
        };
        Self { runtime, listener: Some(listener), address, queue, root }
    }

    fn client(&self) -> Client {
        let stream = TcpStream::connect(self.address).expect("the server listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout can be set");
        stream.set_write_timeout(Some(DEADLINE)).expect("a timeout can be set");
        Client { reader: BufReader::new(stream) }
    }

    fn get(&self, path: &str) -> Answer {
        let mut client = self.client();
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        client.answer()
    }

    fn listener(&self) -> &RunningListener {
        self.listener.as_ref().expect("the server runs")
    }
}

/// A response as it came over the wire.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

/// A client that sends exactly the given bytes.
struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes());
    }

    fn send_bytes(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).expect("the server takes the request");
    }

    /// Resets the connection: a client that only closes its sending side may still read.
    fn reset(self) {
        let linger = Some(Duration::ZERO);
        socket2::SockRef::from(self.reader.get_ref()).set_linger(linger).expect("it can be set");
    }

    fn answer(&mut self) -> Answer {
        self.answer_to("GET").expect("a whole response")
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches("\r\n").to_owned())
    }

    /// Reads status line and headers.
    fn head(&mut self) -> std::io::Result<Answer> {
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut answer = Answer { status: status.expect("a status line"), headers: Vec::new(), body: Vec::new() };
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(answer);
            }
            let (name, value) = line.split_once(": ").expect("a header line");
            answer.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }

    fn answer_to(&mut self, method: &str) -> std::io::Result<Answer> {
        let mut answer = self.head()?;
        if method == "HEAD" || answer.status < 200 || matches!(answer.status, 204 | 304) {
            return Ok(answer);
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            loop {
                let size = usize::from_str_radix(&self.line()?, 16).expect("a chunk size");
                let mut chunk = vec![0; size];
                self.reader.read_exact(&mut chunk)?;
                assert_eq!(self.line()?, "");
                if size == 0 {
                    return Ok(answer);
                }
                answer.body.append(&mut chunk);
            }
        }
        match answer.header("content-length").map(str::to_owned) {
            Some(length) => {
                answer.body = vec![0; length.parse().expect("a length")];
                self.reader.read_exact(&mut answer.body)?;
            }
            None => {
                self.reader.read_to_end(&mut answer.body)?;
            }
        }
        Ok(answer)
    }

    /// Whether the server has closed the connection; waits for it or for a byte.
    fn is_closed(&mut self) -> bool {
        match self.reader.read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// Waits for a condition that another thread fulfils.
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < DEADLINE, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
