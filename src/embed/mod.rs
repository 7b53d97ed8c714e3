//! PHP without Igor's own server. `mounted` is for a Rust program with its own server, `module` for a PHP program that has
//! loaded the module, `script` for one script from the command line. `workers` runs the background workers beside a script.

mod module;
mod mounted;
mod script;
mod workers;

pub use crate::assemble::logging::init_for_script as init_script_logging;
pub use crate::server::ServeError;
pub use module::{Module, ModuleError};
pub use mounted::{Mounted, StuckThreads};
pub use script::{ScriptError, run_script};
