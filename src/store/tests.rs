//! Stores without PHP: bounds, expiry, eviction, and threads that write at once.

use super::shared::locked;
use super::{Change, Condition, DeclaredStore, Eviction, Expiry, Full, Listener, Number, Store, StoreConfig, Stores};
use crate::limits::STORE_ELEMENT_BYTES;
use crate::vars::Value;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn store(bytes_max: usize, keys_max: usize, eviction: Eviction) -> Arc<Store> {
    Store::new("test", None, StoreConfig { bytes_max, keys_max, eviction })
}

fn set(store: &Store, key: &str, value: Value) -> Result<bool, Full> {
    store.set(key.as_bytes(), value, Expiry::Never, Condition::Always).map(|stored| stored.is_stored)
}

fn int(value: Option<Value>) -> Option<i64> {
    value.map(|value| match value {
        Value::Int(int) => int,
        _ => panic!("an integer"),
    })
}

fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "it took too long");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A scope's store hides the global one of the same name, and other scopes do not see it.
#[test]
fn a_scope_sees_its_own_stores_and_those_of_all() {
    let declared = |scope: Option<&str>, name: &str, keys_max: usize| DeclaredStore {
        scope: scope.map(str::to_owned),
        name: name.to_owned(),
        config: StoreConfig { bytes_max: 1 << 20, keys_max, eviction: Eviction::None },
        is_of_cluster: false,
    };
    let before = [declared(None, "a", 1), declared(Some("x"), "a", 2), declared(Some("x"), "b", 3)];
    let stores = Stores::new(&before);
    let bound = |scope: Option<&str>, name: &str| stores.find(scope, name.as_bytes()).map(|s| s.counts().keys_max);
    let seen = |scope: Option<&str>| -> Vec<_> { stores.seen_by(scope).iter().map(|s| s.counts().keys_max).collect() };
    assert_eq!([bound(None, "a"), bound(Some("x"), "a"), bound(Some("y"), "a")], [Some(1), Some(2), Some(1)]);
    assert_eq!([bound(None, "b"), bound(Some("x"), "b"), bound(Some("y"), "b")], [None, Some(3), None]);
    assert_eq!([seen(None), seen(Some("x")), seen(Some("y"))], [vec![1], vec![2, 3], vec![1]]);
    let kept = stores.find(Some("x"), b"b").expect("it is declared");
    set(&kept, "k", Value::Int(1)).expect("room");
    stores.replace(&[declared(None, "a", 4), declared(Some("x"), "b", 5)]);
    assert_eq!([bound(Some("x"), "a"), bound(Some("x"), "b")], [Some(4), Some(5)]);
    assert_eq!(stores.find(Some("x"), b"b").expect("it is declared").count(), 1);
    stores.replace(&before[..1]);
    assert_eq!((bound(Some("x"), "b"), stores.all().len()), (None, 1));
}

/// `IGOR_TEST_INCREMENTS` sets how many each makes: `make many-increments`.
#[test]
fn eight_threads_lose_no_increment() {
    let each = std::env::var("IGOR_TEST_INCREMENTS").map_or(100_000, |text| text.parse::<i64>().expect("a number"));
    let store = store(1 << 20, 100, Eviction::None);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..each {
                    store.increment(b"n", Number::Int(1), Expiry::Never).expect("room").expect("a number");
                }
            });
        }
    });
    assert_eq!(int(store.get(b"n")), Some(8 * each));
    assert_eq!(store.version(), 8 * each as u64);
    assert_eq!((store.count(), store.counts().keys), (1, 1));
}

