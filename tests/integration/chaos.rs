//! Everything that scripts, clients and operators do, at the same time, for a given duration. Each answer is checked;
//! memory, descriptors, threads, children and zombies are checked meanwhile and at the end.
//!
//! `CHAOS_SECONDS` is the duration, `CHAOS_SEED` repeats the choice of actions: the seed is printed. `make chaos` and
//! `make soak` show the report. A run of ten minutes or more fails when memory grows in its second half.

use crate::common::workers::{READY, puppet, site};
use crate::common::{Connection, Igor, Outcome, Request, Server, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const CLIENTS: u64 = 8;
/// The most script connections that the peer holds; a thread keeps one for each port.
const PEERS_MAX: usize = 4096;
/// A run of at least this duration must not grow in its second half: its last quarter may need at most this much more
/// than the third.
const SOAK: Duration = Duration::from_secs(600);
const FLAT_PERCENT: usize = 10;

/// The scripts' actions and their results: `{n}` is a number of the request's own, `{peer}` the port of a server.
const DEEDS: [(&str, &str); 19] = [
    ("plain", "return {n};"),
    ("read", "$seen = frankenphp_get_vars('w'); return isset($seen['pid']) ? {n} : $seen;"),
    ("large arrays", "$all = array_fill(0, 200000, 'x' . {n}); return count(array_unique($all)) + {n} - 1;"),
    (
        "large strings",
        "$text = str_repeat('x', {n} % 40 << 20); return strlen($text) === {n} % 40 << 20 ? {n} : 'short';",
    ),
    (
        "fork",
        "$child = pcntl_fork(); if ($child === 0) { exit({n} % 200); } pcntl_waitpid($child, $status);
        return pcntl_wexitstatus($status) === {n} % 200 ? {n} : $status;",
    ),
    ("fork and leave", "if (pcntl_fork() === 0) { usleep({n} % 50000); exit; } return {n};"),
    (
        "proc_open",
        "$program = proc_open('echo {n}', [1 => ['pipe', 'w']], $pipes); $said = (int) fgets($pipes[1]);
        return proc_close($program) === 0 ? $said : 'failed';",
    ),
    ("proc_open and leave", "$kept = proc_open('sleep 0.05', [], $pipes); return {n};"),
    ("exec", "return (int) exec('echo {n}');"),
    ("popen", "$program = popen('echo {n}', 'r'); $said = (int) fgets($program); pclose($program); return $said;"),
    (
        "signal",
        "$caught = 0; pcntl_async_signals(true); pcntl_signal(SIGUSR2, function () use (&$caught) { $caught++; });
        for ($i = 0; $i < 3; $i++) { posix_kill(getmypid(), SIGUSR2); } return $caught >= 3 ? {n} : $caught;",
    ),
    (
        "alarm",
        "$rang = false; pcntl_async_signals(true); pcntl_signal(SIGALRM, function () use (&$rang) { $rang = true; });
        pcntl_alarm(1); for ($i = 0; $i < 400 && !$rang; $i++) { usleep(10000); } return $rang ? {n} : 'no alarm';",
    ),
    ("persistent", "$peer = pfsockopen('127.0.0.1', {peer}); return $peer ? {n} : 'no connection';"),
    (
        "process",
        "putenv('CHAOS={n}'); umask({n} % 64); chdir(sys_get_temp_dir()); mt_srand({n});
        return (int) getenv('CHAOS') === {n} && umask() === {n} % 64 ? {n} : 'mixed up';",
    ),
    (
        "files",
        "$file = tmpfile(); fwrite($file, str_repeat('{n}', 1000)); rewind($file);
        return strlen(stream_get_contents($file)) === 1000 * strlen('{n}') ? {n} : 'cut off';",
    ),
    (
        "exception",
        "try { throw new Exception('{n}'); } catch (Exception $caught) { return (int) $caught->getMessage(); }",
    ),
    ("finish", "register_shutdown_function(fn () => usleep(1000)); return {n};"),
    ("reset", "return opcache_reset() === null ? 'none' : {n};"),
    ("status", "return opcache_get_status(false) ? {n} : 'off';"),
];

/// Actions that end their script, with the status that the client gets.
const ENDS: [(&str, &str, u16); 4] = [
    ("exit", "exit(3);", 200),
    ("fatal error", "no_such_function();", 500),
    ("memory limit", "ini_set('memory_limit', '32M'); str_repeat('x', 64 << 20);", 500),
    ("own signal", "posix_kill(getmypid(), SIGTERM);", 500),
];

/// An action and its result.
#[derive(Default)]
struct Report {
    requests: AtomicU64,
    reloads: AtomicUsize,
    restarts: AtomicUsize,
    wrong: Mutex<Vec<String>>,
}

impl Report {
    fn check(&self, deed: &str, right: bool, seen: impl FnOnce() -> String) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if !right {
            self.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{deed}: {}", seen()));
        }
    }

    fn wrong(&self) -> Vec<String> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The process at one moment.
#[derive(Clone, Copy)]
struct Sample {
    resident_kib: usize,
    descriptors: usize,
    threads: usize,
    children: usize,
    zombies: usize,
}

impl Sample {
    fn of(server: &Server) -> Self {
        let process = format!("/proc/{}", server.pid().as_raw_nonzero());
        let entries = |folder: &str| fs::read_dir(format!("{process}/{folder}")).map_or(0, Iterator::count);
        let status = fs::read_to_string(format!("{process}/status")).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        let tasks = || fs::read_dir(format!("{process}/task")).into_iter().flatten().flatten();
        let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).ok();
        // The async runtime keeps threads for blocking work for a while.
        let threads = tasks().filter_map(name).filter(|name| !name.starts_with("igor-async")).count();
        let lists = tasks().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        let children: Vec<String> =
            lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
        let is_zombie = |pid: &&String| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
        };
        Self {
            resident_kib: resident.trim().trim_end_matches(" kB").parse().unwrap_or(0),
            descriptors: entries("fd"),
            threads,
            zombies: children.iter().filter(is_zombie).count(),
            children: children.len(),
        }
    }
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { resident_kib, descriptors, threads, children, zombies } = self;
        let resident = resident_kib / 1024;
        write!(
            f,
            "resident {resident} MiB, descriptors {descriptors}, threads {threads}, children {children}, zombies {zombies}"
        )
    }
}

