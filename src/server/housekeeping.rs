//! Housekeeping of the process: it reaps children that nothing else waits for, logs signals that reached no script,
//! closes static files that no request uses, and returns memory that was freed.

use super::memory::Least;
use crate::http::open_files;
use crate::limits::MEMORY_LOOK_EVERY_SECONDS;
use crate::php::process;
use std::fs;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// The longest life of a zombie. Nothing waits for them, so a second does no harm.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs until it is dropped.
pub(super) async fn run() {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let is_init = std::process::id() == 1;
    loop {
        looks.tick().await;
        process::reap();
        open_files::close_idle();
        if is_init {
            orphans().into_iter().for_each(process::reap_one);
        }
        for signal in process::ignored_signals() {
            tracing::warn!(signal, "a signal was ignored: no script handles it");
        }
    }
}

/// Returns freed memory to the system, when there is much of it. Runs until it is dropped.
pub(super) async fn return_memory() {
    let mut looks = interval(Duration::from_secs(MEMORY_LOOK_EVERY_SECONDS));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut least = Least::now();
    loop {
        looks.tick().await;
        let look = tokio::task::spawn_blocking(move || {
            least.look();
            least
        });
        // It fails only when the runtime ends.
        let Ok(looked) = look.await else { return };
        least = looked;
    }
}

/// The processes that process 1 has adopted because their parent has ended: the children of its main thread, which
/// starts none itself.
fn orphans() -> Vec<i32> {
    let children = fs::read_to_string("/proc/self/task/1/children").unwrap_or_default();
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}
