//! Shuts the server down in phases. Each is logged when it starts, so the log shows where a stop hangs.

use crate::assemble::Live;
use crate::http::listener::RunningListener;
use crate::limits::{DRAIN_SETTLE_MS, KILL_SECONDS_MAX};
use crate::threads::Stuck;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Ends everything within the grace period, plus [`KILL_SECONDS_MAX`] for scripts that must be interrupted. These seconds begin
/// later if the connections end later. Returns the threads that could not be stopped: the engine must not be stopped under
/// them.
pub(super) async fn shut_down(listeners: Vec<RunningListener>, live: Arc<Live>) -> Vec<Stuck> {
    let grace = live.config.global.grace_period;
    let until = Instant::now() + grace;

    tracing::info!(grace_ms = grace.as_millis() as u64, "stopping: background workers are asked to end");
    live.threads.stop_background();

    tracing::debug!("stopping: no new connections, running requests end");
    crate::mercure::close_all();
    let draining = listeners.into_iter().map(|listener| tokio::spawn(listener.shut_down(grace)));
    let draining: Vec<_> = draining.collect();
    if !settled(&draining, grace, || false).await {
        tracing::debug!("stopping: idle HTTP workers end");
        live.threads.leaving().end_idle(grace);
    }
    log_cut_off(draining).await;

    tracing::debug!("stopping: PHP threads leave");
    let leaving = live.threads.leaving();
    leaving.stop_serving(grace);
    // All groups share one deadline, so they end at the same time. The wait is on this thread, because the system may
    // have no other left.
    tokio::task::block_in_place(|| leaving.leave(until, Duration::from_secs(KILL_SECONDS_MAX)))
}

/// Waits for the listeners, each of which returns how many connections it has cut off.
async fn log_cut_off(draining: Vec<JoinHandle<usize>>) {
    let mut cut_off = 0;
    for task in draining {
        cut_off += task.await.unwrap_or(0);
    }
    if cut_off > 0 {
        tracing::warn!(cut_off, "connections were cut off because their requests outlasted the grace period");
    }
}

/// The interval of these checks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits until these listeners have ended and no request `is_in_hand`, at most for [`DRAIN_SETTLE_MS`]: others should
/// not wait longer for slow requests. Returns whether all has ended.
pub(super) async fn settled<T>(draining: &[JoinHandle<T>], grace: Duration, is_in_hand: impl Fn() -> bool) -> bool {
    let until = Instant::now() + grace.min(Duration::from_millis(DRAIN_SETTLE_MS));
    loop {
        if draining.iter().all(JoinHandle::is_finished) && !is_in_hand() {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
