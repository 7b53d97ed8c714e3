//! The program answers from both languages, and ends in order.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Far more than anything here takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// Ends the program also when the test fails.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The whole response to a request for `path`.
fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the program listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout can be set");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n").expect("the request is taken");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("the response is text");
    response
}

#[test]
fn rust_and_php_answer_side_by_side() {
    let mut program = Program(
        Command::new(env!("CARGO_BIN_EXE_igor-axum"))
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts"),
    );
    let mut line = String::new();
    let stdout = program.0.stdout.take().expect("it was asked for");
    BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
    let address = line.trim().strip_prefix("listening on http://").expect("the address").to_owned();

    let rust = get(&address, "/rust");
    assert!(rust.starts_with("HTTP/1.1 200 ") && rust.ends_with("\r\n\r\nfrom Rust\n"), "{rust}");
    let php = get(&address, "/");
    assert!(php.starts_with("HTTP/1.1 200 ") && php.contains("\r\n\r\nfrom PHP, for 127.0.0.1, at "), "{php}");

    let interrupt = Command::new("kill").args(["-s", "INT", &program.0.id().to_string()]).status();
    assert!(interrupt.is_ok_and(|status| status.success()));
    let ended = program.0.wait().expect("the program ends");
    assert!(ended.success(), "{ended}");
}

/// What does not start is said, and nothing of it keeps the program.
#[test]
fn a_worker_that_does_not_boot() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(folder.join("broken.php"), "<?php throw new Exception('no database');").expect("a file");
    let caddyfile = folder.join("Caddyfile");
    std::fs::write(&caddyfile, ":80 {\n php_server {\n root .\n worker broken.php\n }\n}").expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_igor-axum"));
    let output = command.arg("127.0.0.1:0").arg(&caddyfile).current_dir(folder).output();
    let output = output.expect("the program starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("broken.php") && errors.contains("no database"), "{errors}");
}
