//! The kinds of PHP threads.

use crate::ffi;

/// The kind of a PHP thread, for its whole life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One PHP request per HTTP request.
    Classic,
    /// One PHP request per run of a worker script, which takes many HTTP requests.
    HttpWorker,
    /// One PHP request per run of a script that takes none.
    Background,
    /// The thread and its requests belong to the program that has loaded the module.
    Hosted,
}

impl Mode {
    /// The same value for C.
    pub(super) fn to_ffi(self) -> ffi::igor_mode {
        match self {
            Self::Classic => ffi::igor_mode::IGOR_CLASSIC,
            Self::HttpWorker => ffi::igor_mode::IGOR_HTTP_WORKER,
            Self::Background => ffi::igor_mode::IGOR_BACKGROUND,
            Self::Hosted => ffi::igor_mode::IGOR_HOSTED,
        }
    }
}
