//! A Mercure hub: updates to topics, and the clients that subscribe to them. HTTP is in `http::mercure`.
//!
//! An update is encoded once, and shared by the history and by the queue of each subscriber. A hub lives as long as a
//! configuration uses it: a reload that leaves its settings as they are keeps it, with its subscribers and its history.

mod automaton;
mod burst;
mod claims;
mod file;
mod history;
mod hub_url;
mod hubs;
mod inbox;
mod keys;
mod pattern_parts;
mod relay;
mod relay_counts;
mod selector;
mod signature;
mod stream;
mod subscriber;
mod subscribers;
mod subscriptions;
mod template;
mod token;
mod token_error;
mod update;
mod url_pattern;
mod wire;

pub use claims::Grants;
pub use hub_url::HubUrl;
pub use hubs::{HubCounts, close_all, close_all_but, counts, hand_over};
pub use keys::{KeySet, Need};
pub use relay::{Outgoing, Relay};
pub use relay_counts::RelayCounts;
pub use selector::{NoSelector, Selector, SelectorKind};
pub use stream::Stream;
pub use subscriber::{Subscriber, Wait};
pub use subscriptions::{Asked, Listing, Unlisted};
pub use token_error::TokenError;
pub use update::{Invalid, Publication, SUBSCRIPTIONS, Update};

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::config::MercureSettings;
use crate::limits;
use history::History;
use subscribers::Subscribers;
use token::Verifier;
use update::Audience;

/// A hub. When it is dropped, the streams of its subscribers end.
pub struct Hub {
    settings: MercureSettings,
    publishers: Option<Verifier>,
    subscribers: Option<Verifier>,
    shared: Arc<Shared>,
}

/// What a stream keeps of its hub. The locks are taken in the order of the fields.
struct Shared {
    /// Held while an update goes to the queues: all clients get all updates in the order of the history.
    publishing: Mutex<()>,
    /// Keeps the history over a restart of the server.
    file: Option<file::Writer>,
    /// Held for short times only: who subscribes or leaves does not wait for an update that goes to thousands.
    state: Mutex<State>,
    subscribers: Subscribers,
    /// Wakes the thread that writes the file.
    added: Condvar,
    /// Streams that are no subscribers yet, because they read the history.
    behind: AtomicUsize,
    /// How long an update may wait for a client that does not read.
    dispatch_max: Option<Duration>,
}

struct State {
    /// The number of the next subscriber or update. An update goes to the subscribers with smaller numbers; the others have
    /// found it in the history.
    next: u64,
    history: History,
    is_closed: bool,
    /// The hub is gone.
    is_over: bool,
    /// The hub that a reload has put in the place of this one. What arrives late is for its subscribers.
    successor: Option<Arc<Shared>>,
    /// The way to the same hub on other instances.
    relay: Option<Arc<Relay>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The hub itself, or the last one of those that reloads have put in its place.
    fn newest(self: &Arc<Self>) -> Arc<Self> {
        let mut newest = Arc::clone(self);
        loop {
            let successor = newest.lock().successor.clone();
            match successor {
                Some(successor) => newest = successor,
                None => return newest,
            }
        }
    }

    /// How many streams there are.
    fn streams(&self) -> usize {
        self.subscribers.len() + self.behind.load(Ordering::Relaxed)
    }

    /// Sends updates to all who subscribe to one of their topics. `packed` goes to other instances.
    fn send(&self, updates: &[Arc<Update>], audience: Audience, packed: Option<Vec<u8>>) {
        let publishing = self.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.lock();
        if let Some(successor) = state.successor.clone() {
            drop((state, publishing));
            return successor.send(updates, audience, packed);
        }
        let number = state.number();
        updates.iter().for_each(|update| state.history.add(update));
        let is_closed = state.is_closed;
        let relay = state.relay.clone();
        drop(state);
        if let Some((relay, packed)) = relay.zip(packed) {
            relay.push(packed);
        }
        let now = Instant::now();
        let reads = |of_subscriber: u64, subscriber: &Subscriber| {
            of_subscriber > number
                || updates
                    .iter()
                    .all(|update| !subscriber.wants(update) || subscriber.push(update, now, self.dispatch_max))
        };
        let slow = match audience {
            Audience::All => self.subscribers.retain(reads),
            Audience::Watchers => self.subscribers.retain_watchers(reads),
        };
        drop(publishing);
        self.keep(is_closed);
        hubs::UPDATES_TOTAL.fetch_add(updates.len() as u64, Ordering::Relaxed);
        if slow > 0 {
            tracing::warn!(dropped = slow, "mercure: subscribers that read too slowly were disconnected");
        }
    }

