//! Every bound and default of the program, with its unit in the name and its reason beside it. Those of the
//! configuration are in [`config`].

mod cluster;
pub mod config;
mod mercure;
mod protocols;
mod traces;

pub use cluster::*;
pub use mercure::*;
pub use protocols::*;
pub use traces::*;

// --- HTTP: bodies -------------------------------------------------------------------------------------------------

/// PHP's output is buffered up to this size before the head is sent, unless the script flushes. Nearly all pages and API
/// responses fit: they leave as one message with a length, wake the connection once, and do not keep the PHP thread for a slow
/// client. Not more than a streamed chunk: HTTP/2 takes a body in memory as a whole, and holds what the client's window does not
/// admit, where no time limit of ours sees it.
pub const RESPONSE_BUFFER_BYTES: usize = 64 * 1024;

/// Once a response is streamed, small writes are collected up to this size.
pub const RESPONSE_STREAM_BUFFER_BYTES: usize = 16 * 1024;

/// The largest streamed chunk. One `echo` of many megabytes is split into pieces of this size, so that a slow client holds
/// little memory.
pub const RESPONSE_CHUNK_BYTES_MAX: usize = 64 * 1024;

/// Chunks between a PHP thread and its socket. With the size above a response in flight holds at most 512 KiB.
pub const RESPONSE_CHUNKS_IN_FLIGHT_MAX: usize = 8;

/// The bytes of a response that the kernel buffers before it can send them. By default it takes up to 4 MiB for each
/// slow client, and a thousand of them keep the server busy with bytes that are never read. Enough for a fast network,
/// because bytes in flight are not counted.
pub const SOCKET_UNSENT_BYTES_MAX: u32 = 128 * 1024;

/// How much of a request body is gathered in memory before it goes to a temporary file, however many bodies there are: forms
/// and API calls stay in memory. Sixteen times nginx's default, because one write of this size costs little.
pub const REQUEST_BODY_MEMORY_BYTES: usize = 256 * 1024;

/// A body may have more than that: one part in so many of the memory for all bodies that the others leave. So one of 4 MiB
/// stays in memory on a server without others. A temporary file is for what is larger, or comes together with many.
pub const REQUEST_BODY_MEMORY_SHARE: u64 = 16;

/// A client that has sent so many bytes of a body gets memory for all that it has announced, out of that for all bodies.
/// Less, and connections that send next to nothing could take it all; more, and the bytes move more often.
pub const REQUEST_BODY_SENT_BYTES_MIN: usize = 64 * 1024;

/// The bytes of all request bodies in memory together. Beyond it they go to files. Room for thousands of usual ones.
pub const REQUEST_BODIES_MEMORY_BYTES_MAX: u64 = 64 << 20;

/// The bytes of all request bodies in temporary files together, and the largest value of `request_buffering`. A server
/// that receives more at once should stream.
pub const REQUEST_BODIES_FILE_BYTES_MAX: u64 = 16 << 30;

/// How long a PHP thread, or a request that has no thread yet, waits for the next piece of a request body before the
/// client counts as gone. Without it one silent client would hold a PHP thread for ever. The value that nginx uses for
/// `client_body_timeout`.
pub const BODY_READ_IDLE_SECONDS_MAX: u64 = 60;

/// How long a PHP thread waits for one request body in total before the received bytes count: see
/// [`BODY_BYTES_PER_SECOND_MIN`]. Several times the initial time that nginx and Apache allow.
pub const BODY_READ_SECONDS_BEFORE_PACE: u64 = 120;

/// For each group of this many received bytes the server waits one more second, so a body that trickles holds a PHP
/// thread for a bounded time. The value of Apache's `mod_reqtimeout`; the slowest modems send ten times as much.
pub const BODY_BYTES_PER_SECOND_MIN: u64 = 500;

/// How long a PHP thread, and every connection, waits for a client that reads no bytes at all. The value that
/// nginx uses for `send_timeout`.
pub const RESPONSE_WRITE_IDLE_SECONDS_MAX: u64 = 60;

/// Header fields of one response. Clients refuse far fewer (curl 5,000, browsers by size), and the map that holds them
/// ends at about 24,000.
pub const RESPONSE_HEADERS_MAX: usize = 4096;

/// The names and values of the header fields of one response. Clients refuse less (curl at 300 KiB, browsers at 256 KiB), and
/// over HTTP/2 all of it is coded at once.
pub const RESPONSE_HEAD_BYTES_MAX: usize = 1024 * 1024;