fn mean_mib(samples: &[Sample]) -> usize {
    samples.iter().map(|sample| sample.resident_kib).sum::<usize>() / samples.len().max(1) / 1024
}

/// One request of a client, on its connection or a new one.
fn ask(
    random: &mut fastrand::Rng,
    connection: &mut Option<Connection>,
    address: SocketAddr,
    peer: u16,
    report: &Report,
) {
    let number = random.u32(1..1_000_000);
    let target = if random.bool() { "/eval.php" } else { "/worker.php" };
    if random.u8(..8) == 0 {
        *connection = None;
    }
    match random.u8(..24) {
        0 => {
            let (deed, code, status) = ENDS[random.usize(..ENDS.len())];
            let answer = Connection::open(address).send(&Request::post("/eval.php?raw", code));
            report.check(deed, answer.status == status, || format!("{} {}", answer.status, answer.text()));
        }
        1 => {
            let size = random.usize(1..600_000);
            let body: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(size).collect();
            let (sum, length) = (body.iter().map(|&byte| u64::from(byte)).sum::<u64>(), body.len());
            let request = Request::post("/upload.php", body);
            let request = if random.bool() { request.chunked() } else { request };
            let answer = connection.get_or_insert_with(|| Connection::open(address)).send(&request);
            report.check("upload", answer.text() == format!("{length} {sum}"), || answer.text());
        }
        2 => {
            // A client that disconnects in the middle.
            let mut gone = Connection::open(address);
            gone.write(&Request::post(target, "usleep(20000); return str_repeat('x', 300000);"));
        }
        _ => {
            // The rare ones stop all scripts, or take a second.
            let chosen = random.usize(..DEEDS.len());
            let rare = matches!(DEEDS[chosen].0, "reset" | "alarm") && random.u8(..16) > 0;
            let (deed, code) = DEEDS[if rare { 0 } else { chosen }];
            let code = code.replace("{n}", &number.to_string()).replace("{peer}", &peer.to_string());
            let connection = connection.get_or_insert_with(|| Connection::open(address));
            let answer = connection.send(&Request::post(target, code));
            let right = answer.status == 200 && Outcome::of_response(&answer) == Outcome::Value(json!(number));
            report.check(deed, right, || format!("{number} at {target}: {} {}", answer.status, answer.text()));
        }
    }
}

/// One deed of the operator.
fn operate(random: &mut fastrand::Rng, server: &Server, round: &mut u32, report: &Report) {
    match random.u8(..6) {
        0 | 1 => {
            let path = server.path("Caddyfile");
            let text = fs::read_to_string(&path).expect("the configuration");
            let next = text.replace(&format!("ROUND {round}\n"), &format!("ROUND {}\n", *round + 1));
            *round += 1;
            // By a rename: a concurrent reload must not read a partial file.
            fs::write(server.path("next"), next)
                .and_then(|()| fs::rename(server.path("next"), &path))
                .expect("a write");
            server.signal(Signal::HUP);
            report.reloads.fetch_add(1, Ordering::Relaxed);
        }
        2 => {
            let answer = server.ask_admin(&Request::post("/frankenphp/workers/restart", ""));
            report.check("restart", answer.status == 200, || answer.text());
            report.restarts.fetch_add(1, Ordering::Relaxed);
        }
        3 => server.signal(Signal::USR1),
        4 => {
            let answer = server.ask_admin(&Request::get("/frankenphp/workers"));
            report.check("admin", answer.status == 200, || answer.text());
        }
        _ => {
            let mut puppet = server.puppet("w");
            let fill =
                format!("frankenphp_set_vars(['pid' => getmypid(), 'all' => range(0, {})]);", random.u32(..50_000));
            // A restart may end its run first.
            puppet.try_eval(&fill);
        }
    }
}

