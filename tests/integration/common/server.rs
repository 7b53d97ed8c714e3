//! Starts the program, and checks at its end that it ended cleanly.

use super::log::Log;
use super::{Connection, DEADLINE, Outcome, Puppet, Request, Response, output_of, php_tests};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The file with the number of threads for `few_threads.c`.
const PHP_THREADS: &str = "php-threads";

/// The built program, or the one that `IGOR_PROGRAM` names; without settings from the caller's environment.
pub(crate) fn igor() -> Command {
    let mut command =
        Command::new(std::env::var_os("IGOR_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_igor").into()));
    for name in ["IGOR_ADMIN", "IGOR_CONFIG", "IGOR_ROOT", "IGOR_LISTEN", "IGOR_LOG"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// A server before its start: the parts of its Caddyfile. `{$PHP_TESTS}` is the folder of the test scripts, `{$DIR}`
/// this server's own folder.
pub(crate) struct Igor {
    dir: TempDir,
    global: String,
    frankenphp: String,
    sites: String,
    listeners: usize,
    preload: Option<PathBuf>,
    variables: Vec<(String, String)>,
    whole: Option<String>,
    faults: bool,
}

impl Igor {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a temporary folder can be made"),
            global: String::from("admin off\n"),
            frankenphp: String::new(),
            sites: String::new(),
            listeners: 0,
            preload: None,
            variables: Vec::new(),
            whole: None,
            faults: false,
        }
    }

    /// The folder of this server, before it starts.
    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Sets a variable of the server's process.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The test makes Rust panic, so panics in the log are not defects.
    #[cfg(feature = "faults")]
    pub(crate) fn injected_faults(mut self) -> Self {
        self.faults = true;
        self
    }

    /// Adds lines to the global options.
    pub(crate) fn global(mut self, lines: &str) -> Self {
        self.global += &format!("{lines}\n");
        self
    }

    /// Serves the admin interface on a free port; without this there is none.
    pub(crate) fn admin(self) -> Self {
        self.admin_at("localhost:0")
    }

    /// Serves the admin interface elsewhere. Nothing: the configuration does not name it.
    pub(crate) fn admin_at(mut self, address: &str) -> Self {
        let line = if address.is_empty() { String::new() } else { format!("admin {address}\n") };
        self.global = self.global.replacen("admin off\n", &line, 1);
        self
    }

    /// Adds lines to the `frankenphp` block.
    pub(crate) fn frankenphp(mut self, lines: &str) -> Self {
        self.frankenphp += &format!("{lines}\n");
        self
    }

    /// Adds a site on a free port of the loopback interface.
    pub(crate) fn site(mut self, lines: &str) -> Self {
        self.listeners += 1;
        self.sites += &format!("http://127.0.0.1:0 {{\n{lines}\n}}\n");
        self
    }

    /// Adds sites by their host names, which share one free port of the loopback interface.
    pub(crate) fn hosts(mut self, sites: &[(&str, &str)]) -> Self {
        self.listeners += 1;
        for (host, lines) in sites {
            self.sites += &format!("http://{host}:0 {{\nbind 127.0.0.1\n{lines}\n}}\n");
        }
        self
    }

    /// Adds encrypted sites by their host names, which share one free port of the loopback interface. Keys are kept in the
    /// folder of this server, and plain HTTP is not served.
    pub(crate) fn https(mut self, sites: &[(&str, &str)]) -> Self {
        self.listeners += 1;
        for (hosts, lines) in sites {
            let addresses: Vec<String> = hosts.split(", ").map(|host| format!("https://{host}:0")).collect();
            self.sites += &format!("{} {{\nbind 127.0.0.1\n{lines}\n}}\n", addresses.join(", "));
        }
        self.global("storage file_system {$DIR}/data").global("auto_https disable_redirects")
    }

    /// Adds a site from its text; it has one listener.
    pub(crate) fn raw_site(mut self, text: &str) -> Self {
        self.listeners += 1;
        self.sites += text;
        self
    }

    /// Adds a site from its text that does not listen at an IP address.
    pub(crate) fn socket_site(mut self, text: &str) -> Self {
        self.sites += text;
        self
    }

    /// Uses a whole Caddyfile instead of all parts. It has one listener, and its relative paths start from the folder
    /// of this server.
    pub(crate) fn caddyfile(mut self, text: &str) -> Self {
        self.listeners = 1;
        self.whole = Some(text.to_owned());
        self
    }

    /// Replaces a line of the global options.
    pub(crate) fn replace_global(mut self, line: &str, by: &str) -> Self {
        self.global = self.global.replacen(line, by, 1);
        self
    }

    /// A path in the folder of this server.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts a file into the folder of this server.
    pub(crate) fn file(self, name: &str, content: &str) -> Self {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("folders can be made");
        fs::write(path, content).expect("files can be written");
        self
    }

    /// Runs the server on a simulated system with only this many PHP threads; [`Server::allow_php_threads`] changes it.
    pub(crate) fn php_threads_at_most(mut self, count: usize) -> Self {
        let library = self.dir.path().join("few_threads.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/common/few_threads.c");
        output_of(Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).args([source, "-ldl"]));
        self.preload = Some(library);
        self.file(PHP_THREADS, &count.to_string())
    }

    /// Starts the server and waits until it listens.
    pub(crate) fn start(self) -> Server {
        let listeners = self.listeners;
        let mut server = self.launch();
        let addresses = server.log.try_wait("its listeners", |lines| {
            let found: Vec<SocketAddr> = lines.iter().filter_map(|line| listening(line)).collect();
            (found.len() >= listeners).then_some(found)
        });
        match addresses {
            Some(addresses) => server.addresses = addresses,
            None => panic!("the server did not start:\n{}", server.log.text()),
        }
        server
    }

    /// Runs a server that fails to start, and waits for its end.
    pub(crate) fn start_fails(self) -> Stopped {
        self.launch().ended()
    }

    fn launch(self) -> Server {
        let Self { dir, global, mut frankenphp, sites, preload, variables, whole, faults, .. } = self;
        // A stray write to a snapshot, or a read after its end, crashes the process. If the test has its own block,
        // that decides.
        if !frankenphp.contains("vars {") {
            frankenphp += "vars {\nhardened on\n}\n";
        }
        let caddyfile = dir.path().join("Caddyfile");
        let mut command = igor();
        if whole.is_some() {
            command.current_dir(dir.path());
        }
        let parts = || format!("{{\n{global}frankenphp {{\n{frankenphp}}}\n}}\n{sites}");
        fs::write(&caddyfile, whole.unwrap_or_else(parts)).expect("files can be written");
        command.arg("run").arg("--config").arg(caddyfile).envs(variables);
        if let Some(library) = preload {
            // A sanitizer must be the first library.
            let options = std::env::var("ASAN_OPTIONS").unwrap_or_default();
            command.env("LD_PRELOAD", library).env("ASAN_OPTIONS", format!("{options}:verify_asan_link_order=0"));
        }
        let mut server = Server::spawn(command, dir);
        server.faults = faults;
        server
    }
}

