//! Taking the server down, as a list of phases. Each is logged when it begins, so that a stop that hangs shows where.

use super::assemble::Threads;
use crate::http::listener::RunningListener;
use crate::limits::KILL_SECONDS_MAX;
use crate::pool::{self, Stuck};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Ends everything within the grace period, plus [`KILL_SECONDS_MAX`] for scripts that must be interrupted. Gives the
/// threads that could not be made to leave: the engine must not be stopped under them.
pub(super) async fn shut_down(listeners: Vec<RunningListener>, threads: Arc<Threads>, grace: Duration) -> Vec<Stuck> {
    let until = Instant::now() + grace;

    tracing::info!(grace_ms = grace.as_millis() as u64, "stopping: background workers are told to end");
    threads.stop_background();

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
    threads.stop_serving();
    let leaving = tokio::task::spawn_blocking(move || leave(&threads, until, Duration::from_secs(KILL_SECONDS_MAX)));
    leaving.await.unwrap_or_default()
}

/// All groups share one deadline, so they leave side by side.
fn leave(threads: &Threads, grace: Instant, kill: Duration) -> Vec<Stuck> {
    let background: Vec<_> = threads.background.values().flat_map(|declared| declared.workers()).collect();
    let mut crews = vec![threads.classic.crew()];
    crews.extend(threads.http.iter().map(|(_, worker, _)| worker.crew()));
    crews.extend(background.iter().map(|worker| worker.crew()));
    pool::leave(&crews, grace, kill)
}