/// Static files up to this size are read at once, into the same write as the head: less than the price of sending head and
/// file by two calls.
pub const FILE_WHOLE_BYTES_MAX: usize = 16 * 1024;

/// The bytes of a static file that are read at once where the kernel cannot send them itself (TLS, HTTP/2, `encode`).
pub const FILE_CHUNK_BYTES_MAX: usize = 64 * 1024;

/// The bytes of a static file that the kernel is asked to send at once. It takes less if the socket has no room.
pub const FILE_PIECE_BYTES_MAX: usize = 1024 * 1024;

/// Such pieces that hyper may hold for one connection: twice the buffers that it queues.
pub const FILE_PIECES_MAX: usize = 32;

/// Of each of these stretches of a static file, one byte must be in the kernel's memory before it may be sent on the async
/// side. Linux reads that much ahead by default.
pub const FILE_LOOK_EVERY_BYTES: usize = 128 * 1024;

/// Parts of a file in one response; a client that asks for more gets the whole file. Document viewers, which ask for
/// the most, send a dozen.
pub const RANGES_MAX: usize = 64;

/// Bodies in memory up to this size are compressed as a whole, so that their length is known.
pub const ENCODE_WHOLE_BYTES_MAX: usize = 32 * 1024;

/// The bytes that are compressed at once: one to five milliseconds.
pub const ENCODE_PIECE_BYTES_MAX: usize = 64 * 1024;

/// Compressed bytes are sent when there are this many, or when the handler pauses.
pub const ENCODE_CHUNK_BYTES_MIN: usize = 8 * 1024;

/// The window of brotli and zstd as a power of two: 128 KiB. Pages are smaller, and a stream of events may be open for
/// hours, with its compressor; the usual windows of both formats take megabytes each.
pub const ENCODE_WINDOW_BITS: u32 = 17;

// --- HTTP: proxying -----------------------------------------------------------------------------------------------

/// How long an idle connection to an upstream is kept: shorter than most servers keep one, so that few requests meet a
/// closing one.
pub const PROXY_IDLE_SECONDS_MAX: u64 = 60;

/// Idle connections to one upstream: Caddy's number. More are closed after their response.
pub const PROXY_IDLE_CONNECTIONS_MAX: usize = 32;

/// How long an upstream may take after the client has closed its sending side. Most such clients are gone. Most
/// upstreams respond within this time to clients that still wait.
pub const PROXY_HALF_CLOSED_SECONDS_MAX: u64 = 60;

/// How long a PHP at the address of `php_fastcgi` may take to accept a connection when the configuration is loaded: a start
/// waits for it.
pub const REMOTE_PHP_SECONDS_MAX: u64 = 3;

/// The header of the PROXY protocol: the addresses, and the certificates and names that proxies add.
pub const PROXY_HEADER_BYTES_MAX: usize = 4096;

/// Connections that have changed their protocol: as many as one listener's other connections.
pub const PROXY_TUNNELS_MAX: usize = 16 * 1024;

// --- HTTP: queueing -----------------------------------------------------------------------------------------------

/// How long a request waits for a place in a full queue if `max_wait_time` is not set: half the time that common
/// clients and proxies wait for a first byte.
pub const PLACE_WAIT_SECONDS_MAX: u64 = 30;

/// The `Retry-After` of a refused request. Long enough to shed load, short enough not to look like an outage.
pub const RETRY_AFTER_SECONDS: u32 = 5;

/// After a response that came before the end of its request's body: how long the connection stays open in all, so that a client
/// which sends first and reads afterwards sees the response. nginx's time.
pub const LINGER_SECONDS_MAX: u64 = 30;

/// How long it stays open there while the client sends nothing. nginx's time.
pub const LINGER_IDLE_SECONDS_MAX: u64 = 5;

/// How long it stays open there once the server stops: most clients read what has arrived within this time.
pub const LINGER_STOPPING_SECONDS_MAX: u64 = 1;

/// Bytes that are read and dropped there. A client that sends more without looking at the response fails.
pub const LINGER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// How long a request stays in a queue after its client has closed its sending side. Few clients that do that still
/// wait; visitors who gave up, or pressed reload, must not fill the queue.
pub const HALF_CLOSED_QUEUE_SECONDS_MAX: u64 = 1;

