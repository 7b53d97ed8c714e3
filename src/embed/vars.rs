//! What background workers publish, read by Rust.

use super::values::{Mismatch, from_array};
use crate::vars::{ArrayView, Published, Slot};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::Arc;

/// Why a value cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VarsError {
    /// No scope declares a background worker of this name.
    #[error("no background worker \"{name}\" is declared (declared: {})", list(declared))]
    NotDeclared {
        /// The name.
        name: String,
        /// The names that are declared, with their scopes.
        declared: Vec<String>,
    },
    /// Several scopes declare one: [`Mounted::vars_of`](super::Mounted::vars_of) takes the scope.
    #[error("the scopes {} declare a background worker \"{name}\" each; name the scope", list(scopes))]
    Ambiguous {
        /// The name.
        name: String,
        /// The labels of the scopes.
        scopes: Vec<String>,
    },
    /// The worker has published nothing yet: [`Vars::changed`] waits for that.
    #[error("background worker \"{0}\" has published nothing yet")]
    Nothing(String),
    /// The published array is not of the requested type.
    #[error("background worker \"{name}\": {mismatch}")]
    Mismatch {
        /// The worker.
        name: String,
        /// The value, and what is wrong with it.
        mismatch: Mismatch,
    },
    /// PHP was stopped: nothing newer will be published.
    #[error("PHP was stopped")]
    Stopped,
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// What one background worker publishes. A clone has seen what its original has.
///
/// The value may be used on any thread. It does not start the worker: declare it with `num 1`.
#[derive(Clone)]
pub struct Vars {
    slot: Arc<Slot>,
    /// The version that `changed` has returned last.
    seen: u64,
}

impl Vars {
    pub(super) fn new(slot: Arc<Slot>) -> Self {
        Self { slot, seen: 0 }
    }

    /// The worker.
    #[must_use]
    pub fn name(&self) -> String {
        String::from_utf8_lossy(self.slot.name()).into_owned()
    }

    /// The newest version; 0 before the first publish.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.slot.current().map_or(0, |published| published.version)
    }

    /// The newest value. A type that borrows is read by [`pin`](Self::pin).
    ///
    /// # Errors Nothing was published, or it is of another type.
    pub fn get<T: DeserializeOwned>(&self) -> Result<T, VarsError> {
        let pinned = self.pin()?;
        // Named, because the value borrows from it until it is made.
        let value = from_array(pinned.published.snapshot.view());
        value.map_err(|mismatch| pinned.mismatch(mismatch))
    }

    /// Holds the newest snapshot in memory, to read from it without a copy.
    ///
    /// # Errors Nothing was published.
    pub fn pin(&self) -> Result<Pinned, VarsError> {
        let published = self.slot.current().ok_or_else(|| VarsError::Nothing(self.name()))?;
        Ok(Pinned { slot: self.slot.clone(), published })
    }

    /// Waits until there is a version that this value has not seen, and returns its number. The first call waits for
    /// nothing but the first publish. Versions between may be skipped: the newest counts.
    ///
    /// Cancel-safe: a wait that is dropped has seen nothing.
    ///
    /// # Errors PHP was stopped.
    pub async fn changed(&mut self) -> Result<u64, VarsError> {
        let version = Slot::changed(&self.slot, self.seen).await;
        if self.slot.is_withdrawn() {
            return Err(VarsError::Stopped);
        }
        self.seen = version;
        Ok(version)
    }
}

impl fmt::Debug for Vars {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Vars").field("name", &self.name()).field("version", &self.version()).finish()
    }
}

/// One snapshot, which stays in memory and unchanged as long as this value.
pub struct Pinned {
    slot: Arc<Slot>,
    published: Published,
}

impl Pinned {
    /// Under which version it was published.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.published.version
    }

    /// Its bytes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.published.snapshot.bytes()
    }

    /// Its value: `&str` and `&[u8]` point into the snapshot.
    ///
    /// # Errors It is of another type.
    pub fn get<'a, T: Deserialize<'a>>(&'a self) -> Result<T, VarsError> {
        from_array(self.published.snapshot.view()).map_err(|mismatch| self.mismatch(mismatch))
    }

    /// The array itself, for code that knows no type of it.
    #[must_use]
    pub fn view(&self) -> ArrayView<'_> {
        self.published.snapshot.view()
    }

    fn mismatch(&self, mismatch: Mismatch) -> VarsError {
        VarsError::Mismatch { name: String::from_utf8_lossy(self.slot.name()).into_owned(), mismatch }
    }
}

impl fmt::Debug for Pinned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pinned").field("version", &self.version()).field("bytes", &self.bytes()).finish()
    }
}
