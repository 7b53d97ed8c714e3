//! Decides how many threads of each kind a configuration needs, and with which options (pure).

use crate::config::{
    Config, IniSetting, MaxThreads, PathPattern, ScopeLabel, StoreSettings, VarsMode, VarsSettings, WorkerConfig,
    WorkerKind,
};
use crate::exchange::{IniText, Pairs};
use crate::limits::{SURPLUS_THREAD_IDLE_SECONDS, SURPLUS_THREAD_IDLE_SECONDS_MIN};
use crate::php::{EngineOptions, ThreadOptions, ini_line};
use crate::store::{DeclaredStore, Eviction, StoreConfig, Stores};
use crate::vars::{CopyBudget, Limits, Mode, Policy, set_hardened};
use crate::worker::background::{BackgroundConfig, Feed, ReadyWhen, Shared};
use crate::worker::scope::{CatchAll, ScopeConfig};
use crate::worker::{ScopeWorkers, classic, http};
use std::collections::HashMap;
use std::ffi::CString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Builds the options of the engine, which must be complete before PHP starts.
pub(crate) fn engine_options(config: &Config) -> EngineOptions {
    let background: usize =
        config.scopes().flat_map(|scope| scope.workers).map(|worker| worker.boot_threads(processors())).sum();
    let mut ini = config.global.frankenphp.php_ini.clone();
    // c/apcu.c looks for this setting when PHP starts.
    ini.extend(config.global.frankenphp.apcu.iter().map(|store| ("igor.apcu".to_owned(), store.clone())));
    EngineOptions {
        ini,
        threads: classic_threads(config).threads_max + background,
        executable: command_line(),
        ..EngineOptions::default()
    }
}

/// The `php` beside this PHP, or the one that `IGOR_PHP_CLI` names, as for `igor php-cli`. Scripts start others by
/// `PHP_BINARY`, for example Laravel's `schedule:work`, and Igor runs no script by its name.
fn command_line() -> Option<PathBuf> {
    let named = std::env::var_os("IGOR_PHP_CLI").filter(|name| !name.is_empty());
    Some(named.map_or_else(|| env!("IGOR_PHP_CLI_BUILT").into(), PathBuf::from)).filter(|path| path.is_file())
}

/// How many classic threads: `num_threads` counts all threads that serve requests, so the threads of HTTP workers are
/// subtracted.
pub(super) fn classic_threads(config: &Config) -> classic::ClassicConfig {
    let frankenphp = &config.global.frankenphp;
    let of_workers: usize = http_workers(config).map(|(_, worker)| worker.boot_threads(processors())).sum();
    let threads = frankenphp.num_threads.unwrap_or(2 * processors()).saturating_sub(of_workers).max(1);
    let threads_max = match frankenphp.max_threads {
        None => threads,
        // One thread per 32 MiB of memory would be too many for most machines; eight per processor serve scripts that
        // mostly wait.
        Some(MaxThreads::Auto) => threads.max(8 * processors()),
        Some(MaxThreads::Count(count)) => count.saturating_sub(of_workers).max(threads),
    };
    classic::ClassicConfig {
        threads,
        threads_max,
        idle: frankenphp.max_idle_time.map_or(Duration::from_secs(SURPLUS_THREAD_IDLE_SECONDS), |idle| {
            idle.max(Duration::from_secs(SURPLUS_THREAD_IDLE_SECONDS_MIN))
        }),
        requests_max: frankenphp.max_requests,
    }
}

pub(super) fn http_workers(config: &Config) -> impl Iterator<Item = (&ScopeLabel, &WorkerConfig)> {
    config
        .scopes()
        .flat_map(|scope| scope.workers.iter().map(move |worker| (scope.label, worker)))
        .filter(|(_, worker)| !worker.is_background())
}

/// Whether the scripts of a scope see the background workers of the global one, because it declares none.
pub(super) fn sees_global(config: &Config, label: &ScopeLabel) -> bool {
    let mut of_scope = config.scopes().filter(|scope| scope.label == label).flat_map(|scope| scope.workers);
    !of_scope.any(WorkerConfig::is_background)
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The options of every PHP thread.
pub(crate) fn thread_options(config: &Config, copy_budget: Arc<CopyBudget>, stores: Arc<Stores>) -> ThreadOptions {
    let vars = &config.global.frankenphp.vars;
    // Once enabled it stays enabled: snapshots of an older configuration must not lose their protection.
    if vars.hardened {
        set_hardened(true);
    }
    ThreadOptions {
        name: String::new(),
        blocks_signals: false,
        settings: Arc::default(),
        policy: policy(vars),
        copy_budget,
        limits: Limits { bytes: vars.max_bytes, depth: vars.max_depth },
        stores,
    }
}

/// The stores of every scope.
pub(crate) fn declared_stores(config: &Config) -> Vec<DeclaredStore> {
    config.scopes().flat_map(|scope| scope.stores.iter().map(move |store| declared(scope.label, store))).collect()
}

fn declared(label: &ScopeLabel, store: &StoreSettings) -> DeclaredStore {
    let eviction = if store.evicts { Eviction::Lru } else { Eviction::None };
    let config = StoreConfig { bytes_max: store.max_bytes, keys_max: store.max_keys, eviction };
    let scope = (!label.is_global()).then(|| label.to_string());
    DeclaredStore { scope, name: store.name.clone(), config, is_of_cluster: store.cluster }
}

/// The background workers of every scope; none runs yet.
pub(crate) fn declared_scopes(config: &Config, shared: &Shared) -> HashMap<ScopeLabel, Arc<ScopeWorkers>> {
    let declared = |scope: crate::config::Scope<'_>| {
        ScopeWorkers::new(scope.label.as_str(), declarations(scope.workers), shared.clone())
    };
    config.scopes().map(|scope| (scope.label.clone(), declared(scope))).collect()
}

