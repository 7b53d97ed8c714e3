//! The leaves that C calls (`host_*` in `c/shim.h`). Each one catches panics, touches nothing that can jump, and
//! returns a verdict that C acts on afterwards (law 1).

use super::context::Context;
use super::interrupt::KillReason;
use super::safepoint::{Admission, Reason, Started, safepoint};
use super::work::{Failure, Next, ScriptError};
use crate::ffi::{
    self, LeafOwner, igor_admission, igor_kill_reason, igor_next, igor_outcome, igor_pair, igor_request, igor_restart,
    igor_verdict, leaf,
};
use crate::limits::NEXT_PANICS_MAX;
use std::ffi::{c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

impl LeafOwner for Context {
    fn note_panic(&mut self, call: &'static str) {
        tracing::error!(call, "a panic in a call from PHP was caught; this is a defect of igor");
        Context::note_panic(self, call);
    }
}

/// The bytes of a C string with its length.
///
/// # Safety
/// `start` must point to `len` bytes that live and are not written during the call.
pub(super) unsafe fn bytes<'a>(start: *const c_char, len: usize) -> &'a [u8] {
    if len == 0 {
        return &[];
    }
    // SAFETY: the caller guarantees it.
    unsafe { std::slice::from_raw_parts(start.cast(), len) }
}

/// Writes a result to C's memory.
///
/// # Safety
/// `into` must be valid for a write.
pub(super) unsafe fn give<T>(into: *mut T, value: T) {
    // SAFETY: the caller guarantees it.
    unsafe { into.write(value) };
}

/// Writes the value for C, or keeps the message of the failure.
///
/// # Safety
/// `into` must be valid for a write.
pub(super) unsafe fn answer<T>(context: &mut Context, into: *mut T, result: Result<T, Failure>) -> igor_verdict {
    match result {
        Ok(value) => {
            // SAFETY: the caller guarantees it.
            unsafe { give(into, value) };
            igor_verdict::IGOR_OK
        }
        Err(failure) => context.fail(failure),
    }
}

// ---- The thread's loop ----

/// A panic must not cost the thread, so the next work is taken instead. The request that it had taken gets an error
/// response.
#[unsafe(no_mangle)]
extern "C" fn host_next(host: *mut c_void, request: *mut igor_request) -> igor_next {
    for _ in 0..NEXT_PANICS_MAX {
        let next = ffi::guarded::<Context, _>("host_next", host, |context| {
            let description = match context.work.next() {
                Next::Stop => return igor_next::IGOR_STOP,
                Next::Request { exchange, scope } => context.open(exchange, Some(scope)),
                Next::Run(run) => context.start(run),
            };
            // SAFETY: C passes the request of its thread.
            unsafe { give(request, description) };
            igor_next::IGOR_RUN
        });
        match next {
            Some(next) => return next,
            None => host_job_end(host, true),
        }
    }
    igor_next::IGOR_STOP
}

leaf! {
    for Context;
    fn host_enter(context) -> igor_admission, on_panic igor_admission::IGOR_ENTER, {
        match context.enter() {
            Admission::Beside => igor_admission::IGOR_ENTER,
            Admission::Alone { reset: false } => igor_admission::IGOR_ENTER_ALONE,
            Admission::Alone { reset: true } => igor_admission::IGOR_ENTER_TO_RESET,
        }
    }
}

leaf! {
    for Context;
    fn host_entered(context, restart: igor_restart) -> (), on_panic again, {
        context.entered(match restart {
            igor_restart::IGOR_RESTART_DONE => Started::Restarted,
            igor_restart::IGOR_RESTART_REFUSED => Started::Refused,
            _ => Started::Nothing,
        })
    }
}

leaf! {
    for Context;
    fn host_opcache_reset(context, file: *const c_char, len: usize, line: u32) -> bool, on_panic false, {
        // SAFETY: the name of the running script's file lives during the call.
        let file = String::from_utf8_lossy(unsafe { bytes(file, len) });
        safepoint().reset(&context.member, &format!("{file}:{line}"))
    }
}

leaf! {
    for Context;
    fn host_opcache_full(context, reason: c_int) -> (), on_panic (), {
        // opcache's own numbers (zend_accel_restart_reason).
        safepoint().full(&context.member, match reason {
            0 => Reason::Memory,
            1 => Reason::Files,
            2 => Reason::Reset,
            _ => Reason::Full,
        })
    }
}

leaf! {
    for Context;
    fn host_next_job(context, request: *mut igor_request) -> igor_next, on_panic igor_next::IGOR_STOP, {
        // The overdue request has just ended. The kill must not reach the next one.
        if context.interrupt.kill_requested().is_some() {
            return igor_next::IGOR_STOP;
        }
        let Some(exchange) = context.work.next_job() else { return igor_next::IGOR_STOP };
        let description = context.open(exchange, None);
        // SAFETY: C passes the request of its thread.
        unsafe { give(request, description) };
        igor_next::IGOR_RUN
    }
}

leaf! {
    for Context;
    fn host_job_end(context, failed: bool) -> (), on_panic again, { context.close_job(failed) }
}

leaf! {
    for Context;
    fn host_end(context, outcome: *const igor_outcome) -> (), on_panic again, {
        // SAFETY: C passes its own local value.
        context.end(unsafe { &*outcome });
    }
}

leaf! {
    for Context;
    fn host_interruptible(context, thread: *mut c_void) -> (), on_panic again, {
        if thread.is_null() { context.interrupt.clear() } else { context.interrupt.publish(thread) }
    }
}

leaf! {
    for Context;
    fn host_should_end(context) -> bool, on_panic false, { context.work.should_end() }
}

leaf! {
    for Context;
    fn host_kill_requested(context) -> igor_kill_reason, on_panic igor_kill_reason::IGOR_KILL_NONE, {
        match context.interrupt.kill_requested() {
            None => igor_kill_reason::IGOR_KILL_NONE,
            Some(KillReason::Grace) => igor_kill_reason::IGOR_KILL_GRACE,
            Some(KillReason::Overdue) => igor_kill_reason::IGOR_KILL_OVERDUE,
        }
    }
}

leaf! {
    for Context;
    fn host_place(context, file: *const c_char, len: usize, line: u32) -> (), on_panic (), {
        // SAFETY: the name of the running file lives during the call.
        context.interrupt.note_place(unsafe { bytes(file, len) }, line);
    }
}

// ---- Responses and requests ----

leaf! {
    for Context;
    fn host_write(context, start: *const c_char, len: usize) -> igor_verdict, on_panic igor_verdict::IGOR_CLIENT_GONE, {
        // SAFETY: PHP's output buffer lives during the call.
        context.write(unsafe { bytes(start, len) })
    }
}

leaf! {
    for Context;
    fn host_flush(context) -> igor_verdict, on_panic igor_verdict::IGOR_CLIENT_GONE, {
        match context.exchange().map(|exchange| exchange.flush()) {
            Some(crate::exchange::Flow::ClientGone) => igor_verdict::IGOR_CLIENT_GONE,
            _ => igor_verdict::IGOR_OK,
        }
    }
}

leaf! {
    for Context;
    fn host_header(context, line: *const c_char, len: usize) -> (), on_panic (), {
        // SAFETY: PHP's header line lives during the call.
        context.header(unsafe { bytes(line, len) })
    }
}

leaf! {
    for Context;
    fn host_head(context, status: c_int) -> igor_verdict, on_panic igor_verdict::IGOR_CLIENT_GONE, {
        context.send_head(status_code(status))
    }
}

leaf! {
    for Context;
    fn host_inform(context, status: c_int) -> igor_verdict, on_panic igor_verdict::IGOR_OK, {
        context.inform(status_code(status))
    }
}

/// PHP lets a script set any number; one that HTTP cannot express becomes 500.
fn status_code(status: c_int) -> u16 {
    if status == 0 { 200 } else { u16::try_from(status).ok().filter(|code| (100..1000).contains(code)).unwrap_or(500) }
}

leaf! {
    for Context;
    fn host_finish(context) -> (), on_panic (), {
        context.finish();
    }
}

leaf! {
    for Context;
    fn host_read_body(context, into: *mut c_char, len: usize, aborted: *mut bool) -> usize, on_panic 0, {
        if len == 0 {
            return 0;
        }
        // SAFETY: PHP's buffer has `len` bytes, and only this call writes to it.
        let buffer = unsafe { std::slice::from_raw_parts_mut(into.cast::<u8>(), len) };
        let Some(exchange) = context.exchange() else { return 0 };
        // PHP takes a read that does not fill its buffer for the end of the body.
        let mut filled = 0;
        while filled < len {
            match exchange.read_body(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(_) => {
                    // SAFETY: C passes its own local value.
                    unsafe { give(aborted, true) };
                    break;
                }
            }
        }
        filled
    }
}

leaf! {
    for Context;
    fn host_read_body_at(context, position: u64, into: *mut c_char, len: usize, aborted: *mut bool) -> usize, on_panic 0, {
        if len == 0 {
            return 0;
        }
        // SAFETY: PHP's buffer has `len` bytes, and only this call writes to it.
        let buffer = unsafe { std::slice::from_raw_parts_mut(into.cast::<u8>(), len) };
        let Some(exchange) = context.exchange() else { return 0 };
        exchange.read_body_at(position, buffer).unwrap_or_else(|_| {
            // SAFETY: C passes its own local value.
            unsafe { give(aborted, true) };
            0
        })
    }
}

leaf! {
    for Context;
    fn host_request_header(context, index: usize, pair: *mut igor_pair) -> bool, on_panic false, {
        let Some((name, value)) = context.exchange().and_then(|exchange| exchange.headers().at(index)) else {
            return false;
        };
        let header = super::context::pair(name, value);
        // SAFETY: C passes its own local value.
        unsafe { give(pair, header) };
        true
    }
}

leaf! {
    for Context;
    fn host_server_vars(context, list: *mut *const igor_pair) -> usize, on_panic 0, {
        let vars = context.server_vars();
        // SAFETY: C passes its own local value.
        unsafe { give(list, vars.as_ptr()) };
        vars.len()
    }
}

leaf! {
    for Context;
    fn host_getenv(context, name: *const c_char, len: usize) -> *const c_char, on_panic std::ptr::null(), {
        // SAFETY: the name lives during the call.
        context.getenv(unsafe { bytes(name, len) })
    }
}

// ---- Log and errors ----

/// Called with a null host while the engine starts and stops, so it is outside of the macro.
#[unsafe(no_mangle)]
extern "C" fn host_log(host: *mut c_void, level: c_int, message: *const c_char, len: usize) {
    let logged = catch_unwind(AssertUnwindSafe(|| {
        #[cfg(feature = "faults")]
        crate::faults::panic_at("host_log");
        // SAFETY: the message lives during the call.
        let message = String::from_utf8_lossy(unsafe { bytes(message, len) });
        // SAFETY: null or this thread's own context, as in `leaf!`.
        match unsafe { host.cast::<Context>().as_mut() } {
            Some(context) => context.work.log(level, &message),
            None if level <= 3 => tracing::error!(target: "php::startup", "{message}"),
            None => tracing::warn!(target: "php::startup", "{message}"),
        }
    }));
    if logged.is_err() {
        eprintln!("igor: a panic while logging a message of PHP was caught; this is a defect of igor");
    }
}

leaf! {
    for Context;
    fn host_script_error(context, kind: c_int, file: *const c_char, file_len: usize, line: u32,
        message: *const c_char, message_len: usize) -> (), on_panic (), {
        // SAFETY: both strings live during the call.
        let (file, message) = unsafe { (bytes(file, file_len), bytes(message, message_len)) };
        context.script_error(ScriptError {
            level: level_name(kind),
            message: String::from_utf8_lossy(message).into_owned(),
            file: String::from_utf8_lossy(file).into_owned(),
            line,
        });
    }
}

/// PHP's names of the error levels that can end a script.
fn level_name(kind: c_int) -> &'static str {
    match kind {
        4 => "Parse error",
        4096 => "Recoverable fatal error",
        _ => "Fatal error",
    }
}

