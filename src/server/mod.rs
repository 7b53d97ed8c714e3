//! The server: puts the layers together from a configuration, runs them, and takes them down in order.

mod assemble;
mod control;
mod logging;
mod not_yet;
mod reload;
mod run;
mod script;
mod shutdown;
mod sites;
mod systemd;
mod watch;

pub use logging::{init as init_logging, init_for_script as init_script_logging};
pub use not_yet::not_yet;
pub use run::{ServeError, run};
pub use script::{ScriptError, run_script};
