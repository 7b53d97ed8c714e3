//! The operations of stores of the cluster: what their engine does in one step. `missing` has the others.
//!
//! Each waits for the engine on the PHP thread, in a leaf and without a lock, for a bounded time. An interrupt of the script
//! ends the wait.

use super::context::Context;
use super::cutoff::{Cut, Cutoff};
use super::missing::{Missing, missing};
use super::objects::EngineObjects;
use super::work::Failure;
use crate::ffi::igor_stored;
use crate::limits::{CLUSTER_CALL_MS_MAX, CLUSTER_STORE_CAS_TRIES_MAX};
use crate::store::{Number, Remote, RemoteError, Store};
use crate::vars::Value;
use std::ffi::c_void;
use std::time::Duration;

/// C's seconds; negative: none. A number that is too large for a duration means forever.
fn time(ttl_s: f64) -> Option<Duration> {
    if ttl_s < 0.0 { None } else { Duration::try_from_secs_f64(ttl_s).ok() }
}

/// Why the call has not been done, for the script.
fn failure(store: &Store, key: &[u8], error: &RemoteError, cutoff: Cutoff<'_>) -> Failure {
    let name = store.name();
    let element = || format!("element \"{}\" of store \"{name}\"", String::from_utf8_lossy(key));
    Failure::runtime(match error {
        RemoteError::Away(reason) => format!("store \"{name}\" cannot reach its Redis: {reason}"),
        RemoteError::Late => format!(
            "the Redis of store \"{name}\" has not answered within {CLUSTER_CALL_MS_MAX} ms; it may have done what was asked"
        ),
        RemoteError::Cut => match cutoff.look() {
            Some(Cut::HeldBack) => format!(
                "the wait for the Redis of store \"{name}\" has ended: opcache is being restarted; try again in a new request"
            ),
            _ => {
                format!("the wait for the Redis of store \"{name}\" has ended: the script that waits is being stopped")
            }
        },
        RemoteError::Busy => format!("too many calls wait for the Redis of store \"{name}\"; try again later"),
        RemoteError::Refused(words) => format!("the Redis of store \"{name}\" has refused it: {words}"),
        RemoteError::NotAnInteger => {
            format!("{} is not an integer, and a store of the cluster counts in integers", element())
        }
        RemoteError::Overflow => format!("{} would be larger than a number can be", element()),
        RemoteError::Format(error) => format!("{} cannot be read: {error}", element()),
        RemoteError::TooLarge(refusal) => format!("{} cannot be read: {refusal}", element()),
    })
}

impl Context {
    pub(super) fn remote_get(
        &mut self,
        store: &Store,
        remote: &Remote,
        key: &[u8],
        is_read: bool,
    ) -> Result<igor_stored, Failure> {
        let value = self.wait(store, key, |cutoff| remote.get(key, self.limits, cutoff))?;
        Ok(self.show(value, is_read))
    }

    pub(super) fn remote_set(
        &mut self,
        store: &Store,
        remote: &Remote,
        key: &[u8],
        value: &Value,
        ttl_s: f64,
        absent: bool,
    ) -> Result<bool, Failure> {
        self.wait(store, key, |cutoff| remote.set(key, value, time(ttl_s), absent, cutoff))
    }

    pub(super) fn remote_increment(
        &mut self,
        store: &Store,
        remote: &Remote,
        key: &[u8],
        by: Number,
        ttl_s: f64,
    ) -> Result<Number, Failure> {
        let Number::Int(by) = by else { return Err(missing(store, Missing::Float)) };
        self.wait(store, key, |cutoff| remote.add(key, by, time(ttl_s), cutoff)).map(Number::Int)
    }

    /// Reads and compares, and lets the engine write if the bytes are still the same; again if they are not, so often at
    /// most.
    pub(super) fn remote_cas(
        &mut self,
        store: &Store,
        remote: &Remote,
        key: &[u8],
        expected: *const c_void,
        value: &Value,
        ttl_s: f64,
    ) -> Result<bool, Failure> {
        for _ in 0..CLUSTER_STORE_CAS_TRIES_MAX {
            let found = self.wait(store, key, |cutoff| remote.find(key, self.limits, cutoff))?;
            let Some((bytes, found)) = found else { return Ok(false) };
            // SAFETY: the value is an argument of the running call on this thread: it lives, and no code writes to it.
            let is_equal = unsafe { found.equals(expected.cast(), &EngineObjects) };
            found.retire();
            if !is_equal {
                return Ok(false);
            }
            if self.wait(store, key, |cutoff| remote.swap(key, bytes, value, time(ttl_s), cutoff))? {
                return Ok(true);
            }
        }
        Err(Failure::runtime(format!(
            "element \"{}\" of store \"{}\" has changed during each of {CLUSTER_STORE_CAS_TRIES_MAX} tries of cas()",
            String::from_utf8_lossy(key),
            store.name()
        )))
    }

    pub(super) fn remote_remove(
        &mut self,
        store: &Store,
        remote: &Remote,
        key: &[u8],
        is_read: bool,
    ) -> Result<igor_stored, Failure> {
        let value = if is_read {
            self.wait(store, key, |cutoff| remote.pull(key, self.limits, cutoff))?
        } else {
            let was_there = self.wait(store, key, |cutoff| remote.remove(key, cutoff))?;
            was_there.then_some(Value::Bool(true))
        };
        Ok(self.show(value, is_read))
    }

    pub(super) fn remote_merge(
        &self,
        store: &Store,
        remote: &Remote,
        elements: Vec<(Vec<u8>, Value)>,
    ) -> Result<(), Failure> {
        let merged = self.wait(store, b"", |cutoff| remote.set_all(&elements, cutoff));
        elements.into_iter().for_each(|(_, value)| value.retire());
        merged
    }

    /// Calls the store of the cluster, and says what is wrong in the words of scripts.
    fn wait<T>(
        &self,
        store: &Store,
        key: &[u8],
        call: impl FnOnce(&Cutoff<'_>) -> Result<T, RemoteError>,
    ) -> Result<T, Failure> {
        let cutoff = Cutoff::of(&self.member);
        call(&cutoff).map_err(|error| failure(store, key, &error, cutoff))
    }
}
