//! An OpenTelemetry collector: it takes requests by HTTP, and keeps them.

use crate::common::wait_for;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// A request to the collector.
#[derive(Clone)]
pub(super) struct Export {
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Export {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// How it answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    /// With this status.
    Status(u16),
    /// Not at all. The next way to answer ends the connections that wait.
    Never,
}

#[derive(Clone)]
pub(super) struct Collector {
    port: u16,
    exports: Arc<Mutex<Vec<Export>>>,
    answers: Arc<(Mutex<Answers>, Condvar)>,
}

impl Collector {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let collector = Self {
            port,
            exports: Arc::default(),
            answers: Arc::new((Mutex::new(Answers::Status(200)), Condvar::new())),
        };
        let accepting = collector.clone();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let collector = accepting.clone();
                thread::spawn(move || collector.serve(&connection));
            }
        });
        collector
    }

    pub(super) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn answer(&self, answers: Answers) {
        *self.answers.0.lock().expect("no panic") = answers;
        self.answers.1.notify_all();
    }

    fn serve(&self, connection: &TcpStream) {
        let mut reader = BufReader::new(connection);
        while let Some(export) = read(&mut reader) {
            self.exports.lock().expect("no panic").push(export);
            let answers = self.answers.0.lock().expect("no panic");
            let Answers::Status(status) = *answers else {
                let changed = self.answers.1.wait_while(answers, |answers| *answers == Answers::Never);
                drop(changed.expect("no panic"));
                return;
            };
            drop(answers);
            let head =
                format!("HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}");
            let mut writer = connection;
            if writer.write_all(head.as_bytes()).is_err() {
                return;
            }
        }
    }

    /// What has come so far.
    pub(super) fn exports(&self) -> Vec<Export> {
        self.exports.lock().expect("no panic").clone()
    }

    /// The spans of all requests in JSON so far.
    pub(super) fn spans(&self) -> Vec<Value> {
        let exports = self.exports();
        let bodies = exports.iter().filter_map(|export| serde_json::from_slice::<Value>(&export.body).ok());
        let spans = bodies.flat_map(|body| body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().cloned());
        spans.flatten().collect()
    }

    /// The span of this name, once it is there.
    pub(super) fn span(&self, name: &str) -> Value {
        wait_for(&format!("the span {name}"), || self.spans().into_iter().find(|span| span["name"] == name))
    }
}

/// The next request; `None` at the end of the connection.
fn read(reader: &mut BufReader<&TcpStream>) -> Option<Export> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_owned(), value.to_owned()));
    }
    let mut export = Export { path, headers, body: Vec::new() };
    export.body.resize(export.header("content-length")?.parse().ok()?, 0);
    reader.read_exact(&mut export.body).ok()?;
    Some(export)
}

/// The value of an attribute of a span.
pub(super) fn attribute(span: &Value, name: &str) -> Value {
    let found = span["attributes"].as_array().expect("attributes").iter().find(|pair| pair["key"] == name);
    let value = found.map(|pair| pair["value"].clone()).unwrap_or_default();
    value.get("stringValue").or_else(|| value.get("intValue")).cloned().unwrap_or_default()
}

/// A message of protobuf, as far as it can be read without its declaration.
pub(super) enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

/// The fields of a message, with their numbers.
pub(super) fn fields(mut bytes: &[u8]) -> Vec<(u64, Field)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let fixed = |length: usize, bytes: &mut &[u8]| {
            let (value, rest) = bytes.split_at(length);
            *bytes = rest;
            value.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
        };
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => Field::Number(fixed(8, &mut bytes)),
            5 => Field::Number(fixed(4, &mut bytes)),
            2 => {
                let length = varint(&mut bytes) as usize;
                let (value, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(value.to_vec())
            }
            kind => panic!("protobuf has no kind {kind}"),
        };
        found.push((key >> 3, field));
    }
    found
}

/// The messages and texts of a field.
pub(super) fn all(message: &[u8], number: u64) -> Vec<Vec<u8>> {
    let found = fields(message).into_iter().filter(|(known, _)| *known == number);
    found.filter_map(|(_, field)| if let Field::Bytes(bytes) = field { Some(bytes) } else { None }).collect()
}

/// The first number of a field.
pub(super) fn number(message: &[u8], number: u64) -> Option<u64> {
    fields(message).into_iter().find_map(|(known, field)| match field {
        Field::Number(value) if known == number => Some(value),
        _ => None,
    })
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().expect("a number has an end");
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}
