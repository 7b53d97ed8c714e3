//! Responses that need no handler: a status with a short text, a redirect.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, Version, header, request};

use super::authority::requested_uri;
use super::body::ResponseBody;
use super::paths;
use crate::limits;

/// A response with a short text.
pub(super) fn plain(status: StatusCode, text: &str) -> Response<ResponseBody> {
    // A body would be read as the start of the next response (RFC 9110, 15.3.6).
    let text = if status == StatusCode::RESET_CONTENT { "" } else { text };
    let mut response = Response::new(ResponseBody::from(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    if !text.is_empty() {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    }
    response
}

/// A response with this status and `Location`; 500 if one of them is invalid.
pub(super) fn redirect(status: u16, to: &[u8]) -> Response<ResponseBody> {
    match (StatusCode::from_u16(status), HeaderValue::from_bytes(to)) {
        (Ok(status), Ok(location)) => {
            let mut response = plain(status, "");
            response.headers_mut().insert(header::LOCATION, location);
            response
        }
        _ => plain(StatusCode::INTERNAL_SERVER_ERROR, ""),
    }
}

/// Redirects to the same place by HTTPS. The connection ends, because the client no longer needs it.
pub(super) fn redirect_to_https(port: u16, host: &str, parts: &request::Parts) -> Response<ResponseBody> {
    const USUAL_PORT: u16 = 443;
    let mut location = format!("https://{host}");
    if port != USUAL_PORT {
        location.push_str(&format!(":{port}"));
    }
    location.push_str(requested_uri(parts));
    let mut response = redirect(StatusCode::PERMANENT_REDIRECT.as_u16(), location.as_bytes());
    if parts.version < Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Redirects to the same place with a slash at the end. It uses the normalized path: a path like `//host` would send
/// the client to another site.
pub(super) fn redirect_to_directory(parts: &request::Parts, path: &[u8]) -> Response<ResponseBody> {
    let mut location = paths::encode(path);
    location.push('/');
    if let Some(query) = parts.uri.query() {
        location.push('?');
        location.push_str(query);
    }
    redirect(StatusCode::PERMANENT_REDIRECT.as_u16(), location.as_bytes())
}

/// A page that redirects by HTML, for clients that ignore redirects by status.
pub(super) fn redirect_by_html(to: &str) -> Response<ResponseBody> {
    let link = escape_html(to);
    let page = format!(
        "<!DOCTYPE html>\n<title>Redirecting</title>\n<meta http-equiv=\"refresh\" content=\"0; url='{link}'\">\n<p><a href=\"{link}\">{link}</a>\n"
    );
    let mut response = plain(StatusCode::OK, &page);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

/// A text, escaped for HTML content and attributes.
pub(super) fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Marks the response of `abort`, which is never sent.
#[derive(Clone, Copy)]
struct Aborted;

/// The reason of a connection that a directive ends without a response.
#[derive(Debug, thiserror::Error)]
#[error("the directive `abort` has closed the connection")]
pub(super) struct AbortError;

/// Represents the absence of a response; see [`unless_aborted`].
pub(super) fn aborted() -> Response<ResponseBody> {
    // The client gets this if the connection cannot be closed, as in another program's tower stack.
    let mut response = plain(StatusCode::FORBIDDEN, "");
    response.extensions_mut().insert(Aborted);
    response
}

/// The response, or the error that makes the server close the connection.
pub(super) fn unless_aborted(response: Response<ResponseBody>) -> Result<Response<ResponseBody>, AbortError> {
    if response.extensions().get::<Aborted>().is_some() { Err(AbortError) } else { Ok(response) }
}

/// Asks the client to wait a moment before it tries again.
pub(super) fn retry_later(response: &mut Response<ResponseBody>) {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(limits::RETRY_AFTER_SECONDS));
}
