//! What a hub sends to the hubs of other instances of a cluster, and what it receives from them. The layer `cluster` carries it.
//!
//! A hub numbers what it sends. So a receiver notices what it has received twice, because a sender repeats what was not
//! answered, and counts what it has missed. A relay belongs to the name of a hub in the cluster: it outlives reloads.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use tokio::sync::{Notify, watch};

use super::burst::Burst;
use super::inbox::Inbox;
use super::relay_counts::{DROPPED, RECEIVED, SENT, WAITING};
use super::update::Audience;
use super::wire::{self, Sent, Unreadable};
use super::{Hub, Invalid, Publication, Shared, Subscriber};
use crate::limits;

/// The way between one hub and the hubs of the same name on other instances.
pub struct Relay {
    /// The name of the hub, for the log.
    name: String,
    /// This process, for the others.
    sender: u64,
    /// The bytes of the largest update that the engine takes.
    bytes_max: AtomicUsize,
    /// The hub. Protects the pointer alone.
    hub: Mutex<Weak<Shared>>,
    outbox: Mutex<Outbox>,
    /// Wakes who sends.
    filled: Notify,
    /// Held while an update is received: they go to the hub in their order.
    inbox: Mutex<Inbox>,
    /// Whether the history has what the engine had when this instance began.
    past: watch::Sender<Past>,
    /// Those who came back before that. Their streams end then, so that they come back once more, and miss nothing.
    early: Mutex<Vec<Weak<Subscriber>>>,
}

/// One update on its way to the others.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The hub that sends it.
    pub sender: u64,
    /// Its number among those of the sender, from 1.
    pub number: u64,
    /// The whole, for [`Relay::arrived`] of the others.
    pub bytes: Bytes,
}

#[derive(Default)]
struct Outbox {
    waiting: VecDeque<Outgoing>,
    bytes: usize,
    /// How many there were.
    count: u64,
    dropped: Burst,
}

