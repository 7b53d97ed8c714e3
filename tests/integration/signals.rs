//! Scripts' signal handlers and forked children do not affect the server or other scripts.

use crate::common::workers::classic;
use crate::common::{Igor, Outcome, Request, free_address, wait_until};
use rustix::process::Signal;
use std::fs;

/// A signal that a script handles comes to a thread with PHP, whichever threads the process has.
#[test]
fn a_handled_signal_never_meets_a_thread_without_php() {
    let server = classic(1);
    let mut connection = server.connect();
    let code = "$count = 0; pcntl_async_signals(true);
        pcntl_signal(SIGUSR1, function () use (&$count) { $count++; });
        touch(getenv('DIR') . '/ready');
        while (!file_exists(getenv('DIR') . '/done')) { usleep(100); clearstatcache(); }
        return $count > 0;";
    connection.write(&Request::post("/eval.php", code));
    wait_until("the handler", || server.path("ready").exists());
    for _ in 0..2000 {
        server.signal(Signal::USR1);
    }
    fs::write(server.path("done"), "").expect("files can be written");
    assert_eq!(Outcome::of_response(&connection.read(false)).value(), true);
}

/// A handler for a signal of the server is the script's own; the server is stopped by that signal afterwards.
#[test]
fn the_signals_of_the_server_stay_its_own() {
    let mut server = classic(1);
    for number in ["SIGINT", "(string) SIGINT", "(float) SIGINT"] {
        let code =
            format!("pcntl_signal({number}, fn () => null); return is_callable(pcntl_signal_get_handler(SIGINT));");
        assert_eq!(server.eval(&code).value(), true, "{number}");
    }
    let log = server.stop_by(Signal::INT).log;
    assert!(log.contains("stopping signal=\"SIGINT\""), "{log}");
}

/// Of several threads, the one with the handler gets each signal, whichever thread the system has chosen.
#[test]
fn a_signal_from_outside_reaches_every_thread_with_a_handler() {
    let server = classic(4);
    let code = |name: &str| {
        format!(
            "$caught = false; pcntl_async_signals(true); pcntl_signal(SIGUSR1, function () use (&$caught) {{ $caught = true; }});
            touch(getenv('DIR') . '/{name}'); $until = time() + 20;
            while (!$caught && time() < $until) {{ usleep(1000); }} return $caught;"
        )
    };
    let mut connections = [server.connect(), server.connect()];
    connections[0].write(&Request::post("/eval.php", code("one")));
    connections[1].write(&Request::post("/eval.php", code("two")));
    wait_until("the handlers", || server.path("one").exists() && server.path("two").exists());
    server.signal(Signal::USR1);
    for connection in &mut connections {
        assert_eq!(Outcome::of_response(&connection.read(false)).value(), true);
    }
}

/// By itself the system would end the process; so would the default that pcntl sets when a script with a handler ends.
#[test]
fn a_signal_without_a_handler_is_logged_and_ends_nothing() {
    let server = classic(1);
    server.eval("pcntl_signal(SIGUSR1, fn () => null); return true;").value();
    for (signal, number) in [(Signal::USR1, 10), (Signal::USR2, 12), (Signal::ALARM, 14), (Signal::VTALARM, 26)] {
        server.signal(signal);
        server.wait_log(&["a signal was ignored", &format!("signal={number}")]);
    }
    assert_eq!(server.eval("return 'serves';").value(), "serves");
}

/// A handler for the ends of children goes with its script. From then on they mean nothing, as before it.
#[test]
fn the_end_of_a_child_is_no_ignored_signal() {
    let server = classic(1);
    server.eval("pcntl_signal(SIGCHLD, fn () => null); return true;").value();
    server
        .eval("$child = pcntl_fork(); if ($child === 0) { exit; } pcntl_waitpid($child, $status); return true;")
        .value();
    server.signal(Signal::USR1);
    server.wait_log(&["a signal was ignored", "signal=10"]);
    assert_eq!(server.log.count("signal=17"), 0, "{}", server.log.text());
}

