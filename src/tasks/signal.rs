//! A stream that a script can select on: readable while there is something to read, and at its end after the last
//! event.
//!
//! The socket pair holds one byte at most. Code that changes the state holds the lock of the object that owns the
//! signal.

use crate::descriptors::above_those_of_scripts;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

/// The two ends of one such stream. Scripts get duplicates of the far one.
pub(super) struct Signal {
    near: OwnedFd,
    far: OwnedFd,
    is_raised: bool,
    is_hung_up: bool,
}

impl Signal {
    pub(super) fn new() -> io::Result<Self> {
        let (near, far) = UnixStream::pair()?;
        // Scripts select on duplicates, which have low numbers.
        let (near, far) = (above_those_of_scripts(near.into()), above_those_of_scripts(far.into()));
        Ok(Self { near, far, is_raised: false, is_hung_up: false })
    }

    /// A new descriptor for the end that scripts wait on.
    pub(super) fn descriptor(&self) -> io::Result<OwnedFd> {
        self.far.try_clone()
    }

    /// Makes it readable.
    pub(super) fn raise(&mut self) {
        // It fails only when the socket holds a byte already, or when the script has shut it down itself.
        if !self.is_raised && !self.is_hung_up {
            let _ = send(&self.near, b"!", SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
            self.is_raised = true;
        }
    }

    /// Ends the readability. The byte is missing if the script has read it itself.
    pub(super) fn lower(&mut self) {
        if self.is_raised {
            let mut bytes = [0; 8];
            let _ = recv(&self.far, &mut bytes, RecvFlags::DONTWAIT);
            self.is_raised = false;
        }
    }

    /// Brings it to its end, on every descriptor that scripts have.
    pub(super) fn hang_up(&mut self) {
        if !self.is_hung_up {
            self.lower();
            let _ = shutdown(&self.near, Shutdown::Both);
            self.is_hung_up = true;
        }
    }

    pub(super) fn is_hung_up(&self) -> bool {
        self.is_hung_up
    }
}
