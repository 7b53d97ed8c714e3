//! The payloads of tasks that wait for a thread, counted over all workers of the process.
//!
//! A sender waits with its payload in memory, and the queues say nothing of bytes. Beyond the bound it is refused at once:
//! to wait for room would take the memory all the same.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes of all of them.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// The place of one payload; free again when it is dropped.
#[derive(Debug)]
pub struct Room(usize, &'static AtomicUsize);

impl Room {
    /// Takes the room of a payload, if all that wait have at most `max` bytes. One alone always has room.
    ///
    /// # Errors The bytes that wait already.
    pub fn take(bytes: usize, max: usize) -> Result<Self, usize> {
        Self::take_of(&WAITING, bytes, max)
    }

    fn take_of(waiting: &'static AtomicUsize, bytes: usize, max: usize) -> Result<Self, usize> {
        let fits = |used: usize| Some(used.saturating_add(bytes)).filter(|sum| used == 0 || *sum <= max);
        waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).map(|_| Self(bytes, waiting))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.1.fetch_sub(self.0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_have_room_up_to_the_bound_and_one_alone_always() {
        static OWN: AtomicUsize = AtomicUsize::new(0);
        let take = |bytes| Room::take_of(&OWN, bytes, 10);
        let large = take(11).expect("it is alone");
        assert_eq!(take(1).expect_err("no room"), 11);
        drop(large);
        let (first, second) = (take(4).expect("room"), take(6).expect("room"));
        assert_eq!(take(1).expect_err("no room"), 10);
        drop(first);
        let third = take(4).expect("room again");
        drop((second, third));
        assert_eq!(OWN.load(Ordering::Relaxed), 0);
    }
}
