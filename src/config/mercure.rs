//! The settings of a Mercure hub.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::limits;
use super::proxy::UpstreamAddress;
use super::uri::decoded;
use crate::limits::MERCURE_CLEANUP_DEFAULT;

/// The `mercure` directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MercureSettings {
    /// The name of the hub; hubs with different names share nothing.
    pub name: String,
    /// What verifies the tokens of publishers; `None`: no one publishes over HTTP.
    pub publisher: Option<TokenKeys>,
    /// What verifies the tokens of subscribers; `None`: only public updates of an `anonymous` hub are delivered.
    pub subscriber: Option<TokenKeys>,
    /// Whether a client without a token may subscribe.
    pub anonymous: bool,
    /// Whether the hub shows who is subscribed: updates for each change, and an API.
    pub subscriptions: bool,
    /// How often a quiet stream gets a comment; `None`: never.
    pub heartbeat: Option<Duration>,
    /// The longest time that one stream lasts; `None`: no end.
    pub stream_max: Option<Duration>,
    /// How long an update may wait for a client that does not read; `None`: as long as it fits into the queue.
    pub dispatch_max: Option<Duration>,
    /// The origins that browsers may use the hub from; `*` for all.
    pub cors_origins: Vec<String>,
    /// The origins of pages that may publish with a cookie; `*` for all.
    pub publish_origins: Vec<String>,
    /// The cookie that holds a token.
    pub cookie_name: String,
    /// The largest body of a publication, in bytes.
    pub body_bytes_max: u64,
    /// The number of updates that are kept for clients that come back.
    pub history_max: usize,
    /// The file that keeps the history over a restart.
    pub history_file: Option<PathBuf>,
    /// How often the oldest updates are removed from the file, in thousandths of the updates.
    pub history_cleanup: u32,
    /// The version of the protocol whose rules still hold: 7 or 8.
    pub compatibility: Option<u8>,
}

impl Default for MercureSettings {
    fn default() -> Self {
        Self {
            name: String::new(),
            publisher: None,
            subscriber: None,
            anonymous: false,
            subscriptions: false,
            heartbeat: Some(limits::MERCURE_HEARTBEAT_DEFAULT),
            stream_max: Some(limits::MERCURE_STREAM_DEFAULT),
            dispatch_max: Some(limits::MERCURE_DISPATCH_DEFAULT),
            cors_origins: Vec::new(),
            publish_origins: Vec::new(),
            cookie_name: COOKIES[0].to_owned(),
            body_bytes_max: limits::MERCURE_BODY_BYTES_DEFAULT,
            history_max: limits::MERCURE_HISTORY_DEFAULT,
            history_file: None,
            history_cleanup: MERCURE_CLEANUP_DEFAULT,
            compatibility: None,
        }
    }
}

/// The default name of the cookie that holds a token, of Mercure 0.x and of 1.0.
const COOKIES: [&str; 2] = ["mercureAuthorization", "__Secure-mercure_access_token"];

impl MercureSettings {
    /// The names of cookies that hold a token, the first of which counts.
    #[must_use]
    pub fn cookie_names(&self) -> Vec<&str> {
        if self.cookie_name == COOKIES[0] { COOKIES.to_vec() } else { vec![&self.cookie_name] }
    }
}

/// What verifies the tokens of one role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenKeys {
    /// A key in the configuration.
    Key(JwtKey),
    /// A set of public keys elsewhere, which can change.
    Set(JwkSetUrl),
}

/// Where a JWK Set is.
#[derive(Clone, PartialEq, Eq)]
pub struct JwkSetUrl {
    text: String,
    place: JwkSetPlace,
}

/// What the URL of a JWK Set means.
#[derive(Clone, PartialEq, Eq)]
pub enum JwkSetPlace {
    /// A file.
    File(PathBuf),
    /// On a server.
    Web {
        /// The server.
        address: UpstreamAddress,
        /// Whether by HTTPS.
        is_encrypted: bool,
        /// Path and query.
        target: String,
    },
}

impl JwkSetUrl {
    /// Reads `file:///PATH`, `http://…` or `https://…`.
    ///
    /// # Errors A description of the text.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("has no scheme; write `https://` or `file://`")?;
        let place = match scheme {
            "file" if rest.starts_with('/') => JwkSetPlace::File(decoded(rest).into()),
            "file" => return Err("has no absolute path"),
            "http" | "https" => {
                let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
                if host.is_empty() || host.contains('@') {
                    return Err("has no host, or a password before it");
                }
                let path = path.split('#').next().unwrap_or_default();
                if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err("has a path that is not encoded");
                }
                let (address, _) = UpstreamAddress::parse(&format!("{scheme}://{host}"))?;
                let slash = if path.starts_with('/') { "" } else { "/" };
                JwkSetPlace::Web { address, is_encrypted: scheme == "https", target: format!("{slash}{path}") }
            }
            _ => return Err("has a scheme that is none of `https://`, `http://` and `file://`"),
        };
        Ok(Self { text: text.to_owned(), place })
    }

    /// What it means.
    #[must_use]
    pub fn place(&self) -> &JwkSetPlace {
        &self.place
    }
}

/// Without the query, which may have a secret.
impl fmt::Display for JwkSetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.split(['?', '#']).next().unwrap_or_default())
    }
}

impl fmt::Debug for JwkSetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A key that verifies tokens, and the only algorithm that they may use.
#[derive(Clone, PartialEq, Eq)]
pub struct JwtKey {
    /// The algorithm.
    pub algorithm: JwtAlgorithm,
    /// A shared secret, or a public key in PEM.
    pub key: String,
}

/// Keys are secrets.
impl fmt::Debug for JwtKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JwtKey({:?})", self.algorithm)
    }
}

/// How a token is signed (RFC 7518). `none` is not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum JwtAlgorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl JwtAlgorithm {
    /// The names in tokens and in the configuration.
    pub const NAMES: [(&'static str, Self); 12] = [
        ("HS256", Self::HS256),
        ("HS384", Self::HS384),
        ("HS512", Self::HS512),
        ("RS256", Self::RS256),
        ("RS384", Self::RS384),
        ("RS512", Self::RS512),
        ("PS256", Self::PS256),
        ("PS384", Self::PS384),
        ("PS512", Self::PS512),
        ("ES256", Self::ES256),
        ("ES384", Self::ES384),
        ("EdDSA", Self::EdDSA),
    ];

    /// Whether publisher and hub share one secret.
    #[must_use]
    pub fn is_shared(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }
}