/// The address in a log record about a listener of a site, in text or in JSON.
fn listening(line: &str) -> Option<SocketAddr> {
    if let Ok(record) = serde_json::from_str::<serde_json::Value>(line) {
        return (record["message"] == "listening").then(|| record["address"].as_str()?.parse().ok()).flatten();
    }
    address_after(line, ": listening ")
}

/// The address in a log record with this message.
fn address_after(line: &str, message: &str) -> Option<SocketAddr> {
    line.split_once(message)?.1.split_once("address=")?.1.split_whitespace().next()?.parse().ok()
}

/// A running server. At the end of the test SIGINT stops it; it must end cleanly, and its log must have no defects.
pub(crate) struct Server {
    child: Option<Child>,
    pub(crate) log: Log,
    addresses: Vec<SocketAddr>,
    dir: TempDir,
    faults: bool,
}

/// The remains of a server.
pub(crate) struct Stopped {
    pub(crate) status: ExitStatus,
    pub(crate) log: String,
}

impl Server {
    /// Runs a command that serves. Its standard error is the log.
    pub(crate) fn spawn(mut command: Command, dir: TempDir) -> Self {
        command.env("PHP_TESTS", php_tests()).env("DIR", dir.path());
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program can be started");
        let log = Log::collect(child.stderr.take().expect("the standard error is a pipe"));
        Self { child: Some(child), log, addresses: Vec::new(), dir, faults: false }
    }

