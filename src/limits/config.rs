//! The bounds and defaults of the configuration, each with its reason.

use std::time::Duration;

/// The largest configuration file, imported files included one by one. Thousands of sites fit; a wrong path (a log, a
/// device) does not.
pub const FILE_BYTES_MAX: u64 = 4 * MIB as u64;

/// The most characters of one file after its environment variables were inserted: a variable may hold whole blocks, and
/// a file may use it often.
pub(crate) const EXPANDED_CHARS_MAX: usize = 8 * MIB;

/// The most bytes that arguments of imports and `{env.NAME}` may add: arguments that repeat themselves grow without end
/// from import to import.
pub(crate) const FILLED_BYTES_MAX: usize = 8 * MIB;

/// The most variables without a value that are remembered, to be named in messages about their lines.
pub(crate) const EMPTY_VARIABLES_MAX: usize = 1_000;

/// The most lines of configuration after all imports: snippets that import one another twice double at each step.
pub(crate) const NODES_MAX: usize = 100_000;

/// The deepest nesting of blocks: no directive goes deeper than five; the parser recurses.
pub(crate) const BLOCK_DEPTH_MAX: usize = 32;

/// The deepest chain of imports: enough for every layout seen in practice, and small enough for a readable message.
pub(crate) const IMPORT_DEPTH_MAX: usize = 16;

/// The most files that one import pattern may name.
pub(crate) const IMPORT_FILES_MAX: usize = 1_000;

/// The deepest nesting of an `expression`: its parser and its evaluation recurse.
pub(crate) const EXPRESSION_DEPTH_MAX: usize = 32;

/// The most words of an `expression`: a chain of operators is as deep as it is long.
pub(crate) const EXPRESSION_WORDS_MAX: usize = 1_000;

/// The deepest nesting of routes after named routes were inserted: each level uses three of a request's 128 marks for
/// taken exclusive routes.
pub const ROUTE_DEPTH_MAX: usize = 42;

/// The most routes of a site after named routes were inserted: named routes that invoke others can double at each step.
pub(crate) const ROUTES_MAX: usize = 100_000;

/// Ports of one range of upstreams.
pub(crate) const UPSTREAM_PORTS_MAX: usize = 1_000;

/// Parts that `split` of an expression makes of a text: the last one is the rest. Texts come from clients.
pub(crate) const EXPRESSION_PARTS_MAX: usize = 1_000;

/// Steps that an expression takes for one request: two nested macros over lists of 100, and some milliseconds.
pub(crate) const EXPRESSION_STEPS_MAX: usize = 100_000;

/// A value with so many bytes costs one more step.
pub(crate) const EXPRESSION_STEP_BYTES: usize = 1024;

/// The largest text that an expression puts together: larger than what clients send, and little for the server.
pub(crate) const EXPRESSION_TEXT_BYTES_MAX: usize = MIB;

/// The largest `.htaccess` that is read: they hold a few lines.
pub const HTACCESS_BYTES_MAX: u64 = MIB as u64;

/// The number and depth of the folders below a document root that are searched for `.htaccess` files. Applications with
/// such files have fewer, and the check stays fast for a waiting user.
pub const HTACCESS_FOLDERS_MAX: usize = 5_000;
/// See [`HTACCESS_FOLDERS_MAX`].
pub const HTACCESS_DEPTH_MAX: usize = 8;

/// The most findings of one run: a longer list is not useful.
pub(crate) const DIAGNOSTICS_MAX: usize = 100;

/// The most threads of a pool. An idle PHP thread takes 0.4 MB, and its stack 16 MiB of address space. A larger number
/// is a typing error on any machine of today.
pub const THREADS_MAX: usize = 4096;

/// The largest `max_requests`: more than a thread serves in years.
pub const MAX_REQUESTS_MAX: usize = 1 << 40;

/// The default number of names that a catch-all starts.
pub const CATCH_ALL_NAMES_DEFAULT: usize = 16;

/// The default number of failures in a row after which a worker is given up.
pub const CONSECUTIVE_FAILURES_DEFAULT: i32 = 6;

/// The longest name of a worker, in bytes: it becomes a metric label, a thread name and a log field.
pub const WORKER_NAME_BYTES_MAX: usize = 255;

/// The default time that scripts have to end on shutdown.
pub const GRACE_PERIOD_DEFAULT: Duration = Duration::from_secs(5);

