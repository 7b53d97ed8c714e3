//! The Redis port of a store: what `redis-cli` and clients of Redis speak, RESP2 and RESP3, on the elements of a store.

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