    /// Puts an update into the history only, unless it is there.
    fn remember(&self, update: &Arc<Update>) {
        let mut state = self.lock();
        if let Some(successor) = state.successor.clone() {
            drop(state);
            return successor.remember(update);
        }
        // Only a file can bring what the relay has not counted.
        let is_new = self.file.is_none() || !state.history.has(&update.id);
        if is_new {
            state.history.add(update);
        }
        let is_closed = state.is_closed;
        drop(state);
        if is_new {
            self.keep(is_closed);
        }
    }

    /// Has the history written: soon, or at once where the server may end before the thread comes to it.
    fn keep(&self, is_at_once: bool) {
        let Some(file) = &self.file else { return };
        if is_at_once {
            file.write(self);
        } else {
            self.added.notify_one();
        }
    }

    /// Says to others that a client has come, or gone, if the hub shows its subscribers.
    fn announce(&self, subscriber: &Subscriber, is_active: bool) {
        let events = subscriber.events(is_active);
        // At the end of a hub all clients go, and no one is there to see it.
        if !events.is_empty() && !self.lock().is_closed {
            self.send(&events, Audience::Watchers, None);
        }
    }
}

impl State {
    fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }
}

/// Why a client cannot subscribe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The hub has all the streams that it can have.
    #[error("the hub takes no more subscribers")]
    Full,
    /// Too many selectors, or too many variables in their templates and patterns.
    #[error("too many topics, or too many variables in their templates and patterns")]
    TooLarge,
}

/// A new subscription.
pub struct Subscription {
    /// Receives the updates. Dropping it ends the subscription.
    pub stream: Stream,
    /// The answer to `Last-Event-ID`: the update before the first one that is sent.
    pub last_event_id: Option<String>,
}

impl Hub {
    /// The hub with these settings: the one that runs, or a new one. It refuses the tokens of a key that cannot be read.
    pub fn with(settings: &MercureSettings) -> Arc<Self> {
        hubs::running(settings, || Self::begin(settings))
    }

    fn begin(settings: &MercureSettings) -> Arc<Self> {
        let mut history = History::new(settings.history_max);
        let file = file::Writer::open(settings).map(|(file, updates)| {
            updates.into_iter().for_each(|update| history.add(&Arc::new(update)));
            file
        });
        let hub = Arc::new(Self {
            publishers: settings.publisher.as_ref().map(Verifier::new),
            subscribers: settings.subscriber.as_ref().map(Verifier::new),
            shared: Arc::new(Shared {
                publishing: Mutex::new(()),
                file,
                state: Mutex::new(State {
                    next: 0,
                    history,
                    is_closed: false,
                    is_over: false,
                    successor: None,
                    relay: None,
                }),
                subscribers: Subscribers::new(),
                added: Condvar::new(),
                behind: AtomicUsize::new(0),
                dispatch_max: settings.dispatch_max,
            }),
            settings: settings.clone(),
        });
        if hub.shared.file.is_some() {
            file::start(Arc::clone(&hub.shared));
        }
        hub
    }

    /// Whether these settings have keys that can be read.
    ///
    /// # Errors A key cannot be read.
    pub fn check(settings: &MercureSettings) -> Result<(), String> {
        settings.publisher.iter().chain(&settings.subscriber).try_for_each(|keys| Verifier::new(keys).check())
    }

    /// Whether the file of the history can be opened.
    ///
    /// # Errors It cannot be opened, or belongs to another server.
    pub fn check_history(settings: &MercureSettings) -> Result<(), String> {
        settings.history_file.as_ref().map_or(Ok(()), |path| file::HistoryFile::open(path).map(drop))
    }

    /// The set with the keys of publishers, if they are in one.
    pub fn publisher_keys(&self) -> Option<&Arc<KeySet>> {
        self.publishers.as_ref()?.key_set()
    }

    /// The set with the keys of subscribers, if they are in one.
    pub fn subscriber_keys(&self) -> Option<&Arc<KeySet>> {
        self.subscribers.as_ref()?.key_set()
    }

    /// The settings.
    pub fn settings(&self) -> &MercureSettings {
        &self.settings
    }

    /// Whether anyone can publish over HTTP.
    pub fn has_publishers(&self) -> bool {
        self.publishers.is_some()
    }

    /// What a publisher's token allows.
    ///
    /// # Errors The token is not valid now.
    pub fn publisher(&self, token: &str, hub: &HubUrl) -> Result<Grants, TokenError> {
        self.publishers.as_ref().ok_or(TokenError::NoKey)?.verify(token, hub)
    }

    /// What a subscriber's token allows.
    ///
    /// # Errors The token is not valid now.
    pub fn subscriber(&self, token: &str, hub: &HubUrl) -> Result<Grants, TokenError> {
        self.subscribers.as_ref().ok_or(TokenError::NoKey)?.verify(token, hub)
    }