fn start() -> Server {
    let upload = "<?php $body = file_get_contents('php://input');
        echo strlen($body), ' ', array_sum(array_map(fn ($byte, $count) => $byte * $count, array_keys(count_chars($body)), count_chars($body)));";
    let workers = puppet("w", READY) + "worker {$PHP_TESTS}/worker.php 3\n";
    let server = Igor::new()
        .admin()
        .global("grace_period 10s")
        .frankenphp("num_threads 8\nmax_threads 12")
        .file("upload.php", upload)
        .site(&format!(
            "route /upload.php {{\nroot {{$DIR}}\nphp_server\n}}\n{}",
            site(&format!("env ROUND 0\n{workers}"))
        ))
        .start();
    crate::common::workers::ensure(&server, "w");
    server
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().filter(|text| !text.is_empty()).map(|text| text.parse().expect("a number"))
}

/// D1 to D6, D10
#[test]
fn chaos() {
    let time = Duration::from_secs(number("CHAOS_SECONDS").unwrap_or(5));
    let seed = number("CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("CHAOS_SEED={seed} CHAOS_SECONDS={}", time.as_secs());
    let peer = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = peer.local_addr().expect("an address").port();
    thread::spawn(move || peer.incoming().take(PEERS_MAX).collect::<Vec<_>>());
    let server = start();
    let (address, report, before) = (server.address(), Report::default(), Sample::of(&server));
    let until = Instant::now() + time;
    let mut samples = Vec::new();
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let report = &report;
            scope.spawn(move || {
                let (mut random, mut connection) = (fastrand::Rng::with_seed(seed ^ client), None);
                while Instant::now() < until {
                    ask(&mut random, &mut connection, address, port, report);
                }
            });
        }
        let (server, report) = (&server, &report);
        scope.spawn(move || {
            let (mut random, mut round) = (fastrand::Rng::with_seed(seed ^ CLIENTS), 0);
            while Instant::now() < until {
                operate(&mut random, server, &mut round, report);
                thread::sleep(Duration::from_millis(random.u64(100..700)));
            }
        });
        while Instant::now() < until {
            samples.push(Sample::of(server));
            thread::sleep(Duration::from_millis(500));
        }
    });
    report_and_check(&server, &report, &samples, before, time);
}

fn report_and_check(server: &Server, report: &Report, samples: &[Sample], before: Sample, time: Duration) {
    println!("at the end: {}", Sample::of(server));
    wait_until("the last zombie", || Sample::of(server).zombies == 0);
    // Those of the last configuration leave within the grace period.
    wait_until("the last threads", || Sample::of(server).threads <= before.threads + 6);
    wait_until("the last descriptors", || Sample::of(server).descriptors <= before.descriptors + 40);
    let (after, third) = (Sample::of(server), samples.len() / 3);
    let (reloads, restarts) = (report.reloads.load(Ordering::Relaxed), report.restarts.load(Ordering::Relaxed));
    let wrong = report.wrong();
    println!(
        "requests {} wrong {} reloads {reloads} restarts {restarts}",
        report.requests.load(Ordering::Relaxed),
        wrong.len()
    );
    println!("before: {before}\nafter: {after}");
    let (first, last) = (mean_mib(&samples[..third]), mean_mib(&samples[samples.len() - third..]));
    let most = samples.iter().map(|sample| sample.resident_kib / 1024).max().unwrap_or(0);
    println!("resident MiB: first third {first}, last third {last}, most {most}");
    assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    assert_eq!(server.log.count("could not be interrupted"), 0);
    if time >= SOAK {
        let half = &samples[samples.len() / 2..];
        let (third_quarter, fourth) = (mean_mib(&half[..half.len() / 2]), mean_mib(&half[half.len() / 2..]));
        let is_flat = fourth <= third_quarter + third_quarter * FLAT_PERCENT / 100;
        let verdict = if is_flat { "flat in its second half" } else { "it grows" };
        println!("resident MiB: third quarter {third_quarter}, fourth {fourth}: {verdict}");
        assert!(is_flat, "memory grows: {third_quarter} to {fourth} MiB");
    }
    assert_eq!(server.eval("return 'serves';").value(), Value::from("serves"));
}
