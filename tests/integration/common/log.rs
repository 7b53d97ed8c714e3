//! Reads the program's standard error as it is written.

use super::DEADLINE;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
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

/// The lines so far, and whether more may follow.
#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    ended: bool,
}

/// A log, collected by a dedicated thread.
pub(crate) struct Log {
    shared: Arc<(Mutex<Lines>, Condvar)>,
    reader: Option<JoinHandle<()>>,
}

impl Log {
    /// Collects what `source` returns until it ends.
    pub(crate) fn collect(source: impl Read + Send + 'static) -> Self {
        let shared: Arc<(Mutex<Lines>, Condvar)> = Arc::default();
        let into = shared.clone();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(source).split(b'\n').map_while(Result::ok) {
                locked(&into.0).lines.push(String::from_utf8_lossy(&line).into_owned());
                into.1.notify_all();
            }
            locked(&into.0).ended = true;
            into.1.notify_all();
        });
        Self { shared, reader: Some(reader) }
    }

    /// Everything so far.
    pub(crate) fn text(&self) -> String {
        locked(&self.shared.0).lines.join("\n")
    }

    /// How many lines hold `text`.
    pub(crate) fn count(&self, text: &str) -> usize {
        locked(&self.shared.0).lines.iter().filter(|line| line.contains(text)).count()
    }

    /// Waits until `pick` returns a result for the lines, or the log ends (`None`).
    ///
    /// # Panics
    /// After [`DEADLINE`], with `what` and the whole log.
    pub(crate) fn try_wait<T>(&self, what: &str, mut pick: impl FnMut(&[String]) -> Option<T>) -> Option<T> {
        let until = Instant::now() + DEADLINE;
        let mut guard = locked(&self.shared.0);
        loop {
            if let Some(found) = pick(&guard.lines) {
                return Some(found);
            }
            if guard.ended {
                return None;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited {DEADLINE:?} for the log to hold {what}:\n{}", guard.lines.join("\n"));
            guard = self.shared.1.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0;
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
        let guard = locked(&self.shared.0);
        let is_defect = |line: &String| DEFECTS.iter().any(|defect| line.contains(defect));
        guard.lines.iter().filter(|line| is_defect(line)).cloned().collect()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