#[test]
fn counts_return_to_zero_when_all_is_gone() {
    let store = store(1 << 20, 1000, Eviction::None);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for step in 0..20_000_usize {
                    let key = format!("{}", (step * 7 + thread) % 50);
                    match step % 5 {
                        0 => drop(store.remove(key.as_bytes())),
                        1 => drop(store.increment(b"sum", Number::Int(1), Expiry::After(Duration::from_millis(1)))),
                        2 => drop(store.set(
                            key.as_bytes(),
                            Value::of_text(&vec![b'x'; step % 300]),
                            Expiry::After(Duration::from_millis(1)),
                            Condition::Always,
                        )),
                        3 => drop(store.expire(key.as_bytes(), Expiry::Never)),
                        _ => _ = set(store, &key, Value::of_text(b"text")).expect("room"),
                    }
                }
            });
        }
    });
    for key in store.keys() {
        store.remove(&key);
    }
    // What was about to expire may be there still.
    wait_until(|| {
        store.remove_expired();
        store.counts().keys == 0
    });
    assert_eq!((store.counts().bytes, store.count()), (0, 0));
}

#[test]
fn a_full_store_refuses_and_keeps_what_it_has() {
    let room = 3 * (STORE_ELEMENT_BYTES + 1);
    let store = store(room, 100, Eviction::None);
    for key in ["a", "b", "c"] {
        assert_eq!(set(&store, key, Value::Int(1)), Ok(true));
    }
    assert_eq!(set(&store, "d", Value::Int(1)), Err(Full::Bytes(room)));
    assert_eq!(set(&store, "a", Value::of_text(b"longer")), Err(Full::Bytes(room)), "a longer value");
    assert_eq!(set(&store, "a", Value::Int(2)), Ok(true), "a value of the same size replaces one");
    assert_eq!(int(store.get(b"a")), Some(2));
    let large = set(&store, "x", Value::of_text(&vec![0; room]));
    assert!(matches!(large, Err(Full::TooLarge(_, max)) if max == room));
    assert_eq!((store.count(), store.counts().refused), (3, 3));
    store.remove(b"b");
    assert_eq!(set(&store, "d", Value::Int(1)), Ok(true));
}

#[test]
fn a_mark_holds_until_its_element_changes() {
    let (one, other) = (store(1 << 20, 100, Eviction::None), store(1 << 20, 100, Eviction::None));
    let set_one = || set(&one, "k", Value::Int(1)).map(|_| ());
    let changes: [&dyn Fn(); 7] = [
        &|| _ = one.increment(b"k", Number::Int(1), Expiry::Never),
        &|| _ = set(&one, "k", Value::Int(1)),
        &|| _ = one.expire(b"k", Expiry::After(Duration::from_secs(100))),
        &|| _ = one.remove(b"k"),
        &|| _ = one.merge(vec![(b"k".to_vec(), Value::Int(3))]),
        &|| _ = one.replace(vec![(b"k".to_vec(), Value::Int(4))]),
        &|| one.clear(),
    ];
    for change in changes {
        assert_eq!(set_one(), Ok(()));
        let mark = one.get_marked(b"k").1.expect("it does not expire");
        assert_eq!(set(&other, "k", Value::Null), Ok(true));
        assert_eq!(one.get_marked(b"k").1, Some(mark), "reads and other stores change nothing");
        change();
        // A missing element has no mark, so the test writes it again.
        assert_eq!(set_one(), Ok(()));
        let again = one.get_marked(b"k").1.expect("it does not expire");
        assert!(again.version > mark.version + 1, "a change of the element, and the one that looks for it");
    }
    assert!(one.get_marked(b"none").1.is_none());
    one.set(b"k", Value::Null, Expiry::After(Duration::from_secs(100)), Condition::Always).expect("there is room");
    assert!(one.get_marked(b"k").1.is_none(), "it expires");
    let evicts = store(1 << 20, 100, Eviction::Lru);
    assert_eq!(set(&evicts, "k", Value::Null), Ok(true));
    assert!(evicts.get_marked(b"k").1.is_none(), "reads count as uses");
}

/// Writers hold every lock of the store; the reads would wait for ever if they took one.
#[test]
fn a_read_does_not_wait_for_a_writer() {
    for eviction in [Eviction::None, Eviction::Lru] {
        let store = store(1 << 20, 100, eviction);
        set(&store, "k", Value::Int(1)).expect("room");
        let writers: Vec<_> = store.shards.iter().map(locked).collect();
        assert_eq!((int(store.get(b"k")), int(store.get(b"none"))), (Some(1), None));
        assert_eq!(store.find(b"k").map(|found| found.revision), Some(1));
        assert_eq!(int(store.get_stale(b"k")), Some(1));
        drop(writers);
    }
}

