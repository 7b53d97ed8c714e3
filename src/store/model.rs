//! Models of a store that loom runs in every interleaving (`make model`): no increment is lost, a mark that holds means
//! that its value is the newest, the bounds hold for writers at once, and one thread computes a value.

use super::{Begun, Change, Claims, Condition, Eviction, Expiry, Full, Listener, Number, Store, StoreConfig};
use crate::exchange::{Cancellation, Sleeper};
use crate::limits::STORE_ELEMENT_BYTES;
use crate::sync::{AtomicBool, AtomicUsize, Ordering};
use crate::tasks::Interruption;
use crate::vars::Value;
use loom::thread;
use std::sync::Arc;
use std::task::Waker;

/// A store of one shard: its hasher differs from run to run, and loom needs the same steps in each.
fn store(keys_max: usize, bytes_max: usize) -> Arc<Store> {
    Store::with_shards(1, "test", None, StoreConfig { bytes_max, keys_max, eviction: Eviction::None })
}

fn set(store: &Store, key: &[u8], int: i64) -> Result<bool, Full> {
    store.set(key, Value::Int(int), Expiry::Never, Condition::Always).map(|stored| stored.is_stored)
}

fn int(value: Option<Value>) -> Option<i64> {
    match value {
        Some(Value::Int(int)) => Some(int),
        _ => None,
    }
}

fn increment(store: &Store) -> Number {
    store.increment(b"n", Number::Int(1), Expiry::Never).expect("there is room").expect("it is a number")
}

/// The first increment creates the element, so both threads may find none.
#[test]
fn two_increments_of_an_absent_element() {
    loom::model(|| {
        let store = store(10, 1 << 20);
        let other = thread::spawn({
            let store = store.clone();
            move || increment(&store)
        });
        let (ours, theirs) = (increment(&store), other.join().expect("it ends"));
        let results = [(Number::Int(1), Number::Int(2)), (Number::Int(2), Number::Int(1))];
        assert!(results.contains(&(ours, theirs)), "{ours:?} {theirs:?}");
        assert_eq!(int(store.get(b"n")), Some(2));
        assert_eq!((store.counts().keys, store.counts().bytes), (1, STORE_ELEMENT_BYTES + 1));
    });
}

/// What the reading cache of PHP does: it looks at the number of a mark without the lock. A reader that knows of a
/// change never finds the mark of the value before it intact.
#[test]
fn a_mark_does_not_outlast_a_change() {
    loom::model(|| {
        let store = store(10, 1 << 20);
        set(&store, b"k", 1).expect("there is room");
        let head = store.head_of(b"k");
        let is_written = Arc::new(AtomicBool::new(false));
        let writer = thread::spawn({
            let (store, is_written) = (store.clone(), is_written.clone());
            move || {
                set(&store, b"k", 2).expect("there is room");
                is_written.store(true, Ordering::Release);
            }
        });
        let (value, mark) = store.get_marked(b"k");
        let knows = is_written.load(Ordering::Acquire);
        let holds = mark.is_some_and(|mark| head.is(mark));
        if knows && holds {
            assert_eq!(int(value), Some(2), "the mark of an old value holds");
        }
        writer.join().expect("it ends");
        assert_eq!(int(store.get(b"k")), Some(2));
    });
}

/// A write of two elements beside a reader that takes no lock: it sees neither or both, in whatever order it reads them.
/// All orders in which a thread is preempted up to five times; without that bound they take hours.
#[test]
fn a_step_is_seen_at_once() {
    for is_there in [false, true] {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(5);
        model.check(move || {
            let store = store(10, 1 << 20);
            if is_there {
                set(&store, b"a", 1).expect("there is room");
                set(&store, b"b", 1).expect("there is room");
            }
            let writer = thread::spawn({
                let store = store.clone();
                move || {
                    let both = [b"a", b"b"].map(|key| (key.to_vec(), Value::Int(2)));
                    store.merge(both.to_vec()).expect("there is room");
                }
            });
            let (b, a) = (int(store.get(b"b")), int(store.get(b"a")));
            let before = is_there.then_some(1);
            assert!([(before, before), (before, Some(2)), (Some(2), Some(2))].contains(&(b, a)), "{b:?} {a:?}");
            writer.join().expect("it ends");
            assert_eq!((int(store.get(b"a")), int(store.get(b"b"))), (Some(2), Some(2)));
        });
    }
}