/// What a script sends to its process it gets itself, at once; where it has no handler it ends, and nothing else does.
#[test]
fn a_signal_to_the_own_process_is_the_scripts() {
    let server = classic(2);
    let own = "$count = 0; pcntl_async_signals(true); pcntl_signal(SIGUSR2, function () use (&$count) { $count++; });
        for ($i = 0; $i < 20; $i++) { posix_kill(getmypid(), SIGUSR2); } return $count;";
    assert_eq!(server.eval(own).value(), 20);
    for signal in ["SIGKILL", "SIGTERM", "SIGUSR1", "SIGSEGV"] {
        let code = format!("posix_kill(posix_getpid(), {signal}); touch(getenv('DIR') . '/survived'); return true;");
        assert_eq!(server.send(&Request::post("/eval.php", code)).status, 500, "{signal}");
        server.wait_log(&[&format!("({}) ended this script", &signal[3..])]);
    }
    assert_eq!(
        server.eval("return posix_kill(getmypid(), SIGSTOP) || file_exists(getenv('DIR') . '/survived');").value(),
        false
    );
}

/// Laravel's `queue:work` kills its process in the handler of its alarm: the next script on the thread has its handlers.
#[test]
fn a_script_that_ends_in_a_handler_leaves_the_next_one_its_signals() {
    let server = classic(1);
    let count = "$count = 0; pcntl_async_signals(true); pcntl_signal(SIGUSR2, function () use (&$count) { $count++; });
        posix_kill(getmypid(), SIGUSR2); return $count;";
    for end in ["posix_kill(getmypid(), SIGKILL)", "trigger_error('the end', E_USER_ERROR)", "exit(1)"] {
        let code = format!(
            "pcntl_async_signals(true); pcntl_signal(SIGUSR2, function () {{ {end}; }}); posix_kill(getmypid(), SIGUSR2); return 'alive';"
        );
        assert!(!server.send(&Request::post("/eval.php", code)).text().contains("alive"), "{end}");
        assert_eq!(server.eval(count).value(), 1, "after {end}");
    }
}

/// Two scripts have an alarm each; one that has no handler for it ends alone.
#[test]
fn an_alarm_is_its_threads_own() {
    let server = classic(3);
    let code = "$rang = 0; pcntl_async_signals(true); pcntl_signal(SIGALRM, function () use (&$rang) { $rang++; });
        pcntl_alarm(1); $until = time() + 20; while ($rang === 0 && time() < $until) { sleep(5); } return $rang;";
    let mut connections = [server.connect(), server.connect()];
    connections.iter_mut().for_each(|connection| connection.write(&Request::post("/eval.php", code)));
    assert_eq!(server.send(&Request::post("/eval.php", "pcntl_alarm(1); sleep(20); return true;")).status, 500);
    server.wait_log(&["(ALRM) ended this script"]);
    for connection in &mut connections {
        assert_eq!(Outcome::of_response(&connection.read(false)).value(), 1);
    }
    assert_eq!(server.eval("pcntl_alarm(100); return pcntl_alarm(0);").value(), 100);
}

/// A command that was written for a supervisor ends in order, without the handle.
#[test]
fn a_background_worker_ends_by_its_handler_for_sigterm() {
    let script = "<?php frankenphp_set_vars(['up' => true]); pcntl_async_signals(true); $ends = false;
        pcntl_signal(SIGTERM, function () use (&$ends) { $ends = true; });
        while (!$ends) { sleep(10); } error_log('ended in order');";
    let server = Igor::new()
        .file("consume.php", script)
        .site("root {$DIR}\nphp_server {\nworker {$DIR}/consume.php {\nbackground\nname consume\nnum 1\n}\n}")
        .start();
    server.wait_log(&["background worker ready"]);
    let log = server.stop().log;
    assert!(log.contains("ended in order") && !log.contains("interrupting"), "{log}");
}