leaf! {
    for Context;
    fn host_message(context, len: *mut usize) -> *const c_char, on_panic std::ptr::null(), {
        // SAFETY: C passes its own local value.
        unsafe { give(len, context.text().len()) };
        context.text().as_ptr().cast()
    }
}

#[cfg(feature = "bench")]
leaf! {
    for Context;
    fn host_bench_snapshot_bytes(context, name: *const c_char, len: usize) -> usize, on_panic 0, {
        // SAFETY: the name is an argument of the running call.
        context.snapshot_bytes(unsafe { bytes(name, len) })
    }
}

#[cfg(feature = "launder")]
leaf! {
    for Context;
    fn host_launder(context, site: u64, array: *const c_void, reading: *mut ffi::igor_reading) -> bool, on_panic false, {
        let Some(found) = context.launder(site, array.cast()) else { return false };
        // SAFETY: C passes its own local value.
        unsafe { give(reading, found) };
        true
    }
}

/// Whether PHP bails out at this point now. Not defined by the macro, because C also calls it without a host.
#[cfg(feature = "faults")]
#[unsafe(no_mangle)]
extern "C" fn host_fault(point: *const c_char, len: usize) -> bool {
    // SAFETY: C passes a literal.
    std::str::from_utf8(unsafe { bytes(point, len) }).is_ok_and(crate::faults::hit)
}

/// Arms a fault on the calling thread; returns whether no fault was pending.
#[cfg(feature = "faults")]
#[unsafe(no_mangle)]
extern "C" fn host_fault_arm(point: *const c_char, len: usize, nth: u64) -> bool {
    // SAFETY: the name is an argument of the running call.
    crate::faults::arm(std::str::from_utf8(unsafe { bytes(point, len) }).unwrap_or_default(), nth)
}