/// The longest duration of any setting: a year. Longer ones overflow timers on some systems.
pub const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Caddy's port for its admin interface.
pub const ADMIN_PORT_DEFAULT: u16 = 2019;

/// The default permissions of a Unix socket: owner and group, like php-fpm's `listen.mode`.
pub const SOCKET_MODE_DEFAULT: u32 = 0o660;

/// The port of an address without one.
pub const HTTP_PORT_DEFAULT: u16 = 80;

/// The port of FastCGI: php-fpm's.
pub(crate) const FASTCGI_PORT_DEFAULT: u16 = 9000;

/// The port of HTTPS.
pub(crate) const HTTPS_PORT_DEFAULT: u16 = 443;

/// The default size at which a new log file starts: Caddy's 100 MB, which common editors can still open.
pub(crate) const LOG_ROLL_BYTES_DEFAULT: u64 = 100 * MIB as u64;

/// The default number of old log files that are kept: Caddy's.
pub(crate) const LOG_ROLL_KEEP_DEFAULT: usize = 10;

/// The default time that old log files are kept: Caddy's 90 days.
pub(crate) const LOG_ROLL_KEEP_FOR_DEFAULT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// The most old log files that a setting can ask for: more is a typing error.
pub(crate) const LOG_FILES_MAX: usize = 100_000;

/// The largest compiled form of a regular expression of the configuration, in bytes. Matching takes time in proportion
/// to it and to the text, never more.
pub(crate) const REGEXP_BYTES_MAX: usize = MIB;

/// The most accounts of one `basic_auth`: they are searched one by one.
pub(crate) const ACCOUNTS_MAX: usize = 1_000;

/// The largest cost of a bcrypt hash: a check takes some seconds, and each further step doubles it.
pub(crate) const BCRYPT_COST_MAX: u32 = 16;

/// The largest memory cost of an Argon2id hash, in KiB: 256 MiB. Caddy's default is 46 MiB.
pub(crate) const ARGON2_MEMORY_KIB_MAX: u32 = 256 * 1024;

/// The largest number of passes of an Argon2id hash: with the largest memory a check takes some seconds.
pub(crate) const ARGON2_ITERATIONS_MAX: u32 = 16;

/// The default time between two comments on a quiet stream of a Mercure hub: upstream's. Proxies close streams that are silent
/// for a minute.
pub(crate) const MERCURE_HEARTBEAT_DEFAULT: Duration = Duration::from_secs(40);

/// The default time that one stream of a Mercure hub lasts: upstream's.
pub(crate) const MERCURE_STREAM_DEFAULT: Duration = Duration::from_secs(600);

/// The default time that an update waits for a client that does not read: upstream's.
pub(crate) const MERCURE_DISPATCH_DEFAULT: Duration = Duration::from_secs(5);

/// The default of the largest publication of a Mercure hub: upstream's.
pub(crate) const MERCURE_BODY_BYTES_DEFAULT: u64 = MIB as u64;

/// The largest publication that a setting can ask for: each update is held in memory.
pub(crate) const MERCURE_BODY_BYTES_MAX: u64 = 64 * MIB as u64;

/// The default number of updates in the history of a Mercure hub: minutes of a busy site.
pub(crate) const MERCURE_HISTORY_DEFAULT: usize = 1_000;

/// The most updates in the history of a Mercure hub: they are searched one by one when a client comes back.
pub(crate) const MERCURE_HISTORY_MAX: usize = 100_000;

/// The most origins of one setting: they are compared one by one.
pub(crate) const MERCURE_ORIGINS_MAX: usize = 100;

/// The largest parallelism of an Argon2id hash: more than the cores of most machines.
pub(crate) const ARGON2_LANES_MAX: u32 = 64;

/// The deepest nesting of a snapshot: the contract of `frankenphp_set_vars()`.
pub const VARS_DEPTH_MAX: usize = 256;

/// The default size up to which long-lived scripts copy a snapshot instead of sharing it: a copy of this size takes
/// some tens of microseconds once per version.
pub const VARS_COPY_MAX_BYTES_DEFAULT: usize = 64 * KIB;

/// The default of the largest snapshot: a script that publishes more by mistake gets an error before it uses up the
/// machine's memory.
pub const VARS_MAX_BYTES_DEFAULT: usize = 256 * MIB;

/// The default of the bytes of replaced versions that one thread may keep alive.
pub const VARS_THREAD_BUDGET_BYTES_DEFAULT: usize = 16 * MIB;

