//! The bounds of HTTP/2, HTTP/3, TLS and ACME.

// --- HTTP/2 -------------------------------------------------------------------------------------------------------

/// Requests that a client may have open at once on one connection. What most servers allow; RFC 9113 asks for 100 at
/// least.
pub const HTTP2_STREAMS_MAX: u32 = 250;

/// Requests that a client has cancelled before they were processed (rapid reset). More end the connection.
pub const HTTP2_RESETS_PENDING_MAX: usize = 20;

/// Malformed requests of one connection. More end it.
pub const HTTP2_ERRORS_MAX: usize = 256;

/// How much of one request's body may be in flight before PHP reads it.
pub const HTTP2_STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// How much of all request bodies of a connection may be in flight.
pub const HTTP2_CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// The bytes of one response that are buffered before its client reads them. One streamed chunk.
pub const HTTP2_SEND_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// How often an HTTP/2 connection is checked for idleness, and for a client that reads nothing.
pub const HTTP2_LOOK_SECONDS: u64 = 15;

/// How long the end of an incomplete HTTP/2 response waits for earlier bytes: the library drops unwritten bytes if a
/// stream is reset. The bytes wait for the connection's task, which has been woken.
pub const HTTP2_BREAK_OFF_MS: u64 = 200;

/// The shortest interval of these checks, and of those of an HTTP/1 connection with a limited response, if the
/// configured times are very short.
pub const CONNECTION_LOOK_MS_MIN: u64 = 50;

// --- HTTP/3 -------------------------------------------------------------------------------------------------------

/// What is read from a stream of HTTP/3 at once.
pub const HTTP3_READ_BYTES: usize = 8 * 1024;

/// All that a client may send on one of its streams beside requests: settings, and what browsers say about priorities.
pub const HTTP3_CONTROL_BYTES_MAX: usize = 256 * 1024;

/// The streams beside requests that a client may have: control and two for header compression, and some that are ignored.
pub const HTTP3_CONTROL_STREAMS_MAX: u32 = 8;

/// The bytes of all responses of a connection that wait for the client's word that it has them. Enough for 80 Mbit/s to
/// the other side of the world.
pub const HTTP3_SEND_BUFFER_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// After so long without a packet the client is taken for gone. A third of it without one, and it is asked.
pub const HTTP3_GONE_MS: u32 = 30_000;

/// Informational responses of one request that wait to be sent; scripts send one or two. More are dropped.
pub const HTTP3_INTERIM_WAITING_MAX: usize = 8;

/// Requests of a connection that the client has cancelled, less those that were answered. More end the connection.
pub const HTTP3_CANCELLED_MAX: usize = 100;

/// Handshakes with clients that have not yet proven their address. Others must prove it first (RFC 9000, 8.1.2).
pub const HTTP3_HANDSHAKES_UNPROVEN_MAX: usize = 256;

/// Handshakes whose first packet waits for the task of the socket.
pub const HTTP3_HANDSHAKES_WAITING_MAX: usize = 1024;

/// The bytes that are kept for one of these, and for all.
pub const HTTP3_HANDSHAKE_BYTES_MAX: u64 = 16 * 1024;
/// See [`HTTP3_HANDSHAKE_BYTES_MAX`].
pub const HTTP3_HANDSHAKES_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// How long clients remember that a site speaks HTTP/3: after it was switched off, they try it for at most so long.
pub const HTTP3_ADVERTISED_SECONDS: u32 = 24 * 3600;

// --- TLS ----------------------------------------------------------------------------------------------------------

/// How long a client may take for a TLS handshake. Longer than the slowest networks need, and short for attackers that
/// hold connections open.
pub const TLS_HANDSHAKE_SECONDS_MAX: u64 = 10;

/// Sessions of TLS 1.2 that a site remembers for clients that resume by number; tickets need no memory.
pub const TLS_SESSIONS_MAX: usize = 1024;

/// Tickets after a handshake of TLS 1.3. A browser that opens several connections uses each ticket once.
pub const TLS_TICKETS_PER_HANDSHAKE: usize = 2;

/// How often certificate files are checked for changes: one `stat` for each file.
pub const CERTIFICATE_LOOK_SECONDS: u64 = 2;

/// How long the root of the internal authority is valid: ten years, because people install it by hand.
pub const INTERNAL_ROOT_SECONDS: i64 = 3600 * 24 * 3650;

/// How long a certificate of the internal authority is valid. It is only in memory, so a leaked one soon expires.
pub const INTERNAL_CERTIFICATE_SECONDS: i64 = 3600 * 24 * 7;

/// Hosts whose certificates were obtained in handshakes and are in memory; those of an authority are in the storage, too.
pub const ON_DEMAND_CERTIFICATES_MAX: usize = 10_000;

/// Hosts for which the permission, and then the certificate, is being obtained for handshakes that wait. The first
/// message of a client with another host then fails at once.
pub const ON_DEMAND_ATTEMPTS_MAX: usize = 256;

/// How many of these attempts run at once: permission is often asked of PHP on the same machine.
pub const ON_DEMAND_ATTEMPTS_RUNNING_MAX: usize = 16;

/// How long a handshake waits for its certificate. Clients do not wait longer; the attempt continues for the next one.
pub const ON_DEMAND_HANDSHAKE_SECONDS_MAX: u64 = 60;

/// How long the answer about a host may take: it delays a handshake. Caddy's number.
pub const ON_DEMAND_ASK_SECONDS_MAX: u64 = 10;

/// How long a host stays refused without another question: a customer who has just entered a host waits no longer.
pub const ON_DEMAND_REFUSED_SECONDS: u64 = 30;

/// The same if the question had no answer, or the number of new certificates was reached.
pub const ON_DEMAND_UNANSWERED_SECONDS: u64 = 5;

/// Refused hosts that are remembered. Beyond it, some are asked about again early.
pub const ON_DEMAND_REFUSALS_MAX: usize = 10_000;

/// How far the clock of a client may be behind when a certificate is new.
pub const CLOCK_SKEW_SECONDS: i64 = 3600;

// --- ACME ---------------------------------------------------------------------------------------------------------

/// How long an authority may take for one certificate. Public ones take seconds.
pub const ACME_ORDER_SECONDS_MAX: u64 = 180;

/// First and longest pause after an authority could not be reached, or had an error.
pub const ACME_TRANSIENT_BACKOFF_SECONDS_MIN: u64 = 5;
/// See [`ACME_TRANSIENT_BACKOFF_SECONDS_MIN`].
pub const ACME_TRANSIENT_BACKOFF_SECONDS_MAX: u64 = 600;

/// First pause after an authority refused a name. Let's Encrypt counts five failures an hour.
pub const ACME_BACKOFF_SECONDS_MIN: u64 = 60;

/// Longest pause after failures: a certificate with a third of its life left must survive many of them.
pub const ACME_BACKOFF_SECONDS_MAX: u64 = 6 * 3600;

/// First pause after an authority's rate limit. These limits last for an hour or more.
pub const ACME_RATE_LIMIT_SECONDS_MIN: u64 = 3600;

/// How often a certificate is checked for its renewal, and the authority is asked for its suggestion (RFC 9773, 4.3).
pub const ACME_LOOK_SECONDS: u64 = 6 * 3600;