// --- HTTP: connections --------------------------------------------------------------------------------------------

/// How long a connection may take to send a request head, from its first byte on, and how long it may be idle before
/// that byte. `timeouts` can say otherwise. Longer than the idle times of common load balancers (60 s), so that they
/// close first.
pub const REQUEST_HEAD_SECONDS_MAX: u64 = 75;

/// Request line and headers together. Apache refuses lines over 8 KiB, nginx heads over 32 KiB; large cookies need
/// space.
pub const REQUEST_HEAD_BYTES_MAX: usize = 64 * 1024;

/// What a connection always has for a head that is not complete yet: almost all heads are smaller.
pub const HEAD_BYTES_FREE: usize = 8 * 1024;

/// The bytes beyond that which the unfinished heads of all connections may have. A connection that needs more is closed: only an
/// attack has thousands of large heads on their way, and 16,384 of them would take 1.4 GB.
pub const UNFINISHED_HEADS_BYTES_MAX: usize = 128 << 20;

/// The bytes that hyper buffers for one connection; the largest head must fit.
pub const CONNECTION_BUFFER_BYTES_MAX: usize = 128 * 1024;

/// Open connections of one listener. Beyond it new ones wait in the kernel's backlog. An idle connection costs at most
/// 28 KiB, of which 16 are hyper's buffers, so that is 450 MiB at worst.
pub const CONNECTIONS_MAX: u32 = 16 * 1024;

/// Descriptors that PHP's `stream_select()` can take: `FD_SETSIZE` of the C library, with which PHP is compiled.
pub const SELECT_DESCRIPTORS_MAX: i32 = 1024;

/// Descriptors that the server requests from the system: enough for the connections of several listeners. Not more,
/// because programs that scripts start inherit the limit, and some close every descriptor below it.
pub const DESCRIPTORS_MAX: u64 = 65_536;

/// Static files that stay open between requests. Each takes a descriptor of [`DESCRIPTORS_MAX`].
pub const OPEN_FILES_MAX: usize = 512;

/// How long a static file stays open without a request for it. Its disk space is not free as long as it is open, even
/// if it was removed.
pub const OPEN_FILES_SECONDS_MAX: u64 = 10;

/// Connections that the kernel completes before they are accepted. Linux caps it at `net.core.somaxconn` (4096).
pub const LISTEN_BACKLOG: i32 = 4096;

/// First and longest pause after `accept` failed because descriptors or memory ran out. Such an error repeats at once,
/// and without a pause the loop would spin.
pub const ACCEPT_BACKOFF_MS_MIN: u64 = 5;
/// See [`ACCEPT_BACKOFF_MS_MIN`].
pub const ACCEPT_BACKOFF_MS_MAX: u64 = 1000;

/// Informational responses (103) queued for a client that does not read. Further ones are dropped, because they are
/// only hints.
pub const INTERIM_RESPONSE_BYTES_MAX: usize = 16 * 1024;

// --- FastCGI ------------------------------------------------------------------------------------------------------

/// Content bytes of a sent record: the largest multiple of eight that fits its length field.
pub const FASTCGI_RECORD_BYTES_MAX: usize = 65_528;

/// Parameters of one request. A web server sends the request's fields, which it has bounded, and some more.
pub const FASTCGI_PARAMS_BYTES_MAX: usize = 256 * 1024;

/// Refusals of further requests on a connection that wait for the response of the first. No web server sends even one; more
/// are dropped.
pub const FASTCGI_REFUSALS_WAITING_MAX: usize = 16;

/// A line of the access log in php-fpm's format; the rest is dropped. php-fpm has 1,024, but cuts each value besides.
pub const FPM_LOG_LINE_BYTES_MAX: usize = 16 * 1024;

/// How long a connection without a next request waits for the web server to close it: what that still sends is a few bytes.
pub const FASTCGI_LINGER_SECONDS_MAX: u64 = 2;

/// Records of a request body that wait for the script: at most 256 KiB.
pub const FASTCGI_BODY_RECORDS_WAITING_MAX: usize = 4;

// --- Control ------------------------------------------------------------------------------------------------------

/// Reloads that wait for the current one. Callers of further ones wait, too.
pub const CONTROL_REQUESTS_MAX: usize = 16;

/// How long watched files must not change before workers restart: longer than the gaps in a save or an unpacked
/// archive.
pub const WATCH_QUIET_MS: u64 = 200;

