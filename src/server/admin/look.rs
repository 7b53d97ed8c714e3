//! Builds the views of the admin interface from the running threads.

use super::view::{
    AppView, BackgroundCounts, BackgroundView, ClusterWorkerView, ErrorView, HttpView, OpcacheView, RestartCounts,
    StoreClusterView, StoreView, TaskView, ThreadView, Threads, WaiterView, WorkerConfigView, Workers,
};
use crate::assemble;
use crate::config::{Config, ScopeLabel, WorkerConfig};
use crate::php::{ScriptError, opcache_usage};
use crate::store::{CopyCounts, Store};
use crate::tasks::TaskCounts;
use crate::threads::{LATENCY_BUCKETS, ThreadGroup, ThreadState, ThreadStatus};
use crate::vars::SlotCounters;
use crate::worker::background::{Background, ClusterView};
use crate::worker::http::HttpWorker;
use crate::worker::{Restarts, Waiter, WorkerCounters};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

/// Every worker.
pub(super) fn workers(threads: &assemble::Threads) -> Workers {
    let mut background: Vec<_> = all_background(threads).iter().map(|worker| background_view(worker)).collect();
    background.sort_by(|a, b| (&a.scope, &a.name).cmp(&(&b.scope, &b.name)));
    let mut http: Vec<_> = threads.http.iter().map(|group| http_view(group.scope.as_str(), &group.worker)).collect();
    http.sort_by(|a, b| (&a.scope, &a.name).cmp(&(&b.scope, &b.name)));
    Workers { background, http }
}

/// Every PHP thread: classic ones first, then those of HTTP workers, then those of background workers.
pub(super) fn threads(threads: &assemble::Threads) -> Threads {
    let mut all = Vec::new();
    add(&mut all, "classic", threads.classic.thread_group());
    for group in &threads.http {
        add(&mut all, "http", group.worker.thread_group());
    }
    for worker in all_background(threads) {
        add(&mut all, "background", worker.thread_group());
    }
    Threads { thread_debug_states: all, reserved_thread_count: threads.classic.status().reserve }
}

/// How long the requests of the present threads took.
pub(super) fn latency(threads: &assemble::Threads) -> Vec<u64> {
    let classic = std::iter::once(threads.classic.thread_group());
    let groups = classic.chain(threads.http.iter().map(|group| group.worker.thread_group()));
    let mut counts = vec![0; LATENCY_BUCKETS];
    for latency in groups.flat_map(ThreadGroup::latencies) {
        counts.iter_mut().zip(latency.0).for_each(|(sum, count)| *sum += u64::from(count));
    }
    counts
}

/// How full opcache is.
pub(super) fn opcache() -> Option<OpcacheView> {
    opcache_usage().map(|usage| OpcacheView {
        used_bytes: usage.used_bytes,
        free_bytes: usage.free_bytes,
        wasted_bytes: usage.wasted_bytes,
        scripts: usage.scripts,
        max_scripts: usage.scripts_max,
        hits: usage.hits,
        misses: usage.misses,
    })
}

/// Every store, by name.
pub(super) fn stores(threads: &assemble::Threads) -> Vec<StoreView> {
    threads.stores().all().iter().map(|store| store_view(store)).collect()
}

fn store_view(store: &Store) -> StoreView {
    if let Some(remote) = store.remote() {
        return remote_view(store, remote.copies().counts());
    }
    let counts = store.counts();
    StoreView {
        name: store.name().to_owned(),
        scope: store.scope().unwrap_or(ScopeLabel::GLOBAL).to_owned(),
        keys: counts.keys,
        max_keys: counts.keys_max,
        bytes: counts.bytes,
        max_bytes: counts.bytes_max,
        version: counts.version,
        hits: counts.hits,
        misses: counts.misses,
        evicted: counts.evicted,
        expired: counts.expired,
        refused: counts.refused,
        watchers: counts.watchers,
        cluster: None,
    }
}

/// A store of the cluster: the numbers are those of its copies here.
fn remote_view(store: &Store, counts: CopyCounts) -> StoreView {
    let (silent, reason) = counts.away.map_or((None, None), |(since, reason)| (Some(since), Some(reason)));
    let cluster = StoreClusterView {
        connected: silent.is_none(),
        reason,
        silent_ms: silent.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
        errors: counts.errors,
        invalidated: counts.invalidated,
    };
    StoreView {
        name: store.name().to_owned(),
        scope: store.scope().unwrap_or(ScopeLabel::GLOBAL).to_owned(),
        keys: counts.keys,
        max_keys: counts.keys_max,
        bytes: counts.bytes,
        max_bytes: counts.bytes_max,
        hits: counts.hits,
        misses: counts.misses,
        evicted: counts.evicted,
        cluster: Some(cluster),
        ..StoreView::default()
    }
}

fn all_background(threads: &assemble::Threads) -> Vec<Arc<Background>> {
    threads.background.values().flat_map(|declared| declared.workers()).collect()
}

