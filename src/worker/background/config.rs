//! The settings of a `worker` block with `background`.

use super::Feed;
use super::native::{IN_PLACE_OF_A_SCRIPT, Native};
use crate::exchange::{IniText, Pairs};
use std::path::PathBuf;
use std::sync::Arc;

/// When a worker counts as ready, so that the waits for it end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReadyWhen {
    /// It has published.
    #[default]
    Publish,
    /// It has published, or asked for its handle.
    Handle,
    /// Its script has started.
    Start,
}

/// What a block declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackgroundConfig {
    /// It runs on one instance of the cluster at a time.
    pub cluster: bool,
    /// Code that runs in place of a script.
    pub native: Option<Native>,
    /// The script: absolute. A worker without one has the word `Rust` here.
    pub file: PathBuf,
    /// The same without symbolic links: a different target makes it a different worker.
    pub resolved: PathBuf,
    /// When it counts as ready.
    pub ready: ReadyWhen,
    /// Threads that start with the server; 0: one thread when a script first asks for the worker.
    pub num: usize,
    /// Failures in a row after which it is given up; `None`: never.
    pub failures_max: Option<u32>,
    /// Tasks that may wait for a thread.
    pub tasks_max: usize,
    /// The script's environment.
    pub env: Vec<(String, String)>,
    /// The variables that the script sees in place of those of the process; `None`: it sees those of the process.
    pub environment: Option<Arc<Pairs>>,
    /// The php.ini settings of the block.
    pub ini: Option<Arc<IniText>>,
    /// Where each of its versions is sent to; `None`: nowhere.
    pub feed: Option<Feed>,
}

impl BackgroundConfig {
    /// A worker without a script, which starts at once.
    pub fn of_native(code: Native, failures_max: Option<u32>) -> Self {
        Self {
            cluster: false,
            feed: None,
            native: Some(code),
            file: IN_PLACE_OF_A_SCRIPT.into(),
            resolved: IN_PLACE_OF_A_SCRIPT.into(),
            ready: ReadyWhen::Publish,
            num: 1,
            failures_max,
            tasks_max: 0,
            env: Vec::new(),
            environment: None,
            ini: None,
        }
    }
}
