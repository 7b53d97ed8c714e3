//! The leaves by which C works on tasks and on the handle of a worker.

use super::context::{Context, no_scope};
use super::cutoff::{Cut, Cutoff};
use super::host::{answer, bytes, give};
use super::open_tasks::{Side, over};
use super::reading::loose_reading;
use super::spans;
use super::streams::to_script;
use super::work::{Failure, SendRefused};
use crate::exchange::Sleeper;
use crate::ffi::{igor_reading, igor_verdict, leaf};
use crate::limits::TASK_WAITING_PAYLOADS_MAX;
use crate::tasks::{Interruption, Parcel, Read, Room, SendError, UpdateError};
use crate::vars::Snapshot;
use crate::vars::layout::ZArray;
use std::ffi::{c_char, c_int, c_void};
use std::os::fd::OwnedFd;
use std::task::Waker;
use std::time::Duration;

impl Interruption for Cutoff<'_> {
    fn sleeper(&self, waker: Waker) -> Sleeper<'_> {
        (*self).sleeper(waker)
    }

    fn is_cut(&self) -> bool {
        self.look().is_some()
    }
}

/// The exception for a script whose wait for a task was ended.
fn cut_off(cutoff: Cutoff<'_>) -> Failure {
    Failure::runtime(match cutoff.look() {
        Some(Cut::HeldBack) => {
            "the wait for the task has ended: opcache is being restarted; try again in a new request"
        }
        _ => "the wait for the task has ended: the script that waits is being stopped",
    })
}

/// Names the workers in the order in which they wait.
fn circle(names: &[String]) -> Failure {
    let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    Failure::runtime(format!("background workers wait for each other's tasks in a circle: {}", names.join(" -> ")))
}

/// The failure of a sender that reads on after it has given its task up.
fn abandoned() -> Failure {
    Failure::runtime("the task is over: it was abandoned")
}

/// Why an update did not reach its sender.
fn update_failed(error: UpdateError, cutoff: Cutoff<'_>) -> Failure {
    match error {
        UpdateError::Over => over(),
        UpdateError::Abandoned => Failure::runtime("the task is over: its sender has abandoned it"),
        UpdateError::Cut => cut_off(cutoff),
        UpdateError::Circle(names) => circle(&names),
    }
}

impl Context {
    /// Copies an array of PHP. `call` names the function in the message of a refusal.
    fn snapshot_of(&self, call: &str, array: *const ZArray) -> Result<Snapshot, Failure> {
        // SAFETY: the array is an argument of the running call on this thread: it lives, and no code writes to it.
        let copied = unsafe { Snapshot::copy_of(array, &super::objects::EngineObjects, self.limits) };
        copied.map_err(|refusal| Failure::of_refusal(call, &refusal))
    }

    /// Waits for a place in the worker's queue, for `timeout` at most. Returns the number of the task.
    fn send(&mut self, name: &[u8], payload: *const ZArray, timeout: Option<Duration>) -> Result<u64, Failure> {
        let scope = self.scope.clone().ok_or_else(no_scope)?;
        let caller = self.work.slot().map(|slot| slot.name().to_vec());
        let payload = self.snapshot_of("FrankenPHP\\SentTaskHandle::__construct()", payload)?;
        let max = self.limits.bytes.saturating_mul(TASK_WAITING_PAYLOADS_MAX);
        let _waits = Room::take(payload.bytes(), max).map_err(|used| no_room(name, payload.bytes(), used, max))?;
        let cutoff = Cutoff::of(&self.member);
        let parcel = Parcel { payload, span: spans::of_task(name, self.trace()) };
        let task = scope.send(name, parcel, timeout, &cutoff, caller.as_deref()).map_err(|refused| match refused {
            SendRefused::Failure(failure) => failure,
            SendRefused::Sending(error) => send_failed(name, timeout, error, cutoff),
        })?;
        let side = if self.exchange().is_some() { Side::SentInRequest } else { Side::Sent };
        Ok(self.tasks.add(task, side))
    }

