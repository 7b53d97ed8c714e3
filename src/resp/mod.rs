//! The Redis port of a store: serves its elements to `redis-cli` and clients of Redis, by RESP2 and RESP3.

mod command;
mod commands;
mod connection;
mod glob;
mod keys;
mod parse;
mod ports;
mod reply;
mod session;
mod strings;

pub(crate) use ports::{BoundPort, PortError, Ports};
