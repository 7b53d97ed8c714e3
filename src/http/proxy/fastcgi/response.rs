//! The head of a response, as CGI writes it (pure).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use crate::limits;

/// What is wrong with a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::http::proxy) enum BadHead {
    #[error("a line of its head is no header field")]
    Line,
    #[error("its status is no status")]
    Status,
    #[error("it has more than {} header fields", limits::RESPONSE_HEADERS_MAX)]
    TooMany,
}

/// The length of the head with the empty line that ends it; `None` if it is not complete. The search starts at `from`.
pub(super) fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    // An empty line may be the first.
    let starts_empty = [&b"\r\n"[..], b"\n"].into_iter().find(|end| bytes.starts_with(end)).map(<[u8]>::len);
    let start = from.saturating_sub(3);
    let ends = bytes.iter().enumerate().skip(start).filter(|&(_, &byte)| byte == b'\n').map(|(at, _)| at + 1);
    let ends = ends.filter_map(|at| match bytes.get(at..) {
        Some([b'\n', ..]) => Some(at + 1),
        Some([b'\r', b'\n', ..]) => Some(at + 2),
        _ => None,
    });
    starts_empty.or_else(|| ends.into_iter().next())
}

/// The response of a head.
pub(super) fn parse(head: &[u8]) -> Result<Response<()>, BadHead> {
    let (mut status, mut headers) = (None, HeaderMap::new());
    for line in head.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|&byte| byte == b':').ok_or(BadHead::Line)?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"status") {
            let code = value.get(..3).and_then(|digits| StatusCode::from_bytes(digits).ok());
            status = Some(code.filter(|code| !code.is_informational()).ok_or(BadHead::Status)?);
            continue;
        }
        if headers.len() >= limits::RESPONSE_HEADERS_MAX {
            return Err(BadHead::TooMany);
        }
        let name = HeaderName::from_bytes(name).map_err(|_| BadHead::Line)?;
        headers.append(name, HeaderValue::from_bytes(value).map_err(|_| BadHead::Line)?);
    }
    // CGI/1.1 (RFC 3875, 6.2).
    let usual = if headers.contains_key(header::LOCATION) { StatusCode::FOUND } else { StatusCode::OK };
    let mut response = Response::new(());
    *response.status_mut() = status.unwrap_or(usual);
    *response.headers_mut() = headers;
    Ok(response)
}

/// The announced length of the body. One that is no number, or several that differ, are removed.
pub(super) fn length(headers: &mut HeaderMap) -> Option<u64> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter().map(|value| {
        let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse::<u64>().ok()
    });
    let first = lengths.next()?;
    let agreed = first.filter(|_| lengths.all(|other| other == first));
    drop(headers.remove(header::CONTENT_LENGTH));
    if let Some(length) = agreed {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    agreed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_cgi() {
        let read = |head: &[u8]| parse(head).map(|response| (response.status().as_u16(), response.headers().len()));
        assert_eq!(read(b"Content-type: text/html\r\nX: 1\r\n\r\n"), Ok((200, 2)));
        assert_eq!(read(b"Status: 404 Not Found\nX: 1\n\n"), Ok((404, 1)));
        assert_eq!(read(b"Location: /a\r\n\r\n"), Ok((302, 1)));
        assert_eq!(read(b"Status: 201\r\nLocation: /a\r\n\r\n"), Ok((201, 1)));
        assert_eq!(read(b"\r\n"), Ok((200, 0)));
        for (wrong, bad) in [
            (&b"HTTP/1.1 200 OK\r\n\r\n"[..], BadHead::Line),
            (b"a b: c\r\n\r\n", BadHead::Line),
            (b"X: \x00\r\n\r\n", BadHead::Line),
            (b"Status: 101 Switching\r\n\r\n", BadHead::Status),
            (b"Status: ok\r\n\r\n", BadHead::Status),
            (b"Status:\r\n\r\n", BadHead::Status),
        ] {
            assert_eq!(read(wrong), Err(bad), "{wrong:?}");
        }
        assert_eq!(read(&b"X: 1\n".repeat(limits::RESPONSE_HEADERS_MAX + 1)), Err(BadHead::TooMany));
    }

    #[test]
    fn a_head_ends_at_its_first_empty_line_however_it_arrives() {
        for (bytes, end) in [
            (&b"A: 1\r\n\r\nbody"[..], Some(8)),
            (b"A: 1\n\nbody\n\n", Some(6)),
            (b"A: 1\r\n\nbody", Some(7)),
            (b"\r\nbody", Some(2)),
            (b"\nbody", Some(1)),
            (b"A: 1\r\n\r", None),
            (b"A: 1\r\n", None),
            (b"", None),
        ] {
            assert_eq!(end_of_head(bytes, 0), end, "{bytes:?}");
            let step = (1..=bytes.len()).find_map(|length| end_of_head(&bytes[..length], length - 1));
            assert_eq!(step, end, "byte by byte: {bytes:?}");
        }
    }

    #[test]
    fn a_length_that_cannot_be_believed_is_left_out() {
        for (values, kept) in [
            (&["5"][..], Some(5)),
            (&["5", "5"], Some(5)),
            (&["5", "6"], None),
            (&["x"], None),
            (&["-1"], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_LENGTH, HeaderValue::from_static(value));
            }
            assert_eq!(length(&mut headers), kept, "{values:?}");
            assert_eq!(headers.get_all(header::CONTENT_LENGTH).iter().count(), usize::from(kept.is_some()));
        }
    }
}
