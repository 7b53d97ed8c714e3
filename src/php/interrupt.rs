//! The one way in which other threads reach a PHP thread (law 2).
//!
//! A run publishes its C thread here when its script starts and clears it, under the same lock, before its PHP memory
//! goes. `kill` works on that run only: each publish begins a new generation, and a kill for an older one does nothing.

use crate::ffi;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// The interrupt slot of one PHP thread.
#[derive(Default)]
pub struct Interrupt {
    /// Protects the C thread's address and the generation; held while the C thread is signalled, never across user code.
    running: Mutex<Running>,
    /// Read by the VM's interrupt handler. `Relaxed`: the engine's own flag, stored after it, carries the order.
    kill: AtomicBool,
}

#[derive(Default)]
struct Running {
    generation: u64,
    thread: Option<Thread>,
}

struct Thread(*mut c_void);

// SAFETY: the address is only used under the lock, while the PHP thread has published it.
unsafe impl Send for Thread {}

impl Interrupt {
    pub(super) fn publish(&self, thread: *mut c_void) {
        let mut running = self.running();
        running.generation += 1;
        running.thread = Some(Thread(thread));
        self.kill.store(false, Ordering::Relaxed);
    }

    pub(super) fn clear(&self) {
        self.running().thread = None;
    }

    pub(super) fn kill_requested(&self) -> bool {
        self.kill.load(Ordering::Relaxed)
    }

    /// The run that is going on, if any.
    pub fn generation(&self) -> Option<u64> {
        let running = self.running();
        running.thread.as_ref().map(|_| running.generation)
    }

    /// Makes the script of this run end at its next step, and wakes it from a blocking call. Returns whether that run
    /// still goes on; a caller repeats until it does not, because shutdown functions run after the kill and may block.
    pub fn kill(&self, generation: u64) -> bool {
        let running = self.running();
        let Some(thread) = running.thread.as_ref().filter(|_| running.generation == generation) else {
            return false;
        };
        self.kill.store(true, Ordering::Relaxed);
        // SAFETY: the C thread is published, and cannot clear itself while the lock is held.
        unsafe { ffi::shim_thread_interrupt(thread.0) };
        true
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

    fn running(&self) -> std::sync::MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
