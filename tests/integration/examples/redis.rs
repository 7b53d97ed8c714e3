//! Real Redis processes on loopback: a master, a replica and a Sentinel.

use crate::common::{free_address, wait_for};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Longest answer that is read: far above what a Sentinel says about two servers.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// A Redis server or a Sentinel. Killed when dropped.
pub(super) struct Redis {
    command: Command,
    child: Child,
    port: u16,
}

impl Redis {
    /// Starts a server that stores nothing, as a replica of `master` if there is one. Returns when it answers.
    pub(super) fn server(directory: &Path, master: Option<&Redis>) -> Self {
        Self::start(|port| {
            let mut command = Command::new("redis-server");
            command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
            // A replica of an empty master is there in a moment, without the pause that gathers several.
            command.args(["--repl-diskless-sync-delay", "0"]).arg("--dir").arg(directory);
            if let Some(master) = master {
                command.args(["--replicaof", "127.0.0.1", &master.port.to_string()]);
            }
            command
        })
    }

    /// Starts a Sentinel that decides alone about `master`, and quickly.
    pub(super) fn sentinel(directory: &Path, master: &Redis) -> Self {
        Self::start(|port| {
            let file = directory.join(format!("sentinel-{port}.conf"));
            let text = format!(
                "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor mymaster 127.0.0.1 {} 1\n\
                 sentinel down-after-milliseconds mymaster 500\nsentinel failover-timeout mymaster 5000\n",
                directory.display(),
                master.port
            );
            std::fs::write(&file, text).expect("the configuration of the Sentinel is written");
            let mut command = Command::new("redis-sentinel");
            command.arg(&file);
            command
        })
    }

    fn start(command: impl Fn(u16) -> Command) -> Self {
        let port = free_address().port();
        let mut command = command(port);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = spawn(&mut command);
        let mut redis = Self { command, child, port };
        assert!(redis.answers(), "{:?} ended at once", redis.command);
        redis
    }

    /// Starts it again after [`kill`](Self::kill), on the same port.
    pub(super) fn restart(&mut self) {
        self.child = spawn(&mut self.command);
        assert!(self.answers(), "{:?} ended at once", self.command);
    }

    /// Waits until it answers; `false` when it has ended instead.
    fn answers(&mut self) -> bool {
        wait_for(&format!("an answer of {:?}", self.command.get_program()), || {
            if self.child.try_wait().expect("its state").is_some() {
                return Some(false);
            }
            self.ask("PING").is_ok_and(|answer| answer.contains("PONG")).then_some(true)
        })
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Sends one command, and returns the text of its answer: a line or a bulk string.
    pub(super) fn ask(&self, command: &str) -> io::Result<String> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        write!(stream, "{command}\r\n")?;
        let mut answer = BufReader::new(stream.take(ANSWER_BYTES_MAX));
        let mut text = String::new();
        answer.read_line(&mut text)?;
        if let Some(length) = text.strip_prefix('$').and_then(|length| length.trim_end().parse().ok()) {
            text.clear();
            answer.take(length).read_to_string(&mut text)?;
        }
        Ok(text)
    }

    /// Kills it by SIGKILL, as the kernel does when memory runs out.
    pub(super) fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it has ended");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(command: &mut Command) -> Child {
    command.spawn().unwrap_or_else(|error| {
        let name = command.get_program().to_string_lossy();
        panic!("starting {name}: {error}; `scripts/php.sh install-packages test` installs the package {name}")
    })
}
