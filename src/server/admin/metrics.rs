//! The metrics, in the text format of Prometheus. Names that start with `frankenphp_` are FrankenPHP's, with the same
//! meaning, so that its dashboards work. All others begin with `igor_`.
//!
//! They are built on request from the views of the admin interface. Serving a request counts nothing only for them.

use super::view::{
    BackgroundView, ClusterWorkerView, HttpView, RestartCounts, StoreClusterView, StoreView, TaskView, ThreadView,
    Threads, Workers,
};
use crate::mercure::HubCounts;
use crate::php::{Restarts, floor_above};
use crate::traces::TraceCounts;
use crate::vars::MemoryStats;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};
use std::collections::BTreeMap;

/// The media type of the answer.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The metrics of the process as a whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Process {
    /// Requests that wait for a classic thread.
    pub(super) classic_queue: usize,
    /// When the process started, in seconds since 1970.
    pub(super) started_at: f64,
    /// The snapshots of all workers.
    pub(super) snapshots: MemoryStats,
    /// How often opcache was emptied.
    pub(super) opcache: Restarts,
    /// Log records that could not be written.
    pub(super) lost_records: u64,
    /// The spans of traces.
    pub(super) traces: TraceCounts,
    /// The Mercure hubs, if there are any.
    pub(super) hubs: Option<HubCounts>,
    /// The version of PHP.
    pub(super) php: &'static str,
}

/// All metrics as text.
///
/// # Errors A family has no name: a bug in this file.
pub(super) fn render(
    workers: &Workers,
    threads: &Threads,
    stores: &[StoreView],
    process: Process,
) -> prometheus::Result<String> {
    let mut families = of_threads(threads, process);
    families.extend(of_snapshots(process.snapshots));
    families.push(of_opcache(process.opcache));
    families.push(of_log(process.lost_records));
    families.extend(of_traces(process.traces));
    families.extend(process.hubs.into_iter().flat_map(of_hubs));
    families.extend(of_all_workers(workers));
    families.extend(of_http(&workers.http));
    families.extend(of_background(&workers.background));
    families.extend(of_stores(stores));
    families.extend(of_cluster_stores(stores));
    // Without workers their families are empty, and the encoder refuses empty ones.
    families.retain(|family| !family.get_metric().is_empty());
    let mut text = Vec::new();
    TextEncoder::new().encode(&families, &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The value of the label `worker`. It contains the scope, because two scopes may use the same name.
fn label(scope: &str, name: &str) -> String {
    format!("m#{scope}:{name}")
}

/// The value of each combination of labels (names and values).
type Samples = Vec<(Vec<(&'static str, String)>, f64)>;

fn pair((name, value): (&str, String)) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value);
    pair
}

fn family(name: &str, help: &str, kind: MetricType, samples: Samples) -> MetricFamily {
    let metrics = samples.into_iter().map(|(labels, value)| {
        let mut metric = Metric::from_label(labels.into_iter().map(pair).collect());
        if kind == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        metric
    });
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics.collect());
    family
}

fn gauge(name: &str, help: &str, value: f64) -> MetricFamily {
    family(name, help, MetricType::GAUGE, vec![(Vec::new(), value)])
}

/// Under the names of the Mercure hub for Caddy; of the cluster under names of our own.
fn of_hubs(hubs: HubCounts) -> Vec<MetricFamily> {
    let counter = |name, help, value: u64| family(name, help, MetricType::COUNTER, vec![(Vec::new(), value as f64)]);
    let mut families = vec![
        gauge("mercure_subscribers_connected", "Streams that are open now.", hubs.connected as f64),
        counter("mercure_subscribers_total", "Streams since the start.", hubs.subscribers),
        counter("mercure_updates_total", "Updates since the start.", hubs.updates),
    ];
    if let Some(relays) = hubs.relays {
        families.extend([
            gauge("igor_mercure_cluster_waiting", "Updates that wait for the engine.", relays.waiting as f64),
            counter("igor_mercure_cluster_sent_total", "Updates that the engine has accepted.", relays.sent),
            counter("igor_mercure_cluster_received_total", "Updates of other instances.", relays.received),
            counter("igor_mercure_cluster_dropped_total", "Updates that did not reach the engine.", relays.dropped),
            counter("igor_mercure_cluster_missed_total", "Updates of others that did not come.", relays.missed),
            counter(
                "igor_mercure_cluster_unreadable_total",
                "Updates in the engine that could not be read.",
                relays.unreadable,
            ),
        ]);
    }
    families
}

fn of_threads(threads: &Threads, process: Process) -> Vec<MetricFamily> {
    let all = &threads.thread_debug_states;
    // As in FrankenPHP, a thread of a worker is always busy.
    let busy = all.iter().filter(|thread| thread.is_busy || thread.kind != "classic").count();
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned()), ("php", process.php.to_owned())];
    let php_unsafe = f64::from(u8::from(floor_above(process.php).is_some()));
    vec![
        gauge("frankenphp_total_threads", "PHP threads.", all.len() as f64),
        gauge("frankenphp_busy_threads", "PHP threads that serve a request, and all threads of workers.", busy as f64),
        gauge("frankenphp_queue_depth", "Requests that wait for a classic thread.", process.classic_queue as f64),
        family("igor_threads", "PHP threads by kind and state.", MetricType::GAUGE, by_state(all)),
        family(
            "igor_build_info",
            "The versions of igor and of PHP; always 1.",
            MetricType::GAUGE,
            vec![(version, 1.0)],
        ),
        gauge("igor_php_unsafe", "Whether remote code execution is public for this release of PHP.", php_unsafe),
        gauge("process_start_time_seconds", "When the process started, in seconds since 1970.", process.started_at),
    ]
}

