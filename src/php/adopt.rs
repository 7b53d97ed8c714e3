//! A PHP thread of another program. That program has loaded the module, started the thread and runs scripts on it. The
//! scripts may use our functions while the thread is adopted.

use super::context::Context;
use super::interrupt::Interrupt;
use super::options::ThreadOptions;
use super::work::{Scope, Work};
use crate::ffi;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::sync::Arc;

/// The adoption of the calling thread. Must not be dropped before `php_request_shutdown()` has freed everything that
/// the script may have read, because the drop releases its snapshots.
pub struct Adopted {
    /// The C side of the thread, from `shim_thread_adopt()`; the drop releases it.
    thread: *mut c_void,
    /// Made by `Box::into_raw`; C keeps the address until the thread is released, and only then it is freed.
    context: *mut Context,
    /// Stays on its thread.
    _not_send: PhantomData<*const ()>,
}

impl Adopted {
    /// Adopts the calling thread; its scripts see the background workers of `scope`. A thread can be adopted once.
    pub fn new(options: ThreadOptions, work: Box<dyn Work>, scope: Arc<dyn Scope>) -> Self {
        let mut context = Box::new(Context::new(work, Arc::new(Interrupt::default()), options));
        context.see(scope);
        let context = Box::into_raw(context);
        // SAFETY: the program starts its script here: PHP calls, but runs none of its code meanwhile.
        let outside = unsafe { ffi::Outside::new() };
        // SAFETY: the context lives until the drop, which ends the adoption first.
        let thread = unsafe { outside.thread_adopt(context.cast()) };
        Self { thread, context, _not_send: PhantomData }
    }
}

impl Drop for Adopted {
    fn drop(&mut self) {
        // SAFETY: the script of the program has ended.
        let outside = unsafe { ffi::Outside::new() };
        // SAFETY: this thread was adopted by `new`, and the value has not left it.
        unsafe { outside.thread_release(self.thread) };
        // SAFETY: the pointer came from the box in `new`, and C no longer knows it.
        drop(unsafe { Box::from_raw(self.context) });
    }
}
