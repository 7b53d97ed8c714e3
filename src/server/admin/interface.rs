//! What every answer of the admin interface needs, and what an answer is.

use crate::server::control::Control;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, ORIGIN};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{Either, Full};
use std::convert::Infallible;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::watch;

/// A text, or events without an end.
pub(super) type Answer = Response<Either<Full<Bytes>, UnsyncBoxBody<Bytes, Infallible>>>;

/// The header field with the token.
const TOKEN_FIELD: &str = "x-igor-token";

/// The sources of every answer.
#[derive(Clone)]
pub(super) struct Interface {
    /// The running server.
    pub(super) control: Control,
    /// Where the interface listens; `None`: on a Unix socket.
    pub(super) local: Option<SocketAddr>,
    /// When the server started.
    pub(super) started: SystemTime,
    /// What a page in a browser must send with whatever changes something.
    pub(super) token: Token,
    /// Has no sender any more when the interface closes.
    pub(super) open: watch::Receiver<()>,
}

impl Interface {
    /// The sources, and what must be dropped when the interface closes.
    pub(super) fn new(control: Control, local: Option<SocketAddr>, started: SystemTime) -> (Self, watch::Sender<()>) {
        let (closes, open) = watch::channel(());
        (Self { control, local, started, token: Token::default(), open }, closes)
    }
}

/// Known only to the pages of this process.
#[derive(Clone)]
pub(super) struct Token(Arc<str>);

impl Default for Token {
    fn default() -> Self {
        let mut bytes = [0; 16];
        // Without it no page can change anything: an empty token allows nothing.
        let read = std::fs::File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut bytes));
        let text = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Self(if read.is_ok() { text.into() } else { "".into() })
    }
}

impl Token {
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// Whether this is no page in a browser, or only reads, or has the token. Programs send no `Origin`.
    pub(super) fn allows<B>(&self, request: &Request<B>) -> bool {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let sent = request.headers().get(TOKEN_FIELD).map(HeaderValue::as_bytes);
        reads || !request.headers().contains_key(ORIGIN) || (!self.0.is_empty() && sent == Some(self.0.as_bytes()))
    }
}

/// An answer of this media type.
pub(super) fn with_type(status: StatusCode, kind: &'static str, body: String) -> Answer {
    let mut response = Response::new(Either::Left(Full::new(Bytes::from(body))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_needs_the_token_and_a_program_does_not() {
        let token = Token::default();
        let allows = |method: Method, fields: &[(&str, &str)]| {
            let mut request = Request::builder().method(method);
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            token.allows(&request.body(()).expect("a request"))
        };
        assert!(allows(Method::POST, &[]));
        assert!(allows(Method::GET, &[("origin", "http://localhost:2019")]));
        assert!(!allows(Method::POST, &[("origin", "http://localhost:2019")]));
        assert!(!allows(Method::POST, &[("origin", "http://localhost:2019"), (TOKEN_FIELD, "")]));
        assert!(allows(Method::POST, &[("origin", "http://localhost:2019"), (TOKEN_FIELD, &token.0)]));
    }
}
