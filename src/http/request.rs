//! A request on its way through the routes: read by matchers and placeholders, changed by handlers.

use std::borrow::Cow;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, UNIX_EPOCH};

use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Uri, Version, request};

use super::access_log::LogNotes;
use super::authority;
use super::connection::ConnectionInfo;
use super::failure::Failure;
use super::header_rules::HeaderChanges;
use super::paths::{self, BadPath};
use crate::config::{Entry, HeaderRule, RequestView, Text, TrustedProxies};
use crate::tls::EncryptionFacts;

/// The request, and the facts about it.
pub(super) struct RequestState<'r> {
    /// The head, as it is now.
    pub(super) parts: request::Parts,
    /// The normalized path: always with a leading slash. Handlers find files by it.
    path: Vec<u8>,
    /// The path as text, if it is not UTF-8: patterns are text, so they lose nothing.
    lossy: Option<String>,
    /// Whether a rewrite has produced a path without a leading slash. As in Caddy, matchers see that form.
    is_bare: bool,
    /// That the client asked for, without port.
    host: &'r str,
    /// Where the request came from.
    connection: &'r ConnectionInfo,
    /// The method and URI that the client sent, once one of them was changed.
    original: Option<Box<(Method, Uri)>>,
    /// The document root, which `root` and `vars` change.
    root: Cow<'r, Path>,
    /// When it reached the routes.
    began: Instant,
    /// Made when a placeholder first asks for it.
    uuid: OnceLock<Box<str>>,
    /// The client, if a trusted proxy reports one other than the peer.
    client_ip: Option<IpAddr>,
    /// The placeholders that directives have set, by their long names.
    stored: Vec<(String, String)>,
    /// The changes of the response that `header` directives ask for.
    pub(super) changes: Option<Box<HeaderChanges>>,
    /// The encryption of the connection, if it has one.
    encryption: Option<Arc<EncryptionFacts>>,
    /// The failure of the request, while `handle_errors` answers it.
    pub(super) failure: Option<u16>,
    /// What the access log learns.
    pub(super) log_notes: LogNotes,
    /// The fields of `log_append`, whose values are complete when there is a response.
    pub(super) appended: Vec<(&'r str, Text)>,
}

impl<'r> RequestState<'r> {
    /// `host` is the requested host without its port; `root` the document root before any `root` directive.
    ///
    /// # Errors The path cannot be decoded.
    pub(super) fn new(
        parts: request::Parts,
        host: &'r str,
        connection: &'r ConnectionInfo,
        root: &'r Path,
    ) -> Result<Self, BadPath> {
        let path = paths::normalize(parts.uri.path())?;
        let encryption = parts.extensions.get().cloned();
        let mut state = Self {
            parts,
            path: Vec::new(),
            lossy: None,
            is_bare: false,
            host,
            connection,
            original: None,
            root: Cow::Borrowed(root),
            began: Instant::now(),
            uuid: OnceLock::new(),
            client_ip: None,
            stored: Vec::new(),
            changes: None,
            encryption,
            failure: None,
            log_notes: LogNotes::default(),
            appended: Vec::new(),
        };
        state.set_path(path);
        Ok(state)
    }

    /// Takes the client's address from these proxies.
    pub(super) fn trust(&mut self, proxies: &TrustedProxies) {
        if !proxies.is_empty() {
            self.client_ip = Some(proxies.client_ip(self));
        }
    }

    /// The normalized path, used to find files.
    pub(super) fn file_path(&self) -> &[u8] {
        &self.path
    }

    /// Path and query as the client sent them, if they were changed.
    pub(super) fn take_original(&mut self) -> Option<Box<(Method, Uri)>> {
        self.original.take()
    }

    /// Path and query as the client sent them, if they were changed, for a request that may be used again.
    pub(super) fn changed_uri(&self) -> Option<Uri> {
        self.original.as_deref().map(|original| original.1.clone())
    }

    /// The normalized path that the client sent, if it was changed.
    pub(super) fn sent_path(&self) -> Option<Vec<u8>> {
        paths::normalize(self.original.as_deref()?.1.path()).ok()
    }

    /// Takes the head, for a handler that forwards it; the request is not used after that.
    pub(super) fn take_parts(&mut self) -> request::Parts {
        std::mem::replace(&mut self.parts, http::Request::new(()).into_parts().0)
    }

