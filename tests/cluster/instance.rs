//! One instance of Igor, and who reads it all the time.

use crate::lines::Collected;
use crate::{DEADLINE, signal, until};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;

/// One instance of the cluster.
pub(crate) struct Instance {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    log: Arc<Collected>,
    pub(crate) folder: TempDir,
}

pub(crate) const PAGE: &str = r#"<?php
set_time_limit(120);
enum Suit: string { case Hearts = 'h'; case Spades = 's'; }
try {
    frankenphp_require_background_worker('rates', (float) ($_GET['timeout'] ?? 30));
    $vars = frankenphp_get_vars('rates');
    echo $vars['at'] ?? 0, ' ', $vars['process'] ?? 0, ' ', md5(var_export($vars['values'] ?? null, true));
} catch (Throwable $error) {
    echo get_class($error), ': ', $error->getMessage();
}
"#;

/// Publishes the time of the machine, which all instances share, fifty times a second.
pub(crate) const RATES: &str = r#"<?php
enum Suit: string { case Hearts = 'h'; case Spades = 's'; }
$values = [null, true, -1, PHP_INT_MIN, 0.1, -0.0, INF, "\0\xff", 'é', [], [3 => 'a', -7 => [1, [2]]], Suit::Spades];
$handle = frankenphp_get_worker_handle();
do {
    frankenphp_set_vars(['at' => hrtime(true), 'process' => getmypid(), 'values' => $values]);
    $read = [$handle];
    $write = $except = null;
} while (!stream_select($read, $write, $except, 0, 20_000));
"#;

/// Publishes two and a half MiB.
pub(crate) const LARGE: &str = r#"<?php
$values = str_repeat('0123456789abcdef', 5 << 15);
$handle = frankenphp_get_worker_handle();
do {
    frankenphp_set_vars(['at' => hrtime(true), 'process' => getmypid(), 'values' => $values]);
    $read = [$handle];
    $write = $except = null;
} while (!stream_select($read, $write, $except, 0, 200_000));
"#;

impl Instance {
    pub(crate) fn start(engine: &str, script: &str, options: &str) -> Self {
        Self::with(engine, script, options, "", "")
    }

    /// With lines of one's own in the blocks `cluster`, `worker` and in the site.
    pub(crate) fn with(engine: &str, script: &str, options: &str, worker: &str, site: &str) -> Self {
        // A short one, for takeovers that a test waits for.
        let lease = if options.contains("lease") { "" } else { "lease 2s" };
        let caddyfile = format!(
            "{{\n admin off\n frankenphp {{\n num_threads 2\n cluster {{\n {engine}\n {lease}\n {options}\n \
             }}\n worker rates.php {{\n background\n name rates\n cluster\n {worker}\n }}\n }}\n}}\nhttp://127.0.0.1:0 {{\n \
             {site}\n php_server {{\n root .\n }}\n}}\n"
        );
        Self::of(&[("Caddyfile", &caddyfile), ("rates.php", script), ("index.php", PAGE)])
    }

    /// With a Caddyfile and scripts of one's own.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("a file can be written");
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_igor"));
        command.args(["run", "--config", "Caddyfile"]).current_dir(folder.path());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("igor starts");
        let (log, _) = Collected::start(child.stderr.take().expect("it is a pipe"));
        let address = until("the listener", || {
            let log = log.now();
            let line = log.lines.iter().find(|line| line.contains("listening listener="))?;
            line.split_once("address=")?.1.split_whitespace().next()?.parse().ok()
        });
        Self { child, address, log, folder }
    }

    pub(crate) fn log(&self) -> String {
        self.log.now().lines.join("\n")
    }

    /// Reloads with this in the Caddyfile instead of that.
    pub(crate) fn reload(&self, that: &str, this: &str) {
        let path = self.folder.path().join("Caddyfile");
        let before = fs::read_to_string(&path).expect("the Caddyfile");
        assert!(before.contains(that), "{before}");
        fs::write(&path, before.replace(that, this)).expect("it can be written");
        let reloads = self.log().matches("the configuration was reloaded").count();
        self.signal(rustix::process::Signal::HUP);
        until("the reload", || (self.log().matches("the configuration was reloaded").count() > reloads).then_some(()));
    }

    pub(crate) fn signal(&self, which: rustix::process::Signal) {
        signal(self.child.id(), which);
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the log of {}:\n{}", self.address, self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    answer(address, &format!("GET {path} HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n"))
}

