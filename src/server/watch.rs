//! Restarts workers when a watched file of their block changes (contract line B51), and lets open pages load again.
//!
//! A burst of changes, from a deployment or an editor, causes one restart. The restart starts when nothing has changed
//! for [`WATCH_QUIET_MS`], or when the burst has lasted [`WATCH_BURST_MS_MAX`]. notify's own debouncers do not fit:
//! they cannot separate a read of a file from a change, and PHP reads the watched files.

use super::control::Control;
use crate::assemble::publish_for;
use crate::config::{Config, ScopeLabel, Site, WatchPattern, WorkerConfig};
use crate::limits::{HOT_RELOAD_FILES_MAX, WATCH_BURST_MS_MAX, WATCH_QUIET_MS};
use crate::mercure::Publication;
use notify::event::ModifyKind;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// The watched patterns of a configuration's blocks.
type Watched = Vec<(Watch, Vec<WatchPattern>)>;

/// What happens when a file changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Watch {
    /// The workers of this scope restart.
    Workers(ScopeLabel),
    /// The pages of this scope load again: they subscribe to this topic.
    Pages(ScopeLabel, String),
}

impl Watch {
    fn scope(&self) -> &ScopeLabel {
        match self {
            Self::Workers(label) | Self::Pages(label, _) => label,
        }
    }
}

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

/// The files that have changed since the last burst, some of them at least.
type Changed = BTreeMap<Watch, BTreeSet<PathBuf>>;

#[derive(Default)]
struct Changes {
    /// Protects the map alone.
    changed: Mutex<Changed>,
    /// Wakes the task.
    added: Notify,
}

impl Changes {
    fn add(&self, watch: &Watch, path: Option<&Path>) {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        let files = changed.entry(watch.clone()).or_default();
        // The names are for people; the pages load again in any case.
        if files.len() < HOT_RELOAD_FILES_MAX {
            files.extend(path.map(Path::to_path_buf));
        }
        self.added.notify_one();
    }

    fn take(&self) -> Changed {
        std::mem::take(&mut *self.changed.lock().unwrap_or_else(PoisonError::into_inner))
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
    let of_workers = config.scopes().map(|scope| (Watch::Workers(scope.label.clone()), patterns(scope.workers)));
    let servers = config.sites.iter().flat_map(Site::php_servers);
    let of_pages = servers.filter_map(|server| {
        let hot_reload = server.hot_reload.as_ref()?;
        Some((Watch::Pages(server.scope.clone(), hot_reload.topic.clone()), hot_reload.watch.clone()))
    });
    of_workers.chain(of_pages).filter(|(_, patterns)| !patterns.is_empty()).collect()
}

/// Records the scopes with created, changed, renamed or removed files.
fn note(changes: &Changes, watched: &Watched, event: notify::Result<Event>) {
    match event {
        Ok(event) if event.need_rescan() => {
            tracing::warn!(
                "more files changed at once than the system reports, so every watched file counts as changed; if this happens \
                 often, raise fs.inotify.max_queued_events"
            );
            watched.iter().for_each(|(watch, _)| changes.add(watch, None));
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
    for (watch, patterns) in watched {
        let counts = |pattern: &WatchPattern| pattern.matches(path) || comes && pattern.directory().starts_with(path);
        if patterns.iter().any(counts) {
            tracing::debug!(scope = watch.scope().as_str(), path = %path.display(), "a watched file has changed");
            changes.add(watch, Some(path));
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
        let changed = changes.take();
        restart(&changed, &control).await;
        // After the restart: a page that loads again should be of the new code.
        changed.iter().for_each(|(watch, files)| reload_pages(watch, files, &control));
    }
}

async fn restart(changed: &Changed, control: &Control) {
    let of_workers = changed.keys().filter(|watch| matches!(watch, Watch::Workers(_)));
    let scopes: BTreeSet<&ScopeLabel> = of_workers.map(Watch::scope).collect();
    if scopes.is_empty() {
        return;
    }
    let labels: Vec<&str> = scopes.iter().map(|label| label.as_str()).collect();
    tracing::info!(scopes = labels.join(", "), "watched files have changed, restarting workers");
    control.restart(|label| scopes.contains(label)).await;
}

/// Sends the names of the files, as FrankenPHP does, but without the folders above the working directory.
fn reload_pages(watch: &Watch, files: &BTreeSet<PathBuf>, control: &Control) {
    let Watch::Pages(label, topic) = watch else { return };
    let here = std::env::current_dir().unwrap_or_default();
    let name = |file: &PathBuf| match file.strip_prefix(&here) {
        Ok(below) => below.to_string_lossy().into_owned(),
        Err(_) => file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    };
    let data: Vec<_> = files.iter().map(|file| json!({"PathName": name(file)})).collect();
    tracing::info!(scope = label.as_str(), files = files.len(), "watched files have changed, open pages load again");
    let publication =
        Publication { topics: vec![topic.clone()], data: json!(data).to_string(), ..Publication::default() };
    publish_for(&control.live().config, label, publication);
}
