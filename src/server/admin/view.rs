//! The JSON of the admin interface, as types. The command line reads the same types.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The answer of `GET /config/apps/frankenphp`, in the format of FrankenPHP's own configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AppView {
    /// The number of the process.
    pub pid: u32,
    /// How many PHP threads serve requests from the start; `null`: twice the number of processors.
    pub num_threads: Option<usize>,
    /// All workers that the configuration declares.
    pub workers: Vec<WorkerConfigView>,
}

/// A worker as the configuration declares it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerConfigView {
    /// Its name.
    pub name: Option<String>,
    /// Its script.
    pub file_name: PathBuf,
    /// How many threads run it from the start.
    pub num: Option<usize>,
    /// Whether it runs beside the requests.
    pub background: bool,
}

/// The answer of `GET /frankenphp/status`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StatusView {
    /// The version of Igor.
    pub version: String,
    /// The PHP that runs.
    pub php: PhpView,
    /// The number of the process.
    pub pid: u32,
    /// How long ago the server started.
    pub uptime_seconds: f64,
}

/// One of the answers of `GET /frankenphp/stores`, which has one for each store, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreView {
    /// Its name.
    pub name: String,
    /// The label of the scope that sees it; `global`: all of them do.
    pub scope: String,
    /// The number of elements, including expired ones not removed yet.
    pub keys: usize,
    /// How many there may be.
    pub max_keys: usize,
    /// Bytes of all elements.
    pub bytes: usize,
    /// How many there may be.
    pub max_bytes: usize,
    /// Changes since the start.
    pub version: u64,
    /// Reads that found an element.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Elements that were removed to make room.
    pub evicted: u64,
    /// Expired elements that were removed.
    pub expired: u64,
    /// Writes that found no room.
    pub refused: u64,
    /// Streams and clients that watch for changes.
    pub watchers: usize,
    /// Only for a store of the cluster, whose numbers above are those of the copies that this instance has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<StoreClusterView>,
}

/// What a store of the cluster has in addition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreClusterView {
    /// Whether there is a connection to the engine.
    pub connected: bool,
    /// Why there is none.
    pub reason: Option<String>,
    /// For how many milliseconds there has been none.
    pub silent_ms: u64,
    /// Calls that the engine has not done.
    pub errors: u64,
    /// Copies that were removed because the element has changed.
    pub invalidated: u64,
}

/// The PHP that runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhpView {
    /// The version of the loaded library.
    pub version: String,
    /// Why this version must be replaced; `null`: nothing is known against it.
    pub r#unsafe: Option<UnsafeView>,
}

/// A release of PHP against which remote code execution is public.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsafeView {
    /// The first release of the series that is not affected.
    pub safe_from: String,
    /// The day on which it became public.
    pub public_since: String,
    /// What became public.
    pub reason: String,
}

/// What the status page gets every second.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EventView {
    /// The server.
    pub status: StatusView,
    /// The memory of the process that is resident, in bytes.
    pub resident_bytes: u64,
    /// Requests that wait for a classic thread.
    pub queue: usize,
    /// Every worker.
    pub workers: Workers,
    /// Every PHP thread.
    pub threads: Threads,
    /// Every store.
    pub stores: Vec<StoreView>,
    /// How many requests of the present threads took less than 1 ms, 2 ms, and so on up to 4096 ms, and the rest. Each request is in
    /// one of these counts.
    pub latency: Vec<u64>,
    /// opcache; `null`: it does not run.
    pub opcache: Option<OpcacheView>,
    /// The lines of the log since the last event.
    pub log: Vec<String>,
}

/// How full opcache is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpcacheView {
    /// Bytes of compiled scripts.
    pub used_bytes: u64,
    /// Bytes that are free.
    pub free_bytes: u64,
    /// Bytes of scripts that have changed since.
    pub wasted_bytes: u64,
    /// Compiled scripts.
    pub scripts: u64,
    /// How many there may be.
    pub max_scripts: u64,
    /// Scripts that were found there.
    pub hits: u64,
    /// Scripts that had to be compiled.
    pub misses: u64,
}

/// The answer of `GET /frankenphp/snapshot`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SnapshotView {
    /// Its version, from 1.
    pub version: u64,
    /// Its size.
    pub bytes: usize,
    /// The array, with `{"hidden": "string"}` in the place of what looks like a secret, by its type.
    pub vars: serde_json::Value,
}

