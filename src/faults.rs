//! Faults on purpose, in builds with the feature `faults` only. They let tests check what happens if an allocation
//! fails, Rust panics below a call from C, or PHP bails out below a callback.
//!
//! A PHP script arms a fault on its own thread with `igor_fault(string $point, int $nth = 1)`. The fault happens once,
//! when the thread passes the point for the n-th time. Points are: `memory` (an allocation of a publish), the names of
//! `host_*` functions (a panic before their work), the same with ` after` (a panic after it), and the names in
//! `IGOR_FAULT()` in the shim (a bailout there).

use std::cell::RefCell;

struct Armed {
    /// The name of the point, as `panic_at` and `hit` get it.
    point: String,
    /// How many more times the point passes before it fails.
    left: u64,
}

thread_local! {
    /// Per thread, so that a fault fails in the thread of the test that armed it.
    static ARMED: RefCell<Option<Armed>> = const { RefCell::new(None) };
}

/// Arms a fault on this thread, replacing the previous one. Returns whether no fault was pending. An empty point arms
/// nothing.
pub(crate) fn arm(point: &str, nth: u64) -> bool {
    let armed = (!point.is_empty()).then(|| Armed { point: point.to_owned(), left: nth.max(1) });
    ARMED.replace(armed).is_none()
}

/// Whether the fault at this point happens now.
pub(crate) fn hit(point: &str) -> bool {
    ARMED.with_borrow_mut(|armed| {
        let Some(fault) = armed.as_mut().filter(|fault| fault.point == point) else { return false };
        fault.left -= 1;
        if fault.left > 0 {
            return false;
        }
        *armed = None;
        true
    })
}

/// Panics if the fault at this point happens now.
///
/// # Panics
/// If the fault happens now.
pub(crate) fn panic_at(point: &str) {
    assert!(!hit(point), "injected fault at {point}");
}
