//! What an operator sees of a cluster: the line of `igor workers`, and the same as JSON.

use crate::engines::{Engine, free_port};
use crate::instance::{Instance, PAGE, RATES, read};
use crate::until;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

/// An instance with an admin interface.
struct Watched {
    instance: Instance,
    admin: String,
}

impl Watched {
    fn start(engine: &str) -> Self {
        let admin = format!("127.0.0.1:{}", free_port());
        let caddyfile = format!(
            "{{\n admin {admin}\n frankenphp {{\n num_threads 2\n cluster {{\n {engine}\n lease 2s\n }}\n \
             worker rates.php {{\n background\n name rates\n cluster\n }}\n }}\n}}\n\
             http://127.0.0.1:0 {{\n php_server {{\n root .\n }}\n}}\n"
        );
        let instance = Instance::of(&[("Caddyfile", &caddyfile), ("rates.php", RATES), ("index.php", PAGE)]);
        Self { instance, admin }
    }

    fn workers(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_igor"));
        command.args(["workers", "--address", &self.admin]).args(arguments).current_dir(self.instance.folder.path());
        let output = command.output().expect("igor starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("it is text")
    }

    /// The line about the cluster, without what is before it.
    fn line(&self) -> String {
        let table = self.workers(&[]);
        let line = table.lines().find_map(|line| line.split_once("cluster: ")).map(|(_, line)| line.to_owned());
        line.unwrap_or_else(|| panic!("the table has no line about the cluster:\n{table}"))
    }

    /// Waits for a line that says all of this.
    fn says(&self, all: &[&str]) -> String {
        until(&all.join(", "), || Some(self.line()).filter(|line| all.iter().all(|text| line.contains(text))))
    }

    fn json(&self) -> Value {
        let workers: Value = serde_json::from_str(&self.workers(&["--json"])).expect("it is JSON");
        workers["background"][0]["cluster"].clone()
    }
}

/// An instance that had never reached the engine said that it is ready, and its pages failed. One that has keeps its snapshot.
#[test]
fn an_instance_is_ready_when_it_has_reached_the_engine() {
    let mut engine = Engine::redis();
    engine.kill();
    let watched = Watched::start(&engine.directive());
    let ready = || {
        let mut stream = TcpStream::connect(&watched.admin).expect("the admin interface");
        write!(stream, "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    };
    let answer = ready();
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("the cluster's engine has not answered"),
        "{answer}"
    );
    engine.run();
    until("readiness", || ready().starts_with("HTTP/1.1 200 ").then_some(()));
    read(watched.instance.address).expect("a read");
    engine.kill();
    watched.says(&["; the engine has not answered for "]);
    let answer = ready();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// Who leads, epoch and number of the snapshot, and the state of the engine, on the leading instance and on the other one, before
/// and after a takeover.
#[test]
fn workers_has_a_line_for_the_cluster() {
    let mut engine = Engine::redis();
    let [a, b] = [0, 1].map(|_| Watched::start(&engine.directive()));
    read(a.instance.address).expect("a read");
    let led_by = |leader: &Watched| format!(":{} leads, the snapshot is ", leader.instance.child.id());
    until("a leader", || (a.json()["leads"] == true || b.json()["leads"] == true).then_some(()));
    let (mut leader, other) = if a.json()["leads"] == true { (a, b) } else { (b, a) };
    let own = leader.says(&["this instance leads, the snapshot is 1."]);
    assert!(!own.contains("the engine"), "{own}");
    let line = other.says(&[&led_by(&leader), "the snapshot is 1."]);
    assert!(!line.contains("behind") && !line.contains("the engine"), "{line}");
    let json = other.json();
    assert_eq!((&json["leads"], &json["epoch"], &json["elections"]), (&false.into(), &1.into(), &0.into()), "{json}");
    assert!(json["number"].as_u64() > Some(0) && json["error"].is_null(), "{json}");

    leader.instance.child.kill().expect("it runs");
    leader.instance.child.wait().expect("it was started");
    other.says(&["this instance leads, the snapshot is 2."]);
    assert_eq!(other.json()["elections"], 1);

    engine.kill();
    let line = other.says(&["the snapshot is 2.", "; the engine has not answered for "]);
    let seconds = line.split_once("answered for ").and_then(|(_, rest)| rest.split_once(" s: "));
    let (seconds, why) = seconds.expect("a time and a reason");
    assert!(seconds.parse::<u64>().is_ok() && !why.is_empty(), "{line}");
}
