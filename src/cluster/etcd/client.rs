//! Requests to the members of an etcd, one at a time, by a connection that stays. The next member is asked when one fails.

use super::transaction::text;
use crate::cluster::engine::EngineError;
use crate::cluster::secrets;
use crate::config::{EngineAddress, EngineHost, EngineSettings};
use crate::limits::{CLUSTER_CALL_MS_MAX, CLUSTER_ETCD_ANSWER_BYTES_MAX};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// What etcd says when a token has expired, or users have changed since it was made.
const TOKEN_ENDED: [&str; 2] = ["invalid auth token", "revision of auth store is old"];

/// What an answer is that is larger than any that a cluster needs.
pub(super) const TOO_LONG: &str = "etcd has sent more than a cluster stores";

/// So much of an answer without JSON is shown.
const ANSWER_LETTERS_MAX: usize = 200;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

pub(super) struct Client {
    settings: EngineSettings,
    /// The member to ask.
    member: usize,
    connection: Option<SendRequest<Full<Bytes>>>,
    /// Of the user. `None`: not asked for yet.
    token: Option<String>,
}

impl Client {
    pub(super) fn new(settings: &EngineSettings) -> Self {
        Self { settings: settings.clone(), member: 0, connection: None, token: None }
    }

    /// Leaves the connection: the next call asks another member.
    pub(super) fn next_member(&mut self) {
        self.connection = None;
        self.member = self.member.wrapping_add(1);
    }

    /// A call, as often as it takes to get a token that is valid. It is repeated only if etcd has refused the token.
    pub(super) async fn call(&mut self, path: &str, body: &Value) -> Result<Value, EngineError> {
        let had_token = self.token.is_some();
        match self.answer(path, body).await {
            Err(error) if had_token && TOKEN_ENDED.iter().any(|words| error.0.contains(words)) => {
                self.token = None;
                self.answer(path, body).await
            }
            answer => answer,
        }
    }

    async fn answer(&mut self, path: &str, body: &Value) -> Result<Value, EngineError> {
        self.authenticate().await?;
        let response = self.send(path, body).await?;
        answer_of(response).await
    }

    /// Asks for a token if there is a user, and no token yet.
    async fn authenticate(&mut self) -> Result<(), EngineError> {
        let EngineAddress::Etcd { credentials, .. } = &self.settings.address else { return Ok(()) };
        let (Some(user), None) = (credentials.user.clone(), &self.token) else { return Ok(()) };
        let password = secrets::password(&self.settings, credentials)?.unwrap_or_default();
        let response = self.send("/v3/auth/authenticate", &json!({ "name": user, "password": password })).await?;
        self.token = answer_of(response).await?["token"].as_str().map(str::to_owned);
        Ok(())
    }