/// The answer of `GET /readyz`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadyView {
    /// Whether all eager workers are ready.
    pub ready: bool,
    /// The workers that are not ready.
    pub not_ready: Vec<NotReadyView>,
}

/// A worker that is not ready.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotReadyView {
    /// The label of the scope that declares it.
    pub scope: String,
    /// Its name.
    pub worker: String,
    /// `starting`, `given up` or `stopping`.
    pub state: String,
}

/// The answer of `GET /frankenphp/workers`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Workers {
    /// The background workers, by scope and name.
    pub background: Vec<BackgroundView>,
    /// The HTTP workers, by scope and name.
    pub http: Vec<HttpView>,
}

/// A background worker. All counts are since it was declared in this form.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BackgroundView {
    /// The label of the scope that declares it.
    pub scope: String,
    /// Its name; for a catch-all, the requested name.
    pub name: String,
    /// Its script.
    pub file: PathBuf,
    /// `idle`, `starting`, `running`, `ready`, `given up` or `stopping`.
    pub state: String,
    /// PHP threads that run it.
    pub threads: usize,
    /// The number of its newest run; 0 before the first.
    pub run: u64,
    /// Failed runs in a row.
    pub attempts: u32,
    /// Failed runs in a row after which it is given up; `null` is never.
    pub max_consecutive_failures: Option<u32>,
    /// Exit status of the last run that ended.
    pub last_exit_status: Option<i32>,
    /// The PHP error that ended the last failed run.
    pub last_error: Option<ErrorView>,
    /// The version of its snapshot; 0 before the first publish.
    pub version: u64,
    /// The size of its snapshot.
    pub bytes: Option<usize>,
    /// How long ago its snapshot last changed.
    pub age_seconds: Option<f64>,
    /// The time since its script last called `frankenphp_set_vars()`, whether or not the array had changed.
    pub last_publish_seconds: Option<f64>,
    /// The threads that wait until it is ready.
    pub waiters: Vec<WaiterView>,
    /// What has been counted.
    pub counts: BackgroundCounts,
    /// The tasks that were sent to it.
    pub tasks: TaskView,
    /// Its cluster; `null`: it belongs to none.
    #[serde(default)]
    pub cluster: Option<ClusterWorkerView>,
}

/// A background worker that runs on one instance of a cluster at a time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterWorkerView {
    /// Whether this instance runs it.
    pub leads: bool,
    /// The instance that does; `null`: not known, or none does.
    pub leader: Option<String>,
    /// The leader that has published the snapshot, counted from 1; 0: none has arrived.
    pub epoch: u64,
    /// The publishes of that leader so far.
    pub number: u64,
    /// Publishes of this instance that the engine has not accepted yet.
    pub behind: u64,
    /// Whether the engine has ever answered; for `/readyz`.
    #[serde(skip)]
    pub reached: bool,
    /// How many seconds ago the engine has last answered; before its first answer, since the start.
    pub silent_seconds: u64,
    /// Why it does not answer now.
    pub error: Option<String>,
    /// Calls of the engine that failed.
    pub errors: u64,
    /// How often this instance has become the leader.
    pub elections: u64,
    /// Publishes that the engine has refused, because another instance leads.
    pub refused: u64,
}

/// The tasks of a background worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskView {
    /// Tasks that wait for a thread.
    pub queued: usize,
    /// How long the oldest of them has been waiting.
    pub oldest_seconds: Option<f64>,
    /// Tasks that threads have taken and not closed.
    pub running: usize,
    /// Tasks that were completed.
    pub completed: u64,
    /// Tasks whose run ended, or dropped them, before they were complete.
    pub aborted: u64,
    /// Tasks that their senders gave up.
    pub abandoned: u64,
    /// Tasks that no thread took in time.
    pub timed_out: u64,
    /// The time that threads spent on tasks.
    pub seconds: f64,
}

/// The counts of a background worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackgroundCounts {
    /// Started runs of its script.
    pub starts: u64,
    /// Runs that have become ready.
    pub ready: u64,
    /// Runs that failed.
    pub failures: u64,
    /// How often it was given up.
    pub give_ups: u64,
    /// Runs that had to be interrupted.
    pub kills: u64,
    /// Runs that followed another, by what ended the one before.
    pub restarts: RestartCounts,
    /// Publishes that changed something.
    pub publishes: u64,
    /// Publishes that changed nothing.
    pub skipped_publishes: u64,
    /// Reads that missed the reading cache of their thread.
    pub reads: u64,
}

