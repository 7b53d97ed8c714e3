//! What a program declares before it starts PHP: a configuration, and background workers of its own.

use super::mounted::Mounted;
use super::rust_worker::{RustCode, RustWorker, WorkerFailure};
use crate::config::{self, Config, Diagnostic};
use crate::limits::config::CONSECUTIVE_FAILURES_DEFAULT;
use crate::server::ServeError;
use crate::worker::background::{BackgroundConfig, Native};
use crate::worker::scope::ScopeConfig;
use std::fmt;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Why PHP was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The Caddyfile has errors, each with its place.
    #[error("{}", lines(.0))]
    Configuration(Vec<Diagnostic>),
    /// [`Builder::config`], [`Builder::caddyfile`] or [`Builder::text`] must be called.
    #[error("no configuration was set: call config(), caddyfile() or text() first")]
    NoConfiguration,
    /// A background worker in Rust needs [`Builder::runtime`], or a call of [`Builder::start`] inside a runtime.
    #[error("background worker \"{0}\" has no runtime: call runtime() with the handle of the one it should run on")]
    NoRuntime(String),
    /// Two background workers of the global scope have this name.
    #[error("the global scope declares two background workers \"{0}\"")]
    Duplicate(String),
    /// The engine, a thread or a worker did not start.
    #[error(transparent)]
    Start(#[from] ServeError),
}

fn lines(errors: &[Diagnostic]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

type Declare = Box<dyn FnOnce(Handle) -> RustCode>;

/// Declares what [`Mounted`] runs; made by [`Mounted::builder`].
#[derive(Default)]
#[must_use = "nothing starts before start() is called"]
pub struct Builder {
    config: Option<Result<Config, Vec<Diagnostic>>>,
    runtime: Option<Handle>,
    workers: Vec<(String, Declare)>,
}

impl Mounted {
    /// Declares more than a configuration can: background workers in Rust.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// The configuration.
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(Ok(config));
        self
    }

    /// The same, from a Caddyfile.
    pub fn caddyfile(mut self, path: impl AsRef<Path>) -> Self {
        self.config = Some(config::load(path.as_ref()));
        self
    }

    /// The same, from the text of a Caddyfile. Relative paths in it start from the working directory, and, if nothing is
    /// there, from the folder of `path`, which need not exist itself. Placeholders as `{$NAME}` get the variables of the environment.
    pub fn text(mut self, text: &str, path: impl AsRef<Path>) -> Self {
        self.config = Some(config::parse(text, path.as_ref(), &|name| std::env::var(name).ok()));
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
    pub fn background<F, R>(mut self, name: &str, make: F) -> Self
    where
        F: Fn(RustWorker) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), WorkerFailure>> + Send + 'static,
    {
        let owned = name.to_owned();
        let declare: Declare = Box::new(move |runtime| RustCode::new(&owned, runtime, make));
        self.workers.push((name.to_owned(), declare));
        self
    }

    /// Starts PHP as [`Mounted::start`] does.
    ///
    /// # Errors The reason. Everything started is stopped again.
    pub fn start(self) -> Result<Mounted, StartError> {
        let Self { config, runtime, workers } = self;
        let config = config.ok_or(StartError::NoConfiguration)?.map_err(StartError::Configuration)?;
        let mut names: Vec<String> = config
            .global
            .frankenphp
            .workers
            .iter()
            .filter(|w| w.is_background())
            .filter_map(|w| w.name.clone())
            .collect();
        let runtime = runtime.or_else(|| Handle::try_current().ok());
        let mut native = ScopeConfig::default();
        for (name, declare) in workers {
            if names.contains(&name) {
                return Err(StartError::Duplicate(name));
            }
            let runtime = runtime.clone().ok_or_else(|| StartError::NoRuntime(name.clone()))?;
            let code = Native(Arc::new(declare(runtime)));
            let failures_max = u32::try_from(CONSECUTIVE_FAILURES_DEFAULT).ok();
            native.named.push((name.clone(), BackgroundConfig::of_native(code, failures_max)));
            names.push(name);
        }
        Ok(Mounted::start_with(config, native)?)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers: Vec<&String> = self.workers.iter().map(|(name, _)| name).collect();
        formatter.debug_struct("Builder").field("background", &workers).finish_non_exhaustive()
    }
}
