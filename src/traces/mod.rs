//! Spans for OpenTelemetry (plain memory work): who calls whom, and for how long. `server::traces` sends them.
//!
//! There is one [`Tracer`] in the process, once a configuration has the directive `tracing`. [`tracer`] is `None` otherwise, so
//! what makes spans costs one load. A finished span goes into a bounded queue. If the queue is full, it is lost and counted:
//! nothing waits for a collector.

mod context;
mod sampler;
mod settings;
mod span;

pub use context::TraceContext;
pub use settings::{Protocol, Settings};
pub use span::{Kind, Record, Span, Value};

use crossbeam_channel::{Receiver, Sender, bounded};
use sampler::Sampler;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Makes spans, and counts what becomes of them.
pub struct Tracer {
    sampler: Sampler,
    /// Whether the contexts of callers are taken over.
    takes_over: bool,
    queue: Sender<Record>,
    /// Spans that are worth a request to the collector.
    batch: usize,
    /// Wakes who sends them.
    wake: Box<dyn Fn() + Send + Sync>,
    /// `Relaxed`, as those below: numbers that guard no memory.
    sent: AtomicU64,
    lost_full: AtomicU64,
    lost_unsent: AtomicU64,
}

/// What became of the spans so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TraceCounts {
    /// The collector has them.
    pub sent: u64,
    /// The queue was full.
    pub lost_full: u64,
    /// The collector did not take them.
    pub lost_unsent: u64,
}

static TRACER: OnceLock<Tracer> = OnceLock::new();

/// Whether the running configuration has a `tracing`. `Relaxed`: the tracer has its own synchronization.
static IS_ON: AtomicBool = AtomicBool::new(false);

/// The tracer, if the running configuration traces.
pub fn tracer() -> Option<&'static Tracer> {
    if IS_ON.load(Ordering::Relaxed) { TRACER.get() } else { None }
}

/// Switches tracing on or off. It stays off without a tracer.
pub fn switch(on: bool) {
    IS_ON.store(on, Ordering::Relaxed);
}

/// Makes the tracer of the process. Returns the finished spans; `None`: there is a tracer already.
pub fn start(settings: &Settings, wake: impl Fn() + Send + Sync + 'static) -> Option<Receiver<Record>> {
    let (tracer, records) = Tracer::new(settings, Box::new(wake));
    TRACER.set(tracer).ok().map(|()| records)
}

/// What became of the spans; zero without a tracer.
pub fn counts() -> TraceCounts {
    TRACER.get().map(Tracer::counts).unwrap_or_default()
}

/// Spans have left the queue: the collector has taken them, or they are lost.
pub fn note_export(spans: usize, is_sent: bool) {
    if let Some(tracer) = TRACER.get() {
        let counter = if is_sent { &tracer.sent } else { &tracer.lost_unsent };
        counter.fetch_add(spans as u64, Ordering::Relaxed);
    }
}

impl Tracer {
    fn new(settings: &Settings, wake: Box<dyn Fn() + Send + Sync>) -> (Self, Receiver<Record>) {
        let (queue, records) = bounded(settings.queue_spans_max);
        let tracer = Self {
            sampler: settings.sampler,
            takes_over: settings.takes_over,
            queue,
            batch: settings.batch_spans_max,
            wake,
            sent: AtomicU64::new(0),
            lost_full: AtomicU64::new(0),
            lost_unsent: AtomicU64::new(0),
        };
        (tracer, records)
    }

    /// Whether contexts are taken over from callers, and passed on.
    pub fn takes_over(&self) -> bool {
        self.takes_over
    }

    /// The context that a caller has sent, if such contexts are taken over and it is valid.
    pub fn of_caller(&self, traceparent: &[u8]) -> Option<TraceContext> {
        if self.takes_over { TraceContext::parse(traceparent) } else { None }
    }