    /// Waits until a server that was made by [`Server::spawn`] listens.
    pub(crate) fn wait_listening(mut self) -> Self {
        let address = self.log.wait("its listener", |lines| lines.iter().find_map(|line| listening(line)));
        self.addresses = vec![address];
        self
    }

    /// Changes the number of PHP threads of the simulated system, see [`Igor::php_threads_at_most`].
    pub(crate) fn allow_php_threads(&self, count: usize) {
        // Renamed into place, so that the server never reads half of it.
        fs::write(self.path("php-threads.new"), count.to_string()).expect("files can be written");
        fs::rename(self.path("php-threads.new"), self.path(PHP_THREADS)).expect("files can be renamed");
    }

    /// The folder of this server alone.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A path in that folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Where the first site listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Where the admin interface listens, if that is an IP address.
    pub(crate) fn admin_address(&self) -> SocketAddr {
        let find = |lines: &[String]| lines.iter().find_map(|line| address_after(line, ": admin listening "));
        self.log.wait("the admin interface", find)
    }

    /// Asks the admin interface.
    pub(crate) fn ask_admin(&self, request: &Request) -> Response {
        Connection::open(self.admin_address()).send(request)
    }

    /// A background worker's entry in `GET /frankenphp/workers`.
    pub(crate) fn seen_worker(&self, name: &str) -> serde_json::Value {
        let workers = self.ask_admin(&Request::get("/frankenphp/workers")).json();
        let found = workers["background"].as_array().expect("a list").iter().find(|worker| worker["name"] == name);
        found.unwrap_or_else(|| panic!("no worker {name} in {workers}")).clone()
    }

