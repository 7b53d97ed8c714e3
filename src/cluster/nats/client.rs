//! The protocol of NATS on one connection: lines of text, and messages with their length. One request at a time; the next
//! server is asked when one fails.

use super::login;
use crate::cluster::engine::EngineError;
use crate::cluster::secrets;
use crate::config::{EngineAddress, EngineHost, EngineSettings};
use crate::limits::{
    CLUSTER_CALL_MS_MAX, CLUSTER_NATS_ANSWER_BYTES_MAX, CLUSTER_NATS_LINE_BYTES_MAX, CLUSTER_NATS_SILENT_SECONDS_MAX,
};
use rustls::pki_types::ServerName;
use serde_json::Value;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The first line of the headers of a message.
const HEADERS: &str = "NATS/1.0\r\n";

/// The one subscription of a connection.
const SUBSCRIPTION: &str = "1";

trait Wire: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Wire for T {}

struct Connection {
    stream: BufReader<Box<dyn Wire>>,
    /// The subject of the answers to this connection, with a number behind it for each request.
    inbox: String,
    requests: u64,
    /// The bytes of the largest message that the server takes, with its headers.
    payload_max: usize,
}

struct Message {
    subject: String,
    headers: String,
    /// Without what is beyond the largest answer.
    bytes: Vec<u8>,
    is_whole: bool,
}

/// What a server answers.
pub(super) enum Answer {
    Whole(Vec<u8>),
    /// It is larger than any answer that a cluster needs. This is how it begins.
    Beginning(Vec<u8>),
}

pub(super) struct Client {
    settings: EngineSettings,
    /// The server to ask.
    server: usize,
    connection: Option<Connection>,
    /// Changes with each connection, and when one is left.
    connections: u64,
}

impl Client {
    pub(super) fn new(settings: &EngineSettings) -> Self {
        Self { settings: settings.clone(), server: 0, connection: None, connections: 0 }
    }

    pub(super) fn connections(&self) -> u64 {
        self.connections
    }

    /// Leaves the connection: the next call asks another server.
    pub(super) fn next_server(&mut self) {
        self.connection = None;
        // A reader must not take the next connection for this one.
        self.connections += 1;
        self.server = self.server.wrapping_add(1);
    }

    pub(super) async fn payload_max(&mut self) -> Result<usize, EngineError> {
        let connection = self.connected().await?;
        let payload_max = connection.payload_max;
        self.connection = Some(connection);
        Ok(payload_max)
    }

    /// Sends a message and waits for its answer. A call that is dropped takes the connection with it.
    pub(super) async fn request(
        &mut self,
        subject: &str,
        header: Option<&str>,
        bytes: &[u8],
    ) -> Result<Vec<u8>, EngineError> {
        match self.request_any(subject, header, bytes).await? {
            Answer::Whole(bytes) => Ok(bytes),
            Answer::Beginning(_) => Err(too_long()),
        }
    }

    /// The same for an answer that may be too large.
    pub(super) async fn request_any(
        &mut self,
        subject: &str,
        header: Option<&str>,
        bytes: &[u8],
    ) -> Result<Answer, EngineError> {
        let mut connection = self.connected().await?;
        let message = connection.request(subject, header, bytes).await?;
        self.connection = Some(connection);
        // The status of a server that knows no receiver.
        if message.bytes.is_empty() && message.headers.contains(" 503") {
            return Err(EngineError("no JetStream answers, or the bucket is gone".to_owned()));
        }
        Ok(if message.is_whole { Answer::Whole(message.bytes) } else { Answer::Beginning(message.bytes) })
    }

    /// Sends a message without bytes that no one answers.
    pub(super) async fn publish(&mut self, subject: &str) -> Result<(), EngineError> {
        let mut connection = self.connected().await?;
        connection.send(format!("PUB {subject} 0\r\n\r\n").as_bytes()).await?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Calls `changed` when the subscription begins and at each message, until the connection ends.
    pub(super) async fn subscribe(&mut self, subject: &str, changed: impl Fn()) -> Result<(), EngineError> {
        let mut connection = self.connected().await?;
        connection.send(format!("SUB {subject} 2\r\nPING\r\n").as_bytes()).await?;
        let silent = Duration::from_secs(CLUSTER_NATS_SILENT_SECONDS_MAX);
        let is_silent = |_| EngineError("NATS is silent".to_owned());
        timeout(silent, connection.await_pong()).await.map_err(is_silent)??;
        changed();
        loop {
            if timeout(silent, connection.next()).await.map_err(is_silent)??.is_some() {
                changed();
            }
        }
    }

    /// The connection, or a new one.
    async fn connected(&mut self) -> Result<Connection, EngineError> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let mut failed = None;
        for _ in 0..self.servers().len() {
            match timeout(self.connect_limit(), self.connect()).await {
                Ok(Ok(connection)) => {
                    self.connections += 1;
                    return Ok(connection);
                }
                Ok(Err(error)) => failed = Some(error),
                Err(_) => failed = Some(EngineError("no connection within the limit".to_owned())),
            }
            self.server = self.server.wrapping_add(1);
        }
        Err(failed.unwrap_or_else(|| EngineError("no server is named".to_owned())))
    }

    /// All servers are tried within the limit of a call.
    fn connect_limit(&self) -> Duration {
        Duration::from_millis(CLUSTER_CALL_MS_MAX / (self.servers().len() as u64 + 1))
    }

    fn servers(&self) -> &[EngineHost] {
        match &self.settings.address {
            EngineAddress::Nats { servers, .. } => servers,
            _ => &[],
        }
    }