/// Where the updates are that were there before this instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Past {
    /// They are on their way, as far as anyone knows.
    Coming,
    /// The engine does not answer.
    Away,
    /// The history has all of them.
    Here,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Relay {
    /// A relay without a hub. The name is that of the hub in the cluster.
    pub fn new(name: &str) -> Arc<Self> {
        static RELAYS: AtomicU64 = AtomicU64::new(0);
        let relay = RELAYS.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self {
            name: name.to_owned(),
            sender: std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), relay),
            bytes_max: AtomicUsize::new(limits::CLUSTER_UPDATE_BYTES_MAX),
            hub: Mutex::default(),
            outbox: Mutex::default(),
            filled: Notify::new(),
            inbox: Mutex::new(Inbox::of(name)),
            past: watch::Sender::new(Past::Coming),
            early: Mutex::default(),
        })
    }

    /// Carries the updates of this hub from now on.
    pub fn serve(self: &Arc<Self>, hub: &Hub) {
        self.carry(&hub.shared);
    }

    pub(super) fn carry(self: &Arc<Self>, shared: &Arc<Shared>) {
        *locked(&self.hub) = Arc::downgrade(shared);
        shared.lock().relay = Some(Arc::clone(self));
    }

    /// Carries no updates of the hub any more. What waits is still to be sent.
    pub fn end(self: &Arc<Self>) {
        let Some(shared) = std::mem::take(&mut *locked(&self.hub)).upgrade() else { return };
        let mut state = shared.lock();
        if state.relay.as_ref().is_some_and(|relay| Arc::ptr_eq(relay, self)) {
            state.relay = None;
        }
    }

    /// The engine takes updates of at most so many bytes.
    pub fn limit(&self, bytes_max: usize) {
        self.bytes_max.store(bytes_max.min(limits::CLUSTER_UPDATE_BYTES_MAX), Ordering::Relaxed);
    }

    /// The form for other instances.
    ///
    /// # Errors The engine does not take so much.
    pub(super) fn pack(&self, publication: &Publication) -> Result<Vec<u8>, Invalid> {
        let packed = wire::encode(publication);
        let (bytes, bytes_max) = (packed.len(), self.bytes_max.load(Ordering::Relaxed));
        if bytes > bytes_max { Err(Invalid::TooLarge { bytes, bytes_max }) } else { Ok(packed) }
    }

    /// Puts an update behind those that wait. Without room the oldest ones are dropped: a subscriber needs the newest state.
    pub(super) fn push(&self, mut packed: Vec<u8>) {
        let mut outbox = locked(&self.outbox);
        outbox.count += 1;
        let (sender, number) = (self.sender, outbox.count);
        wire::sign(&mut packed, sender, number);
        outbox.bytes += packed.len();
        outbox.waiting.push_back(Outgoing { sender, number, bytes: packed.into() });
        WAITING.fetch_add(1, Ordering::Relaxed);
        let mut dropped = 0;
        while outbox.waiting.len() > limits::MERCURE_OUTBOX_UPDATES_MAX
            || outbox.bytes > limits::MERCURE_OUTBOX_BYTES_MAX
        {
            if outbox.remove_first().is_none() {
                break;
            }
            dropped += 1;
        }
        let record = if dropped > 0 { outbox.drop_more(dropped) } else { None };
        drop(outbox);
        self.filled.notify_one();
        if let Some(dropped) = record {
            let hub = &self.name;
            tracing::warn!(
                hub,
                dropped,
                "mercure: the cluster's engine is too slow, other instances miss updates of this one"
            );
        }
    }

    /// The oldest updates that wait, at least one. Cancel-safe.
    pub async fn next(&self) -> Vec<Outgoing> {
        loop {
            let filled = self.filled.notified();
            let batch = self.waiting();
            if !batch.is_empty() {
                return batch;
            }
            filled.await;
        }
    }

    /// The same without a wait: possibly none. Those that are too large for the engine, which may have said so after they were
    /// published, are dropped.
    pub fn waiting(&self) -> Vec<Outgoing> {
        let bytes_max = self.bytes_max.load(Ordering::Relaxed);
        let mut outbox = locked(&self.outbox);
        let mut batch: Vec<Outgoing> = Vec::new();
        let mut bytes = 0;
        while let Some(update) = outbox.waiting.get(batch.len()) {
            let length = update.bytes.len();
            if batch.is_empty() && length > bytes_max {
                outbox.remove_first();
                if let Some(dropped) = outbox.drop_more(1) {
                    let hub = &self.name;
                    tracing::warn!(
                        hub,
                        dropped,
                        "mercure: an update of {length} bytes does not reach other instances, because the cluster's engine \
                         takes at most {bytes_max}"
                    );
                }
                continue;
            }
            bytes += length;
            let is_full = bytes > limits::CLUSTER_UPDATE_BYTES_MAX && !batch.is_empty();
            if is_full || length > bytes_max || batch.len() >= limits::CLUSTER_UPDATES_AT_ONCE_MAX {
                break;
            }
            batch.push(update.clone());
        }
        batch
    }

    /// The engine has accepted all up to this number.
    pub fn sent(&self, number: u64) {
        let mut outbox = locked(&self.outbox);
        while outbox.waiting.front().is_some_and(|update| update.number <= number) {
            outbox.remove_first();
            SENT.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All that was there before this instance has arrived.
    pub fn has_caught_up(&self) {
        if self.past.send_replace(Past::Here) != Past::Here {
            std::mem::take(&mut *locked(&self.early)).iter().filter_map(Weak::upgrade).for_each(|early| early.close());
        }
    }

    /// The engine does not answer now, or it does again: a client that comes back waits only for one that may answer.
    pub fn is_reached(&self, is_reached: bool) {
        let now = if is_reached { Past::Coming } else { Past::Away };
        self.past.send_if_modified(|past| *past != Past::Here && std::mem::replace(past, now) != now);
    }

    /// A client that continues where it was. If the history does not yet have all that was there before this instance, its stream
    /// ends when it has.
    pub(super) fn continues(&self, subscriber: &Arc<Subscriber>) {
        if *self.past.borrow() == Past::Here {
            return;
        }
        {
            let mut early = locked(&self.early);
            if early.len() >= limits::MERCURE_SUBSCRIBERS_MAX {
                early.retain(|early| early.strong_count() > 0);
            }
            early.push(Arc::downgrade(subscriber));
        }
        // It may have been too late for the one who closes them.
        if *self.past.borrow() == Past::Here {
            subscriber.close();
        }
    }

    /// Records what the last records did not name, when nothing happens.
    pub fn is_idle(&self) {
        let dropped = locked(&self.outbox).dropped.due();
        let (missed, unreadable) = {
            let mut inbox = locked(&self.inbox);
            (inbox.missed.due(), inbox.unreadable.due())
        };
        if dropped.is_some() || missed.is_some() || unreadable.is_some() {
            let [dropped, missed, unreadable] = [dropped, missed, unreadable].map(Option::unwrap_or_default);
            let hub = &self.name;
            tracing::warn!(
                hub,
                dropped,
                missed,
                unreadable,
                "mercure: more updates between instances were lost since the last record"
            );
        }
    }

    /// Waits until the history has all that was there before this instance, or the engine is known to be away.
    pub(super) async fn past(&self) {
        // It fails when the relay is dropped, which the caller holds.
        let _ = self.past.subscribe().wait_for(|past| *past != Past::Coming).await;
    }

    /// Takes note of something in the engine that is larger than any update, and was not read.
    pub fn skipped(&self) {
        locked(&self.inbox).refuse(&Unreadable::TooLarge);
    }

    /// Gives up what still waits: the server stops, or the hub is gone.
    pub fn give_up(&self) {
        let dropped = {
            let mut outbox = locked(&self.outbox);
            outbox.bytes = 0;
            std::mem::take(&mut outbox.waiting).len()
        };
        if dropped > 0 {
            WAITING.fetch_sub(dropped, Ordering::Relaxed);
            DROPPED.fetch_add(dropped as u64, Ordering::Relaxed);
            let hub = &self.name;
            tracing::warn!(hub, dropped, "mercure: other instances miss the last updates of a hub");
        }
    }

    /// Takes an update from the engine. One that was there before this instance has begun is for clients that come back, and for no
    /// one else.
    pub fn arrived(&self, bytes: &[u8], is_past: bool) {
        let mut inbox = locked(&self.inbox);
        let Sent { sender, number, publication } = match wire::decode(bytes) {
            Ok(sent) => sent,
            Err(error) => return inbox.refuse(&error),
        };
        if sender == self.sender || !inbox.is_new(sender, number) {
            return;
        }
        if let Err(error) = publication.check() {
            return inbox.refuse(&error);
        }
        RECEIVED.fetch_add(1, Ordering::Relaxed);
        let Some(shared) = locked(&self.hub).upgrade() else { return };
        let update = Arc::new(publication.framed(Audience::All));
        if is_past {
            shared.remember(&update);
        } else {
            shared.send(std::slice::from_ref(&update), Audience::All, None);
        }
    }
}

impl Outbox {
    fn remove_first(&mut self) -> Option<Outgoing> {
        let first = self.waiting.pop_front()?;
        self.bytes = self.bytes.saturating_sub(first.bytes.len());
        WAITING.fetch_sub(1, Ordering::Relaxed);
        Some(first)
    }

    fn drop_more(&mut self, updates: u64) -> Option<u64> {
        DROPPED.fetch_add(updates, Ordering::Relaxed);
        self.dropped.add(updates)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.give_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MercureSettings;

    /// Hubs with the same settings are one hub, so each has its own number.
    fn hub(history_max: usize) -> (Arc<Hub>, Arc<Relay>) {
        let hub = Hub::with(&MercureSettings { history_max, ..MercureSettings::default() });
        let relay = Relay::new("test");
        relay.serve(&hub);
        (hub, relay)
    }

    fn publish(hub: &Hub, numbers: std::ops::Range<usize>, bytes: usize) {
        for number in numbers {
            let (topics, id, data) = (vec!["a".to_owned()], Some(number.to_string()), "x".repeat(bytes));
            hub.publish(Publication { topics, id, data, ..Publication::default() }).expect("it is valid");
        }
    }

    fn history(hub: &Hub) -> Vec<String> {
        let (updates, _) = hub.shared.lock().history.since(0);
        updates.iter().map(|update| update.id.to_string()).collect()
    }

    #[test]
    fn the_oldest_updates_are_dropped_when_too_many_wait() {
        let (hub, relay) = hub(9_001);
        let most = limits::MERCURE_OUTBOX_UPDATES_MAX;
        publish(&hub, 0..most + 10, 1);
        let waiting = locked(&relay.outbox).waiting.len();
        assert_eq!((waiting, relay.waiting()[0].number), (most, 11));
        let bytes = 1 << 19;
        publish(&hub, 0..40, bytes);
        assert!(locked(&relay.outbox).bytes <= limits::MERCURE_OUTBOX_BYTES_MAX);
        let batch = relay.waiting();
        assert!(batch.len() == 1 && batch[0].bytes.len() > bytes, "a batch is bounded, too");
        relay.sent(batch[0].number);
        assert_eq!(relay.waiting()[0].number, batch[0].number + 1);
    }

    #[test]
    fn an_update_that_is_too_large_for_the_server_does_not_hold_up_the_others() {
        let (hub, relay) = hub(9_002);
        [1, 4_000, 1].into_iter().enumerate().for_each(|(number, bytes)| publish(&hub, number..number + 1, bytes));
        relay.limit(2_000);
        let small = relay.waiting();
        assert_eq!(small.len(), 1, "what is before it is sent first");
        relay.sent(small[0].number);
        assert_eq!(relay.waiting().iter().map(|update| update.number).collect::<Vec<_>>(), [3]);
        let large = Publication { topics: vec!["a".to_owned()], data: "x".repeat(2_000), ..Publication::default() };
        assert!(matches!(hub.publish(large), Err(Invalid::TooLarge { bytes_max: 2_000, .. })));
    }

    #[test]
    fn an_update_is_received_once() {
        let ((one, sent), (other, received)) = (hub(9_003), hub(9_004));
        publish(&one, 0..5, 1);
        let updates = sent.waiting();
        for number in [0, 1, 0, 1, 3, 2, 4, 4] {
            received.arrived(&updates[number].bytes, number < 2);
        }
        // The fourth one has come before the third, which is lost.
        assert_eq!(history(&other), ["0", "1", "3", "4"]);
        updates.iter().for_each(|update| sent.arrived(&update.bytes, false));
        assert_eq!(history(&one).len(), 5, "the own ones are there already");
        assert!(received.waiting().is_empty(), "what was received is not sent again");
    }

    #[test]
    fn a_successor_sends_and_receives_in_the_place_of_a_hub() {
        let ((old, relay), (other, far)) = (hub(9_005), hub(9_006));
        let new = Hub::with(&MercureSettings { history_max: 9_007, ..MercureSettings::default() });
        old.close(Some(Arc::clone(&new)));
        publish(&old, 0..1, 1);
        publish(&new, 1..2, 1);
        assert_eq!(relay.waiting().len(), 2);
        publish(&other, 2..3, 1);
        relay.arrived(&far.waiting()[0].bytes, false);
        assert_eq!(history(&new), ["0", "1", "2"]);
        relay.end();
        publish(&new, 3..4, 1);
        assert_eq!(relay.waiting().len(), 2, "it has no relay any more");
    }
}
