//! The leaves by which C works on stores. C identifies stores and lists by numbers, and reads a value while this side
//! holds it.

use super::context::Context;
use super::cutoff::{Cut, Cutoff};
use super::host::{answer, bytes, give};
use super::missing::{Missing, refuse};
use super::objects::EngineObjects;
use super::stored::{counts_of, describe, igor_number_of, kind, number};
use super::streams::to_script;
use super::work::Failure;
use crate::ffi::{igor_number, igor_store_counts, igor_stored, igor_verdict, leaf};
use crate::limits::STORE_KEY_BYTES_MAX;
use crate::store::{Begun, Condition, Expiry, Full, Number, NumberError, Store, WatchError};
use crate::vars::layout::ZArray;
use crate::vars::{Limits, Value, elements};
use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;
use std::time::Duration;

/// Says which bound was reached, and the setting that raises it.
fn full(store: &Store, full: Full) -> Failure {
    let name = store.name();
    Failure::runtime(match full {
        Full::TooLarge(bytes, max) => format!(
            "{bytes} bytes are needed, and all of store \"{name}\" has {max}; raise its max_bytes, or store less"
        ),
        Full::Bytes(max) => {
            format!("store \"{name}\" is full ({max} bytes); raise its max_bytes, or let it evict (`eviction lru`)")
        }
        Full::Keys(max) => {
            format!("store \"{name}\" is full ({max} elements); raise its max_keys, or let it evict (`eviction lru`)")
        }
    })
}

/// Names the element, because a script may increment several in one line.
fn not_a_number(store: &Store, key: &[u8], error: NumberError) -> Failure {
    let (name, key) = (store.name(), String::from_utf8_lossy(key));
    Failure::runtime(match error {
        NumberError::NotANumber => format!("element \"{key}\" of store \"{name}\" is not a number"),
        NumberError::Overflow => format!("element \"{key}\" of store \"{name}\" would be larger than a number can be"),
    })
}

/// C's seconds; negative: never.
fn expiry(ttl_s: f64) -> Expiry {
    if ttl_s < 0.0 { Expiry::Never } else { Expiry::After(time(ttl_s)) }
}

fn too_long(given: usize) -> Failure {
    Failure::value(format!("a key of a store must be at most {STORE_KEY_BYTES_MAX} bytes long, {given} given"))
}