/// How long a burst of changes may delay the restart: files that change all the time must not prevent it.
pub const WATCH_BURST_MS_MAX: u64 = 5000;

/// How many changed files an update of `hot_reload` names: an archive that is unpacked has thousands.
pub const HOT_RELOAD_FILES_MAX: usize = 100;

/// How long the idle threads of the async side may take to end.
pub const RUNTIME_END_SECONDS_MAX: u64 = 1;

/// How long each of the runtimes of connections may take, also if others have used up that time.
pub const RUNTIME_END_MS_MIN: u64 = 50;

/// How many threads for blocking work the async runtime has at most: tokio's default. The runtimes of connections share as many.
pub const BLOCKING_THREADS_MAX: usize = 512;

/// How many runtimes of connections there are at most. Each has four descriptors below 1,024, where those of scripts must be for
/// `stream_select()`.
pub const CONNECTION_RUNTIMES_MAX: usize = 32;

/// What each of the runtimes of connections may have of them on a machine of many processors.
pub const BLOCKING_THREADS_MIN: usize = 32;

/// How long a thread of the async runtime for blocking work may be idle before it ends.
pub const BLOCKING_THREAD_IDLE_SECONDS_MAX: u64 = 60;

/// How often one of them is used, so that one always exists: often enough even on a loaded machine.
pub const BLOCKING_THREAD_USED_EVERY_SECONDS: u64 = 15;

// --- PHP threads --------------------------------------------------------------------------------------------------

/// Stack of a PHP thread: twice a main thread's usual 8 MiB, because recursive PHP code lives on it. Reserved, not
/// used: the kernel adds pages as they are touched.
pub const PHP_THREAD_STACK_BYTES: usize = 16 << 20;

/// Jobs that may wait for a group of PHP threads, for each of its threads; see [`QUEUE_JOBS_MIN`].
pub const QUEUE_JOBS_PER_THREAD: usize = 64;

/// Jobs that may wait even for a single thread: a burst of a page's requests from a few dozen clients.
pub const QUEUE_JOBS_MIN: usize = 256;

/// How long a classic thread above `num_threads` stays without work: longer than the pauses of a busy minute.
pub const SURPLUS_THREAD_IDLE_SECONDS: u64 = 30;

/// The least `max_idle_time` that has an effect: each classic thread looks once in that time whether it may end.
pub const SURPLUS_THREAD_IDLE_SECONDS_MIN: u64 = 1;

/// How often the log names an HTTP worker that still boots. Frameworks boot in a few seconds; after that, users should
/// learn the reason of the wait.
pub const BOOT_SAID_EVERY_SECONDS: u64 = 10;

/// How often the time limits of requests are checked: they are as exact as this.
pub const OVERDUE_LOOK_EVERY_MS: u64 = 100;

/// How often the server checks whether a reload has added the first time limit.
pub const OVERDUE_LOOK_IDLE_MS: u64 = 1_000;

/// How long all threads of a group are in one request each before the log reports it, if requests wait. Pages take
/// less, and a client or proxy of a deadlocked page gives up later.
pub const STALL_SECONDS_MIN: u64 = 5;

/// How often that is checked: often enough that the record appears while it lasts.
pub const STALL_LOOK_EVERY_SECONDS: u64 = 2;

/// How long a stop or reload waits for running requests before it asks idle HTTP workers to end.
/// Most requests take less, and a request that has not reached its queue yet still finds a running script.
pub const DRAIN_SETTLE_MS: u64 = 100;

/// How long idle HTTP workers may take to clean up if the requests of others have used up the grace period. Part of
/// [`KILL_SECONDS_MAX`], so that a stop takes no longer for it.
pub const IDLE_END_SECONDS_MAX: u64 = 3;
const _: () = assert!(IDLE_END_SECONDS_MAX < KILL_SECONDS_MAX);

/// How long scripts are interrupted after their grace period before the process ends without them. A script that can be
/// interrupted leaves within milliseconds.
pub const KILL_SECONDS_MAX: u64 = 5;

/// Shortest time between two restarts of opcache. Each one ends every worker script, and every script is compiled
/// again, so a loop of `opcache_reset()` must not keep the server busy.
pub const OPCACHE_RESTART_INTERVAL_MS_MIN: u64 = 1000;

/// Longest log record made of a script's output.
pub const LOG_LINE_BYTES_MAX: usize = 8 * 1024;