/// Runs that followed another, by what ended the one before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartCounts {
    /// It ended by itself, with status 0.
    pub exit: u64,
    /// It failed.
    pub failure: u64,
    /// This interface or a changed file has requested it.
    pub restart: u64,
    /// A reload has changed its declaration.
    pub reload: u64,
}

/// A PHP error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorView {
    /// PHP's name of the level, and the first line of the message.
    pub message: String,
    /// The script file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// A thread that waits for a background worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WaiterView {
    /// The PHP thread, as in `GET /frankenphp/threads`.
    pub thread: String,
    /// For how long.
    pub seconds: f64,
}

/// An HTTP worker. All counts are since it was declared in this form.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HttpView {
    /// The label of the scope that declares it.
    pub scope: String,
    /// Its name; without one, the path of its script.
    pub name: String,
    /// Its script.
    pub file: PathBuf,
    /// Threads that have not given up.
    pub threads: usize,
    /// Threads whose script has come to its first `frankenphp_handle_request()`.
    pub ready: usize,
    /// Threads that serve a request.
    pub busy: usize,
    /// Threads that wait for a request.
    pub idle: usize,
    /// Requests that wait for a thread.
    pub queue: usize,
    /// Requests that have been served.
    pub requests: u64,
    /// The time that threads spent on them.
    pub request_seconds: f64,
    /// Runs of its script that failed.
    pub crashes: u64,
    /// Runs of its script that ended by themselves with status 0 and were followed by another.
    pub restarts: u64,
    /// Exit status of the last failed run.
    pub last_exit_status: Option<i32>,
    /// The PHP error that ended it.
    pub last_error: Option<ErrorView>,
}

/// The answer of `GET /frankenphp/threads`, in the form that FrankenPHP's tools read, with some fields more.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Threads {
    /// Every PHP thread.
    pub thread_debug_states: Vec<ThreadView>,
    /// Classic threads that may still be started under load.
    pub reserved_thread_count: usize,
}

/// A PHP thread.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ThreadView {
    /// Its place in this list.
    pub index: usize,
    /// Its name, as debuggers and waits for workers show it.
    pub name: String,
    /// `classic`, `http` or `background`.
    pub kind: String,
    /// Its worker; `null` for classic threads.
    pub worker: Option<String>,
    /// The label of the scope that declares the worker.
    pub scope: Option<String>,
    /// The worker's script; of a classic thread, the script of its current request or the last one.
    pub script: Option<PathBuf>,
    /// `starting`, `idle`, `busy` (in a request), `running` (a worker's script outside of requests) or `pausing`
    /// (before the next run of it).
    pub state: String,
    /// Since when, in milliseconds.
    pub state_since_milliseconds: u64,
    /// The number of the run of its worker's script; 0 for none.
    pub run: u64,
    /// Where its script was less than a few seconds ago, as `file:line`; `null`: not known, as in a call that blocks.
    #[serde(default)]
    pub place: Option<String>,
    /// Whether it waits for a request.
    pub is_waiting: bool,
    /// Whether it serves a request.
    pub is_busy: bool,
    /// How long it has been waiting for a request; 0: it does not wait.
    pub waiting_since_milliseconds: u64,
    /// Path and query of the current request.
    #[serde(rename = "CurrentURI")]
    pub current_uri: String,
    /// The method of the current request.
    pub current_method: String,
    /// The start of the current request, in milliseconds since 1970; 0: none.
    pub request_started_at: u64,
    /// Requests that it has begun.
    pub request_count: u64,
}

/// The answer of `POST /frankenphp/workers/restart`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restarted {
    /// How many workers restarted.
    pub workers: usize,
    /// Threads whose scripts could not be stopped, so their workers did not restart.
    pub stuck: Vec<StuckView>,
}

/// A thread whose script could not be stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StuckView {
    /// The thread's name.
    pub thread: String,
    /// The script and line where it hangs, if known.
    pub place: Option<String>,
}

/// The answer of `POST /load`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Warnings: probable mistakes, and settings that only take effect at the next start.
    pub warnings: Vec<String>,
}
