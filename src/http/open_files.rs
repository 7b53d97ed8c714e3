//! Static files that stay open between requests. A request for one of them asks the system once whether the path still
//! leads to it, instead of opening it, asking for its metadata, resolving its links and closing it.
//!
//! Nothing of a file is kept but its descriptor, and the head of the last response with it, which is used again as long
//! as length and time are the same. Length, time and bytes are read for each request.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;

use crate::limits::{OPEN_FILES_MAX, OPEN_FILES_SECONDS_MAX};
use crate::sockets;

/// A file as one response uses it.
pub(super) struct Opened {
    pub(super) file: Arc<File>,
    /// The metadata of the moment.
    pub(super) metadata: Metadata,
    /// The head of a response with the whole file, if one was made of this version.
    pub(super) head: Option<Arc<HeaderMap>>,
}

/// What a head depends on: length, and time in seconds and nanoseconds.
type Version = (u64, i64, i64);

/// The files of all sites.
pub(super) static OPEN_FILES: OpenFiles = OpenFiles(Mutex::new(None));

/// A table of open files. The lock is held for a look-up, never for a system call on a path.
pub(super) struct OpenFiles(Mutex<Option<Table>>);

/// By the path as bytes, because a path is hashed and compared part by part.
type Table = HashMap<Arc<OsStr>, Entry>;

struct Entry {
    file: Arc<File>,
    /// What the path must still lead to.
    identity: Identity,
    /// The secret files that it was compared with. Another configuration has another list.
    compared_with: Arc<[PathBuf]>,
    used: Instant,
    /// The head of a response with this version.
    head: Option<(Version, Arc<HeaderMap>)>,
}

/// An entry as a look-up finds it.
struct Kept {
    file: Arc<File>,
    identity: Identity,
    head: Option<(Version, Arc<HeaderMap>)>,
}

/// A file and its permissions: a descriptor reads on when the server may no longer open the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    mode: u32,
    owner: u32,
    group: u32,
}

impl OpenFiles {
    /// Opens the file at `path`, which the caller has seen to be a regular file.
    ///
    /// # Errors Those of the system; not found, if it is one of the `secret` files.
    pub(super) fn open(&self, path: &Arc<Path>, secret: &Arc<[PathBuf]>) -> io::Result<Opened> {
        if let Some(opened) = self.open_kept(path, secret)? {
            return Ok(opened);
        }
        let file = File::from(sockets::above_those_of_scripts(File::open(path)?.into()));
        // The opened file, even if the path now leads to another one.
        check_secret(secret, || resolved(&file, path))?;
        let (metadata, file) = (file.metadata()?, Arc::new(file));
        self.keep(path, Entry::new(&file, &metadata, secret));
        Ok(Opened { file, metadata, head: None })
    }

    /// The same, if the file at `path` is open; it was a regular file then, so it is one.
    ///
    /// # Errors The path leads nowhere now.
    pub(super) fn open_kept(&self, path: &Path, secret: &Arc<[PathBuf]>) -> io::Result<Option<Opened>> {
        let Some(Kept { file, identity, head }) = self.find(path, secret) else { return Ok(None) };
        let metadata = std::fs::metadata(path)?;
        if identity_of(&metadata) != identity {
            return Ok(None);
        }
        let head = head.filter(|(version, _)| *version == version_of(&metadata)).map(|(_, head)| head);
        Ok(Some(Opened { file, metadata, head }))
    }

    /// Keeps the head of a response with the whole file.
    pub(super) fn keep_head(&self, path: &Path, opened: &Opened, head: &HeaderMap) {
        let head = (version_of(&opened.metadata), Arc::new(head.clone()));
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = files.as_mut().and_then(|files| files.get_mut(path.as_os_str())) {
            entry.head = Some(head);
        }
    }

    fn find(&self, path: &Path, secret: &Arc<[PathBuf]>) -> Option<Kept> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = files.as_mut()?.get_mut(path.as_os_str())?;
        if !Arc::ptr_eq(&entry.compared_with, secret) {
            return None;
        }
        entry.used = Instant::now();
        Some(Kept { file: Arc::clone(&entry.file), identity: entry.identity, head: entry.head.clone() })
    }

    /// Keeps the file in the place of the one that was used least lately, if the table is full.
    fn keep(&self, path: &Path, entry: Entry) {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let files = files.get_or_insert_default();
        close_unused(files);
        if files.len() >= OPEN_FILES_MAX && !files.contains_key(path.as_os_str()) {
            let oldest = files.iter().min_by_key(|(_, entry)| entry.used).map(|(path, _)| Arc::clone(path));
            oldest.and_then(|path| files.remove(&path));
        }
        files.insert(path.as_os_str().into(), entry);
    }
}

/// Closes the files that no request has used for a while, so that the space of a removed one returns to the disk and its
/// file system can be unmounted.
pub(crate) fn close_idle() {
    if let Some(files) = OPEN_FILES.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        close_unused(files);
    }
}