#[test]
fn a_full_store_refuses_more_keys() {
    let store = store(1 << 20, 2, Eviction::None);
    assert_eq!((set(&store, "a", Value::Null), set(&store, "b", Value::Null)), (Ok(true), Ok(true)));
    assert_eq!(set(&store, "c", Value::Null), Err(Full::Keys(2)));
    assert_eq!(set(&store, "a", Value::of_text(b"more")), Ok(true));
}

#[test]
fn what_has_expired_makes_room_first() {
    let store = store(1 << 20, 2, Eviction::None);
    store.set(b"old", Value::Null, Expiry::After(Duration::from_millis(1)), Condition::Always).expect("room");
    set(&store, "kept", Value::Int(1)).expect("room");
    wait_until(|| store.get(b"old").is_none());
    assert_eq!(set(&store, "new", Value::Null), Ok(true));
    assert_eq!((int(store.get(b"kept")), store.counts().expired), (Some(1), 1));
}

#[test]
fn the_least_recently_used_elements_are_evicted() {
    const KEYS: usize = 20_000;
    let store = store(1 << 30, KEYS, Eviction::Lru);
    for key in 0..KEYS {
        set(&store, &format!("old {key}"), Value::Null).expect("room");
    }
    // The first tenth is used again; then a third of the elements is replaced.
    for key in 0..KEYS / 10 {
        assert!(store.get(format!("old {key}").as_bytes()).is_some());
    }
    for key in 0..KEYS / 3 {
        set(&store, &format!("new {key}"), Value::Null).expect("room");
    }
    assert_eq!(store.counts().evicted, KEYS as u64 / 3);
    let kept = |from: usize, to: usize| {
        (from..to).filter(|key| store.get(format!("old {key}").as_bytes()).is_some()).count() as f64
            / (to - from) as f64
    };
    let (used, unused) = (kept(0, KEYS / 10), kept(KEYS / 10, KEYS));
    assert!(used > 0.95 && unused < 0.7, "kept of the used {used}, of the unused {unused}");
}

#[test]
fn expiry_under_load_leaves_nothing_behind() {
    let store = store(1 << 30, 1 << 20, Eviction::None);
    let deadline = Instant::now() + Duration::from_millis(300);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                let mut step = 0_u64;
                while Instant::now() < deadline {
                    step += 1;
                    let key = format!("{thread} {step}");
                    let time = Duration::from_millis(step % 5 + 1);
                    store.set(key.as_bytes(), Value::Null, Expiry::After(time), Condition::Always).expect("room");
                }
            });
        }
    });
    let written = store.version();
    // Writes removed what had expired as they went on.
    assert!(store.counts().expired * 2 > written / 2, "{} of {written} changes", store.counts().expired);
    wait_until(|| store.count() == 0);
    store.remove_expired();
    assert_eq!((store.counts().keys, store.counts().bytes), (0, 0));
}

#[test]
fn flushing_leaves_readers_what_they_have() {
    let store = store(1 << 20, 100, Eviction::None);
    set(&store, "a", Value::of_text(b"held")).expect("room");
    let held = store.get(b"a").expect("it is there");
    store.clear();
    assert_eq!(held.text(), Some(&b"held"[..]));
    assert_eq!((store.count(), store.counts().bytes), (0, 0));
}

#[test]
fn a_key_expires_only_once_its_time_is_over() {
    let store = store(1 << 20, 100, Eviction::None);
    store.set(b"a", Value::Int(1), Expiry::After(Duration::from_secs(100)), Condition::Always).expect("room");
    let left = |key: &[u8]| store.find(key).expect("it is there").left;
    assert!(left(b"a").is_some_and(|left| left > Duration::from_secs(99)));
    store.increment(b"a", Number::Int(1), Expiry::Never).expect("room").expect("a number");
    assert!(left(b"a").is_some(), "an increment leaves the time as it is");
    store.set(b"a", Value::Int(1), Expiry::Kept, Condition::Always).expect("room");
    assert!(left(b"a").is_some(), "so does a write that says so");
    assert!(store.expire(b"a", Expiry::Never) && left(b"a").is_none());
    assert!(!store.expire(b"none", Expiry::Never));
}

