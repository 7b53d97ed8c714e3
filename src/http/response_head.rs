//! Turns the status and headers that PHP has set into a response head that is safe to send (pure).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use hyper::ext::ReasonPhrase;

use crate::exchange::ResponseHead;
use crate::limits;

/// A response head and the length that the script promised.
pub(super) struct Head {
    /// The status and the header fields.
    pub(super) response: Response<()>,
    /// The script's `Content-Length`. The header itself is removed: the code that knows the real length decides.
    pub(super) content_length: Option<u64>,
}

impl Head {
    /// Whether this status never has a body (RFC 9110, 6.4.1 and 15.3.6).
    pub(super) fn is_bodiless(&self) -> bool {
        let status = self.response.status();
        matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
    }

    /// Puts a `Content-Length` back.
    pub(super) fn set_content_length(&mut self, length: u64) {
        self.response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// The script has set more headers than are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeadTooLarge {
    /// More than [`limits::RESPONSE_HEADERS_MAX`].
    #[error("the script set more than {max} headers", max = limits::RESPONSE_HEADERS_MAX)]
    Count,
    /// More than [`limits::RESPONSE_HEAD_BYTES_MAX`].
    #[error("the script set headers of more than {max} bytes", max = limits::RESPONSE_HEAD_BYTES_MAX)]
    Bytes,
}

/// Translates PHP's head. Fields that cannot be sent are dropped with a log record, because a response without one
/// header is better than none. These are names and values with invalid bytes, an unreadable `Content-Length`, and the
/// fields of the connection, which the server sets. The server honours `Connection: close`. `Status` is not sent
/// either: CGI scripts set their status by it (RFC 3875, 6.3.3), and PHP passes a status line in it.
///
/// # Errors
/// There are too many headers, or they are too long.
pub(super) fn from_php(head: &ResponseHead) -> Result<Head, HeadTooLarge> {
    let mut response = Response::new(());
    *response.status_mut() = status(head.status);
    let (mut content_length, mut said, mut bytes) = (None, None, 0);
    let headers = response.headers_mut();
    for (name, value) in head.headers() {
        bytes += name.len() + value.len();
        if bytes > limits::RESPONSE_HEAD_BYTES_MAX {
            return Err(HeadTooLarge::Bytes);
        }
        let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) else {
            warn_of_dropped(name);
            continue;
        };
        match name {
            header::CONTENT_LENGTH => content_length = parse_length(&value),
            header::CONNECTION => keep_close(headers, &value),
            // The script wants none.
            header::CONTENT_TYPE if value.is_empty() => {}
            _ if name == "status" => said = Some(value),
            _ if is_connection_field(&name) => {
                tracing::debug!(header = %name, "sending the response: dropped a header that is the server's to set");
            }
            _ if headers.len() >= limits::RESPONSE_HEADERS_MAX => return Err(HeadTooLarge::Count),
            _ => {
                headers.append(name, value);
            }
        }
    }
    if let Some(said) = said {
        set_status(&mut response, said.as_bytes());
    }
    leave_reason_empty(&mut response);
    Ok(Head { response, content_length })
}

fn warn_of_dropped(name: &[u8]) {
    tracing::warn!(
        header = %name.escape_ascii(),
        "sending the response: dropped a header with bytes that HTTP does not allow"
    );
}

/// hyper writes `<none>` for a status without usual words.
fn leave_reason_empty(response: &mut Response<()>) {
    if response.status().canonical_reason().is_none() && response.extensions().get::<ReasonPhrase>().is_none() {
        response.extensions_mut().insert(ReasonPhrase::from_static(b""));
    }
}

/// Takes the status, and its words where they are not the usual ones, of a line like `404 Not Found`.
fn set_status(response: &mut Response<()>, line: &[u8]) {
    let (code, words) = line.split_at(line.len().min(3));
    let code = std::str::from_utf8(code).ok().and_then(|code| code.parse().ok()).filter(|&code| code >= 200);
    let words = words.strip_prefix(b" ").or(words.is_empty().then_some(words)).map(<[u8]>::trim_ascii);
    let (Some(Ok(status)), Some(words)) = (code.map(StatusCode::from_u16), words) else {
        tracing::warn!(status = %line.escape_ascii(), "sending the response: dropped a Status that is none");
        return;
    };
    *response.status_mut() = status;
    if !words.is_empty()
        && status.canonical_reason().is_none_or(|usual| usual.as_bytes() != words)
        && let Ok(words) = ReasonPhrase::try_from(words)
    {
        response.extensions_mut().insert(words);
    }
}

/// A final status. PHP lets a script set any number; after a 1xx the client would wait for the final response.
fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).ok().filter(|_| code >= 200).unwrap_or_else(|| instead_of(code))
}

fn instead_of(code: u16) -> StatusCode {
    tracing::warn!(status = code, "sending the response: the status is no final HTTP status, sent 500 instead");
    StatusCode::INTERNAL_SERVER_ERROR
}

/// `None` also for a wrong number, with a warning.
fn parse_length(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok().filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    let length = text.and_then(|text| text.parse().ok());
    if length.is_none() {
        tracing::warn!(value = ?value, "sending the response: dropped a Content-Length that is no number");
    }
    length
}