/// The handler may run between the condition of `while (!$ends) { sleep(10); }` and the sleep: here always.
#[test]
fn a_sleep_that_starts_after_the_handler_ends_too() {
    let script = "<?php pcntl_async_signals(true); $ends = false;
        pcntl_signal(SIGTERM, function () use (&$ends) { $ends = true; });
        frankenphp_set_vars(['up' => true]);
        while (!$ends) { usleep(1000); }
        error_log(sleep(10) > 0 ? 'woken' : 'slept'); error_log('ended in order');";
    let server = Igor::new()
        .file("consume.php", script)
        .site("root {$DIR}\nphp_server {\nworker {$DIR}/consume.php {\nbackground\nname consume\nnum 1\n}\n}")
        .start();
    server.wait_log(&["background worker ready"]);
    let log = server.stop().log;
    assert!(log.contains("woken") && log.contains("ended in order") && !log.contains("interrupting"), "{log}");
}

/// The script is asked to end before it blocks the signals. One that it cannot take ends it as little as without the block, and
/// the reminders end no wait for another signal.
#[test]
fn being_asked_to_end_disturbs_no_blocked_section() {
    let without = "pcntl_sigprocmask(SIG_BLOCK, [SIGTERM]); pcntl_sigprocmask(SIG_UNBLOCK, [SIGTERM]); usleep(1000);";
    let waits =
        "pcntl_sigprocmask(SIG_BLOCK, [SIGTERM, SIGUSR1]); if (pcntl_sigwaitinfo([SIGTERM]) !== SIGTERM) { exit(1); }
        $start = hrtime(true); pcntl_sigtimedwait([SIGUSR1], $info, 0, 300000000);
        if (hrtime(true) - $start < 300000000 || error_get_last()) { exit(1); }";
    for section in [without, waits] {
        let script = format!(
            "<?php frankenphp_set_vars(['up' => true]); fgets(frankenphp_get_worker_handle()); {section} error_log('ended in order');"
        );
        let server = Igor::new()
            .file("section.php", &script)
            .site("root {$DIR}\nphp_server {\nworker {$DIR}/section.php {\nbackground\nname section\nnum 1\n}\n}")
            .start();
        server.wait_log(&["background worker ready"]);
        let log = server.stop().log;
        assert!(log.contains("ended in order") && !log.contains("interrupting"), "{section}\n{log}");
    }
}

/// The signal comes while fputcsv() prepares a long line; only then does it wait, in a pipe that no one reads.
#[test]
fn a_wait_that_starts_after_the_signal_ends_too() {
    let script = "<?php pcntl_async_signals(true); $ends = false;
        pcntl_signal(SIGTERM, function () use (&$ends) { $ends = true; });
        $row = array_fill(0, 500000, 'x'); $child = proc_open(['sleep', '60'], [['pipe', 'r']], $pipes);
        frankenphp_set_vars(['up' => true]);
        while (!$ends) { @fputcsv($pipes[0], $row, escape: ''); }
        proc_terminate($child, SIGKILL); error_log('ended in order');";
    let server = Igor::new()
        .file("export.php", script)
        .site("root {$DIR}\nphp_server {\nworker {$DIR}/export.php {\nbackground\nname export\nnum 1\n}\n}")
        .start();
    server.wait_log(&["background worker ready"]);
    let log = server.stop().log;
    assert!(log.contains("ended in order") && !log.contains("interrupting"), "{log}");
}

/// The child is a process of its own: signals end it, and its parent's server does not notice them.
#[test]
fn a_child_is_ended_by_signals() {
    let server = classic(1);
    for (signal, number) in [("SIGTERM", 15), ("SIGUSR1", 10), ("SIGKILL", 9)] {
        let code = format!(
            "$child = pcntl_fork(); if ($child === 0) {{ sleep(30); exit; }} usleep(50000); posix_kill($child, {signal});
            pcntl_waitpid($child, $status); return pcntl_wifsignaled($status) ? pcntl_wtermsig($status) : 0;"
        );
        assert_eq!(server.eval(&code).value(), number, "{signal}");
    }
    assert_eq!(server.eval("return 'serves';").value(), "serves");
}

