//! The one way in which other threads reach a PHP thread (law 2).
//!
//! A run starts before its PHP request does, because PHP reads a form's body during that start. It ends when its
//! response is complete. Each run has a new generation, and a kill for an older one does nothing. While the script's
//! PHP memory exists, the C thread is published here. It is cleared under the same lock. During the whole run a kill
//! ends waits in Rust; it ends the script, once that runs, at its next step.

use crate::exchange::Cancellation;
use crate::ffi;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The interrupt slot of one PHP thread.
#[derive(Default)]
pub struct Interrupt {
    /// Protects the C thread's address and the generation; held while the C thread is signalled, never across user
    /// code.
    running: Mutex<Running>,
    /// Ends the waits in Rust; the VM's interrupt handler reads it too. Only changed under the lock, so that it belongs
    /// to the current run.
    waits: Arc<Cancellation>,
    /// Why the run should end. Written like the cancellation.
    is_overdue: AtomicBool,
    /// Where the script was when an observer last asked, and when that was. Protects the two; never held with another lock.
    seen: Mutex<Option<(Instant, String)>>,
}

/// Why a script is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillReason {
    /// It did not end within the grace period.
    Grace,
    /// Its request ran longer than it may.
    Overdue,
}

/// The run of the thread's current PHP request.
#[derive(Default)]
struct Running {
    /// Counts the runs; a kill names the run that it means.
    generation: u64,
    /// From the start of the run to the end of its response.
    goes_on: bool,
    /// The C thread while its script can be interrupted; `None` outside of that.
    thread: Option<Thread>,
}

/// The address of the C side of the thread; only passed back to C.
struct Thread(*mut c_void);

// SAFETY: the address is only used under the lock, while the PHP thread has published it.
unsafe impl Send for Thread {}

impl Interrupt {
    /// A PHP request is about to start up, or a run without PHP.
    pub(crate) fn begin(&self) {
        let mut running = self.running();
        running.generation += 1;
        running.goes_on = true;
        self.is_overdue.store(false, Ordering::Relaxed);
        self.waits.reset();
    }

    /// The script is about to run. A script that was killed while it started does not continue.
    pub(super) fn publish(&self, thread: *mut c_void) {
        let mut running = self.running();
        running.thread = Some(Thread(thread));
        if self.waits.is_cancelled() {
            // SAFETY: the C thread is the calling one, which has just said that it can be interrupted.
            unsafe { ffi::shim_thread_interrupt(thread) };
        }
    }

    /// The script's memory was freed. Its response may still be in transit to the client.
    pub(super) fn clear(&self) {
        self.running().thread = None;
    }

    /// The run and its response are complete.
    pub(crate) fn end(&self) {
        let mut running = self.running();
        running.goes_on = false;
        running.thread = None;
        self.waits.reset();
    }

    /// Whether and why the run should end. Called on the PHP thread after the engine has cleared its flag.
    pub(super) fn kill_requested(&self) -> Option<KillReason> {
        // The JIT's code reads and clears that flag by plain instructions, which a processor may execute after this
        // read. It would then clear the flag of a concurrent kill, and the kill would be lost.
        fence(Ordering::SeqCst);
        let reason = if self.is_overdue.load(Ordering::Relaxed) { KillReason::Overdue } else { KillReason::Grace };
        self.waits.is_cancelled().then_some(reason)
    }

    /// What ends the waits of the thread.
    pub(crate) fn waits(&self) -> &Arc<Cancellation> {
        &self.waits
    }

    /// The current run, if any.
    pub fn generation(&self) -> Option<u64> {
        let running = self.running();
        running.goes_on.then_some(running.generation)
    }

    /// Makes the script of this run end at its next step, and wakes it from a blocking call or a wait. Returns whether
    /// that run still continues; a caller repeats until it does not, because shutdown functions run after the kill and
    /// may block.
    pub fn kill(&self, generation: u64, reason: KillReason) -> bool {
        {
            let running = self.running();
            if !running.goes_on || running.generation != generation {
                return false;
            }
            if reason == KillReason::Overdue && !self.waits.is_cancelled() {
                self.is_overdue.store(true, Ordering::Relaxed);
            }
            self.waits.cancel();
            if let Some(thread) = &running.thread {
                // SAFETY: the C thread is published, and cannot clear itself while the lock is held.
                unsafe { ffi::shim_thread_interrupt(thread.0) };
            }
        }
        // After the lock is released, because waking takes the locks of the waits. A run that has started since only
        // checks once more.
        self.waits.wake();
        true
    }

