//! The FastCGI responder: what a web server in front asks of php-fpm, asked of igor.
//!
//! Our own reading of the protocol, because the crates for it gather a request's body in memory before they hand it on.
//! `record` are the frames, `request` makes a request of parameters, `connection` lets it run. From there on it is a request
//! like all others: the same queues, the same exchange, the same access log.

mod connection;
mod record;
mod request;

pub(super) use connection::{Broken, serve};
