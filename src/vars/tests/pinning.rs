//! Slots and pins: versions, budgets, and the freeing of snapshots.

use super::super::copy_budget::{Budget, CopyBudget};
use super::super::pins::{Mode, Pins, Policy, Serve};
use super::super::plan::Limits;
use super::super::slot::Slot;
use super::super::snapshot::Snapshot;
use super::source::*;
use std::sync::Arc;

fn snapshot(bytes: usize) -> Snapshot {
    let mut heap = Heap::default();
    let array = heap.array(&Data::List(vec![Data::Text(vec![b'x'; bytes])]));
    // SAFETY: the heap lives during the copy.
    unsafe { Snapshot::copy_of(array, &TestObjects, Limits::default()) }.expect("publishable")
}

fn pins(long_lived: bool, policy: Policy) -> (Pins, Arc<CopyBudget>) {
    let copy_budget = Arc::new(CopyBudget::default());
    (Pins::new(long_lived, policy, copy_budget.clone()), copy_budget)
}

fn serve(pins: &mut Pins, slot: &Arc<Slot>) -> Serve {
    pins.read(slot).expect("something is published").1
}

/// B28, B31
#[test]
fn versions_grow_from_one() {
    let slot = Slot::new(b"name");
    assert!(slot.current().is_none() && slot.version() == 0);
    assert_eq!(slot.publish(snapshot(1)).0, 1);
    let (version, replaced) = slot.publish(snapshot(2));
    assert_eq!((version, replaced.map(|old| old.version)), (2, Some(1)));
    assert_eq!(slot.current().map(|current| current.version), Some(2));
}

/// N24: a snapshot without readers is freed with its replacement.
#[test]
fn a_replaced_snapshot_lives_as_long_as_its_pins() {
    let slot = Slot::new(b"name");
    slot.publish(snapshot(1));
    let (mut pins, _) = pins(false, Policy::default());
    let first = pins.read(&slot).map(|(published, _)| Arc::downgrade(&published.snapshot)).expect("published");
    slot.publish(snapshot(2));
    assert!(first.upgrade().is_some(), "the request may still look at it");
    pins.release();
    assert!(first.upgrade().is_none(), "nobody can look at it any more");
}

#[test]
fn classic_requests_always_see_the_arena() {
    let slot = Slot::new(b"name");
    let (mut pins, copy_budget) =
        pins(false, Policy { copy_bytes_max: usize::MAX, thread_budget_bytes: 0, ..Policy::default() });
    for bytes in [1, 1000] {
        slot.publish(snapshot(bytes));
        assert_eq!(serve(&mut pins, &slot), Serve::Exposed);
    }
    assert_eq!(copy_budget.replaced_bytes(), 0);
}

/// N14: what a long-lived script pins is bounded, by thread and for the process.
#[test]
fn worker_scripts_stay_within_their_budgets() {
    let policy =
        Policy { copy_bytes_max: 1000, thread_budget_bytes: 25_000, process_budget_bytes: 35_000, mode: Mode::Auto };
    let slot = Slot::new(b"name");
    let copy_budget = Arc::new(CopyBudget::default());
    let mut one = Pins::new(true, policy, copy_budget.clone());
    let mut two = Pins::new(true, policy, copy_budget.clone());
    slot.publish(snapshot(100));
    assert_eq!(serve(&mut one, &slot), Serve::Copied, "small ones are copied");
    let mut of_one = Vec::new();
    for _ in 0..4 {
        slot.publish(snapshot(10_000));
        of_one.push(serve(&mut one, &slot));
    }
    use Serve::{CopiedForBudget, Exposed};
    assert_eq!(of_one, [Exposed, Exposed, Exposed, CopiedForBudget(Budget::Thread)]);
    slot.publish(snapshot(10_000));
    assert_eq!(serve(&mut two, &slot), Exposed);
    slot.publish(snapshot(10_000));
    assert_eq!(serve(&mut two, &slot), Exposed);
    slot.publish(snapshot(10_000));
    assert_eq!(serve(&mut two, &slot), CopiedForBudget(Budget::Process), "the budget of the process is used up");
    assert!(copy_budget.replaced_bytes() > 30_000);
    assert_eq!(slot.counters().reads.load(std::sync::atomic::Ordering::Relaxed), 8);
    drop(one);
    assert_eq!(serve(&mut two, &slot), Exposed, "a script that ended gives its bytes back");
    drop(two);
    assert_eq!(copy_budget.replaced_bytes(), 0);
}

/// The same version read twice is served the same way, and pinned once.
#[test]
fn a_version_is_pinned_once() {
    let slot = Slot::new(b"name");
    slot.publish(snapshot(1000));
    let (mut pins, copy_budget) = pins(true, Policy { copy_bytes_max: 0, thread_budget_bytes: 0, ..Policy::default() });
    assert_eq!(serve(&mut pins, &slot), Serve::Exposed);
    assert_eq!(serve(&mut pins, &slot), Serve::Exposed);
    assert_eq!(copy_budget.replaced_bytes(), 0);
    assert_eq!(slot.current().map(|current| Arc::strong_count(&current.snapshot)), Some(3));
}

/// A pin for a copy is released when the copy is done.
#[test]
fn copies_are_unpinned() {
    let slot = Slot::new(b"name");
    slot.publish(snapshot(10));
    let (mut pins, _) = pins(true, Policy::default());
    let (published, serve) = pins.read(&slot).expect("published");
    assert_eq!((serve, Arc::strong_count(&published.snapshot)), (Serve::Copied, 3));
    pins.copied(published.snapshot.root());
    assert_eq!(Arc::strong_count(&published.snapshot), 2);
}

/// A warning for each script, worker and budget, and no second one.
#[test]
fn a_used_up_budget_is_told_once() {
    let copy_budget = CopyBudget::default();
    for (script, worker, budget, first) in [
        ("a.php", "w", Budget::Thread, true),
        ("a.php", "w", Budget::Thread, false),
        ("a.php", "w", Budget::Process, true),
        ("b.php", "w", Budget::Thread, true),
        ("a.php", "v", Budget::Thread, true),
        ("a.php", "w", Budget::Process, false),
    ] {
        assert_eq!(
            copy_budget.tell_once(script.as_bytes(), worker.as_bytes(), budget),
            first,
            "{script} {worker} {budget:?}"
        );
    }
    let told = (0..2 * crate::limits::BUDGET_WARNINGS_MAX)
        .filter(|number| copy_budget.tell_once(b"c.php", number.to_string().as_bytes(), Budget::Thread));
    assert_eq!(told.count(), crate::limits::BUDGET_WARNINGS_MAX - 4);
}
