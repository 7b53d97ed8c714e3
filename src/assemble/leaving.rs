//! Ends groups of threads: those that a reload has replaced, or all of them.

use crate::cluster::Cluster;
use crate::limits::{CLUSTER_LEAVE_MS_MAX, IDLE_END_SECONDS_MAX};
use crate::threads::{self, Stuck};
use crate::worker::background::Background;
use crate::worker::classic::Classic;
use crate::worker::http::HttpWorker;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Groups of threads that should end.
#[derive(Default)]
pub(crate) struct Leaving {
    /// `None`: the classic threads continue.
    pub(super) classic: Option<Arc<Classic>>,
    /// The HTTP workers that end.
    pub(super) http: Vec<Arc<HttpWorker>>,
    /// The background workers that end.
    pub(super) background: Vec<Arc<Background>>,
    /// The cluster, if the server stops: the leases are given back when no script is left.
    pub(super) cluster: Option<Arc<Cluster>>,
}

impl Leaving {
    /// Adds the groups of another.
    pub(crate) fn extend(&mut self, other: Self) {
        self.http.extend(other.http);
        self.background.extend(other.background);
        debug_assert!(self.classic.is_none() || other.classic.is_none());
        self.classic = self.classic.take().or(other.classic);
    }

    /// Asks the scripts of idle HTTP workers to end while other scripts still serve requests, which must not use up the
    /// time of all. Requests that still arrive are served.
    pub(crate) fn end_idle(&self, grace: Duration) {
        for worker in &self.http {
            worker.end_idle(idle_time(grace));
        }
    }

    /// Asks the threads that serve requests to end once the queues are empty. Idle HTTP workers get extra time for it,
    /// at most the length of the grace period, because the requests of others may have used the period up.
    pub(crate) fn stop_serving(&self, grace: Duration) {
        if let Some(classic) = &self.classic {
            classic.stop();
        }
        for worker in &self.http {
            worker.stop(idle_time(grace));
        }
    }

    /// Waits until all threads have left: see [`threads::leave`]. Blocks.
    pub(crate) fn leave(&self, grace: Instant, kill: Duration) -> Vec<Stuck> {
        let classic = self.classic.iter().map(|classic| classic.thread_group());
        let http = self.http.iter().map(|worker| worker.thread_group());
        let background = self.background.iter().map(|worker| worker.thread_group());
        let thread_groups: Vec<_> = classic.chain(http).chain(background).collect();
        let stuck = threads::leave(&thread_groups, grace, kill);
        if let Some(cluster) = &self.cluster {
            cluster.leave(Duration::from_millis(CLUSTER_LEAVE_MS_MAX));
        }
        stuck
    }
}

/// Idle HTTP workers have this long to end after the grace period was used up by others.
fn idle_time(grace: Duration) -> Duration {
    grace.min(Duration::from_secs(IDLE_END_SECONDS_MAX))
}