#[test]
fn a_program_does_not_replace_the_server() {
    let server = classic(1);
    assert!(format!("{:?}", server.eval("pcntl_exec('/bin/true');")).contains("would replace the whole server"));
    let child = "$child = pcntl_fork(); if ($child === 0) { pcntl_exec('/bin/sh', ['-c', 'exit 3']); }
        pcntl_waitpid($child, $status); return pcntl_wexitstatus($status);";
    assert_eq!(server.eval(child).value(), 3);
}

#[test]
fn writing_to_a_closed_pipe_stays_harmless() {
    let server = classic(1);
    for handler in ["SIG_IGN", "SIG_DFL", "fn () => null"] {
        assert_eq!(server.eval(&format!("return pcntl_signal(SIGPIPE, {handler});")).value(), true);
        let write = "[$one, $other] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0); fclose($other);
            return @fwrite($one, 'x');";
        assert_eq!(server.eval(write).value(), false, "{handler}");
    }
}

#[test]
fn an_alarm_ends_with_its_script() {
    let server = classic(1);
    server.eval("pcntl_signal(SIGALRM, fn () => null); pcntl_alarm(1); return true;").value();
    assert_eq!(server.eval("usleep(1500000); return true;").value(), true);
    // It exists as long as the script runs.
    let own =
        "$rang = false; pcntl_async_signals(true); pcntl_signal(SIGALRM, function () use (&$rang) { $rang = true; });
        pcntl_alarm(1); $until = time() + 20; while (!$rang && time() < $until) { usleep(1000); } return $rang;";
    assert_eq!(server.eval(own).value(), true);
}

#[test]
fn what_a_script_blocks_the_next_one_does_not() {
    let server = classic(1);
    server.eval("pcntl_sigprocmask(SIG_BLOCK, [SIGUSR1, SIGUSR2]); return true;").value();
    let blocked = server.eval("pcntl_sigprocmask(SIG_BLOCK, [SIGWINCH], $before); return $before;").value();
    assert_eq!(blocked, serde_json::json!([]));
}

/// An alarm that its script has blocked comes when the next script's signals are open again.
#[test]
fn a_blocked_alarm_ends_no_later_script() {
    let server = classic(1);
    for _ in 0..3 {
        let code = "pcntl_sigprocmask(SIG_BLOCK, [SIGALRM]); pcntl_alarm(1); usleep(1200000); return true;";
        assert_eq!(server.eval(code).value(), true);
        assert_eq!(server.eval("usleep(1000); return true;").value(), true);
    }
}

/// As in a process of its own: signals of the script, and from outside, wait until it opens them.
#[test]
fn what_a_script_blocks_waits_for_it() {
    let server = classic(3);
    let held = "$count = 0; pcntl_async_signals(true); pcntl_signal(SIGUSR1, function () use (&$count) { $count++; });
        pcntl_sigprocmask(SIG_BLOCK, [SIGUSR1, SIGUSR2]); posix_kill(getmypid(), SIGUSR1); posix_kill(getmypid(), SIGUSR2);
        $before = $count; pcntl_sigprocmask(SIG_UNBLOCK, [SIGUSR1], $blocked); return [$before, $count, $blocked];";
    assert_eq!(server.eval(held).value(), serde_json::json!([0, 1, [10, 12]]));
    let outside =
        "$count = 0; pcntl_async_signals(true); pcntl_signal(SIGUSR1, function () use (&$count) { $count++; });
        pcntl_sigprocmask(SIG_BLOCK, [SIGUSR1]); exec('kill -USR1 ' . getmypid()); usleep(50000); $before = $count;
        pcntl_sigprocmask(SIG_UNBLOCK, [SIGUSR1]); $until = time() + 20;
        while ($count === 0 && time() < $until) { usleep(1000); } return [$before, $count];";
    assert_eq!(server.eval(outside).value(), serde_json::json!([0, 1]));
    let opens = "pcntl_sigprocmask(SIG_BLOCK, [SIGUSR2]); posix_kill(getmypid(), SIGUSR2);
        pcntl_sigprocmask(SIG_UNBLOCK, [SIGUSR2]); return true;";
    assert_eq!(server.send(&Request::post("/eval.php", opens)).status, 500);
    server.wait_log(&["(USR2) ended this script"]);
}

