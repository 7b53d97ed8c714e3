//! The snapshot code against source arrays that are built here in the engine's layout, without an engine.

mod source;

mod copies;
mod pinning;
mod properties;
mod refusals;