fn close_unused(files: &mut Table) {
    let now = Instant::now();
    let longest = Duration::from_secs(OPEN_FILES_SECONDS_MAX);
    files.retain(|_, entry| now.saturating_duration_since(entry.used) < longest);
}

impl Entry {
    fn new(file: &Arc<File>, metadata: &Metadata, secret: &Arc<[PathBuf]>) -> Self {
        Self {
            file: Arc::clone(file),
            identity: identity_of(metadata),
            compared_with: Arc::clone(secret),
            used: Instant::now(),
            head: None,
        }
    }
}

fn version_of(metadata: &Metadata) -> Version {
    (metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}

fn identity_of(metadata: &Metadata) -> Identity {
    Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
        mode: metadata.mode(),
        owner: metadata.uid(),
        group: metadata.gid(),
    }
}

/// A secret file is treated as missing, and so is a file with an unknown path.
pub(super) fn check_secret(secret: &[PathBuf], resolved: impl FnOnce() -> Option<PathBuf>) -> io::Result<()> {
    if secret.is_empty() || resolved().is_some_and(|path| !secret.contains(&path)) {
        return Ok(());
    }
    Err(io::ErrorKind::NotFound.into())
}

/// The path of an open file without symbolic links; `None` if it is unknown.
fn resolved(file: &File, path: &Path) -> Option<PathBuf> {
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    std::fs::read_link(link).or_else(|_| path.canonicalize()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn is_kept(files: &OpenFiles, path: &Path, secret: &Arc<[PathBuf]>) -> bool {
        files.find(path, secret).is_some()
    }

    #[test]
    fn a_file_stays_open_and_a_replaced_one_is_opened() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path: Arc<Path> = folder.path().join("page.html").into();
        let (files, secret) = (OpenFiles(Mutex::new(None)), Arc::<[PathBuf]>::from([]));
        fs::write(&path, "one").expect("it can be written");
        let first = files.open(&path, &secret).expect("it can be opened");
        assert!(
            first.file.as_raw_fd() >= crate::limits::SELECT_DESCRIPTORS_MAX,
            "low descriptors are those of scripts"
        );

        fs::write(&path, "longer").expect("it can be written");
        let second = files.open(&path, &secret).expect("it can be opened");
        assert!(Arc::ptr_eq(&first.file, &second.file));
        assert_eq!(second.metadata.len(), 6);

        let other = folder.path().join("new");
        fs::write(&other, "another file").expect("it can be written");
        fs::rename(&other, &path).expect("it can be replaced");
        let third = files.open(&path, &secret).expect("it can be opened");
        assert!(!Arc::ptr_eq(&first.file, &third.file));
        assert_eq!(third.metadata.len(), 12);

        fs::remove_file(&path).expect("it can be removed");
        assert_eq!(files.open(&path, &secret).err().expect("it is gone").kind(), io::ErrorKind::NotFound);
    }

    /// It was served from the descriptor for ten more seconds.
    #[test]
    fn a_file_that_may_not_be_read_any_more_is_opened_again() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path: Arc<Path> = folder.path().join("page.html").into();
        let (files, secret) = (OpenFiles(Mutex::new(None)), Arc::<[PathBuf]>::from([]));
        fs::write(&path, "one").expect("it can be written");
        let first = files.open(&path, &secret).expect("it can be opened");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("they can be set");
        match files.open(&path, &secret) {
            // Root may read everything.
            Ok(second) => assert!(!Arc::ptr_eq(&first.file, &second.file)),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::PermissionDenied),
        }
    }

    #[test]
    fn the_table_is_bounded_and_compares_with_the_secret_files_of_a_configuration() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let (files, none) = (OpenFiles(Mutex::new(None)), Arc::<[PathBuf]>::from([]));
        let path = |number: usize| Arc::<Path>::from(folder.path().join(number.to_string()));
        for number in 0..=OPEN_FILES_MAX {
            fs::write(path(number), "").expect("it can be written");
            files.open(&path(number), &none).expect("it can be opened");
        }
        assert!(!is_kept(&files, &path(0), &none) && is_kept(&files, &path(OPEN_FILES_MAX), &none));

        let secret: Arc<[PathBuf]> = [path(1).canonicalize().expect("it is there")].into();
        assert!(is_kept(&files, &path(1), &none) && !is_kept(&files, &path(1), &secret));
        assert_eq!(files.open(&path(1), &secret).err().expect("it is refused").kind(), io::ErrorKind::NotFound);

        let mut kept = files.0.into_inner().expect("no one panicked").expect("there are some");
        let long_ago = Instant::now() - Duration::from_secs(OPEN_FILES_SECONDS_MAX);
        kept.get_mut(path(2).as_os_str()).expect("it is kept").used = long_ago;
        close_unused(&mut kept);
        assert!(!kept.contains_key(path(2).as_os_str()) && kept.contains_key(path(3).as_os_str()));
    }
}