/// A number that is too large, or none, means forever.
fn time(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

impl Context {
    /// Copies a value of PHP. A value that cannot be stored is refused with its place in the array.
    fn value_of(&self, source: *const c_void) -> Result<Value, Failure> {
        // SAFETY: the value is an argument of the running call on this thread: it lives, and no code writes to it.
        let copied = unsafe { Value::copy_of(source.cast(), &EngineObjects, self.limits) };
        copied.map_err(refused)
    }

    /// Refuses a key that is too long before anything is done with it.
    fn store_of(&self, id: u64, key: &[u8]) -> Result<Arc<Store>, Failure> {
        if key.len() > STORE_KEY_BYTES_MAX {
            return Err(too_long(key.len()));
        }
        self.stores.get(id)
    }

    /// Describes a value to C, which may read it until the next call. Without `is_read` only its kind, and nothing is
    /// pinned.
    pub(super) fn show(&mut self, value: Option<Value>, is_read: bool) -> igor_stored {
        if !is_read {
            let kind = kind(value.as_ref());
            value.into_iter().for_each(Value::retire);
            return igor_stored { kind, ..igor_stored::default() };
        }
        let stored = describe(value.as_ref(), &mut self.pins);
        self.stores.read = value;
        stored
    }

    /// `is_read` decides whether C may show the value itself or copies it.
    fn store_get(&mut self, id: u64, key: &[u8], is_read: bool) -> Result<igor_stored, Failure> {
        let store = self.store_of(id, key)?;
        if let Some(remote) = store.remote() {
            return self.remote_get(&store, remote, key, is_read);
        }
        let (value, mark) = store.get_marked(key);
        let stored = self.show(value, is_read);
        // The store is open until the end of the PHP request, and so is what the mark points to.
        let (version_at, version) = mark.map_or((std::ptr::null(), 0), |mark| (mark.version_at.cast(), mark.version));
        Ok(igor_stored { version_at, version, ..stored })
    }

    /// Returns whether the element was stored: with `absent` only if there was none.
    fn store_set(
        &mut self,
        id: u64,
        key: &[u8],
        source: *const c_void,
        ttl_s: f64,
        absent: bool,
    ) -> Result<bool, Failure> {
        let store = self.store_of(id, key)?;
        let value = self.value_of(source)?;
        if let Some(remote) = store.remote() {
            let stored = self.remote_set(&store, remote, key, &value, ttl_s, absent);
            value.retire();
            return stored;
        }
        let condition = if absent { Condition::Absent } else { Condition::Always };
        let stored = store.set(key, value, expiry(ttl_s), condition).map_err(|error| full(&store, error))?;
        stored.before.into_iter().for_each(Value::retire);
        Ok(stored.is_stored)
    }

    /// Returns the sum. A missing element counts as 0.
    fn store_increment(&mut self, id: u64, key: &[u8], by: Number, ttl_s: f64) -> Result<Number, Failure> {
        let store = self.store_of(id, key)?;
        if let Some(remote) = store.remote() {
            return self.remote_increment(&store, remote, key, by, ttl_s);
        }
        let sum = store.increment(key, by, expiry(ttl_s)).map_err(|error| full(&store, error))?;
        sum.map_err(|error| not_a_number(&store, key, error))
    }

    /// Compares without the lock, and writes if the element has not changed since.
    fn store_cas(
        &mut self,
        id: u64,
        key: &[u8],
        (expected, source): (*const c_void, *const c_void),
        ttl_s: f64,
    ) -> Result<bool, Failure> {
        let store = self.store_of(id, key)?;
        let value = self.value_of(source)?;
        if let Some(remote) = store.remote() {
            let stored = self.remote_cas(&store, remote, key, expected, &value, ttl_s);
            value.retire();
            return stored;
        }
        loop {
            let Some(found) = store.find(key) else { return Ok(false) };
            // SAFETY: the value is an argument of the running call on this thread: it lives, and no code writes to it.
            if !unsafe { found.value.equals(expected.cast(), &EngineObjects) } {
                return Ok(false);
            }
            let expiry = if ttl_s < 0.0 { Expiry::Kept } else { expiry(ttl_s) };
            let stored = store
                .set(key, value.clone(), expiry, Condition::Unchanged(found.revision))
                .map_err(|error| full(&store, error))?;
            if stored.is_stored {
                return Ok(true);
            }
        }
    }

    /// Returns the element that was there; without `is_read` only whether there was one.
    fn store_remove(&mut self, id: u64, key: &[u8], is_read: bool) -> Result<igor_stored, Failure> {
        let store = self.store_of(id, key)?;
        if let Some(remote) = store.remote() {
            return self.remote_remove(&store, remote, key, is_read);
        }
        Ok(self.show(store.remove(key), is_read))
    }

    /// Copies all elements before the first is stored, so a value that is refused changes nothing.
    fn store_merge(&mut self, id: u64, array: *const ZArray, replaces: bool) -> Result<(), Failure> {
        let store = self.stores.get(id)?;
        if replaces {
            refuse(&store, Missing::Replace)?;
        }
        // SAFETY: the array is an argument of the running call on this thread: it lives, and no code writes to it.
        let elements = unsafe { copied(array, self.limits)? };
        if let Some(remote) = store.remote() {
            return self.remote_merge(&store, remote, elements);
        }
        let stored = if replaces { store.replace(elements) } else { store.merge(elements) };
        stored.map_err(|error| full(&store, error))
    }

    /// Takes the elements at one moment; C reads them one by one from the list of this number.
    fn store_list(&mut self, id: u64, with_values: bool) -> Result<u64, Failure> {
        let store = self.stores.get(id)?;
        refuse(&store, if with_values { Missing::Snapshot } else { Missing::Keys })?;
        let elements = if with_values {
            store.all().into_iter().map(|(key, value)| (key, Some(value))).collect()
        } else {
            store.keys().into_iter().map(|key| (key, None)).collect()
        };
        Ok(self.stores.list(elements))
    }

    /// The value if there is one. None: the caller computes it.
    fn store_compute(&mut self, id: u64, key: &[u8]) -> Result<Option<igor_stored>, Failure> {
        let store = self.store_of(id, key)?;
        refuse(&store, Missing::Compute)?;
        let cutoff = Cutoff::of(&self.member);
        let name = || (store.name().to_owned(), String::from_utf8_lossy(key).into_owned());
        match self.stores.declared.claims().begin(&store, key, self.stores.owner, &cutoff) {
            Begun::Value(value) => Ok(Some(self.show(Some(value), true))),
            Begun::Compute => {
                self.stores.computing.push((store, key.to_vec()));
                Ok(None)
            }
            Begun::Own => {
                let (name, key) = name();
                Err(Failure::runtime(format!(
                    "element \"{key}\" of store \"{name}\" is being computed by this script already"
                )))
            }
            Begun::Circle => {
                let (name, key) = name();
                Err(Failure::runtime(format!(
                    "element \"{key}\" of store \"{name}\" is being computed by a script that waits for this one"
                )))
            }
            Begun::Cut => Err(Failure::runtime(match cutoff.look() {
                Some(Cut::HeldBack) => {
                    "the wait for a computed value has ended: opcache is being restarted; try again in a new request"
                }
                _ => "the wait for a computed value has ended: the script that waits is being stopped",
            })),
        }
    }

    /// Stores what the script has computed; without a value the computation has failed. Both let the waiting scripts
    /// continue.
    fn store_computed(&mut self, id: u64, key: &[u8], source: *const c_void, ttl_s: f64) -> Result<(), Failure> {
        let store = self.store_of(id, key)?;
        let stored = if source.is_null() {
            Ok(())
        } else {
            self.value_of(source).and_then(|value| {
                let expiry = if ttl_s < 0.0 { Expiry::Never } else { Expiry::Stale(time(ttl_s)) };
                let stored = store.set(key, value, expiry, Condition::Always).map_err(|error| full(&store, error))?;
                stored.before.into_iter().for_each(Value::retire);
                Ok(())
            })
        };
        self.stores.computed(&store, key);
        stored
    }
}

/// The failure of a value that cannot be stored.
fn refused(refusal: crate::vars::Refusal) -> Failure {
    Failure::of_refusal("FrankenPHP\\SharedArray", &refusal)
}

/// Copies the elements of a PHP array: all or none.
///
/// # Safety
/// The array must live, unwritten, during the call.
unsafe fn copied(array: *const ZArray, limits: Limits) -> Result<Vec<(Vec<u8>, Value)>, Failure> {
    let mut copies = Vec::new();
    // SAFETY: the caller guarantees it.
    for (key, value) in unsafe { elements(array) } {
        if key.len() > STORE_KEY_BYTES_MAX {
            return Err(too_long(key.len()));
        }
        // SAFETY: the value is part of the live array.
        let value = unsafe { Value::copy_of(value, &EngineObjects, limits) }.map_err(refused)?;
        copies.push((key, value));
    }
    Ok(copies)
}

leaf! {
    for Context;
    fn host_store_open(context, name: *const c_char, len: usize, id: *mut u64) -> igor_verdict,
        on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        // SAFETY: the name is an argument of the running call.
        let name = unsafe { bytes(name, len) };
        let scope = context.scope.clone();
        let opened = context.stores.open(scope.as_ref().and_then(|scope| scope.label()), name);
        // SAFETY: C passes a field of a live object.
        unsafe { answer(context, id, opened) }
    }
}

