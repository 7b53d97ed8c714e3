//! A cluster of real instances on one machine: the program `igor`, Debian's redis-server, and a proxy between them that stops
//! to answer when a test says so. Every read of every instance is checked: none fails, and none is older than the one before.

use igor_php as _;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Far more than anything here takes.
const DEADLINE: Duration = Duration::from_secs(90);

/// Waits for a condition.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(process: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(process.cast_signed()).expect("a process has a number");
    rustix::process::kill_process(pid, signal).expect("it can be signalled");
}

/// A redis-server that keeps what it has acknowledged.
struct Redis {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Redis {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        drop(listener);
        let mut redis = Self { folder: tempfile::tempdir().expect("a folder"), port, child: None };
        redis.run();
        redis
    }

    fn run(&mut self) {
        let mut command = Command::new("redis-server");
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]);
        command.args(["--appendfsync", "always", "--dir"]).arg(self.folder.path());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.child = Some(child.expect("redis-server is installed: scripts/php.sh install-packages test"));
        until("redis", || TcpStream::connect(("127.0.0.1", self.port)).ok());
    }

    /// The answer to a command, which is a number.
    fn integer(&self, command: &str) -> i64 {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("redis");
        write!(stream, "{command}\r\nQUIT\r\n").expect("a command");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let mut lines = answer.lines();
        let first = lines.next().expect("an answer");
        let text = if first.starts_with('$') { lines.next().unwrap_or("0") } else { &first[1..] };
        text.parse().unwrap_or(0)
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Passes bytes on between one instance and the engine, unless it is cut: then nothing passes, and nothing is closed, as
/// in a network that has lost the way.
struct Proxy {
    address: SocketAddr,
    is_cut: Arc<AtomicBool>,
}

impl Proxy {
    fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let is_cut = Arc::new(AtomicBool::new(false));
        let cut = is_cut.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { continue };
                for (from, into) in [(&client, &server), (&server, &client)] {
                    let (from, into) = (from.try_clone().expect("a copy"), into.try_clone().expect("a copy"));
                    let cut = cut.clone();
                    std::thread::spawn(move || pass(from, into, &cut));
                }
            }
        });
        Self { address, is_cut }
    }
}

fn pass(mut from: TcpStream, mut into: TcpStream, is_cut: &AtomicBool) {
    let mut bytes = [0; 65536];
    loop {
        let count = from.read(&mut bytes).unwrap_or(0);
        while is_cut.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        if count == 0 || into.write_all(&bytes[..count]).is_err() {
            let _ = (from.shutdown(Shutdown::Both), into.shutdown(Shutdown::Both));
            return;
        }
    }
}

/// One instance of the cluster.
struct Instance {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    folder: TempDir,
}

const PAGE: &str = r#"<?php
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
const RATES: &str = r#"<?php
enum Suit: string { case Hearts = 'h'; case Spades = 's'; }
$values = [null, true, -1, PHP_INT_MIN, 0.1, -0.0, INF, "\0\xff", 'é', [], [3 => 'a', -7 => [1, [2]]], Suit::Spades];
$handle = frankenphp_get_worker_handle();
do {
    frankenphp_set_vars(['at' => hrtime(true), 'process' => getmypid(), 'values' => $values]);
    $read = [$handle];
    $write = $except = null;
} while (!stream_select($read, $write, $except, 0, 20_000));
"#;

impl Instance {
    fn start(engine: &str, script: &str, options: &str) -> Self {
        Self::with(engine, script, options, "", "")
    }

