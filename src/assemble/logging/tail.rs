//! The last records of the process's log, in memory, for the status page.

use crate::limits::{LOG_TAIL_LINE_BYTES_MAX, LOG_TAIL_LINES_MAX};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Protects the lines; held for a copy of a few of them.
static TAIL: Mutex<Tail> = Mutex::new(Tail { last: 0, lines: VecDeque::new() });

struct Tail {
    /// The number of the newest line; the first is 1.
    last: u64,
    /// The newest is the last one.
    lines: VecDeque<String>,
}

/// Keeps a record, which may have several lines.
pub(super) fn keep(record: &str) {
    let mut tail = locked();
    for line in record.lines() {
        let mut end = line.len().min(LOG_TAIL_LINE_BYTES_MAX);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        // A full list reuses the memory of its oldest line.
        let is_full = tail.lines.len() >= LOG_TAIL_LINES_MAX;
        let mut kept = if is_full { tail.lines.pop_front() } else { None }.unwrap_or_default();
        kept.clear();
        kept.push_str(&line[..end]);
        tail.lines.push_back(kept);
        tail.last += 1;
    }
}

/// The lines behind the one of this number, the oldest first, and the number of the newest.
pub(crate) fn after(number: u64) -> (u64, Vec<String>) {
    let tail = locked();
    let new = usize::try_from(tail.last.saturating_sub(number)).unwrap_or(usize::MAX).min(tail.lines.len());
    (tail.last, tail.lines.range(tail.lines.len() - new..).cloned().collect())
}

/// Every change under the lock is complete at any moment.
fn locked() -> MutexGuard<'static, Tail> {
    TAIL.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, because there is one tail in the process.
    #[test]
    fn the_newest_lines_are_kept_and_found_by_number() {
        let (start, _) = after(0);
        keep("one\ntwo\n");
        assert_eq!(after(start), (start + 2, vec!["one".to_owned(), "two".to_owned()]));
        assert_eq!(after(start + 1).1, ["two"]);
        assert_eq!((after(start + 2).1.len(), after(u64::MAX).1.len()), (0, 0));
        keep(&format!("{}\n", "é".repeat(LOG_TAIL_LINE_BYTES_MAX)));
        assert_eq!(after(start + 2).1[0].len(), LOG_TAIL_LINE_BYTES_MAX);
        (0..LOG_TAIL_LINES_MAX).for_each(|number| keep(&format!("{number}\n")));
        let (last, lines) = after(start);
        assert_eq!((lines.len(), lines[0].as_str()), (LOG_TAIL_LINES_MAX, "0"));
        assert_eq!(last, start + 3 + LOG_TAIL_LINES_MAX as u64);
    }
}
