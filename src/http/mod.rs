//! The HTTP side: from a socket to a job for a PHP thread, and from what PHP wrote back to the socket.
//!
//! It runs on the async runtime and knows nothing of PHP: requests leave through [`gate::Queue`] as
//! [`crate::exchange::Job`]s and answers come back through the [`exchange::HttpExchange`] in them. It knows nothing of
//! the configuration file either: whoever starts it fills the settings in [`service`].
//!
//! In the order in which a request meets them: `listener`, `service`, `answer`, `matcher`, `routing` (pure), `cgi` (pure), `gate`,
//! `exchange`, `response_head` (pure), `body`, `access_log`.

pub mod access_log;
pub mod body;
pub mod cgi;
pub mod exchange;
pub mod gate;
pub mod listener;
pub mod matcher;
pub mod routing;
pub mod service;

mod answer;
mod block;
mod interim;
mod paths;
mod response_head;
mod static_files;

#[cfg(test)]
mod tests;