/// How much of a request's path and query the admin interface shows: enough to recognise the request, and little memory
/// for each thread.
pub const SHOWN_URI_BYTES_MAX: usize = 512;

/// The most records of one PHP message. A longer message becomes a single record with its start and its end: the trace
/// of an endless recursion has tens of thousands of similar lines.
pub const LOG_RECORDS_OF_MESSAGE_MAX: usize = 100;

/// Length of a name that a script asks a catch-all to start: it becomes a log field, a metric label and an argument.
/// Four times the bound of a declared name, because scripts make these names from data.
pub const CATCH_ALL_NAME_BYTES_MAX: usize = 1024;

/// Warnings about budgets that a log gets: one for each script, worker and budget. Names of a catch-all come from
/// requests, so they need a bound; this is more than an operator reads.
pub const BUDGET_WARNINGS_MAX: usize = 1000;

/// The payloads of all tasks that wait for a thread have at most this many times the bytes that one may have (`max_bytes` of the
/// `vars` block): each waits in a PHP thread of its own, and the threads are many.
pub const TASK_WAITING_PAYLOADS_MAX: usize = 4;

/// Updates of one task that wait for its sender to read them. FrankenPHP's number; a faster worker waits.
pub const TASK_UPDATES_MAX: usize = 16;

/// Each reader copies a store's string up to this size; a longer string is in an arena that readers share. A copy of
/// this size costs about as much as a pin.
pub const VALUE_STRING_COPY_BYTES_MAX: usize = 4 * 1024;

/// The shards of a store, each with its own lock: several times the threads of a large machine, so that two rarely
/// collide.
pub const STORE_SHARDS: usize = 256;

/// The bytes counted for an element of a store besides its key and value: its entry, and its places in the maps of writers
/// and of readers. A million elements took 265 each.
pub const STORE_ELEMENT_BYTES: usize = 272;

/// The longest key of a store, in bytes: keys are compared and hashed on every access, and shown in messages.
pub const STORE_KEY_BYTES_MAX: usize = 64 * 1024;

/// Elements that are compared before one is evicted: with five, the choice is close to the least recently used of all.
pub const STORE_EVICTION_SAMPLES: usize = 5;

/// Elements that each write to a store checks for expiry. More than one, so that expired elements cannot pile
/// up.
pub const STORE_EXPIRY_LOOKS: usize = 2;

/// The streams of `watch()` and the connections that watch one store. Each change wakes every one.
pub const STORE_WATCHERS_MAX: usize = 1024;

/// The clients that the Redis port of a store serves at a time; others wait. Each needs a descriptor, and twenty kilobytes
/// once it has sent something.
pub const RESP_CLIENTS_MAX: usize = 1000;

/// The words of one request to the Redis port: thousands of keys fit.
pub const RESP_ARGUMENTS_MAX: usize = 16 * 1024;

/// The words of a request before authentication: `HELLO` has seven.
pub const RESP_ARGUMENTS_UNTRUSTED_MAX: usize = 10;

/// The bytes of one of those words.
pub const RESP_ARGUMENT_BYTES_UNTRUSTED_MAX: usize = 16 * 1024;

/// The bytes of one read of the Redis port: hundreds of small requests that a client sends without waiting for replies.
pub const RESP_READ_BYTES: usize = 16 * 1024;

/// Replies to requests that arrived together are collected up to this size. A buffer that a large request has enlarged
/// beyond it is freed.
pub const RESP_REPLY_BYTES: usize = 256 * 1024;

/// The bytes of the requests between `MULTI` and `EXEC`.
pub const RESP_TRANSACTION_BYTES_MAX: usize = 16 << 20;

/// The channels, patterns and watched keys of one client.
pub const RESP_CHANNELS_MAX: usize = 1024;

/// Unread changes of a client of the Redis port. A client that is further behind is disconnected.
pub const RESP_EVENTS_WAITING_MAX: usize = 16 * 1024;

/// The approximate number of keys in one answer to `SCAN`.
pub const RESP_SCAN_COUNT_MAX: usize = 10_000;

/// How long no client is accepted after the system ran out of descriptors.
pub const RESP_ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

// --- Supervision of worker scripts --------------------------------------------------------------------------------

/// Unit of the pause after a failure: the n-th one in a row waits (n − 1)² times this.
pub const BACKOFF_STEP_MS: u64 = 100;

/// Longest pause after a failure.
pub const BACKOFF_MS_MAX: u64 = 1000;

