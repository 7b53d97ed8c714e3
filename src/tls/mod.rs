//! Encryption by rustls: certificates, their sources, and the handshake.
//!
//! A configuration makes one `CertificateStore`, and one [`TlsEndpoint`] for each of its encrypted sockets. Only the store
//! changes while the configuration runs: files are replaced, certificates are renewed. A handshake reads the store once and
//! takes the whole certificate, so a change breaks no connection.
//!
//! Private keys are in files of mode 0600 and in the memory of rustls. The `Debug` output of the types here never shows
//! one.
//!
//! In the order in which a connection meets them: `endpoint` (with `parameters`, `clients`, `described` and `http3`), `resolver`, `store`.
//! What fills the store: `files`, `internal`, `acme`, put together by `keeper`, with `storage` below them; and, while a handshake waits, `on_demand` with
//! `permission`.

mod acme;
mod clients;
mod connector;
mod described;
mod endpoint;
mod files;
mod http3;
mod internal;
mod keeper;
mod names;
mod on_demand;
mod parameters;
mod permission;
mod resolver;
mod storage;
mod store;

#[cfg(test)]
mod tests;

pub use connector::{connector, reason};
pub use described::EncryptionFacts;
pub use endpoint::{Encrypted, HandshakeError, Hello, NegotiatedProtocol, TlsEndpoint};
pub use files::CertificateFileError;
pub use internal::{AuthorityError, InternalAuthority, is_local};
pub use keeper::{Keeper, KeptFresh, TlsError, TlsSite};
pub use parameters::cipher_names;
pub use resolver::Challenges;
pub use storage::{Storage, StorageError};
