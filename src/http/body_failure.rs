//! Why there is no request body, and the answer to that request.

use std::io;

use http::{HeaderValue, Response, StatusCode, header};

use super::body::ResponseBody;
use super::plain::plain;
use crate::limits;

/// Why a request body cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyFailure {
    #[error("the client sent less than it announced, or a malformed chunk")]
    Broken,
    #[error("the client sent nothing, or too slowly")]
    TooSlow,
    #[error("the body is larger than `request_buffering` or `request_body` allows")]
    TooLarge,
    #[error("the bodies of all requests together take up what is allowed for them")]
    NoRoom,
    #[error("a temporary file for the body: {0}")]
    File(#[from] io::Error),
    /// The PHP thread that reads is being interrupted.
    #[error("the wait was interrupted")]
    Cancelled,
}

impl BodyFailure {
    /// The answer to the request.
    pub(super) fn response(&self) -> Response<ResponseBody> {
        let text = match self {
            Self::Broken => "the body of this request is not whole\n",
            Self::TooSlow => "the body of this request did not come in time\n",
            Self::TooLarge => "the body of this request is too large\n",
            Self::NoRoom | Self::Cancelled => "the server is busy, try again soon\n",
            Self::File(_) => "",
        };
        let mut response = plain(self.status(), text);
        end_connection(&mut response);
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(limits::RETRY_AFTER_SECONDS));
        }
        response
    }

    /// The status of the failure.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoRoom | Self::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
            Self::File(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Records what an operator can do something about; what clients do is of interest to few.
    pub(super) fn log(&self) {
        match self {
            Self::File(_) | Self::NoRoom => tracing::error!("reading the request body: {self}"),
            _ => tracing::info!("reading the request body: {self}"),
        }
    }
}

/// The connection ends with this response: what follows on it cannot be distinguished from the missing rest of a body.
pub(super) fn end_connection(response: &mut Response<ResponseBody>) {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
}
