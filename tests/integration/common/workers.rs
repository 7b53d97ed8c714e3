//! Declarations of background workers, and common steps of tests.

use super::{Igor, Outcome, Server};

/// One block with these workers, beside the scripts of the tests.
pub(crate) fn block(workers: &str) -> Igor {
    Igor::new().site(&site(workers))
}

pub(crate) fn site(workers: &str) -> String {
    format!("root {{$PHP_TESTS}}\nphp_server {{\nenv DIR {{$DIR}}\n{workers}\n}}")
}

/// The declaration of a background worker that runs `puppet.php`.
pub(crate) fn puppet(name: &str, lines: &str) -> String {
    script("{$PHP_TESTS}/puppet.php", name, lines)
}

/// The declaration of a background worker that runs another script.
pub(crate) fn script(file: &str, name: &str, lines: &str) -> String {
    format!("worker {file} {{\nbackground\nname {name}\n{lines}\n}}\n")
}

/// A puppet that is ready as soon as it runs.
pub(crate) const READY: &str = "env BOOT \"frankenphp_set_vars(['pid' => getmypid(), 'run' => hrtime(true)]);\"";

/// A server with this many classic threads; its scripts get its folder as `DIR`.
pub(crate) fn classic(threads: usize) -> Server {
    Igor::new()
        .frankenphp(&format!("num_threads {threads}"))
        .site("root {$PHP_TESTS}\nphp_server {\nenv DIR {$DIR}\n}")
        .start()
}

pub(crate) fn read(server: &Server, name: &str) -> Outcome {
    server.eval(&format!("return frankenphp_get_vars('{name}');"))
}

pub(crate) fn ensure(server: &Server, name: &str) {
    server.eval(&format!("frankenphp_ensure_background_worker('{name}');")).value();
}

pub(crate) fn assert_holds(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

/// Calls in which a script may hang. All of it must be interrupted.
pub(crate) const HANGS: &[(&str, &str)] = &[
    ("busy loop", "while (true);"),
    ("busy loop with calls", "while (true) { strlen(str_repeat('x', 10)); }"),
    ("sleep", "while (true) { sleep(3600); }"),
    ("usleep", "while (true) { usleep(100000); }"),
    (
        "select",
        "$pair = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0); while (true) { $r = [$pair[0]]; $w = $e = null; @stream_select($r, $w, $e, null); }",
    ),
    (
        "lock",
        "$one = fopen(getenv('DIR') . '/lock', 'c'); flock($one, LOCK_EX); $two = fopen(getenv('DIR') . '/lock', 'c'); while (true) { flock($two, LOCK_EX); }",
    ),
    (
        "socket read",
        "$s = stream_socket_server('tcp://127.0.0.1:0'); $c = stream_socket_client('tcp://' . stream_socket_get_name($s, false)); stream_set_timeout($c, 3600); while (true) { fgets($c); }",
    ),
    ("catching", "while (true) { try { while (true); } catch (Throwable) {} finally { sleep(1); } }"),
];