    /// Another method.
    pub(super) fn set_method(&mut self, method: Method) {
        self.keep_original();
        self.parts.method = method;
    }

    /// Another path, decoded, and another query; `None` keeps the query.
    pub(super) fn set_target(&mut self, path: &str, query: Option<&str>) {
        self.keep_original();
        let (uri, clean) = self.uri_with(path, query);
        self.parts.uri = uri;
        self.set_path(clean);
        self.is_bare = !path.starts_with('/') && !path.is_empty();
    }

    /// The URI with another path (decoded) and query, and that path, normalized; `None` keeps the query.
    pub(super) fn uri_with(&self, path: &str, query: Option<&str>) -> (Uri, Vec<u8>) {
        let query = query.unwrap_or_else(|| self.parts.uri.query().unwrap_or_default());
        let clean = paths::clean(path.as_bytes());
        let mut target = paths::encode(&clean);
        if !query.is_empty() {
            target.push('?');
            target.push_str(query);
        }
        // A query with bytes that are invalid in a URI is left out: the path decides the route.
        let target = PathAndQuery::try_from(target.as_str()).or_else(|_| PathAndQuery::try_from(paths::encode(&clean)));
        let mut uri = self.parts.uri.clone().into_parts();
        uri.path_and_query = target.ok();
        (Uri::from_parts(uri).unwrap_or_default(), clean)
    }

    /// Another document root.
    pub(super) fn set_root(&mut self, root: Cow<'r, Path>) {
        self.root = root;
    }

    /// The root that a `root` directive has set for the request.
    pub(super) fn root_of_request(&self) -> &Path {
        &self.root
    }

    /// Records the failure of the request, for the routes of `handle_errors`.
    pub(super) fn fail(&mut self, failure: &Failure) {
        let status = failure.status;
        self.failure = Some(status.as_u16());
        let reason = status.canonical_reason().unwrap_or_default();
        let message = if failure.message.is_empty() { reason } else { &failure.message };
        self.store("http.error.status_code", status.as_str().to_owned());
        self.store("http.error.status_text", reason.to_owned());
        self.store("http.error.message", message.to_owned());
        self.store("http.error", format!("{}: {message}", status.as_str()));
        let id = self.uuid().replace('-', "")[..9].to_owned();
        self.store("http.error.id", id);
    }

    /// What the access log learns, now that there is a response with these fields.
    pub(super) fn take_log_notes(&mut self, response: &HeaderMap) -> LogNotes {
        let appended = std::mem::take(&mut self.appended);
        let mut notes = std::mem::take(&mut self.log_notes);
        notes.appended = self.rendered(&appended, response);
        notes
    }

    /// Names and values, with the placeholders of a response that has these fields.
    pub(super) fn rendered(&mut self, texts: &[(&str, Text)], response: &HeaderMap) -> Vec<(String, String)> {
        if texts.iter().any(|(_, value)| value.has_response_fields()) {
            self.changes = Some(Box::new(HeaderChanges::sent(response.clone())));
        }
        texts.iter().map(|(name, value)| ((*name).to_owned(), value.render(self))).collect()
    }

    /// Notes the changes of one more `header` directive.
    pub(super) fn change_response(&mut self, rule: &HeaderRule) {
        let mut changes = self.changes.take().unwrap_or_default();
        changes.add(rule, self);
        self.changes = Some(changes);
    }

    /// Before the first change: access logs and scripts see what the client sent.
    fn keep_original(&mut self) {
        if self.original.is_none() {
            self.original = Some(Box::new((self.parts.method.clone(), self.parts.uri.clone())));
        }
    }

    /// Keeps the text of the path too, if the path is not UTF-8.
    fn set_path(&mut self, path: Vec<u8>) {
        let is_text = std::str::from_utf8(&path).is_ok();
        self.lossy = (!is_text).then(|| String::from_utf8_lossy(&path).into_owned());
        self.path = path;
        self.is_bare = false;
    }
}

