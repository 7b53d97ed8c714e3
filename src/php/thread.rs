//! A PHP thread: a dedicated OS thread with a fixed stack size, which runs the shim's loop and nothing else.

use super::context::Context;
use super::engine::Live;
use super::interrupt::Interrupt;
use super::options::ThreadOptions;
use super::timer::Reserved;
use super::work::Work;
use crate::ffi;
use crate::limits::PHP_THREAD_STACK_BYTES;
use crate::signals::SignalMask;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

/// Blocks the signals that are sent to the process as a whole, and returns the previous mask. Signals for this very
/// thread still reach it: faults, PHP's timers, and wake-ups.
fn block_signals_of_process() -> SignalMask {
    let timer = libc::SIGRTMIN();
    SignalMask::block_all_but(&[timer, timer + ffi::IGOR_WAKE_SIGNAL_AFTER_MIN as i32])
}

/// Starts a PHP thread. The engine must not be stopped before the thread has been joined.
///
/// # Errors The engine does not run, the system could not start a thread, or it has no timer left, which PHP needs for
/// each.
pub fn spawn(options: ThreadOptions, work: Box<dyn Work>, interrupt: Arc<Interrupt>) -> io::Result<JoinHandle<()>> {
    if !super::engine::runs() {
        return Err(io::Error::other("PHP's engine does not run; it must be started before its threads"));
    }
    let timer = Reserved::new()?;
    // A thread starts with the signal mask of its creator.
    let mask = options.blocks_signals.then(block_signals_of_process);
    // A creator without PHP blocks nearly all signals.
    let own_mask = if options.blocks_signals { None } else { super::engine::mask_of_process() };
    let builder = std::thread::Builder::new().name(options.name.clone()).stack_size(PHP_THREAD_STACK_BYTES);
    let live = Live::new();
    let started = builder.spawn(move || {
        let _live = live;
        if let Some(mask) = own_mask {
            mask.apply();
        }
        let mode = work.mode();
        // PHP's own takes its place.
        drop(timer);
        let context = Box::into_raw(Box::new(Context::new(work, interrupt, options)));
        // SAFETY: the thread has just started, so C has called none of its frames.
        let outside = unsafe { ffi::Outside::new() };
        // SAFETY: the engine runs; the context lives until the loop has returned, and only the loop uses it. The loop
        // catches every jump itself, so none passes this frame.
        unsafe { outside.thread_run(context.cast(), mode.to_ffi()) };
        // SAFETY: the pointer came from the box above, and the loop has given up its use.
        drop(unsafe { Box::from_raw(context) });
    });
    if let Some(mask) = mask {
        mask.apply();
    }
    started
}