/// A script takes the signals that it waits for: its own, those of its children with their exit status, and from outside.
#[test]
fn a_script_waits_for_signals() {
    let server = classic(3);
    let own = "pcntl_sigprocmask(SIG_BLOCK, [SIGUSR1]); posix_kill(getmypid(), SIGUSR1);
        return pcntl_sigwaitinfo([SIGUSR1, SIGUSR2], $info);";
    assert_eq!(server.eval(own).value(), 10);
    let child = "pcntl_sigprocmask(SIG_BLOCK, [SIGCHLD]); $child = pcntl_fork(); if ($child === 0) { exit(3); }
        $signal = pcntl_sigtimedwait([SIGCHLD], $info, 20); pcntl_waitpid($child, $status);
        return [$signal, $info['pid'] === $child, $info['status']];";
    assert_eq!(server.eval(child).value(), serde_json::json!([17, true, 3]));
    let outside = "pcntl_sigprocmask(SIG_BLOCK, [SIGUSR2]); exec('kill -USR2 ' . getmypid());
        return pcntl_sigtimedwait([SIGUSR2], $info, 20);";
    assert_eq!(server.eval(outside).value(), 12);
    assert_eq!(server.eval("return @pcntl_sigtimedwait([SIGUSR1], $info, 0, 1000) > 0;").value(), false);
}

/// A command that waits for the signal of its supervisor, which comes before the wait or after it. It was missed before the script
/// had blocked it.
#[test]
fn a_background_worker_ends_when_it_waits_for_sigterm() {
    let block = "pcntl_sigprocmask(SIG_BLOCK, [SIGTERM]);";
    let wait = "$signal = pcntl_sigwaitinfo([SIGTERM], $info); error_log(\"ended in order by $signal\");";
    let publish = "frankenphp_set_vars(['up' => true]);";
    // When the server takes no more connections, it has asked the script to end.
    let asked = "fgets(frankenphp_get_worker_handle());
        while (@stream_socket_client('tcp://' . getenv('ADDRESS')));";
    for code in [format!("{block} {publish} {wait}"), format!("{publish} {asked} {block} {wait}")] {
        let address = free_address();
        let server = Igor::new()
            .env("ADDRESS", &address.to_string())
            .file("consume.php", &format!("<?php {code}"))
            .raw_site(&format!(
                "http://{address} {{\nroot {{$DIR}}\nphp_server {{\nworker {{$DIR}}/consume.php {{\nbackground\nname consume\n\
                 num 1\n}}\n}}\n}}\n"
            ))
            .start();
        server.wait_log(&["background worker ready"]);
        let log = server.stop().log;
        assert!(log.contains("ended in order by 15") && !log.contains("interrupting"), "{log}");
    }
}

