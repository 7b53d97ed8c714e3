//! A request as the matchers and placeholders of the configuration see it (pure).

use std::borrow::Cow;

use http::request;

use super::authority;
use super::connection::ConnectionInfo;
use crate::config::RequestView;

/// The facts of one request.
pub(super) struct View<'r> {
    parts: &'r request::Parts,
    /// The normalized path. What is no UTF-8 in it is replaced: patterns are text, so nothing of them is lost.
    path: Cow<'r, str>,
    host: &'r str,
    connection: &'r ConnectionInfo,
}

impl<'r> View<'r> {
    /// `path` is the normalized path, `host` the requested host without its port.
    pub(super) fn new(
        parts: &'r request::Parts,
        path: &'r [u8],
        host: &'r str,
        connection: &'r ConnectionInfo,
    ) -> Self {
        Self { parts, path: String::from_utf8_lossy(path), host, connection }
    }
}

impl RequestView for View<'_> {
    fn method(&self) -> &str {
        self.parts.method.as_str()
    }

    fn scheme(&self) -> &str {
        self.connection.scheme()
    }

    fn host(&self) -> &str {
        self.host
    }

    fn port(&self) -> u16 {
        let asked = authority::requested_authority(self.parts).and_then(|authority| authority.rsplit_once(':'));
        asked.and_then(|(_, port)| port.parse().ok()).unwrap_or_else(|| self.connection.local_port())
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn uri(&self) -> &str {
        authority::requested_uri(self.parts)
    }

    fn query(&self) -> &str {
        self.parts.uri.query().unwrap_or_default()
    }

    fn remote_host(&self) -> Cow<'_, str> {
        Cow::Owned(self.connection.remote.ip().to_canonical().to_string())
    }

    fn header(&self, name: &str) -> Vec<Cow<'_, str>> {
        self.parts.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect()
    }
}
