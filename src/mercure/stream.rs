//! The stream of one subscriber: first what it has missed, from the history, then its queue.
//!
//! A stream that catches up keeps its place in the history, and a few updates. It becomes a subscriber in the step in which it
//! finds the end of the history, so it misses nothing and receives nothing twice. Selectors and updates can be many, so it
//! compares them in slices, between which its thread serves others.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use super::{Shared, State, Subscriber, Update, Wait};
use crate::limits;

/// The updates of one subscriber.
pub struct Stream {
    shared: Arc<Shared>,
    subscriber: Arc<Subscriber>,
    stage: Stage,
    /// Updates of the history that were not compared yet.
    taken: VecDeque<Arc<Update>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The number of the next update of the history.
    Behind(u64),
    /// The number among the subscribers.
    Subscribed(u64),
    /// The history has no longer what comes next.
    Lost,
}

impl Stream {
    /// A stream that begins with this update of the history. Called with the state of the hub locked.
    pub(super) fn new(shared: &Arc<Shared>, subscriber: Arc<Subscriber>, next: u64, state: &mut State) -> Self {
        shared.behind.fetch_add(1, Ordering::Relaxed);
        let (shared, taken) = (Arc::clone(shared), VecDeque::new());
        let mut stream = Self { shared, subscriber, stage: Stage::Behind(next), taken };
        stream.advance(next, state);
        stream
    }

