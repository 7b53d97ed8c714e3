//! The shim's contract (`c/shim.h`) as bindgen reads it; `c/shim.h` says what each item means. And law 1 as a type.
//!
//! PHP leaves by jumps, and a jump must not cross a Rust frame. A *leaf* (`host_*`, made by `leaf!`) runs between PHP
//! code and may be jumped over by whatever it starts. So whatever starts PHP code is a method of [`Outside`], and a
//! leaf has no such value:
//!
//! ```compile_fail
//! unsafe fn leaf(host: *mut std::ffi::c_void) {
//!     // SAFETY: never called; it must not compile.
//!     unsafe { igor_php::ffi::shim_thread_run(host, igor_php::ffi::igor_mode::IGOR_CLASSIC) };
//! }
//! ```
//!
//! Functions that a leaf may call compile, such as the name of an object's class:
//!
//! ```no_run
//! unsafe fn leaf(object: *const std::ffi::c_void) {
//!     // SAFETY: never called; a caller would pass a live object.
//!     unsafe { igor_php::ffi::shim_class_name(object) };
//! }
//! ```
//!
//! So does the start of a thread, with the claim that no leaf is on the stack:
//!
//! ```no_run
//! unsafe fn thread(host: *mut std::ffi::c_void) {
//!     // SAFETY: never called; no C frame would be below.
//!     let outside = unsafe { igor_php::ffi::Outside::new() };
//!     // SAFETY: never called; `host` would live as long as the thread.
//!     unsafe { outside.thread_run(host, igor_php::ffi::igor_mode::IGOR_CLASSIC) };
//! }
//! ```
#![allow(unsafe_code, reason = "generated declarations of C functions")]

mod generated {
    #![allow(missing_docs, reason = "documented in c/shim.h")]
    #![allow(non_camel_case_types, non_upper_case_globals, unreachable_pub, dead_code, reason = "generated")]
    #![allow(clippy::all, clippy::undocumented_unsafe_blocks, reason = "generated")]

    include!(concat!(env!("OUT_DIR"), "/shim.rs"));

    pub(super) mod outside {
        include!(concat!(env!("OUT_DIR"), "/outside.rs"));
    }
}

use generated::outside;
pub use generated::*;
use std::ffi::{c_int, c_void};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Claims that the calling code is not a leaf: C has called none of the frames on its stack. Starting or ending PHP
/// code needs it.
#[derive(Debug)]
pub struct Outside(PhantomData<*const ()>);

impl Outside {
    /// The claim itself.
    ///
    /// # Safety
    /// No C frame of PHP or the shim is below this one on the calling thread. The exception are the frames by which a
    /// program that has loaded the module starts and ends its script.
    pub unsafe fn new() -> Self {
        Self(PhantomData)
    }

    /// `shim_engine_start()`.
    ///
    /// # Safety
    /// As `c/shim.h` says.
    pub unsafe fn engine_start(&self, sapi: *mut c_void, threads: c_int, info: *mut igor_engine_info) -> c_int {
        // SAFETY: the caller guarantees it; no jump can cross a leaf, because there is none.
        unsafe { outside::shim_engine_start(sapi, threads, info) }
    }

    /// `shim_engine_stop()`.
    ///
    /// # Safety
    /// As `c/shim.h` says.
    pub unsafe fn engine_stop(&self) {
        // SAFETY: the caller guarantees it.
        unsafe { outside::shim_engine_stop() };
    }

    /// `shim_thread_run()`.
    ///
    /// # Safety
    /// As `c/shim.h` says.
    pub unsafe fn thread_run(&self, host: *mut c_void, mode: igor_mode) {
        // SAFETY: the caller guarantees it.
        unsafe { outside::shim_thread_run(host, mode) };
    }

    /// `shim_thread_adopt()`.
    ///
    /// # Safety
    /// As `c/shim.h` says.
    pub unsafe fn thread_adopt(&self, host: *mut c_void) -> *mut c_void {
        // SAFETY: the caller guarantees it.
        unsafe { outside::shim_thread_adopt(host) }
    }

    /// `shim_thread_release()`.
    ///
    /// # Safety
    /// As `c/shim.h` says.
    pub unsafe fn thread_release(&self, thread: *mut c_void) {
        // SAFETY: the caller guarantees it.
        unsafe { outside::shim_thread_release(thread) };
    }
}

/// The value that C keeps for its leaves, and passes to them with each call.
pub(crate) trait LeafOwner {
    /// A panic in this leaf was caught.
    fn note_panic(&mut self, call: &'static str);
}

/// Runs the body of a leaf. If it panics, the panic is caught and recorded, and the result is `None`.
pub(crate) fn guarded<O: LeafOwner, T>(
    call: &'static str,
    owner: *mut c_void,
    body: impl FnOnce(&mut O) -> T,
) -> Option<T> {
    let result = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: C passes the pointer that it got for this kind of leaf: it is live, and one call at a time uses it.
        let owner: &mut O = unsafe { &mut *owner.cast::<O>() };
        #[cfg(feature = "faults")]
        crate::faults::panic_at(call);
        let result = body(owner);
        #[cfg(feature = "faults")]
        crate::faults::panic_at(&format!("{call} after"));
        result
    }));
    if result.is_err() {
        // SAFETY: as above; the body's own use has ended.
        unsafe { &mut *owner.cast::<O>() }.note_panic(call);
    }
    result.ok()
}

/// Defines an exported C function from a body: a leaf for the named type of owner. After a panic the leaf returns the
/// named value. With `on_panic again` the body runs once more, for work that must be completed; every step of such a
/// body is repeatable.
macro_rules! leaf {
    (for $owner:ty;
        $(#[$doc:meta])* fn $name:ident($context:ident $(, $argument:ident: $type:ty)* $(,)?) -> (),
        on_panic again, $body:block) => {
        $(#[$doc])*
        #[unsafe(no_mangle)]
        extern "C" fn $name(host: *mut c_void $(, $argument: $type)*) {
            let body = |$context: &mut $owner| $body;
            if $crate::ffi::guarded(stringify!($name), host, body).is_none() {
                $crate::ffi::guarded(stringify!($name), host, body);
            }
        }
    };
    (for $owner:ty;
        $(#[$doc:meta])* fn $name:ident($context:ident $(, $argument:ident: $type:ty)* $(,)?) -> $result:ty,
        on_panic $on_panic:expr, $body:block) => {
        $(#[$doc])*
        #[unsafe(no_mangle)]
        extern "C" fn $name(host: *mut c_void $(, $argument: $type)*) -> $result {
            $crate::ffi::guarded(stringify!($name), host, |$context: &mut $owner| -> $result { $body })
                .unwrap_or($on_panic)
        }
    };
}
pub(crate) use leaf;