/// Two writers with room for one: exactly one of them gets it, and the counts match the elements.
#[test]
fn two_writers_and_the_last_place() {
    for (keys_max, bytes_max) in [(1, 1 << 20), (10, STORE_ELEMENT_BYTES + 1)] {
        loom::model(move || {
            let store = store(keys_max, bytes_max);
            let other = thread::spawn({
                let store = store.clone();
                move || set(&store, b"a", 1)
            });
            let written = [set(&store, b"b", 2), other.join().expect("it ends")];
            assert_eq!(written.iter().filter(|written| written.is_ok()).count(), 1, "{written:?}");
            let counts = store.counts();
            assert_eq!((counts.keys, counts.bytes, counts.refused), (1, STORE_ELEMENT_BYTES + 1, 1));
            store.clear();
            assert_eq!((store.counts().keys, store.counts().bytes), (0, 0));
        });
    }
}

/// A flush, a write and a reader at once: the reader has what was there or nothing, and the counts fit what is left.
#[test]
fn a_flush_beside_a_write() {
    loom::model(|| {
        let store = store(10, 1 << 20);
        set(&store, b"k", 1).expect("there is room");
        let flush = thread::spawn({
            let store = store.clone();
            move || store.clear()
        });
        let seen = int(store.get(b"k"));
        assert!([None, Some(1)].contains(&seen), "{seen:?}");
        set(&store, b"k", 2).expect("there is room");
        flush.join().expect("it ends");
        let left = int(store.get(b"k"));
        assert!([None, Some(2)].contains(&left), "{left:?}");
        let keys = usize::from(left.is_some());
        assert_eq!((store.counts().keys, store.counts().bytes), (keys, keys * (STORE_ELEMENT_BYTES + 1)));
    });
}

#[derive(Default)]
struct Ear(AtomicUsize);

impl Listener for Ear {
    fn changed(&self, _change: Change<'_>) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn is_there(&self) -> bool {
        true
    }
}

/// A listener that reads after it was added misses nothing: it is notified of the change, or its read has it.
#[test]
fn a_listener_that_then_reads_misses_no_change() {
    loom::model(|| {
        let store = store(10, 1 << 20);
        let writer = thread::spawn({
            let store = store.clone();
            move || set(&store, b"k", 1).expect("there is room")
        });
        let ear = Arc::new(Ear::default());
        store.listen(ear.clone()).expect("there is a place");
        let seen = store.get(b"k").is_some();
        writer.join().expect("it ends");
        assert!(seen || ear.0.load(Ordering::Relaxed) == 1, "the change is missed");
    });
}

/// A script that waits until another thread cuts it off.
struct Script(Arc<Cancellation>);

impl Interruption for Script {
    fn sleeper(&self, waker: Waker) -> Sleeper<'_> {
        self.0.sleeper(waker)
    }

    fn is_cut(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// One of two threads computes; the other one waits for it and gets the value.
#[test]
fn one_of_two_computes() {
    loom::model(|| {
        let (store, claims, computed) =
            (store(10, 1 << 20), Arc::new(Claims::default()), Arc::new(AtomicUsize::new(0)));
        let compute = |owner: u64| {
            let (store, claims, computed) = (store.clone(), claims.clone(), computed.clone());
            move || match claims.begin(&store, b"k", owner, &Script(Arc::default())) {
                Begun::Compute => {
                    computed.fetch_add(1, Ordering::Relaxed);
                    set(&store, b"k", 7).expect("there is room");
                    claims.end(&store, b"k", owner);
                    Some(7)
                }
                Begun::Value(value) => int(Some(value)),
                _ => None,
            }
        };
        let other = thread::spawn(compute(1));
        assert_eq!((compute(2)(), other.join().expect("it ends")), (Some(7), Some(7)));
        assert_eq!(computed.load(Ordering::Relaxed), 1);
    });
}

/// The end of a waiting script wakes it, whenever it comes: while it waits, or just before.
#[test]
fn a_wait_for_a_value_is_cut() {
    loom::model(|| {
        let (store, claims) = (store(10, 1 << 20), Arc::new(Claims::default()));
        let computing = Script(Arc::default());
        assert!(matches!(claims.begin(&store, b"k", 1, &computing), Begun::Compute));
        let cancellation = Arc::new(Cancellation::default());
        let waiting = thread::spawn({
            let (store, claims, script) = (store.clone(), claims.clone(), Script(cancellation.clone()));
            move || matches!(claims.begin(&store, b"k", 2, &script), Begun::Cut)
        });
        cancellation.cancel();
        cancellation.wake();
        assert!(waiting.join().expect("it ends"));
        claims.end(&store, b"k", 1);
    });
}