leaf! {
    for Context;
    fn host_store_get(context, id: u64, key: *const c_char, len: usize, is_read: bool, stored: *mut igor_stored)
        -> igor_verdict,
        on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        // SAFETY: the key is an argument of the running call.
        let found = context.store_get(id, unsafe { bytes(key, len) }, is_read);
        // SAFETY: C passes its own local value.
        unsafe { answer(context, stored, found) }
    }
}

leaf! {
    for Context;
    fn host_store_set(context, id: u64, key: *const c_char, len: usize, value: *const c_void, ttl_s: f64, absent: bool,
        done: *mut bool) -> igor_verdict, on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        // SAFETY: the key is an argument of the running call.
        let set = context.store_set(id, unsafe { bytes(key, len) }, value, ttl_s, absent);
        // SAFETY: C passes its own local value.
        unsafe { answer(context, done, set) }
    }
}

leaf! {
    for Context;
    fn host_store_increment(context, id: u64, key: *const c_char, len: usize, by: *const igor_number, ttl_s: f64,
        sum: *mut igor_number) -> igor_verdict, on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        // SAFETY: the key is an argument of the running call, and the number a local value of C's.
        let (key, by) = unsafe { (bytes(key, len), number(&*by)) };
        let result = context.store_increment(id, key, by, ttl_s).map(igor_number_of);
        // SAFETY: C passes its own local value.
        unsafe { answer(context, sum, result) }
    }
}