    async fn send(&mut self, path: &str, body: &Value) -> Result<Response<Incoming>, EngineError> {
        let mut connection = self.connected().await?;
        let body = Full::new(Bytes::from(body.to_string()));
        let mut request = Request::post(path).header(CONTENT_TYPE, "application/json").header(HOST, self.host());
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token);
        }
        let request = request.body(body).map_err(|error| EngineError(error.to_string()))?;
        let response = connection.send_request(request).await.map_err(|error| EngineError(reason(&error)))?;
        self.connection = Some(connection);
        Ok(response)
    }

    /// The connection, or a new one: a member may have closed the last one while it was idle.
    async fn connected(&mut self) -> Result<SendRequest<Full<Bytes>>, EngineError> {
        if let Some(mut connection) = self.connection.take()
            && connection.ready().await.is_ok()
        {
            return Ok(connection);
        }
        let mut failed = None;
        for _ in 0..self.members().len() {
            match tokio::time::timeout(self.connect_limit(), self.connect()).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => failed = Some(EngineError(error.to_string())),
                Err(_) => failed = Some(EngineError("no connection within the limit".to_owned())),
            }
            self.member = self.member.wrapping_add(1);
        }
        Err(failed.unwrap_or_else(|| EngineError("no member is named".to_owned())))
    }

    /// All members are tried within the limit of a call.
    fn connect_limit(&self) -> Duration {
        Duration::from_millis(CLUSTER_CALL_MS_MAX / (self.members().len() as u64 + 1))
    }

    fn members(&self) -> &[EngineHost] {
        match &self.settings.address {
            EngineAddress::Etcd { members, .. } => members,
            _ => &[],
        }
    }

    fn host(&self) -> String {
        let member = &self.members()[self.member % self.members().len()];
        format!("{}:{}", member.host, member.port)
    }

    async fn connect(&self) -> io::Result<SendRequest<Full<Bytes>>> {
        let member = &self.members()[self.member % self.members().len()];
        let host = member.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, member.port)).await?;
        stream.set_nodelay(true)?;
        if !member.tls {
            return handshake(stream).await;
        }
        let connector = secrets::connector(&self.settings)?;
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        handshake(connector.connect(name, stream).await?).await
    }

    /// Calls `changed` when a watch of the key begins and at each of its events, until the watch fails.
    pub(super) async fn watch(&mut self, key: &str, changed: impl Fn()) -> Result<(), EngineError> {
        let request = json!({ "create_request": { "key": text(key.as_bytes()) } });
        // An event is one position; what is longer is no event of ours, and ends the watch.
        let mut lines = self.lines("/v3/watch", &request, CLUSTER_ETCD_ANSWER_BYTES_MAX).await?;
        while let Some(line) = lines.next().await? {
            if is_end(&line) {
                return Ok(());
            }
            changed();
        }
        Ok(())
    }

    /// A call whose answer is a line for each event.
    pub(super) async fn lines(&mut self, path: &str, body: &Value, bytes_max: usize) -> Result<Lines, EngineError> {
        self.authenticate().await?;
        let response = self.send(path, body).await?;
        if !response.status().is_success() {
            return Err(answer_of(response)
                .await
                .err()
                .unwrap_or_else(|| EngineError("etcd refuses a watch".to_owned())));
        }
        let (body, connection) = (response.into_body(), self.connection.take());
        Ok(Lines { body, _connection: connection, received: BytesMut::new(), bytes_max })
    }
}

/// The lines of an answer without an end.
pub(super) struct Lines {
    body: Incoming,
    /// No other request may wait for the end of this answer.
    _connection: Option<SendRequest<Full<Bytes>>>,
    /// What is behind the last line.
    received: BytesMut,
    bytes_max: usize,
}

impl Lines {
    /// The next line. `None`: the answer ends. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Option<BytesMut>, EngineError> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.received[searched..].iter().position(|byte| *byte == b'\n') {
                return Ok(Some(self.received.split_to(searched + end + 1)));
            }
            searched = self.received.len();
            if searched > self.bytes_max {
                return Err(EngineError(TOO_LONG.to_owned()));
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let frame = frame.map_err(|error| EngineError(reason(&error)))?;
            if let Some(data) = frame.data_ref() {
                self.received.extend_from_slice(data);
            }
        }
    }
}

/// Whether etcd ends the watch with this message.
fn is_end(line: &[u8]) -> bool {
    let message: Value = serde_json::from_slice(line).unwrap_or_default();
    message.get("error").is_some() || message["result"]["canceled"].as_bool().unwrap_or(false)
}

async fn handshake<S>(stream: S) -> io::Result<SendRequest<Full<Bytes>>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // Its failure is that of the call.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

async fn answer_of(response: Response<Incoming>) -> Result<Value, EngineError> {
    let status = response.status();
    let body = Limited::new(response.into_body(), CLUSTER_ETCD_ANSWER_BYTES_MAX).collect().await;
    let too_long = |error: &BoxError| error.is::<LengthLimitError>();
    let body =
        body.map_err(|error| EngineError(if too_long(&error) { TOO_LONG.to_owned() } else { error.to_string() }))?;
    let body = body.to_bytes();
    let answer: Option<Value> = serde_json::from_slice(&body).ok();
    match answer {
        Some(answer) if status.is_success() => Ok(answer),
        Some(answer) if answer["error"].is_string() => {
            Err(EngineError(answer["error"].as_str().unwrap_or_default().to_owned()))
        }
        // Of a proxy, or of the gateway before it asks etcd.
        _ => {
            let text: String = String::from_utf8_lossy(&body).chars().take(ANSWER_LETTERS_MAX).collect();
            Err(EngineError(format!("status {}: {}", status.as_u16(), text.trim())))
        }
    }
}

/// The error with its cause, which says more than "connection error".
fn reason(error: &hyper::Error) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}