/// The process group of a script is the server's, and so is its process, by the number of any of its threads.
#[test]
fn a_signal_to_the_group_or_a_thread_is_the_scripts() {
    let server = classic(3);
    for to in ["0", "-posix_getpgrp()", "(int) basename(glob('/proc/self/task/*')[2])"] {
        let own = format!(
            "$count = 0; pcntl_async_signals(true); pcntl_signal(SIGUSR1, function () use (&$count) {{ $count++; }});
            posix_kill({to}, SIGUSR1); return $count;"
        );
        assert_eq!(server.eval(&own).value(), 1, "{to}");
        let end = format!("posix_kill({to}, SIGKILL); return true;");
        assert_eq!(server.send(&Request::post("/eval.php", end)).status, 500, "{to}");
        server.wait_log(&["(KILL) ended this script"]);
    }
    // Its own children are of the group, except those with a group of their own; those of other scripts are not.
    let mut other = server.connect();
    let starts = "$program = proc_open('exec sleep 30', [], $pipes); touch(getenv('DIR') . '/ready');
        while (!file_exists(getenv('DIR') . '/done')) { usleep(1000); clearstatcache(); }
        $runs = proc_get_status($program)['running']; proc_terminate($program); return $runs;";
    other.write(&Request::post("/eval.php", starts));
    wait_until("the other script", || server.path("ready").exists());
    let children = "pcntl_signal(SIGTERM, fn () => null); $children = [];
        foreach ([false, true] as $apart) {
            $child = $children[] = pcntl_fork();
            if ($child === 0) { sleep(30); exit(5); }
            if ($apart) { posix_setpgid($child, $child); }
        }
        foreach ($children as $child) { pcntl_signal(SIGTERM, fn () => null); }
        $program = proc_open('echo started; exec sleep 30', [1 => ['pipe', 'w']], $pipes);
        fgets($pipes[1]); // before PHP 8.3 the signal could reach the fork, which still has the script's handler
        posix_kill(0, SIGTERM);
        do { usleep(1000); $status = proc_get_status($program); } while ($status['running']);
        $apart = pcntl_waitpid($children[1], $ended, WNOHANG) === 0;
        foreach ($children as $child) { posix_kill($child, SIGKILL); pcntl_waitpid($child, $ended); }
        return [$status['termsig'], $apart];";
    assert_eq!(server.eval(children).value(), serde_json::json!([15, true]));
    fs::write(server.path("done"), "").expect("files can be written");
    assert_eq!(Outcome::of_response(&other.read(false)).value(), true);
}

/// The parent of a forked child is the server.
#[test]
fn a_child_does_not_stop_the_server() {
    let server = classic(1);
    for signal in ["SIGTERM", "SIGINT", "SIGHUP", "SIGKILL", "SIGSTOP"] {
        let parent = format!(
            "$child = pcntl_fork(); if ($child === 0) {{ exit(posix_kill(posix_getppid(), {signal}) ? 1 : posix_get_last_error()); }}
            pcntl_waitpid($child, $status); return pcntl_wexitstatus($status);"
        );
        assert_eq!(server.eval(&parent).value(), 1, "EPERM for {signal}");
    }
    let group = "$child = pcntl_fork(); if ($child === 0) { posix_kill(0, SIGTERM); sleep(30); exit(5); }
        pcntl_waitpid($child, $status); return pcntl_wtermsig($status);";
    assert_eq!(server.eval(group).value(), 15);
    let told =
        "$told = false; pcntl_async_signals(true); pcntl_signal(SIGUSR1, function () use (&$told) { $told = true; });
        $child = pcntl_fork(); if ($child === 0) { posix_kill(posix_getppid(), SIGUSR1); exit; }
        pcntl_waitpid($child, $status); for ($i = 0; $i < 3000 && !$told; $i++) { usleep(10000); } return $told;";
    assert_eq!(server.eval(told).value(), true);
    assert!(!server.log.text().contains("stopping"), "{}", server.log.text());
}

/// A child of a request leaves the connection, the rest of the body and the log's locks to its parent.
#[test]
fn a_child_of_a_request_ends_by_itself() {
    let server = Igor::new()
        .file("fork.php", "<?php $child = pcntl_fork(); if ($child === 0) { frankenphp_log('of the child'); headers_send(); frankenphp_finish_request(); exit(7); }
            pcntl_waitpid($child, $status); echo pcntl_wexitstatus($status);")
        .site("root {$DIR}\nphp_server")
        .start();
    let put = Request::new("PUT", "/fork.php").body(vec![b'x'; 5_000_000]);
    assert_eq!(server.send(&put).text(), "7");
}

#[test]
fn a_child_of_an_http_worker_ends_by_itself() {
    let server = Igor::new().site("root {$PHP_TESTS}\nphp_server {\nworker {$PHP_TESTS}/worker.php 1\n}").start();
    let fork = "$child = pcntl_fork(); if ($child === 0) { return 'child'; }
        pcntl_waitpid($child, $status); return [pcntl_wifexited($status), pcntl_wexitstatus($status)];";
    for _ in 0..3 {
        assert_eq!(server.eval_in_worker(fork).value(), serde_json::json!([true, 0]));
    }
    assert_eq!(server.eval_in_worker("return $state->requests;").value(), 4);
}
