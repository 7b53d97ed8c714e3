//! Describes a request to a PHP in another process, for `transport fastcgi` (pure, except that it may resolve links).

use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use http::request;

use super::cgi::{CgiFacts, OWN_VARS, SERVER_VARS_BYTES, push_vars};
use super::connection::ConnectionInfo;
use super::params::Params;
use super::paths;
use super::request::{RequestState, absolute_root};
use super::routing::{Script, below};
use crate::config::{FastcgiSettings, RequestView};
use crate::exchange::Pairs;

/// The parameters of a request, of which `parts` is the head as the upstream gets it.
pub(super) fn params(
    settings: &FastcgiSettings,
    parts: &request::Parts,
    request: &RequestState<'_>,
    connection: &ConnectionInfo,
) -> Params {
    let root = root(settings, request);
    let mut script = script(settings, parts, &root);
    // As in Caddy: a rewrite to a file that was found behind `split_path` has removed it from the path.
    if let Some(remainder) = request.stored("http.matchers.file.remainder").filter(|_| script.path_info.is_empty()) {
        script.path_info = remainder.as_bytes().to_vec();
    }
    let count = OWN_VARS + parts.headers.keys_len() + settings.env.len() + 1;
    let mut vars = Pairs::with_capacity(count, SERVER_VARS_BYTES);
    let facts = CgiFacts {
        parts,
        connection,
        host: request.host(),
        root: root.as_os_str().as_bytes(),
        uri: request.original_uri(),
        body_length: None,
        script: &script,
    };
    push_vars(&mut vars, &facts);
    if let Some(user) = request.stored("http.auth.user.id") {
        vars.push(b"REMOTE_USER", user.as_bytes());
    }
    for (name, value) in &settings.env {
        vars.set(name.as_bytes(), value.rendered(request).as_bytes());
    }
    Params(vars)
}

/// The document root as the upstream knows it.
fn root(settings: &FastcgiSettings, request: &RequestState<'_>) -> PathBuf {
    let named = match &settings.root {
        Some(root) => Cow::Owned(PathBuf::from(&*root.rendered(request))),
        None => Cow::Borrowed(request.root_of_request()),
    };
    let root = absolute_root(&named.to_string_lossy());
    if settings.resolve_root_symlink { root.canonicalize().unwrap_or(root) } else { root }
}

/// The script that the path names. Without a suffix of `split` in it, that is the whole path.
fn script(settings: &FastcgiSettings, parts: &request::Parts, root: &Path) -> Script {
    // A route has decoded the path before.
    let path = paths::normalize(parts.uri.path()).unwrap_or_else(|_| b"/".to_vec());
    let (name, path_info) = paths::split_script(&path, &settings.split_path).unwrap_or((&path, b""));
    let file = match name {
        b"/" => root.to_path_buf(),
        name => below(root, name),
    };
    Script { file, name: name.to_vec(), path_info: path_info.to_vec(), worker: None }
}
