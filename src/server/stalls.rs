//! Warns if requests wait while every PHP thread of their group has been busy for long. Usually a page requests
//! its own site, or pages wait for one another, and they hold all threads that could answer.

use super::control::Control;
use crate::assemble::Live;
use crate::limits::{STALL_LOOK_EVERY_SECONDS, STALL_SECONDS_MIN};
use crate::threads::{ThreadGroup, ThreadState, ThreadStatus};
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// The number of requests that one record names.
const NAMED_MAX: usize = 3;

/// Checks regularly until the server ends.
pub(super) async fn watch(control: Control) {
    let mut look = tokio::time::interval(Duration::from_secs(STALL_LOOK_EVERY_SECONDS));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The groups with a reported stall, until they move again.
    let mut told = HashSet::new();
    loop {
        look.tick().await;
        let stalls = stalls(&control.live());
        told.retain(|name| stalls.iter().any(|stall| stall.name == *name));
        for stall in stalls {
            if told.insert(stall.name.clone()) {
                stall.tell();
            }
        }
    }
}

/// Requests that wait while nothing moves.
struct Stall {
    /// The worker's name; empty for the classic threads.
    name: String,
    /// Requests in the queue.
    waiting: usize,
    /// How many serve it.
    threads: usize,
    /// What the threads do, for the log.
    requests: Vec<String>,
}

impl Stall {
    fn tell(&self) {
        tracing::warn!(
            worker = self.name,
            threads = self.threads,
            waiting = self.waiting,
            requests = self.requests.join(" "),
            "every PHP thread has been in one request for {STALL_SECONDS_MIN} s and more, and requests wait: do the scripts ask \
             their own site? raise num_threads, or max_threads, or the worker's num"
        );
    }
}

fn stalls(live: &Live) -> Vec<Stall> {
    let threads = &live.threads;
    let status = threads.classic.status();
    let classic = (String::new(), status.waiting, status.reserve, threads.classic.thread_group());
    let workers = threads.http.iter().map(|group| {
        let worker = &group.worker;
        (worker.config().name.clone(), worker.status().waiting, 0, worker.thread_group())
    });
    std::iter::once(classic)
        .chain(workers)
        .filter(|(_, waiting, reserve, _)| *waiting > 0 && *reserve == 0)
        .filter_map(|(name, waiting, _, group)| stall(name, waiting, group))
        .collect()
}

fn has_been_busy(thread: &ThreadStatus, time: Duration) -> bool {
    thread.activity.state == ThreadState::Busy && thread.activity.since >= time
}

fn stall(name: String, waiting: usize, group: &ThreadGroup) -> Option<Stall> {
    let threads = group.threads();
    let long = Duration::from_secs(STALL_SECONDS_MIN);
    let is_stuck = threads.iter().all(|thread| has_been_busy(thread, long));
    (is_stuck && !threads.is_empty()).then(|| Stall {
        name,
        waiting,
        threads: threads.len(),
        requests: threads.iter().take(NAMED_MAX).map(|thread| thread.activity.uri.clone()).collect(),
    })
}
