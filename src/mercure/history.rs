//! The updates that a client gets when it comes back, within two bounds.
//!
//! What the hub publishes about its own subscribers is kept apart: clients that come and go must not push out what publishers have
//! sent. Both have one count, so a client that may see both gets them in their order.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::update::{Audience, EARLIEST, Update};
use crate::limits;

pub(super) struct History {
    updates: Log,
    /// The updates about subscribers.
    presence: Log,
    /// The number of the newest update with this identifier: to look one up is no walk over all.
    numbers: HashMap<Arc<str>, u64>,
    /// How many updates it has had. They are numbered in their order, from 0.
    had: u64,
}

/// Updates with their numbers, the oldest first.
struct Log {
    updates: VecDeque<(u64, Arc<Update>)>,
    updates_max: usize,
    bytes: usize,
    bytes_max: usize,
    /// The number behind the last one that it does not have any more.
    lost: u64,
    /// The identifier of that one.
    before: Option<Arc<str>>,
}

impl Log {
    fn new(updates_max: usize, bytes_max: usize) -> Self {
        Self { updates: VecDeque::new(), updates_max, bytes: 0, bytes_max, lost: 0, before: None }
    }

    fn add(&mut self, number: u64, update: &Arc<Update>) {
        self.bytes += update.frame.len();
        self.updates.push_back((number, Arc::clone(update)));
    }

    /// The oldest, if it is beyond the bounds.
    fn pop(&mut self) -> Option<(u64, Arc<Update>)> {
        if self.updates.len() <= self.updates_max && self.bytes <= self.bytes_max {
            return None;
        }
        let (number, oldest) = self.updates.pop_front()?;
        self.bytes -= oldest.frame.len();
        self.lost = number + 1;
        Some((number, oldest))
    }

    /// Those with this number or a higher one.
    fn from(&self, number: u64) -> impl Iterator<Item = &(u64, Arc<Update>)> {
        self.updates.range(self.updates.partition_point(|(own, _)| *own < number)..)
    }

    fn last(&self) -> Option<&(u64, Arc<Update>)> {
        self.updates.back()
    }
}

impl History {
    pub(super) fn new(updates_max: usize) -> Self {
        Self {
            updates: Log::new(updates_max, limits::MERCURE_HISTORY_BYTES_MAX),
            presence: Log::new(updates_max, limits::MERCURE_PRESENCE_BYTES_MAX),
            numbers: HashMap::new(),
            had: 0,
        }
    }

    pub(super) fn add(&mut self, update: &Arc<Update>) {
        self.numbers.insert(Arc::clone(&update.id), self.had);
        let log = match update.audience {
            Audience::All => &mut self.updates,
            Audience::Watchers => &mut self.presence,
        };
        log.add(self.had, update);
        self.had += 1;
        while let Some((number, oldest)) = log.pop() {
            if self.numbers.get(&oldest.id) == Some(&number) {
                self.numbers.remove(&oldest.id);
            }
            // Of a private one the name is not kept: it is shown to clients that may not get the update.
            log.before = (!oldest.is_private).then(|| Arc::clone(&oldest.id));
        }
    }

    /// Whether it has an update with this identifier.
    pub(super) fn has(&self, id: &str) -> bool {
        self.numbers.contains_key(id)
    }

    /// How many updates it has had.
    pub(super) fn had(&self) -> u64 {
        self.had
    }

    /// Those that came after the first `had` ones and are still here, and how many it has had now.
    pub(super) fn since(&self, had: u64) -> (Vec<Arc<Update>>, u64) {
        (self.both(had, had).map(|(_, update)| Arc::clone(update)).collect(), self.had)
    }

    /// The newest update.
    pub(super) fn last(&self) -> &str {
        let newest = self.updates.last().into_iter().chain(self.presence.last()).max_by_key(|(number, _)| number);
        newest.map(|(_, update)| &*update.id).or(self.updates.before.as_deref()).unwrap_or(EARLIEST)
    }

    /// The number of the update after this one, and the identifier of the one before that. If it is not here any more, that is
    /// the oldest.
    pub(super) fn after(&self, id: &str, is_watcher: bool) -> (&str, u64) {
        match self.numbers.get_key_value(id) {
            Some((_, number)) if is_watcher && self.presence.lost > number + 1 => (EARLIEST, number + 1),
            Some((id, number)) => (id, number + 1),
            None => (self.updates.before.as_deref().unwrap_or(EARLIEST), self.updates.lost),
        }
    }

    /// The updates from this number on, in their order; `None`: what publishers have sent is not here from there on any more.
    pub(super) fn from(&self, number: u64, is_watcher: bool) -> Option<impl Iterator<Item = &(u64, Arc<Update>)>> {
        if number < self.updates.lost {
            return None;
        }
        Some(self.both(number, if is_watcher { number } else { self.had }))
    }

    fn both(&self, updates: u64, presence: u64) -> impl Iterator<Item = &(u64, Arc<Update>)> {
        let mut updates = self.updates.from(updates).peekable();
        let mut presence = self.presence.from(presence).peekable();
        std::iter::from_fn(move || {
            let is_presence = match (updates.peek(), presence.peek()) {
                (Some(one), Some(other)) => other.0 < one.0,
                (one, _) => one.is_none(),
            };
            if is_presence { presence.next() } else { updates.next() }
        })
    }
}
