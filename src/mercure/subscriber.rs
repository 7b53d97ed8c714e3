//! A subscriber: what it wants, what it may get, and the bounded queue of what it has not got yet.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::hub_url::{HubUrl, Topic};
use super::update::{SUBSCRIPTIONS, random_id};
use super::{Grants, Refused, Selector, Update};
use crate::limits;

/// One client of a hub.
pub struct Subscriber {
    selectors: Box<[Selector]>,
    /// The private updates that it may get.
    allowed: Box<[Selector]>,
    /// The hub, as this client knows it.
    hub: HubUrl,
    /// Whether updates about other subscribers could be among them.
    is_watcher: bool,
    /// How others see it; `None`: the hub does not show its subscribers.
    presence: Option<Box<Presence>>,
    queue: Mutex<Queue>,
}

/// A subscriber as others see it.
#[derive(Debug)]
pub(super) struct Presence {
    pub(super) id: String,
    /// What its token says about it, for each selector.
    pub(super) payloads: Box<[Option<Arc<Value>>]>,
}

#[derive(Default)]
struct Queue {
    updates: VecDeque<Arc<Update>>,
    bytes: usize,
    /// Since when the oldest update waits.
    waits_since: Option<Instant>,
    waker: Option<Waker>,
    is_closed: bool,
}

/// The next thing on a stream.
pub enum Wait {
    /// An update.
    Next(Arc<Update>),
    /// No more updates.
    Closed,
}

impl Subscriber {
    /// A subscriber to the topics that these selectors select.
    ///
    /// # Errors There are too many selectors, or they have too many variables.
    pub fn new(selectors: Vec<Selector>, grants: &Grants) -> Result<Self, Refused> {
        let variables: usize = selectors.iter().map(Selector::variables).sum();
        if selectors.len() > limits::MERCURE_TOPICS_MAX || variables > limits::MERCURE_VARIABLES_MAX {
            return Err(Refused::TooLarge);
        }
        let selectors: Box<[Selector]> = selectors.into();
        let allowed: Box<[Selector]> = grants.subscribe.clone().unwrap_or_default().into();
        let reach = |selectors: &[Selector]| selectors.iter().any(|selector| selector.reaches(SUBSCRIPTIONS));
        let is_watcher = reach(&selectors) && reach(&allowed);
        let hub = grants.hub.clone();
        Ok(Self { selectors, allowed, hub, is_watcher, presence: None, queue: Mutex::default() })
    }

    /// Whether it could get updates about other subscribers.
    pub(super) fn is_watcher(&self) -> bool {
        self.is_watcher
    }

    /// Shows it to others.
    pub(super) fn show(&mut self, grants: &Grants) {
        let payloads = self.selectors.iter().map(|selector| grants.payload(selector).cloned()).collect();
        self.presence = Some(Box::new(Presence { id: random_id(), payloads }));
    }

    pub(super) fn presence(&self) -> Option<&Presence> {
        self.presence.as_deref()
    }

    pub(super) fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    /// Whether it wants the update and may get it. The topic that it wants and the one that it may get can be two names
    /// of the same update.
    pub(super) fn wants(&self, update: &Update) -> bool {
        let any = |selectors: &[Selector]| {
            update.topics.iter().map(|topic| Topic::new(topic, &self.hub)).any(|topic| {
                // In this order a topic is read as a URL once.
                selectors.iter().any(|selector| selector.matches(&topic))
            })
        };
        any(&self.selectors) && (!update.is_private || any(&self.allowed))
    }

    /// How much there is to compare, in bytes.
    pub(super) fn work(&self, update: &Update) -> usize {
        let steps = |selectors: &[Selector]| selectors.iter().map(|selector| 1 + selector.variables()).sum::<usize>();
        let steps = steps(&self.selectors) + if update.is_private { steps(&self.allowed) } else { 0 };
        update.topics.iter().map(String::len).sum::<usize>().saturating_mul(steps)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an update into the queue; false: the client reads too slowly, and its stream ends.
    pub(super) fn push(&self, update: &Arc<Update>, now: Instant, wait_max: Option<Duration>) -> bool {
        let mut queue = self.lock();
        if queue.is_closed {
            // Its client gets this one when it has come back, behind those that it misses now.
            return true;
        }
        let waits = queue.waits_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let bytes = queue.bytes + update.frame.len();
        let is_slow = wait_max.is_some_and(|max| waits > max)
            || queue.updates.len() >= limits::MERCURE_QUEUE_UPDATES_MAX
            || (bytes > limits::MERCURE_QUEUE_BYTES_MAX && !queue.updates.is_empty());
        if is_slow {
            queue.end();
            return false;
        }
        queue.bytes = bytes;
        queue.waits_since.get_or_insert(now);
        queue.updates.push_back(Arc::clone(update));
        queue.wake();
        true
    }

    /// Ends the stream after what is in the queue.
    pub(super) fn close(&self) {
        let mut queue = self.lock();
        queue.is_closed = true;
        queue.wake();
    }

    /// The next update.
    pub(super) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Wait> {
        let mut queue = self.lock();
        let Some(update) = queue.updates.pop_front() else {
            if queue.is_closed {
                return Poll::Ready(Wait::Closed);
            }
            queue.waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        queue.bytes = queue.bytes.saturating_sub(update.frame.len());
        queue.waits_since = (!queue.updates.is_empty()).then(Instant::now);
        if queue.updates.is_empty() {
            // Thousands of idle streams keep no empty buffers.
            queue.updates = VecDeque::new();
            queue.bytes = 0;
        }
        Poll::Ready(Wait::Next(update))
    }
}

impl Queue {
    /// What waits is dropped: the client has not read what came before.
    fn end(&mut self) {
        *self = Self { is_closed: true, waker: self.waker.take(), ..Self::default() };
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
