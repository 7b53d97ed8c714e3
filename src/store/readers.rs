//! What a read of one element goes through. It takes no lock, so a reader never waits for a writer.
//!
//! The [`Readers`] of a store find the [`Place`] of a key, and the place holds the newest [`Entry`]. Writers change places under
//! the lock of the key's shard. A write of many elements is one [`Step`]: until it ends, each of its places also holds the
//! entry from before, and readers take that one. So they see all of the step, or nothing.

use super::entry::{Entry, Key, KeyRef, Known};
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use std::hash::BuildHasherDefault;
use std::sync::Arc;

#[cfg(not(loom))]
mod parts {
    use super::{BuildHasherDefault, Key, KeyRef, Known, Place};
    use arc_swap::ArcSwapOption;
    use std::sync::Arc;

    /// Holds a value that readers take without waiting.
    pub(super) struct Register<T>(ArcSwapOption<T>);

    impl<T> Register<T> {
        pub(super) fn of(value: Option<Arc<T>>) -> Self {
            Self(ArcSwapOption::new(value))
        }

        pub(super) fn get(&self) -> Option<Arc<T>> {
            self.0.load_full()
        }

        pub(super) fn read<R>(&self, read: impl FnOnce(Option<&T>) -> R) -> R {
            read(self.0.load().as_deref())
        }

        pub(super) fn swap(&self, value: Option<Arc<T>>) -> Option<Arc<T>> {
            self.0.swap(value)
        }
    }

    /// Finds the place of a key.
    #[derive(Default)]
    pub(in crate::store) struct Places(papaya::HashMap<Key, Place, BuildHasherDefault<Known>>);

    impl Places {
        pub(super) fn read<R>(&self, key: KeyRef<'_>, read: impl FnOnce(Option<&Place>) -> R) -> R {
            read(self.0.pin().get(&key))
        }

        pub(in crate::store) fn insert(&self, key: Key, place: Place) {
            self.0.pin().insert(key, place);
        }

        pub(super) fn remove(&self, key: &Key) {
            self.0.pin().remove(key);
        }
    }
}

/// Loom knows neither crate: in models each is one step under a lock of loom, which is what they promise.
#[cfg(loom)]
mod parts {
    use super::{BuildHasherDefault, Key, KeyRef, Known, Place};
    use crate::sync::Mutex;
    use indexmap::IndexMap;
    use std::sync::Arc;

    pub(super) struct Register<T>(Mutex<Option<Arc<T>>>);

    impl<T> Register<T> {
        pub(super) fn of(value: Option<Arc<T>>) -> Self {
            Self(Mutex::new(value))
        }

        pub(super) fn get(&self) -> Option<Arc<T>> {
            self.0.lock().expect("no panic").clone()
        }

        pub(super) fn read<R>(&self, read: impl FnOnce(Option<&T>) -> R) -> R {
            read(self.get().as_deref())
        }

        pub(super) fn swap(&self, value: Option<Arc<T>>) -> Option<Arc<T>> {
            std::mem::replace(&mut *self.0.lock().expect("no panic"), value)
        }
    }

    #[derive(Default)]
    pub(in crate::store) struct Places(Mutex<IndexMap<Key, Arc<Place>, BuildHasherDefault<Known>>>);

    impl Places {
        pub(super) fn read<R>(&self, key: KeyRef<'_>, read: impl FnOnce(Option<&Place>) -> R) -> R {
            let place = self.0.lock().expect("no panic").get(&key).cloned();
            read(place.as_deref())
        }

        pub(in crate::store) fn insert(&self, key: Key, place: Place) {
            self.0.lock().expect("no panic").insert(key, Arc::new(place));
        }

        pub(super) fn remove(&self, key: &Key) {
            self.0.lock().expect("no panic").swap_remove(key);
        }
    }
}

pub(super) use parts::Places;
use parts::Register;

/// Where readers find the entry of one key.
pub(super) struct Place {
    entry: Register<Entry>,
    /// During a step that writes this place: the entry from before.
    before: Register<Before>,
}

struct Before {
    step: Arc<Step>,
    entry: Option<Arc<Entry>>,
}

/// A write of many elements, which readers see at once.
#[derive(Default)]
pub(super) struct Step {
    has_ended: AtomicBool,
}

impl Place {
    /// A place that shows `entry`.
    pub(super) fn of(entry: Arc<Entry>) -> Self {
        Self { entry: Register::of(Some(entry)), before: Register::of(None) }
    }

