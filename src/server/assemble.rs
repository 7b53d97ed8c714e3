//! From the checked configuration to PHP threads: which groups there are, and how large.

use crate::config::{Config, PathPattern, PhpServer, ScopeLabel, VarsMode, VarsSettings, WorkerDecl, WorkerKind};
use crate::php::{EngineOptions, Scope, ThreadOptions};
use crate::vars::{Ledger, Limits, Mode, Policy, set_hardened};
use crate::worker::background::{Declaration, Shared};
use crate::worker::classic::{self, Classic};
use crate::worker::http::{self, HttpWorker};
use crate::worker::scope::CatchAll;
use crate::worker::{Declared, ScopeView, Waits};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// All PHP threads of a configuration.
pub(super) struct Threads {
    pub(super) classic: Arc<Classic>,
    pub(super) http: Vec<(ScopeLabel, Arc<HttpWorker>, Vec<PathPattern>)>,
    pub(super) background: HashMap<ScopeLabel, Arc<Declared>>,
    global: Arc<Declared>,
    stopping: Arc<AtomicBool>,
}

/// What the engine needs to know before it starts.
pub(super) fn engine_options(config: &Config) -> EngineOptions {
    let background: usize =
        config.scopes().flat_map(|scope| scope.workers).map(|worker| worker.boot_threads(processors())).sum();
    EngineOptions {
        ini: config.global.frankenphp.php_ini.clone(),
        threads: classic_threads(config).threads_max + background,
        ..EngineOptions::default()
    }
}

/// How many classic threads: `num_threads` counts all threads that serve requests, so those of HTTP workers are taken off.
fn classic_threads(config: &Config) -> classic::Declaration {
    use crate::config::MaxThreads;

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
    classic::Declaration { threads, threads_max }
}

fn http_workers(config: &Config) -> impl Iterator<Item = (&ScopeLabel, &WorkerDecl)> {
    config
        .scopes()
        .flat_map(|scope| scope.workers.iter().map(move |worker| (scope.label, worker)))
        .filter(|(_, worker)| !worker.is_background())
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Threads {
    /// Starts the threads of HTTP workers, of eager background workers, and the classic ones.
    ///
    /// # Errors
    /// The system gave no thread, or a message says what else is wrong.
    pub(super) fn start(config: &Config) -> io::Result<Self> {
        let options = thread_options(&config.global.frankenphp.vars);
        let stopping = Arc::new(AtomicBool::new(false));
        let background = declared_scopes(config, &options, &stopping);
        let global = background[&config.global.scope].clone();
        let mut threads = Self {
            classic: Classic::start(classic_threads(config), options.clone())?,
            http: Vec::new(),
            background,
            global,
            stopping,
        };
        for declared in threads.background.values() {
            declared.start_eager().map_err(|failure| io::Error::other(failure.message))?;
        }
        for (label, worker) in http_workers(config) {
            let scope = threads.scope(label);
            let started = HttpWorker::start(http_declaration(worker), scope, &options)?;
            threads.http.push((label.clone(), started, match_patterns(worker)));
        }
        Ok(threads)
    }

    /// What the scripts of a block see.
    pub(super) fn scope(&self, label: &ScopeLabel) -> Arc<dyn Scope> {
        let own = self.background.get(label).unwrap_or(&self.global);
        ScopeView::of(own, &self.global)
    }

    /// The HTTP workers that a block's requests can reach, with their path patterns: its own, and then the global ones.
    pub(super) fn http_of(&self, server: &PhpServer) -> impl Iterator<Item = (&Arc<HttpWorker>, &[PathPattern])> {
        let scope = server.scope.clone();
        let own = self.http.iter().filter(move |(label, ..)| *label == scope);
        let global = self.http.iter().filter(|(label, ..)| label.is_global());
        own.chain(global).map(|(_, worker, paths)| (worker, paths.as_slice()))
    }

    /// Tells all background workers to stop; no new one starts.
    pub(super) fn stop_background(&self) {
        self.stopping.store(true, Ordering::Release);
        for declared in self.background.values() {
            declared.stop();
        }
    }

    /// Tells the threads that serve requests to end when nothing waits any more.
    pub(super) fn stop_serving(&self) {
        self.classic.stop();
        for (_, worker, _) in &self.http {
            worker.stop();
        }
    }
}

/// What every PHP thread is given.
pub(super) fn thread_options(vars: &VarsSettings) -> ThreadOptions {
    // Once on it stays on: snapshots of an older configuration must not lose their protection.
    if vars.hardened {
        set_hardened(true);
    }
    ThreadOptions {
        name: String::new(),
        policy: policy(vars),
        ledger: Arc::new(Ledger::default()),
        limits: Limits { bytes: vars.max_bytes, depth: vars.max_depth },
    }
}

/// The background workers of every scope; none runs yet.
pub(super) fn declared_scopes(
    config: &Config,
    options: &ThreadOptions,
    stopping: &Arc<AtomicBool>,
) -> HashMap<ScopeLabel, Arc<Declared>> {
    let shared = Shared { options: options.clone(), waits: Arc::new(Waits::default()), stopping: stopping.clone() };
    config.scopes().map(|scope| (scope.label.clone(), declared(scope.label, scope.workers, &shared))).collect()
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

fn declared(label: &ScopeLabel, workers: &[WorkerDecl], shared: &Shared) -> Arc<Declared> {
    let background = || workers.iter().filter(|worker| worker.is_background());
    let named =
        background().filter_map(|worker| Some((worker.name.clone()?, background_declaration(worker)))).collect();
    let catch_all = background()
        .find(|worker| worker.is_catch_all())
        .map(|worker| CatchAll { declaration: background_declaration(worker), names_max: worker.names_max() });
    Declared::new(label.as_str(), named, catch_all, shared.clone())
}

fn background_declaration(worker: &WorkerDecl) -> Declaration {
    Declaration {
        file: worker.file.clone(),
        num: worker.num.unwrap_or(0),
        failures_max: failures_max(worker),
        env: worker.env.clone(),
    }
}

fn http_declaration(worker: &WorkerDecl) -> http::Declaration {
    http::Declaration {
        name: worker.name.clone().unwrap_or_else(|| worker.file.display().to_string()),
        file: worker.file.clone(),
        threads: worker.boot_threads(processors()).max(1),
        failures_max: failures_max(worker),
        env: worker.env.clone(),
    }
}

/// The configuration's -1 is "never".
fn failures_max(worker: &WorkerDecl) -> Option<u32> {
    u32::try_from(worker.max_consecutive_failures).ok()
}

fn match_patterns(worker: &WorkerDecl) -> Vec<PathPattern> {
    match &worker.kind {
        WorkerKind::Http { match_ } => match_.clone(),
        WorkerKind::Background => Vec::new(),
    }
}
