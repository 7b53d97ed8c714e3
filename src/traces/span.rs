//! One span: what was done, from when to when.

use super::Tracer;
use super::context::TraceContext;
use crate::limits::TRACE_TEXT_BYTES_MAX;
use std::borrow::Cow;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What a span has to do with others. The numbers are those of OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Work inside of the process.
    Internal = 1,
    /// A request that is answered.
    Server = 2,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(cut(text))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// A finished span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its trace and its number.
    pub context: TraceContext,
    /// The number of the span above it.
    pub parent: Option<[u8; 8]>,
    /// What other systems have sent beside the context (`tracestate`).
    pub state: String,
    /// What was done.
    pub name: String,
    /// What it has to do with others.
    pub kind: Kind,
    /// When it began, in nanoseconds since 1970.
    pub start_nanos: u64,
    /// When it ended.
    pub end_nanos: u64,
    /// The facts about it.
    pub attributes: Vec<(Cow<'static, str>, Value)>,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

/// What is being done. It ends when it is dropped.
pub struct Span {
    context: TraceContext,
    /// `None`: it is not recorded.
    open: Option<Box<Open>>,
}

struct Open {
    tracer: &'static Tracer,
    record: Record,
    /// The clock of `start_nanos` may jump.
    started: Instant,
}

impl Span {
    /// Begins now.
    pub(super) fn begin(
        tracer: &'static Tracer,
        name: impl FnOnce() -> String,
        kind: Kind,
        context: TraceContext,
        parent: Option<TraceContext>,
    ) -> Self {
        let open = context.is_sampled().then(|| {
            let start_nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, nanos);
            let record = Record {
                context,
                parent: parent.map(|parent| parent.id()),
                state: String::new(),
                name: cut(&name()),
                kind,
                start_nanos,
                end_nanos: start_nanos,
                attributes: Vec::new(),
                failure: None,
            };
            Box::new(Open { tracer, record, started: Instant::now() })
        });
        Self { context, open }
    }

    /// Its trace and its number.
    pub fn context(&self) -> TraceContext {
        self.context
    }

    /// Whether it is recorded: others need no attributes.
    pub fn is_recorded(&self) -> bool {
        self.open.is_some()
    }

    /// Adds a fact.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        if let Some(open) = &mut self.open {
            open.record.attributes.push((name.into(), value.into()));
        }
    }

    /// Keeps what other systems have sent beside the context.
    pub fn set_state(&mut self, state: &str) {
        // A part of it would not be valid.
        if let Some(open) = self.open.as_mut().filter(|_| state.len() <= TRACE_TEXT_BYTES_MAX) {
            state.clone_into(&mut open.record.state);
        }
    }

    /// It has failed, for this reason.
    pub fn fail(&mut self, reason: &str) {
        if let Some(open) = &mut self.open {
            open.record.failure = Some(cut(reason));
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            let Open { tracer, mut record, started } = *open;
            record.end_nanos = record.start_nanos.saturating_add(nanos(started.elapsed()));
            tracer.take(record);
        }
    }
}

fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// At most the bytes that a text may have, and whole letters.
fn cut(text: &str) -> String {
    let mut end = text.len().min(TRACE_TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_letters() {
        let text = "é".repeat(TRACE_TEXT_BYTES_MAX);
        assert_eq!(cut(&format!("a{text}")).len(), TRACE_TEXT_BYTES_MAX - 1);
        assert_eq!(cut("short"), "short");
    }
}
