//! The `reverse_proxy` directive: the upstreams, and how requests are distributed among them.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::response_matcher::StatusPattern;
use super::text::Text;
use super::tls::{CertificateFiles, TrustedCertificates};

/// The `reverse_proxy` directive, without its changes of header fields, which need a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxySettings {
    /// The servers; at least one.
    pub upstreams: Vec<UpstreamAddress>,
    /// How the upstream of a request is chosen.
    pub policy: LoadPolicy,
    /// The same for requests without the field, parameter or cookie that `policy` looks at.
    pub fallback: LoadPolicy,
    /// How often a request is retried if no connection can be made.
    pub retries: usize,
    /// How long it is retried; zero: not at all.
    pub try_duration: Duration,
    /// The pause between two tries.
    pub try_interval: Duration,
    /// How long connecting may take.
    pub dial_timeout: Duration,
    /// How long the head of a response may take; `None`: as long as the client waits.
    pub response_timeout: Option<Duration>,
    /// How long a pause in the body of a response may last; `None`: as long as the client waits.
    pub read_timeout: Option<Duration>,
    /// Failures make an upstream unavailable for this time; zero: never.
    pub fail_duration: Duration,
    /// The number of failures within that time.
    pub max_fails: usize,
    /// Statuses that count as failures.
    pub unhealthy_statuses: Vec<StatusPattern>,
    /// A response whose head takes longer counts as a failure.
    pub unhealthy_latency: Option<Duration>,
    /// How many requests one upstream gets at the same time; 0: any number.
    pub max_requests: usize,
    /// How upstreams are checked without a client's request.
    pub health: Option<HealthCheck>,
    /// The connections are encrypted in this way; `None`: they are not.
    pub tls: Option<UpstreamTls>,
    /// The versions of HTTP that the upstreams are asked by.
    pub versions: UpstreamVersions,
    /// How long a connection is kept for a next request; `None`: as long as igor usually keeps it.
    pub keepalive: Option<Duration>,
    /// The most connections to one upstream that are kept; `None`: as many as igor usually keeps.
    pub keepalive_connections: Option<usize>,
    /// `transport fastcgi`: the upstreams speak FastCGI, and run scripts; `None`: they speak HTTP.
    pub fastcgi: Option<FastcgiSettings>,
}

/// How a PHP in another process is asked.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct FastcgiSettings {
    /// The document root as the other process knows it; `None`: the root of the request.
    pub root: Option<Text>,
    /// The suffixes that end a script's name in a path and start `PATH_INFO`: in lower case, with their dot.
    pub split_path: Vec<String>,
    /// More parameters; they replace others of the same name.
    pub env: Vec<(String, Text)>,
    /// Whether symbolic links in the root are resolved first.
    pub resolve_root_symlink: bool,
    /// How long the upstream may read nothing of a request; `None`: as long as the client waits.
    pub write_timeout: Option<Duration>,
    /// Whether what scripts write to their error output is logged.
    pub capture_stderr: bool,
}

impl fmt::Debug for FastcgiSettings {
    /// Without the values of variables: `igor adapt` prints it, and they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("FastcgiSettings")
            .field("root", &self.root)
            .field("split_path", &self.split_path)
            .field("env", &names)
            .field("resolve_root_symlink", &self.resolve_root_symlink)
            .field("write_timeout", &self.write_timeout)
            .field("capture_stderr", &self.capture_stderr)
            .finish()
    }
}

/// How connections to upstreams are encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpstreamTls {
    /// Any certificate is accepted: anyone in between can read and change everything.
    pub insecure: bool,
    /// The name that the certificate must be for; `None`: the host of the upstream.
    pub server_name: Option<String>,
    /// The certificates of trusted authorities; empty: the system's.
    pub authorities: Vec<TrustedCertificates>,
    /// The certificate that igor shows.
    pub own: Option<CertificateFiles>,
    /// Upstreams at these ports are reached without encryption.
    pub except_ports: Vec<u16>,
}

/// The versions of HTTP that upstreams are asked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamVersions {
    /// HTTP/2 with those that offer it in an encrypted handshake, else HTTP/1.1.
    Usual,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 with encryption.
    Http2,
    /// HTTP/2 without encryption.
    H2c,
}

impl ProxySettings {
    /// The defaults, which are Caddy's.
    #[must_use]
    pub fn new(upstreams: Vec<UpstreamAddress>) -> Self {
        Self {
            upstreams,
            policy: LoadPolicy::Random,
            fallback: LoadPolicy::Random,
            retries: 0,
            try_duration: Duration::ZERO,
            try_interval: Duration::from_millis(250),
            dial_timeout: Duration::from_secs(3),
            response_timeout: None,
            read_timeout: None,
            fail_duration: Duration::ZERO,
            max_fails: 1,
            unhealthy_statuses: Vec::new(),
            unhealthy_latency: None,
            max_requests: 0,
            health: None,
            tls: None,
            versions: UpstreamVersions::Usual,
            keepalive: None,
            keepalive_connections: None,
            fastcgi: None,
        }
    }
}

/// Active health checks: a `GET` at intervals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// Path and query.
    pub uri: String,
    /// A port other than that of the requests.
    pub port: Option<u16>,
    /// The time between two checks.
    pub interval: Duration,
    /// How long a response may take.
    pub timeout: Duration,
    /// The statuses that are healthy; `None`: all of 2xx and 3xx.
    pub status: Option<StatusPattern>,
}

/// The address of an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UpstreamAddress {
    /// A host name or an IP, and a port.
    Tcp {
        /// The host, without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A unix socket.
    Unix(PathBuf),
}

