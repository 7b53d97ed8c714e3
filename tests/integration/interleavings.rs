//! Every event of background workers, in random order and concurrently.
//!
//! Each step does two to four things at once: scripts require workers from several threads and read them, workers publish,
//! crash, end, hang and fail to boot, tasks are sent to them, a store counts, files change that restart them, and reloads change,
//! remove and add them. After each
//! step the test knows between which two numbers every worker's snapshot must be. Each episode ends with a shutdown while
//! scripts wait. `IGOR_TEST_INTERLEAVINGS` sets the number of steps, `IGOR_TEST_SEED` repeats a run: its seed is printed.

use crate::common::workers::{script, site};
use crate::common::{Igor, Outcome, Request, Server, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const STEPS_PER_EPISODE: usize = 60;
const FRANKENPHP: &str = "num_threads 8\nstore default\nphp_ini display_errors 1";
/// What the answer of a request says that a restart has interrupted.
const INTERRUPTED: &str = "The server stopped this script because it did not end within the grace period";

/// The state of a worker between two steps.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    declared: bool,
    /// It was read since its declaration, so it must stay readable.
    published: bool,
    /// The last number that was certainly published.
    least: u64,
    /// The last number that it tried to publish.
    most: u64,
    colour: u64,
}

/// An action of a step.
#[derive(Debug, Clone)]
enum Deed {
    Require {
        name: &'static str,
        timeout_ms: u64,
        ensure: bool,
        in_worker: bool,
    },
    Read {
        name: &'static str,
        in_worker: bool,
    },
    Publish {
        name: &'static str,
    },
    /// PHP code that a run ends by.
    Doom {
        name: &'static str,
        code: &'static str,
    },
    /// From now on its boots fail, or work again.
    Break {
        name: &'static str,
    },
    Mend {
        name: &'static str,
    },
    Touch,
    /// Changes of a script to its process that no worker and no other script may notice. Its code returns true.
    Process {
        code: &'static str,
        in_worker: bool,
    },
    /// A signal to the whole process, which no script handles for long.
    Signal,
    Reload(Change),
    /// Increments an element of the store a hundred times.
    Count {
        in_worker: bool,
    },
    /// Sends a task; its code is what the worker does between an update and the end.
    Send {
        name: &'static str,
        code: &'static str,
        timeout_ms: u64,
        in_worker: bool,
    },
}

/// Children, signals and persistent connections.
const OF_PROCESS: [&str; 6] = [
    "$child = pcntl_fork(); if ($child === 0) { exit(7); } pcntl_waitpid($child, $status); return pcntl_wexitstatus($status) === 7;",
    "if (pcntl_fork() === 0) { usleep(20000); exit; } return true;",
    "$kept = proc_open('sleep 0.01', [], $pipes); return (int) exec('echo 5') === 5;",
    "$caught = 0; pcntl_async_signals(true); pcntl_signal(SIGUSR1, function () use (&$caught) { $caught++; });
        posix_kill(getmypid(), SIGUSR1); return $caught >= 1;",
    "return (bool) pfsockopen('unix://' . getenv('DIR') . '/peer.sock');",
    "pcntl_alarm(100); return pcntl_alarm(0) >= 99;",
];