    /// Waits for the next update. `None`: the task is complete, and all its updates were read.
    fn task_read(&mut self, id: u64, timeout: Option<Duration>) -> Result<Option<igor_reading>, Failure> {
        let task = self.tasks.get(id).map_err(|_| abandoned())?;
        let cutoff = Cutoff::of(&self.member);
        match task.read(timeout, &cutoff) {
            Read::Update(update) => {
                let serve = self.pins.take(&update);
                Ok(Some(loose_reading(&update, serve)))
            }
            Read::Complete => Ok(None),
            Read::Aborted(reason) => Err(Failure::runtime(reason)),
            Read::Abandoned => Err(abandoned()),
            Read::TimedOut => Err(Failure::runtime(format!(
                "background worker \"{}\" has sent no update within {} s, as default_socket_timeout says; the task continues",
                task.worker().name(),
                timeout.unwrap_or_default().as_secs_f64()
            ))),
            Read::Cut => Err(cut_off(cutoff)),
            Read::Circle(names) => Err(circle(&names)),
        }
    }

    /// Waits if the sender has not read the updates before.
    fn task_update(&mut self, id: u64, array: *const ZArray) -> Result<(), Failure> {
        let task = self.tasks.get(id)?;
        let update = self.snapshot_of("FrankenPHP\\ReceivedTaskHandle::update()", array)?;
        let cutoff = Cutoff::of(&self.member);
        task.update(update, &cutoff).map_err(|error| update_failed(error, cutoff))
    }

    /// Without a result it cannot fail: the task may be over already.
    fn task_complete(&mut self, id: u64, array: *const ZArray) -> Result<(), Failure> {
        let result = if array.is_null() {
            None
        } else {
            Some(self.snapshot_of("FrankenPHP\\ReceivedTaskHandle::complete()", array)?)
        };
        let task = match self.tasks.get(id) {
            Ok(task) => task,
            Err(failure) => return if result.is_some() { Err(failure) } else { Ok(()) },
        };
        let cutoff = Cutoff::of(&self.member);
        task.complete(result).map_err(|error| update_failed(error, cutoff))
    }

    /// A duplicate for the script. It becomes readable when there is something new.
    fn task_stream(&mut self, id: u64) -> Result<OwnedFd, Failure> {
        let open = self.tasks.open.get(&id).ok_or_else(over)?;
        let stream = if open.side == Side::Received { open.task.receiver_stream() } else { open.task.sender_stream() };
        stream.map_err(|error| Failure::runtime(format!("making the stream of a task: {error}")))
    }

    /// The script has closed the stream of a task.
    fn task_stream_closed(&mut self, id: u64) {
        let Some(open) = self.tasks.open.get(&id) else { return };
        if open.side == Side::Received {
            // Without a result it cannot fail, whatever has happened to the task.
            let _ = open.task.complete(None);
        } else {
            open.task.abandon();
        }
    }

    /// The script has released its handle.
    fn task_drop(&mut self, id: u64, reason: &str) {
        let Some(open) = self.tasks.open.remove(&id) else { return };
        if open.side != Side::Received {
            open.task.abandon();
        } else if open.task.abort(reason) {
            self.work.log(4, reason);
        }
    }
}

/// Why a task was not sent, and what helps.
fn send_failed(name: &[u8], timeout: Option<Duration>, error: SendError, cutoff: Cutoff<'_>) -> Failure {
    let name = String::from_utf8_lossy(name);
    match error {
        SendError::Refused(reason) => Failure::runtime(reason),
        SendError::Cut => cut_off(cutoff),
        SendError::Circle(names) => circle(&names),
        SendError::TimedOut { queued, full } => {
            let within = timeout.unwrap_or_default().as_secs_f64();
            let why = match (full, queued) {
                (true, _) => format!("its queue is full ({queued} tasks); raise its max_tasks, or run more threads"),
                (false, 0) => "no thread asked for one; its script must call \
                               FrankenPHP\\WorkerHandle::receive()"
                    .to_owned(),
                (false, _) => format!("{queued} others wait too; run more threads (`num`)"),
            };
            Failure::runtime(format!("background worker \"{name}\" has not taken the task within {within} s: {why}"))
        }
    }
}

fn no_room(name: &[u8], bytes: usize, used: usize, max: usize) -> Failure {
    let name = String::from_utf8_lossy(name);
    Failure::runtime(format!(
        "background worker \"{name}\" has no room for the task: it has {bytes} bytes, the tasks that wait have {used}, and all may \
         have {max}; send less (a path, a key), run more threads (`num`), or raise max_bytes of the vars block"
    ))
}

