//! The file that keeps the history of a hub over a restart of the server.
//!
//! A thread writes what has come since its last transaction, so publishing never waits for the disk. Clients get the history in
//! memory; the file is read once, when the hub begins.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use redb::{Database, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};

use super::update::Audience;
use super::{Shared, Update};
use crate::config::MercureSettings;
use crate::limits;

type Rows = TableDefinition<'static, u64, &'static [u8]>;

const UPDATES: Rows = TableDefinition::new("updates");

/// The updates about subscribers. Their numbers are of the same count.
const PRESENCE: Rows = TableDefinition::new("presence");

/// An error of the database; its own type is large.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// An open file. A process can open it once, so the hubs before and after a reload share it.
pub(super) struct HistoryFile {
    path: PathBuf,
    database: Database,
    /// The hubs that write to it.
    hubs: Mutex<Vec<Weak<Shared>>>,
}

static OPEN: Mutex<Vec<Weak<HistoryFile>>> = Mutex::new(Vec::new());

#[derive(Serialize, Deserialize)]
struct Row {
    id: String,
    topics: Vec<String>,
    private: bool,
    event: String,
}

impl Row {
    fn of(update: &Update) -> Self {
        let Update { id, topics, is_private, frame, .. } = update;
        let event = String::from_utf8_lossy(frame).into_owned();
        Self { id: id.to_string(), topics: topics.to_vec(), private: *is_private, event }
    }

    fn update(self, audience: Audience) -> Update {
        let Self { id, topics, private, event } = self;
        Update { id: id.into(), topics: topics.into(), is_private: private, frame: event.into(), audience }
    }
}

impl HistoryFile {
    /// Opens it, or makes it.
    ///
    /// # Errors It cannot be opened, is in use, or is no such file.
    pub(super) fn open(path: &Path) -> Result<Arc<Self>, String> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|file| file.strong_count() > 0);
        if let Some(known) = open.iter().filter_map(Weak::upgrade).find(|file| file.path == path) {
            return Ok(known);
        }
        let failed = |error: &dyn std::fmt::Display| {
            format!(
                "opening the history {}: {error}; name another file with `path`, or write `transport local`",
                path.display()
            )
        };
        // Private updates are in it.
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = options.map_err(|error| failed(&error))?;
        let database = Database::builder().set_cache_size(limits::MERCURE_FILE_CACHE_BYTES).create_file(file);
        let database = database.map_err(|error| failed(&error))?;
        let file = Arc::new(Self { path: path.to_path_buf(), database, hubs: Mutex::default() });
        open.push(Arc::downgrade(&file));
        Ok(file)
    }

    /// Writes what the hub before a reload has and its thread has not written yet, and reads the whole. What comes to that hub
    /// from then on is not in what was read.
    fn complete(&self, updates_max: usize) -> Result<Opened, Failure> {
        let hubs: Vec<_> = self.hubs().iter().filter_map(Weak::upgrade).collect();
        let writers = hubs.iter().filter_map(|hub| Some((hub, hub.file.as_ref()?)));
        // Until the file has been read, no thread appends to it.
        let mut locked: Vec<_> = writers.map(|(hub, writer)| (hub, writer, writer.lock())).collect();
        let had = locked.iter_mut().map(|(hub, writer, progress)| (Arc::downgrade(hub), writer.append(hub, progress)));
        let had = had.collect();
        let (updates, size) = self.read(updates_max)?;
        Ok(Opened { updates, size, had })
    }

    fn hubs(&self) -> MutexGuard<'_, Vec<Weak<Shared>>> {
        self.hubs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest updates within the bounds of a history, the oldest first, and the size of the whole.
    fn read(&self, updates_max: usize) -> Result<(Vec<Update>, Sizes), Failure> {
        let transaction = self.database.begin_write()?;
        let mut found = Vec::new();
        let mut read = |rows: Rows, bytes_max: usize, audience: Audience| -> Result<Size, Failure> {
            let table = transaction.open_table(rows)?;
            let (mut size, mut kept) = (Size::default(), Size::default());
            for row in table.iter()?.rev() {
                let (number, row) = row?;
                let row = row.value();
                size.add(row.len());
                if kept.rows < updates_max && kept.bytes + row.len() <= bytes_max {
                    kept.add(row.len());
                    // A row of a later version of this program may have another form.
                    let update = serde_json::from_slice::<Row>(row).ok().map(|row| row.update(audience));
                    found.extend(update.map(|update| (number.value(), update)));
                }
            }
            Ok(size)
        };
        let updates = read(UPDATES, limits::MERCURE_HISTORY_BYTES_MAX, Audience::All)?;
        let presence = read(PRESENCE, limits::MERCURE_PRESENCE_BYTES_MAX, Audience::Watchers)?;
        found.sort_unstable_by_key(|(number, _)| *number);
        Ok((found.into_iter().map(|(_, update)| update).collect(), Sizes { updates, presence }))
    }

    /// Appends updates, and removes the oldest ones until those in excess are gone.
    fn append(&self, updates: &[Arc<Update>], mut sizes: Sizes, bounds: Sizes) -> Result<Sizes, Failure> {
        let transaction = self.database.begin_write()?;
        {
            let mut both = [transaction.open_table(UPDATES)?, transaction.open_table(PRESENCE)?];
            let mut first = 0;
            for table in &both {
                first = first.max(table.last()?.map_or(0, |(number, _)| number.value() + 1));
            }
            for (number, update) in (first..).zip(updates) {
                let row = serde_json::to_vec(&Row::of(update)).unwrap_or_default();
                let (table, size) = match update.audience {
                    Audience::All => (&mut both[0], &mut sizes.updates),
                    Audience::Watchers => (&mut both[1], &mut sizes.presence),
                };
                table.insert(number, row.as_slice())?;
                size.add(row.len());
            }
            let bounded = [(&mut sizes.updates, bounds.updates), (&mut sizes.presence, bounds.presence)];
            for (table, (size, bound)) in both.iter_mut().zip(bounded) {
                while size.rows > bound.rows || size.bytes > bound.bytes {
                    let Some((_, row)) = table.pop_first()? else { break };
                    size.remove(row.value().len());
                }
            }
        }
        transaction.commit()?;
        Ok(sizes)
    }
}

