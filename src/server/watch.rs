//! Restarting workers when files change that their blocks watch (contract line B51).
//!
//! A burst of changes, such as a deployment or a save in an editor makes, is folded into one restart: it begins when nothing
//! has changed for [`WATCH_QUIET_MS`], or when the burst has lasted [`WATCH_BURST_MS_MAX`]. notify's own debouncers are not
//! used, because they do not tell reading a file from changing it, and PHP reads what is watched.

use super::control::Control;
use crate::config::{Config, ScopeLabel, WatchPattern};
use crate::limits::{WATCH_BURST_MS_MAX, WATCH_QUIET_MS};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// What the blocks of a configuration watch.
type Watched = Vec<(ScopeLabel, Vec<WatchPattern>)>;

/// Watches files for the running configuration.
pub(super) struct Watcher {
    control: Control,
    watched: Watched,
    watching: Option<Watching>,
}

/// Ends with the value.
struct Watching {
    _system: RecommendedWatcher,
    restarting: JoinHandle<()>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.restarting.abort();
    }
}

/// The scopes whose files have changed since the last restart.
#[derive(Default)]
struct Changes {
    /// Protects the set alone.
    scopes: Mutex<HashSet<ScopeLabel>>,
    added: Notify,
}

impl Changes {
    fn add(&self, label: &ScopeLabel) {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner).insert(label.clone());
        self.added.notify_one();
    }

    fn take(&self) -> HashSet<ScopeLabel> {
        std::mem::take(&mut *self.scopes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Watcher {
    /// Watches what the running configuration asks for.
    pub(super) fn start(control: &Control) -> Self {
        let mut watcher = Self { control: control.clone(), watched: Vec::new(), watching: None };
        watcher.follow();
        watcher
    }

    /// Watches what the running configuration asks for now.
    pub(super) fn follow(&mut self) {
        let watched = watched(&self.control.live().config);
        if watched == self.watched {
            return;
        }
        self.watching = None;
        self.watched = watched;
        if self.watched.is_empty() {
            return;
        }
        let changes = Arc::new(Changes::default());
        let (watched, into) = (self.watched.clone(), changes.clone());
        match watch_files(&self.watched, move |event| note(&into, &watched, event)) {
            Ok(system) => {
                let restarting = tokio::spawn(restart_after_bursts(changes, self.control.clone()));
                self.watching = Some(Watching { _system: system, restarting });
            }
            Err(error) => tracing::error!("files are not watched: {error}"),
        }
    }
}

/// The patterns of each scope that has any.
fn watched(config: &Config) -> Watched {
    let patterns = |workers: &[crate::config::WorkerConfig]| -> Vec<WatchPattern> {
        workers.iter().flat_map(|worker| worker.watch.iter().cloned()).collect()
    };
    let all = config.scopes().map(|scope| (scope.label.clone(), patterns(scope.workers)));
    all.filter(|(_, patterns)| !patterns.is_empty()).collect()
}

/// Notes the scopes whose files were made, changed, renamed or removed.
fn note(changes: &Changes, watched: &Watched, event: notify::Result<Event>) {
    match event {
        Ok(event) if event.need_rescan() => {
            tracing::warn!(
                "more files changed at once than the system reports, so every watched file counts as changed; if this happens \
                 often, raise fs.inotify.max_queued_events"
            );
            watched.iter().for_each(|(label, _)| changes.add(label));
        }
        Ok(Event { kind: EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_), paths, .. }) => {
            paths.iter().for_each(|path| note_path(changes, watched, path));
        }
        Ok(_) => {}
        Err(error) => tracing::error!("watching files: {error}"),
    }
}

fn note_path(changes: &Changes, watched: &Watched, path: &Path) {
    for (label, patterns) in watched {
        if patterns.iter().any(|pattern| pattern.matches(path)) {
            tracing::debug!(scope = label.as_str(), path = %path.display(), "a watched file has changed");
            changes.add(label);
        }
    }
}

/// Calls `noted` with everything that the system says of the watched directories.
fn watch_files(
    watched: &Watched,
    noted: impl Fn(notify::Result<Event>) + Send + 'static,
) -> notify::Result<RecommendedWatcher> {
    let mut system = notify::recommended_watcher(noted)?;
    let directories: BTreeSet<&Path> =
        watched.iter().flat_map(|(_, patterns)| patterns.iter().map(WatchPattern::directory)).collect();
    for directory in directories {
        // One that cannot be watched does not keep the others from it.
        match system.watch(directory, RecursiveMode::Recursive) {
            Ok(()) => tracing::debug!(directory = %directory.display(), "watching files"),
            Err(error) => tracing::error!(
                directory = %directory.display(),
                "this directory is not watched: {error}; if the system's watches ran out, raise fs.inotify.max_user_watches"
            ),
        }
    }
    Ok(system)
}

async fn restart_after_bursts(changes: Arc<Changes>, control: Control) {
    loop {
        changes.added.notified().await;
        let end = Instant::now() + Duration::from_millis(WATCH_BURST_MS_MAX);
        loop {
            let quiet = Instant::now() + Duration::from_millis(WATCH_QUIET_MS);
            if timeout_at(quiet.min(end), changes.added.notified()).await.is_err() {
                break;
            }
        }
        let scopes = changes.take();
        let labels: Vec<&str> = scopes.iter().map(ScopeLabel::as_str).collect();
        tracing::info!(scopes = labels.join(", "), "watched files have changed, restarting workers");
        control.restart(|label| scopes.contains(label)).await;
    }
}
