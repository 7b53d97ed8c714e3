//! One update, and its form on the wire.

use std::sync::Arc;

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use ring::rand::{SecureRandom, SystemRandom};

use super::hub_url::HubUrl;
use crate::limits;

/// What is published.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Publication {
    /// The topics; the first is the canonical one.
    pub topics: Vec<String>,
    /// The text for the subscribers.
    pub data: String,
    /// Whether only subscribers with a matching claim get it.
    pub is_private: bool,
    /// The identifier; `None`: a random one.
    pub id: Option<String>,
    /// The name of the event.
    pub kind: Option<String>,
    /// How long a client waits before it connects again, in milliseconds.
    pub retry: Option<u64>,
}

/// An update that is sent.
#[derive(Debug)]
pub struct Update {
    /// The identifier.
    pub id: Arc<str>,
    /// The topics.
    pub topics: Box<[String]>,
    /// Whether only subscribers with a matching claim get it.
    pub is_private: bool,
    /// Its event (HTML, "Server-sent events").
    pub frame: Bytes,
    pub(super) audience: Audience,
}

/// Who may get an update, beside its topics and claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    All,
    /// Those who could see other subscribers: it is about one.
    Watchers,
}

/// Why an update cannot be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// It has no topic.
    #[error("Missing \"topic\" parameter")]
    NoTopic,
    /// It has too many.
    #[error("too many topics: {} at most", limits::MERCURE_TOPICS_MAX)]
    TooManyTopics,
    /// A topic cannot be one.
    #[error("a topic is empty, too long, or contains a control character")]
    Topic,
    /// A topic that only the hub itself may use.
    #[error("topics below /.well-known/mercure belong to the hub")]
    Reserved,
    /// A type that only the hub itself may use.
    #[error("the \"type\" `mercure` belongs to the hub")]
    ReservedKind,
    /// The identifier cannot be one.
    #[error("the \"id\" is too long, starts with \"#\", contains a control character, or is `earliest`")]
    Id,
    /// The name of the event cannot be one.
    #[error("the \"type\" is too long or contains a control character")]
    Kind,
    /// The cluster's engine does not take so much.
    #[error("the update has {bytes} bytes for the cluster, which takes at most {bytes_max}")]
    TooLarge {
        /// The bytes of this one.
        bytes: usize,
        /// The bytes of the largest one.
        bytes_max: usize,
    },
}

/// Topics that contain this are the hub's own.
const RESERVED: &str = "/.well-known/mercure";

/// The name of the time before the first update (the Mercure specification, "Reconciliation").
pub(super) const EARLIEST: &str = "earliest";

/// Where the API of subscriptions is, and below which the topics of their updates are.
pub const SUBSCRIPTIONS: &str = "/.well-known/mercure/subscriptions";

/// The name of the events about subscriptions of version 1.0.
pub(super) const OWN_KIND: &str = "mercure";

impl Publication {
    /// Chooses the identifier, if the publisher has not.
    pub(super) fn name(&mut self) {
        if self.id.as_ref().is_none_or(String::is_empty) {
            self.id = Some(random_id());
        }
    }

    /// Encodes it once for all subscribers, without checks.
    pub(super) fn framed(mut self, audience: Audience) -> Update {
        self.name();
        let id = self.id.unwrap_or_default();
        let mut frame = String::with_capacity(self.data.len() + id.len() + 32);
        let mut field = |name: &str, value: &str| {
            frame.push_str(name);
            frame.push_str(": ");
            frame.push_str(value);
            frame.push('\n');
        };
        if let Some(kind) = self.kind.filter(|kind| !kind.is_empty()) {
            field("event", &kind);
        }
        if let Some(retry) = self.retry.filter(|retry| *retry > 0) {
            field("retry", &retry.to_string());
        }
        field("id", &id);
        for line in self.data.replace("\r\n", "\n").split(['\n', '\r']) {
            field("data", line);
        }
        frame.push('\n');
        Update { id: id.into(), topics: self.topics.into(), is_private: self.is_private, frame: frame.into(), audience }
    }

    /// A line break in a field would let a publisher write fields of its own.
    ///
    /// # Errors A field is not valid.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        let is_label =
            |text: &String| text.len() <= limits::MERCURE_LABEL_BYTES_MAX && !text.contains(char::is_control);
        if self.topics.is_empty() {
            return Err(Invalid::NoTopic);
        }
        if self.topics.len() > limits::MERCURE_TOPICS_MAX {
            return Err(Invalid::TooManyTopics);
        }
        if !self.topics.iter().all(|topic| is_topic(topic)) {
            return Err(Invalid::Topic);
        }
        if self.topics.iter().any(|topic| is_reserved(topic)) {
            return Err(Invalid::Reserved);
        }
        if self.kind.as_deref() == Some(OWN_KIND) {
            return Err(Invalid::ReservedKind);
        }
        // To a client `earliest` is the time before the first update.
        if !self.id.as_ref().is_none_or(|id| is_label(id) && !id.starts_with('#') && id != EARLIEST) {
            return Err(Invalid::Id);
        }
        if !self.kind.as_ref().is_none_or(is_label) { Err(Invalid::Kind) } else { Ok(()) }
    }
}

/// Whether a topic names something of the hub, in whatever spelling: URL patterns compare what remains when `.` and `..` are resolved.
fn is_reserved(topic: &str) -> bool {
    let is_path = |path: String| percent_decode_str(&path).decode_utf8_lossy().contains(RESERVED);
    topic.contains(RESERVED) || HubUrl::default().path_of(topic).is_some_and(is_path)
}

/// Whether the text can be a topic or a selector.
pub(super) fn is_topic(text: &str) -> bool {
    !text.is_empty() && text.len() <= limits::MERCURE_TOPIC_BYTES_MAX && !text.contains(char::is_control)
}

/// `urn:uuid:` and a random UUID (RFC 9562, version 4), which other clients cannot guess.
pub(super) fn random_id() -> String {
    let mut bytes = [0; 16];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        // The kernel's generator has failed. A repeated identifier harms only the history.
        tracing::error!("mercure: the system returned no random bytes");
    }
    let number = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let digits = format!("{number:032x}");
    format!("urn:uuid:{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}