fn of_opcache(restarts: Restarts) -> MetricFamily {
    let results = [("reset", restarts.reset), ("full", restarts.full), ("given_up", restarts.given_up)];
    let samples = results.map(|(reason, count)| (vec![("reason", reason.to_owned())], count as f64));
    let help = "How often opcache was emptied: after opcache_reset(), because it was full; given_up: a script did not end for it.";
    family("igor_opcache_restarts_total", help, MetricType::COUNTER, samples.into())
}

fn of_traces(counts: TraceCounts) -> [MetricFamily; 2] {
    let lost = |reason: &str, spans: u64| (vec![("reason", reason.to_owned())], spans as f64);
    let (sent, lost) = (
        vec![(Vec::new(), counts.sent as f64)],
        vec![lost("queue full", counts.lost_full), lost("collector", counts.lost_unsent)],
    );
    [
        family("igor_trace_spans_sent_total", "Spans that the collector has taken.", MetricType::COUNTER, sent),
        family(
            "igor_trace_spans_lost_total",
            "Spans that were lost: too many at once, or the collector did not take them.",
            MetricType::COUNTER,
            lost,
        ),
    ]
}

fn of_log(lost_records: u64) -> MetricFamily {
    let help = "Log records that could not be written, to a full disk for example.";
    family("igor_log_records_lost_total", help, MetricType::COUNTER, vec![(Vec::new(), lost_records as f64)])
}

fn by_state(threads: &[ThreadView]) -> Samples {
    let mut states: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    threads.iter().for_each(|thread| *states.entry((&thread.kind, &thread.state)).or_default() += 1);
    states.into_iter().map(|((kind, state), count)| (kind_and_state(kind, state), count as f64)).collect()
}

fn kind_and_state(kind: &str, state: &str) -> Vec<(&'static str, String)> {
    vec![("kind", kind.to_owned()), ("state", state.to_owned())]
}

fn of_snapshots(stats: MemoryStats) -> Vec<MetricFamily> {
    let by_policy = stats.copies.saturating_sub(stats.copies_forced);
    let copies = [("policy", by_policy), ("budget", stats.copies_forced)]
        .map(|(reason, count)| (vec![("reason", reason.to_owned())], count as f64));
    vec![
        gauge(
            "igor_snapshots",
            "Snapshots in memory: the newest of each worker, and replaced ones that a script may still look at.",
            stats.live_snapshots as f64,
        ),
        gauge("igor_snapshot_bytes", "Bytes of all snapshots in memory.", stats.live_bytes as f64),
        gauge(
            "igor_snapshots_pinned",
            "Replaced snapshots that a script may still look at, or that wait to be freed.",
            stats.pinned_snapshots as f64,
        ),
        gauge("igor_snapshot_pinned_bytes", "Bytes of the replaced snapshots.", stats.pinned_bytes as f64),
        family(
            "igor_snapshot_copies_total",
            "Reads that gave a copy: because of the policy for long-lived scripts, or because a budget is used up.",
            MetricType::COUNTER,
            copies.into(),
        ),
    ]
}