    /// Whether a token of a subscriber could be verified.
    pub fn has_subscribers(&self) -> bool {
        self.subscribers.is_some()
    }

    /// Sends an update to all who subscribe to one of its topics, on the other instances of a cluster too. Returns its identifier.
    ///
    /// # Errors The update is not valid, or too large for the cluster.
    pub fn publish(&self, mut publication: Publication) -> Result<Arc<str>, Invalid> {
        publication.check()?;
        publication.name();
        let relay = self.shared.newest().lock().relay.clone();
        let packed = relay.map(|relay| relay.pack(&publication)).transpose()?;
        Ok(self.send(publication, packed))
    }

    /// The same for this instance alone.
    ///
    /// # Errors The update is not valid.
    pub fn publish_here(&self, publication: Publication) -> Result<Arc<str>, Invalid> {
        publication.check()?;
        Ok(self.send(publication, None))
    }

    fn send(&self, publication: Publication, packed: Option<Vec<u8>>) -> Arc<str> {
        let update = Arc::new(publication.framed(Audience::All));
        self.shared.send(std::slice::from_ref(&update), Audience::All, packed);
        Arc::clone(&update.id)
    }

    /// Waits a moment for the history, if other instances have published before this one began.
    pub async fn await_past(&self) {
        let relay = self.shared.newest().lock().relay.clone();
        if let Some(relay) = relay {
            let _ = tokio::time::timeout(limits::MERCURE_PAST_MAX, relay.past()).await;
        }
    }

    /// Who is subscribed; only for hubs that show it.
    ///
    /// # Errors There is no such subscription, or there are too many.
    pub fn subscriptions(&self, asked: &Asked) -> Result<Listing, Unlisted> {
        self.shared.list(asked)
    }

    /// Subscribes a client with this token. `last_event_id` is the last update that it has.
    ///
    /// # Errors The hub takes no more subscribers.
    pub fn subscribe(
        &self,
        mut subscriber: Subscriber,
        grants: &Grants,
        last_event_id: Option<&str>,
    ) -> Result<Subscription, Refused> {
        if self.settings.subscriptions {
            subscriber.show(grants);
        }
        let subscriber = Arc::new(subscriber);
        let shared = self.shared.newest();
        let mut state = shared.lock();
        if shared.streams() >= limits::MERCURE_SUBSCRIBERS_MAX {
            return Err(Refused::Full);
        }
        let (answered, next) = match last_event_id {
            Some(id) => {
                if let Some(relay) = &state.relay {
                    relay.continues(&subscriber);
                }
                let (before, next) = state.history.after(id, subscriber.is_watcher());
                (Some(before.to_owned()), next)
            }
            None => (None, state.history.had()),
        };
        let stream = Stream::new(&shared, subscriber, next, &mut state);
        drop(state);
        hubs::SUBSCRIBERS_TOTAL.fetch_add(1, Ordering::Relaxed);
        stream.announce(true);
        Ok(Subscription { stream, last_event_id: answered })
    }

    /// Whether someone may still receive what is published now. `false`: a reload has removed the hub, or the server stops, and
    /// neither a file keeps it for the next one nor do other instances receive it.
    pub fn takes_updates(&self) -> bool {
        let state = self.shared.lock();
        !state.is_closed || state.successor.is_some() || state.relay.is_some() || self.shared.file.is_some()
    }

    fn is_closed(&self) -> bool {
        self.shared.lock().is_closed
    }

    fn close(&self, successor: Option<Arc<Self>>) {
        // What comes meanwhile waits, and is behind what the successor takes over.
        let publishing = self.shared.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.shared.lock();
        if state.is_closed {
            return;
        }
        state.is_closed = true;
        state.successor = successor.map(|hub| Arc::clone(&hub.shared));
        let successor = state.successor.clone();
        let relay = state.relay.clone().filter(|_| successor.is_some());
        drop(state);
        // Until the cluster has the new configuration: what is published meanwhile goes to other instances too.
        if let Some((relay, successor)) = relay.zip(successor.as_ref()) {
            let has_one = successor.lock().relay.is_some();
            if !has_one {
                relay.carry(successor);
            }
        }
        if let Some((successor, file)) = successor.as_ref().and_then(|hub| Some((hub, hub.file.as_ref()?))) {
            file.adopt(successor, &self.shared);
        }
        self.shared.keep(true);
        drop(publishing);
        self.shared.subscribers.retain(|_, subscriber| {
            subscriber.close();
            false
        });
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.close(None);
        self.shared.lock().is_over = true;
        self.shared.added.notify_one();
    }
}

/// The time now, in seconds since 1970.
fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