    /// With lines of one's own in the blocks `cluster`, `worker` and in the site.
    fn with(engine: &str, script: &str, options: &str, worker: &str, site: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let caddyfile = format!(
            "{{\n admin off\n frankenphp {{\n num_threads 2\n cluster {{\n engine redis redis://{engine}\n lease 2s\n {options}\n \
             }}\n worker rates.php {{\n background\n name rates\n cluster\n {worker}\n }}\n }}\n}}\nhttp://127.0.0.1:0 {{\n \
             {site}\n php_server {{\n root .\n }}\n}}\n"
        );
        for (name, text) in [("Caddyfile", &*caddyfile), ("rates.php", script), ("index.php", PAGE)] {
            fs::write(folder.path().join(name), text).expect("a file can be written");
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_igor"));
        command.args(["run", "--config", "Caddyfile"]).current_dir(folder.path());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("igor starts");
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, into) = (child.stderr.take().expect("it is a pipe"), log.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                let mut log = into.lock().expect("no panic");
                log.push_str(&line);
                log.push('\n');
            }
        });
        let address = until("the listener", || {
            let log = log.lock().expect("no panic");
            let line = log.lines().find(|line| line.contains("listening") && line.contains("address="))?.to_owned();
            line.split_once("address=")?.1.split_whitespace().next()?.parse().ok()
        });
        Self { child, address, log, folder }
    }

    fn log(&self) -> String {
        self.log.lock().expect("no panic").clone()
    }

    /// Reloads with this in the Caddyfile instead of that.
    fn reload(&self, that: &str, this: &str) {
        let path = self.folder.path().join("Caddyfile");
        let before = fs::read_to_string(&path).expect("the Caddyfile");
        assert!(before.contains(that), "{before}");
        fs::write(&path, before.replace(that, this)).expect("it can be written");
        let reloads = self.log().matches("the configuration was reloaded").count();
        self.signal(rustix::process::Signal::HUP);
        until("the reload", || {
            (self.log().matches("the configuration was reloaded").count() > reloads).then_some(())
        });
    }

    fn signal(&self, which: rustix::process::Signal) {
        signal(self.child.id(), which);
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    let (head, body) = response.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no response"))?;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    Ok(body.to_owned())
}

/// What a page has read: the time of the publish, the process that leads, and a digest of the other values.
fn read(address: SocketAddr) -> io::Result<(u64, u32, String)> {
    let body = get(address, "/")?;
    let words: Vec<&str> = body.split(' ').collect();
    let [at, process, values] = words[..] else { panic!("a page has failed: {body}") };
    Ok((at.parse().expect("a time"), process.parse().expect("a number"), values.to_owned()))
}

/// Reads one instance all the time, and fails when a read fails or goes back.
struct Reader {
    stop: Arc<AtomicBool>,
    /// The newest time that was read.
    newest: Arc<AtomicU64>,
    thread: Option<JoinHandle<u64>>,
}

impl Reader {
    fn start(address: SocketAddr) -> Self {
        let (stop, newest) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, seen) = (stop.clone(), newest.clone());
        let thread = std::thread::spawn(move || {
            let mut reads = 0;
            let mut digest = String::new();
            while !stopped.load(Ordering::Relaxed) {
                let (at, _, values) = match read(address) {
                    Ok(read) => read,
                    Err(_) if stopped.load(Ordering::Relaxed) => break,
                    Err(error) => panic!("a read of {address} failed: {error}"),
                };
                let before = seen.swap(at, Ordering::Relaxed);
                assert!(at >= before, "{address} went back from {before} to {at}");
                assert!(digest.is_empty() || digest == values, "the values have changed on their way");
                digest = values;
                reads += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            reads
        });
        Self { stop, newest, thread: Some(thread) }
    }

    fn newest(&self) -> u64 {
        self.newest.load(Ordering::Relaxed)
    }

    /// Waits until this instance has read something that was published later than now.
    fn await_newer(&self, what: &str) {
        let before = self.newest();
        until(what, || (self.newest() > before).then_some(()));
    }

    fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("it ends once").join().expect("every read was right")
    }
}

/// The instance that leads, as another one reads it.
fn leader(instances: &[Instance], seen_by: usize) -> usize {
    let (_, process, _) = read(instances[seen_by].address).expect("a read");
    let found = instances.iter().position(|instance| instance.child.id() == process);
    found.expect("the leader is one of them")
}