leaf! {
    for Context;
    fn host_store_cas(context, id: u64, key: *const c_char, len: usize, expected: *const c_void, value: *const c_void,
        ttl_s: f64, done: *mut bool) -> igor_verdict, on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        // SAFETY: the key is an argument of the running call.
        let set = context.store_cas(id, unsafe { bytes(key, len) }, (expected, value), ttl_s);
        // SAFETY: C passes its own local value.
        unsafe { answer(context, done, set) }
    }
}

leaf! {
    for Context;
    fn host_store_remove(context, id: u64, key: *const c_char, len: usize, is_read: bool, stored: *mut igor_stored)
        -> igor_verdict,
        on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        // SAFETY: the key is an argument of the running call.
        let key = unsafe { bytes(key, len) };
        let removed = context.store_remove(id, key, is_read);
        // SAFETY: C passes its own local value.
        unsafe { answer(context, stored, removed) }
    }
}

leaf! {
    for Context;
    fn host_store_clear(context, id: u64) -> igor_verdict, on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        let cleared = context.stores.get(id).and_then(|store| refuse(&store, Missing::Clear).map(|()| store.clear()));
        context.settle(cleared)
    }
}

leaf! {
    for Context;
    fn host_store_merge(context, id: u64, array: *const c_void, replaces: bool) -> igor_verdict,
        on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        let merged = context.store_merge(id, array.cast(), replaces);
        context.settle(merged)
    }
}

leaf! {
    for Context;
    fn host_store_numbers(context, id: u64, exact: bool, counts: *mut igor_store_counts) -> igor_verdict,
        on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        let missing = if exact { Missing::Count } else { Missing::Version };
        let counted =
            context.stores.get(id).and_then(|store| refuse(&store, missing).map(|()| counts_of(&store, exact)));
        // SAFETY: C passes its own local value.
        unsafe { answer(context, counts, counted) }
    }
}

leaf! {
    for Context;
    fn host_store_list(context, id: u64, with_values: bool, list: *mut u64) -> igor_verdict,
        on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        let listed = context.store_list(id, with_values);
        // SAFETY: C passes its own local value.
        unsafe { answer(context, list, listed) }
    }
}

leaf! {
    for Context;
    fn host_store_listed(context, list: u64, index: usize, key: *mut *const c_char, len: *mut usize,
        stored: *mut igor_stored) -> bool, on_panic false, {
        let Some((name, value)) = context.stores.lists.get(&list).and_then(|list| list.get(index)) else { return false };
        let described = describe(value.as_ref(), &mut context.pins);
        // SAFETY: C passes its own local values; the list keeps the key and the value.
        unsafe {
            give(key, name.as_ptr().cast());
            give(len, name.len());
            give(stored, described);
        }
        true
    }
}

leaf! {
    for Context;
    fn host_store_list_end(context, list: u64) -> (), on_panic again, { drop(context.stores.lists.remove(&list)) }
}

leaf! {
    for Context;
    fn host_store_compute(context, id: u64, key: *const c_char, len: usize, stored: *mut igor_stored) -> igor_verdict,
        on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        // SAFETY: the key is an argument of the running call.
        let begun = context.store_compute(id, unsafe { bytes(key, len) });
        let begun = begun.map(|value| value.unwrap_or_else(|| describe(None, &mut context.pins)));
        // SAFETY: C passes its own local value.
        unsafe { answer(context, stored, begun) }
    }
}

leaf! {
    for Context;
    fn host_store_computed(context, id: u64, key: *const c_char, len: usize, value: *const c_void, ttl_s: f64)
        -> igor_verdict, on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        // SAFETY: the key is an argument of the running call.
        let stored = context.store_computed(id, unsafe { bytes(key, len) }, value, ttl_s);
        context.settle(stored)
    }
}

leaf! {
    for Context;
    fn host_store_watch(context, id: u64, fd: *mut c_int) -> igor_verdict,
        on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        let watched = context.stores.get(id).and_then(|store| {
            refuse(&store, Missing::Watch)?;
            store.watch().map(to_script).map_err(|error| {
                let name = store.name();
                Failure::runtime(match error {
                    WatchError::TooMany => {
                        format!("store \"{name}\" is watched by as many streams as are allowed; close some of them")
                    }
                    WatchError::System(error) => format!("making the stream of store \"{name}\": {error}"),
                })
            })
        });
        // SAFETY: C passes a field of its thread.
        unsafe { answer(context, fd, watched) }
    }
}
