//! `encode`: compresses responses. This file decides which responses are compressed, and in which format (pure);
//! [`body`] makes the bytes.
//!
//! A compressed response is another representation (RFC 9110, 8.8.3), so its strong `ETag` ends with the name of the
//! format. That name is removed from the condition of the next request before the handler sees it, so `If-None-Match`
//! works for files and scripts. Compressed representations have no ranges here: the handler answers range requests, and
//! a 206 is not compressed.

mod body;
mod negotiation;

pub(super) use negotiation::choose;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode, request};
use http_body::Body;

use super::body::{ResponseBody, Source};
use crate::config::{Encode, EncodeFormat};

/// The decision of `encode` from the request.
pub(super) struct Encoding<'s> {
    settings: &'s Encode,
    /// The client's preferred format; `None`: it accepts none of them.
    format: Option<EncodeFormat>,
    /// A response to HEAD has the header fields of a compressed one, and no body.
    is_head: bool,
    /// Whether the condition of the request named a compressed representation.
    is_revalidation: bool,
}

impl<'s> Encoding<'s> {
    /// Reads the request, and rewrites its condition for the handler as if nothing was compressed.
    pub(super) fn begin(settings: &'s Encode, parts: &mut request::Parts) -> Self {
        // After a handshake follow no HTTP responses.
        let is_upgrade = parts.headers.contains_key(header::UPGRADE);
        let format = if is_upgrade { None } else { negotiation::choose(&settings.formats, &parts.headers) };
        let is_revalidation = format.is_some_and(|format| take_off_suffix(&mut parts.headers, format));
        Self { settings, format, is_head: parts.method == Method::HEAD, is_revalidation }
    }

    /// Compresses the response if that is worthwhile and the client accepts it.
    pub(super) fn apply(self, mut response: Response<ResponseBody>) -> Response<ResponseBody> {
        if response.status() == StatusCode::NOT_MODIFIED {
            if let Some(format) = self.format.filter(|_| self.is_revalidation) {
                name_in_tag(response.headers_mut(), format);
                vary(response.headers_mut());
            }
            return response;
        }
        if !self.is_worth_it(&response) {
            return response;
        }
        vary(response.headers_mut());
        match self.format {
            Some(format) => self.compress(format, response),
            None => response,
        }
    }

    /// Not for small bodies, parts of files, bodies that are compressed already, and types that the configuration
    /// leaves out.
    fn is_worth_it(&self, response: &Response<ResponseBody>) -> bool {
        let headers = response.headers();
        let status = response.status();
        let has_no_body =
            status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT);
        let is_taken = headers.contains_key(header::CONTENT_ENCODING)
            || status == StatusCode::PARTIAL_CONTENT
            || headers.contains_key(header::CONTENT_RANGE)
            || forbids_transforms(headers);
        !has_no_body
            && !is_taken
            && length(response).is_none_or(|length| length >= self.settings.minimum_length)
            && self.settings.matcher.matches(status.as_u16(), |name| {
                headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
            })
    }

    /// Names the coding in the header fields, and in the tag of the entity.
    fn compress(&self, format: EncodeFormat, response: Response<ResponseBody>) -> Response<ResponseBody> {
        let (mut parts, body) = response.into_parts();
        let headers = &mut parts.headers;
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::ACCEPT_RANGES);
        // A digest covers the sent bytes, which have changed.
        headers.remove(HeaderName::from_static("content-md5"));
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(format.name()));
        name_in_tag(headers, format);
        if self.is_head {
            return Response::from_parts(parts, ResponseBody::new(Source::Empty));
        }
        Response::from_parts(parts, body::compressed(format, body))
    }
}

/// The length of the body, if it is known. For HEAD it is only in the head.
fn length(response: &Response<ResponseBody>) -> Option<u64> {
    let promised = response.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    promised.or_else(|| response.body().size_hint().exact())
}

fn forbids_transforms(headers: &HeaderMap) -> bool {
    let directives = headers.get_all(header::CACHE_CONTROL).into_iter().filter_map(|value| value.to_str().ok());
    directives.flat_map(|list| list.split(',')).any(|directive| directive.trim().eq_ignore_ascii_case("no-transform"))
}

/// Informs caches that the response depends on `Accept-Encoding`.
pub(super) fn vary(headers: &mut HeaderMap) {
    let named = headers.get_all(header::VARY).into_iter().filter_map(|value| value.to_str().ok());
    let is_named = named
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|name| name == "*" || name.eq_ignore_ascii_case("accept-encoding"));
    if !is_named {
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

/// Adds the format's name to a strong entity tag. A weak one stays unchanged, because it only promises equivalent
/// content.
fn name_in_tag(headers: &mut HeaderMap, format: EncodeFormat) {
    let Some(tag) = headers.get(header::ETAG) else { return };
    let Some(opaque) = tag.as_bytes().strip_prefix(b"\"").and_then(|tag| tag.strip_suffix(b"\"")) else { return };
    let named = [b"\"", opaque, b"-", format.name().as_bytes(), b"\""].concat();
    if let Ok(named) = HeaderValue::from_maybe_shared(Bytes::from(named)) {
        headers.insert(header::ETAG, named);
    }
}

/// Removes the format's name from the tags of `If-None-Match`. Returns whether one had it.
fn take_off_suffix(headers: &mut HeaderMap, format: EncodeFormat) -> bool {
    let suffix = format!("-{}\"", format.name());
    let Some(Ok(tags)) = headers.get(header::IF_NONE_MATCH).map(HeaderValue::to_str) else { return false };
    if !tags.contains(&suffix) {
        return false;
    }
    let tags: Vec<String> = tags
        .split(',')
        .map(str::trim)
        .map(|tag| match tag.strip_suffix(&suffix).filter(|tag| tag.starts_with('"')) {
            Some(opaque) => format!("{opaque}\""),
            None => tag.to_owned(),
        })
        .collect();
    if let Ok(tags) = HeaderValue::try_from(tags.join(", ")) {
        headers.insert(header::IF_NONE_MATCH, tags);
    }
    true
}

#[cfg(test)]
mod tests;