    /// The next update.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Wait> {
        let mut work = 0;
        loop {
            while let Some(update) = self.taken.pop_front() {
                work += self.subscriber.work(&update);
                if self.subscriber.wants(&update) {
                    return Poll::Ready(Wait::Next(update));
                }
                if work > limits::MERCURE_WORK_MAX {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            match self.stage {
                Stage::Subscribed(_) => return self.subscriber.poll_next(context),
                Stage::Lost => return Poll::Ready(Wait::Closed),
                Stage::Behind(next) => self.take_more(next),
            }
        }
    }

    fn take_more(&mut self, next: u64) {
        let shared = Arc::clone(&self.shared);
        self.advance(next, &mut shared.lock());
        match self.stage {
            Stage::Subscribed(_) => self.announce(true),
            Stage::Lost => {
                tracing::warn!(dropped = 1, "mercure: subscribers that read too slowly were disconnected");
            }
            Stage::Behind(_) => {}
        }
    }

    /// Takes the next updates of the history; at its end, becomes a subscriber.
    fn advance(&mut self, next: u64, state: &mut State) {
        let Some(updates) = state.history.from(next, self.subscriber.is_watcher()) else {
            self.leave_behind(Stage::Lost);
            return;
        };
        let mut bytes = 0;
        for (number, update) in updates {
            if self.taken.len() >= limits::MERCURE_TAKEN_UPDATES_MAX || bytes >= limits::MERCURE_TAKEN_BYTES_MAX {
                self.stage = Stage::Behind(*number);
                return;
            }
            bytes += update.frame.len();
            self.taken.push_back(Arc::clone(update));
        }
        let number = state.number();
        if state.is_closed {
            // A stream that ends in order: a browser connects again after that, and never after an error.
            self.subscriber.close();
        } else {
            self.shared.subscribers.insert(number, Arc::clone(&self.subscriber));
        }
        self.leave_behind(Stage::Subscribed(number));
    }

    fn leave_behind(&mut self, stage: Stage) {
        self.shared.behind.fetch_sub(1, Ordering::Relaxed);
        self.stage = stage;
    }

    /// Says to others that it has come, or gone, if it is a subscriber. Without a lock.
    pub(super) fn announce(&self, is_active: bool) {
        if matches!(self.stage, Stage::Subscribed(_)) {
            self.shared.announce(&self.subscriber, is_active);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        match self.stage {
            Stage::Behind(_) => self.leave_behind(Stage::Lost),
            Stage::Subscribed(number) => {
                self.shared.subscribers.remove(number);
                self.announce(false);
            }
            Stage::Lost => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MercureSettings;
    use crate::mercure::{Grants, Hub, Publication, Refused, Selector};
    use std::task::Waker;
    use std::time::Instant;

    /// Hubs with the same settings are one hub, so each test has its own number.
    fn hub(history_max: usize) -> Arc<Hub> {
        Hub::with(&MercureSettings { history_max, ..MercureSettings::default() })
    }

    fn publish(hub: &Hub, numbers: std::ops::Range<usize>) {
        for number in numbers {
            let (topics, id) = (vec!["https://example.com/a".to_owned()], Some(number.to_string()));
            hub.publish(Publication { topics, id, ..Publication::default() }).expect("it is valid");
        }
    }

    fn subscriber(topic: &str) -> Result<Subscriber, Refused> {
        Subscriber::new(vec![Selector::topic(topic)], &Grants::default())
    }

    fn open(hub: &Hub, topic: &str, last: Option<&str>) -> Stream {
        let subscriber = subscriber(topic).expect("it is valid");
        hub.subscribe(subscriber, &Grants::default(), last).expect("there is room").stream
    }

    /// `None`: it waits.
    fn poll(stream: &mut Stream) -> Option<String> {
        match stream.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Wait::Next(update)) => Some(update.id.to_string()),
            Poll::Ready(Wait::Closed) => Some("closed".to_owned()),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_burst_of_small_updates_drops_no_reader() {
        let hub = hub(1);
        let mut stream = open(&hub, "*", None);
        publish(&hub, 0..1000);
        for number in 0..1000 {
            assert_eq!(poll(&mut stream), Some(number.to_string()));
        }
        assert_eq!(poll(&mut stream), None);
        publish(&hub, 0..limits::MERCURE_QUEUE_UPDATES_MAX + 1);
        assert_eq!(poll(&mut stream), Some("closed".to_owned()), "the queue has a bound");
    }

    #[test]
    fn a_stream_that_catches_up_keeps_few_updates_and_misses_none() {
        let hub = hub(2000);
        publish(&hub, 0..1000);
        let mut stream = open(&hub, "*", Some("9"));
        for number in 10..2000 {
            assert_eq!(poll(&mut stream), Some(number.to_string()));
            assert!(stream.taken.len() <= limits::MERCURE_TAKEN_UPDATES_MAX);
            if (10..1010).contains(&number) {
                publish(&hub, number + 990..number + 991);
            }
        }
        assert!(matches!(stream.stage, Stage::Subscribed(_)));
        assert_eq!(hub.shared.streams(), 1);
        publish(&hub, 2000..2001);
        assert_eq!((poll(&mut stream), poll(&mut stream)), (Some("2000".to_owned()), None));
        let behind = open(&hub, "*", Some("9"));
        assert_eq!((behind.stage, hub.shared.streams()), (Stage::Behind(74), 2));
        drop((stream, behind));
        assert_eq!(hub.shared.streams(), 0);
    }

    #[test]
    fn a_stream_that_the_history_has_left_behind_ends() {
        let hub = hub(200);
        publish(&hub, 0..200);
        let mut stream = open(&hub, "*", Some("earliest"));
        publish(&hub, 200..400);
        for number in 0..limits::MERCURE_TAKEN_UPDATES_MAX {
            assert_eq!(poll(&mut stream), Some(number.to_string()));
        }
        assert_eq!(poll(&mut stream), Some("closed".to_owned()));
        assert_eq!(hub.shared.streams(), 0);
    }

    /// A URL full of variables, with the whole history before it, used to hold up a thread for minutes.
    #[test]
    fn a_thread_serves_others_while_a_stream_compares() {
        assert!(matches!(subscriber(&"{a}".repeat(limits::MERCURE_VARIABLES_MAX + 1)), Err(Refused::TooLarge)));
        let hub = hub(3000);
        publish(&hub, 0..1000);
        let mut stream = open(&hub, &format!("{}!", "{a}".repeat(limits::MERCURE_VARIABLES_MAX)), Some("earliest"));
        let mut slices = 0;
        while !matches!(stream.stage, Stage::Subscribed(_)) || !stream.taken.is_empty() {
            assert_eq!(poll(&mut stream), None);
            slices += 1;
        }
        assert!((20..=1000).contains(&slices), "{slices}");
    }

    /// Each of them took a pass over all the others.
    #[test]
    fn clients_that_come_and_see_no_one_cost_no_pass_over_all() {
        let settings = MercureSettings { history_max: 77, subscriptions: true, ..MercureSettings::default() };
        let hub = Hub::with(&settings);
        let selectors = vec![Selector::topic("https://example.com/{id}")];
        let grants = Grants { subscribe: Some(selectors), ..Grants::default() };
        let began = Instant::now();
        let streams: Vec<Stream> = (0..10_000)
            .map(|_| {
                let subscriber = Subscriber::new(vec![Selector::topic("/books/1")], &grants).expect("it is valid");
                hub.subscribe(subscriber, &grants, None).expect("there is room").stream
            })
            .collect();
        let may_see_all = Grants { subscribe: Some(vec![Selector::topic("*")]), ..Grants::default() };
        let watcher = Subscriber::new(vec![Selector::topic("*")], &may_see_all).expect("it is valid");
        let mut watcher = hub.subscribe(watcher, &may_see_all, None).expect("there is room").stream;
        let mut compared = 0;
        hub.shared.subscribers.retain_watchers(|_, _| {
            compared += 1;
            true
        });
        assert_eq!(compared, 1, "a change is compared with one of 10,001 streams");
        assert!(poll(&mut watcher).is_some(), "its own begin");
        streams.into_iter().take(100).for_each(drop);
        assert!((0..100).all(|_| poll(&mut watcher).is_some()), "one update for each that goes");
        let time = began.elapsed();
        assert!(time.as_secs() < 20, "{time:?}");
    }
}