/// Waits until another instance than `old` leads, seen by an instance that is not `old`.
fn await_another(instances: &[Instance], old: usize) -> usize {
    let other = usize::from(old == 0);
    until("another leader", || Some(leader(instances, other)).filter(|new| *new != old))
}

/// A leader is stopped for longer than its lease, cut off from the engine, and killed; the engine is killed and started again.
#[test]
fn a_cluster_loses_its_leaders_and_its_engine() {
    let mut redis = Redis::start();
    let proxies: Vec<Proxy> = (0..3).map(|_| Proxy::start(redis.port)).collect();
    let mut instances: Vec<Instance> =
        proxies.iter().map(|proxy| Instance::start(&proxy.address.to_string(), RATES, "")).collect();
    let mut readers: Vec<Option<Reader>> =
        instances.iter().map(|instance| Some(Reader::start(instance.address))).collect();
    fn all_go_on(readers: &[Option<Reader>]) {
        readers.iter().flatten().for_each(|reader| reader.await_newer("a newer snapshot"));
    }
    all_go_on(&readers);

    // Stopped: its reader waits with it. It must publish nothing when it wakes up.
    let first = leader(&instances, 0);
    let since = Instant::now();
    instances[first].signal(rustix::process::Signal::STOP);
    let second = await_another(&instances, first);
    println!("stopped: another leads after {} ms", since.elapsed().as_millis());
    instances[first].signal(rustix::process::Signal::CONT);
    until("the end of its term", || instances[first].log().contains("leads the cluster worker no more").then_some(()));
    all_go_on(&readers);

    // Cut off: it serves what it has, its script ends, and it follows when the way is back.
    let since = Instant::now();
    proxies[second].is_cut.store(true, Ordering::Relaxed);
    let third = await_another(&instances, second);
    println!("cut off: another leads after {} ms", since.elapsed().as_millis());
    until("the end of its term", || instances[second].log().contains("leads the cluster worker no more").then_some(()));
    let held = readers[second].as_ref().expect("it reads").newest();
    proxies[second].is_cut.store(false, Ordering::Relaxed);
    until("news", || (readers[second].as_ref().expect("it reads").newest() > held).then_some(()));
    all_go_on(&readers);

    // Without the engine all serve the last snapshot; with it they go on, and nothing that was accepted is lost.
    redis.kill();
    until("notice", || instances[third].log().contains("the cluster's engine is not usable").then_some(()));
    for reader in readers.iter().flatten() {
        let before = reader.newest();
        assert!(before > 0 && reader.newest() >= before);
    }
    redis.run();
    all_go_on(&readers);

    // Killed: its reader ends with it.
    let fourth = leader(&instances, 0);
    let reader = readers[fourth].take().expect("it reads");
    reader.end();
    let since = Instant::now();
    instances[fourth].child.kill().expect("it runs");
    await_another(&instances, fourth);
    println!("killed: another leads after {} ms", since.elapsed().as_millis());
    all_go_on(&readers);

    for reader in readers.into_iter().flatten() {
        assert!(reader.end() > 10, "an instance was hardly read");
    }
    for (number, instance) in instances.iter_mut().enumerate().filter(|(number, _)| *number != fourth) {
        instance.signal(rustix::process::Signal::INT);
        let status = until("its end", || instance.child.try_wait().expect("it was started"));
        assert!(status.success(), "instance {number}: {status}\n{}", instance.log());
        assert!(!instance.log().contains("panicked"), "{}", instance.log());
    }
}

