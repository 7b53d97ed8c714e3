//! Binds the sockets that the server listens on. Its descriptors leave the low numbers to scripts.

pub(crate) use crate::descriptors::above_those_of_scripts;
use crate::limits;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::fs::{self, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Listens on the address. Port 0: any free port.
///
/// # Errors
/// The address is taken, not this machine's, or not allowed.
pub(crate) fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    let socket = Socket::from(above_those_of_scripts(socket.into()));
    // A restart must not wait until the kernel drops the previous run's connections.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(limits::LISTEN_BACKLOG)?;
    Ok(socket.into())
}

/// Receives datagrams at the address.
///
/// # Errors
/// The address is taken, not this machine's, or not allowed.
pub(crate) fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    let socket = Socket::from(above_those_of_scripts(socket.into()));
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Listens on a Unix socket that clients may use according to `mode`, the permissions of its file.
///
/// If the file is a socket without a listener, a killed server has left it: it is replaced.
/// Any other file is someone's. The kernel refuses connections to both with the same error, so the kind of the file
/// decides.
///
/// # Errors Another server listens there, the file is not a socket, or its folder is not writable.
pub(crate) fn unix(path: &Path, mode: u32) -> io::Result<(UnixListener, SocketFile)> {
    if UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
        if !fs::symlink_metadata(path)?.file_type().is_socket() {
            let reason = "a file that is no socket has this name, and is left alone";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, reason));
        }
        fs::remove_file(path)?;
    }
    let socket = Socket::from(above_those_of_scripts(Socket::new(Domain::UNIX, Type::STREAM, None)?.into()));
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile(path.to_owned());
    // Before any client can connect, because the permissions decide which clients may.
    file.allow(mode)?;
    socket.listen(limits::LISTEN_BACKLOG)?;
    Ok((socket.into(), file))
}

/// The file of a Unix socket, removed with it.
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

impl SocketFile {
    /// Sets the permissions.
    ///
    /// # Errors The file does not exist, or belongs to another user.
    pub(crate) fn allow(&self, mode: u32) -> io::Result<()> {
        fs::set_permissions(&self.0, Permissions::from_mode(mode))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may be removed already, and other errors cannot be handled.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_socket_that_no_one_listens_on_is_replaced() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = |name: &str| directory.path().join(name);

        fs::write(path("notes.txt"), "notes").expect("a file");
        let error = unix(&path("notes.txt"), 0o600).expect_err("the file is someone's").to_string();
        assert!(error.contains("no socket"), "{error}");
        assert_eq!(fs::read_to_string(path("notes.txt")).expect("the file is still there"), "notes");

        let listening = UnixListener::bind(path("igor.sock")).expect("a socket");
        let error = unix(&path("igor.sock"), 0o600).expect_err("another server listens there");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(listening);
        let (_socket, file) = unix(&path("igor.sock"), 0o640).expect("what a killed server left behind");
        let mode = || fs::metadata(path("igor.sock")).expect("the file").permissions().mode() & 0o777;
        assert_eq!(mode(), 0o640);
        file.allow(0o666).expect("the file is ours");
        assert_eq!(mode(), 0o666);
        drop(file);
        assert!(!path("igor.sock").exists());
    }
}