/// Of a script's `Connection` only `close` is kept: the rest is the server's.
fn keep_close(headers: &mut HeaderMap, value: &HeaderValue) {
    let wants_close =
        value.as_bytes().split(|&byte| byte == b',').any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"));
    if wants_close {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

/// The fields that only concern one hop (RFC 9110, 7.6.1).
pub(super) fn is_connection_field(name: &HeaderName) -> bool {
    *name == header::TRANSFER_ENCODING
        || *name == header::TE
        || *name == header::TRAILER
        || *name == header::UPGRADE
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(status: u16, lines: &[&[u8]]) -> Head {
        let mut head = ResponseHead::new(status);
        for line in lines {
            head.push_line(line);
        }
        from_php(&head).expect("not too many headers")
    }

    #[test]
    fn what_cannot_be_sent_is_dropped_and_the_rest_kept() {
        type Sent = Option<(&'static str, &'static str)>;
        let cases: &[(&[u8], Sent)] = &[
            (b"X-A: 1", Some(("x-a", "1"))),
            (b"X-Latin: caf\xe9", Some(("x-latin", "caf\u{e9}"))),
            (b"X-Break: a\r\nInjected: b", None),
            (b"X-Nul: a\0b", None),
            (b"Bad Name: 1", None),
            (b": empty name", None),
            (b"Transfer-Encoding: chunked", None),
            (b"Keep-Alive: timeout=5", None),
            (b"Upgrade: websocket", None),
            (b"Connection: keep-alive", None),
            (b"Connection: keep-alive, Close", Some(("connection", "close"))),
            (b"Content-Length: 12", None),
            (b"Content-Type:", None),
            (b"Status: 404 Not Found", None),
            (b"X-Empty:", Some(("x-empty", ""))),
        ];
        for (line, expected) in cases {
            let head = head(200, &[line]);
            let got: Vec<(String, String)> = head
                .response
                .headers()
                .iter()
                .map(|(name, value)| {
                    (name.to_string(), value.as_bytes().iter().map(|&byte| char::from(byte)).collect())
                })
                .collect();
            let expected: Vec<(String, String)> =
                expected.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
            assert_eq!(got, expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn several_cookies_stay_several() {
        let head = head(200, &[b"Set-Cookie: a=1", b"Set-Cookie: b=2"]);
        assert_eq!(head.response.headers().get_all(header::SET_COOKIE).iter().count(), 2);
    }

    #[test]
    fn statuses() {
        for (code, expected) in
            [(200, 200), (599, 599), (999, 999), (0, 500), (99, 500), (100, 500), (103, 500), (1000, 500)]
        {
            assert_eq!(head(code, &[]).response.status().as_u16(), expected, "{code}");
        }
        assert!(
            head(204, &[]).is_bodiless()
                && head(205, &[]).is_bodiless()
                && head(304, &[]).is_bodiless()
                && !head(200, &[]).is_bodiless()
        );
    }

    #[test]
    fn a_status_header_is_the_status() {
        let cases: &[(&[u8], u16, Option<&str>)] = &[
            (b"Status: 404 Not Found", 404, None),
            (b"status: 404", 404, None),
            (b"Status: 404 Nothing Here", 404, Some("Nothing Here")),
            (b"Status: 299 Odd", 299, Some("Odd")),
            (b"Status: 100 Continue", 201, None),
            (b"Status: 4040", 201, None),
            (b"Status: no", 201, None),
            (b"Status:", 201, None),
        ];
        for (line, status, words) in cases {
            let response = head(201, &[line]).response;
            let sent = response.extensions().get::<ReasonPhrase>().map(ReasonPhrase::as_bytes);
            assert_eq!(
                (response.status().as_u16(), sent),
                (*status, words.map(str::as_bytes)),
                "{}",
                line.escape_ascii()
            );
        }
    }

    #[test]
    fn too_many_headers_are_no_answer() {
        let mut head = ResponseHead::new(200);
        for number in 0..limits::RESPONSE_HEADERS_MAX {
            head.push_line(format!("X-{number}: 1").as_bytes());
        }
        assert!(from_php(&head).is_ok());
        head.push_line(b"X-0: 2");
        assert_eq!(from_php(&head).err(), Some(HeadTooLarge::Count));
    }

    #[test]
    fn headers_that_are_too_long_are_no_answer() {
        let head = |bytes: usize| {
            let mut head = ResponseHead::new(200);
            for _ in 0..2 {
                head.push_line(&[b"X: ", vec![b'x'; bytes].as_slice()].concat());
            }
            from_php(&head).err()
        };
        let half = limits::RESPONSE_HEAD_BYTES_MAX / 2 - 1;
        assert_eq!([head(half), head(half + 1)], [None, Some(HeadTooLarge::Bytes)]);
    }

    #[test]
    fn lengths() {
        let cases: &[(&[&[u8]], Option<u64>)] = &[
            (&[], None),
            (&[b"Content-Length: 7"], Some(7)),
            (&[b"Content-Length: 7", b"content-length: 8"], Some(8)),
            (&[b"Content-Length: +7"], None),
            (&[b"Content-Length:"], None),
            (&[b"Content-Length: 99999999999999999999"], None),
        ];
        for (lines, expected) in cases {
            assert_eq!(head(200, lines).content_length, *expected, "{lines:?}");
        }
    }
}
