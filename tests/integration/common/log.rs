//! Reads the program's standard error as it is written.

use super::DEADLINE;
use super::lines::{Collected, locked};
use std::io::Read;
use std::os::fd::AsFd;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

/// What must never be in a log: PHP's memory manager and sanitizers report here, and so does our own fatal error
/// handling.
const DEFECTS: &[&str] = &[
    "Freeing 0x",
    "memory leaks detected",
    "zend_mm_heap corrupted",
    "Assertion `",
    "AddressSanitizer",
    "LeakSanitizer",
    "this is a defect of igor",
    "panicked at",
];

/// A log, collected by a dedicated thread.
pub(crate) struct Log {
    shared: Arc<Collected>,
    reader: Option<JoinHandle<()>>,
}

impl Log {
    /// Collects what `source` returns until it ends.
    pub(crate) fn collect(source: impl Read + AsFd + Send + 'static) -> Self {
        let (shared, reader) = Collected::start(source);
        Self { shared, reader: Some(reader) }
    }

    /// Everything so far.
    pub(crate) fn text(&self) -> String {
        self.shared.now().lines.join("\n")
    }

    /// How many lines hold `text`.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.shared.now().lines.iter().filter(|line| line.contains(text)).count()
    }

    /// Waits until `pick` returns a result for the lines, or the log ends (`None`).
    ///
    /// # Panics
    /// After [`DEADLINE`], with `what` and the whole log.
    pub(crate) fn try_wait<T>(&self, what: &str, mut pick: impl FnMut(&[String]) -> Option<T>) -> Option<T> {
        let until = Instant::now() + DEADLINE;
        let mut guard = locked(&self.shared.lines);
        loop {
            if let Some(found) = pick(&guard.lines) {
                return Some(found);
            }
            if guard.ended {
                return None;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited {DEADLINE:?} for the log to hold {what}:\n{}", guard.lines.join("\n"));
            guard = self.shared.more.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// As [`Log::try_wait`], but the log must not end before.
    pub(crate) fn wait<T>(&self, what: &str, pick: impl FnMut(&[String]) -> Option<T>) -> T {
        self.try_wait(what, pick).unwrap_or_else(|| panic!("the log ended without {what}:\n{}", self.text()))
    }

    /// Waits for the end of the log: the program and all its children have closed it.
    pub(crate) fn finish(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            self.try_wait("its end", |_| None::<()>);
            reader.join().expect("the log's reader does not panic");
        }
        self.text()
    }

    /// The lines that report a defect, with the one before each, which often names the script.
    pub(crate) fn defects(&self) -> Vec<String> {
        let guard = self.shared.now();
        let is_defect = |line: &String| DEFECTS.iter().any(|defect| line.contains(defect));
        guard.lines.iter().filter(|line| is_defect(line)).cloned().collect()
    }
}
