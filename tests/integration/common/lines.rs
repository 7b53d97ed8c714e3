//! Reads what a program writes into a pipe. Who looks sees all that the program had written by then, however late the thread is
//! that reads it.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{ioctl_fionread, retry_on_intr};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// The lines so far, and whether more may follow.
#[derive(Default)]
pub(crate) struct Lines {
    pub(crate) lines: Vec<String>,
    pub(crate) ended: bool,
    /// The beginning of the next line.
    rest: Vec<u8>,
    /// How many bytes were read.
    read: u64,
}

/// The lines of one pipe, collected by a dedicated thread.
pub(crate) struct Collected {
    pub(crate) lines: Mutex<Lines>,
    /// Wakes who waits for more of them.
    pub(crate) more: Condvar,
    pipe: OwnedFd,
}

impl Collected {
    /// Collects what `source` returns until it ends.
    pub(crate) fn start(mut source: impl Read + AsFd + Send + 'static) -> (Arc<Self>, JoinHandle<()>) {
        let pipe = source.as_fd().try_clone_to_owned().expect("a pipe can be copied");
        let collected = Arc::new(Self { lines: Mutex::default(), more: Condvar::new(), pipe });
        let into = collected.clone();
        let reader = std::thread::spawn(move || while into.read_from(&mut source) {});
        (collected, reader)
    }

    /// Waits without the lock, and reads with it: what is no longer in the pipe is among the lines for everyone else. Returns
    /// whether more may follow.
    fn read_from(&self, source: &mut (impl Read + AsFd)) -> bool {
        let _ = retry_on_intr(|| poll(&mut [PollFd::new(&*source, PollFlags::IN)], None));
        let mut bytes = [0; 65536];
        let mut lines = locked(&self.lines);
        let count = source.read(&mut bytes).unwrap_or(0);
        lines.take(&bytes[..count]);
        self.more.notify_all();
        count > 0
    }

    /// All that has been written so far.
    pub(crate) fn now(&self) -> MutexGuard<'_, Lines> {
        let mut lines = locked(&self.lines);
        let until = lines.read + ioctl_fionread(&self.pipe).unwrap_or(0);
        while lines.read < until && !lines.ended {
            lines = self.more.wait(lines).unwrap_or_else(PoisonError::into_inner);
        }
        lines
    }
}

impl Lines {
    /// No bytes: the end.
    fn take(&mut self, bytes: &[u8]) {
        self.read += bytes.len() as u64;
        self.rest.extend_from_slice(bytes);
        let whole = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        for line in self.rest.drain(..whole).as_slice().split_inclusive(|byte| *byte == b'\n') {
            self.lines.push(String::from_utf8_lossy(&line[..line.len() - 1]).into_owned());
        }
        if bytes.is_empty() {
            self.ended = true;
            if !self.rest.is_empty() {
                self.lines.push(String::from_utf8_lossy(&std::mem::take(&mut self.rest)).into_owned());
            }
        }
    }
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
