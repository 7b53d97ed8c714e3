//! The reason why a handler ended a request.

use http::StatusCode;

/// Why a request has failed, for `handle_errors`.
pub(super) struct Failure {
    /// Of the response, unless `handle_errors` chooses another one.
    pub(super) status: StatusCode,
    /// `{err.message}`.
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(status: StatusCode) -> Self {
        Self { status, message: String::new() }
    }
}
