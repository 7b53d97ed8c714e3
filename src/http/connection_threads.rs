//! Where a listener runs its connections: on threads that each have a runtime of their own.
//!
//! Tokio's runtime of many threads lets one of them wait for the sockets, and moves tasks from thread to thread. A connection
//! that stays on one thread finds its memory in the caches of that processor, and its wake-ups disturb no other thread. The
//! gain is in `docs/benchmarks.md`.
//!
//! The price: while one of them waits for a file system that hangs, the other connections of its thread wait too.
//!
//! Connections of listeners with TLS or `h2c` stay on the shared runtime: a handshake takes long, and the streams of one HTTP/2 connection are
//! to use all processors.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Handle;

/// The runtimes of connections, which take turns. Cloning is cheap. The default is none: connections run where their listener
/// does.
#[derive(Debug, Clone, Default)]
pub struct ConnectionThreads {
    runtimes: Arc<[Handle]>,
    /// Counts the connections; it may wrap around.
    next: Arc<AtomicUsize>,
}

impl ConnectionThreads {
    /// Connections run on these runtimes, which must outlive the listeners.
    pub fn new(runtimes: impl IntoIterator<Item = Handle>) -> Self {
        Self { runtimes: runtimes.into_iter().collect(), next: Arc::default() }
    }

    /// The runtime of the next connection; the caller's, if there are no others.
    pub(super) fn next(&self) -> Handle {
        match self.runtimes.len() {
            0 => Handle::current(),
            count => self.runtimes[self.next.fetch_add(1, Ordering::Relaxed) % count].clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtimes_take_turns() {
        let runtimes: Vec<_> = (0..2).map(|_| tokio::runtime::Runtime::new().expect("a runtime")).collect();
        let ids: Vec<_> = runtimes.iter().map(|runtime| runtime.handle().id()).collect();
        let threads = ConnectionThreads::new(runtimes.iter().map(|runtime| runtime.handle().clone()));
        let used: Vec<_> = (0..4).map(|_| threads.next().id()).collect();
        assert_eq!(used, [ids[0], ids[1], ids[0], ids[1]]);

        let _entered = runtimes[1].enter();
        assert_eq!(ConnectionThreads::default().next().id(), ids[1]);
    }
}
