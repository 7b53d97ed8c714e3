//! The settings of a `worker` block without `background`.

use crate::exchange::{IniText, Pairs};
use std::path::PathBuf;
use std::sync::Arc;

/// What a block declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// The name in logs and metrics.
    pub name: String,
    /// The script: absolute.
    pub file: PathBuf,
    /// The same without symbolic links: a different target makes it a different worker.
    pub resolved: PathBuf,
    /// Threads.
    pub threads: usize,
    /// Failed boots in a row after which a thread gives up; `None`: never.
    pub failures_max: Option<u32>,
    /// After this many requests the script starts again; `None`: never.
    pub requests_max: Option<usize>,
    /// The script's environment.
    pub env: Vec<(String, String)>,
    /// The variables that the script sees in place of those of the process; `None`: it sees those of the process.
    pub environment: Option<Arc<Pairs>>,
    /// The php.ini settings of the block.
    pub ini: Option<Arc<IniText>>,
}
