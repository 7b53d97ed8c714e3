//! The folder of keys and certificates. Several processes may share it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::FlockOperation;

/// Why a file could not be written or read. The message names the file.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {}: {error}; `storage file_system DIRECTORY` names another folder", path.display())]
pub struct StorageError {
    doing: &'static str,
    path: PathBuf,
    error: io::Error,
}

/// A folder of secrets: its folders have the mode 0700, its files 0600.
#[derive(Debug, Clone)]
pub struct Storage {
    root: PathBuf,
}

impl Storage {
    /// The storage in this folder, which is created at the first write.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder for a process without a setting: `igor` in `$XDG_DATA_HOME`, else in `~/.local/share`, else here.
    pub fn default_root() -> PathBuf {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let data = variable("XDG_DATA_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/share")));
        data.unwrap_or_default().join("igor")
    }

    /// Where a file is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The content of a file; `None` when there is none.
    ///
    /// # Errors It exists but cannot be read.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        let path = self.path(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StorageError { doing: "reading", path, error }),
        }
    }

    /// Replaces a file. Readers see the complete old or new file.
    ///
    /// # Errors The folder or the file cannot be written.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<(), StorageError> {
        static WRITTEN: AtomicU64 = AtomicU64::new(0);
        let path = self.path(name);
        let folder = path.parent().unwrap_or(&self.root);
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let temporary = folder.join(format!(".{}-{number}.new", std::process::id()));
        let written = make_folder(folder).and_then(|()| {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        });
        written.map_err(|error| {
            let _ = fs::remove_file(&temporary);
            StorageError { doing: "writing", path, error }
        })
    }

    /// Waits until no other process and no other thread holds the lock of this name, and holds it until the guard is
    /// dropped. Blocks.
    ///
    /// # Errors The lock's file cannot be created.
    pub fn lock(&self, name: &str) -> Result<StorageLock, StorageError> {
        self.lock_file(name, FlockOperation::LockExclusive)
            .map(|file| StorageLock { _file: file })
            .map_err(|error| self.locking(name, error))
    }

    /// Like [`lock`](Self::lock), but returns `None` when another holds it.
    ///
    /// # Errors The lock's file cannot be created.
    pub fn try_lock(&self, name: &str) -> Result<Option<StorageLock>, StorageError> {
        match self.lock_file(name, FlockOperation::NonBlockingLockExclusive) {
            Ok(file) => Ok(Some(StorageLock { _file: file })),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(self.locking(name, error)),
        }
    }

    fn lock_file(&self, name: &str, operation: FlockOperation) -> io::Result<File> {
        make_folder(&self.root.join("locks"))?;
        let path = self.lock_path(name);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        rustix::fs::flock(&file, operation)?;
        Ok(file)
    }

    fn lock_path(&self, name: &str) -> PathBuf {
        self.root.join("locks").join(format!("{name}.lock"))
    }

    fn locking(&self, name: &str, error: io::Error) -> StorageError {
        StorageError { doing: "locking", path: self.lock_path(name), error }
    }
}

/// A lock of the storage, until it is dropped. The kernel releases it when the process ends.
#[derive(Debug)]
pub struct StorageLock {
    _file: File,
}

fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}
