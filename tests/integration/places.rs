//! Where the configuration and what it names are: a FIFO, a directory that has been removed or is not there yet, a file in
//! another encoding; and settings of opcache that do not fit together.

use crate::common::workers::{READY, ensure, puppet, read, site};
use crate::common::{Igor, Server, igor as igor_command, wait_until};
use rustix::process::Signal;
use std::fs;
use std::path::Path;
use std::process::Command;

const RELOADED: &str = "the configuration was reloaded";
const NOT_RELOADED: &str = "the configuration was not reloaded";

fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo can be started").success());
}

/// D7: the reload used to wait for a writer, and blocked all later ones.
#[test]
fn a_fifo_in_the_place_of_the_configuration_holds_no_reload_up() {
    let server = Igor::new().site("root {$PHP_TESTS}\nphp_server").start();
    let (path, kept) = (server.path("Caddyfile"), server.path("kept"));
    fs::rename(&path, &kept).expect("files can be renamed");
    make_fifo(&path);
    server.signal(Signal::HUP);
    server.wait_log(&[NOT_RELOADED]);
    server.wait_log(&["Caddyfile:1:1: cannot read the configuration: it is not a regular file"]);
    fs::remove_file(&path).expect("files can be removed");
    make_fifo(&server.path("imported"));
    let text = fs::read_to_string(&kept).expect("the configuration");
    fs::write(&path, format!("{text}import imported\n")).expect("files can be written");
    server.signal(Signal::HUP);
    server.wait_log(&["cannot import", "it is not a regular file"]);
    fs::write(&path, text).expect("files can be written");
    server.signal(Signal::HUP);
    server.wait_log(&[RELOADED]);
}

/// D8
#[test]
fn a_server_whose_working_directory_was_removed_reloads() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let caddyfile = dir.path().join("Caddyfile");
    let gone = dir.path().join("release");
    fs::create_dir(&gone).expect("folders can be made");
    let text = "{\nadmin off\n}\nhttp://127.0.0.1:0 {\nroot {$PHP_TESTS}\nphp_server {\nenv ROUND 0\n}\n}\n";
    fs::write(&caddyfile, text).expect("files can be written");
    let mut command = igor_command();
    command.arg("run").arg("--config").arg(&caddyfile).current_dir(&gone);
    let server = Server::spawn(command, dir).wait_listening();
    fs::remove_dir(&gone).expect("folders can be removed");
    fs::write(&caddyfile, text.replace("ROUND 0", "ROUND 1")).expect("files can be written");
    server.signal(Signal::HUP);
    server.wait_log(&[RELOADED]);
    assert_eq!(server.eval("return getenv('ROUND');").value(), "1");
}

/// D9
#[test]
fn a_byte_that_is_no_text_has_a_place() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let caddyfile = dir.path().join("Caddyfile");
    fs::write(&caddyfile, b":0 {\n\trespond \"\xc3\xa9t\xe9\"\n}\n").expect("files can be written");
    let output = igor_command().arg("validate").arg("--config").arg(&caddyfile).output().expect("it can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("Caddyfile:2:13: ") && text.contains("0xe9 is not valid UTF-8"), "{text}");
}

/// D12: neither is an error; once they exist, changes are noticed.
#[test]
fn what_is_watched_need_not_be_there() {
    for (pattern, file) in [("later/deep/**/*.php", "later/deep/a.php"), (".env", ".env"), ("later", "later/b.txt")] {
        let watching = puppet("w", &format!("watch {{$DIR}}/{pattern}\n{READY}"));
        let server = Igor::new().site(&site(&watching)).start();
        ensure(&server, "w");
        let before = read(&server, "w").value();
        let file = server.path(file);
        fs::create_dir_all(file.parent().expect("a file has a folder")).expect("folders can be made");
        fs::write(&file, "1").expect("files can be written");
        wait_until(pattern, || read(&server, "w").value() != before);
        server.wait_log(&["workers restarted"]);
        // Now it exists, so its changes are noticed, too.
        let again = read(&server, "w").value();
        fs::write(&file, "22").expect("files can be written");
        wait_until(pattern, || read(&server, "w").value() != again);
        let log = server.stop().log;
        assert!(!log.contains("ERROR") && !log.contains("is not watched"), "{log}");
    }
}

/// D14: Igor's own default for texts was as large as the whole memory, and opcache ended the process with status 254.
#[test]
fn a_small_memory_of_opcache_is_used() {
    let has = "return [opcache_get_status(false)['opcache_enabled'],
        (int) ini_get('opcache.memory_consumption'), (int) ini_get('opcache.interned_strings_buffer')];";
    let server = |lines: &str| Igor::new().frankenphp(lines).site("root {$PHP_TESTS}\nphp_server").start();
    for (memory, texts) in [(8, 2), (16, 4), (32, 8), (64, 16), (128, 32), (1024, 32)] {
        let server = server(&format!("php_ini opcache.memory_consumption {memory}"));
        assert_eq!(server.eval(has).value(), serde_json::json!([true, memory, texts]));
    }
    let lines = "php_ini opcache.memory_consumption 32\nphp_ini opcache.interned_strings_buffer 64";
    let fitted = server(lines);
    assert_eq!(fitted.eval(has).value(), serde_json::json!([true, 32, 8]));
    fitted.wait_log(&["opcache.interned_strings_buffer 64 does not fit into opcache.memory_consumption 32"]);
    let chosen = server("php_ini opcache.memory_consumption 32\nphp_ini opcache.interned_strings_buffer 16");
    assert_eq!(chosen.eval(has).value(), serde_json::json!([true, 32, 16]));
}
