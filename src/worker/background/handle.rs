//! The handle of a run: a connected pair of sockets. The script reads one end, and the server shuts the other down when
//! the script should end.
//!
//! A pipe is not enough: it reaches end of file only when the last copy of its writing end is closed, and every forked
//! process holds a copy. A shutdown ends the connection itself, however many processes hold descriptors of it.

use crate::descriptors::above_those_of_scripts;
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

/// The server's end. Its drop causes end of file at the script's end.
pub(super) struct HandleEnd(UnixStream);

/// A new handle: the script's end, and the server's.
///
/// # Errors
/// The system has no descriptors left.
pub(super) fn pair() -> io::Result<(OwnedFd, HandleEnd)> {
    let (script, server) = UnixStream::pair()?;
    Ok((script.into(), HandleEnd(above_those_of_scripts(server.into()).into())))
}

impl Drop for HandleEnd {
    fn drop(&mut self) {
        // Fails only where the script's end has been shut down already, which has the same effect.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use super::pair;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_copy_of_the_servers_end_does_not_delay_the_end_of_file() {
        let (script, server) = pair().expect("a pair");
        let copy = server.0.try_clone().expect("a copy, as a forked child has one");
        drop(server);
        let mut script = UnixStream::from(script);
        assert_eq!(script.read(&mut [0; 1]).expect("the end of file"), 0);
        drop(copy);
    }
}