    /// The process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(self.child.as_ref().expect("the server has not been stopped"))
    }

    /// Its resident memory. `None` under a memory checker, which keeps freed memory, so that memory always grows.
    pub(crate) fn resident_bytes(&self) -> Option<usize> {
        if std::env::var_os("USE_ZEND_ALLOC").is_some_and(|value| value == "0") {
            return None;
        }
        Some(self.bytes_of("VmRSS:"))
    }

    /// The most resident memory that it had since its start, or since [`Self::forget_peak`].
    pub(crate) fn peak_bytes(&self) -> usize {
        self.bytes_of("VmHWM:")
    }

    /// From now on the peak is that of the time after (`man 5 proc_pid_clear_refs`).
    pub(crate) fn forget_peak(&self) {
        fs::write(self.file_of_process("clear_refs"), "5").expect("the peak can be forgotten");
    }

    /// The processor time of all its threads, in user mode and in the kernel.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(self.file_of_process("stat")).expect("the server runs");
        // The name of the program is in brackets, and could hold blanks. The 14th and 15th field are ticks.
        let (_, fields) = stat.rsplit_once(')').expect("the name of the program");
        let ticks = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number"));
        Duration::from_millis(1000 * ticks.sum::<u64>() / rustix::param::clock_ticks_per_second())
    }

    fn file_of_process(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.pid().as_raw_nonzero()))
    }

    fn bytes_of(&self, field: &str) -> usize {
        let status = fs::read_to_string(self.file_of_process("status")).expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the system tells the memory");
        1024 * line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number")
    }

    /// The growth of memory since `before`; 0 if unknown.
    pub(crate) fn growth_since(&self, before: Option<usize>) -> usize {
        self.resident_bytes().zip(before).map_or(0, |(now, before)| now.saturating_sub(before))
    }

    /// A new connection to the first site.
    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address())
    }

    /// Sends a request on a new connection.
    pub(crate) fn send(&self, request: &Request) -> Response {
        self.connect().send(request)
    }

    /// `GET` on a new connection.
    pub(crate) fn get(&self, target: &str) -> Response {
        self.send(&Request::get(target))
    }

    /// Runs PHP code in a classic request, by `php-tests/eval.php`.
    pub(crate) fn eval(&self, code: &str) -> Outcome {
        Outcome::of_response(&self.send(&Request::post("/eval.php", code)))
    }

    /// Runs PHP code in a request of the HTTP worker `php-tests/worker.php`.
    pub(crate) fn eval_in_worker(&self, code: &str) -> Outcome {
        Outcome::of_response(&self.send(&Request::post("/worker.php", code)))
    }

    /// Runs PHP code in a request for a host name.
    pub(crate) fn eval_at(&self, host: &str, code: &str) -> Outcome {
        Outcome::of_response(&self.send(&Request::post("/eval.php", code).header("host", host)))
    }

    /// The background worker `name`, which runs `php-tests/puppet.php`.
    pub(crate) fn puppet(&self, name: &str) -> Puppet {
        self.puppet_thread(name, 0)
    }

    /// One thread of a pool of puppets.
    pub(crate) fn puppet_thread(&self, name: &str, number: usize) -> Puppet {
        Puppet::connect(&self.path(&format!("{name}.{number}.sock")))
    }

    /// Waits until a line of the log holds all of `parts`, and returns it.
    pub(crate) fn wait_log(&self, parts: &[&str]) -> String {
        let holds = |line: &&String| parts.iter().all(|part| line.contains(part));
        self.log.wait(&format!("a line with {parts:?}"), |lines| lines.iter().find(holds).cloned())
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the server can be signalled");
    }

    /// Does something while the whole process is stopped, so to the server it has happened at once, however long it took.
    pub(crate) fn while_stopped(&self, act: impl FnOnce()) {
        self.signal(Signal::STOP);
        // The system reports it when the last thread has stopped.
        let stopped = waitid(WaitId::Pid(self.pid()), WaitIdOptions::STOPPED).expect("the server is our child");
        assert!(stopped.is_some_and(|status| status.stopped()), "the server has not stopped");
        act();
        self.signal(Signal::CONT);
    }

    /// Stops the server by SIGINT, and checks that it ended cleanly.
    pub(crate) fn stop(mut self) -> Stopped {
        self.stop_by(Signal::INT)
    }

    /// Stops the server by a signal, and checks that it ended cleanly.
    pub(crate) fn stop_by(&mut self, signal: Signal) -> Stopped {
        self.signal(signal);
        let stopped = self.reap();
        assert!(stopped.status.success(), "the server ended by {}:\n{}", stopped.status, stopped.log);
        stopped
    }

    /// Waits for the end of a server that ends on its own or has been signalled.
    pub(crate) fn ended(mut self) -> Stopped {
        self.reap()
    }

    fn reap(&mut self) -> Stopped {
        let mut child = self.child.take().expect("the server is stopped once");
        let until = Instant::now() + DEADLINE;
        let status = loop {
            if let Some(status) = child.try_wait().expect("the server is our child") {
                break status;
            }
            if Instant::now() >= until {
                child.kill().expect("a child can be killed");
                child.wait().expect("a child can be waited for");
                panic!("the server had not ended after {DEADLINE:?}:\n{}", self.log.finish());
            }
            std::thread::sleep(super::LOOK_EVERY);
        };
        let log = self.log.finish();
        let mut defects = self.log.defects();
        if self.faults {
            let expected = ["panicked at src/faults.rs", "this is a defect of igor"];
            defects.retain(|line| !expected.iter().any(|text| line.contains(text)));
        }
        assert!(defects.is_empty(), "the log reports defects:\n{}\n\nin\n{log}", defects.join("\n"));
        Stopped { status, log }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_none() {
            return;
        }
        if !std::thread::panicking() {
            self.stop_by(Signal::INT);
            return;
        }
        // The test has already failed: print the server's log, and clean up.
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        eprintln!("--- the server's log\n{}\n---", self.log.text());
    }
}