/// A run that has been ready this long has recovered: the failures before it no longer count.
pub const RECOVERED_SECONDS: u64 = 30;

/// Shortest time between two starts of a script that keeps ending: ten starts a second.
pub const RESTART_INTERVAL_MS_MIN: u64 = 100;

// --- One script from the command line --------------------------------------------------------------------------------

/// The most threads on which `igor-php --threads` runs a script. More threads would not find more races.
pub const SCRIPT_THREADS_MAX: usize = 256;

/// The output of each thread that is kept for the comparison. The largest test of php-src prints a few megabytes.
pub const SCRIPT_OUTPUT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The part of a request body that is kept for several threads. As much as their output.
pub const SCRIPT_BODY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The lines of each side that are shown if the outputs of two threads differ. More lines do not help a reader.
pub const DIFFERENCE_LINES_MAX: usize = 20;

// --- The admin interface ------------------------------------------------------------------------------------------

/// Connections of the admin interface. A scraper, a dashboard and a few people; further clients wait in the kernel's
/// backlog.
pub const ADMIN_CONNECTIONS_MAX: usize = 64;

/// How often the status page gets its numbers: a person reads no faster, and 500 workers cost milliseconds each time.
pub const STATUS_EVENT_MILLISECONDS: u64 = 1000;

/// Lines of the process's log that the status page shows: a few screens.
pub const LOG_TAIL_LINES_MAX: usize = 500;

/// The bytes of such a line, so that all of them have 1 MB at most.
pub const LOG_TAIL_LINE_BYTES_MAX: usize = 2048;

/// The largest snapshot that the status page shows, in bytes of its arena: as JSON a browser still unfolds it at once.
pub const SHOWN_SNAPSHOT_BYTES_MAX: usize = 1 << 20;

/// A configuration that is sent to `POST /load`. Those of hundreds of sites have some hundred KiB.
pub const ADMIN_BODY_BYTES_MAX: usize = 4 << 20;

/// How long a request to the admin interface may take to arrive, head and body each; a client on the same machine needs
/// milliseconds.
pub const ADMIN_REQUEST_SECONDS_MAX: u64 = 10;

/// Request line and headers of a request to the admin interface.
pub const ADMIN_HEAD_BYTES_MAX: usize = 16 * 1024;

// --- Memory -------------------------------------------------------------------------------------------------------

/// How often the server looks for freed memory that the C library keeps. A look goes through all free pieces.
pub const MEMORY_LOOK_EVERY_SECONDS: u64 = 15;

/// So much of it goes back to the system: some requests' worth. Less is not worth the faults of the pages that are needed again.
pub const MEMORY_RETURNED_BYTES_MIN: u64 = 16 << 20;

// --- Snapshots ----------------------------------------------------------------------------------------------------

/// From this size on the reaper's thread frees a snapshot, because freeing would delay its last reader.
pub const REAPED_SNAPSHOT_BYTES_MIN: usize = 256 << 10;

/// Snapshots that wait for the reaper's thread. Beyond it the last holder frees them itself.
pub const REAPER_QUEUE_MAX: usize = 64;

/// Keys of the path in a refusal. A path may have as many as a snapshot has levels.
pub const REFUSAL_PATH_KEYS_SHOWN: usize = 24;

/// Bytes shown of each of these keys.
pub const REFUSAL_KEY_BYTES_SHOWN: usize = 64;

// --- Ending scripts -----------------------------------------------------------------------------------------------

/// Time between two interrupts of a script that should end: its shutdown functions run after the first and may block.
pub const INTERRUPT_EVERY_MS: u64 = 50;

/// The panics in a row, in the leaf that takes work, after which a thread ends: it is called in a loop.
pub const NEXT_PANICS_MAX: usize = 10;

/// The most concurrent password checks: a check takes a processor, and up to 256 MiB.
pub const PASSWORD_CHECKS_MAX: usize = 8;

/// The most requests that wait for the check of their password. Further ones are refused, so that an attacker who
/// guesses passwords does not fill the memory.
pub const PASSWORD_WAITERS_MAX: usize = 256;

/// The most correct passwords in the cache, each as a digest of 32 bytes. If it is full, all are dropped.
pub const PASSWORDS_KNOWN_MAX: usize = 10_000;

/// The most entries in the list of a directory: a longer page is useless.
pub const LISTED_FILES_MAX: usize = 10_000;