fn policy(vars: &VarsSettings) -> Policy {
    Policy {
        mode: match vars.mode {
            VarsMode::Auto => Mode::Auto,
            VarsMode::ZeroCopy => Mode::ZeroCopy,
            VarsMode::Copy => Mode::Copy,
        },
        copy_bytes_max: vars.copy_max_bytes,
        thread_budget_bytes: vars.thread_budget_bytes,
        process_budget_bytes: vars.process_budget_bytes,
    }
}

pub(super) fn declarations(workers: &[WorkerConfig]) -> ScopeConfig {
    let background = || workers.iter().filter(|worker| worker.is_background());
    let named =
        background().filter_map(|worker| Some((worker.name.clone()?, background_declaration(worker)))).collect();
    let catch_all = background()
        .find(|worker| worker.is_catch_all())
        .map(|worker| CatchAll { declaration: background_declaration(worker), names_max: worker.names_max() });
    ScopeConfig { named, catch_all }
}

fn background_declaration(worker: &WorkerConfig) -> BackgroundConfig {
    BackgroundConfig {
        cluster: worker.cluster,
        native: None,
        file: worker.file.clone(),
        resolved: worker.resolved.clone(),
        ready: match worker.ready {
            crate::config::ReadyWhen::Publish => ReadyWhen::Publish,
            crate::config::ReadyWhen::Handle => ReadyWhen::Handle,
            crate::config::ReadyWhen::Start => ReadyWhen::Start,
        },
        num: worker.num.unwrap_or(0),
        tasks_max: worker.max_tasks,
        failures_max: failures_max(worker),
        env: worker.env.clone(),
        environment: environment(worker.clear_env, &worker.env),
        ini: ini_text(&worker.ini),
        feed: worker.feed.as_ref().map(|feed| Feed {
            topic: feed.topic.clone(),
            is_private: feed.is_private,
            is_patch: feed.is_patch,
        }),
    }
}

/// `clear_env`: the variables of a block in place of those of the process. `None`: the scripts see those of the process.
pub(super) fn environment(clear: bool, env: &[(String, String)]) -> Option<Arc<Pairs>> {
    let mut pairs = Pairs::default();
    for (name, value) in env {
        // A NUL would end both in C.
        if !name.contains('\0') && !value.contains('\0') {
            pairs.set(name.as_bytes(), value.as_bytes());
        }
    }
    clear.then(|| Arc::new(pairs))
}

/// The settings as lines of php.ini; `None` if there are none.
pub(super) fn ini_text(settings: &[IniSetting]) -> Option<Arc<IniText>> {
    let text = |is_admin: bool| {
        let own = settings.iter().filter(|setting| setting.is_admin == is_admin);
        let lines: String = own.map(|setting| ini_line(&setting.name, &setting.value)).collect();
        CString::new(lines).unwrap_or_default()
    };
    (!settings.is_empty()).then(|| Arc::new(IniText { values: text(false), admin: text(true) }))
}

pub(super) fn http_declaration(config: &Config, worker: &WorkerConfig) -> http::HttpConfig {
    http::HttpConfig {
        name: worker.name.clone().unwrap_or_else(|| worker.file.display().to_string()),
        file: worker.file.clone(),
        resolved: worker.resolved.clone(),
        threads: worker.boot_threads(processors()).max(1),
        failures_max: failures_max(worker),
        requests_max: worker.max_requests.or(config.global.frankenphp.max_requests).filter(|max| *max > 0),
        env: worker.env.clone(),
        environment: environment(worker.clear_env, &worker.env),
        ini: ini_text(&worker.ini),
    }
}

/// The configuration's -1 is "never".
fn failures_max(worker: &WorkerConfig) -> Option<u32> {
    u32::try_from(worker.max_consecutive_failures).ok()
}

pub(super) fn match_patterns(worker: &WorkerConfig) -> Vec<PathPattern> {
    match &worker.kind {
        WorkerKind::Http { match_ } => match_.clone(),
        WorkerKind::Background => Vec::new(),
    }
}