/// What a hub begins with.
struct Opened {
    updates: Vec<Update>,
    size: Sizes,
    /// How many updates the hubs with this file had when it was read.
    had: Vec<(Weak<Shared>, u64)>,
}

/// What is in the file.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    rows: usize,
    bytes: usize,
}

impl Size {
    fn add(&mut self, bytes: usize) {
        self.rows += 1;
        self.bytes += bytes;
    }

    fn remove(&mut self, bytes: usize) {
        self.rows = self.rows.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// The same for both kinds of updates.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    updates: Size,
    presence: Size,
}

/// Writes the history of one hub.
pub(super) struct Writer {
    file: Arc<HistoryFile>,
    updates_max: usize,
    /// How often the oldest updates are removed, in thousandths of the updates.
    cleanup: u32,
    /// How many updates the hubs with this file had when this one read it.
    had: Vec<(Weak<Shared>, u64)>,
    progress: Mutex<Progress>,
}

struct Progress {
    /// Of the updates that the history has had.
    written: u64,
    size: Sizes,
    /// Thousandths of the next removal.
    due: u64,
    has_failed: bool,
}

impl Writer {
    /// The file of these settings with the updates in it; `None`: the history is in memory only.
    pub(super) fn open(settings: &MercureSettings) -> Option<(Self, Vec<Update>)> {
        let path = settings.history_file.as_ref()?;
        let opened = HistoryFile::open(path).and_then(|file| match file.complete(settings.history_max) {
            Ok(opened) => Ok((file, opened)),
            Err(error) => Err(format!("reading the history {}: {error}", path.display())),
        });
        match opened {
            Ok((file, Opened { updates, size, had })) => {
                let progress = Progress { written: updates.len() as u64, size, due: 0, has_failed: false };
                let (updates_max, cleanup) = (settings.history_max, settings.history_cleanup);
                Some((Self { file, updates_max, cleanup, had, progress: Mutex::new(progress) }, updates))
            }
            Err(error) => {
                tracing::error!("mercure: the history is in memory only: {error}");
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what has come since the last time. Returns how many updates the history has had.
    pub(super) fn write(&self, shared: &Shared) -> u64 {
        self.append(shared, &mut self.lock())
    }

    fn append(&self, shared: &Shared, progress: &mut Progress) -> u64 {
        let (updates, had) = shared.lock().history.since(progress.written);
        if updates.is_empty() {
            return had;
        }
        let bound = self.bound(progress, updates.len() as u64);
        match self.file.append(&updates, progress.size, bound) {
            Ok(size) => {
                progress.size = size;
                progress.has_failed = false;
            }
            Err(error) => {
                if !std::mem::replace(&mut progress.has_failed, true) {
                    tracing::error!(file = %self.file.path.display(), "mercure: writing the history: {error}");
                }
            }
        }
        progress.written = had;
        had
    }

    /// Takes over from the hub before a reload what that one has written since this one read their file: clients find it in the
    /// history, and it is not written again.
    pub(super) fn adopt(&self, shared: &Shared, before: &Shared) {
        let is_before = |hub: &&(Weak<Shared>, u64)| std::ptr::eq(hub.0.as_ptr(), before);
        let (Some((_, had)), Some(writer)) = (self.had.iter().find(is_before), &before.file) else { return };
        writer.write(before);
        let size = writer.lock().size;
        let (updates, _) = before.lock().history.since(*had);
        let mut progress = self.lock();
        let mut state = shared.lock();
        updates.iter().for_each(|update| state.history.add(update));
        (progress.written, progress.size) = (state.history.had(), size);
    }

    /// The file may have twice as much as the history before the oldest updates are removed in any case.
    fn bound(&self, progress: &mut Progress, updates: u64) -> Sizes {
        progress.due += updates.saturating_mul(u64::from(self.cleanup));
        let is_due = progress.due >= limits::MERCURE_CLEANUP_EACH.into();
        if is_due {
            progress.due %= u64::from(limits::MERCURE_CLEANUP_EACH);
        }
        let times = if is_due { 1 } else { 2 };
        let bound = |bytes: usize| Size { rows: self.updates_max * times, bytes: bytes * times };
        let (updates, presence) = (limits::MERCURE_HISTORY_BYTES_MAX, limits::MERCURE_PRESENCE_BYTES_MAX);
        Sizes { updates: bound(updates), presence: bound(presence) }
    }
}

/// Writes until the hub is gone.
pub(super) fn start(shared: Arc<Shared>) {
    if let Some(writer) = &shared.file {
        let mut hubs = writer.file.hubs();
        hubs.retain(|hub| hub.strong_count() > 0);
        hubs.push(Arc::downgrade(&shared));
    }
    let write = move || {
        let Some(writer) = &shared.file else { return };
        let mut written = 0;
        loop {
            let mut state = shared.lock();
            while state.history.had() == written && !state.is_over {
                state = shared.added.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let is_over = state.is_over;
            drop(state);
            written = writer.write(&shared);
            if is_over {
                return;
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("mercure-history".to_owned()).spawn(write) {
        tracing::error!("mercure: the history is in memory only: starting its thread: {error}");
    }
}
