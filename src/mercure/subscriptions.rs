//! Who is subscribed: the updates of a hub about itself, and the documents of its API (the Mercure specification, "Active
//! Subscriptions").

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::Value;

use super::subscriber::Presence;
use super::{Publication, Shared, Subscriber, Update};
use crate::limits;

/// Where the API is, and below which the topics of its updates are.
pub const SUBSCRIPTIONS: &str = "/.well-known/mercure/subscriptions";

const CONTEXT: &str = "https://mercure.rocks/";

/// What an expansion of `{variable}` keeps as it is (RFC 6570, 3.2.2).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What is asked of the API.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Subscriptions with this selector; `None`: all.
    pub topic: Option<String>,
    /// The one of this subscriber.
    pub subscriber: Option<String>,
}

impl Asked {
    /// The path of the resource, which is the topic that a token must allow.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = SUBSCRIPTIONS.to_owned();
        for part in self.topic.iter().chain(&self.subscriber) {
            path.push('/');
            path.extend(utf8_percent_encode(part, ENCODED));
        }
        path
    }
}

/// An answer of the API.
#[derive(Debug, PartialEq, Eq)]
pub struct Listing {
    /// A JSON-LD document.
    pub json: String,
    /// The last update at that time.
    pub last_event_id: String,
}

/// Why there is no listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unlisted {
    /// There is no such subscription.
    #[error("there is no such subscription")]
    Absent,
    /// The document would be too large.
    #[error("there are too many subscriptions to list; ask for those of one topic")]
    TooMany,
}

#[derive(Serialize)]
struct Collection<'a> {
    #[serde(rename = "@context")]
    context: &'static str,
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "lastEventID")]
    last_event_id: &'a str,
    subscriptions: [(); 0],
}

#[derive(Serialize)]
struct Subscription<'a> {
    #[serde(rename = "@context", skip_serializing_if = "Option::is_none")]
    context: Option<&'static str>,
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    topic: &'a str,
    subscriber: &'a str,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a Value>,
    #[serde(rename = "lastEventID", skip_serializing_if = "Option::is_none")]
    last_event_id: Option<&'a str>,
}

impl<'a> Subscription<'a> {
    fn new(id: &'a str, topic: &'a str, presence: &'a Presence) -> Self {
        let Presence { id: subscriber, payload } = presence;
        Self {
            context: None,
            id,
            kind: "Subscription",
            topic,
            subscriber,
            active: true,
            payload: payload.as_ref(),
            last_event_id: None,
        }
    }
}

/// These values have no keys that JSON could not have.
fn json(document: &impl Serialize) -> String {
    serde_json::to_string(document).unwrap_or_default()
}

fn path_of(topic: &str, subscriber: &str) -> String {
    Asked { topic: Some(topic.to_owned()), subscriber: Some(subscriber.to_owned()) }.path()
}

impl Subscriber {
    /// The selectors, each once.
    fn topics(&self) -> Vec<&str> {
        let mut topics: Vec<&str> = self.selectors().iter().map(super::Selector::text).collect();
        topics.sort_unstable();
        topics.dedup();
        topics
    }

    /// The updates that say that it has come, or gone: one for each of its subscriptions.
    pub(super) fn events(&self, is_active: bool) -> Vec<Arc<Update>> {
        let Some(presence) = self.presence() else { return Vec::new() };
        let event = |topic: &str| {
            let id = path_of(topic, &presence.id);
            let document =
                Subscription { context: Some(CONTEXT), active: is_active, ..Subscription::new(&id, topic, presence) };
            let data = json(&document);
            Arc::new(Publication { topics: vec![id], data, is_private: true, ..Publication::default() }.framed())
        };
        self.topics().into_iter().map(event).collect()
    }
}

impl Shared {
    /// The document of what is asked for.
    pub(super) fn list(&self, asked: &Asked) -> Result<Listing, Unlisted> {
        // Before the subscribers: who continues after this update learns of all changes since, some of them twice.
        let last_event_id = self.lock().history.last().to_owned();
        let id = asked.path();
        let is_one = asked.subscriber.is_some();
        let (mut members, mut is_complete) = (String::new(), true);
        self.subscribers.for_each(|subscriber| {
            let Some(presence) = subscriber.presence() else { return };
            if !is_complete || asked.subscriber.as_ref().is_some_and(|asked| *asked != presence.id) {
                return;
            }
            let topics = subscriber.topics().into_iter();
            for topic in topics.filter(|topic| asked.topic.as_deref().is_none_or(|asked| asked == *topic)) {
                let id = path_of(topic, &presence.id);
                let mut document = Subscription::new(&id, topic, presence);
                if is_one {
                    (document.context, document.last_event_id) = (Some(CONTEXT), Some(last_event_id.as_str()));
                } else if !members.is_empty() {
                    members.push(',');
                }
                members.push_str(&json(&document));
                is_complete = members.len() <= limits::MERCURE_LISTING_BYTES_MAX;
            }
        });
        if !is_complete {
            return Err(Unlisted::TooMany);
        }
        if is_one && members.is_empty() {
            return Err(Unlisted::Absent);
        }
        let json = if is_one { members } else { collection(&id, &last_event_id, &members) };
        Ok(Listing { json, last_event_id })
    }
}

/// The members are JSON already, so that a long list exists only once.
fn collection(id: &str, last_event_id: &str, members: &str) -> String {
    let head = Collection { context: CONTEXT, id, kind: "Subscriptions", last_event_id, subscriptions: [] };
    let mut json = json(&head);
    json.truncate(json.len() - "]}".len());
    json.push_str(members);
    json.push_str("]}");
    json
}