/// FrankenPHP's metrics of a worker, for both kinds.
fn of_all_workers(workers: &Workers) -> Vec<MetricFamily> {
    type OfHttp = fn(&HttpView) -> f64;
    type OfBackground = fn(&BackgroundView) -> f64;
    let make = |name: &str, help: &str, kind: MetricType, http: OfHttp, background: OfBackground| {
        let of_http = workers.http.iter().map(|view| (label(&view.scope, &view.name), http(view)));
        let of_background = workers.background.iter().map(|view| (label(&view.scope, &view.name), background(view)));
        let samples = of_http.chain(of_background).map(|(worker, value)| (vec![("worker", worker)], value));
        family(name, help, kind, samples.collect())
    };
    vec![
        make(
            "frankenphp_total_workers",
            "Threads of a worker.",
            MetricType::GAUGE,
            |http| http.threads as f64,
            |background| background.threads as f64,
        ),
        make(
            "frankenphp_ready_workers",
            "Threads of a worker whose script has called frankenphp_handle_request(); all threads of a background worker \
             that has published something.",
            MetricType::GAUGE,
            |http| http.ready as f64,
            |background| if background.state == "ready" { background.threads as f64 } else { 0.0 },
        ),
        make(
            "frankenphp_worker_crashes",
            "Runs of a worker's script that failed.",
            MetricType::COUNTER,
            |http| http.crashes as f64,
            |background| background.counts.failures as f64,
        ),
        make(
            "frankenphp_worker_restarts",
            "Restarts of a worker's script that count as no failure.",
            MetricType::COUNTER,
            |http| http.restarts as f64,
            |background| harmless_restarts(background.counts.restarts) as f64,
        ),
    ]
}

/// As in FrankenPHP, a run that failed counts as a crash and not as a restart.
fn harmless_restarts(RestartCounts { exit, failure: _, restart, reload }: RestartCounts) -> u64 {
    exit + restart + reload
}

fn of_http(workers: &[HttpView]) -> Vec<MetricFamily> {
    let make = |name: &str, help: &str, kind: MetricType, value: fn(&HttpView) -> f64| {
        let samples = workers.iter().map(|view| (vec![("worker", label(&view.scope, &view.name))], value(view)));
        family(name, help, kind, samples.collect())
    };
    vec![
        make("frankenphp_busy_workers", "Threads of an HTTP worker that serve a request.", MetricType::GAUGE, |view| {
            view.busy as f64
        }),
        make(
            "frankenphp_worker_request_time",
            "Seconds that threads of an HTTP worker spent on requests.",
            MetricType::COUNTER,
            |view| view.request_seconds,
        ),
        make(
            "frankenphp_worker_request_count",
            "Requests that an HTTP worker has served.",
            MetricType::COUNTER,
            |view| view.requests as f64,
        ),
        make(
            "frankenphp_worker_queue_depth",
            "Requests that wait for a thread of an HTTP worker.",
            MetricType::GAUGE,
            |view| view.queue as f64,
        ),
    ]
}

/// Of the workers that belong to a cluster.
fn of_cluster(workers: &[BackgroundView]) -> Vec<MetricFamily> {
    type Value = fn(&ClusterWorkerView) -> f64;
    let make = |name: &str, help: &str, kind: MetricType, value: Value| {
        let sample = |view: &BackgroundView| {
            Some((vec![("worker", label(&view.scope, &view.name))], value(view.cluster.as_ref()?)))
        };
        family(name, help, kind, workers.iter().filter_map(sample).collect())
    };
    let (counter, gauge) = (MetricType::COUNTER, MetricType::GAUGE);
    let families: [(&str, &str, MetricType, Value); 8] = [
        ("igor_cluster_leads", "1 when this instance runs the worker of the cluster.", gauge, |view| {
            f64::from(u8::from(view.leads))
        }),
        ("igor_cluster_epoch", "Which leader has published the snapshot; 0 before the first.", gauge, |view| {
            view.epoch as f64
        }),
        ("igor_cluster_number", "The publishes of that leader.", gauge, |view| view.number as f64),
        ("igor_cluster_behind", "Publishes that the engine has not accepted yet.", gauge, |view| view.behind as f64),
        ("igor_cluster_silent_seconds", "Seconds since the engine has answered, or since the start.", gauge, |view| {
            view.silent_seconds as f64
        }),
        ("igor_cluster_engine_errors_total", "Calls of the engine that failed.", counter, |view| view.errors as f64),
        ("igor_cluster_elections_total", "How often this instance has become the leader.", counter, |view| {
            view.elections as f64
        }),
        ("igor_cluster_refused_total", "Publishes refused because another instance leads.", counter, |view| {
            view.refused as f64
        }),
    ];
    families.into_iter().map(|(name, help, kind, value)| make(name, help, kind, value)).collect()
}

