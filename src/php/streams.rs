//! The descriptors of the streams that scripts wait on.

use crate::limits::SELECT_DESCRIPTORS_MAX;
use std::ffi::c_int;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// The descriptor for C, which closes it.
pub(super) fn to_script(stream: OwnedFd) -> c_int {
    /// Every further warning would say the same.
    static IS_WARNED: AtomicBool = AtomicBool::new(false);
    let descriptor = stream.as_raw_fd();
    if descriptor >= SELECT_DESCRIPTORS_MAX && !IS_WARNED.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            descriptor,
            "a script has a stream that stream_select() cannot wait for: it takes descriptors below \
             {SELECT_DESCRIPTORS_MAX}; run fewer background threads, keep fewer files open, or wait by an event loop \
             without this limit"
        );
    }
    stream.into_raw_fd()
}
