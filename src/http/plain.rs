//! Responses that need no handler: a status with a short text, a redirect.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header, request};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

use super::body::ResponseBody;

/// A response with a short text.
pub(super) fn plain(status: StatusCode, text: &str) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::from(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    if !text.is_empty() {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    }
    response
}

/// A response with this status and `Location`; 500 when one of them is not valid.
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

/// What a path in a `Location` must not show as it is.
const NOT_IN_PATHS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// Redirects to the same place with a slash at the end. The path is the normalized one: a path like `//host` would send
/// the client to another site.
pub(super) fn redirect_to_directory(parts: &request::Parts, path: &[u8]) -> Response<ResponseBody> {
    let mut location = percent_encode(path, NOT_IN_PATHS).to_string();
    location.push('/');
    if let Some(query) = parts.uri.query() {
        location.push('?');
        location.push_str(query);
    }
    redirect(StatusCode::PERMANENT_REDIRECT.as_u16(), location.as_bytes())
}
