//! Files that are served as they are: ranges, validators and media types by `tower-http`, what may be seen by us.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, request};
use tower_http::services::ServeFile;

use super::body::{ResponseBody, Source};
use super::plain::{plain, redirect_to_directory};
use super::routing::{self, FileKind, FileSystem};
use crate::config::{FileServer, PathPattern};

/// Serves the file at the normalized `path`; for a directory its index file.
pub(super) async fn serve(
    settings: &FileServer,
    root: &Path,
    parts: &request::Parts,
    path: &[u8],
    files: &dyn FileSystem,
) -> Response<ResponseBody> {
    match find(settings, root, path, files) {
        Found::File(file) => send(&file, parts).await,
        Found::AddSlash => redirect_to_directory(parts, path),
        Found::Nothing => plain(StatusCode::NOT_FOUND, ""),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    File(PathBuf),
    AddSlash,
    Nothing,
}

fn find(settings: &FileServer, root: &Path, path: &[u8], files: &dyn FileSystem) -> Found {
    let file = routing::below(root, path);
    let visible = |file: &Path| !is_hidden(settings, root, file);
    let allowed = |file: &Path| !is_secret(settings, file, files);
    match files.kind(&file) {
        Some(FileKind::File) if !path.ends_with(b"/") && visible(&file) && allowed(&file) => Found::File(file),
        Some(FileKind::Directory) => {
            let index = settings
                .index
                .iter()
                .map(|name| file.join(name))
                .find(|index| visible(index) && files.kind(index) == Some(FileKind::File) && allowed(index));
            match index {
                Some(_) if !path.ends_with(b"/") => Found::AddSlash,
                Some(index) => Found::File(index),
                None => Found::Nothing,
            }
        }
        _ => Found::Nothing,
    }
}

/// Whether clients get the answer that there is no such file: it is a script, whose source clients must not see, its name
/// begins with `.ht`, or one of the `hide` patterns covers it. A pattern without a slash is compared with each part of the path below the root, one with a
/// slash with the absolute path, of which it may be the beginning.
fn is_hidden(settings: &FileServer, root: &Path, file: &Path) -> bool {
    if routing::is_script_name(file.as_os_str().as_bytes(), &[]) {
        return true;
    }
    let relative = file.strip_prefix(root).unwrap_or(file);
    // Apache never serves these, so applications keep there what is secret.
    if relative.iter().any(|part| part.as_bytes().get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b".ht"))) {
        return true;
    }
    settings.hide.iter().any(|hidden| {
        let pattern = PathPattern::new(hidden);
        if hidden.contains('/') {
            file.starts_with(hidden) || pattern.matches(&file.to_string_lossy())
        } else {
            relative.iter().any(|part| pattern.matches(&part.to_string_lossy()))
        }
    })
}

/// Whether the file is one that clients must not see, or a link leads to one. Asked last, of a file that would be served: to follow
/// its links costs a system call for each part of the path, together less than opening it on a blocking thread will.
fn is_secret(settings: &FileServer, file: &Path, files: &dyn FileSystem) -> bool {
    let is_one = |path: &Path| settings.secret.iter().any(|secret| secret == path);
    // A path that cannot be followed now cannot be opened either, or has just changed.
    !settings.secret.is_empty() && (is_one(file) || files.resolve(file).is_none_or(|resolved| is_one(&resolved)))
}

/// What part of the file is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Part<'h> {
    /// All of it.
    Whole,
    /// The `Range`.
    Range(&'h HeaderValue),
    /// The `Range`, if the file still has this strong validator, else all of it.
    RangeOf { range: &'h HeaderValue, validator: &'h HeaderValue },
}

impl<'h> Part<'h> {
    /// A `Range` that is not understood is as if it were not there (RFC 9110, 14.2), and so is one whose condition cannot be
    /// checked: the client would join pieces of two files. That is the case of a date, which does not tell two versions of
    /// one second apart, and of conditions beside it.
    fn asked(parts: &'h request::Parts) -> Self {
        let headers = &parts.headers;
        let Some(range) = headers.get(header::RANGE).filter(|range| range.as_bytes().starts_with(b"bytes=")) else {
            return Self::Whole;
        };
        let mut validators = headers.get_all(header::IF_RANGE).iter();
        match (validators.next(), validators.next()) {
            _ if parts.method != Method::GET => Self::Whole,
            (None, _) => Self::Range(range),
            (Some(validator), None)
                if is_strong_tag(validator.as_bytes())
                    && !headers.contains_key(header::IF_MATCH)
                    && !headers.contains_key(header::IF_UNMODIFIED_SINCE) =>
            {
                Self::RangeOf { range, validator }
            }
            _ => Self::Whole,
        }
    }
}

/// Whether this is one entity tag that is not weak (RFC 9110, 8.8.3).
fn is_strong_tag(value: &[u8]) -> bool {
    matches!(value, [b'"', inner @ .., b'"'] if !inner.contains(&b'"'))
}

/// Answers with the part of the file that is asked for. `tower-http` knows no `If-Range`, so it gets `If-Match`, and
/// when that does not hold, asked again for all of the file.
async fn send(file: &Path, parts: &request::Parts) -> Response<ResponseBody> {
    match Part::asked(parts) {
        Part::Whole => send_part(file, parts, &[]).await,
        Part::Range(range) => send_part(file, parts, &[(header::RANGE, range)]).await,
        Part::RangeOf { range, validator } => {
            let response = send_part(file, parts, &[(header::RANGE, range), (header::IF_MATCH, validator)]).await;
            if response.status() == StatusCode::PRECONDITION_FAILED {
                send_part(file, parts, &[]).await
            } else {
                response
            }
        }
    }
}

async fn send_part(
    file: &Path,
    parts: &request::Parts,
    range: &[(HeaderName, &HeaderValue)],
) -> Response<ResponseBody> {
    let mut request = Request::new(());
    request.method_mut().clone_from(&parts.method);
    // Only what decides about the answer: copying all headers would be waste.
    for name in [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE] {
        for value in parts.headers.get_all(&name) {
            request.headers_mut().append(name.clone(), value.clone());
        }
    }
    for (name, value) in range {
        request.headers_mut().append(name.clone(), (*value).clone());
    }
    match ServeFile::new(file).try_call(request).await {
        Ok(mut response) => {
            name_charset(response.headers_mut());
            response.map(|body| ResponseBody::new(Source::File(body)))
        }
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            plain(StatusCode::NOT_FOUND, "")
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            tracing::warn!(file = %file.display(), "opening a static file: {error}; the server's user needs read access");
            plain(StatusCode::FORBIDDEN, "")
        }
        Err(error) => {
            tracing::error!(file = %file.display(), "opening a static file: {error}");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "")
        }
    }
}

/// Text without a charset is read as Latin-1 by some clients; files on disk are UTF-8 today.
fn name_charset(headers: &mut http::HeaderMap) {
    let Some(value) = headers.get_mut(header::CONTENT_TYPE) else { return };
    let bytes = value.as_bytes();
    if bytes.starts_with(b"text/") && !bytes.contains(&b';') {
        let with_charset = Bytes::from([bytes, b"; charset=utf-8"].concat());
        if let Ok(with_charset) = HeaderValue::from_maybe_shared(with_charset) {
            *value = with_charset;
        }
    }
}
