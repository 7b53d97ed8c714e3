//! What a program declares before it starts PHP: a configuration, and background workers of its own.

use super::declare::{PhpScope, Store, Worker};
use super::mounted::Mounted;
use super::rust_worker::{RustCode, RustWorker, WorkerFailure};
use crate::config::{self, Config, Declaration, Declared, Diagnostic, ScopeLabel};
use crate::limits::config::CONSECUTIVE_FAILURES_DEFAULT;
use crate::server::ServeError;
use crate::worker::background::{BackgroundConfig, Native};
use crate::worker::scope::ScopeConfig;
use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// Why PHP was not started. Later releases may add cases.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The Caddyfile, or what the program declares, has errors: each with its place in the file or in the source of the
    /// program. Mend what they name, and start again: PHP has not been touched.
    #[error("{}", lines(.0))]
    Configuration(Vec<Diagnostic>),
    /// [`Builder::config`], [`Builder::caddyfile`], [`Builder::text`] or [`Builder::scope`] must be called.
    #[error("no configuration was set: call config(), caddyfile(), text() or scope() first")]
    NoConfiguration,
    /// [`Builder::config`] takes a whole configuration, to which nothing can be added: use [`Builder::caddyfile`] or
    /// [`Builder::text`] beside declarations.
    #[error("config() takes a whole configuration: declare scopes, workers and stores beside caddyfile() or text()")]
    Complete,
    /// A background worker in Rust needs [`Builder::runtime`], or a call of [`Builder::start`] inside a runtime.
    #[error("background worker \"{0}\" has no runtime: call runtime() with the handle of the one it should run on")]
    NoRuntime(String),
    /// A background worker in Rust names a scope that is not declared.
    #[error("background worker \"{name}\" is for the scope \"{scope}\", which is not declared; there is {}", .declared.join(", "))]
    NoScope {
        /// The worker.
        name: String,
        /// The label.
        scope: String,
        /// The labels that exist.
        declared: Vec<String>,
    },
    /// Two background workers of one scope have this name.
    #[error("the scope \"{scope}\" declares two background workers \"{name}\"")]
    Duplicate {
        /// The label.
        scope: String,
        /// The worker.
        name: String,
    },
    /// The engine, a thread or a worker did not start. PHP starts once in a process: after this, end the process.
    #[error(transparent)]
    Start(#[from] ServeError),
}

fn lines(errors: &[Diagnostic]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

type Declare = Box<dyn FnOnce(Handle) -> RustCode>;

/// Where the configuration comes from.
enum Source {
    Checked(Box<Config>),
    File(PathBuf),
    Text(String, PathBuf),
}

/// A background worker in Rust: the label of its scope, its name, and its code.
struct RustDeclaration {
    scope: String,
    name: String,
    declare: Declare,
}

/// Declares what [`Mounted`] runs; made by [`Mounted::builder`].
#[derive(Default)]
#[must_use = "nothing starts before start() is called"]
pub struct Builder {
    source: Option<Source>,
    declared: Declared,
    runtime: Option<Handle>,
    workers: Vec<RustDeclaration>,
}

impl Mounted {
    /// Declares with types what a Caddyfile declares, beside one or without, and background workers in Rust.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// The configuration, whole: no declaration is added to it.
    pub fn config(mut self, config: Config) -> Self {
        self.source = Some(Source::Checked(Box::new(config)));
        self
    }

    /// The same, from a Caddyfile.
    pub fn caddyfile(mut self, path: impl AsRef<Path>) -> Self {
        self.source = Some(Source::File(path.as_ref().to_owned()));
        self
    }

    /// The same, from the text of a Caddyfile. Relative paths in it start from the working directory, and, if nothing is
    /// there, from the folder of `path`, which need not exist itself. Placeholders as `{$NAME}` get the variables of the environment.
    pub fn text(mut self, text: &str, path: impl AsRef<Path>) -> Self {
        self.source = Some(Source::Text(text.to_owned(), path.as_ref().to_owned()));
        self
    }

    /// How many PHP threads serve requests; by default two for each processor.
    #[track_caller]
    pub fn threads(self, count: usize) -> Self {
        self.frankenphp(Declaration::new(["num_threads".to_owned(), count.to_string()]))
    }

    /// Up to how many PHP threads there are under load.
    #[track_caller]
    pub fn threads_max(self, count: usize) -> Self {
        self.frankenphp(Declaration::new(["max_threads".to_owned(), count.to_string()]))
    }

    /// A setting of php.ini for the process. May be called again.
    #[track_caller]
    pub fn ini(self, name: &str, value: &str) -> Self {
        self.frankenphp(Declaration::new(["php_ini", name, value]))
    }

    /// How long scripts may take to end before they are interrupted.
    #[track_caller]
    pub fn grace_period(mut self, period: Duration) -> Self {
        let words = ["grace_period".to_owned(), format!("{}ms", period.as_millis())];
        self.declared.global.push(Declaration::new(words));
        self
    }

    /// A worker of the global scope. Every scope without a background worker of its own sees its background workers.
    pub fn worker(self, worker: Worker) -> Self {
        self.frankenphp(worker.into_declaration())
    }

    /// A store that all scripts share.
    pub fn store(self, store: Store) -> Self {
        self.frankenphp(store.into_declaration())
    }

    /// A scope: a site with its PHP, workers and stores. May be called again.
    pub fn scope(mut self, scope: PhpScope) -> Self {
        self.declared.sites.push(scope.into_declaration());
        self
    }

    fn frankenphp(mut self, declaration: Declaration) -> Self {
        self.declared.frankenphp.push(declaration);
        self
    }

    /// The runtime of the background workers in Rust; by default the one inside of which [`start`](Self::start) is
    /// called.
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Declares a background worker of the global scope. `make` starts each run of it. A run that returns an error,
    /// panics, or returns without a publish has failed: another follows after a pause, until six in a row have failed.
    /// A run that returns `Ok` after a publish is followed by the next one. It starts with PHP, and takes no tasks.
    pub fn background<F, R>(self, name: &str, make: F) -> Self
    where
        F: Fn(RustWorker) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), WorkerFailure>> + Send + 'static,
    {
        self.background_of(ScopeLabel::GLOBAL, name, make)
    }

    /// The same for the scope of this label, whose scripts then see no worker of the global scope.
    pub fn background_of<F, R>(mut self, scope: &str, name: &str, make: F) -> Self
    where
        F: Fn(RustWorker) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), WorkerFailure>> + Send + 'static,
    {
        let owned = name.to_owned();
        let declare: Declare = Box::new(move |runtime| RustCode::new(&owned, runtime, make));
        self.workers.push(RustDeclaration { scope: scope.to_owned(), name: name.to_owned(), declare });
        self
    }

    /// Starts PHP as [`Mounted::start`] does.
    ///
    /// # Errors The reason. Everything started is stopped again.
    pub fn start(self) -> Result<Mounted, StartError> {
        let Self { source, declared, runtime, workers } = self;
        let config = configuration(source, declared)?;
        let runtime = runtime.or_else(|| Handle::try_current().ok());
        let native = native(workers, &config, runtime.as_ref())?;
        Ok(Mounted::start_with(config, native)?)
    }
}