    async fn connect(&self) -> Result<Connection, EngineError> {
        let server = &self.servers()[self.server % self.servers().len()];
        let host = server.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, server.port)).await.map_err(failure)?;
        stream.set_nodelay(true).map_err(failure)?;
        let mut stream = BufReader::new(stream);
        let greeting = line_of(&mut stream).await?;
        let info: Value = greeting
            .strip_prefix("INFO ")
            .and_then(|json| serde_json::from_str(json).ok())
            .ok_or_else(|| EngineError("this is no NATS".to_owned()))?;
        let wire: Box<dyn Wire> = if server.tls || info["tls_required"].as_bool().unwrap_or(false) {
            // The server sends nothing before the handshake, so the buffer is empty.
            let name = ServerName::try_from(host.to_owned()).map_err(|error| EngineError(error.to_string()))?;
            let connector = secrets::connector(&self.settings).map_err(failure)?;
            Box::new(connector.connect(name, stream.into_inner()).await.map_err(failure)?)
        } else {
            Box::new(stream.into_inner())
        };
        let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), self.connections);
        let mut connection = Connection {
            stream: BufReader::new(wire),
            inbox: format!("_INBOX.igor{random:016x}"),
            requests: 0,
            payload_max: info["max_payload"].as_u64().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0),
        };
        let hello = login::hello(&self.settings, info["nonce"].as_str())?;
        let first = format!("CONNECT {hello}\r\nSUB {}.* {SUBSCRIPTION}\r\nPING\r\n", connection.inbox);
        connection.send(first.as_bytes()).await?;
        connection.await_pong().await?;
        Ok(connection)
    }
}

impl Connection {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        let stream = self.stream.get_mut();
        stream.write_all(bytes).await.map_err(failure)?;
        stream.flush().await.map_err(failure)
    }

    async fn await_pong(&mut self) -> Result<(), EngineError> {
        loop {
            match line_of(&mut self.stream).await?.as_str() {
                "PONG" => return Ok(()),
                line => drop(self.handle(line).await?),
            }
        }
    }

    async fn request(&mut self, subject: &str, header: Option<&str>, bytes: &[u8]) -> Result<Message, EngineError> {
        self.requests += 1;
        let inbox = format!("{}.{}", self.inbox, self.requests);
        let mut message = match header {
            None => format!("PUB {subject} {inbox} {}\r\n", bytes.len()),
            Some(header) => {
                let headers = format!("{HEADERS}{header}\r\n\r\n");
                let (head, all) = (headers.len(), headers.len() + bytes.len());
                format!("HPUB {subject} {inbox} {head} {all}\r\n{headers}")
            }
        }
        .into_bytes();
        message.extend_from_slice(bytes);
        message.extend_from_slice(b"\r\n");
        self.send(&message).await?;
        loop {
            if let Some(message) = self.next().await?
                && message.subject == inbox
            {
                return Ok(message);
            }
        }
    }

    /// The next message. `None`: something else was received.
    async fn next(&mut self) -> Result<Option<Message>, EngineError> {
        let line = line_of(&mut self.stream).await?;
        self.handle(&line).await
    }

    async fn handle(&mut self, line: &str) -> Result<Option<Message>, EngineError> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let length = |word: &str| word.parse::<usize>().ok();
        // Between the subscription and the lengths there may be a subject for answers.
        match words[..] {
            ["PING"] => {
                self.send(b"PONG\r\n").await?;
                Ok(None)
            }
            ["MSG", subject, _, .., all] => {
                let all = length(all).ok_or_else(too_long)?;
                self.message(subject, 0, all).await.map(Some)
            }
            ["HMSG", subject, _, .., head, all] => {
                let (head, all) =
                    length(head).zip(length(all)).filter(|(head, all)| head <= all).ok_or_else(too_long)?;
                self.message(subject, head, all).await.map(Some)
            }
            ["-ERR", ..] => Err(EngineError(line["-ERR".len()..].trim().trim_matches('\'').to_owned())),
            // Also `INFO`, by which a server says that others have come or gone.
            _ => Ok(None),
        }
    }

    /// Reads to the end also what is too large, without keeping it: the next message is behind it.
    async fn message(&mut self, subject: &str, head: usize, all: usize) -> Result<Message, EngineError> {
        let kept = all.min(CLUSTER_NATS_ANSWER_BYTES_MAX);
        if head > kept {
            return Err(too_long());
        }
        let mut bytes = vec![0; kept];
        self.stream.read_exact(&mut bytes).await.map_err(failure)?;
        // With the end of the line.
        let mut rest = (&mut self.stream).take((all - kept) as u64 + 2);
        tokio::io::copy_buf(&mut rest, &mut tokio::io::sink()).await.map_err(failure)?;
        if rest.limit() > 0 {
            return Err(EngineError("NATS has closed the connection".to_owned()));
        }
        let headers = String::from_utf8_lossy(&bytes[..head]).into_owned();
        bytes.drain(..head);
        Ok(Message { subject: subject.to_owned(), headers, bytes, is_whole: kept == all })
    }
}

/// A line without its end.
async fn line_of(stream: &mut (impl AsyncBufReadExt + Unpin)) -> Result<String, EngineError> {
    let mut line = Vec::new();
    let limit = CLUSTER_NATS_LINE_BYTES_MAX as u64;
    let count = stream.take(limit).read_until(b'\n', &mut line).await.map_err(failure)?;
    match line.pop() {
        Some(b'\n') => Ok(String::from_utf8_lossy(&line).trim_end().to_owned()),
        _ if count < CLUSTER_NATS_LINE_BYTES_MAX => Err(EngineError("NATS has closed the connection".to_owned())),
        _ => Err(too_long()),
    }
}

fn too_long() -> EngineError {
    EngineError("NATS has sent more than a cluster stores".to_owned())
}

fn failure(error: io::Error) -> EngineError {
    EngineError(error.to_string())
}
