//! PHP without Igor's own server. `mounted` is for a Rust program with its own server, `module` for a PHP program that has
//! loaded the module, `script` for one script from the command line. `workers` runs the background workers beside a script.

mod builder;
mod module;
mod mounted;
mod rust_worker;
mod script;
mod values;
mod vars;
mod workers;

pub use crate::assemble::logging::init_for_script as init_script_logging;
pub use crate::server::ServeError;
pub use builder::{Builder, StartError};
pub use module::{Module, ModuleError};
pub use mounted::{Mounted, StuckThreads};
pub use rust_worker::{PublishError, RustWorker, WorkerFailure};
pub use script::{ScriptError, run_script};
pub use values::{EnumCase, Mismatch, Unpublishable};
pub use vars::{Pinned, Vars, VarsError};
