//! Igor: a thread-safe PHP embed SAPI with background workers that publish live state to every request.
//!
//! A program with its own server uses [`embed::Mounted`]; see `docs/library.md`.
//!
//! `ARCHITECTURE.md` is the map, with the table of the layers. The layers, lowest first: [`limits`], [`traces`], [`exchange`],
//! [`signals`], [`secrets`], `sockets` and `faults`; [`vars`] and [`config`], which need no PHP; `tasks` and `store`; `ffi` and
//! [`php`]; [`threads`]; [`worker`]; beside them `tls`, [`mercure`] and [`http`], which know nothing of PHP; `assemble`; `resp`;
//! [`server`]; [`embed`]; [`cli`] and, for the loadable module, `extension`. Arrows point down only;
//! `tests/integration/layers.rs` compares the table with the code.

#[cfg(all(feature = "php", feature = "http"))]
mod assemble;
#[cfg(all(feature = "php", feature = "http"))]
pub mod cli;
#[cfg(all(feature = "php", feature = "http"))]
mod cluster;
pub mod config;
#[cfg(any(feature = "http", feature = "php", feature = "model"))]
mod descriptors;
#[cfg(all(feature = "php", feature = "http"))]
pub mod embed;
pub mod exchange;
#[cfg(all(feature = "php", feature = "http"))]
mod extension;
#[cfg(feature = "faults")]
mod faults;
#[cfg(feature = "php")]
#[doc(hidden)]
pub mod ffi;
#[cfg(feature = "http")]
pub mod http;
pub mod limits;
#[cfg(feature = "http")]
pub mod mercure;
#[cfg(feature = "php")]
pub mod php;
#[cfg(all(feature = "php", feature = "http"))]
mod resp;
pub mod secrets;
#[cfg(all(feature = "php", feature = "http"))]
pub mod server;
pub mod signals;
#[cfg(feature = "http")]
mod sockets;
#[cfg(any(feature = "php", feature = "model"))]
pub mod store;
mod sync;
#[cfg(any(feature = "php", feature = "model"))]
pub mod tasks;
#[cfg(feature = "php")]
pub mod threads;
#[cfg(feature = "http")]
pub mod tls;
pub mod traces;
pub mod vars;
#[cfg(feature = "php")]
pub mod worker;
