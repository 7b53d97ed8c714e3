//! The real servers, Debian's packages. Each keeps what it has acknowledged, in a folder of its own.

use crate::ports::free_address;
use crate::until;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A port at which nothing listens but what the test starts there.
pub(crate) fn free_port() -> u16 {
    free_address().port()
}

/// `REDIS_SERVER` names another server with the commands of Redis.
fn redis_program() -> String {
    std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

/// One process of an engine.
pub(crate) struct Server {
    program: String,
    arguments: Vec<String>,
    pub(crate) port: u16,
    child: Option<Child>,
    pub(crate) folder: TempDir,
}

impl Server {
    fn new(program: impl Into<String>, port: u16, arguments: impl FnOnce(&str) -> Vec<String>) -> Self {
        let program = program.into();
        let folder = tempfile::tempdir().expect("a folder");
        let arguments = arguments(folder.path().to_str().expect("it is text"));
        Self { program, arguments, port, child: None, folder }
    }

    /// Starts it. It may need others before it answers.
    pub(crate) fn run(&mut self) {
        let child =
            Command::new(&self.program).args(&self.arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let missing = format!("{} is installed: scripts/packages.sh install test", self.program);
        self.child = Some(child.expect(&missing));
        until(&self.program, || TcpStream::connect(("127.0.0.1", self.port)).ok());
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A redis-server, with arguments of one's own.
pub(crate) fn redis_with(own: &[&str]) -> Server {
    redis_at(free_port(), own)
}

fn redis_at(port: u16, own: &[&str]) -> Server {
    let mut server = Server::new(redis_program(), port, |folder| {
        let port = port.to_string();
        let common = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync"];
        common.iter().chain(&["always", "--dir", folder]).chain(own).map(|word| (*word).to_owned()).collect()
    });
    server.run();
    server
}

/// A nats-server with JetStream, and with settings of one's own.
pub(crate) fn nats_with(own: &str) -> Server {
    let mut server = nats_server(own);
    server.run();
    server
}

fn nats_server(own: &str) -> Server {
    let port = free_port();
    Server::new("nats-server", port, |folder| {
        let conf = format!("listen: 127.0.0.1:{port}\njetstream {{ store_dir: \"{folder}\" }}\n{own}\n");
        let path = format!("{folder}/nats.conf");
        fs::write(&path, conf).expect("a file");
        vec!["--config".to_owned(), path]
    })
}

/// The answer of a redis-server to a command, if it is a number.
pub(crate) fn integer(port: u16, command: &str) -> i64 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("redis");
    write!(stream, "{command}\r\nQUIT\r\n").expect("a command");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let mut lines = answer.lines();
    let first = lines.next().expect("an answer");
    let text = if first.starts_with('$') { lines.next().unwrap_or("0") } else { &first[1..] };
    text.parse().unwrap_or(0)
}

/// An engine of a cluster.
pub(crate) struct Engine {
    pub(crate) kind: &'static str,
    /// What instances connect to.
    pub(crate) servers: Vec<Server>,
}

impl Engine {
    pub(crate) fn redis() -> Self {
        Self { kind: "redis", servers: vec![redis_with(&[])] }
    }

    /// One server with JetStream.
    pub(crate) fn nats() -> Self {
        Self { kind: "nats", servers: vec![nats_with("")] }
    }

    /// Three servers with JetStream that know each other.
    pub(crate) fn nats_group() -> Self {
        let routes = [0; 3].map(|_| format!("nats://127.0.0.1:{}", free_port()));
        let mut servers: Vec<Server> = Vec::new();
        for (number, route) in routes.iter().enumerate() {
            let listen = route.trim_start_matches("nats://");
            let all = routes.join(", ");
            servers.push(nats_server(&format!(
                "server_name: n{number}\ncluster {{ name: group, listen: \"{listen}\", routes: [{all}] }}"
            )));
        }
        servers.iter_mut().for_each(Server::run);
        Self { kind: "nats", servers }
    }

    /// Three members.
    pub(crate) fn etcd() -> Self {
        Self::etcd_with(3, "http", &[])
    }

    pub(crate) fn etcd_with(members: usize, scheme: &str, own: &[&str]) -> Self {
        let peers: Vec<String> = (0..members).map(|_| format!("http://127.0.0.1:{}", free_port())).collect();
        let named: Vec<String> = peers.iter().enumerate().map(|(number, peer)| format!("m{number}={peer}")).collect();
        let all = named.join(",");
        let mut servers: Vec<Server> = Vec::new();
        for (number, peer) in peers.iter().enumerate() {
            let port = free_port();
            let client = format!("{scheme}://127.0.0.1:{port}");
            servers.push(Server::new("etcd", port, |folder| {
                let name = format!("m{number}");
                let arguments = [
                    ["--name", &name],
                    ["--data-dir", folder],
                    ["--listen-client-urls", &client],
                    ["--advertise-client-urls", &client],
                    ["--listen-peer-urls", peer],
                    ["--initial-advertise-peer-urls", peer],
                    ["--initial-cluster", &all],
                    ["--heartbeat-interval", "50"],
                    ["--election-timeout", "500"],
                ];
                arguments.iter().flatten().chain(own).map(|word| (*word).to_owned()).collect()
            }));
        }
        servers.iter_mut().for_each(Server::run);
        let engine = Self { kind: "etcd", servers };
        if scheme == "http" {
            engine.servers.iter().for_each(|server| until_healthy(server.port));
        }
        engine
    }

    /// What clients connect to.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|server| SocketAddr::from(([127, 0, 0, 1], server.port))).collect()
    }

    /// The directive `engine` with these addresses.
    pub(crate) fn at(&self, addresses: &[SocketAddr]) -> String {
        let scheme = if self.kind == "etcd" { "http" } else { self.kind };
        let urls: Vec<String> = addresses.iter().map(|address| format!("{scheme}://{address}")).collect();
        format!("engine {} {}", self.kind, urls.join(" "))
    }

    pub(crate) fn directive(&self) -> String {
        self.at(&self.addresses())
    }

    /// How often the members of an etcd have elected a leader of their own. 0 for the others.
    pub(crate) fn elections(&self) -> u64 {
        let terms = self.servers.iter().filter(|_| self.kind == "etcd").map(|server| {
            until("the state of etcd", || {
                let mut stream = TcpStream::connect(("127.0.0.1", server.port)).ok()?;
                write!(stream, "POST /v3/maintenance/status HTTP/1.0\r\nContent-Length: 2\r\n\r\n{{}}").ok()?;
                let mut answer = String::new();
                stream.read_to_string(&mut answer).ok()?;
                let term = answer.split_once("\"raftTerm\":\"")?.1;
                term.split_once('"')?.0.parse().ok()
            })
        });
        terms.max().unwrap_or(0)
    }

    pub(crate) fn kill(&mut self) {
        self.servers.iter_mut().for_each(Server::kill);
    }

    pub(crate) fn run(&mut self) {
        self.servers.iter_mut().for_each(Server::run);
    }
}

/// Waits until a member of etcd has a leader.
fn until_healthy(port: u16) {
    until("a leader of etcd", || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        write!(stream, "GET /health HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.contains("\"health\":\"true\"").then_some(())
    });
}

/// A primary with one replica, and a Sentinel that makes the replica the primary.
pub(crate) struct Sentinel {
    pub(crate) primary: Server,
    _replica: Server,
    sentinel: Server,
}

impl Sentinel {
    pub(crate) fn start() -> Self {
        let access = ["--requirepass", "secret", "--masterauth", "secret"];
        let primary = redis_with(&access);
        let port = primary.port.to_string();
        let of = ["--replicaof", "127.0.0.1", &port];
        let replica = redis_with(&[&access[..], &of].concat());
        let own = free_port();
        let mut sentinel = sentinel_at(own);
        let conf = format!(
            "port {own}\nbind 127.0.0.1\ndir {}\nsentinel monitor shop 127.0.0.1 {port} 1\nsentinel auth-pass shop secret\n\
             sentinel down-after-milliseconds shop 500\nsentinel failover-timeout shop 2000\n",
            sentinel.folder.path().display()
        );
        fs::write(sentinel.folder.path().join("sentinel.conf"), conf).expect("a file");
        sentinel.run();
        until("the replica", || (integer_of(own, "num-slaves") == 1).then_some(()));
        Self { primary, _replica: replica, sentinel }
    }

    /// One that asks for a password and speaks TLS alone, and so do the servers. The files are an authority, a certificate
    /// and its key.
    pub(crate) fn with_tls([authority, certificate, key]: [&str; 3]) -> Self {
        let common = [
            ["--tls-cert-file", certificate],
            ["--tls-key-file", key],
            ["--tls-ca-cert-file", authority],
            ["--tls-replication", "yes"],
            ["--requirepass", "secret"],
            ["--masterauth", "secret"],
        ];
        let server = |more: &[&str]| {
            let port = free_port();
            let number = port.to_string();
            // The last word counts: the port without TLS is off.
            redis_at(port, &[common.as_flattened(), &["--tls-port", &number, "--port", "0"], more].concat())
        };
        let primary = server(&[]);
        let port = primary.port.to_string();
        let replica = server(&["--replicaof", "127.0.0.1", &port]);
        let own = free_port();
        let mut sentinel = sentinel_at(own);
        let conf = format!(
            "port 0\ntls-port {own}\ntls-cert-file {certificate}\ntls-key-file {key}\ntls-ca-cert-file {authority}\n\
             tls-replication yes\nbind 127.0.0.1\ndir {}\nrequirepass \"the watcher\"\n\
             sentinel monitor shop 127.0.0.1 {port} 1\nsentinel auth-pass shop secret\n",
            sentinel.folder.path().display()
        );
        fs::write(sentinel.folder.path().join("sentinel.conf"), conf).expect("a file");
        sentinel.run();
        Self { primary, _replica: replica, sentinel }
    }

    /// With a file that holds the password of the Sentinel, and the files that the servers have.
    pub(crate) fn directive_with_tls(&self, [authority, certificate, key]: [&str; 3], password: &Path) -> String {
        format!(
            "engine redis rediss+sentinel://:secret@127.0.0.1:{}/shop {{\n sentinel_password_file {}\n ca {authority}\n \
             certificate {certificate} {key}\n }}",
            self.sentinel.port,
            password.display()
        )
    }

    pub(crate) fn directive(&self, unused: u16) -> String {
        format!("engine redis redis+sentinel://:secret@127.0.0.1:{unused},127.0.0.1:{}/shop", self.sentinel.port)
    }
}

/// The program reads its file, which is there before it runs.
fn sentinel_at(port: u16) -> Server {
    Server::new(redis_program(), port, |folder| vec![format!("{folder}/sentinel.conf"), "--sentinel".to_owned()])
}

/// A number that the Sentinel at this port knows of its primary.
fn integer_of(port: u16, field: &str) -> i64 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("sentinel");
    write!(stream, "SENTINEL master shop\r\n").expect("a command");
    // A Sentinel has no QUIT: it ends the connection when the other side does.
    stream.shutdown(Shutdown::Write).expect("it is open");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let mut lines = answer.lines().skip_while(|line| *line != field).skip(2);
    lines.next().and_then(|text| text.parse().ok()).unwrap_or(0)
}
