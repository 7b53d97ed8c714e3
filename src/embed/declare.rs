//! What a program declares with types: workers, stores, and scopes, each checked as a Caddyfile is.

use crate::config::{Declaration, ReadyWhen};
use std::path::Path;

/// A worker in PHP.
#[derive(Debug, Clone)]
#[must_use = "a scope or the builder takes it"]
pub struct Worker(Declaration);

impl Worker {
    /// A script that answers requests with `frankenphp_handle_request()`.
    #[track_caller]
    pub fn http(file: impl AsRef<Path>) -> Self {
        Self(Declaration::new(["worker".into(), text(file)]))
    }

    /// A script that runs beside the requests, and publishes under this name.
    #[track_caller]
    pub fn background(name: &str, file: impl AsRef<Path>) -> Self {
        let mut worker = Self::http(file);
        worker.0.add(Declaration::new(["background"]));
        worker.0.add(Declaration::new(["name", name]));
        worker
    }

    /// How many threads run it from the start. By default two for each processor; of a background worker none, until a script
    /// asks for it.
    #[track_caller]
    pub fn threads(self, count: usize) -> Self {
        self.with("num", count)
    }

    /// A variable of its environment. May be called again.
    #[track_caller]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.0.add(Declaration::new(["env", name, value]));
        self
    }

    /// After how many failures in a row it is given up; by default after six.
    #[track_caller]
    pub fn failures_max(self, count: u32) -> Self {
        self.with("max_consecutive_failures", count)
    }

    /// A background worker: how many tasks may wait for a thread.
    #[track_caller]
    pub fn tasks_max(self, count: usize) -> Self {
        self.with("max_tasks", count)
    }

    /// An HTTP worker: after how many requests its script starts again.
    #[track_caller]
    pub fn requests_max(self, count: usize) -> Self {
        self.with("max_requests", count)
    }

    /// A background worker: when scripts stop waiting for it.
    #[track_caller]
    pub fn ready(self, when: ReadyWhen) -> Self {
        let word = match when {
            ReadyWhen::Publish => "publish",
            ReadyWhen::Handle => "handle",
            ReadyWhen::Start => "start",
        };
        self.with("ready", word)
    }

    /// An HTTP worker of a scope: requests for these paths go to it, wherever its file is. May be called again.
    #[track_caller]
    pub fn matching(self, path: &str) -> Self {
        self.with("match", path)
    }

    #[track_caller]
    fn with(mut self, directive: &str, value: impl ToString) -> Self {
        self.0.add(Declaration::new([directive.to_owned(), value.to_string()]));
        self
    }

    pub(super) fn into_declaration(self) -> Declaration {
        self.0
    }
}

/// A store: a map that scripts share.
#[derive(Debug, Clone)]
#[must_use = "a scope or the builder takes it"]
pub struct Store(Declaration);

impl Store {
    /// A store of this name.
    #[track_caller]
    pub fn new(name: &str) -> Self {
        Self(Declaration::new(["store", name]))
    }

    /// The bytes of all elements together.
    #[track_caller]
    pub fn bytes_max(mut self, bytes: usize) -> Self {
        self.0.add(Declaration::new(["max_bytes".to_owned(), bytes.to_string()]));
        self
    }

    /// How many elements it holds at most.
    #[track_caller]
    pub fn keys_max(mut self, count: usize) -> Self {
        self.0.add(Declaration::new(["max_keys".to_owned(), count.to_string()]));
        self
    }

    /// A full store removes elements that were not used for a long time. By default it refuses writes.
    #[track_caller]
    pub fn evicts(mut self) -> Self {
        self.0.add(Declaration::new(["eviction", "lru"]));
        self
    }

    /// All instances share it, in the Redis of the cluster that the text declares.
    #[track_caller]
    pub fn of_cluster(mut self) -> Self {
        self.0.add(Declaration::new(["cluster"]));
        self
    }

    pub(super) fn into_declaration(self) -> Declaration {
        self.0
    }
}

/// A site with one block of PHP: its scripts see the workers and stores of this scope, or the global workers if it has no
/// background worker.
#[derive(Debug, Clone)]
#[must_use = "the builder takes it"]
pub struct PhpScope {
    hosts: Vec<String>,
    block: Declaration,
    place: Declaration,
}

impl PhpScope {
    /// A scope of this label, with this document root.
    #[track_caller]
    pub fn new(label: &str, root: impl AsRef<Path>) -> Self {
        let mut block = Declaration::new(["php_server"]);
        block.add(Declaration::new(["name", label]));
        block.add(Declaration::new(["root".into(), text(root)]));
        Self { hosts: Vec::new(), block, place: Declaration::new([""; 0]) }
    }

    /// The host whose requests it answers; may be called again. Without one it answers all that no other scope names.
    pub fn host(mut self, host: &str) -> Self {
        self.hosts.push(host.to_owned());
        self
    }

    /// A variable of the environment of all its scripts. May be called again.
    #[track_caller]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.block.add(Declaration::new(["env", name, value]));
        self
    }

    /// A setting of php.ini for all its scripts. May be called again.
    #[track_caller]
    pub fn ini(mut self, name: &str, value: &str) -> Self {
        self.block.add(Declaration::new(["php_value", name, value]));
        self
    }

    /// A worker that only its scripts see.
    pub fn worker(mut self, worker: Worker) -> Self {
        self.block.add(worker.into_declaration());
        self
    }

    /// A store that only its scripts see.
    pub fn store(mut self, store: Store) -> Self {
        self.block.add(store.into_declaration());
        self
    }

    pub(super) fn into_declaration(self) -> Declaration {
        let Self { hosts, block, mut place } = self;
        // The program listens, so only the hosts count.
        let addresses = hosts.iter().map(|host| format!("http://{host}"));
        place.name(if hosts.is_empty() { vec![":80".to_owned()] } else { addresses.collect() });
        place.add(block);
        place
    }
}

fn text(path: impl AsRef<Path>) -> String {
    path.as_ref().to_string_lossy().into_owned()
}