    /// The entry for a reader that met a step. Repeats only if a step begins or ends meanwhile.
    fn during_steps(&self) -> Option<Arc<Entry>> {
        loop {
            let before = self.before.get();
            if let Some(before) = &before
                && !before.step.has_ended.load(Ordering::Acquire)
            {
                return before.entry.clone();
            }
            let entry = self.entry.get();
            // A step that has begun since may have written this entry, and has left its mark before that.
            match (&before, self.before.get()) {
                (_, None) => return entry,
                (Some(before), Some(again)) if Arc::ptr_eq(before, &again) => return entry,
                _ => {}
            }
        }
    }
}

/// All that the readers of a store need.
pub(super) struct Readers {
    places: Register<Places>,
    /// How many steps have begun, and how many have ended.
    begun: AtomicU64,
    ended: AtomicU64,
}

impl Default for Readers {
    fn default() -> Self {
        Self { places: Register::of(Some(Arc::default())), begun: AtomicU64::new(0), ended: AtomicU64::new(0) }
    }
}

impl Readers {
    /// Reads the newest entry of a key.
    pub(super) fn read<R>(&self, key: KeyRef<'_>, read: impl Fn(Option<&Entry>) -> R) -> R {
        self.in_places(|places| {
            places.read(key, |place| match place {
                Some(place) => self.read_place(place, read),
                None => read(None),
            })
        })
    }

    fn read_place<R>(&self, place: &Place, read: impl Fn(Option<&Entry>) -> R) -> R {
        // In this order: equal numbers mean that no step was under way at the first look.
        let ended = self.ended.load(Ordering::Acquire);
        let begun = self.begun.load(Ordering::Acquire);
        if ended != begun {
            return read(place.during_steps().as_deref());
        }
        let seen = place.entry.read(&read);
        if self.begun.load(Ordering::Acquire) != begun {
            return read(place.during_steps().as_deref());
        }
        seen
    }

    /// Shows a new entry of a key that has one, under the lock of its shard.
    pub(super) fn replace(&self, key: KeyRef<'_>, entry: Arc<Entry>) {
        self.in_place(key, |place| drop(place.entry.swap(Some(entry))));
    }

    /// Shows the first entry of a key, under the lock of its shard.
    pub(super) fn insert(&self, key: Key, entry: Arc<Entry>) {
        self.in_places(|places| places.insert(key, Place::of(entry)));
    }

    /// Shows nothing for a key, under the lock of its shard.
    pub(super) fn remove(&self, key: &Key) {
        // The memory of a place is freed some time later; that of its entry may be large.
        self.in_place(key.as_ref(), |place| drop(place.entry.swap(None)));
        self.in_places(|places| places.remove(key));
    }

    /// Puts other places into the place of all, under the locks of all shards. Returns what was there, to be dropped after the
    /// locks were released.
    pub(super) fn exchange(&self, places: Arc<Places>) -> Option<Arc<Places>> {
        self.places.swap(Some(places))
    }

    /// Begins a step.
    pub(super) fn begin(&self) -> Arc<Step> {
        self.begun.fetch_add(1, Ordering::AcqRel);
        Arc::default()
    }

    /// Shows an entry of a key once the step ends, under the lock of its shard.
    pub(super) fn show_after(&self, step: &Arc<Step>, key: &Key, entry: Arc<Entry>, replaced: Option<&Arc<Entry>>) {
        let before = Arc::new(Before { step: step.clone(), entry: replaced.cloned() });
        if replaced.is_none() {
            let place = Place { entry: Register::of(Some(entry)), before: Register::of(Some(before)) };
            return self.in_places(|places| places.insert(key.clone(), place));
        }
        self.in_place(key.as_ref(), |place| {
            place.before.swap(Some(before));
            place.entry.swap(Some(entry));
        });
    }

    /// Ends a step: from now on readers see what it has written to these keys.
    pub(super) fn end<'k>(&self, step: &Step, keys: impl Iterator<Item = &'k Key>) {
        step.has_ended.store(true, Ordering::Release);
        // What was there before is no longer needed.
        keys.for_each(|key| self.in_place(key.as_ref(), |place| drop(place.before.swap(None))));
        self.ended.fetch_add(1, Ordering::Release);
    }

    fn in_place(&self, key: KeyRef<'_>, change: impl FnOnce(&Place)) {
        self.in_places(|places| _ = places.read(key, |place| place.map(change)));
    }

    fn in_places<R>(&self, use_them: impl FnOnce(&Places) -> R) -> R {
        self.places.read(|places| use_them(places.expect("there are always places")))
    }
}