impl RequestView for RequestState<'_> {
    fn method(&self) -> &str {
        self.parts.method.as_str()
    }

    fn scheme(&self) -> &str {
        self.connection.scheme()
    }

    fn protocol(&self) -> &str {
        match self.parts.version {
            Version::HTTP_10 => "HTTP/1.0",
            Version::HTTP_2 => "HTTP/2.0",
            Version::HTTP_3 => "HTTP/3.0",
            _ => "HTTP/1.1",
        }
    }

    fn host(&self) -> &str {
        self.host
    }

    fn host_and_port(&self) -> String {
        match authority::requested_authority(&self.parts) {
            Some(asked) if asked.contains(':') && !asked.ends_with(']') => asked.to_owned(),
            _ => format!("{}:{}", self.host, self.port()),
        }
    }

    fn port(&self) -> u16 {
        let asked = authority::requested_authority(&self.parts).and_then(|authority| authority.rsplit_once(':'));
        asked.and_then(|(_, port)| port.parse().ok()).unwrap_or_else(|| self.connection.local_port())
    }

    fn path(&self) -> &str {
        let path = match &self.lossy {
            Some(text) => text,
            // It was checked when it was set.
            None => std::str::from_utf8(&self.path).unwrap_or_default(),
        };
        if self.is_bare { path.strip_prefix('/').unwrap_or(path) } else { path }
    }

    fn uri(&self) -> &str {
        authority::requested_uri(&self.parts)
    }

    fn query(&self) -> &str {
        self.parts.uri.query().unwrap_or_default()
    }

    fn original_method(&self) -> &str {
        self.original.as_deref().map_or(self.parts.method.as_str(), |(method, _)| method.as_str())
    }

    fn original_uri(&self) -> &str {
        let original = self.original.as_deref().map_or(&self.parts.uri, |(_, uri)| uri);
        original.path_and_query().map_or("/", |path| path.as_str())
    }

    fn remote(&self) -> SocketAddr {
        self.connection.remote
    }

    fn local(&self) -> SocketAddr {
        self.connection.local
    }

    fn client_ip(&self) -> IpAddr {
        self.client_ip.unwrap_or_else(|| self.connection.remote.ip().to_canonical())
    }

    fn any_header(&self, name: &str, test: &mut dyn FnMut(&str) -> bool) -> bool {
        let mut values = self.parts.headers.get_all(name).iter();
        values.any(|value| test(&String::from_utf8_lossy(value.as_bytes())))
    }

    fn any_response_header(&self, name: &str, test: &mut dyn FnMut(&str) -> bool) -> bool {
        self.changes.as_ref().is_some_and(|changes| changes.any(name, test))
    }

    fn root(&self) -> &Path {
        &self.root
    }

    fn age(&self) -> Duration {
        self.began.elapsed()
    }

    fn uuid(&self) -> &str {
        self.uuid.get_or_init(|| random_uuid().into())
    }

    fn stored(&self, name: &str) -> Option<&str> {
        if let Some(of_encryption) = name.strip_prefix("http.request.tls.") {
            return self.encryption.as_ref()?.value(of_encryption);
        }
        self.stored.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn store(&mut self, name: &str, value: String) {
        match self.stored.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.stored.push((name.to_owned(), value)),
        }
    }

    fn entry(&self, path: &Path) -> Option<Entry> {
        let metadata = std::fs::metadata(path).ok()?;
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let entry = Entry {
            is_directory: metadata.is_dir(),
            size: metadata.len(),
            modified: modified.unwrap_or_default().as_secs(),
        };
        // Pipes, sockets and devices would block or worse.
        (metadata.is_dir() || metadata.is_file()).then_some(entry)
    }

    fn error_status(&self) -> Option<u16> {
        self.failure
    }
}

/// A random identifier (RFC 9562, version 4). It names a request in logs, or separates parts of a body; it protects no
/// secret.
pub(super) fn random_uuid() -> String {
    use std::hash::{BuildHasher, RandomState};

    // Each state has random keys.
    let half = || u128::from(RandomState::new().hash_one(0_u8));
    let number = half() << 64 | half();
    let number = number & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let digits = format!("{number:032x}");
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}

/// The directory that a `root` directive names for one request.
pub(super) fn absolute_root(text: &str) -> PathBuf {
    let path = Path::new(text);
    if path.is_absolute() { path.to_path_buf() } else { std::env::current_dir().unwrap_or_default().join(path) }
}
