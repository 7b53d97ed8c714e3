//! Scripts that run the code of a test: `php-tests/puppet.php` is a background worker that takes PHP code over a
//! socket, `php-tests/eval.php` and `php-tests/worker.php` take it in a request.

use super::{DEADLINE, Response, wait_for};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// The outcome of PHP code: its return value or its exception.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Value(Value),
    Thrown { class: String, message: String },
}

impl Outcome {
    /// The answer of a test script.
    pub(crate) fn of_response(response: &Response) -> Self {
        assert_eq!(response.status, 200, "{}", response.text());
        Self::of_json(response.json())
    }

    fn of_json(mut json: Value) -> Self {
        match json.get("class") {
            Some(class) => Self::Thrown {
                class: class.as_str().expect("a class is text").to_owned(),
                message: json["message"].as_str().expect("a message is text").to_owned(),
            },
            None => Self::Value(json["value"].take()),
        }
    }

    /// What the code returned. It must not have thrown.
    pub(crate) fn value(self) -> Value {
        match self {
            Self::Value(value) => value,
            Self::Thrown { class, message } => panic!("{class}: {message}"),
        }
    }

    /// The message of what the code threw, which must be of this class.
    pub(crate) fn thrown(self, expected: &str) -> String {
        match self {
            Self::Thrown { class, message } if class == expected => message,
            other => panic!("expected {expected}, got {other:?}"),
        }
    }
}

/// One run of a background worker that runs `php-tests/puppet.php`.
pub(crate) struct Puppet {
    stream: BufReader<UnixStream>,
}

impl Puppet {
    pub(super) fn connect(socket: &Path) -> Self {
        let stream = wait_for(&format!("the puppet at {}", socket.display()), || UnixStream::connect(socket).ok());
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout can be set");
        Self { stream: BufReader::new(stream) }
    }

    /// Runs PHP code in the worker.
    pub(crate) fn eval(&mut self, code: &str) -> Outcome {
        self.start(code);
        self.finish()
    }

    /// Runs PHP code in the worker. `None`: its run ended before it answered.
    pub(crate) fn try_eval(&mut self, code: &str) -> Option<Outcome> {
        let command = serde_json::json!({ "code": code, "caught": true });
        writeln!(self.stream.get_mut(), "{command}").ok()?;
        let mut line = String::new();
        self.stream.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok().map(Outcome::of_json)
    }

    /// Sends PHP code without waiting for its outcome.
    pub(crate) fn start(&mut self, code: &str) {
        self.write(code, true);
    }

    /// The outcome of the sent code.
    pub(crate) fn finish(&mut self) -> Outcome {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("the puppet answers");
        assert!(!line.is_empty(), "the puppet's run ended before it answered");
        Outcome::of_json(serde_json::from_str(&line).expect("the puppet answers in JSON"))
    }

    /// Runs PHP code that ends the worker's run, and waits for that end. Nothing that the code throws is caught.
    pub(crate) fn doom(mut self, code: &str) {
        self.write(code, false);
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("the puppet's socket is closed in an orderly way");
        assert!(line.is_empty(), "the puppet's run did not end: {line}");
    }

    fn write(&mut self, code: &str, caught: bool) {
        let command = serde_json::json!({ "code": code, "caught": caught });
        writeln!(self.stream.get_mut(), "{command}").expect("the puppet takes the code");
    }
}
