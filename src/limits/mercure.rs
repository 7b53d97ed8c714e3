//! The bounds of a Mercure hub.

use std::time::Duration;

/// The streams of one hub. HTTP/2 makes a stream so cheap for a client that connections are no bound.
pub const MERCURE_SUBSCRIBERS_MAX: usize = 100_000;

/// The topics of an update, and the topic selectors of a subscription: each update is compared with each selector. A URL of
/// the usual 8 KiB holds no more.
pub const MERCURE_TOPICS_MAX: usize = 200;

/// The variables of all templates of a subscription. A template has a few; with thousands, which fit into a URL, each update would
/// cost milliseconds for each stream. A URL pattern counts as two variables, and one for each place where it can go on in two ways.
pub const MERCURE_VARIABLES_MAX: usize = 500;

/// The states of a component of a URL pattern: one for each character, and some for each name or repetition.
pub const MERCURE_PATTERN_STATES_MAX: usize = 4_000;

/// As many states of a URL pattern count as one variable, which bounds its memory.
pub const MERCURE_PATTERN_STATES_EACH: usize = 16;

/// How deep the regular expressions of URL patterns nest: each level is a call.
pub const MERCURE_PATTERN_NESTS_MAX: u32 = 30;

/// How much a stream compares before it lets others run, in bytes of topics for each selector and variable: some milliseconds.
pub const MERCURE_WORK_MAX: usize = 250_000;

/// The updates of the history that a stream takes at once.
pub const MERCURE_TAKEN_UPDATES_MAX: usize = 64;

/// The bytes of these updates. One more always fits.
pub const MERCURE_TAKEN_BYTES_MAX: usize = 256 * 1024;

/// The topic selectors of a token: upstream's bound.
pub const MERCURE_CLAIMS_MAX: usize = 1_000;

/// The variables of all templates of a token: one for each selector. Each private update is compared with them for each stream.
pub const MERCURE_CLAIM_VARIABLES_MAX: usize = 1_000;

/// The bytes of a topic or a selector: topics are URLs.
pub const MERCURE_TOPIC_BYTES_MAX: usize = 4 * 1024;

/// The bytes of the identifier or the type of an update: they are sent back in header fields.
pub const MERCURE_LABEL_BYTES_MAX: usize = 1024;

/// The updates that wait for one client: a burst of small ones must not end the streams of clients that read. They are shared, so
/// a place costs 8 bytes. A client that reads more slowly connects again and receives the rest from the history.
pub const MERCURE_QUEUE_UPDATES_MAX: usize = 8 * 1024;

/// The bytes of the updates that wait for one client. One update always fits.
pub const MERCURE_QUEUE_BYTES_MAX: usize = 4 << 20;

/// The bytes of the history of one hub, beside its number of updates.
pub const MERCURE_HISTORY_BYTES_MAX: usize = 64 << 20;

/// The bytes of the updates of one hub about its subscribers, which any client causes. They have as many places as the others.
pub const MERCURE_PRESENCE_BYTES_MAX: usize = 8 << 20;

/// The time between two comments to a client that has closed its sending side: a browser that has gone does the same, and nothing
/// but a write finds out.
pub const MERCURE_LEFT_PAUSE: Duration = Duration::from_secs(1);

/// The cache of the file of a history: it is written at its end and read once.
pub const MERCURE_FILE_CACHE_BYTES: usize = 4 << 20;

/// A `cleanup_frequency` of 1, in the unit in which it is kept.
pub const MERCURE_CLEANUP_EACH: u32 = 1_000;

/// The default of `cleanup_frequency`: upstream's.
pub const MERCURE_CLEANUP_DEFAULT: u32 = 300;

/// How many versions of a worker's array in a row are sent as changes. A client that comes without a state needs a whole one in
/// the history, which has 1,000 updates by default.
pub const MERCURE_PATCHES_MAX: usize = 100;

/// The bytes of a set of keys: providers publish a handful, each with a certificate at most.
pub const MERCURE_KEYS_BYTES_MAX: usize = 1 << 20;

/// The keys of a set: they are compared with a token one by one.
pub const MERCURE_KEYS_MAX: usize = 100;

/// How old the keys of a URL become before they are fetched again: the usual time after which a withdrawn key should be refused.
pub const MERCURE_KEYS_AGE_MAX: Duration = Duration::from_secs(3600);

/// The shortest time between two fetches: anyone can send tokens with an unknown key.
pub const MERCURE_KEYS_PAUSE: Duration = Duration::from_secs(5);

/// The same for files, which are also never older than that.
pub const MERCURE_KEYS_FILE_PAUSE: Duration = Duration::from_secs(1);

/// How long fetching keys may take: a request waits for it.
pub const MERCURE_KEYS_FETCH_MAX: Duration = Duration::from_secs(5);

/// The bytes of a list of subscriptions: some 60,000 of the usual length. It is made in one piece for each request.
pub const MERCURE_LISTING_BYTES_MAX: usize = 16 << 20;

/// The bytes of a token: cookies end at 4 KiB, header fields at 8.
pub const MERCURE_TOKEN_BYTES_MAX: usize = 16 * 1024;

/// The updates of one hub that wait for the engine of a cluster: a minute of a busy site, while the engine is away.
pub const MERCURE_OUTBOX_UPDATES_MAX: usize = 10_000;

/// The bytes of these updates.
pub const MERCURE_OUTBOX_BYTES_MAX: usize = 16 << 20;

/// The shortest time between two records of updates that other instances miss: an engine that is away would fill the log.
pub const MERCURE_RELAY_RECORD_PAUSE: Duration = Duration::from_secs(10);

/// How long a client that comes back waits until an instance that has just begun has the history of the others. The engine answers
/// in milliseconds, or is away.
pub const MERCURE_PAST_MAX: Duration = Duration::from_secs(1);
