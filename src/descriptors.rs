//! Descriptors of the server are above those that PHP's `stream_select()` takes; those below are left to scripts.

use crate::limits::SELECT_DESCRIPTORS_MAX;
use std::os::fd::{AsRawFd, OwnedFd};

/// Moves a socket or file to a descriptor above the limit of PHP's `stream_select()`, so that the lower ones remain for
/// scripts. With a higher descriptor `stream_select()` fails, and a background worker would not learn that it should
/// end. A forked child closes the high ones at once, so it holds no address and no client. If the process
/// may not have so many descriptors, it stays as it is.
pub(crate) fn above_those_of_scripts(descriptor: OwnedFd) -> OwnedFd {
    if descriptor.as_raw_fd() >= SELECT_DESCRIPTORS_MAX {
        return descriptor;
    }
    rustix::io::fcntl_dupfd_cloexec(&descriptor, SELECT_DESCRIPTORS_MAX).unwrap_or(descriptor)
}
