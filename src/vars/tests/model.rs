//! Models that loom runs in every interleaving (`make model`): readers of a slot during publishes, versions of several
//! publishers, and the shared budget of worker scripts.
//!
//! Snapshots are hardened here, so a read of a freed one crashes the process.

use super::super::copy_budget::{Budget, CopyBudget};
use super::super::layout::{ZArray, Zval};
use super::super::memory::set_hardened;
use super::super::pins::{Pins, Policy, Serve};
use super::super::plan::Limits;
use super::super::slot::Slot;
use super::super::snapshot::Snapshot;
use super::source::*;
use crate::sync::Arc;
use loom::thread;

/// A snapshot that contains its own number.
pub(crate) fn numbered(number: u64) -> Snapshot {
    let mut heap = Heap::default();
    let array = heap.array(&Data::List(vec![Data::Int(number as i64)]));
    // SAFETY: the heap lives during the copy.
    unsafe { Snapshot::copy_of(array, &TestObjects, Limits::default()) }.expect("a number can be published")
}

/// A script's read of such a snapshot: memory that only a pin keeps.
fn number(root: *const ZArray) -> u64 {
    // SAFETY: the caller's pins hold the snapshot, which is a packed array with one integer.
    unsafe { (*(*root).data.cast::<Zval>()).value.long as u64 }
}

fn budget(bytes: usize) -> Policy {
    Policy { copy_bytes_max: 0, thread_budget_bytes: usize::MAX / 2, process_budget_bytes: bytes, ..Policy::default() }
}

/// A reader that has seen version n gets the snapshot of n or a newer one, never an older one than before, and what it
/// got stays until it is released, however often it is replaced.
#[test]
fn a_reader_and_a_publisher() {
    set_hardened(true);
    loom::model(|| {
        let slot = Slot::new(b"name");
        slot.publish(numbered(1));
        let publishing = slot.clone();
        let publisher = thread::spawn(move || {
            for version in 2..=3 {
                let (given, replaced) = publishing.publish(numbered(version));
                assert_eq!((given, replaced.map(|old| old.version)), (version, Some(version - 1)));
            }
        });
        let mut pins = Pins::new(false, Policy::default(), Arc::new(CopyBudget::default()));
        let mut exposed = vec![];
        for _ in 0..2 {
            let seen = slot.version();
            let (published, _) = pins.read(&slot).expect("version 1 was there before the reader");
            let newest = exposed.last().map_or(seen, |(version, _)| seen.max(*version));
            assert!(published.version >= newest, "version {} after {newest}", published.version);
            exposed.push((published.version, published.snapshot.root()));
        }
        publisher.join().expect("the publisher ends");
        for (version, root) in exposed {
            assert_eq!(number(root), version);
        }
        pins.release();
        assert_eq!(slot.current().map(|newest| newest.version), Some(3));
    });
}

/// Every publish has its own version, one more than the previous one, from every publisher; and each replaced snapshot
/// is returned once.
#[test]
fn two_publishers() {
    set_hardened(true);
    loom::model(|| {
        let slot = Slot::new(b"name");
        let publish_twice = |slot: Arc<Slot>| {
            move || {
                [(); 2].map(|()| {
                    let (version, replaced) = slot.publish(numbered(0));
                    (version, replaced.map_or(0, |old| old.version))
                })
            }
        };
        let other = thread::spawn(publish_twice(slot.clone()));
        let ours = publish_twice(slot.clone())();
        let others = other.join().expect("the publisher ends");
        assert!(ours[0].0 < ours[1].0 && others[0].0 < others[1].0);
        let mut all = [ours, others].concat();
        all.sort_unstable();
        assert_eq!(all, [(1, 0), (2, 1), (3, 2), (4, 3)], "version, and the version that it replaced");
        assert_eq!(slot.version(), 4);
    });
}

/// Two worker scripts that read the version after the one they have, with a budget for one of them: the budget is
/// checked and used in one step, so exactly one gets it in every order; and after the scripts have ended all of it is
/// free again.
#[test]
fn two_scripts_and_one_budget() {
    set_hardened(true);
    loom::model(|| {
        let first = numbered(1);
        let bytes = first.bytes();
        let slot = Slot::new(b"name");
        slot.publish(first);
        let copy_budget = Arc::new(CopyBudget::default());
        let mut ours = Pins::new(true, budget(bytes), copy_budget.clone());
        let mut others = Pins::new(true, budget(bytes), copy_budget.clone());
        let exposed = [&mut ours, &mut others].map(|pins| pins.read(&slot).map(|(_, serve)| serve));
        assert_eq!(exposed, [Some(Serve::Exposed); 2]);
        slot.publish(numbered(2));
        let reading = slot.clone();
        let other = thread::spawn(move || others.read(&reading).map(|(_, serve)| (others, serve)));
        let (_, our_serve) = ours.read(&slot).expect("something is published");
        let (others, other_serve) = other.join().expect("the script ends").expect("something is published");
        let copied = Serve::CopiedForBudget(Budget::Process);
        assert!(
            [(Serve::Exposed, copied), (copied, Serve::Exposed)].contains(&(our_serve, other_serve)),
            "{our_serve:?} and {other_serve:?}"
        );
        assert_eq!(copy_budget.replaced_bytes(), bytes, "one replaced version is pinned within the budget");
        let ending = thread::spawn(move || drop(others));
        drop(ours);
        ending.join().expect("the script ends");
        assert_eq!(copy_budget.replaced_bytes(), 0);
    });
}