/// The default of the bytes of replaced versions that all threads together may keep alive.
pub const VARS_PROCESS_BUDGET_BYTES_DEFAULT: usize = 256 * MIB;

/// The default of `prefix` in the `cluster` block.
pub const CLUSTER_PREFIX_DEFAULT: &str = "igor";

/// The longest `prefix`: it is part of every key.
pub const CLUSTER_PREFIX_BYTES_MAX: usize = 64;

/// The default of `lease`: longer than most pauses of a network, and of a machine that is moved.
pub const CLUSTER_LEASE_DEFAULT: Duration = Duration::from_secs(10);

/// The shortest lease: it is renewed three times in it.
pub const CLUSTER_LEASE_MIN: Duration = Duration::from_secs(1);

/// The longest lease: after the leader has died, so long nothing is published.
pub const CLUSTER_LEASE_MAX: Duration = Duration::from_secs(3600);

/// The default of `max_bytes` in the `cluster` block: every instance receives every publish.
pub const CLUSTER_BYTES_DEFAULT: usize = 16 * MIB;

/// The largest `max_bytes` there: half of what Redis takes as one value.
pub const CLUSTER_BYTES_MAX: usize = 256 * MIB;

/// The largest `max_bytes` with etcd, which keeps each version until it is compacted, in 2 GiB by default.
pub const CLUSTER_ETCD_BYTES_MAX: usize = 16 * MIB;

/// The port of a Sentinel whose address has none.
pub const SENTINEL_PORT: u16 = 26379;

/// The members of an etcd; more than nine make it slow.
pub const CLUSTER_ETCD_MEMBERS_MAX: usize = 9;

/// The largest `max_bytes` with NATS, whose messages are small: it goes through in parts of at most 1 MiB.
pub const CLUSTER_NATS_BYTES_MAX: usize = 16 * MIB;

/// The servers of a NATS that are named: all of them are tried within the limit of a call.
pub const CLUSTER_NATS_SERVERS_MAX: usize = 9;

/// The port of a server of NATS whose address has none.
pub const NATS_PORT: u16 = 4222;

/// The largest size of any setting in bytes: 1 TiB, beyond the memory of the machines this runs on.
pub const SIZE_BYTES_MAX: u64 = 1 << 40;

/// The default of `request_buffering`. PHP's own limits (`post_max_size`, 8 MiB by default) are far below; this one
/// keeps a single client from filling a disk.
pub const REQUEST_BODY_BYTES_DEFAULT: u64 = 2 << 30;

/// The largest value of `request_buffering`: the space for the bodies of all requests together.
pub const REQUEST_BODY_BYTES_MAX: u64 = 16 << 30;

/// The default of `burst` in `on_demand_tls`. Let's Encrypt allows an account 300 orders in three hours, and then more
/// slowly: a flood of permitted names meets this bound first for a quarter of an hour.
pub(crate) const ON_DEMAND_BURST_DEFAULT: usize = 20;

/// The default of `interval` in `on_demand_tls`.
pub(crate) const ON_DEMAND_INTERVAL_SECONDS_DEFAULT: u64 = 60;

/// The largest `burst`: the moments of so many certificates are kept in memory.
pub(crate) const ON_DEMAND_BURST_MAX: usize = 100_000;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The lines of the backtrace of a slow request, php-fpm's default.
pub const SLOWLOG_TRACE_DEPTH_DEFAULT: usize = 20;

/// The most lines of such a backtrace: more do not fit the buffer of its text.
pub const SLOWLOG_TRACE_DEPTH_MAX: usize = 100;

/// Tasks that may wait for a background worker when `max_tasks` is not set: more than any server has PHP threads that
/// send.
pub const TASKS_DEFAULT: usize = 1024;

/// The largest `max_tasks`: each task holds its payload in memory.
pub const TASKS_MAX: usize = 1 << 20;

/// The default of the bytes of a store.
pub const STORE_MAX_BYTES_DEFAULT: usize = 64 * MIB;

/// The default of the elements of a store: with the default of its bytes, values of 400 bytes fill both.
pub const STORE_MAX_KEYS_DEFAULT: usize = 100_000;

/// The most elements of a store. A scan of that many takes seconds.
pub const STORE_KEYS_MAX: usize = 1 << 30;

/// The most attributes that a `tracing` adds: a queue of spans holds them all.
pub const SPAN_ATTRIBUTES_MAX: usize = 64;

/// The most stores of a configuration: each takes a few kilobytes, and a label in the metrics.
pub const STORES_MAX: usize = 1_000;
