//! The settings of the process: threads, php.ini, snapshots, the admin interface, logs.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::cluster::ClusterSettings;
use super::diagnostic::Position;
use super::fpm_log::FpmLog;
use super::limits;
use super::listener::{Bind, parse_port};
use super::proxies::TrustedProxies;
use super::secret::Password;
use super::tls::HttpsSettings;
use super::workers::{ScopeLabel, WorkerConfig};

/// The options of the process: the block without an address at the top of the file.
#[derive(Debug, Clone)]
pub struct Global {
    /// The label of the global scope.
    pub scope: ScopeLabel,
    /// The `frankenphp` block: PHP threads, ini settings, global workers, snapshots.
    pub frankenphp: FrankenPhp,
    /// `admin`: where the admin interface listens. `None`: not set, so it listens on [`Admin::default`]; if that
    /// address is in use, the server runs without it.
    pub admin: Option<Admin>,
    /// `reveal` of `admin`: whether the status page shows values of snapshots whose keys look like secrets.
    pub admin_reveal: bool,
    /// `default_bind`: where the sites listen that have no `bind`.
    pub default_bind: Vec<Bind>,
    /// How long requests and scripts have to end on shutdown, restart and reload before they are interrupted.
    pub grace_period: Duration,
    /// Where the program's own log goes.
    pub log: LogSettings,
    /// Ports, certificates, and automatic HTTPS.
    pub https: HttpsSettings,
    /// `servers`: which proxies are trusted to report the client's address.
    pub trusted_proxies: TrustedProxies,
    /// How long clients may take.
    pub timeouts: Timeouts,
    /// `servers`: the most bytes of a request's head; at most [`REQUEST_HEAD_BYTES_MAX`](crate::limits::REQUEST_HEAD_BYTES_MAX).
    pub head_bytes_max: Option<usize>,
    /// `servers`: the versions of HTTP.
    pub protocols: Protocols,
    /// `debug`: the log level is `debug` unless `log` names another.
    pub debug: bool,
}

impl Default for Global {
    fn default() -> Self {
        Self {
            scope: ScopeLabel::new(ScopeLabel::GLOBAL),
            frankenphp: FrankenPhp::default(),
            admin: None,
            admin_reveal: false,
            default_bind: Vec::new(),
            grace_period: limits::GRACE_PERIOD_DEFAULT,
            log: LogSettings::default(),
            https: HttpsSettings::default(),
            trusted_proxies: TrustedProxies::default(),
            timeouts: Timeouts::default(),
            head_bytes_max: None,
            protocols: Protocols::default(),
            debug: false,
        }
    }
}

/// The time limits for clients (`timeouts`, in the block of `servers`). `None`: not set, so only the server's own
/// bounds apply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first wait for the body of a request to its end.
    pub read_body: Option<Duration>,
    /// From the first byte of a request head, or the start of the connection, to the end of the head.
    pub read_header: Option<Duration>,
    /// From the head of a request to the end of its response.
    pub write: Option<Duration>,
    /// From the end of a response to the first byte of the next request.
    pub idle: Option<Duration>,
}

/// The versions of HTTP besides HTTP/1.1 (`protocols`, in the block of `servers`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocols {
    /// HTTP/2 on encrypted connections, if the client agrees to it in the handshake.
    pub h2: bool,
    /// HTTP/2 without encryption, for clients with prior knowledge (RFC 9113, 3.3).
    pub h2c: bool,
    /// HTTP/3 beside encrypted connections.
    pub h3: bool,
}

impl Default for Protocols {
    fn default() -> Self {
        Self { h2: true, h2c: false, h3: false }
    }
}

/// The `frankenphp` block.
#[derive(Debug, Clone, Default)]
pub struct FrankenPhp {
    /// The number of PHP threads that serve requests from the start. `None`: twice the number of processors.
    pub num_threads: Option<usize>,
    /// Where `num_threads` is.
    pub position: Option<Position>,
    /// The number up to which the server may scale under load. `None`: it does not scale.
    pub max_threads: Option<MaxThreads>,
    /// How long a request may wait for a free PHP thread before it gets a 503. `None`: as long as the client waits.
    pub max_wait_time: Option<Duration>,
    /// How long a thread that was started under load may be idle before it ends.
    pub max_idle_time: Option<Duration>,
    /// After how many requests a thread is replaced, or its worker script restarted. `None`: never.
    pub max_requests: Option<usize>,
    /// php.ini settings, in the order of the file; a later one wins.
    pub php_ini: Vec<(String, String)>,
    /// The workers of the global scope.
    pub workers: Vec<WorkerConfig>,
    /// How snapshots are published and read.
    pub vars: VarsSettings,
    /// The stores of all scopes, in the order of the file. No two have one name.
    pub stores: Vec<StoreSettings>,
    /// `apcu`: the store behind the functions of the extension apcu.
    pub apcu: Option<String>,
    /// `cluster`: the engine by which instances share workers. `None`: this instance is alone.
    pub cluster: Option<ClusterSettings>,
}

