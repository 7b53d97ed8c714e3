//! The leaves for background workers: their handle, the waits for them, what they publish, and who reads it.

use super::context::Context;
use super::host::{answer, bytes, give};
use super::streams::to_script;
use super::work::{Failure, Phase, Update};
use crate::ffi::{igor_phase, igor_reading, igor_slot, igor_update, igor_verdict, leaf};
use std::ffi::{c_char, c_int, c_void};
use std::time::Duration;

leaf! {
    for Context;
    fn host_worker_handle(context, fd: *mut c_int) -> igor_verdict, on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        match context.work.handle() {
            Ok(handle) => {
                // SAFETY: C passes its own local value.
                unsafe { give(fd, to_script(handle)) };
                igor_verdict::IGOR_OK
            }
            Err(error) => context.fail(Failure::runtime(format!(
                "frankenphp_get_worker_handle(): opening another descriptor of the worker's handle: {error}"
            ))),
        }
    }
}

/// The time limit of a script's wait, and the script's phase.
fn wait(timeout_s: f64, phase: igor_phase) -> (Duration, Phase) {
    let phase = match phase {
        igor_phase::IGOR_PHASE_BOOT => Phase::Boot,
        igor_phase::IGOR_PHASE_CALLBACK => Phase::Callback,
        _ => Phase::Request,
    };
    // C has checked that it is finite and positive. A time beyond the range of a Duration becomes its maximum.
    (Duration::try_from_secs_f64(timeout_s).unwrap_or(Duration::MAX), phase)
}

leaf! {
    for Context;
    fn host_require(context, name: *const c_char, len: usize, timeout_s: f64, phase: igor_phase) -> igor_verdict,
        on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        // SAFETY: the name is an argument of the running call.
        context.require(unsafe { bytes(name, len) }, wait(timeout_s, phase))
    }
}

leaf! {
    for Context;
    fn host_ensure_clear(context) -> (), on_panic (), { context.clear_names() }
}

leaf! {
    for Context;
    fn host_ensure_name(context, name: *const c_char, len: usize) -> igor_verdict,
        on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        // SAFETY: the name is part of an argument of the running call.
        context.add_name(unsafe { bytes(name, len) });
        igor_verdict::IGOR_OK
    }
}

leaf! {
    for Context;
    fn host_ensure(context, timeout_s: f64, phase: igor_phase) -> igor_verdict,
        on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        context.ensure(wait(timeout_s, phase))
    }
}

leaf! {
    for Context;
    fn host_send_update(context, update: *const igor_update) -> igor_verdict,
        on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        // SAFETY: C passes its own local value.
        let update = unsafe { &*update };
        let text = |start: *const c_char, len: usize| (!start.is_null()).then(|| {
            // SAFETY: the texts are arguments of the running call.
            String::from_utf8_lossy(unsafe { bytes(start, len) }).into_owned()
        });
        context.send_update(Update {
            topics: Vec::new(),
            data: text(update.data, update.data_len).unwrap_or_default(),
            is_private: update.is_private,
            id: text(update.id, update.id_len),
            kind: text(update.type_, update.type_len),
            retry: (update.retry_ms > 0).then_some(update.retry_ms),
            is_local: false,
        })
    }
}

leaf! {
    for Context;
    fn host_publish(context, array: *const c_void) -> igor_verdict, on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        context.publish(array.cast())
    }
}

leaf! {
    for Context;
    fn host_read(context, name: *const c_char, len: usize, reading: *mut igor_reading) -> igor_verdict,
        on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        // SAFETY: the name is an argument of the running call.
        let found = context.read(unsafe { bytes(name, len) });
        // SAFETY: C passes its own local value.
        unsafe { answer(context, reading, found) }
    }
}

leaf! {
    for Context;
    fn host_read_slot(context, slot: *const igor_slot, reading: *mut igor_reading) -> igor_verdict,
        on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        let found = context.read_slot(slot.cast());
        // SAFETY: C passes its own local value.
        unsafe { answer(context, reading, found) }
    }
}

leaf! {
    for Context;
    fn host_read_done(context, root: *const c_void) -> (), on_panic again, { context.read_done(root.cast()) }
}