/// Writes into `events` beside its Caddyfile what it does, and takes its time to end until there is a file `go`.
const SLOW: &str = r#"<?php
$note = fn (string $event) => file_put_contents(__DIR__ . '/events', "$event
", FILE_APPEND);
$note('begin');
frankenphp_set_vars(['at' => hrtime(true), 'process' => getmypid()]);
fgets(frankenphp_get_worker_handle());
$note('ending');
while (!file_exists(__DIR__ . '/go')) {
    usleep(10_000);
}
$note('end');
"#;

fn events(instance: &Instance) -> String {
    fs::read_to_string(instance.folder.path().join("events")).unwrap_or_default()
}

/// A reload that removes a worker, or takes it out of the cluster, lets its script end before another instance starts its own.
#[test]
fn a_removed_worker_keeps_its_lease_until_its_script_has_ended() {
    let redis = Redis::start();
    let engine = format!("127.0.0.1:{}", redis.port);
    for (that, this) in [("name rates", "name other"), ("cluster\n \n", "\n")] {
        let options = format!("prefix p{}", this.len());
        let start = || {
            let instance = Instance::start(&engine, SLOW, &options);
            until("a publish", || read(instance.address).is_ok().then_some(instance.address));
            instance
        };
        let (first, second) = (start(), start());
        assert_eq!(events(&second), "", "one instance leads");
        first.reload(that, this);
        until("the end of the handle", || events(&first).contains("ending").then_some(()));
        // The other one looks every 667 ms.
        let end = Instant::now() + Duration::from_secs(3);
        while Instant::now() < end {
            assert_eq!(events(&second), "", "it has started before the first one ended: {}", events(&first));
            std::thread::sleep(Duration::from_millis(20));
        }
        fs::write(first.folder.path().join("go"), "").expect("a file");
        until("the second leader", || events(&second).contains("begin").then_some(()));
        assert!(events(&first).starts_with("begin\nending\nend\n"), "{}", events(&first));
        fs::write(second.folder.path().join("go"), "").expect("a file");
    }
}

/// The lease, the largest snapshot and the address of the engine change under a script that goes on. With another prefix
/// it starts again, once.
#[test]
fn a_reload_of_the_cluster_block_keeps_the_term() {
    let redis = Redis::start();
    let instance = Instance::start(&format!("127.0.0.1:{}", redis.port), RATES, "max_bytes 1MiB");
    let reader = Reader::start(instance.address);
    reader.await_newer("a publish");
    instance.reload("lease 2s", "lease 50s");
    instance.reload("max_bytes 1MiB", "max_bytes 2MiB");
    instance.reload("redis://127.0.0.1", "redis://localhost");
    reader.await_newer("a publish");
    until("the longer lease", || (redis.integer("PTTL {igor:global/rates}:lease") > 40_000).then_some(()));
    let starts = || instance.log().matches("background worker started").count();
    assert_eq!(starts(), 1, "{}", instance.log());
    assert_eq!(redis.integer("GET {igor:global/rates}:epoch"), 1);

    instance.reload("max_bytes 2MiB", "prefix another");
    until("a term there", || (redis.integer("GET {another:global/rates}:epoch") == 1).then_some(()));
    assert_eq!(redis.integer("EXISTS {igor:global/rates}:lease"), 0, "the old lease was given back");
    reader.await_newer("a publish");
    assert_eq!(starts(), 2, "{}", instance.log());
    reader.end();
}

/// A script learns that the engine does not answer, and that its array is too large.
#[test]
fn what_the_page_says_without_a_snapshot() {
    let unused = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let engine = unused.local_addr().expect("it is bound").to_string();
    drop(unused);
    let alone = Instance::start(&format!("user:secret@{engine}"), RATES, "");
    let page = get(alone.address, "/?timeout=3").expect("a page");
    assert!(
        page.starts_with("RuntimeException: background worker \"rates\" (")
            && page.contains("was not ready after 3")
            && page.contains("no snapshot has arrived from the cluster: the cluster's engine is not usable: "),
        "{page}"
    );
    assert!(!page.contains("secret") && !alone.log().contains("secret"), "{page}\n{}", alone.log());

    let redis = Redis::start();
    let script = "<?php\n$handle = frankenphp_get_worker_handle();\ntry {\n frankenphp_set_vars(['long' => str_repeat('x', 2000)]);\n} \
                  catch (ValueError $error) {\n frankenphp_set_vars(['at' => 1, 'process' => $error->getMessage()]);\n}\nfgets($handle);\n";
    let small = Instance::start(&format!("127.0.0.1:{}", redis.port), script, "max_bytes 1KiB");
    let page = get(small.address, "/").expect("a page");
    assert!(
        page.contains("frankenphp_set_vars(): the array needs 2") && page.contains("the cluster takes at most 1024"),
        "{page}"
    );
}

/// A version that one instance publishes goes to the browsers of all, under one identifier.
#[test]
fn every_instance_sends_what_the_cluster_publishes() {
    let redis = Redis::start();
    let engine = format!("127.0.0.1:{}", redis.port);
    let start = || Instance::with(&engine, RATES, "", "mercure rates", "mercure {\n anonymous\n }");
    let instances = [start(), start()];
    let streams = instances.each_ref().map(|instance| {
        let mut stream = TcpStream::connect(instance.address).expect("an instance");
        stream.set_read_timeout(Some(DEADLINE)).expect("it can be set");
        write!(stream, "GET /.well-known/mercure?topic=rates HTTP/1.1\r\nHost: any\r\n\r\n").expect("a request");
        BufReader::new(stream)
    });
    let [first, second] = streams.map(|stream| {
        let ids = Arc::new(Mutex::new(Vec::new()));
        let found = ids.clone();
        std::thread::spawn(move || {
            for line in stream.lines().map_while(Result::ok) {
                if let Some((_, id)) = line.split_once("id: ").or_else(|| line.split_once("id:")) {
                    found.lock().expect("no panic").push(id.to_owned());
                }
            }
        });
        ids
    });
    let shared = until("a version on both", || {
        let (first, second) = (first.lock().expect("no panic"), second.lock().expect("no panic"));
        first.iter().find(|id| second.contains(id)).cloned()
    });
    assert!(shared.starts_with("rates:1."), "{shared}");
}

/// The configuration refuses what is not there, and says what to do.
#[test]
fn engines_that_are_not_built_in() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("rates.php"), "<?php").expect("a file");
    let adapt = |cluster: &str, worker: &str| {
        let text = format!(
            "{{\n frankenphp {{\n {cluster}\n worker rates.php {{\n {worker}\n }}\n }}\n}}\n:80 {{\n php_server\n}}\n"
        );
        fs::write(folder.path().join("Caddyfile"), text).expect("a file");
        validate(folder.path())
    };
    let good = "cluster {\n engine redis redis://u:p@127.0.0.1:6379/2\n }";
    assert_eq!(adapt(good, "background\n name rates\n cluster").1, Some(0));
    let cases = [
        (
            "cluster {\n engine etcd http://10.0.0.5:2379\n }",
            "background\n name a",
            "the engine `etcd` is not built into this release",
        ),
        (
            "cluster {\n engine nats nats://10.0.0.5\n }",
            "background\n name a",
            "the engine `nats` is not built into this release",
        ),
        ("cluster {\n engine redis rediss://secret@h\n }", "background\n name a", "use a tunnel such as stunnel"),
        (
            "cluster {\n engine redis redis+sentinel://secret@h\n }",
            "background\n name a",
            "Sentinel is not built into this release",
        ),
        ("cluster {\n }", "background\n name a", "the `cluster` block has no engine"),
        ("", "background\n name a\n cluster", "`cluster` on a worker, but no engine is declared"),
        (good, "background\n cluster", "`cluster` on a catch-all"),
        (good, "cluster", "`cluster` on an HTTP worker"),
        ("cluster {\n engine redis redis://h\n lease 10ms\n }", "background\n name a", "is not between 1s and 1h"),
    ];
    for (cluster, worker, expected) in cases {
        let (text, status) = adapt(cluster, worker);
        assert!(text.contains(expected) && status == Some(1), "{expected}\n{status:?} {text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

fn validate(folder: &Path) -> (String, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_igor"));
    let output = command.args(["validate", "--config", "Caddyfile"]).current_dir(folder).output().expect("igor runs");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (text.into_owned(), output.status.code())
}