fn of_background(workers: &[BackgroundView]) -> Vec<MetricFamily> {
    type Value = fn(&BackgroundView) -> Option<f64>;
    let make = |name: &str, help: &str, kind: MetricType, value: Value| {
        let sample = |view: &BackgroundView| Some((vec![("worker", label(&view.scope, &view.name))], value(view)?));
        family(name, help, kind, workers.iter().filter_map(sample).collect())
    };
    let (counter, gauge) = (MetricType::COUNTER, MetricType::GAUGE);
    let families: [(&str, &str, MetricType, Value); 17] = [
        ("igor_worker_starts_total", "Runs of a background worker's script.", counter, |view| {
            Some(view.counts.starts as f64)
        }),
        ("igor_worker_ready_total", "Runs that have become ready: that have published.", counter, |view| {
            Some(view.counts.ready as f64)
        }),
        ("igor_worker_failures_total", "Runs that failed.", counter, |view| Some(view.counts.failures as f64)),
        ("igor_worker_give_ups_total", "How often a worker was given up.", counter, |view| {
            Some(view.counts.give_ups as f64)
        }),
        ("igor_worker_kills_total", "Runs that had to be interrupted.", counter, |view| Some(view.counts.kills as f64)),
        ("igor_worker_publishes_total", "Publishes that changed something.", counter, |view| {
            Some(view.counts.publishes as f64)
        }),
        ("igor_worker_publishes_skipped_total", "Publishes of what was already there.", counter, |view| {
            Some(view.counts.skipped_publishes as f64)
        }),
        (
            "igor_worker_reads_total",
            "Reads that missed the reading cache of their thread: the first in a PHP request, and the first after a \
             publish. Others are not counted, because counting would cost more than the read.",
            counter,
            |view| Some(view.counts.reads as f64),
        ),
        ("igor_worker_threads", "PHP threads that run a background worker.", gauge, |view| Some(view.threads as f64)),
        ("igor_worker_ready", "1 when a worker has published and is not given up.", gauge, |view| {
            Some(f64::from(u8::from(view.state == "ready")))
        }),
        ("igor_worker_given_up", "1 while a worker is given up.", gauge, |view| {
            Some(f64::from(u8::from(view.state == "given up")))
        }),
        ("igor_worker_attempts", "Failed runs in a row.", gauge, |view| Some(f64::from(view.attempts))),
        ("igor_worker_waiters", "Scripts that wait for a worker to become ready.", gauge, |view| {
            Some(view.waiters.len() as f64)
        }),
        ("igor_worker_snapshot_version", "The version of a worker's snapshot; 0 before the first.", gauge, |view| {
            Some(view.version as f64)
        }),
        ("igor_worker_snapshot_bytes", "The size of a worker's snapshot.", gauge, |view| {
            view.bytes.map(|bytes| bytes as f64)
        }),
        ("igor_worker_snapshot_age_seconds", "Seconds since a worker's snapshot last changed.", gauge, |view| {
            view.age_seconds
        }),
        (
            "igor_worker_last_publish_seconds",
            "Seconds since a worker last published, be it what was already there.",
            gauge,
            |view| view.last_publish_seconds,
        ),
    ];
    let mut families: Vec<_> =
        families.into_iter().map(|(name, help, kind, value)| make(name, help, kind, value)).collect();
    families.extend(of_cluster(workers));
    families.push(restarts(workers));
    families.extend(of_tasks(workers));
    families
}

fn of_stores(stores: &[StoreView]) -> Vec<MetricFamily> {
    type Value = fn(&StoreView) -> u64;
    let (counter, gauge) = (MetricType::COUNTER, MetricType::GAUGE);
    let families: [(&str, &str, MetricType, Value); 9] = [
        ("igor_store_keys", "Elements of a store.", gauge, |view| view.keys as u64),
        ("igor_store_bytes", "Bytes of all elements of a store.", gauge, |view| view.bytes as u64),
        ("igor_store_max_bytes", "How many bytes there may be.", gauge, |view| view.max_bytes as u64),
        ("igor_store_changes_total", "Changes of a store.", counter, |view| view.version),
        ("igor_store_hits_total", "Reads of a store that found an element.", counter, |view| view.hits),
        ("igor_store_misses_total", "Reads of a store that found none.", counter, |view| view.misses),
        ("igor_store_evicted_total", "Elements that a store has removed to make room.", counter, |view| view.evicted),
        ("igor_store_expired_total", "Elements whose time was over.", counter, |view| view.expired),
        ("igor_store_refused_total", "Writes for which a store had no room.", counter, |view| view.refused),
    ];
    let make = |(name, help, kind, value): (&str, &str, MetricType, Value)| {
        let labels = |view: &StoreView| vec![("scope", view.scope.clone()), ("store", view.name.clone())];
        let samples = stores.iter().map(|view| (labels(view), value(view) as f64));
        family(name, help, kind, samples.collect())
    };
    families.into_iter().map(make).collect()
}