/// Counts its changes, and stays subscribed or not.
struct Ear(AtomicUsize, Mutex<Vec<&'static str>>);

impl Listener for Ear {
    fn changed(&self, change: Change<'_>) -> bool {
        self.1.lock().expect("no panic").push(change.event);
        self.0.fetch_add(1, Ordering::Relaxed) < 4
    }

    fn is_there(&self) -> bool {
        self.0.load(Ordering::Relaxed) <= 4
    }
}

#[test]
fn listeners_hear_of_changes_until_they_go() {
    let store = store(1 << 20, 100, Eviction::None);
    let ear = Arc::new(Ear(AtomicUsize::new(0), Mutex::default()));
    store.listen(ear.clone()).unwrap_or_else(|_| panic!("there is room"));
    set(&store, "a", Value::Null).expect("room");
    store.increment(b"n", Number::Int(1), Expiry::Never).expect("room").expect("a number");
    store.remove(b"a");
    store.remove(b"a");
    store.clear();
    store.clear();
    assert_eq!(store.counts().watchers, 0);
    set(&store, "a", Value::Null).expect("room");
    assert_eq!(*ear.1.lock().expect("no panic"), ["set", "incrby", "del", "flushdb", "flushdb"]);
}

fn merge(store: &Store, elements: &[(&str, i64)]) -> Result<(), Full> {
    store.merge(elements.iter().map(|(key, int)| (key.as_bytes().to_vec(), Value::Int(*int))).collect())
}

/// The keys and integers of a store, sorted.
fn content(store: &Store) -> Vec<(String, i64)> {
    let element = |(key, value): (Arc<[u8]>, Value)| (String::from_utf8_lossy(&key).into_owned(), int(Some(value)));
    let mut all: Vec<_> =
        store.all().into_iter().map(element).map(|(key, int)| (key, int.expect("it is there"))).collect();
    all.sort();
    all
}

/// Two threads merge and one replaces: what is read at once has one number, whichever way it is read, and what is read in turn
/// never gets older. Other writes in the same shards meanwhile lose nothing.
#[test]
fn many_elements_are_written_and_read_in_one_step() {
    const ROUNDS: i64 = 2_000;
    let store = store(1 << 22, 10_000, Eviction::None);
    let keys: Vec<String> = (0..300).map(|number| format!("k{number}")).collect();
    let all_as = |int: i64| keys.iter().map(|key| (key.as_bytes().to_vec(), Value::Int(int))).collect::<Vec<_>>();
    let last = AtomicUsize::new(0);
    store.merge(all_as(0)).expect("room");
    let turn = Mutex::new(0);
    let write = |replaces: bool| {
        for _ in 0..ROUNDS / 4 {
            let mut number = turn.lock().expect("no panic");
            *number += 1;
            let written = if replaces { store.replace(all_as(*number)) } else { store.merge(all_as(*number)) };
            written.expect("room");
        }
    };
    std::thread::scope(|scope| {
        let writers = [scope.spawn(|| write(false)), scope.spawn(|| write(false)), scope.spawn(|| write(true))];
        scope.spawn(|| {
            let mut seen = 0;
            for round in 0.. {
                let ints: Vec<i64> = match round % 3 {
                    0 => store.all().into_iter().map(|(_, value)| int(Some(value)).expect("it is there")).collect(),
                    1 => {
                        let some: Vec<&[u8]> = keys.iter().step_by(7).map(String::as_bytes).collect();
                        store.get_many(&some).into_iter().map(|value| int(value).expect("it is there")).collect()
                    }
                    _ => keys.iter().rev().map(|key| int(store.get(key.as_bytes())).expect("it is there")).collect(),
                };
                assert!(ints.is_sorted(), "{ints:?}");
                assert!(round % 3 == 2 || ints[0] == ints[ints.len() - 1], "{ints:?}");
                assert!(seen <= ints[0]);
                seen = ints[ints.len() - 1];
                last.store(round, Ordering::Relaxed);
                if seen == ROUNDS / 4 * 3 {
                    break;
                }
            }
        });
        writers.into_iter().for_each(|writer| writer.join().expect("it does not panic"));
    });
    assert!(last.load(Ordering::Relaxed) > 2, "it was read meanwhile");
    assert_eq!(store.counts().keys, keys.len());
}

/// Single writes beside pictures, which share the maps that they write to.
#[test]
fn a_write_beside_a_picture_is_not_lost() {
    const EACH: i64 = 20_000;
    let store = store(1 << 22, 10_000, Eviction::None);
    (0..500).for_each(|key| assert!(set(&store, &format!("k{key}"), Value::Int(0)).expect("room")));
    let ended = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (store, ended) = (&store, &ended);
            scope.spawn(move || {
                for step in 0..EACH {
                    let key = format!("k{}", (step * 13 + thread) % 500);
                    store.increment(key.as_bytes(), Number::Int(1), Expiry::Never).expect("room").expect("a number");
                }
                ended.fetch_add(1, Ordering::Relaxed);
            });
        }
        let mut before = 0;
        while ended.load(Ordering::Relaxed) < 4 {
            let sum = content(&store).iter().map(|(_, int)| int).sum();
            assert!(before <= sum, "{before} {sum}");
            before = sum;
        }
    });
    assert_eq!(content(&store).iter().map(|(_, int)| int).sum::<i64>(), 4 * EACH);
    store.clear();
    let counts = store.counts();
    assert_eq!((counts.keys, counts.bytes, store.count()), (0, 0, 0));
}

