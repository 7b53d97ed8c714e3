//! The spans of what scripts do: their work for a request, publishes, and tasks.

use super::work::{Run, ScriptError};
use crate::exchange::RequestHead;
use crate::traces::{Kind, Span, TraceContext, tracer};

/// The variable of the environment with the context of the current span, as OpenTelemetry names it.
pub(super) const TRACEPARENT: &[u8] = b"TRACEPARENT";

/// The work of a script for a request with a span; of a worker's script, `run` is its current run.
pub(super) fn of_script(head: &RequestHead, run: Option<&Run>) -> Option<Span> {
    let parent = head.trace?;
    let script = run.map_or(&head.script, |run| &run.script).to_string_lossy();
    let name = || format!("php {}", script.rsplit('/').next().unwrap_or_default());
    let mut span = tracer()?.span(name, Kind::Internal, Some(parent));
    span.set("code.file.path", &*script);
    span.set("igor.thread", std::thread::current().name().unwrap_or_default());
    Some(span)
}

/// The script has failed. Its message may quote what is secret, so only the log has it.
pub(super) fn note_failure(span: &mut Span, error: Option<&ScriptError>) {
    let Some(error) = error else {
        span.fail("the script has failed");
        return;
    };
    span.fail(&format!("{} in {}:{}", error.level, error.file, error.line));
}

/// The publish of a background worker.
pub(super) fn of_publish(worker: &[u8], parent: Option<TraceContext>) -> Option<Span> {
    let name = || format!("publish {}", String::from_utf8_lossy(worker));
    Some(tracer()?.span(name, Kind::Internal, parent))
}

/// The publish has this version and size now.
pub(super) fn note_version(span: &mut Span, version: u64, bytes: usize) {
    span.set("igor.version", i64::try_from(version).unwrap_or(i64::MAX));
    span.set("igor.bytes", i64::try_from(bytes).unwrap_or(i64::MAX));
}

/// A task, from now until it is over.
pub(super) fn of_task(worker: &[u8], parent: Option<TraceContext>) -> Option<Span> {
    let name = || format!("task {}", String::from_utf8_lossy(worker));
    Some(tracer()?.span(name, Kind::Internal, parent))
}