    /// Begins a span: below `parent`, or as the first one of a trace.
    pub fn span(&'static self, name: impl FnOnce() -> String, kind: Kind, parent: Option<TraceContext>) -> Span {
        let context = TraceContext::below(parent.as_ref(), |trace| self.sampler.takes(parent.as_ref(), trace));
        Span::begin(self, name, kind, context, parent)
    }

    /// A finished span.
    fn take(&self, record: Record) {
        if self.queue.try_send(record).is_err() {
            self.lost_full.fetch_add(1, Ordering::Relaxed);
        }
        if self.queue.len() >= self.batch {
            (self.wake)();
        }
    }

    fn counts(&self) -> TraceCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TraceCounts { sent: read(&self.sent), lost_full: read(&self.lost_full), lost_unsent: read(&self.lost_unsent) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn tracer_of(
        pairs: &'static [(&'static str, &'static str)],
    ) -> (&'static Tracer, Receiver<Record>, Arc<AtomicU64>) {
        let find = |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let (settings, warnings) = Settings::read(find);
        assert!(warnings.is_empty(), "{warnings:?}");
        let woken = Arc::new(AtomicU64::new(0));
        let rings = Arc::clone(&woken);
        let wake = Box::new(move || {
            rings.fetch_add(1, Ordering::Relaxed);
        });
        let (tracer, records) = Tracer::new(&settings.expect("it is on"), wake);
        (Box::leak(Box::new(tracer)), records, woken)
    }

    #[test]
    fn a_full_queue_loses_spans_and_never_waits() {
        let limits = &[("OTEL_BSP_MAX_QUEUE_SIZE", "2"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")];
        let (tracer, records, woken) = tracer_of(limits);
        for number in 0..5 {
            drop(tracer.span(|| number.to_string(), Kind::Internal, None));
        }
        let names: Vec<String> = records.try_iter().map(|record| record.name).collect();
        assert_eq!(names, ["0", "1"]);
        assert_eq!(tracer.counts(), TraceCounts { lost_full: 3, ..TraceCounts::default() });
        assert_eq!(woken.load(Ordering::Relaxed), 4, "from the second on");
    }

    #[test]
    fn a_span_belongs_to_its_caller_s_trace() {
        let (tracer, records, _) = tracer_of(&[]);
        let caller = tracer.of_caller(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").expect("valid");
        let mut span = tracer.span(|| "GET".to_owned(), Kind::Server, Some(caller));
        span.set("http.response.status_code", 200);
        let context = span.context();
        assert_eq!((context.trace(), context.is_sampled()), (caller.trace(), true));
        assert_ne!(context.id(), caller.id());
        let inner = tracer.span(|| "php".to_owned(), Kind::Internal, Some(context));
        drop(inner);
        span.fail("status 500");
        drop(span);
        let found: Vec<Record> = records.try_iter().collect();
        let parents: Vec<_> = found.iter().map(|record| record.parent).collect();
        assert_eq!(parents, [Some(context.id()), Some(caller.id())]);
        assert!(found.iter().all(|record| record.start_nanos <= record.end_nanos && record.start_nanos > 0));
        assert_eq!(found[1].attributes, [("http.response.status_code".into(), Value::Number(200))]);
        assert_eq!(found[1].failure.as_deref(), Some("status 500"));
    }

    #[test]
    fn what_is_not_sampled_is_passed_on_and_not_recorded() {
        let (tracer, records, _) = tracer_of(&[]);
        let caller = tracer.of_caller(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00").expect("valid");
        let span = tracer.span(|| unreachable!("no name is made"), Kind::Server, Some(caller));
        assert_eq!((span.context().trace(), span.context().is_sampled()), (caller.trace(), false));
        drop(span);
        let (off, none, _) = tracer_of(&[("OTEL_TRACES_SAMPLER", "always_off"), ("OTEL_PROPAGATORS", "none")]);
        drop(off.span(|| unreachable!("no name is made"), Kind::Server, None));
        assert_eq!((records.len(), none.len()), (0, 0));
        assert_eq!(off.of_caller(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), None);
    }
}
