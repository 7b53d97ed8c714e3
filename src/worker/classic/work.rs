//! One classic PHP thread: the request that it serves next.

use super::{Classic, ClassicConfig};
use crate::php::{Ended, Mode, Next, Work};
use crate::php::{LineLog, log_php};
use crate::threads::{Activity, Taken};
use crossbeam_channel::{Receiver, never};
use std::convert::Infallible;
use std::sync::Arc;

/// One classic thread.
pub(super) struct ClassicWork {
    classic: Arc<Classic>,
    /// Of the thread in its group.
    number: usize,
    activity: Arc<Activity>,
    /// Requests that it has taken.
    requests: usize,
    /// What scripts print outside of a request.
    output: LineLog,
    /// Never disconnected: a classic thread has no signal beside its queue's.
    not_stopped: Receiver<Infallible>,
}

impl ClassicWork {
    pub(super) fn new(classic: Arc<Classic>, number: usize, activity: Arc<Activity>) -> Self {
        Self { classic, number, activity, requests: 0, output: LineLog::default(), not_stopped: never() }
    }
}

impl Work for ClassicWork {
    fn mode(&self) -> Mode {
        Mode::Classic
    }

    fn next(&mut self) -> Next {
        let ClassicConfig { idle, requests_max, .. } = self.classic.config;
        if requests_max.is_some_and(|max| self.requests >= max) {
            if self.classic.replace() {
                return Next::Stop;
            }
            self.requests = 0;
        }
        self.activity.idle();
        loop {
            match self.classic.queue.take(Some(idle), [&self.not_stopped; 2]) {
                Taken::Job(exchange, scope) => {
                    self.activity.busy(exchange.head());
                    self.requests += 1;
                    return Next::Request { exchange, scope };
                }
                Taken::Idle if !self.classic.shrink() => {}
                Taken::Idle | Taken::Stop => return Next::Stop,
            }
        }
    }

    fn responded(&mut self) {
        self.activity.responded();
    }

    fn ended(&mut self, _ended: Ended) {
        let thread = self.number;
        self.output.flush(|line| tracing::info!(target: "php", thread, "{line}"));
    }

    fn output(&mut self, bytes: &[u8]) {
        let thread = self.number;
        self.output.push(bytes, |line| tracing::info!(target: "php", thread, "{line}"));
    }

    fn log(&mut self, level: i32, message: &str) {
        let thread = self.number;
        log_php!(level, message, thread);
    }
}
