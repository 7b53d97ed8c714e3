//! A script's changes to "its" process do not affect others: descriptors, children, umask, persistent connections.

use crate::common::workers::{READY, block, classic, ensure, puppet, read};
use crate::common::{Igor, Outcome, Request, Server, free_address, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

/// Every way to start a program, with files, sockets and pipes of the script open.
#[test]
fn a_program_inherits_no_descriptor_of_the_script() {
    let server = classic(1);
    let list = "ls /proc/self/fd | wc -l";
    let open = "$kept = [fopen(__FILE__, 'r'), tmpfile(), stream_socket_server('tcp://127.0.0.1:0'),
        ...stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0), socket_create(AF_INET, SOCK_STREAM, 0)];";
    let ways = [
        format!("return (int) exec('{list}');"),
        format!("return (int) shell_exec('{list}');"),
        format!("ob_start(); system('{list}'); return (int) ob_get_clean();"),
        format!("$program = popen('{list}', 'r'); $out = fgets($program); pclose($program); return (int) $out;"),
        format!("putenv('A=1'); return (int) exec('{list}');"),
        format!(
            "$program = proc_open('{list}', [1 => ['pipe', 'w']], $pipes); $out = stream_get_contents($pipes[1]);
            proc_close($program); return (int) $out;"
        ),
        format!(
            "$program = proc_open(['sh', '-c', '{list}'], [1 => ['pipe', 'w']], $pipes);
            $out = stream_get_contents($pipes[1]); proc_close($program); return (int) $out;"
        ),
    ];
    for way in ways {
        // 0, 1 and 2, and the folder that `ls` reads.
        let code = format!("{open} {way}");
        assert_eq!(
            server.eval(&code).value(),
            4,
            "{way}: {:?}",
            server.eval(&code.replace(" | wc -l", " -l | tr '\\n' ';'").replace("(int) ", ""))
        );
    }
}

/// Descriptors that a script passes on arrive under the number that it names.
#[test]
fn a_program_gets_the_descriptors_that_the_script_hands_over() {
    let server = classic(1);
    let code = "$file = tmpfile(); fwrite($file, 'handed over'); rewind($file);
        $program = proc_open('cat <&7', [1 => ['pipe', 'w'], 7 => $file], $pipes);
        $out = stream_get_contents($pipes[1]); proc_close($program); return $out;";
    assert_eq!(server.eval(code).value(), "handed over");
}