#[derive(Debug, Clone)]
enum Change {
    Nothing,
    Colour(&'static str),
    Toggle(&'static str),
    Mistake,
}

struct Episode {
    server: Server,
    /// A peer for connections that scripts keep. Its queue takes a few connections, and none is accepted.
    _peer: UnixListener,
    known: Mutex<Vec<Known>>,
    /// What was added to the store, and what interrupted requests may have added.
    counted: AtomicU64,
    counted_perhaps: AtomicU64,
    /// A restart was asked for. From now on it may interrupt requests of the HTTP worker, and no others.
    touched: AtomicBool,
    /// How many it has interrupted. The log has a record of each.
    interrupted: AtomicUsize,
    /// How many tasks were sent; a task's number is one of these.
    sent: AtomicU64,
    /// The senders' results for their tasks.
    heard: Mutex<Vec<(u64, Heard)>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Heard {
    Completed,
    NotTaken,
    Failed,
    /// A restart has interrupted the sender.
    Nothing,
}

fn index(name: &str) -> usize {
    NAMES.iter().position(|known| *known == name).expect("a known name")
}

fn caddyfile_workers(known: &[Known]) -> String {
    let declared = NAMES.iter().zip(known).filter(|(_, known)| known.declared);
    let lines = |colour: u64| {
        format!("max_consecutive_failures 2\nwatch {{$DIR}}/touched\nenv COLOUR {colour}\nenv BOOT {{$DIR}}/boot.php")
    };
    declared.map(|(name, known)| script("{$DIR}/worker.php", name, &lines(known.colour))).collect()
}

/// Publishes the number in a file, unless it is to fail; then it is a puppet without any comfort.
const WORKER: &str = r#"<?php
$dir = getenv('DIR');
$name = $_SERVER['FRANKENPHP_WORKER_NAME'];
if (file_exists("$dir/broken-$name")) {
    exit(3);
}
frankenphp_set_vars(['n' => (int) file_get_contents("$dir/n-$name"), 'name' => $name]);
$path = "$dir/$name.sock";
@unlink($path);
$server = stream_socket_server("unix://$path");
$worker = new FrankenPHP\WorkerHandle();
$store = new FrankenPHP\SharedArray();
while ($worker->tick()) {
    $readable = [$worker->getStream(), $server];
    $writable = $except = null;
    stream_select($readable, $writable, $except, null);
    while ($task = $worker->receive()) {
        ['id' => $id, 'code' => $code] = $task->getPayload();
        $store->increment("taken-$id");
        $task->update(['id' => $id, 'step' => 1]);
        eval($code);
        $task->complete(['id' => $id, 'step' => 2]);
    }
    if (!in_array($server, $readable, true)) {
        continue;
    }
    $client = stream_socket_accept($server, 0);
    if ($client) {
        stream_set_timeout($client, 1);
        $code = fgets($client);
        if ($code) {
            eval($code);
            fwrite($client, "done\n");
        }
    }
}
"#;

impl Episode {
    fn start() -> Self {
        let known: Vec<Known> = NAMES.map(|_| Known { declared: true, ..Known::default() }).into();
        let workers = caddyfile_workers(&known) + "worker {$PHP_TESTS}/worker.php 2\n";
        let mut igor = Igor::new()
            .site(&site(&workers))
            .global("grace_period 30ms")
            .frankenphp(FRANKENPHP)
            .file("worker.php", WORKER)
            .file("touched", "");
        for name in NAMES {
            igor = igor.file(&format!("n-{name}"), "0");
        }
        let peer = UnixListener::bind(igor.path("peer.sock")).expect("a socket");
        Self {
            server: igor.start(),
            _peer: peer,
            known: Mutex::new(known),
            counted: AtomicU64::new(0),
            counted_perhaps: AtomicU64::new(0),
            touched: AtomicBool::new(false),
            interrupted: AtomicUsize::new(0),
            sent: AtomicU64::new(0),
            heard: Mutex::default(),
        }
    }

    fn known(&self, name: &str) -> Known {
        self.known.lock().expect("no test thread has panicked")[index(name)]
    }

    fn note(&self, name: &str, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.lock().expect("no test thread has panicked")[index(name)]);
    }

    /// Runs a line of PHP in the worker, if it can be reached. Returns whether it was done.
    fn tell(&self, name: &str, code: &str) -> bool {
        let Ok(mut stream) = UnixStream::connect(self.server.path(&format!("{name}.sock"))) else { return false };
        stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout can be set");
        if stream.write_all(format!("{code}\n").as_bytes()).is_err() {
            return false;
        }
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).is_ok() && answer == "done\n"
    }

    /// `None`: a restart has interrupted the request, which only one of the HTTP worker may meet.
    fn run(&self, code: &str, in_worker: bool) -> Option<Outcome> {
        if !in_worker {
            return Some(self.server.eval(code));
        }
        let response = self.server.send(&Request::post("/worker.php", code));
        // Between the lines of the script there is no error to show.
        if !(response.text().contains(INTERRUPTED) || response.status == 500 && response.text().is_empty()) {
            return Some(Outcome::of_response(&response));
        }
        assert!(self.touched.load(Ordering::Relaxed), "interrupted without a restart: {code}");
        let count = self.interrupted.fetch_add(1, Ordering::Relaxed) + 1;
        let is_record =
            |line: &&String| line.contains("interrupting a script") && line.contains("php-tests/worker.php");
        let records = |lines: &[String]| lines.iter().filter(is_record).count();
        self.server.log.wait("the record of each interruption", |lines| (records(lines) >= count).then_some(()));
        None
    }

    /// Does one thing. `before` is what was known before the step; `reloads` are the names that the step's reload touches.
    fn perform(&self, deed: &Deed, reloads: Option<&str>) {
        match deed {
            Deed::Require { name, timeout_ms, ensure, in_worker } => {
                let function = if *ensure { "ensure" } else { "require" };
                let code = format!("frankenphp_{function}_background_worker('{name}', {timeout_ms} / 1000);");
                match self.run(&code, *in_worker) {
                    Some(Outcome::Value(_)) if reloads != Some(name) => {
                        assert!(self.known(name).declared, "{name} is not declared, and was there");
                        self.note(name, |known| known.published = true);
                    }
                    Some(Outcome::Value(_)) | None => {}
                    Some(Outcome::Thrown { class, message }) => {
                        assert_eq!(class, "RuntimeException", "{message}");
                        let reasons =
                            ["timed out", "after", "given up", "not declared", "removed", "not running", "failed"];
                        assert!(reasons.iter().any(|reason| message.contains(reason)), "{message}");
                    }
                }
            }
            Deed::Read { name, in_worker } => {
                let code = format!("return frankenphp_get_vars('{name}');");
                let before = self.known(name);
                match self.run(&code, *in_worker) {
                    None => {}
                    Some(Outcome::Value(value)) => {
                        let most = self.known(name).most;
                        let number = value["n"].as_u64().expect("a number");
                        assert!(
                            (before.least..=most).contains(&number),
                            "{name}: {number}, expected {}..={most}",
                            before.least
                        );
                        assert_eq!(value["name"], json!(name));
                        assert!(before.declared || reloads == Some(name), "{name} is not declared, and was read");
                    }
                    Some(Outcome::Thrown { class, message }) => {
                        assert_eq!(class, "RuntimeException", "{message}");
                        let may_be_missing = !before.declared || !before.published || reloads == Some(name);
                        assert!(may_be_missing, "{name} was readable, and is not: {message}");
                    }
                }
            }
            Deed::Publish { name } => {
                let mut number = 0;
                self.note(name, |known| {
                    known.most += 1;
                    number = known.most;
                });
                // By a rename: a run that starts at this moment must not read an empty file.
                let (new, path) = (self.server.path(&format!("n-{name}.new")), self.server.path(&format!("n-{name}")));
                fs::write(&new, number.to_string())
                    .and_then(|()| fs::rename(&new, &path))
                    .expect("files can be written");
                if self.tell(name, &format!("frankenphp_set_vars(['n' => {number}, 'name' => '{name}']);")) {
                    self.note(name, |known| known.least = number);
                }
            }
            Deed::Doom { name, code } => {
                self.tell(name, code);
            }
            Deed::Break { name } => {
                fs::write(self.server.path(&format!("broken-{name}")), "").expect("files can be written")
            }
            Deed::Mend { name } => {
                let _ = fs::remove_file(self.server.path(&format!("broken-{name}")));
            }
            Deed::Touch => self.touch("again"),
            Deed::Process { code, in_worker } => {
                if let Some(outcome) = self.run(code, *in_worker) {
                    assert_eq!(outcome, Outcome::Value(json!(true)), "{code}");
                }
            }
            Deed::Signal => self.server.signal(Signal::USR1),
            Deed::Reload(change) => self.reload(change),
            Deed::Count { in_worker } => {
                let add =
                    "$s = new FrankenPHP\\SharedArray(); for ($i = 0; $i < 100; $i++) { $s->increment('count'); }";
                let added = self.run(add, *in_worker).map(Outcome::value).is_some();
                let sum = if added { &self.counted } else { &self.counted_perhaps };
                sum.fetch_add(100, Ordering::Relaxed);
            }
            Deed::Send { name, code, timeout_ms, in_worker } => self.send(name, code, *timeout_ms, *in_worker),
        }
    }

    fn send(&self, name: &str, code: &str, timeout_ms: u64, in_worker: bool) {
        let id = self.sent.fetch_add(1, Ordering::Relaxed);
        let send = format!(
            "$task = new FrankenPHP\\SentTaskHandle('{name}', ['id' => {id}, 'code' => '{code}'], {timeout_ms} / 1000);
            $all = [];
            while (($update = $task->read()) !== null) {{ $all[] = $update; }}
            return $all;"
        );
        let heard = match self.run(&send, in_worker) {
            None => Heard::Nothing,
            Some(Outcome::Value(value)) => {
                assert_eq!(value, json!([{"id": id, "step": 1}, {"id": id, "step": 2}]), "task {id}");
                assert!(!code.contains("exit") && !code.contains("throw"), "task {id} was to fail");
                Heard::Completed
            }
            Some(Outcome::Thrown { class, message }) => {
                assert_eq!(class, "RuntimeException", "{message}");
                assert!(message.contains(&format!("\"{name}\"")), "{message}");
                if message.contains("has not taken the task") { Heard::NotTaken } else { Heard::Failed }
            }
        };
        self.heard.lock().expect("no test thread has panicked").push((id, heard));
    }

    /// No task and no increment was lost or done twice.
    fn account(&self) {
        let stored = self.server.eval("return (new FrankenPHP\\SharedArray())->snapshot() ?: new stdClass();").value();
        let number = |key: &str| stored.get(key).and_then(Value::as_u64).unwrap_or(0);
        let (counted, perhaps) = (self.counted.load(Ordering::Relaxed), self.counted_perhaps.load(Ordering::Relaxed));
        assert!((counted..=counted + perhaps).contains(&number("count")), "{} of {counted}", number("count"));
        for (id, heard) in self.heard.lock().expect("no test thread has panicked").iter() {
            let taken = number(&format!("taken-{id}"));
            let allowed = match heard {
                Heard::Completed => 1..=1,
                Heard::NotTaken => 0..=0,
                Heard::Failed | Heard::Nothing => 0..=1,
            };
            assert!(allowed.contains(&taken), "task {id} was taken {taken} times, and its sender heard {heard:?}");
        }
    }

    fn touch(&self, text: &str) {
        self.touched.store(true, Ordering::Relaxed);
        fs::write(self.server.path("touched"), text).expect("files can be written");
    }

    fn reload(&self, change: &Change) {
        let mut next: Vec<Known> = self.known.lock().expect("no test thread has panicked").clone();
        match change {
            Change::Nothing | Change::Mistake => {}
            Change::Colour(name) => next[index(name)].colour += 1,
            Change::Toggle(name) => next[index(name)].declared ^= true,
        }
        let workers = caddyfile_workers(&next) + "worker {$PHP_TESTS}/worker.php 2\n";
        let mistake = if matches!(change, Change::Mistake) { "\nno_such_directive\n" } else { "" };
        let text = format!(
            "{{\nadmin off\ngrace_period 30ms\nfrankenphp {{\n{FRANKENPHP}\n}}\n}}\nhttp://127.0.0.1:0 {{\n{}{mistake}\n}}\n",
            site(&workers)
        );
        fs::write(self.server.path("Caddyfile"), text).expect("files can be written");
        let done =
            if mistake.is_empty() { "the configuration was reloaded" } else { "the configuration was not reloaded" };
        let before = self.server.log.count(done);
        self.server.signal(Signal::HUP);
        self.server
            .log
            .wait(done, |lines| (lines.iter().filter(|line| line.contains(done)).count() > before).then_some(()));
        match change {
            Change::Colour(name) => self.note(name, |known| known.colour += 1),
            Change::Toggle(name) => self.note(name, |known| {
                known.declared ^= true;
                known.published = false;
            }),
            Change::Nothing | Change::Mistake => {}
        }
    }

    /// After a mended, restarted and awaited end of the episode every worker must be readable with its newest number.
    fn settle(&self) {
        for name in NAMES {
            let _ = fs::remove_file(self.server.path(&format!("broken-{name}")));
        }
        for name in NAMES.into_iter().filter(|name| self.known(name).declared) {
            // A worker that was given up is started again by a call that comes after its last thread has left.
            wait_until("a worker to come back", || {
                let code = format!("frankenphp_ensure_background_worker('{name}', 10);");
                matches!(self.server.eval(&code), Outcome::Value(_))
            });
            // Runs that hang end by a restart; the one after it publishes what the file says.
            self.touch("settle");
            let most = self.known(name).most;
            wait_until("the newest number", || {
                self.server.eval(&format!("frankenphp_ensure_background_worker('{name}', 10);")).value();
                self.server.eval(&format!("return frankenphp_get_vars('{name}')['n'];")) == Outcome::Value(json!(most))
            });
        }
    }

    /// No thread of a background worker is there, and as many descriptors as there were.
    fn removed(&self, descriptors: usize) {
        for name in NAMES {
            if self.known(name).declared {
                self.reload(&Change::Toggle(name));
            }
        }
        wait_until("the threads of the workers to leave", || self.threads("bg-") == 0);
        wait_until("the descriptors of the workers to be closed", || self.descriptors() <= descriptors);
    }

    fn threads(&self, prefix: &str) -> usize {
        let tasks =
            fs::read_dir(format!("/proc/{}/task", self.server.pid().as_raw_nonzero())).expect("the process runs");
        let names = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|name| name.starts_with(prefix)).count()
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.server.pid().as_raw_nonzero())).expect("the process runs").count()
    }

    /// Ends the server while scripts wait for a worker that does not come up.
    fn stop(mut self) {
        let known = self.known("a").declared;
        if !known {
            self.reload(&Change::Toggle("a"));
        }
        fs::write(self.server.path("broken-a"), "").expect("files can be written");
        let mut waiting = [self.server.connect(), self.server.connect()];
        for connection in &mut waiting {
            connection.write(&Request::post("/eval.php", "frankenphp_ensure_background_worker('a', 600);"));
        }
        let stopped = self.server.stop_by(Signal::TERM);
        assert!(!stopped.log.contains("could not be interrupted"), "{}", stopped.log);
        for connection in &mut waiting {
            // Refused because the server stops or that the worker was given up; a connection that was not accepted yet is closed.
            if let Ok(response) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| connection.read(false))) {
                assert!(matches!(response.status, 200 | 503), "{}", response.text());
            }
        }
    }
}

