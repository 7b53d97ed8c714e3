//! The running server: `run` starts it and holds its loop, `control` is the way in, `reload` changes it, `shutdown` ends
//! it; `admin` and `watch` ask for reloads and restarts; `traces` sends spans to a collector.

pub mod admin;
mod configuration_files;
mod control;
mod housekeeping;
mod inherited;
mod memory;
mod overdue;
mod reload;
mod remote_php;
mod run;
mod runtime;
mod shutdown;
mod stalls;
mod systemd;
mod traces;
mod watch;

pub use admin::AdminError;
pub use configuration_files::watch_configuration;
pub use run::{ServeError, run};
