//! Tests the snapshot code with source arrays built in the engine's layout, without an engine.

#[cfg_attr(loom, allow(dead_code, reason = "the models need few kinds of values"))]
mod source;

#[cfg(not(loom))]
mod copies;
#[cfg(loom)]
pub(super) mod model;
#[cfg(not(loom))]
mod pinning;
#[cfg(not(loom))]
mod properties;
#[cfg(not(loom))]
mod refusals;