/// The same with a body.
pub(crate) fn post(address: SocketAddr, body: &str) -> io::Result<String> {
    let head = "POST / HTTP/1.1\r\nHost: any\r\nConnection: close\r\nContent-Type: text/plain";
    answer(address, &format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

fn answer(address: SocketAddr, request: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.write_all(request.as_bytes())?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    let (head, body) = response.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no response"))?;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    Ok(body.to_owned())
}

/// What a page has read: the time of the publish, the process that leads, and a digest of the other values. Or what it
/// says instead.
type Page = Result<(u64, u32, String), String>;

fn page(address: SocketAddr) -> io::Result<Page> {
    let body = get(address, "/")?;
    let words: Vec<&str> = body.split(' ').collect();
    let [at, process, values] = words[..] else { return Ok(Err(body)) };
    Ok(Ok((at.parse().expect("a time"), process.parse().expect("a number"), values.to_owned())))
}

/// The same of a page that works.
pub(crate) fn read(address: SocketAddr) -> io::Result<(u64, u32, String)> {
    Ok(page(address)?.unwrap_or_else(|body| panic!("a page has failed: {body}")))
}

/// Reads one instance all the time, and fails when a read fails or goes back.
pub(crate) struct Reader {
    stop: Arc<AtomicBool>,
    /// The newest time that was read.
    newest: Arc<AtomicU64>,
    thread: Option<JoinHandle<u64>>,
}

impl Reader {
    pub(crate) fn start(address: SocketAddr) -> Self {
        Self::from(address, 0)
    }

    /// Nothing may be older than `newest`.
    pub(crate) fn from(address: SocketAddr, newest: u64) -> Self {
        let (stop, newest) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(newest)));
        let (stopped, seen) = (stop.clone(), newest.clone());
        let thread = std::thread::spawn(move || read_on(address, &stopped, &seen));
        Self { stop, newest, thread: Some(thread) }
    }

    /// Fails if a read has failed.
    pub(crate) fn check(&self) {
        assert!(self.thread.as_ref().is_some_and(|thread| !thread.is_finished()), "a reader has failed, see above");
    }

    /// From now on reads may fail: the instance ends.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(crate) fn newest(&self) -> u64 {
        self.newest.load(Ordering::Relaxed)
    }

    /// Waits until this instance has read something that was published later than now.
    pub(crate) fn await_newer(&self, what: &str) {
        let before = self.newest();
        until(what, || (self.newest() > before).then_some(()));
    }

    /// Returns the number of reads.
    pub(crate) fn end(mut self) -> u64 {
        self.stop();
        self.thread.take().expect("it ends once").join().expect("every read was right")
    }
}

fn read_on(address: SocketAddr, stopped: &AtomicBool, newest: &AtomicU64) -> u64 {
    let mut reads = 0;
    let mut digest = String::new();
    while !stopped.load(Ordering::Relaxed) {
        let (at, _, values) = match page(address) {
            _ if stopped.load(Ordering::Relaxed) => break,
            Ok(Ok(read)) => read,
            // An instance that has started while the engine was away.
            Ok(Err(body)) if reads == 0 && body.contains("no snapshot has arrived from the cluster") => continue,
            failed => panic!("a read of {address} failed: {failed:?}"),
        };
        let before = newest.swap(at, Ordering::Relaxed);
        assert!(at >= before, "{address} went back from {before} to {at}");
        assert!(digest.is_empty() || digest == values, "the values have changed on their way");
        digest = values;
        reads += 1;
        std::thread::sleep(Duration::from_millis(5));
    }
    reads
}

/// The instance that leads, as another one reads it.
pub(crate) fn leader(instances: &[Instance], seen_by: usize) -> usize {
    let (_, process, _) = read(instances[seen_by].address).expect("a read");
    let found = instances.iter().position(|instance| instance.child.id() == process);
    found.expect("the leader is one of them")
}

/// Waits until another instance than `old` leads, seen by an instance that is not `old`.
pub(crate) fn await_another(instances: &[Instance], old: usize) -> usize {
    let other = usize::from(old == 0);
    until("another leader", || Some(leader(instances, other)).filter(|new| *new != old))
}
