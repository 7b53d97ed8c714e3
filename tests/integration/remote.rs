//! The commands that ask a running server: `igor workers`, `igor restart`, `igor reload`, `igor stop`.

use crate::common::workers::{READY, assert_holds, block, ensure, puppet, script};
use crate::common::{Igor, Server, igor, wait_until};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program can be started");
    (status.code(), String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned())
}

/// Asks this server.
fn ask(server: &Server, arguments: &[&str]) -> (Option<i32>, String, String) {
    run(igor().args(arguments).arg("--address").arg(server.admin_address().to_string()).current_dir(server.dir()))
}

/// B54: the table says why a worker does not come up.
#[test]
fn workers_shows_a_table() {
    let failing = script("{$DIR}/fails.php", "fails", "max_consecutive_failures 1");
    let server = block(&format!("{failing}{}", puppet("w", &format!("num 1\n{READY}"))))
        .file("fails.php", "<?php\nthrow new DomainException('no redis');")
        .admin()
        .start();
    ensure(&server, "w");
    server.eval("frankenphp_ensure_background_worker('fails');").thrown("RuntimeException");
    let (code, table, stderr) = ask(&server, &["workers"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert_holds(
        &table,
        &["STATE", ":w ", "ready", ":fails ", "given up", "Uncaught DomainException: no redis", "fails.php:2"],
    );
    let (code, json, _) = ask(&server, &["workers", "--json"]);
    assert_eq!(code, Some(0));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["background"].as_array().map(Vec::len), Some(2));
}

/// The table is repeated until its output has no reader.
#[test]
fn workers_watches() {
    use std::io::{BufRead, BufReader};
    let server = block(&puppet("w", &format!("num 1\n{READY}"))).admin().start();
    let mut command = igor();
    command.args(["workers", "--watch", "--address"]).arg(server.admin_address().to_string());
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().expect("the program can be started");
    let mut lines = BufReader::new(child.stdout.take().expect("the standard output is a pipe")).lines();
    for _ in 0..2 {
        assert!(lines.by_ref().map_while(Result::ok).any(|line| line.starts_with("BACKGROUND WORKER")));
    }
    drop(lines);
    assert_eq!(child.wait().expect("the program ends").code(), Some(0));
}

/// Another program may have the port, such as Caddy.
#[test]
fn an_answer_of_another_program_is_named_as_such() {
    let other = Igor::new().site("header Content-Type text/html\nrespond \"<!DOCTYPE html>\" 404").start();
    let address = other.address().to_string();
    let (code, stdout, stderr) = run(igor().args(["open", "--address", &address]));
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    let expected = format!("asking the admin interface at {address}: the answer is 404 Not Found of another program");
    assert!(stderr.contains(&expected) && !stderr.contains("DOCTYPE"), "{stderr}");
}

/// B49: `igor stop` ends the server as a signal does.
#[test]
fn stop_ends_the_server() {
    let server = block("").admin().start();
    let (code, stdout, stderr) = ask(&server, &["stop"]);
    assert_eq!((code, stdout.as_str()), (Some(0), "stopping\n"), "{stderr}");
    assert!(server.ended().status.success());
}

/// B50, B52
#[test]
fn restart_and_reload_say_what_they_did() {
    let server = block(&puppet("w", &format!("num 1\n{READY}"))).admin().start();
    ensure(&server, "w");
    let (code, stdout, stderr) = ask(&server, &["restart"]);
    assert_eq!((code, stdout.as_str()), (Some(0), "1 worker has restarted\n"), "{stderr}");
    let (code, stdout, stderr) = ask(&server, &["reload"]);
    assert_eq!((code, stdout.as_str()), (Some(0), "the configuration was reloaded\n"), "{stderr}");
    let other = server.path("Other");
    let file = fs::read_to_string(server.path("Caddyfile")).expect("the file is there");
    for (text, expected) in [(file.clone(), Some(0)), (file + "nonsense {\n", Some(1))] {
        fs::write(&other, text).expect("files can be written");
        let mut command = igor();
        command.args(["reload", "--address", &server.admin_address().to_string(), "--config"]).arg(&other);
        let (code, _, stderr) = run(command.env("DIR", server.dir()).env("PHP_TESTS", crate::common::php_tests()));
        assert_eq!(code, expected, "{stderr}");
        assert_eq!(stderr.contains("the configuration has errors"), expected == Some(1), "{stderr}");
    }
}

/// The address comes from the configuration, here a Unix socket, which is its owner's alone and goes with the server.
#[test]
fn a_unix_socket_that_the_configuration_names() {
    let server = block("").admin_at("unix/{$DIR}/igor.sock").start();
    server.wait_log(&["admin listening", "igor.sock"]);
    let socket = server.path("igor.sock");
    let mode = fs::metadata(&socket).expect("the socket is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let env =
        |command: &mut Command| run(command.env("DIR", server.dir()).env("PHP_TESTS", crate::common::php_tests()));
    let (code, stdout, stderr) = env(igor().arg("workers").current_dir(server.dir()));
    assert_eq!((code, stdout.as_str()), (Some(0), "the server has no workers\n"), "{stderr}");
    let (code, _, stderr) = env(igor().arg("stop").arg("--config").arg(server.path("Caddyfile")));
    assert_eq!(code, Some(0), "{stderr}");
    wait_until("the end of the socket", || !socket.exists());
    assert!(server.ended().status.success());
}

/// If a server does not answer, the message names it, with a hint.
#[test]
fn servers_that_cannot_be_asked() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    // A port of the system's own, where no one listens.
    let nobody = "127.0.0.1:1";
    for command in ["workers", "stop", "reload", "restart"] {
        let (code, stdout, stderr) = run(igor().args([command, "--address", nobody]).current_dir(&dir));
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{command}");
        assert_holds(&stderr, &[nobody, "refused", "admin listening", "--address", "IGOR_ADMIN"]);
    }
    let (code, _, stderr) = run(igor().args(["workers", "--address", "nowhere"]));
    assert_eq!(code, Some(1));
    assert_holds(&stderr, &["nowhere", "localhost:2019"]);
    for (global, parts) in
        [("admin off", ["admin off", "--address"]), ("admin localhost:0", ["admin listening", "--address"])]
    {
        fs::write(dir.path().join("Caddyfile"), format!("{{\n{global}\n}}\n:0 {{\nrespond hi\n}}\n"))
            .expect("files can be written");
        let (code, _, stderr) = run(igor().arg("workers").current_dir(&dir));
        assert_eq!(code, Some(1));
        assert_holds(&stderr, &parts);
    }
}