    /// Makes the script of this run log a backtrace at its next step; a blocking call is not disturbed. Nothing happens when
    /// no script runs.
    pub fn trace(&self, generation: u64, depth: u32) {
        let running = self.running();
        if running.goes_on
            && running.generation == generation
            && let Some(thread) = &running.thread
        {
            // SAFETY: the C thread is published, and cannot clear itself while the lock is held.
            unsafe { ffi::shim_thread_trace(thread.0, depth) };
        }
    }

    /// Where the script was when it was last asked, as `file:line`, if that was less than `within` ago. Asks again: the script
    /// answers at its next loop or call, and a blocking call is not disturbed.
    pub fn look(&self, within: Duration) -> Option<String> {
        if let Some(thread) = &self.running().thread {
            // SAFETY: the C thread is published, and cannot clear itself while the lock is held.
            unsafe { ffi::shim_thread_look(thread.0) };
        }
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.as_ref().filter(|(at, _)| at.elapsed() < within).map(|(_, place)| place.clone())
    }

    /// The script answers: it is here.
    pub(super) fn note_place(&self, file: &[u8], line: u32) {
        let place = format!("{}:{line}", String::from_utf8_lossy(file));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), place));
    }

    /// Calls the handler that the running script has for SIGTERM or SIGINT, if it has one, on its thread.
    pub fn ask_to_end(&self) {
        let running = self.running();
        let Some(thread) = &running.thread else { return };
        // SAFETY: the C thread is published, and cannot clear itself while the lock is held.
        unsafe { ffi::shim_thread_should_end(thread.0) };
    }

    /// Wakes the running script if its handler for the end still waits to run: the signal may have come just before a
    /// blocking call, which it then does not shorten. A script whose handler has run is woken at the 1st, 10th and 100th call:
    /// it may have decided to sleep just before that. Call it every few milliseconds until the script has ended.
    pub fn remind(&self) {
        let running = self.running();
        let Some(thread) = &running.thread else { return };
        // SAFETY: the C thread is published, and cannot clear itself while the lock is held.
        unsafe { ffi::shim_thread_remind(thread.0) };
    }

    /// Where the script was when it was last interrupted, as `file:line`.
    pub fn place(&self) -> Option<String> {
        let running = self.running();
        let thread = running.thread.as_ref()?;
        let mut file = [0u8; 256];
        // SAFETY: the C thread is published, and cannot clear itself while the lock is held; the buffer is ours.
        let line = unsafe { ffi::shim_thread_place(thread.0, file.as_mut_ptr().cast(), file.len()) };
        let file = std::ffi::CStr::from_bytes_until_nul(&file).ok()?.to_string_lossy();
        (line > 0).then(|| format!("{file}:{line}"))
    }

    /// A panic under the lock leaves nothing half-done, so the lock's poison is ignored.
    fn running(&self) -> std::sync::MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_belongs_to_one_run() {
        let interrupt = Interrupt::default();
        assert_eq!((interrupt.generation(), interrupt.kill(0, KillReason::Grace)), (None, false));
        interrupt.begin();
        let first = interrupt.generation().expect("a run goes on");
        assert!(
            interrupt.kill(first, KillReason::Grace) && interrupt.kill_requested().is_some(),
            "before the script runs"
        );
        interrupt.clear();
        assert!(interrupt.kill(first, KillReason::Grace), "the answer is still on its way");
        interrupt.end();
        assert!(!interrupt.kill(first, KillReason::Grace) && interrupt.kill_requested().is_none());
        interrupt.begin();
        assert!(
            !interrupt.kill(first, KillReason::Grace) && interrupt.kill_requested().is_none(),
            "the next run is left alone"
        );
        let next = interrupt.generation().expect("a run goes on");
        assert!(interrupt.kill(next, KillReason::Overdue) && interrupt.kill(next, KillReason::Grace));
        assert_eq!(interrupt.kill_requested(), Some(KillReason::Overdue), "the first reason stays");
    }
}
