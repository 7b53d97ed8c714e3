//! Prints to the standard output without the panic of `println!` when the reader has left or the disk is full.

use std::io::{self, ErrorKind, Write};

/// Prints to standard output, and returns whether it still has a reader: one that has closed it, such as `head`, is not
/// a failure.
///
/// # Errors
/// The text could not be written, for example because the disk is full.
pub(super) fn print(text: &str) -> Result<bool, String> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(format!("writing to the standard output: {error}")),
    }
}

/// Prints on the standard error. If that fails too, only the exit status reports it.
pub(super) fn complain(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
