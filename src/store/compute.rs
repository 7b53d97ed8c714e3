//! Which thread computes which value. One thread computes a value. The others wait for it, or use the stale one.

use super::shared::Store;
use crate::sync::{Condvar, Mutex, MutexGuard};
use crate::tasks::Interruption;
use crate::vars::Value;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::task::{Wake, Waker};

/// An element of a store, as a key of computations: the store is identified by its address.
type Place = (usize, Arc<[u8]>);

/// The running computations of all stores together, because two scripts that wait for each other's values may use
/// different stores.
#[derive(Default)]
pub struct Claims {
    /// Never held while a value is computed, or during a call of a store.
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    owners: HashMap<Place, u64>,
    /// What a script waits for.
    waits: HashMap<u64, Place>,
}

/// How a computation begins.
pub enum Begun {
    /// There is a value.
    Value(Value),
    /// The caller computes it, and must call [`Claims::end`].
    Compute,
    /// The caller computes it already.
    Own,
    /// The computing script waits for the caller.
    Circle,
    /// The waiting script should end.
    Cut,
}

impl Claims {
    /// Starts the computation of an element for a script, `owner`, or waits for a running one.
    pub fn begin(
        self: &Arc<Self>,
        store: &Arc<Store>,
        key: &[u8],
        owner: u64,
        interruption: &dyn Interruption,
    ) -> Begun {
        if let Some(found) = store.get(key) {
            return Begun::Value(found);
        }
        let place = (Arc::as_ptr(store) as usize, Arc::from(key));
        let _sleeper = interruption.sleeper(Waker::from(Arc::new(Bell(self.clone()))));
        loop {
            let mut state = self.locked();
            match state.owners.get(&place) {
                None => {
                    state.owners.insert(place.clone(), owner);
                    drop(state);
                    // Another one may have ended after the check above.
                    let Some(found) = store.get(key) else { return Begun::Compute };
                    self.end(store, key, owner);
                    return Begun::Value(found);
                }
                Some(other) if *other == owner => return Begun::Own,
                Some(_) => {}
            }
            drop(state);
            if let Some(stale) = store.get_stale(key) {
                return Begun::Value(stale);
            }
            let state = self.locked();
            if let Some(ended) = self.wait(state, &place, owner, interruption) {
                return ended;
            }
            if let Some(found) = store.get(key) {
                return Begun::Value(found);
            }
        }
    }

    /// Waits until nothing computes the element. `Some`: it must not wait.
    fn wait(
        &self,
        mut state: MutexGuard<'_, State>,
        place: &Place,
        owner: u64,
        interruption: &dyn Interruption,
    ) -> Option<Begun> {
        if state.leads_to(place, owner) {
            return Some(Begun::Circle);
        }
        state.waits.insert(owner, place.clone());
        let mut is_cut = false;
        while state.owners.contains_key(place) {
            is_cut = interruption.is_cut();
            if is_cut {
                break;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waits.remove(&owner);
        is_cut.then_some(Begun::Cut)
    }

    /// The computation has ended, with or without a value.
    pub fn end(&self, store: &Arc<Store>, key: &[u8], owner: u64) {
        let place = (Arc::as_ptr(store) as usize, Arc::from(key));
        let mut state = self.locked();
        if state.owners.get(&place) == Some(&owner) {
            state.owners.remove(&place);
        }
        drop(state);
        self.changed.notify_all();
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is a single map operation, so a panic leaves a consistent state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether the script that computes `place` waits, directly or through others, for `owner`.
    fn leads_to(&self, place: &Place, owner: u64) -> bool {
        let mut place = place;
        // Cycles never form, so the path ends.
        while let Some(other) = self.owners.get(place) {
            if *other == owner {
                return true;
            }
            let Some(next) = self.waits.get(other) else { return false };
            place = next;
        }
        false
    }
}

/// Wakes the waiter, so that it checks whether it may still wait.
struct Bell(Arc<Claims>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // Under the lock no thread is between a check and the sleep after it.
        drop(self.0.locked());
        self.0.changed.notify_all();
    }
}
