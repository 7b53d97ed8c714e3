//! What scripts do to the signals of the process, and the children that they fork, harm neither the server nor other scripts.

use crate::common::{Igor, Outcome, Request, Server, wait_until};
use rustix::process::Signal;
use std::fs;

fn server(threads: usize) -> Server {
    Igor::new()
        .frankenphp(&format!("num_threads {threads}"))
        .site("root {$PHP_TESTS}\nphp_server {\nenv DIR {$DIR}\n}")
        .start()
}

/// A signal that a script handles comes to a thread with PHP, whichever threads the process has.
#[test]
fn a_handled_signal_never_meets_a_thread_without_php() {
    let server = server(1);
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

/// Also when its number comes as a string, which PHP takes for one. The server is stopped by that signal afterwards.
#[test]
fn the_signals_of_the_server_stay_its_own() {
    let mut server = server(1);
    for number in ["SIGINT", "(string) SIGINT", "(float) SIGINT"] {
        assert_eq!(server.eval(&format!("return pcntl_signal({number}, fn () => null);")).value(), true, "{number}");
    }
    let log = server.stop_by(Signal::INT).log;
    assert_eq!(log.matches("is the server's").count(), 3, "{log}");
}

#[test]
fn writing_to_a_closed_pipe_stays_harmless() {
    let server = server(1);
    for handler in ["SIG_IGN", "SIG_DFL", "fn () => null"] {
        assert_eq!(server.eval(&format!("return pcntl_signal(SIGPIPE, {handler});")).value(), true);
        let write = "[$one, $other] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0); fclose($other);
            return @fwrite($one, 'x');";
        assert_eq!(server.eval(write).value(), false, "{handler}");
    }
}

#[test]
fn an_alarm_ends_with_its_script() {
    let server = server(1);
    server.eval("pcntl_signal(SIGALRM, fn () => null); pcntl_alarm(1); return true;").value();
    assert_eq!(server.eval("usleep(1500000); return true;").value(), true);
    // As long as the script runs, it is there.
    let own =
        "$rang = false; pcntl_async_signals(true); pcntl_signal(SIGALRM, function () use (&$rang) { $rang = true; });
        pcntl_alarm(1); $until = time() + 20; while (!$rang && time() < $until) { usleep(1000); } return $rang;";
    assert_eq!(server.eval(own).value(), true);
}

#[test]
fn what_a_script_blocks_the_next_one_does_not() {
    let server = server(1);
    server.eval("pcntl_sigprocmask(SIG_BLOCK, [SIGUSR1, SIGUSR2]); return true;").value();
    let blocked = server.eval("pcntl_sigprocmask(SIG_BLOCK, [SIGWINCH], $before); return $before;").value();
    assert_eq!(blocked, serde_json::json!([]));
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
