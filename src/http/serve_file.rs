//! Serves a file of a site, with what Caddy does about slashes, passed requests and the pages of failures.

use std::path::Path;

use http::{Method, Response, StatusCode, header, request};

use super::access_log::HandledBy;
use super::answer::{Outcome, RequestContext, known_status, status};
use super::body::ResponseBody;
use super::failure::Failure;
use super::plain::redirect_to_directory;
use super::request::RequestState;
use super::routing::Disk;
use super::static_files;
use crate::config::{FileServer, Status};

impl RequestContext<'_> {
    /// Serves the file at a path, if that needs nothing but its bytes. `None`: [`Self::serve_file`] has to.
    pub(super) fn serve_open_file(
        &mut self,
        files: &FileServer,
        root: &Path,
        path: &[u8],
        request: &RequestState<'_>,
    ) -> Option<Response<ResponseBody>> {
        let is_usual = request.failure.is_none() && files.status == Status::Usual;
        let response = is_usual.then(|| static_files::serve_open(files, root, &request.parts, path))??;
        self.handled_by = HandledBy::Directive("file_server");
        Some(response)
    }

    /// Serves the file at a path. A file that cannot be served is a failure, like a missing one.
    pub(super) async fn serve_file(
        &mut self,
        files: &FileServer,
        root: &Path,
        path: &[u8],
        request: &RequestState<'_>,
    ) -> Outcome {
        self.handled_by = HandledBy::Directive("file_server");
        let is_failed = request.failure.is_some();
        let mut response = if is_failed || files.status != Status::Usual {
            let parts = whole_page(&request.parts, is_failed);
            static_files::serve(files, root, &parts, path, &Disk).await
        } else {
            static_files::serve(files, root, &request.parts, path, &Disk).await
        };
        if let Some(sent) = request.sent_path().filter(|_| files.canonical_uris && !is_failed) {
            match rewritten_directory(&sent, path, response.status()) {
                Slash::AsServed => {}
                Slash::Missing => return Outcome::Answered(redirect_to_directory(&request.parts, &sent)),
                Slash::NotNeeded => {
                    let path = [path, b"/"].concat();
                    response = static_files::serve(files, root, &request.parts, &path, &Disk).await;
                }
            }
        }
        match (response.status(), request.failure) {
            (StatusCode::NOT_FOUND, _) if files.pass_thru => Outcome::GoOn,
            (StatusCode::OK, _) if files.status != Status::Usual => {
                *response.status_mut() = status(&files.status, StatusCode::OK, request);
                Outcome::Answered(response)
            }
            (status @ (StatusCode::NOT_FOUND | StatusCode::FORBIDDEN | StatusCode::INTERNAL_SERVER_ERROR), _) => {
                Outcome::Failed(Failure::new(status))
            }
            // As in Caddy, the page of a failure has the status of the failure.
            (StatusCode::OK, Some(failure)) => {
                *response.status_mut() = known_status(failure);
                Outcome::Answered(response)
            }
            _ => Outcome::Answered(response),
        }
    }
}

/// What the slash at the end of a directory's path asks for.
enum Slash {
    /// The response is right.
    AsServed,
    /// The client should ask again, with a slash: relative links of an index file need it.
    Missing,
    /// The directory is served without a slash.
    NotNeeded,
}

/// The last part of a path, without the slash behind it.
fn last_part(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"/").unwrap_or(path).rsplit(|&byte| byte == b'/').next().unwrap_or_default()
}

/// As in Caddy, the slash counts that the client sent, unless a rewrite has changed the last part of the path.
fn rewritten_directory(sent: &[u8], path: &[u8], status: StatusCode) -> Slash {
    let is_index = path.ends_with(b"/") && status.is_success();
    if status != StatusCode::PERMANENT_REDIRECT && !is_index {
        return Slash::AsServed;
    }
    match last_part(sent) == last_part(path) {
        true if !sent.ends_with(b"/") => Slash::Missing,
        false if !is_index => Slash::NotNeeded,
        _ => Slash::AsServed,
    }
}

/// Builds the request for the page of a status. `Range` and conditional fields refer to the original resource, so they
/// are dropped; so is the method of a request that has failed.
fn whole_page(parts: &request::Parts, is_failed: bool) -> request::Parts {
    let mut parts = parts.clone();
    if is_failed && parts.method != Method::HEAD {
        parts.method = Method::GET;
    }
    for name in [
        header::RANGE,
        header::IF_RANGE,
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_UNMODIFIED_SINCE,
    ] {
        parts.headers.remove(name);
    }
    parts
}