/// A store (the `store` block): a map that the scripts of a scope, or of all scopes, share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// Its name.
    pub name: String,
    /// The bytes of all elements.
    pub max_bytes: usize,
    /// How many elements it holds.
    pub max_keys: usize,
    /// Whether a full store removes elements that were not used for a long time; otherwise it refuses writes.
    pub evicts: bool,
    /// The address for clients of Redis; `None`: nowhere.
    pub listen: Option<Admin>,
    /// The password of those clients.
    pub password: Option<Password>,
    /// Whether all instances of the cluster share it.
    pub cluster: bool,
    /// Where the block starts.
    pub position: Position,
}

/// The upper bound of the number of PHP threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxThreads {
    /// `auto`: derived from the memory of the machine and PHP's `memory_limit`.
    Auto,
    /// Exactly this many.
    Count(usize),
}

/// How `frankenphp_get_vars()` returns a snapshot to a long-lived script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VarsMode {
    /// Small snapshots are copied, large ones are shared while the budgets last.
    #[default]
    Auto,
    /// Always shared: fastest, and every version that a long-lived script has seen stays in memory until it ends.
    ZeroCopy,
    /// Always copied into the memory of the reading script.
    Copy,
}

/// The settings of snapshots (the `vars` block).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VarsSettings {
    /// Whether a read shares or copies.
    pub mode: VarsMode,
    /// Whether published snapshots become read-only memory pages.
    pub hardened: bool,
    /// In the mode `auto`, snapshots of up to this many bytes are copied in long-lived scripts.
    pub copy_max_bytes: usize,
    /// The largest snapshot that a worker may publish, in bytes.
    pub max_bytes: usize,
    /// The deepest nesting of arrays that a worker may publish.
    pub max_depth: usize,
    /// How many bytes of replaced versions one thread may keep alive before reads are copied.
    pub thread_budget_bytes: usize,
    /// How many bytes of replaced versions all threads together may keep alive before reads are copied.
    pub process_budget_bytes: usize,
}

impl Default for VarsSettings {
    fn default() -> Self {
        Self {
            mode: VarsMode::Auto,
            hardened: false,
            copy_max_bytes: limits::VARS_COPY_MAX_BYTES_DEFAULT,
            max_bytes: limits::VARS_MAX_BYTES_DEFAULT,
            max_depth: limits::VARS_DEPTH_MAX,
            thread_budget_bytes: limits::VARS_THREAD_BUDGET_BYTES_DEFAULT,
            process_budget_bytes: limits::VARS_PROCESS_BUDGET_BYTES_DEFAULT,
        }
    }
}

/// Where the admin interface (restart, reload, metrics, states) listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admin {
    /// `admin off`: nowhere.
    Off,
    /// On this address. Port 0: any free port.
    Addr(SocketAddr),
    /// On a Unix socket of this absolute path.
    Unix(PathBuf),
}

impl Admin {
    /// Reads `off`, `localhost:PORT`, `:PORT` (every interface, as in Caddy), an IP with a port, or `unix/PATH`.
    /// `None`: another text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "off" {
            return Some(Self::Off);
        }
        if let Some(path) = text.strip_prefix("unix/") {
            return Path::new(path).is_absolute().then(|| Self::Unix(path.into()));
        }
        if text == "localhost" {
            return Some(Self::default());
        }
        let address = if let Some(digits) = text.strip_prefix("localhost:") {
            parse_port(digits).map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
        } else if let Some(digits) = text.strip_prefix(':') {
            parse_port(digits).map(|port| SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port))
        } else {
            text.parse().ok()
        };
        address.map(Self::Addr)
    }
}

impl fmt::Display for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Addr(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix/{}", path.display()),
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self::Addr(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), limits::ADMIN_PORT_DEFAULT))
    }
}

