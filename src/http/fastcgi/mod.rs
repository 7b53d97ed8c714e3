//! The FastCGI responder: replaces php-fpm behind a web server.
//!
//! This is our own implementation of the protocol, because the crates for it hold the whole body in memory before they pass
//! it on. [`record`] holds the frames, `request` converts parameters to a request, `connection` runs it. After that it is
//! an ordinary request: the same queues, the same exchange, the same access log.

mod connection;
mod request;

use super::fastcgi_record as record;

pub(super) use connection::{Broken, serve};
