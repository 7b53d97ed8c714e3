//! Files as `tower-http` reads them, without another thread as long as the kernel has their bytes in memory. On a local
//! file system, opening a file and reading its metadata take about a microsecond each. Passing the work to the blocking
//! pool costs a hundred times as much. Only bytes that must come from the disk are read there.

use std::fs::{File, Metadata};
use std::io::{self, IoSliceMut, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use rustix::io::{Errno, ReadWriteFlags, preadv2};
use std::future::{Ready, ready};
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tokio::task::{JoinHandle, spawn_blocking};
use tower_http::services::fs::{self, Backend};

use super::open_files::{OPEN_FILES, check_secret};

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
        let opened = OPEN_FILES.open(&self.file, &self.secret);
        ready(opened.map(|opened| CachedFile {
            file: opened.file,
            metadata: opened.metadata,
            position: 0,
            from_disk: None,
        }))
    }

    fn metadata(&self, _path: PathBuf) -> Self::MetadataFuture {
        ready(if self.is_file {
            Ok(FileMetadata::Unasked)
        } else {
            check_secret(&self.secret, || self.file.canonicalize().ok())
                .and_then(|()| std::fs::metadata(&self.file))
                .map(FileMetadata::Asked)
        })
    }
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

/// An open file, which other responses may read too: it has a position of its own.
pub(super) struct CachedFile {
    file: Arc<File>,
    /// Of the moment when it was opened.
    metadata: Metadata,
    position: u64,
    /// Bytes that the blocking pool reads at `position`, because the kernel did not have them in memory.
    from_disk: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl CachedFile {
    /// The bytes that the next read asks for, at most `space`. None are asked for beyond the length that the response
    /// has stated, so its end costs no system call.
    fn wanted(&self, space: usize) -> usize {
        let left = self.metadata.len().saturating_sub(self.position);
        usize::try_from(left).unwrap_or(usize::MAX).min(space)
    }

    /// Begins to read on the blocking pool.
    fn read_from_disk(&mut self, count: usize) {
        let (file, position) = (Arc::clone(&self.file), self.position);
        self.from_disk = Some(spawn_blocking(move || {
            let mut bytes = vec![0; count];
            let count = file.read_at(&mut bytes, position)?;
            bytes.truncate(count);
            Ok(bytes)
        }));
    }
}

impl AsyncRead for CachedFile {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.from_disk.is_none() {
            let wanted = self.wanted(into.remaining());
            if wanted == 0 {
                return Poll::Ready(Ok(()));
            }
            let space = into.initialize_unfilled_to(wanted);
            match preadv2(self.file.as_fd(), &mut [IoSliceMut::new(space)], self.position, ReadWriteFlags::NOWAIT) {
                Ok(count) => {
                    self.position += count as u64;
                    into.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(Errno::INTR) => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                // Not in memory, or the file system cannot tell.
                Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => self.read_from_disk(wanted),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
        let Some(reading) = &mut self.from_disk else { return Poll::Pending };
        let bytes = ready!(Pin::new(reading).poll(context)).map_err(io::Error::other)??;
        self.from_disk = None;
        let taken = bytes.len().min(into.remaining());
        into.put_slice(&bytes[..taken]);
        self.position += taken as u64;
        Poll::Ready(Ok(()))
    }
}

impl AsyncSeek for CachedFile {
    /// Only from the start, as `tower-http` does it before the first read.
    fn start_seek(mut self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        let SeekFrom::Start(start) = to else { return Err(io::ErrorKind::Unsupported.into()) };
        self.from_disk = None;
        self.position = start;
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(self.position))
    }
}

impl fs::File for CachedFile {
    type Metadata = FileMetadata;
    type MetadataFuture<'a> = Ready<io::Result<FileMetadata>>;

    fn metadata(&self) -> Self::MetadataFuture<'_> {
        ready(Ok(FileMetadata::Asked(self.metadata.clone())))
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
                cached.read_from_disk(50_000);
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