/// D6: a child of one script does not keep a lock that another has released by fclose(), nor a connection or a pipe
/// that another has closed. What the script itself has open stays open in its child.
#[test]
fn a_forked_child_holds_nothing_of_other_requests() {
    let server = classic(2);
    let mut other = server.connect();
    let opens = "$dir = getenv('DIR'); $lock = fopen(\"$dir/lock\", 'c'); flock($lock, LOCK_EX);
        $pair = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0); $program = popen('cat', 'w'); touch(\"$dir/open\");
        while (!file_exists(\"$dir/forked\")) { usleep(1000); clearstatcache(); }
        fclose($lock); fclose($pair[0]); stream_set_timeout($pair[1], 5); $ended = fgets($pair[1]) === false && feof($pair[1]);
        pclose($program); return [flock(fopen(\"$dir/lock\", 'c'), LOCK_EX | LOCK_NB), $ended];";
    other.write(&Request::post("/eval.php", opens));
    wait_until("the files of the other script", || server.path("open").exists());
    let forks = "$dir = getenv('DIR'); $own = fopen(\"$dir/own\", 'w'); $folder = opendir($dir);
        $pair = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
        if (pcntl_fork() === 0) {
            fwrite($own, readdir($folder) === false ? 'no folder' : 'all'); fwrite($pair[0], \"still open\\n\");
            while (!file_exists(\"$dir/done\")) { usleep(1000); clearstatcache(); } exit;
        }
        $said = fgets($pair[1]); touch(\"$dir/forked\"); return [$said, file_get_contents(\"$dir/own\")];";
    assert_eq!(server.eval(forks).value(), serde_json::json!(["still open\n", "all"]));
    assert_eq!(Outcome::of_response(&other.read(false)).value(), serde_json::json!([true, true]));
    fs::write(server.path("done"), "").expect("files can be written");
}

/// While one script has its own umask, another sees the process's.
#[test]
fn the_file_mode_mask_is_the_threads_own() {
    let server = classic(2);
    let mut other = server.connect();
    let holds = "umask(0777); touch(getenv('DIR') . '/ready');
        while (!file_exists(getenv('DIR') . '/done')) { usleep(1000); clearstatcache(); } return umask();";
    other.write(&Request::post("/eval.php", holds));
    wait_until("the other script", || server.path("ready").exists());
    let mask = server.eval("return umask();").value();
    assert_ne!(mask, 0o777);
    fs::write(server.path("done"), "").expect("files can be written");
    assert_eq!(Outcome::of_response(&other.read(false)).value(), 0o777);
    assert_eq!(server.eval("return umask();").value(), mask, "after the script");
}

fn descriptors(server: &Server) -> usize {
    fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("the process runs").count()
}

/// Each replaces the threads of the worker, and makes the pool of classic ones larger or smaller.
const RELOADS: usize = 200;

/// D3: a persistent connection ends with the thread whose scripts could use it again.
#[test]
fn reloads_leave_no_persistent_connection_behind() {
    let peer = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = peer.local_addr().expect("an address").port();
    let accepting = std::thread::spawn(move || {
        let mut kept = Vec::new();
        while kept.len() < 3 * RELOADS {
            kept.extend(peer.accept());
        }
    });
    let server = Igor::new()
        .admin()
        .frankenphp("num_threads 3")
        .file("round", "0")
        .site("root {$PHP_TESTS}\nphp_server {\nenv ROUND 0\nworker {$PHP_TESTS}/worker.php 1\n}")
        .start();
    let connect = format!("return (bool) pfsockopen('127.0.0.1', {port});");
    let mut counts = Vec::new();
    for round in 0..RELOADS {
        assert_eq!(server.eval_in_worker(&connect).value(), true);
        assert_eq!(server.eval(&connect).value(), true);
        let file = server.path("Caddyfile");
        let old = fs::read_to_string(&file).expect("the configuration");
        let next = old.replace(&format!("ROUND {round}\n"), &format!("ROUND {}\n", round + 1));
        let (from, to) = if round % 2 == 0 { (3, 5) } else { (5, 3) };
        fs::write(&file, next.replace(&format!("num_threads {from}"), &format!("num_threads {to}"))).expect("a write");
        server.signal(Signal::HUP);
        wait_until("the reload", || {
            server.eval_in_worker("return getenv('ROUND');").value() == format!("{}", round + 1)
        });
        counts.push(descriptors(&server));
    }
    drop(accepting);
    wait_until("the last thread's connection closes", || descriptors(&server) <= counts[0] + 6);
}

/// A forked child that lives on holds copies of every descriptor; background workers are asked to end all the same.
#[test]
fn a_living_child_delays_no_restart() {
    let fork = "$child = pcntl_fork(); if ($child === 0) { sleep(20); exit; } return $child;";
    let server = block(&puppet("w", READY)).admin().start();
    ensure(&server, "w");
    let before = read(&server, "w").value();
    let child: Value = server.eval(fork).value();
    assert_eq!(server.ask_admin(&Request::post("/frankenphp/workers/restart", "")).status, 200);
    wait_until("the next run", || read(&server, "w").value() != before);
    assert!(!server.log.text().contains("interrupting"), "{}", server.log.text());
    if let Some(child) = child.as_i64().and_then(|pid| Pid::from_raw(pid as i32)) {
        let _ = kill_process(child, Signal::KILL);
    }
}

/// Of the tests themselves: a child of a puppet has the lock on the puppet's number. The end of the run frees the number,
/// and the end of the child does not.
#[test]
fn the_number_of_a_puppet_is_held_as_long_as_its_run() {
    let server = block(&puppet("w", READY)).start();
    ensure(&server, "w");
    let mut run = server.puppet("w");
    let brief = "$child = pcntl_fork(); if ($child === 0) { exit; } return pcntl_waitpid($child, $status) === $child;";
    assert_eq!(run.eval(brief).value(), true);
    let is_free = "return flock(fopen(getenv('DIR') . '/w.0.lock', 'c'), LOCK_EX | LOCK_NB);";
    assert_eq!(server.eval(is_free).value(), false, "the end of a child frees nothing");
    let lasting = "$child = pcntl_fork(); if ($child === 0) { sleep(20); exit; } return $child;";
    let child = run.eval(lasting).value().as_i64().expect("a number");
    let socket = server.path("w.0.sock");
    fs::remove_file(&socket).expect("the socket of the first run");
    run.start("exit;");
    wait_until("the socket of the next run", || socket.exists() || server.path("w.1.sock").exists());
    assert!(socket.exists(), "the next run has the same number");
    kill_process(Pid::from_raw(child as i32).expect("a process"), Signal::KILL).expect("the child still lives");
}

/// A site at an address that no other test binds when the server leaves it.
fn site_at(address: SocketAddr) -> String {
    format!("http://{address} {{\nroot {{$PHP_TESTS}}\nphp_server\n}}\n")
}

/// A descriptor of a process, by its name in `/proc`.
fn open_in(pid: i64) -> Vec<String> {
    let names = fs::read_dir(format!("/proc/{pid}/fd")).expect("the process runs");
    names.filter_map(|name| Some(fs::read_link(name.ok()?.path()).ok()?.to_string_lossy().into_owned())).collect()
}

/// D1: the child of a script that outlives the server held its address, and its loop.
#[test]
fn a_living_child_holds_nothing_of_the_server() {
    let (address, admin) = (free_address(), free_address());
    let server = Igor::new().admin_at(&admin.to_string()).raw_site(&site_at(address)).start();
    assert_eq!(server.admin_address(), admin);
    let fork = "$kept = stream_socket_server('tcp://127.0.0.1:0'); $child = pcntl_fork();
        if ($child === 0) { sleep(30); exit; } return $child;";
    let child = server.eval(fork).value().as_i64().expect("a number");
    let holds_its_own_alone = || {
        let open = open_in(child);
        let sockets = open.iter().filter(|name| name.starts_with("socket:")).count();
        sockets == 1 && !open.iter().any(|name| name.contains("eventpoll") || name.contains("eventfd"))
    };
    wait_until("the first step of the child", holds_its_own_alone);
    server.signal(Signal::INT);
    let ended = format!("/proc/{}/stat", server.pid().as_raw_nonzero());
    wait_until("the end of the server", || fs::read_to_string(&ended).is_ok_and(|stat| stat.contains(") Z ")));
    for address in [address, admin] {
        TcpListener::bind(address).expect("the address is free while the child lives");
    }
    // It holds the standard error, which the log is read from.
    kill_process(Pid::from_raw(child as i32).expect("a process"), Signal::KILL).expect("the child still lives");
    assert!(server.ended().status.success());
}

fn zombies(server: &Server) -> usize {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).expect("the process runs");
    let children = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
    let is_zombie = |pid: &str| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
    };
    children.map(|list| list.split_whitespace().filter(|pid| is_zombie(pid)).count()).sum()
}

/// The server waits for children that a script does not wait for, even if they outlive the script.
#[test]
fn children_that_no_script_waits_for_leave_no_zombie() {
    let server = classic(2);
    let start = "for ($i = 0; $i < 50; $i++) { $kept[] = proc_open('sleep 0.2', [], $pipes);
        if (pcntl_fork() === 0) { usleep(200000); exit; } } return true;";
    for _ in 0..20 {
        assert_eq!(server.eval(start).value(), true);
    }
    let daemons = "for ($i = 0; $i < 50; $i++) { exec('true >/dev/null 2>&1 &'); popen('true', 'w'); } return true;";
    for _ in 0..20 {
        assert_eq!(server.eval(daemons).value(), true);
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    wait_until("the last zombie", || zombies(&server) == 0);
}

/// D5: what one request of a worker forks no later one waits for; what it has started by `proc_open()` may be kept.
#[test]
fn requests_of_a_worker_leave_no_zombie() {
    let server = Igor::new().site("root {$PHP_TESTS}\nphp_server {\nworker {$PHP_TESTS}/worker.php 1\n}").start();
    let keep = "$state->kept = proc_open('sleep 0.2; exit 7', [], $pipes); return true;";
    assert_eq!(server.eval_in_worker(keep).value(), true);
    let fork = "for ($i = 0; $i < 50; $i++) { if (pcntl_fork() === 0) { exit; } } return true;";
    let leave = "for ($i = 0; $i < 50; $i++) { $left = proc_open('sleep 0.05', [], $pipes); } return true;";
    for _ in 0..20 {
        assert_eq!(server.eval_in_worker(fork).value(), true);
        assert_eq!(server.eval_in_worker(leave).value(), true);
    }
    wait_until("the last zombie but the one that is kept", || zombies(&server) <= 1);
    assert_eq!(server.eval_in_worker("return proc_close($state->kept);").value(), 7);
    wait_until("the last zombie", || zombies(&server) == 0);
}

/// The command in which the server becomes process 1, of a space of process numbers of its own; `None` where the system
/// does not allow that.
fn as_process_1() -> Option<Command> {
    let ways: [&[&str]; 2] = [&[], &["--user", "--map-root-user"]];
    let unshare = |way: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(way).args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
        command
    };
    let works = |way: &&[&str]| unshare(way).arg("true").output().is_ok_and(|output| output.status.success());
    ways.into_iter().find(works).map(unshare)
}

/// D5. As the first process of a container: what its scripts' programs leave behind comes to it.
#[test]
fn process_1_waits_for_a_thousand_orphans() {
    let Some(mut command) = as_process_1() else {
        eprintln!("skipped: this system allows no one to make a space of process numbers");
        return;
    };
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let caddyfile = dir.path().join("Caddyfile");
    let site = "{\nadmin off\n}\nhttp://127.0.0.1:0 {\nroot {$PHP_TESTS}\nphp_server\n}\n";
    fs::write(&caddyfile, site).expect("files can be written");
    command.arg(env!("CARGO_BIN_EXE_igor")).arg("run").arg("--config").arg(&caddyfile);
    let server = Server::spawn(command, dir).wait_listening();
    assert_eq!(server.eval("return getmypid();").value(), 1);
    let orphans =
        "for ($i = 0; $i < 100; $i++) { exec('(sleep 0.1 & sleep 0.1 & true) >/dev/null 2>&1'); } return true;";
    for _ in 0..5 {
        assert_eq!(server.eval(orphans).value(), true);
    }
    wait_until("the last orphan", || server.eval("return count(glob('/proc/[0-9]*'));").value() == 1);
    let outside = server.pid().as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{outside}/task/{outside}/children")).expect("the process runs");
    let inside: i32 = children.trim().parse().expect("one child");
    kill_process(Pid::from_raw(inside).expect("a process"), Signal::INT).expect("the server runs");
    assert!(server.ended().status.success());
}

/// The wait for any child is for those of the script; those of another stay its own, with their exit status.
#[test]
fn no_script_takes_the_exit_status_of_another() {
    let server = classic(2);
    let mut other = server.connect();
    let starts = "$program = proc_open('exit 7', [], $pipes); touch(getenv('DIR') . '/ready');
        while (!file_exists(getenv('DIR') . '/done')) { usleep(1000); clearstatcache(); } return proc_close($program);";
    other.write(&Request::post("/eval.php", starts));
    wait_until("the other script", || server.path("ready").exists());
    assert_eq!(server.eval("return pcntl_wait($status);").value(), -1);
    // PHP 8.2 and 8.3 do not have it.
    let by_id = "return function_exists('pcntl_waitid') && pcntl_waitid(P_ALL, 0, $info, WEXITED | WNOHANG);";
    assert_eq!(server.eval(by_id).value(), false);
    fs::write(server.path("done"), "").expect("files can be written");
    assert_eq!(Outcome::of_response(&other.read(false)).value(), 7);
}

/// The same for the children of a process group: all are in the server's.
#[test]
fn a_wait_for_a_process_group_takes_no_exit_status_of_another_script() {
    let server = classic(2);
    let mut other = server.connect();
    let starts = "$program = proc_open('exit 7', [], $pipes); touch(getenv('DIR') . '/ready');
        while (!file_exists(getenv('DIR') . '/done')) { usleep(1000); clearstatcache(); } return proc_close($program);";
    other.write(&Request::post("/eval.php", starts));
    wait_until("the other script", || server.path("ready").exists());
    for group in ["0", "-posix_getpgrp()"] {
        assert_eq!(server.eval(&format!("return pcntl_waitpid({group}, $status);")).value(), -1, "{group}");
    }
    // PHP 8.2 and 8.3 do not have it.
    let by_id =
        "return function_exists('pcntl_waitid') && pcntl_waitid(P_PGID, posix_getpgrp(), $info, WEXITED | WNOHANG);";
    assert_eq!(server.eval(by_id).value(), false);
    fs::write(server.path("done"), "").expect("files can be written");
    assert_eq!(Outcome::of_response(&other.read(false)).value(), 7);
}

/// A double fork with a session of its own, as daemons start: it outlives the script, a reload and the server, holds
/// neither the address nor anything of other requests, and is no zombie when it ends.
#[test]
fn a_daemon_of_a_script_outlives_the_server() {
    let address = free_address();
    let server = Igor::new().admin().raw_site(&site_at(address)).start();
    let dir = server.path("daemon");
    let start = "$child = pcntl_fork();
        if ($child === 0) {
            posix_setsid();
            if (pcntl_fork() > 0) { exit; }
            $file = getenv('DIR') . '/daemon';
            file_put_contents(\"$file.new\", getmypid()); rename(\"$file.new\", $file);
            for ($i = 0; $i < 3000 && !file_exists(getenv('DIR') . '/done'); $i++) { usleep(10000); clearstatcache(); }
            exit;
        }
        pcntl_waitpid($child, $status); return pcntl_wexitstatus($status);";
    assert_eq!(server.eval(start).value(), 0);
    let daemon: i64 = crate::common::wait_for("the daemon", || fs::read_to_string(&dir).ok()?.parse().ok());
    server.signal(Signal::HUP);
    server.wait_log(&["the configuration was reloaded"]);
    assert_eq!(zombies(&server), 0);
    server.signal(Signal::INT);
    let ended = format!("/proc/{}/stat", server.pid().as_raw_nonzero());
    wait_until("the end of the server", || fs::read_to_string(&ended).is_ok_and(|stat| stat.contains(") Z ")));
    assert!(!open_in(daemon).iter().any(|name| name.starts_with("socket:")), "{:?}", open_in(daemon));
    TcpListener::bind(address).expect("the address is free while the daemon lives");
    fs::write(server.path("done"), "").expect("files can be written");
    wait_until("the end of the daemon", || !fs::exists(format!("/proc/{daemon}")).unwrap_or(true));
    assert!(server.ended().status.success());
}

/// What writes to a pipe that no one reads any more ends by SIGPIPE, as programs do, although the server ignores it.
#[test]
fn a_child_that_writes_to_a_closed_pipe_ends() {
    let server = classic(1);
    let program = "$program = proc_open('exec yes', [1 => ['pipe', 'w']], $pipes); fgets($pipes[1]); fclose($pipes[1]);
        while (($status = proc_get_status($program))['running']) { usleep(1000); }
        return [$status['signaled'], $status['termsig']];";
    let forked = "$pair = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0); $child = pcntl_fork();
        if ($child === 0) { fclose($pair[0]); while (@fwrite($pair[1], 'x')); exit(9); }
        fclose($pair[1]); fgetc($pair[0]); fclose($pair[0]); pcntl_waitpid($child, $status);
        return pcntl_wifexited($status) && pcntl_wexitstatus($status) === 9;";
    assert_eq!(server.eval(program).value(), serde_json::json!([true, 13]));
    assert_eq!(
        server.eval("$program = popen('exec yes', 'r'); fgets($program); return pclose($program) & 127;").value(),
        13
    );
    assert_eq!(server.eval(forked).value(), true);
    // Its log is its standard error, which no one reads: the answer comes all the same.
    let left =
        "for ($i = 0; $i < 20; $i++) { $kept = proc_open('exec yes', [1 => ['pipe', 'w']], $pipes); } return true;";
    assert_eq!(server.eval(left).value(), true);
    wait_until("the last zombie", || zombies(&server) == 0);
}

/// Children are forked while other threads hold the locks that a child could need. `IGOR_TEST_FORKS` sets how many.
#[test]
fn forks_under_load_do_not_hang() {
    let forks: usize = std::env::var("IGOR_TEST_FORKS").map_or(300, |text| text.parse().expect("a number"));
    let server = classic(3);
    // The locks of the environment and of the system's log.
    let busy = ["getenv('PATH'); getenv();", "openlog('igor', 0, LOG_USER); closelog();"].map(|work| {
        let mut connection = server.connect();
        let code = format!(
            "set_time_limit(0); while (!file_exists(getenv('DIR') . '/done')) {{
                for ($i = 0; $i < 1000; $i++) {{ {work} }} clearstatcache();
            }} return true;"
        );
        connection.write(&Request::post("/eval.php", code));
        connection
    });
    let some = "set_time_limit(0); for ($i = 0; $i < 20; $i++) {
            $child = pcntl_fork(); if ($child === 0) { getenv('PATH'); getenv(); exit(0); }
            $until = time() + 20;
            while (($ended = pcntl_waitpid($child, $status, WNOHANG)) === 0 && time() < $until) { usleep(100); }
            if ($ended === 0) { return 'it hangs in ' . file_get_contents(\"/proc/$child/syscall\"); }
            if ($status !== 0) { return $status; }
        } return 'all';";
    for _ in 0..forks.div_ceil(20) {
        assert_eq!(server.eval(some).value(), "all");
    }
    fs::write(server.path("done"), "").expect("files can be written");
    for mut busy in busy {
        assert_eq!(Outcome::of_response(&busy.read(false)).value(), true);
    }
}