fn choose(random: &mut fastrand::Rng) -> Vec<Deed> {
    let mut deeds = Vec::new();
    let mut reloads = false;
    let mut published = [false; NAMES.len()];
    while deeds.len() < 2 + random.usize(..3) {
        let name = NAMES[random.usize(..NAMES.len())];
        deeds.push(match random.u8(..29) {
            0..=4 => Deed::Require {
                name,
                timeout_ms: [1, 20, 300][random.usize(..3)],
                ensure: random.bool(),
                in_worker: random.bool(),
            },
            5..=8 => Deed::Read { name, in_worker: random.bool() },
            9..=11 if !std::mem::replace(&mut published[index(name)], true) => Deed::Publish { name },
            12 => Deed::Doom { name, code: "exit(1);" },
            13 => Deed::Doom { name, code: "throw new LogicException('on purpose');" },
            14 => Deed::Doom { name, code: "exit(0);" },
            15 => Deed::Doom { name, code: "fwrite($client, \"done\\n\"); while (true);" },
            16 => Deed::Break { name },
            17 => Deed::Mend { name },
            18 => Deed::Touch,
            19 if !std::mem::replace(&mut reloads, true) => Deed::Reload(match random.u8(..8) {
                0 => Change::Nothing,
                1 => Change::Mistake,
                2..=4 => Change::Colour(name),
                _ => Change::Toggle(name),
            }),
            20 => Deed::Count { in_worker: random.bool() },
            21..=24 => Deed::Send {
                name,
                code: ["", "", "usleep(20000);", "exit(1);", "throw new LogicException();"][random.usize(..5)],
                timeout_ms: [1, 50, 500][random.usize(..3)],
                in_worker: random.bool(),
            },
            25..=27 => Deed::Process { code: OF_PROCESS[random.usize(..OF_PROCESS.len())], in_worker: random.bool() },
            28 => Deed::Signal,
            _ => continue,
        });
    }
    deeds
}

