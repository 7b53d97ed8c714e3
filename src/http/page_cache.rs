//! Files as `tower-http` reads them, without another thread as long as the kernel has their bytes in memory. On a local
//! file system, opening a file and reading its metadata take about a microsecond each. Passing the work to the blocking
//! pool costs a hundred times as much. Only bytes that must come from the disk are read there.

use std::fs::{File, Metadata};
use std::future::{Ready, ready};
use std::io::{self, IoSliceMut, Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use rustix::io::{Errno, ReadWriteFlags, preadv2};
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tower_http::services::fs::{self, Backend};

/// Opens one file for one response, whatever path `tower-http` passes.
#[derive(Clone)]
pub(super) struct PageCache {
    /// The file.
    pub(super) file: Arc<Path>,
    /// Files that clients must not see, without symbolic links in their paths.
    pub(super) secret: Arc<[PathBuf]>,
    /// The caller has checked that it is a regular file. So it is opened without another check.
    pub(super) is_file: bool,
}

impl Backend for PageCache {
    type File = CachedFile;
    type Metadata = FileMetadata;
    type OpenFuture = Ready<io::Result<CachedFile>>;
    type MetadataFuture = Ready<io::Result<FileMetadata>>;

    fn open(&self, _path: PathBuf) -> Self::OpenFuture {
        let opened = File::open(&self.file).and_then(|file| {
            // The opened file, even if the path now leads to another one.
            self.check(|| resolved(&file, &self.file))?;
            Ok(CachedFile { source: Source::Cached { file, position: 0 }, length: AtomicU64::new(u64::MAX) })
        });
        ready(opened)
    }

    fn metadata(&self, _path: PathBuf) -> Self::MetadataFuture {
        ready(if self.is_file {
            Ok(FileMetadata::Unasked)
        } else {
            self.check(|| self.file.canonicalize().ok())
                .and_then(|()| std::fs::metadata(&self.file))
                .map(FileMetadata::Asked)
        })
    }
}

impl PageCache {
    /// A secret file is treated as missing, and so is a file with an unknown path.
    fn check(&self, resolved: impl FnOnce() -> Option<PathBuf>) -> io::Result<()> {
        if self.secret.is_empty() || resolved().is_some_and(|path| !self.secret.contains(&path)) {
            return Ok(());
        }
        Err(io::ErrorKind::NotFound.into())
    }
}

/// The path of an open file without symbolic links; `None` if it is unknown.
fn resolved(file: &File, path: &Path) -> Option<PathBuf> {
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    std::fs::read_link(link).or_else(|_| path.canonicalize()).ok()
}

/// The metadata of a file.
pub(super) enum FileMetadata {
    /// It is one.
    Unasked,
    /// The metadata from the system.
    Asked(Metadata),
}

impl fs::Metadata for FileMetadata {
    fn is_dir(&self) -> bool {
        matches!(self, Self::Asked(metadata) if metadata.is_dir())
    }

    fn modified(&self) -> io::Result<SystemTime> {
        match self {
            Self::Unasked => Err(io::ErrorKind::Unsupported.into()),
            Self::Asked(metadata) => metadata.modified(),
        }
    }

    fn len(&self) -> u64 {
        match self {
            Self::Unasked => 0,
            Self::Asked(metadata) => metadata.len(),
        }
    }
}

/// An open file.
pub(super) struct CachedFile {
    /// Where the next bytes are read.
    source: Source,
    /// The file's length by the last metadata, so that reads clear no more memory than needed. `u64::MAX`: not known.
    length: AtomicU64,
}

enum Source {
    /// All bytes so far were in memory.
    Cached { file: File, position: u64 },
    /// The rest comes from the disk, by the blocking pool.
    Disk(tokio::fs::File),
    /// Changing from one to the other; or the change has failed.
    Lost,
}

impl CachedFile {
    /// From now on the file is read by the blocking pool.
    fn leave_memory(&mut self) -> io::Result<()> {
        if let Source::Cached { mut file, position } = std::mem::replace(&mut self.source, Source::Lost) {
            file.seek(SeekFrom::Start(position))?;
            self.source = Source::Disk(tokio::fs::File::from_std(file));
        }
        Ok(())
    }
}

impl AsyncRead for CachedFile {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let length = self.length.load(Ordering::Relaxed);
        if let Source::Cached { file, position } = &mut self.source {
            // One byte beyond the expected end shows that the file has grown.
            let left = usize::try_from(length.saturating_sub(*position).saturating_add(1)).unwrap_or(usize::MAX);
            let space = into.initialize_unfilled_to(left.min(into.remaining()));
            match preadv2(file.as_fd(), &mut [IoSliceMut::new(space)], *position, ReadWriteFlags::NOWAIT) {
                Ok(count) => {
                    *position += count as u64;
                    into.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(Errno::INTR) => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                // Not in memory, or the file system cannot tell.
                Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => self.leave_memory()?,
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
        match &mut self.source {
            Source::Disk(file) => Pin::new(file).poll_read(context, into),
            Source::Cached { .. } | Source::Lost => Poll::Ready(Err(io::Error::other("the file could not be read on"))),
        }
    }
}

impl AsyncSeek for CachedFile {
    fn start_seek(mut self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        if let (Source::Cached { position, .. }, SeekFrom::Start(start)) = (&mut self.source, to) {
            *position = start;
            return Ok(());
        }
        self.leave_memory()?;
        match &mut self.source {
            Source::Disk(file) => Pin::new(file).start_seek(to),
            Source::Cached { .. } | Source::Lost => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn poll_complete(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let position = match &mut self.source {
            Source::Cached { position, .. } => *position,
            Source::Disk(file) => ready!(Pin::new(file).poll_complete(context))?,
            Source::Lost => return Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        };
        Poll::Ready(Ok(position))
    }
}

impl fs::File for CachedFile {
    type Metadata = FileMetadata;
    type MetadataFuture<'a> = Ready<io::Result<FileMetadata>>;

    fn metadata(&self) -> Self::MetadataFuture<'_> {
        ready(match &self.source {
            Source::Cached { file, .. } => file.metadata().map(|metadata| {
                self.length.store(metadata.len(), Ordering::Relaxed);
                FileMetadata::Asked(metadata)
            }),
            Source::Disk(_) | Source::Lost => Err(io::ErrorKind::Unsupported.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use tokio::io::{AsyncReadExt, AsyncSeekExt};
    use tower_http::services::fs::File as _;

    async fn opened(path: &Path, secret: &[PathBuf]) -> io::Result<CachedFile> {
        PageCache { file: path.into(), secret: secret.into(), is_file: true }.open(PathBuf::new()).await
    }

    #[tokio::test]
    async fn a_file_is_read_from_memory_and_from_the_disk() {
        let mut file = tempfile::NamedTempFile::new().expect("a file can be made");
        let content: Vec<u8> = (0..200_000u32).map(|number| number as u8).collect();
        file.write_all(&content).expect("it can be written");
        for leaves_at in [None, Some(0), Some(100_000)] {
            let mut cached = opened(file.path(), &[]).await.expect("it can be opened");
            let metadata = cached.metadata().await.expect("it has metadata");
            assert_eq!(fs::Metadata::len(&metadata), 200_000);
            let mut read = Vec::new();
            if let Some(position) = leaves_at {
                read.resize(position, 0);
                cached.read_exact(&mut read).await.expect("it can be read");
                cached.leave_memory().expect("the position can be set");
            }
            cached.read_to_end(&mut read).await.expect("it can be read");
            assert!(read == content, "left memory at {leaves_at:?}");
        }
        let mut cached = opened(file.path(), &[]).await.expect("it can be opened");
        assert_eq!(cached.seek(SeekFrom::Start(199_999)).await.expect("it can be sought"), 199_999);
        let mut last = Vec::new();
        cached.read_to_end(&mut last).await.expect("it can be read");
        assert_eq!(last, content[199_999..]);
    }

    #[tokio::test]
    async fn a_link_to_a_secret_file_is_not_opened() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let folder_path = folder.path().canonicalize().expect("it is there");
        let (secret, link) = (folder_path.join("Caddyfile"), folder_path.join("page.html"));
        std::fs::write(&secret, "secret").expect("it can be written");
        std::os::unix::fs::symlink(&secret, &link).expect("a link can be made");
        let refused = opened(&link, std::slice::from_ref(&secret)).await.err().expect("it is refused");
        assert_eq!(refused.kind(), io::ErrorKind::NotFound);
        assert!(opened(&link, &[folder_path.join("other")]).await.is_ok());
    }
}
