//! A server on loopback that imitates Debian's archives and PHP's own site, with or without failures.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// How the server answers for one path. Any other path is not found.
#[derive(Clone)]
pub(super) enum Answer {
    Whole(Vec<u8>),
    /// The length is that of the whole, and the connection ends at half of it.
    Half(Vec<u8>),
    /// Accepts the request and never answers.
    Hang,
}

/// Requests are counted; the server ends with the test's process.
pub(super) struct Origin {
    port: u16,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Origin {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let origin = Self { port, answers: Arc::default(), asked: Arc::default() };
        let (answers, asked) = (origin.answers.clone(), origin.asked.clone());
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (answers, asked) = (answers.clone(), asked.clone());
                std::thread::spawn(move || serve(connection, &answers, &asked));
            }
        });
        origin
    }

    pub(super) fn address(&self, folder: &str) -> String {
        format!("http://127.0.0.1:{}/{folder}", self.port)
    }

    pub(super) fn set(&self, path: &str, answer: Answer) {
        self.answers.lock().expect("no thread panics").insert(path.to_owned(), answer);
    }

    pub(super) fn forget(&self) {
        self.asked.lock().expect("no thread panics").clear();
    }

    /// The number of requests whose path contains `part`.
    pub(super) fn asked_for(&self, part: &str) -> usize {
        self.asked.lock().expect("no thread panics").iter().filter(|path| path.contains(part)).count()
    }
}

/// One request for each connection is enough for apt and curl, which open another.
fn serve(connection: TcpStream, answers: &Mutex<HashMap<String, Answer>>, asked: &Mutex<Vec<String>>) {
    let mut head = BufReader::new(&connection).lines().map_while(Result::ok);
    let Some(path) = head.next().and_then(|line| Some(line.split(' ').nth(1)?.to_owned())) else { return };
    head.take_while(|line| !line.is_empty()).for_each(drop);
    asked.lock().expect("no thread panics").push(path.clone());
    let answer = answers.lock().expect("no thread panics").get(&path).cloned();
    let mut writer = &connection;
    let mut send = |status: &str, length: usize, body: &[u8]| {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        // Errors of a disconnected client are ignored.
        let _ = writer.write_all(head.as_bytes()).and_then(|()| writer.write_all(body));
    };
    match answer {
        None => send("404 Not Found", 0, b""),
        Some(Answer::Whole(body)) => send("200 OK", body.len(), &body),
        Some(Answer::Half(body)) => send("200 OK", body.len(), &body[..body.len() / 2]),
        Some(Answer::Hang) => loop {
            std::thread::park();
        },
    }
}