/// B11, B12, B22, B28, B37, B39, B46, B48, B49, B51, B52
#[test]
fn whatever_happens_to_workers_nothing_hangs_and_no_version_is_wrong() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let steps = number("IGOR_TEST_INTERLEAVINGS").unwrap_or(180) as usize;
    let seed = number("IGOR_TEST_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("IGOR_TEST_SEED={seed} IGOR_TEST_INTERLEAVINGS={steps}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut done = 0;
    while done < steps {
        let episode = Episode::start();
        episode.server.eval_in_worker("return 1;").value();
        let descriptors = episode.descriptors();
        for _ in 0..STEPS_PER_EPISODE.min(steps - done) {
            let deeds = choose(&mut random);
            println!("{done}: {deeds:?}");
            let touched = deeds.iter().find_map(|deed| match deed {
                Deed::Reload(Change::Toggle(name)) => Some(*name),
                _ => None,
            });
            std::thread::scope(|scope| {
                for deed in &deeds {
                    let episode = &episode;
                    scope.spawn(move || episode.perform(deed, touched));
                }
            });
            done += 1;
        }
        episode.settle();
        episode.account();
        episode.removed(descriptors);
        episode.stop();
    }
}

/// What the steps rely on: a worker that is asked to hang does, and a restart gets it running again.
#[test]
fn a_step_does_what_it_says() {
    let episode = Episode::start();
    let ensure = Deed::Require { name: "a", timeout_ms: 20_000, ensure: true, in_worker: false };
    episode.perform(&ensure, None);
    // Its socket comes after its first publish.
    wait_until("the worker to listen", || episode.tell("a", "1;"));
    episode.perform(&Deed::Publish { name: "a" }, None);
    assert_eq!((episode.known("a").least, episode.known("a").most), (1, 1));
    episode.perform(&Deed::Read { name: "a", in_worker: true }, None);
    episode.perform(&Deed::Count { in_worker: false }, None);
    for (code, expected) in [("", Heard::Completed), ("exit(1);", Heard::Failed)] {
        episode.perform(&Deed::Send { name: "a", code, timeout_ms: 20_000, in_worker: true }, None);
        assert_eq!(episode.heard.lock().expect("no panic").last().map(|(_, heard)| *heard), Some(expected));
    }
    episode.account();
    wait_until("the next run to listen", || episode.tell("a", "1;"));
    assert!(episode.tell("a", "fwrite($client, \"done\\n\"); while (true);"));
    assert!(!episode.tell("a", "1;"), "it hangs");
    episode.perform(&Deed::Touch, None);
    wait_until("the next run", || episode.tell("a", "1;"));
    episode.perform(&Deed::Reload(Change::Toggle("a")), Some("a"));
    // No one starts another.
    wait_until("its thread to leave", || episode.threads("bg-a") == 0);
    let gone: Value = episode.server.eval("return function_exists('frankenphp_get_vars');").value();
    assert_eq!(gone, json!(true));
}
