//! Who is subscribed: the updates of a hub about itself, and the documents of its API (the Mercure specification, "Active
//! Subscriptions").

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::Value;

use super::selector::{Selector, SelectorKind};
use super::update::{Audience, OWN_KIND, SUBSCRIPTIONS};
use super::{Publication, Shared, Subscriber, Update};
use crate::limits;

const CONTEXT: &str = "https://mercure.rocks/";

/// What an expansion of `{variable}` keeps as it is (RFC 6570, 3.2.2).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What is asked of the API.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Subscriptions with this selector; `None`: all.
    pub selector: Option<(SelectorKind, String)>,
    /// The one of this subscriber.
    pub subscriber: Option<String>,
}

impl Asked {
    /// The path of the resource, which is the topic that a token must allow.
    #[must_use]
    pub fn path(&self) -> String {
        let selector = self.selector.as_ref().map(|(kind, text)| (*kind, text.as_str()));
        path_of(selector, self.subscriber.as_deref())
    }

    /// Whether the answer has the form of Mercure 1.0.
    #[must_use]
    pub fn is_of_version_1(&self) -> bool {
        self.selector.as_ref().is_some_and(|(kind, _)| kind.match_type().is_some())
    }
}

fn path_of(selector: Option<(SelectorKind, &str)>, subscriber: Option<&str>) -> String {
    let mut path = SUBSCRIPTIONS.to_owned();
    let match_type = selector.and_then(|(kind, _)| kind.match_type());
    for part in match_type.into_iter().chain(selector.map(|(_, text)| text)).chain(subscriber) {
        path.push('/');
        path.extend(utf8_percent_encode(part, ENCODED));
    }
    path
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
    #[serde(rename = "@context", skip_serializing_if = "Option::is_none")]
    context: Option<&'static str>,
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "lastEventID", skip_serializing_if = "Option::is_none")]
    last_event_id_of_0: Option<&'a str>,
    last_event_id: &'a str,
    subscriptions: [(); 0],
}

/// A subscription, in the form of the version of Mercure whose selector it has.
#[derive(Default, Serialize)]
struct Subscription<'a> {
    #[serde(rename = "@context", skip_serializing_if = "Option::is_none")]
    context: Option<&'static str>,
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    match_type: Option<&'static str>,
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    matched: Option<&'a str>,
    subscriber: &'a str,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a Value>,
    #[serde(rename = "lastEventID", skip_serializing_if = "Option::is_none")]
    last_event_id_of_0: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_event_id: Option<&'a str>,
}

/// One selector of a subscriber.
#[derive(Clone, Copy)]
struct Shown<'a> {
    selector: &'a Selector,
    payload: Option<&'a Value>,
    subscriber: &'a str,
}

impl<'a> Shown<'a> {
    fn path(&self) -> String {
        path_of(Some((self.selector.kind(), self.selector.text())), Some(self.subscriber))
    }

    fn is_asked(&self, asked: &Asked) -> bool {
        let selector = (self.selector.kind(), self.selector.text());
        asked.selector.as_ref().is_none_or(|(kind, text)| selector == (*kind, text.as_str()))
    }

    /// The document; whole if it is not one of a list.
    fn document(&self, id: &'a str, is_active: bool, is_whole: bool) -> Subscription<'a> {
        let Self { selector, payload, subscriber } = *self;
        let common = Subscription { id, subscriber, active: is_active, payload, ..Subscription::default() };
        let text = Some(selector.text());
        match selector.kind().match_type() {
            None => Subscription { context: is_whole.then_some(CONTEXT), kind: "Subscription", topic: text, ..common },
            match_type => Subscription { kind: "subscription", match_type, matched: text, ..common },
        }
    }
}

/// These values have no keys that JSON could not have.
fn json(document: &impl Serialize) -> String {
    serde_json::to_string(document).unwrap_or_default()
}

impl Subscriber {
    /// Its selectors, each once.
    fn shown(&self) -> Vec<Shown<'_>> {
        let Some(presence) = self.presence() else { return Vec::new() };
        let payloads = presence.payloads.iter().map(Option::as_deref);
        let mut shown: Vec<_> = self
            .selectors()
            .iter()
            .zip(payloads)
            .map(|(selector, payload)| Shown { selector, payload, subscriber: &presence.id })
            .collect();
        shown.sort_by_key(|shown| (shown.selector.kind(), shown.selector.text()));
        shown.dedup_by_key(|shown| (shown.selector.kind(), shown.selector.text()));
        shown
    }

    /// The updates that say that it has come, or gone: one for each of its subscriptions.
    pub(super) fn events(&self, is_active: bool) -> Vec<Arc<Update>> {
        let event = |shown: Shown<'_>| {
            let path = shown.path();
            let data = json(&shown.document(&path, is_active, true));
            let kind = shown.selector.kind().match_type().map(|_| OWN_KIND.to_owned());
            Arc::new(
                Publication { topics: vec![path], data, is_private: true, kind, ..Publication::default() }
                    .framed(Audience::Watchers),
            )
        };
        self.shown().into_iter().map(event).collect()
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
            for shown in subscriber.shown().into_iter().filter(|shown| shown.is_asked(asked)) {
                let path = shown.path();
                let mut document = shown.document(&path, true, is_one);
                if is_one {
                    let last = Some(last_event_id.as_str());
                    match document.match_type {
                        None => document.last_event_id_of_0 = last,
                        Some(_) => document.last_event_id = last,
                    }
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
        let json = if is_one { members } else { collection(asked, &id, &last_event_id, &members) };
        Ok(Listing { json, last_event_id })
    }
}

/// The members are JSON already, so that a long list exists only once.
fn collection(asked: &Asked, id: &str, last_event_id: &str, members: &str) -> String {
    let subscriptions = [];
    let head = if asked.is_of_version_1() {
        Collection { context: None, id, kind: "subscriptions", last_event_id_of_0: None, last_event_id, subscriptions }
    } else {
        let (context, of_0) = (Some(CONTEXT), Some(last_event_id));
        Collection { context, id, kind: "Subscriptions", last_event_id_of_0: of_0, last_event_id, subscriptions }
    };
    let mut json = json(&head);
    json.truncate(json.len() - "]}".len());
    json.push_str(members);
    json.push_str("]}");
    json
}