#[test]
fn a_merge_without_room_changes_nothing() {
    let small = store(1 << 20, 3, Eviction::None);
    merge(&small, &[("a", 1), ("b", 2), ("a", 3)]).expect("two keys");
    assert_eq!(merge(&small, &[("b", 9), ("c", 9), ("d", 9)]), Err(Full::Keys(3)));
    assert_eq!(merge(&small, &[("w", 9), ("x", 9), ("y", 9), ("z", 9)]), Err(Full::Keys(3)));
    assert_eq!(content(&small), [("a".to_owned(), 3), ("b".to_owned(), 2)]);
    let large = vec![(b"a".to_vec(), Value::Int(9)), (b"t".to_vec(), Value::of_text(&[b'x'; 1 << 20]))];
    assert!(matches!(small.replace(large), Err(Full::TooLarge(..))));
    small.replace(vec![(b"c".to_vec(), Value::Int(1))]).expect("what goes makes room");
    assert_eq!(content(&small), [("c".to_owned(), 1)]);
    let element = STORE_ELEMENT_BYTES + 1;
    assert_eq!((small.counts().keys, small.counts().bytes, small.counts().refused), (1, element, 3));

    let lru = store(1 << 20, 3, Eviction::Lru);
    merge(&lru, &[("a", 1), ("b", 2), ("c", 3)]).expect("room");
    merge(&lru, &[("d", 4), ("e", 5), ("f", 6)]).expect("the others go");
    assert_eq!(content(&lru).iter().map(|(_, int)| *int).collect::<Vec<_>>(), [4, 5, 6]);
}

/// Hears all.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Listener for Heard {
    fn changed(&self, change: Change<'_>) -> bool {
        self.0.lock().expect("no panic").push(format!("{} {}", change.event, String::from_utf8_lossy(change.key)));
        true
    }

    fn is_there(&self) -> bool {
        true
    }
}

#[test]
fn listeners_hear_of_each_element_of_a_step() {
    let store = store(1 << 20, 100, Eviction::None);
    merge(&store, &[("a", 1), ("b", 2)]).expect("room");
    let heard = Arc::new(Heard::default());
    store.listen(heard.clone()).expect("there is a place");
    merge(&store, &[("c", 3)]).expect("room");
    store.replace(vec![(b"a".to_vec(), Value::Int(4))]).expect("room");
    let mut events = std::mem::take(&mut *heard.0.lock().expect("no panic"));
    events[2..].sort();
    assert_eq!(events, ["set c", "set a", "del b", "del c"]);
}
