//! Restarts workers when a watched file of their block changes (contract line B51).
//!
//! A burst of changes, from a deployment or an editor, causes one restart. The restart starts when nothing has changed
//! for [`WATCH_QUIET_MS`], or when the burst has lasted [`WATCH_BURST_MS_MAX`]. notify's own debouncers do not fit:
//! they cannot separate a read of a file from a change, and PHP reads the watched files.

use super::control::Control;
use crate::config::{Config, ScopeLabel, WatchPattern, WorkerConfig};
use crate::limits::{WATCH_BURST_MS_MAX, WATCH_QUIET_MS};
use notify::event::ModifyKind;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// The watched patterns of a configuration's blocks.
type Watched = Vec<(ScopeLabel, Vec<WatchPattern>)>;

/// Watches files for the running configuration.
pub(super) struct Watcher {
    /// Restarts the workers.
    control: Control,
    /// The patterns of each scope.
    watched: Watched,
    /// `None`: no worker has a pattern.
    watching: Option<Watching>,
}

/// Ends with the value.
struct Watching {
    /// The task that waits for changes.
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
    /// Wakes the task.
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
    /// Watches the files of the running configuration.
    pub(super) fn start(control: &Control) -> Self {
        let mut watcher = Self { control: control.clone(), watched: Vec::new(), watching: None };
        watcher.follow();
        watcher
    }

    /// Switches to the files of the running configuration.
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
        match Watches::start(&self.watched, move |event| note(&into, &watched, event)) {
            Ok(watches) => {
                let restarting = tokio::spawn(restart_after_bursts(changes, watches, self.control.clone()));
                self.watching = Some(Watching { restarting });
            }
            Err(error) => tracing::error!("files are not watched: {error}"),
        }
    }
}

fn patterns(workers: &[WorkerConfig]) -> Vec<WatchPattern> {
    workers.iter().flat_map(|worker| worker.watch.iter().cloned()).collect()
}

/// The patterns of each scope that has any.
fn watched(config: &Config) -> Watched {
    let all = config.scopes().map(|scope| (scope.label.clone(), patterns(scope.workers)));
    all.filter(|(_, patterns)| !patterns.is_empty()).collect()
}

/// Records the scopes with created, changed, renamed or removed files.
fn note(changes: &Changes, watched: &Watched, event: notify::Result<Event>) {
    match event {
        Ok(event) if event.need_rescan() => {
            tracing::warn!(
                "more files changed at once than the system reports, so every watched file counts as changed; if this happens \
                 often, raise fs.inotify.max_queued_events"
            );
            watched.iter().for_each(|(label, _)| changes.add(label));
        }
        Ok(Event {
            kind: kind @ (EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_)), paths, ..
        }) => {
            let comes = matches!(kind, EventKind::Create(_) | EventKind::Modify(ModifyKind::Name(_)));
            paths.iter().for_each(|path| note_path(changes, watched, path, comes));
        }
        Ok(_) => {}
        Err(error) => tracing::error!("watching files: {error}"),
    }
}

/// The first directory of a pattern counts when it `comes`, because files created before it was watched are not
/// reported.
fn note_path(changes: &Changes, watched: &Watched, path: &Path, comes: bool) {
    for (label, patterns) in watched {
        let counts = |pattern: &WatchPattern| pattern.matches(path) || comes && pattern.directory().starts_with(path);
        if patterns.iter().any(counts) {
            tracing::debug!(scope = label.as_str(), path = %path.display(), "a watched file has changed");
            changes.add(label);
        }
    }
}

/// The system's watches of the directories of patterns.
struct Watches {
    /// The watcher of the operating system (inotify).
    system: RecommendedWatcher,
    /// Directories that did not exist at the last check.
    missing: BTreeSet<PathBuf>,
}

impl Watches {
    /// Calls `noted` with every event of the watched directories.
    fn start(watched: &Watched, noted: impl Fn(notify::Result<Event>) + Send + 'static) -> notify::Result<Self> {
        let directories = watched.iter().flat_map(|(_, patterns)| patterns.iter().map(WatchPattern::directory));
        let directories: BTreeSet<PathBuf> = directories.map(Path::to_path_buf).collect();
        let (there, missing) = directories.into_iter().partition(|directory| directory.is_dir());
        let mut watches = Self { system: notify::recommended_watcher(noted)?, missing };
        watches.add_all(&there, RecursiveMode::Recursive);
        watches.wait_for_missing(&there);
        Ok(watches)
    }

    /// Watches directories created since the last check.
    fn look_again(&mut self) {
        let missing = std::mem::take(&mut self.missing);
        let (there, missing): (BTreeSet<PathBuf>, _) = missing.into_iter().partition(|directory| directory.is_dir());
        self.missing = missing;
        self.add_all(&there, RecursiveMode::Recursive);
        self.wait_for_missing(&there);
    }

    /// The parent directory of a missing file reports its creation. A directory below `watched` is covered already.
    fn wait_for_missing(&mut self, watched: &BTreeSet<PathBuf>) {
        let above = self.missing.iter().filter_map(|missing| missing.ancestors().find(|above| above.is_dir()));
        let is_watched = |above: &&Path| watched.iter().any(|directory| above.starts_with(directory));
        let above = above.filter(|above| !is_watched(above)).map(Path::to_path_buf).collect();
        self.add_all(&above, RecursiveMode::NonRecursive);
    }

    /// Watches all directories; a failure of one does not stop the others.
    fn add_all(&mut self, directories: &BTreeSet<PathBuf>, mode: RecursiveMode) {
        for directory in directories {
            match self.system.watch(directory, mode) {
                Ok(()) => tracing::debug!(directory = %directory.display(), "watching files"),
                Err(error) => tracing::error!(
                    directory = %directory.display(),
                    "this directory is not watched: {error}; if the system's watches ran out, raise fs.inotify.max_user_watches"
                ),
            }
        }
    }
}

async fn restart_after_bursts(changes: Arc<Changes>, mut watches: Watches, control: Control) {
    loop {
        changes.added.notified().await;
        let end = Instant::now() + Duration::from_millis(WATCH_BURST_MS_MAX);
        loop {
            let quiet = Instant::now() + Duration::from_millis(WATCH_QUIET_MS);
            if timeout_at(quiet.min(end), changes.added.notified()).await.is_err() {
                break;
            }
        }
        watches.look_again();
        let scopes = changes.take();
        let labels: Vec<&str> = scopes.iter().map(ScopeLabel::as_str).collect();
        tracing::info!(scopes = labels.join(", "), "watched files have changed, restarting workers");
        control.restart(|label| scopes.contains(label)).await;
    }
}