/// A number of seconds from C; negative: no limit.
fn duration(seconds: f64) -> Option<Duration> {
    (seconds >= 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

// ---- The worker's handle ----

leaf! {
    for Context;
    fn host_handle_open(context) -> igor_verdict, on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        let opened = context.work.listen().map_err(|error| {
            Failure::runtime(format!("FrankenPHP\\WorkerHandle: making its stream: {error}"))
        });
        context.settle(opened)
    }
}

leaf! {
    for Context;
    fn host_handle_stream(context, fd: *mut c_int) -> igor_verdict, on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        let stream = context.work.stream();
        match stream {
            Ok(stream) => {
                // SAFETY: C passes a field of its thread.
                unsafe { give(fd, to_script(stream)) };
                igor_verdict::IGOR_OK
            }
            Err(error) => context.fail(Failure::runtime(format!("FrankenPHP\\WorkerHandle: making its stream: {error}"))),
        }
    }
}

leaf! {
    for Context;
    fn host_tick(context) -> bool, on_panic true, { context.work.tick() }
}

leaf! {
    for Context;
    fn host_receive(context) -> u64, on_panic 0, {
        let Some(task) = context.work.receive() else { return 0 };
        context.tasks.add(task, Side::Received)
    }
}

// ---- Tasks ----

leaf! {
    for Context;
    fn host_task_send(context, name: *const c_char, len: usize, payload: *const c_void, timeout_s: f64, id: *mut u64)
        -> igor_verdict, on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        // SAFETY: the name is an argument of the running call.
        let name = unsafe { bytes(name, len) };
        let sent = context.send(name, payload.cast(), duration(timeout_s));
        // SAFETY: C passes a field of a live object.
        unsafe { answer(context, id, sent) }
    }
}

leaf! {
    for Context;
    fn host_task_payload(context, id: u64, reading: *mut igor_reading) -> igor_verdict,
        on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        match context.tasks.get(id) {
            Ok(task) => {
                let serve = context.pins.take(task.payload());
                // SAFETY: C passes its own local value.
                unsafe { give(reading, loose_reading(task.payload(), serve)) };
                igor_verdict::IGOR_OK
            }
            Err(failure) => context.fail(failure),
        }
    }
}

leaf! {
    for Context;
    fn host_task_read(context, id: u64, timeout_s: f64, reading: *mut igor_reading, more: *mut bool) -> igor_verdict,
        on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        match context.task_read(id, duration(timeout_s)) {
            Ok(update) => {
                // SAFETY: C passes its own local values.
                unsafe { give(more, update.is_some()) };
                if let Some(update) = update {
                    // SAFETY: as above.
                    unsafe { give(reading, update) };
                }
                igor_verdict::IGOR_OK
            }
            Err(failure) => context.fail(failure),
        }
    }
}

leaf! {
    for Context;
    fn host_task_update(context, id: u64, array: *const c_void) -> igor_verdict,
        on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        let updated = context.task_update(id, array.cast());
        context.settle(updated)
    }
}

leaf! {
    for Context;
    fn host_task_complete(context, id: u64, array: *const c_void) -> igor_verdict,
        on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        let completed = context.task_complete(id, array.cast());
        context.settle(completed)
    }
}

leaf! {
    for Context;
    fn host_task_abandon(context, id: u64) -> (), on_panic again, {
        if let Ok(task) = context.tasks.get(id) {
            task.abandon();
        }
    }
}

leaf! {
    for Context;
    fn host_task_drop(context, id: u64, class: *const c_char, class_len: usize, message: *const c_char,
        message_len: usize) -> (), on_panic (), {
        // SAFETY: both strings live during the call.
        let (class, message) = unsafe { (bytes(class, class_len), bytes(message, message_len)) };
        let why = match class {
            [] => "its handle was dropped".to_owned(),
            class => format!("{}: {}", String::from_utf8_lossy(class), String::from_utf8_lossy(message)),
        };
        let name = context.tasks.get(id).map(|task| task.worker().name().to_owned()).unwrap_or_default();
        context.task_drop(id, &format!("background worker \"{name}\" has not completed the task: {why}"));
    }
}

leaf! {
    for Context;
    fn host_task_stream_closed(context, id: u64) -> (), on_panic (), { context.task_stream_closed(id) }
}

leaf! {
    for Context;
    fn host_task_stream(context, id: u64, fd: *mut c_int) -> igor_verdict,
        on_panic igor_verdict::IGOR_RUNTIME_EXCEPTION, {
        match context.task_stream(id) {
            Ok(stream) => {
                // SAFETY: C passes a field of its thread.
                unsafe { give(fd, to_script(stream)) };
                igor_verdict::IGOR_OK
            }
            Err(failure) => context.fail(failure),
        }
    }
}
