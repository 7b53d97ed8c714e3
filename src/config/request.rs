//! The facts of a request that matchers and placeholders read.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// The current facts of a request that a configuration can refer to: handlers may have changed them since it was
/// received. The server implements it over its own request type.
pub trait RequestView {
    /// The method, for example `GET`.
    fn method(&self) -> &str;
    /// `http`, or `https` on an encrypted connection. Headers of a proxy about the client's connection are ignored.
    fn scheme(&self) -> &str;
    /// The version of HTTP, for example `HTTP/1.1`.
    fn protocol(&self) -> &str;
    /// The requested host without its port; empty when the client sent none.
    fn host(&self) -> &str;
    /// The requested host with its port, as the client sent them.
    fn host_and_port(&self) -> String;
    /// The port of the requested host, if it names one, else the port of the listener.
    fn port(&self) -> u16;
    /// The path after percent-decoding and after `.`, `..` and `//` were resolved. Matching on any other form can be
    /// bypassed.
    fn path(&self) -> &str;
    /// Path and query, encoded.
    fn uri(&self) -> &str;
    /// The encoded text after the `?`; empty if there is none.
    fn query(&self) -> &str;
    /// The method that the client sent.
    fn original_method(&self) -> &str;
    /// Path and query as the client sent them.
    fn original_uri(&self) -> &str;
    /// The address of the peer.
    fn remote(&self) -> SocketAddr;
    /// The address that the peer connected to.
    fn local(&self) -> SocketAddr;
    /// The client's address: the peer's, unless the peer is a trusted proxy that reports another.
    fn client_ip(&self) -> IpAddr;
    /// Whether a value of the header field fulfils `test`; the name is in lower case.
    fn any_header(&self, name: &str, test: &mut dyn FnMut(&str) -> bool) -> bool;
    /// The same for a field that `header` directives have set in the response so far.
    fn any_response_header(&self, name: &str, test: &mut dyn FnMut(&str) -> bool) -> bool;
    /// The document root: that of the last `root` directive that matched.
    fn root(&self) -> &Path;
    /// How long ago the request came.
    fn age(&self) -> Duration;
    /// An identifier of the request.
    fn uuid(&self) -> &str;
    /// The value that a matcher or a handler has stored under this long name of a placeholder.
    fn stored(&self, name: &str) -> Option<&str>;
    /// Stores a value for the placeholder of this long name.
    fn store(&mut self, name: &str, value: String);
    /// The kind of file at a path; symbolic links are followed.
    fn entry(&self, path: &Path) -> Option<Entry>;
    /// The status of the failure, in the routes of `handle_errors`.
    fn error_status(&self) -> Option<u16>;
}

/// The kind of file at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Whether it is a directory; otherwise it is a regular file.
    pub is_directory: bool,
    /// The bytes of a file.
    pub size: u64,
    /// The time of the last change, in seconds since 1970.
    pub modified: u64,
}

/// The path up to its last slash, with it.
pub(super) fn directory_of(path: &str) -> &str {
    path.rfind('/').map_or("", |slash| &path[..=slash])
}

/// The path after its last slash.
pub(super) fn file_of(path: &str) -> &str {
    path.rfind('/').map_or(path, |slash| &path[slash + 1..])
}