fn background_view(worker: &Background) -> BackgroundView {
    let status = worker.status();
    let (slot, declaration) = (worker.slot(), worker.config());
    let published = slot.current();
    BackgroundView {
        scope: worker.scope().to_owned(),
        name: worker.name().to_owned(),
        file: declaration.file.clone(),
        state: status.state.to_owned(),
        threads: status.threads,
        run: status.runs,
        attempts: status.attempts,
        max_consecutive_failures: declaration.failures_max,
        last_exit_status: status.last_exit,
        last_error: status.last_error.map(error_view),
        version: published.as_ref().map_or(0, |published| published.version),
        bytes: published.as_ref().map(|published| published.snapshot.bytes()),
        last_publish_seconds: status.published.map(|published| published.as_secs_f64()),
        age_seconds: slot.age().map(|age| age.as_secs_f64()),
        waiters: status.waiters.into_iter().map(waiter_view).collect(),
        counts: background_counts(status.runs, &status.counters, slot.counters()),
        tasks: task_view(&status.tasks),
        cluster: worker.cluster().map(|cluster| cluster_view(cluster.view())),
    }
}

fn cluster_view(view: ClusterView) -> ClusterWorkerView {
    let ClusterView { leads, leader, position, behind, reached, silent, error, errors, elections, refused } = view;
    ClusterWorkerView {
        leads,
        leader,
        epoch: position.epoch,
        number: position.number,
        behind,
        reached,
        silent_seconds: silent.as_secs(),
        error,
        errors,
        elections,
        refused,
    }
}

fn waiter_view(waiter: Waiter) -> WaiterView {
    WaiterView { thread: waiter.thread, seconds: waiter.since.as_secs_f64() }
}

/// `runs` counts every start of the script; the slot counts what the script published and what others read.
fn background_counts(runs: u64, counters: &WorkerCounters, slot: &SlotCounters) -> BackgroundCounts {
    let Restarts { exit, failure, restart, reload } = counters.restarts;
    BackgroundCounts {
        starts: runs,
        ready: counters.ready,
        failures: counters.failures,
        give_ups: counters.give_ups,
        kills: counters.kills,
        restarts: RestartCounts { exit, failure, restart, reload },
        publishes: slot.publishes.load(Ordering::Relaxed),
        skipped_publishes: slot.unchanged.load(Ordering::Relaxed),
        reads: slot.reads.load(Ordering::Relaxed),
    }
}

fn task_view(counts: &TaskCounts) -> TaskView {
    let TaskCounts { queued, oldest, running, completed, aborted, abandoned, timed_out, time } = *counts;
    TaskView {
        queued,
        oldest_seconds: oldest.map(|oldest| oldest.as_secs_f64()),
        running,
        completed,
        aborted,
        abandoned,
        timed_out,
        seconds: time.as_secs_f64(),
    }
}

fn busy_threads(worker: &HttpWorker) -> usize {
    let threads = worker.thread_group().threads();
    threads.iter().filter(|thread| thread.activity.state == ThreadState::Busy).count()
}

fn http_view(scope: &str, worker: &HttpWorker) -> HttpView {
    let (status, declaration) = (worker.status(), worker.config());
    HttpView {
        scope: scope.to_owned(),
        name: declaration.name.clone(),
        file: declaration.file.clone(),
        threads: status.threads,
        ready: status.ready,
        busy: busy_threads(worker),
        idle: status.idle,
        queue: status.waiting,
        requests: status.counters.requests,
        request_seconds: status.counters.request_time.as_secs_f64(),
        crashes: status.counters.crashes,
        restarts: status.counters.restarts,
        last_exit_status: status.last_exit,
        last_error: status.last_error.map(error_view),
    }
}

fn error_view(error: ScriptError) -> ErrorView {
    ErrorView { message: error.summary(), file: error.file, line: error.line }
}

fn add(all: &mut Vec<ThreadView>, kind: &str, thread_group: &ThreadGroup) {
    for thread in thread_group.threads() {
        all.push(thread_view(all.len(), kind, thread_group, thread));
    }
}

fn milliseconds_since_1970() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, milliseconds)
}

fn thread_view(index: usize, kind: &str, thread_group: &ThreadGroup, thread: ThreadStatus) -> ThreadView {
    let ThreadStatus { name, activity: seen, place } = thread;
    let (identity, since) = (thread_group.identity(), milliseconds(seen.since));
    let (is_waiting, is_busy) = (seen.state == ThreadState::Idle, seen.state == ThreadState::Busy);
    ThreadView {
        index,
        name,
        kind: kind.to_owned(),
        worker: identity.worker.clone(),
        scope: identity.scope.clone(),
        script: identity.script.clone().or_else(|| (!seen.script.is_empty()).then(|| seen.script.into())),
        state: seen.state.word().to_owned(),
        state_since_milliseconds: since,
        run: seen.run,
        place,
        is_waiting,
        is_busy,
        waiting_since_milliseconds: if is_waiting { since } else { 0 },
        current_uri: seen.uri,
        current_method: seen.method,
        request_started_at: if is_busy { milliseconds_since_1970().saturating_sub(since) } else { 0 },
        request_count: seen.requests,
    }
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The settings of PHP in the configuration.
pub(super) fn app(config: &Config) -> AppView {
    AppView {
        pid: std::process::id(),
        num_threads: config.global.frankenphp.num_threads,
        workers: config.scopes().flat_map(|scope| scope.workers).map(config_view).collect(),
    }
}

fn config_view(worker: &WorkerConfig) -> WorkerConfigView {
    let (name, file_name) = (worker.name.clone(), worker.file.clone());
    WorkerConfigView { name, file_name, num: worker.num, background: worker.is_background() }
}
