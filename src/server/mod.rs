//! The server: puts the layers together from a configuration, runs them, and takes them down in order.

pub mod admin;
mod assemble;
mod control;
mod logging;
mod module;
mod mounted;
mod opcache;
mod reload;
mod run;
mod runtime;
mod script;
mod shutdown;
mod sites;
mod systemd;
mod watch;
mod workers;

pub use admin::AdminError;
pub use logging::{init as init_logging, init_for_script as init_script_logging};
pub use module::{Module, ModuleError};
pub use mounted::{Mounted, StuckThreads};
pub use run::{ServeError, run};
pub use script::{ScriptError, run_script};
