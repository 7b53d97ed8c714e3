//! The bounds of traces. Where the specification of OpenTelemetry names a default, it is that one.

/// Spans that wait to be sent, unless `OTEL_BSP_MAX_QUEUE_SIZE` says otherwise. Those beyond it are lost, and counted.
pub const TRACE_QUEUE_SPANS_DEFAULT: usize = 2048;

/// The largest value of `OTEL_BSP_MAX_QUEUE_SIZE`: about 100 MB of usual spans.
pub const TRACE_QUEUE_SPANS_MAX: usize = 65_536;

/// Spans of one request to the collector, unless `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` says otherwise.
pub const TRACE_BATCH_SPANS_DEFAULT: usize = 512;

/// How long a span waits for others, unless `OTEL_BSP_SCHEDULE_DELAY` says otherwise.
pub const TRACE_DELAY_MS_DEFAULT: u64 = 5000;

/// How long the collector may take for one request, unless `OTEL_EXPORTER_OTLP_TIMEOUT` says otherwise.
pub const TRACE_EXPORT_MS_DEFAULT: u64 = 10_000;

/// The longest of these two times. Longer ones would only fill the queue.
pub const TRACE_MS_MAX: u64 = 600_000;

/// How often the same spans are sent to a collector that is not there or busy. After that they are lost.
pub const TRACE_ATTEMPTS_MAX: u32 = 4;

/// The pause after the first failed attempt; each further one is twice as long.
pub const TRACE_RETRY_MS: u64 = 500;

/// How long a stop waits for the collector. Short, because a service manager waits for the stop.
pub const TRACE_FLUSH_MS_MAX: u64 = 3000;

/// The text of one attribute or name. Clients choose some of them, and a queue of spans holds them.
pub const TRACE_TEXT_BYTES_MAX: usize = 1024;

/// What is read of a collector's answer, for the log.
pub const TRACE_ANSWER_BYTES_MAX: usize = 1024;
