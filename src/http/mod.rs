//! The HTTP side: from a socket to a job for a PHP thread, and from PHP's output back to the socket.
//!
//! It runs on the async runtime and knows nothing of PHP: requests leave through [`queue::RequestQueue`] as
//! [`crate::exchange::Job`]s and answers come back through the [`exchange::HttpExchange`] in them. [`settings`] holds
//! the settings of a site, in the types of [`crate::config`] where it has them.
//!
//! In the order in which a request meets them: `listener`, `connection_threads`, `phase`, `protocol`, `stream`, `file_sender`, `proxy_header`, `current`,
//! `head_limit`, `write_limit`, `stall`, `http3`, `service`, `answer`, `spans`, `request` and `tree` (pure), `routing` (pure),
//! `script`, `request_body`, `cgi` (pure), `queue`, `exchange`, `response_head` (pure), `header_rules` (pure), `proxy`,
//! `replies`, `remote_php` (pure), `body`, `access_log`.

pub mod access_log;
mod basic_auth;
mod body;
mod body_failure;
mod browse;
pub mod cgi;
pub mod connection;
pub mod connection_threads;
pub mod exchange;
pub mod listener;
mod mercure;
pub mod queue;
pub mod routing;
pub mod service;
pub mod settings;
pub mod site;
pub mod tree;

mod answer;
mod authority;
mod block;
mod changes;
mod current;
mod deadline;
mod encode;
mod failure;
mod fastcgi;
mod fastcgi_record;
mod field_name;
mod file_body;
mod file_sender;
mod forward;
mod gathered_body;
mod half_close;
mod head_limit;
mod header_rules;
mod http3;
mod interim;
mod linger;
mod multipart;
pub(crate) mod open_files;
mod pace;
pub mod pages;
mod params;
mod paths;
pub mod phase;
mod plain;
mod precompressed;
mod protocol;
pub mod proxy;
mod proxy_header;
mod ranges;
mod remote_php;
mod replies;
mod request;
mod request_body;
mod response_head;
mod response_stream;
mod script;
mod serve_file;
mod spans;
mod stall;
mod static_files;
mod stream;
pub(crate) mod write_limit;

#[cfg(test)]
mod tests;
