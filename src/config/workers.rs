//! The workers of a scope, as the configuration declares them.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::diagnostic::Position;
use super::limits;
use super::matcher::PathPattern;
use super::watch::WatchPattern;

/// The name of a scope: `global`, or the block's `name`, its first host, else its first listener address (`:8080`).
/// If the label is already used, a number is appended (`example.com-2`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeLabel(Arc<str>);

impl ScopeLabel {
    /// The label of the scope outside every `php_server` block.
    pub const GLOBAL: &'static str = "global";

    /// A label of this text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the scope outside every `php_server` block.
    #[must_use]
    pub fn is_global(&self) -> bool {
        &*self.0 == Self::GLOBAL
    }
}

impl fmt::Display for ScopeLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ScopeLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// A php.ini setting for the scripts of one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IniSetting {
    /// The name.
    pub name: String,
    /// The value, in php.ini's syntax.
    pub value: String,
    /// Whether the scripts may not change it.
    pub is_admin: bool,
}

/// A worker's declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerConfig {
    /// The script: absolute, without symbolic links resolved; it existed when the configuration was read.
    pub file: PathBuf,
    /// The same path without symbolic links: a deployment that switches a link makes it a different worker.
    pub resolved: PathBuf,
    /// The kind of the worker.
    pub kind: WorkerKind,
    /// When a background worker counts as ready.
    pub ready: ReadyWhen,
    /// The name. `None`: an HTTP worker is known by its file, a background worker is the catch-all of its scope.
    pub name: Option<String>,
    /// The number of threads that run the script from the start. `None`: twice the number of processors for an HTTP
    /// worker, 0 (started on first demand) for a background worker. See [`WorkerConfig::boot_threads`].
    pub num: Option<usize>,
    /// HTTP worker: the number of threads up to which it may scale. Catch-all: the number of distinct names it may
    /// start.
    pub max_threads: Option<usize>,
    /// The number of failures in a row after which the worker is given up; -1: never.
    pub max_consecutive_failures: i32,
    /// HTTP worker: after how many requests its script is restarted; 0: never. `None`: as the `frankenphp` block says.
    pub max_requests: Option<usize>,
    /// Background worker: it runs on one instance of the cluster at a time.
    pub cluster: bool,
    /// Background worker: how many tasks may wait for a thread.
    pub max_tasks: usize,
    /// The script's environment variables: the block's, overridden by the worker's own.
    pub env: Vec<(String, String)>,
    /// The php.ini settings of the block.
    pub ini: Vec<IniSetting>,
    /// `clear_env` of its block.
    pub clear_env: bool,
    /// Background worker: the topic that gets each of its versions.
    pub feed: Option<Feed>,
    /// The patterns of files whose change restarts the worker.
    pub watch: Vec<WatchPattern>,
    /// Where the declaration starts.
    pub position: Position,
}

impl WorkerConfig {
    /// Whether this is a background worker.
    #[must_use]
    pub fn is_background(&self) -> bool {
        self.kind == WorkerKind::Background
    }

    /// Whether this is the catch-all of its scope: a background worker without a name.
    #[must_use]
    pub fn is_catch_all(&self) -> bool {
        self.is_background() && self.name.is_none()
    }

    /// The number of distinct names that a catch-all may start.
    #[must_use]
    pub fn names_max(&self) -> usize {
        self.max_threads.unwrap_or(limits::CATCH_ALL_NAMES_DEFAULT)
    }

    /// The number of threads that start with the server, on a machine with this many processors.
    #[must_use]
    pub fn boot_threads(&self, processors: usize) -> usize {
        match (self.num, &self.kind) {
            (Some(num), _) => num,
            (None, WorkerKind::Background) => 0,
            (None, WorkerKind::Http { .. }) => processors.saturating_mul(2).min(limits::THREADS_MAX),
        }
    }

    /// Whether `other` declares the same worker, wherever it is in the file. On a reload such a worker keeps
    /// running.
    #[must_use]
    pub fn same_declaration(&self, other: &Self) -> bool {
        let moved = Self { position: self.position.clone(), ..other.clone() };
        *self == moved
    }
}

/// `mercure TOPIC [private] [merge-patch]`: each version of a worker's array becomes an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// The topic.
    pub topic: String,
    /// Whether only subscribers that may get private updates of the topic get it.
    pub is_private: bool,
    /// Whether most updates have only what has changed.
    pub is_patch: bool,
}

/// `hot_reload`: open pages are loaded again when a watched file changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HotReload {
    /// The topic that gets the changes.
    pub topic: String,
    /// The patterns of files.
    pub watch: Vec<WatchPattern>,
}

/// What makes a background worker ready, so that waits for it return.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReadyWhen {
    /// It has published.
    #[default]
    Publish,
    /// It has published, or asked for its handle.
    Handle,
    /// Its script has started.
    Start,
}

/// The kind of a worker, by the purpose of its script.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum WorkerKind {
    /// It answers requests with `frankenphp_handle_request()`.
    Http {
        /// Path patterns that are routed to the worker, independent of the place of its file. Empty: requests for its
        /// file.
        match_: Vec<PathPattern>,
    },
    /// It runs beside the requests and publishes variables.
    Background,
}