/// Of the stores of the cluster alone.
fn of_cluster_stores(stores: &[StoreView]) -> Vec<MetricFamily> {
    type Value = fn(&StoreClusterView) -> f64;
    let (counter, gauge) = (MetricType::COUNTER, MetricType::GAUGE);
    let families: [(&str, &str, MetricType, Value); 4] = [
        ("igor_store_connected", "1 when a store of the cluster is connected to its engine.", gauge, |view| {
            f64::from(u8::from(view.connected))
        }),
        ("igor_store_silent_seconds", "For how long it has not been connected.", gauge, |view| {
            view.silent_ms as f64 / 1000.0
        }),
        ("igor_store_engine_errors_total", "Calls of a store that its engine has not done.", counter, |view| {
            view.errors as f64
        }),
        ("igor_store_invalidated_total", "Copies removed because their elements have changed.", counter, |view| {
            view.invalidated as f64
        }),
    ];
    let make = |(name, help, kind, value): (&str, &str, MetricType, Value)| {
        let sample = |view: &StoreView| {
            let labels = vec![("scope", view.scope.clone()), ("store", view.name.clone())];
            Some((labels, value(view.cluster.as_ref()?)))
        };
        family(name, help, kind, stores.iter().filter_map(sample).collect())
    };
    families.into_iter().map(make).collect()
}

fn of_tasks(workers: &[BackgroundView]) -> Vec<MetricFamily> {
    type Value = fn(&BackgroundView) -> f64;
    let make = |name: &str, help: &str, kind: MetricType, value: Value| {
        let samples = workers.iter().map(|view| (vec![("worker", label(&view.scope, &view.name))], value(view)));
        family(name, help, kind, samples.collect())
    };
    let (counter, gauge) = (MetricType::COUNTER, MetricType::GAUGE);
    let outcomes = workers.iter().flat_map(|view| {
        let TaskView { completed, aborted, abandoned, timed_out, .. } = view.tasks;
        let outcomes =
            [("completed", completed), ("aborted", aborted), ("abandoned", abandoned), ("timeout", timed_out)];
        outcomes.map(|(outcome, count)| {
            (vec![("worker", label(&view.scope, &view.name)), ("outcome", outcome.to_owned())], count as f64)
        })
    });
    let help = "Tasks of a background worker that are over, by how: completed, aborted (its run ended or dropped them), \
                abandoned (the sender gave them up), timeout (no thread took them in time).";
    vec![
        family("frankenphp_worker_task_count", help, counter, outcomes.collect()),
        make("igor_worker_tasks_queued", "Tasks that wait for a thread of a worker.", gauge, |view| {
            view.tasks.queued as f64
        }),
        make(
            "igor_worker_task_oldest_seconds",
            "How long the oldest of them has been waiting; 0: none.",
            gauge,
            |view| view.tasks.oldest_seconds.unwrap_or(0.0),
        ),
        make("igor_worker_tasks_running", "Tasks that threads of a worker have taken.", gauge, |view| {
            view.tasks.running as f64
        }),
        make("igor_worker_task_seconds_total", "Seconds that threads of a worker spent on tasks.", counter, |view| {
            view.tasks.seconds
        }),
    ]
}

fn restarts(workers: &[BackgroundView]) -> MetricFamily {
    let samples = workers.iter().flat_map(|view| {
        let RestartCounts { exit, failure, restart, reload } = view.counts.restarts;
        let reasons = [("exit", exit), ("failure", failure), ("restart", restart), ("reload", reload)];
        reasons.map(|(reason, count)| {
            (vec![("worker", label(&view.scope, &view.name)), ("reason", reason.to_owned())], count as f64)
        })
    });
    let help = "Runs that followed another, by what ended the one before.";
    family("igor_worker_restarts_total", help, MetricType::COUNTER, samples.collect())
}
