//! PHP without Igor's own server. `mounted` is for a Rust program with its own server, `module` for a PHP program that has
//! loaded the module, `script` for one script from the command line. `workers` runs the background workers beside a script.
//!
//! What may move to other threads, and be used by several:
//!
//! ```no_run
//! fn shared<T: Send + Sync + 'static>() {}
//! shared::<igor_php::http::service::HttpService>();
//! shared::<igor_php::embed::RustWorker>();
//! shared::<igor_php::embed::Vars>();
//! shared::<igor_php::embed::Pinned>();
//! ```
//!
//! What may not: PHP's engine ends on the thread that it started on, and so does the value that holds it.
//!
//! ```compile_fail
//! fn shared<T: Send + 'static>() {}
//! shared::<igor_php::embed::Mounted>();
//! ```
//!
//! ```compile_fail
//! fn shared<T: Sync + 'static>() {}
//! shared::<igor_php::embed::Mounted>();
//! ```
//!
//! ```compile_fail
//! fn shared<T: Send + 'static>() {}
//! shared::<igor_php::php::Engine>();
//! ```
//!
//! A run of a worker moves between the threads of its runtime. What it holds meanwhile must be able to:
//!
//! ```no_run
//! # use igor_php::embed::Mounted;
//! let _ = Mounted::builder().background("rates", |worker| async move {
//!     let held = std::sync::Arc::new(1);
//!     worker.ending().await;
//!     drop(held);
//!     Ok(())
//! });
//! ```
//!
//! ```compile_fail
//! # use igor_php::embed::Mounted;
//! let _ = Mounted::builder().background("rates", |worker| async move {
//!     let held = std::rc::Rc::new(1);
//!     worker.ending().await;
//!     drop(held);
//!     Ok(())
//! });
//! ```
//!
//! And what was read without a copy cannot outlive the snapshot that it is in:
//!
//! ```no_run
//! # fn read(vars: &igor_php::embed::Vars) -> Option<usize> {
//! let pinned = vars.pin().ok()?;
//! let banner: &str = pinned.get().ok()?;
//! Some(banner.len())
//! # }
//! ```
//!
//! ```compile_fail
//! # fn read(vars: &igor_php::embed::Vars) -> Option<usize> {
//! let banner: &str = vars.pin().ok()?.get().ok()?;
//! Some(banner.len())
//! # }
//! ```

mod builder;
mod declare;
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
pub use declare::{PhpScope, Store, Worker};
pub use module::{Module, ModuleError};
pub use mounted::{Mounted, StuckThreads};
pub use rust_worker::{PublishError, RustWorker, WorkerFailure};
pub use script::{ScriptError, run_script};
pub use values::{EnumCase, Mismatch, Unpublishable};
pub use vars::{Pinned, Vars, VarsError};
