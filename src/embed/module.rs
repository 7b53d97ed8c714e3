//! The background workers of a configuration in a PHP program that has loaded the module. They run on their own
//! threads, and the program's script uses them like those of the server.

use super::workers::Workers;
use crate::assemble::{declared_stores, logging, thread_options};
use crate::config::{self, Config, ScopeLabel, WorkerConfig};
use crate::exchange::Pairs;
use crate::php::{self, Adopted, Mode, Next, ThreadOptions, Work};
use crate::store::{DeclaredStore, StoreConfig, Stores};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Settings of workers that differ from PHP's command line: errors go to the log, and only there. The configuration's
/// own settings come after these.
const SETTINGS: [(&str, &str); 3] = [("display_errors", "0"), ("log_errors", "1"), ("html_errors", "0")];

/// Why a configuration's workers do not run in this program.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// The configuration has errors, one a line.
    #[error("reading {}: the configuration has errors\n{diagnostics}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Its errors.
        diagnostics: String,
    },
    /// The log file cannot be opened.
    #[error("starting the log: {0}")]
    Log(io::Error),
    /// A worker cannot be started.
    #[error("starting background workers: {0}")]
    Worker(String),
}

/// A configuration that was read for this program, and its workers while a script runs.
pub struct Module {
    path: PathBuf,
    config: Config,
    running: Option<Running>,
    warned: bool,
}

struct Running {
    workers: Workers,
    /// The script's thread, until the script and its values are gone.
    _adopted: Adopted,
}

impl Module {
    /// Reads and checks the configuration, and starts the log. No worker runs yet.
    ///
    /// # Errors
    /// The configuration is wrong, or its log file cannot be opened.
    pub fn load(path: &Path) -> Result<Self, ModuleError> {
        let config = config::load(path).map_err(|found| {
            let diagnostics: Vec<_> = found.iter().map(ToString::to_string).collect();
            ModuleError::Config { path: path.to_owned(), diagnostics: diagnostics.join("\n") }
        })?;
        logging::init_for_workers(&config).map_err(ModuleError::Log)?;
        Ok(Self { path: path.to_owned(), config, running: None, warned: false })
    }

    /// Starts the workers for the script that is about to run on the calling thread, and connects it to them.
    ///
    /// # Errors
    /// A worker could not be started; none runs then.
    pub fn start(&mut self) -> Result<(), ModuleError> {
        self.end();
        self.warn_once();
        php::engine_of_the_program_runs();
        let threads = ThreadOptions {
            blocks_signals: true,
            settings: Arc::new(settings(&self.config)),
            ..thread_options(&self.config, Arc::default(), Stores::new(&declared_stores(&self.config)))
        };
        let workers = Workers::start(&self.config, &threads).map_err(ModuleError::Worker)?;
        let adopted = Adopted::new(threads, Box::new(ModuleWork), workers.scope());
        self.running = Some(Running { workers, _adopted: adopted });
        Ok(())
    }

    /// Ends the workers within the grace period; their published arrays stay readable. `false`: a thread cannot be
    /// stopped, so the process must exit before the engine ends.
    #[must_use]
    pub fn stop(&self) -> bool {
        self.running.as_ref().is_none_or(|running| running.workers.stop())
    }

    /// Releases the snapshots that the script has read; the script has ended.
    pub fn end(&mut self) {
        self.running = None;
    }

    /// The rows about the configuration in `phpinfo()`.
    pub fn describe(&self) -> Vec<(String, String)> {
        let mut rows = vec![("Configuration".to_owned(), self.path.display().to_string())];
        for scope in self.config.scopes() {
            for worker in scope.workers.iter().filter(|worker| worker.is_background()) {
                rows.push((row_name(scope.label, worker), worker.file.display().to_string()));
            }
        }
        rows.extend(declared_stores(&self.config).iter().map(store_row));
        if self.config.global.frankenphp.apcu.is_some() {
            let reason = "not in the module; use FrankenPHP\\SharedArray, or run the script with igor";
            rows.push(("apcu_* functions".to_owned(), reason.to_owned()));
        }
        rows
    }

    fn warn_once(&mut self) {
        if std::mem::replace(&mut self.warned, true) {
            return;
        }
        for warning in &self.config.warnings {
            tracing::warn!("{warning}");
        }
    }
}

fn row_name(scope: &ScopeLabel, worker: &WorkerConfig) -> String {
    let scope = scope.as_str();
    match &worker.name {
        Some(name) => format!("Background worker {name} ({scope})"),
        None => format!("Background workers of any name ({scope})"),
    }
}

fn store_row(store: &DeclaredStore) -> (String, String) {
    let scope = store.scope.as_deref().unwrap_or("global");
    let StoreConfig { bytes_max, keys_max, .. } = store.config;
    (format!("Store {} ({scope})", store.name), format!("max_bytes {bytes_max}, max_keys {keys_max}"))
}

fn settings(config: &Config) -> Pairs {
    let mut settings = Pairs::default();
    for (name, value) in SETTINGS {
        settings.set(name.as_bytes(), value.as_bytes());
    }
    for (name, value) in &config.global.frankenphp.php_ini {
        settings.set(name.as_bytes(), value.as_bytes());
    }
    settings
}

/// The script of the program itself: it needs no instructions.
struct ModuleWork;

impl Work for ModuleWork {
    fn mode(&self) -> Mode {
        Mode::Hosted
    }

    fn next(&mut self) -> Next {
        Next::Stop
    }

    fn log(&mut self, level: i32, message: &str) {
        crate::php::log_php!(level, message, script = true);
    }
}