/// A log's output and format.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogSettings {
    /// The least severe level that is written. `None`: `info`, or `debug` under the global option `debug`.
    pub level: Option<LogLevel>,
    /// Text for people or JSON for machines.
    pub format: LogFormat,
    /// The lines of php-fpm's access log, in place of `format`.
    pub fpm: Option<FpmLog>,
    /// How the records of requests write times, durations and levels.
    pub style: LogStyle,
    /// The changes to the records of requests before they are written, in order.
    pub filters: Vec<LogFilter>,
    /// Where the records go.
    pub output: LogOutput,
    /// The hosts whose requests are logged; empty: all.
    pub hostnames: Vec<String>,
    /// Whether the records of requests show the values that are masked by default.
    pub credentials: bool,
}

/// The severity of a log record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// What happens in normal operation.
    Info,
    /// What someone should look at.
    Warn,
    /// What went wrong.
    Error,
}

/// The format of log records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One line of text a record.
    #[default]
    Text,
    /// One JSON object a record.
    Json,
}

/// How the records of requests write some values in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogStyle {
    /// The time of a request.
    pub time: LogTime,
    /// Durations.
    pub duration: LogDuration,
    /// Whether levels are in upper case.
    pub upper_level: bool,
}

/// How a log writes a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogTime {
    /// Seconds since the start of 1970 with decimals, as a number.
    #[default]
    Seconds,
    /// Milliseconds since then, as a number.
    Milliseconds,
    /// Nanoseconds since then, as a number.
    Nanoseconds,
    /// `2026-11-28T10:43:29Z`, with this many decimals of the second.
    Iso(u8),
    /// `2026/11/28 10:43:29`, with this many decimals of the second.
    Wall(u8),
    /// `28/Nov/2026:10:43:29 +0000`.
    Common,
}

/// How a log writes a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogDuration {
    /// Seconds with decimals, as a number.
    #[default]
    Seconds,
    /// Milliseconds, as a number.
    Milliseconds,
    /// Nanoseconds, as a number.
    Nanoseconds,
    /// `1.5ms`.
    Text,
}

/// A change to the records of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter {
    /// The path of the field in the JSON form of a record: `request`, `headers`, `Cookie`.
    pub path: Vec<String>,
    /// The change.
    pub op: LogFilterOp,
}

/// The action of a filter on a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogFilterOp {
    /// Removes it.
    Delete,
    /// Calls it otherwise.
    Rename(String),
    /// Replaces it by this text.
    Replace(String),
    /// Replaces it by a short hash, so equal values can be found.
    Hash,
    /// Keeps the first bits of an address, and zeroes the others.
    IpMask {
        /// The number of bits kept of an IPv4 address.
        ipv4: u8,
        /// The number of bits kept of an IPv6 address.
        ipv6: u8,
    },
    /// Changes query parameters of an address.
    Query(Vec<(String, LogValueOp)>),
    /// Changes cookies.
    Cookie(Vec<(String, LogValueOp)>),
    /// A further field of the record, or another value of one, whatever it was.
    Append(String),
    /// Replaces matches of a regular expression. It was compiled when the configuration was read.
    Regexp {
        /// The expression.
        pattern: String,
        /// The replacement; `$1` is the first group.
        with: String,
    },
}

/// The action of a filter on one parameter or one cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogValueOp {
    /// Removes it.
    Delete,
    /// Replaces the value by this text.
    Replace(String),
    /// Replaces the value by a short hash.
    Hash,
}

/// Where log records go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LogOutput {
    /// The standard error.
    #[default]
    Stderr,
    /// The standard output.
    Stdout,
    /// Nowhere.
    Discard,
    /// Appended to a file.
    File {
        /// Its absolute path.
        path: PathBuf,
        /// When a new file begins; `None`: never.
        roll: Option<LogRoll>,
    },
}

/// When a log file is rotated, and how long it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRoll {
    /// The size at which a new file starts.
    pub size_bytes: u64,
    /// How many old files are kept; 0: all.
    pub keep: usize,
    /// How long old files are kept; zero: always.
    pub keep_for: Duration,
    /// Whether old files are compressed.
    pub compress: bool,
}

impl Default for LogRoll {
    /// Caddy's.
    fn default() -> Self {
        Self {
            size_bytes: limits::LOG_ROLL_BYTES_DEFAULT,
            keep: limits::LOG_ROLL_KEEP_DEFAULT,
            keep_for: limits::LOG_ROLL_KEEP_FOR_DEFAULT,
            compress: true,
        }
    }
}
