//! Shuts the server down in phases. Each is logged when it begins, so the log shows where a stop hangs.

use crate::assemble::Live;
use crate::http::listener::RunningListener;
use crate::limits::KILL_SECONDS_MAX;
use crate::threads::Stuck;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Ends everything within the grace period, plus [`KILL_SECONDS_MAX`] for scripts that must be interrupted. Returns the
/// threads that could not be made to leave: the engine must not be stopped under them.
pub(super) async fn shut_down(listeners: Vec<RunningListener>, live: Arc<Live>) -> Vec<Stuck> {
    let grace = live.config.global.grace_period;
    let until = Instant::now() + grace;

    tracing::info!(grace_ms = grace.as_millis() as u64, "stopping: background workers are told to end");
    live.threads.stop_background();

    tracing::debug!("stopping: no new connections, running requests end");
    let draining = listeners.into_iter().map(|listener| tokio::spawn(listener.shut_down(grace)));
    let draining: Vec<_> = draining.collect();
    let mut cut_off = 0;
    for task in draining {
        cut_off += task.await.unwrap_or(0);
    }
    if cut_off > 0 {
        tracing::warn!(cut_off, "connections were cut off because their requests outlasted the grace period");
    }

    tracing::debug!("stopping: PHP threads leave");
    let leaving = live.threads.leaving();
    leaving.stop_serving(grace);
    // All groups share one deadline, so they leave side by side. Waited for on this thread: the system may give no other.
    tokio::task::block_in_place(|| leaving.leave(until, Duration::from_secs(KILL_SECONDS_MAX)))
}
