//! Restarts opcache when it asks for it: stops the PHP threads between two requests (see `php::safepoint`).
//!
//! First the workers end their scripts, as in a restart of workers, while classic requests continue. Then no script
//! starts, and the running classic requests finish. The first thread that starts a request after that restarts opcache.

use super::Live;
use crate::limits::KILL_SECONDS_MAX;
use crate::php::{DrainStep, RestartRequest, safepoint};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The thread that carries out restarts.
pub(crate) struct Coordinator {
    /// Taken by the drop, which waits for its end.
    thread: Option<JoinHandle<()>>,
}

impl Coordinator {
    /// Starts it. `live` returns the running configuration at the moment of a restart.
    pub(crate) fn start(live: impl Fn() -> Arc<Live> + Send + 'static) -> Self {
        safepoint().coordinate();
        let coordinate = move || {
            while let Some(request) = safepoint().next_request() {
                drain(&request, &live());
            }
        };
        let thread = std::thread::Builder::new().name("opcache-restart".into()).spawn(coordinate);
        if let Err(error) = &thread {
            safepoint().stop();
            tracing::error!("opcache cannot be restarted while the server runs: starting a thread: {error}");
        }
        Self { thread: thread.ok() }
    }
}

impl Drop for Coordinator {
    /// The server stops, so no thread may wait at a safepoint.
    fn drop(&mut self) {
        safepoint().stop();
        let Some(thread) = self.thread.take() else { return };
        // A panic in it has been printed, and the server stops anyway.
        let _ = thread.join();
    }
}

/// First the long-running scripts, then all. Gives up if one cannot be interrupted.
fn drain(request: &RestartRequest, live: &Live) {
    let (reason, by) = (request.reason(), request.by());
    tracing::info!(reason, by, "opcache will be restarted: worker scripts are asked to end");
    let (grace, kill) = (live.config.global.grace_period, Duration::from_secs(KILL_SECONDS_MAX));
    // Scripts that do not end are interrupted below, with all others.
    let _ = live.threads.restart(|_| true);
    live.threads.end_runs_of_others();
    let mut stuck = safepoint().await_left(DrainStep::Runs, Instant::now() + grace, kill);
    if stuck.is_empty() {
        safepoint().close();
        tracing::debug!("opcache will be restarted: no script starts until the running ones have ended");
        stuck = safepoint().await_left(DrainStep::All, Instant::now() + grace, kill);
    }
    if stuck.is_empty() {
        return;
    }
    for (thread, place) in &stuck {
        log_stuck(thread, place.as_deref().unwrap_or("unknown"));
    }
    safepoint().give_up();
}

fn log_stuck(thread: &str, place: &str) {
    tracing::error!(
        thread,
        place,
        "opcache was not restarted, because a script could not be interrupted; it is tried again when the script has ended"
    );
}
