//! The state of one client: its login, its subscriptions, and its transaction.

use super::glob::fits;
use super::reply::Reply;
use crate::limits::RESP_EVENTS_WAITING_MAX;
use crate::store::{Change, Listener, Store};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use tokio::sync::mpsc;

/// A request with its arguments, kept for `EXEC`.
pub(super) type Kept = Vec<Vec<u8>>;

/// A store with its password, shared by its clients.
pub(super) struct Served {
    pub(super) store: Arc<Store>,
    pub(super) password: Option<String>,
    /// A transaction takes it exclusively; other commands share it.
    pub(super) turn: RwLock<()>,
}

/// What the commands of a read have while they run: transactions of other clients wait for its end.
pub(super) struct Turn<'s> {
    lock: &'s RwLock<()>,
    shared: Option<RwLockReadGuard<'s, ()>>,
}

impl<'s> Turn<'s> {
    pub(super) fn new(served: &'s Served) -> Self {
        Self { lock: &served.turn, shared: None }
    }

    /// Waits while a transaction runs.
    pub(super) fn share(&mut self) {
        self.shared.get_or_insert_with(|| self.lock.read().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn end(&mut self) {
        self.shared = None;
    }
}

/// The state of a connection.
pub(super) struct Session {
    pub(super) served: Arc<Served>,
    pub(super) reply: Reply,
    pub(super) is_trusted: bool,
    pub(super) is_ending: bool,
    pub(super) name: Vec<u8>,
    /// `MULTI` was said; `Err`: one of its requests was invalid.
    pub(super) transaction: Option<Result<Vec<Kept>, ()>>,
    /// What `WATCH` has seen.
    pub(super) watched: Vec<(Vec<u8>, Option<u64>)>,
    pub(super) channels: BTreeSet<Vec<u8>>,
    pub(super) patterns: BTreeSet<Vec<u8>>,
    pub(super) events: Option<Events>,
}

/// The changes for a subscribed client.
pub(super) struct Events {
    pub(super) receiver: mpsc::Receiver<(&'static str, Vec<u8>)>,
    ear: Arc<Ear>,
}

/// As in Redis, a client that reads too slowly is disconnected, because writers never wait.
struct Ear {
    sender: mpsc::Sender<(&'static str, Vec<u8>)>,
    is_lost: AtomicBool,
}

impl Listener for Ear {
    fn changed(&self, change: Change<'_>) -> bool {
        let is_sent = self.sender.try_send((change.event, change.key.to_vec())).is_ok();
        if !is_sent {
            self.is_lost.store(true, Ordering::Relaxed);
        }
        is_sent
    }

    fn is_there(&self) -> bool {
        !self.is_lost.load(Ordering::Relaxed) && !self.sender.is_closed()
    }
}

impl Events {
    pub(super) fn of(store: &Store) -> Option<Self> {
        let (sender, receiver) = mpsc::channel(RESP_EVENTS_WAITING_MAX);
        let ear = Arc::new(Ear { sender, is_lost: AtomicBool::new(false) });
        store.listen(ear.clone()).ok()?;
        Some(Self { receiver, ear })
    }

    /// Whether changes were missed.
    pub(super) fn is_lost(&self) -> bool {
        self.ear.is_lost.load(Ordering::Relaxed)
    }
}

impl Session {
    pub(super) fn new(served: Arc<Served>) -> Self {
        Self {
            is_trusted: served.password.is_none(),
            served,
            reply: Reply::default(),
            is_ending: false,
            name: Vec::new(),
            transaction: None,
            watched: Vec::new(),
            channels: BTreeSet::new(),
            patterns: BTreeSet::new(),
            events: None,
        }
    }

    pub(super) fn store(&self) -> &Arc<Store> {
        &self.served.store
    }

    /// Writes what a change means to the channels and patterns of the client.
    pub(super) fn hear(&mut self, event: &str, key: &[u8]) {
        let by_event = (format!("__keyevent@0__:{event}").into_bytes(), key);
        let by_key = ([b"__keyspace@0__:", key].concat(), event.as_bytes());
        for (channel, message) in [by_key, by_event] {
            if self.channels.contains(&channel) {
                self.reply.push(3);
                [&b"message"[..], &channel, message].iter().for_each(|part| self.reply.text(part));
            }
            for pattern in self.patterns.iter().filter(|pattern| fits(pattern, &channel)) {
                self.reply.push(4);
                [&b"pmessage"[..], pattern, &channel, message].iter().for_each(|part| self.reply.text(part));
            }
        }
    }
}
