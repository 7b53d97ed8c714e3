//! The PHP engine and its threads. `engine` starts and stops it, `thread` runs one PHP thread, `adopt` takes in a thread
//! of another program. `context` is the state of a thread. `host` holds the leaves that C calls; those of background
//! workers, tasks and stores have files of their own. `work` is the interface through which `worker` directs a thread.
#![allow(unsafe_code, reason = "talks to the shim and reads the engine's structures")]

mod adopt;
mod cluster_stores;
mod context;
mod cutoff;
mod deadline;
mod engine;
mod host;
mod interrupt;
#[cfg(feature = "launder")]
mod launder;
mod layout;
mod log;
mod missing;
mod mode;
mod objects;
mod open_stores;
mod open_tasks;
mod options;
pub mod process;
mod reading;
mod release;
mod safepoint;
mod spans;
mod stored;
mod stores;
mod streams;
mod tasks;
mod thread;
mod timer;
mod usage;
mod work;
mod workers;

pub use adopt::Adopted;
pub use cutoff::{Cut, Cutoff};
pub use deadline::{Deadline, Step};
pub(crate) use engine::engine_of_the_program_runs;
pub use engine::{EXIT_STUCK, Engine, EngineError, EngineInfo, EngineOptions, exit_at_once, ini_line, opcache_usage};
pub use interrupt::{Interrupt, KillReason};
pub use log::LineLog;
pub(crate) use log::{each_record, log_php};
pub use mode::Mode;
pub use options::ThreadOptions;
pub use release::{Floor, floor_above, running_release};
pub use safepoint::{DrainStep, RestartRequest, Restarts, Safepoint, safepoint};
pub use thread::spawn;
pub use work::{
    Ended, Failure, FailureKind, Next, Phase, Run, Scope, ScriptError, SendRefused, Update, UpdateHub, Wait, Work,
};