/// What an upstream's address says about the connections to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    Http,
    /// HTTP/1.1 with encryption.
    Https,
    /// HTTP/2 without encryption.
    H2c,
}

impl UpstreamAddress {
    /// Reads `host:port`, `host`, `:port`, `http://host[:port]`, `https://host[:port]`, `h2c://host[:port]`,
    /// `tcp/host:port`, `unix//path` or `unix+h2c//path`.
    ///
    /// # Errors A description of the text.
    pub fn parse(text: &str) -> Result<(Self, UpstreamProtocol), &'static str> {
        if text.contains('{') {
            return Err("has a placeholder; name each upstream");
        }
        for (prefix, protocol) in [("unix/", UpstreamProtocol::Http), ("unix+h2c/", UpstreamProtocol::H2c)] {
            if let Some(path) = text.strip_prefix(prefix) {
                let address = Self::Unix(path.into());
                return if path.starts_with('/') { Ok((address, protocol)) } else { Err("has no absolute path") };
            }
        }
        let is_https = text.starts_with("https://");
        let schemes = ["http://", "https://", "h2c://", "tcp/"];
        let bare = schemes.iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
        let bare = bare.strip_suffix('/').unwrap_or(bare);
        if bare.contains("://") {
            return Err("has a scheme that is none of `http://`, `https://` and `h2c://`");
        }
        if bare.contains('/') {
            return Err("has a path; use `rewrite` to change the path of requests");
        }
        let usual = if is_https { 443 } else { 80 };
        let (host, port) = split_port(bare, usual).ok_or("has no port from 1 to 65535")?;
        let host = match host {
            "" => "localhost",
            host => host.trim_matches(['[', ']']),
        };
        let protocol = match text.split_once("://") {
            Some(("h2c", _)) => UpstreamProtocol::H2c,
            Some(("https", _)) => UpstreamProtocol::Https,
            None if port == 443 => UpstreamProtocol::Https,
            _ => UpstreamProtocol::Http,
        };
        Ok((Self::Tcp { host: host.to_owned(), port }, protocol))
    }
}

/// Host and port of `host:port`, or the default port.
fn split_port(text: &str, usual: u16) -> Option<(&str, u16)> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            Some((host, port.parse().ok().filter(|port| *port > 0)?))
        }
        _ => Some((text, usual)),
    }
}

impl fmt::Display for UpstreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix/{}", path.display()),
        }
    }
}

/// Which upstream gets a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadPolicy {
    /// Any.
    Random,
    /// The one with the fewest requests, among this many chosen at random.
    RandomChoose(usize),
    /// One after the other.
    RoundRobin,
    /// One after the other, each as often as its weight says; the weights are in the order of the upstreams.
    WeightedRoundRobin(Vec<usize>),
    /// The first that is available.
    First,
    /// The one with the fewest requests.
    LeastConnections,
    /// The same for all requests of one peer.
    IpHash,
    /// The same for all requests of one client, as trusted proxies report it.
    ClientIpHash,
    /// The same for all requests for one path and query.
    UriHash,
    /// The same for all requests with one value of this field.
    Header(String),
    /// The same for all requests with one value of this parameter of the query.
    Query(String),
    /// The one that a cookie names, which the client gets with its first response.
    Cookie(CookiePolicy),
}

impl LoadPolicy {
    /// Whether it looks at something that a request may not have.
    #[must_use]
    pub fn has_fallback(&self) -> bool {
        matches!(self, Self::Header(_) | Self::Query(_) | Self::Cookie(_))
    }
}

/// The cookie by which a client keeps its upstream.
#[derive(Clone, PartialEq, Eq)]
pub struct CookiePolicy {
    /// Its name.
    pub name: String,
    /// What its values are made with, so that no client can choose an upstream.
    pub secret: String,
    /// How long a client keeps it; `None`: until the browser ends.
    pub max_age: Option<Duration>,
}

impl fmt::Debug for CookiePolicy {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CookiePolicy").field("name", &self.name).field("max_age", &self.max_age).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        use UpstreamProtocol::{H2c, Http, Https};
        let tcp = |host: &str, port| UpstreamAddress::Tcp { host: host.to_owned(), port };
        for (text, address, protocol) in [
            ("localhost:9000", tcp("localhost", 9000), Http),
            ("app", tcp("app", 80), Http),
            (":9000", tcp("localhost", 9000), Http),
            ("http://app:81", tcp("app", 81), Http),
            ("http://app:443", tcp("app", 443), Http),
            ("http://app/", tcp("app", 80), Http),
            ("https://app", tcp("app", 443), Https),
            ("https://app:8443", tcp("app", 8443), Https),
            ("app:443", tcp("app", 443), Https),
            ("h2c://app", tcp("app", 80), H2c),
            ("h2c://app:443", tcp("app", 443), H2c),
            ("tcp/10.0.0.1:8000", tcp("10.0.0.1", 8000), Http),
            ("[::1]:8000", tcp("::1", 8000), Http),
            ("[::1]", tcp("::1", 80), Http),
            ("unix//run/app.sock", UpstreamAddress::Unix("/run/app.sock".into()), Http),
            ("unix+h2c//run/app.sock", UpstreamAddress::Unix("/run/app.sock".into()), H2c),
        ] {
            assert_eq!(UpstreamAddress::parse(text), Ok((address, protocol)), "{text}");
        }
        for wrong in ["h2://app", "ftp://app", "app:0", "app:http", "app:99999", "app/path", "unix/run.sock", "{app}"] {
            assert!(UpstreamAddress::parse(wrong).is_err(), "{wrong}");
        }
    }
}