fn configuration(source: Option<Source>, declared: Declared) -> Result<Config, StartError> {
    let env = |name: &str| std::env::var(name).ok();
    match source {
        Some(Source::Checked(config)) if declared.is_empty() => Ok(*config),
        Some(Source::Checked(_)) => Err(StartError::Complete),
        Some(Source::File(path)) => config::load_with(&path, declared).map_err(StartError::Configuration),
        Some(Source::Text(text, path)) => {
            config::parse_with(&text, &path, &env, declared).map_err(StartError::Configuration)
        }
        None if declared.sites.is_empty() => Err(StartError::NoConfiguration),
        None => config::parse_with("", "Caddyfile".as_ref(), &env, declared).map_err(StartError::Configuration),
    }
}

/// The workers in Rust, by the labels of their scopes.
fn native(
    workers: Vec<RustDeclaration>,
    config: &Config,
    runtime: Option<&Handle>,
) -> Result<Vec<(ScopeLabel, ScopeConfig)>, StartError> {
    let mut native: Vec<(ScopeLabel, ScopeConfig)> = Vec::new();
    for RustDeclaration { scope, name, declare } in workers {
        let Some(declared) = config.scopes().find(|declared| declared.label.as_str() == scope) else {
            let declared = config.scopes().map(|scope| scope.label.to_string()).collect();
            return Err(StartError::NoScope { name, scope, declared });
        };
        let position = match native.iter().position(|(label, _)| label == declared.label) {
            Some(position) => position,
            None => {
                native.push((declared.label.clone(), ScopeConfig::default()));
                native.len() - 1
            }
        };
        let of_scope = &mut native[position].1;
        let in_php =
            declared.workers.iter().any(|worker| worker.is_background() && worker.name.as_ref() == Some(&name));
        if in_php || of_scope.named.iter().any(|(other, _)| *other == name) {
            return Err(StartError::Duplicate { scope, name });
        }
        let runtime = runtime.cloned().ok_or_else(|| StartError::NoRuntime(name.clone()))?;
        let code = Native(Arc::new(declare(runtime)));
        let failures_max = u32::try_from(CONSECUTIVE_FAILURES_DEFAULT).ok();
        of_scope.named.push((name, BackgroundConfig::of_native(code, failures_max)));
    }
    Ok(native)
}

impl fmt::Debug for Builder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers: Vec<&String> = self.workers.iter().map(|worker| &worker.name).collect();
        formatter.debug_struct("Builder").field("background", &workers).finish_non_exhaustive()
    }
}
