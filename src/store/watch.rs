//! The listeners for changes of a store.

use crate::descriptors::above_those_of_scripts;
use crate::limits::STORE_WATCHERS_MAX;
use crate::sync::{AtomicUsize, Ordering, RwLock};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{SendFlags, send};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, PoisonError};

/// A change of a store.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// The kind of change, in the words of Redis: `set`, `del`, `expired`, `evicted`, `incrby`, `expire`, `persist`,
    /// `flushdb`.
    pub event: &'static str,
    /// Which key; empty for `flushdb`.
    pub key: &'a [u8],
}

/// Called with each change, on the thread that makes them and outside of every lock of an element.
pub trait Listener: Send + Sync {
    /// Must not wait. `false`: it wants no further changes.
    fn changed(&self, change: Change<'_>) -> bool;
    /// Whether it still exists; checked if another listener needs its place.
    fn is_there(&self) -> bool;
}

/// Why a store cannot be watched.
#[derive(Debug)]
pub enum WatchError {
    /// The maximum is reached.
    TooMany,
    /// The process has no descriptor left.
    System(io::Error),
}

/// The listeners of one store.
#[derive(Default)]
pub(super) struct Listeners {
    /// The number of listeners: a store without one takes no lock. `Relaxed` would be enough; a listener gets the
    /// changes that start after it was added.
    count: AtomicUsize,
    list: RwLock<Vec<Arc<dyn Listener>>>,
}

impl Listeners {
    pub(super) fn add(&self, listener: Arc<dyn Listener>) -> Result<(), WatchError> {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        list.retain(|listener| listener.is_there());
        if list.len() >= STORE_WATCHERS_MAX {
            return Err(WatchError::TooMany);
        }
        list.push(listener);
        self.count.store(list.len(), Ordering::Release);
        Ok(())
    }

    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    pub(super) fn tell(&self, change: Change<'_>) {
        if self.count() == 0 {
            return;
        }
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        // All get it, even if an earlier one has ended.
        let all_stay = list.iter().fold(true, |all_stay, listener| listener.changed(change) & all_stay);
        drop(list);
        if !all_stay {
            let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
            list.retain(|listener| listener.is_there());
            self.count.store(list.len(), Ordering::Release);
        }
    }
}

/// The near end of a stream that becomes readable with each change. A script that does not read only loses the number
/// of changes: the bytes that fit into the socket already show that something has changed.
pub(super) struct WatchStream {
    near: OwnedFd,
}

impl WatchStream {
    /// The near end, and the one that the script gets.
    pub(super) fn new() -> io::Result<(Self, OwnedFd)> {
        let (near, far) = UnixStream::pair()?;
        near.set_nonblocking(true)?;
        // The least that the system allows: a slow script needs no more than one byte.
        rustix::net::sockopt::set_socket_send_buffer_size(&near, 1)?;
        Ok((Self { near: above_those_of_scripts(near.into()) }, far.into()))
    }
}

impl Listener for WatchStream {
    fn changed(&self, _change: Change<'_>) -> bool {
        match send(&self.near, b"!", SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(_) => true,
            Err(error) => error == rustix::io::Errno::AGAIN,
        }
    }

    fn is_there(&self) -> bool {
        let mut ends = [PollFd::new(&self.near, PollFlags::empty())];
        let zero = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut ends, Some(&zero)).is_ok() && ends[0].revents().is_empty()
    }
}
