//! The threads that run the scripts of a block, as the pages of a FastCGI address show them.

use crate::http::pages::{Pool, PoolLoad, PoolThread};
use crate::threads::{ActivityStatus, ThreadGroup, ThreadState};
use crate::worker::classic::Classic;
use crate::worker::http::HttpWorker;
use std::sync::Arc;

/// The classic threads, and the threads of the HTTP workers that the block reaches.
pub(super) struct BlockPool {
    pub(super) classic: Arc<Classic>,
    pub(super) workers: Vec<Arc<HttpWorker>>,
}

impl BlockPool {
    fn groups(&self) -> impl Iterator<Item = &ThreadGroup> {
        std::iter::once(self.classic.thread_group()).chain(self.workers.iter().map(|worker| worker.thread_group()))
    }
}

impl Pool for BlockPool {
    fn load(&self) -> PoolLoad {
        let classic = self.classic.status();
        let mut load = PoolLoad {
            idle: classic.idle,
            threads: classic.threads,
            reserve: classic.reserve,
            waiting: classic.waiting,
            waiting_max: classic.waiting_max,
            is_static: self.classic.config().threads == self.classic.config().threads_max,
        };
        for worker in self.workers.iter().map(|worker| worker.status()) {
            load.idle += worker.idle;
            load.threads += worker.threads;
            load.waiting += worker.waiting;
        }
        load
    }

    fn threads(&self) -> Vec<PoolThread> {
        self.groups().flat_map(ThreadGroup::threads).map(|thread| shown(thread.activity)).collect()
    }

    fn slow(&self) -> u64 {
        self.groups().map(ThreadGroup::slow).sum()
    }
}

fn shown(activity: ActivityStatus) -> PoolThread {
    let is_busy = activity.state == ThreadState::Busy;
    PoolThread {
        id: activity.id,
        is_busy,
        age: activity.age,
        requests: activity.requests,
        lasted: if is_busy { activity.since } else { activity.last },
        method: activity.method,
        uri: activity.uri,
        script: activity.script,
        content_length: u64::try_from(activity.content_length).unwrap_or_default(),
    }
}
