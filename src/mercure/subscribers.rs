//! The subscribers of a hub, in parts with a lock each: an update on its way to all of them holds up one part at a time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Subscriber;

/// With as many streams as a hub can have, a part has some 1,600.
const PARTS: usize = 64;

type Part = HashMap<u64, Arc<Subscriber>>;

pub(super) struct Subscribers {
    parts: [Mutex<Part>; PARTS],
    /// Those who could see others once more: what is said about each client that comes costs a pass over these alone.
    watchers: Mutex<Part>,
    count: AtomicUsize,
}

impl Subscribers {
    pub(super) fn new() -> Self {
        Self {
            parts: std::array::from_fn(|_| Mutex::default()),
            watchers: Mutex::default(),
            count: AtomicUsize::new(0),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) fn insert(&self, number: u64, subscriber: Arc<Subscriber>) {
        let mut part = self.part(number);
        if subscriber.is_watcher() {
            lock(&self.watchers).insert(number, Arc::clone(&subscriber));
        }
        part.insert(number, subscriber);
        // Under the lock: its removal is counted after that, and the number never falls below zero.
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove(&self, number: u64) {
        let removed = self.part(number).remove(&number);
        if let Some(subscriber) = removed {
            self.count.fetch_sub(1, Ordering::Relaxed);
            if subscriber.is_watcher() {
                lock(&self.watchers).remove(&number);
            }
        }
    }

    /// Calls `seen` with each of them.
    pub(super) fn for_each(&self, mut seen: impl FnMut(&Subscriber)) {
        for part in &self.parts {
            lock(part).values().for_each(|subscriber| seen(subscriber));
        }
    }

    /// Removes those for which `is_kept` returns false, and returns how many that were.
    pub(super) fn retain(&self, mut is_kept: impl FnMut(u64, &Subscriber) -> bool) -> usize {
        let mut removed = 0;
        for part in &self.parts {
            let mut part = lock(part);
            let before = part.len();
            part.retain(|number, subscriber| {
                let kept = is_kept(*number, subscriber);
                if !kept && subscriber.is_watcher() {
                    lock(&self.watchers).remove(number);
                }
                kept
            });
            removed += before - part.len();
        }
        self.count.fetch_sub(removed, Ordering::Relaxed);
        removed
    }

    /// The same for those who could see others.
    pub(super) fn retain_watchers(&self, mut is_kept: impl FnMut(u64, &Subscriber) -> bool) -> usize {
        let mut removed = Vec::new();
        for (number, subscriber) in lock(&self.watchers).iter() {
            if !is_kept(*number, subscriber) {
                removed.push(*number);
            }
        }
        removed.iter().for_each(|number| self.remove(*number));
        removed.len()
    }

    fn part(&self, number: u64) -> MutexGuard<'_, Part> {
        // The remainder is less than the number of parts.
        lock(&self.parts[(number % PARTS as u64) as usize])
    }
}

fn lock(part: &Mutex<Part>) -> MutexGuard<'_, Part> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}
