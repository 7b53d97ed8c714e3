//! What PHP said about its response, as a response head that is safe to send (pure).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use crate::exchange::ResponseHead;

/// A response head and the length that the script promised.
pub(super) struct Head {
    pub(super) response: Response<()>,
    /// What the script's `Content-Length` says. The header itself is taken out: whoever knows the real length decides.
    pub(super) content_length: Option<u64>,
}

impl Head {
    /// Whether this status never has a body (RFC 9110, 6.4.1).
    pub(super) fn is_bodiless(&self) -> bool {
        matches!(self.response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    }

    /// Puts a `Content-Length` back.
    pub(super) fn set_content_length(&mut self, length: u64) {
        self.response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// Translates PHP's head. What cannot be sent is dropped with a log line, because a response without one header is
/// better than none: header names and values with invalid bytes, an unreadable `Content-Length`, and the fields that
/// belong to the connection and are the server's to decide. `Connection: close` is a wish the server can grant.
pub(super) fn from_php(head: &ResponseHead) -> Head {
    let mut response = Response::new(());
    *response.status_mut() = status(head.status);
    let mut content_length = None;
    let headers = response.headers_mut();
    for (name, value) in head.headers() {
        let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) else {
            tracing::warn!(
                header = %name.escape_ascii(),
                "sending the response: dropped a header with bytes that HTTP does not allow"
            );
            continue;
        };
        match name {
            header::CONTENT_LENGTH => content_length = parse_length(&value),
            header::CONNECTION => keep_close(headers, &value),
            _ if is_connection_field(&name) => {
                tracing::debug!(header = %name, "sending the response: dropped a header that is the server's to set");
            }
            _ => {
                headers.append(name, value);
            }
        }
    }
    Head { response, content_length }
}

/// A final status. PHP lets a script set any number; 1xx would leave the client waiting for the real answer.
fn status(code: u16) -> StatusCode {
    match StatusCode::from_u16(code) {
        Ok(status) if code >= 200 => status,
        _ => {
            tracing::warn!(status = code, "sending the response: the status is no final HTTP status, sent 500 instead");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

fn parse_length(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok().filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    let length = text.and_then(|text| text.parse().ok());
    if length.is_none() {
        tracing::warn!(value = ?value, "sending the response: dropped a Content-Length that is no number");
    }
    length
}

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
        from_php(&head)
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
        assert!(head(204, &[]).is_bodiless() && head(304, &[]).is_bodiless() && !head(200, &[]).is_bodiless());
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
