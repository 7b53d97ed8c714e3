//! `igor run --watch`: the server reloads when a file of its configuration changes.

use crate::signals::SignalMask;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often the files are checked: often enough for a user who saves a file and reloads the page, and cheap.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Reloads, as by `SIGHUP`, whenever one of the files has changed.
///
/// # Errors
/// No thread could be started.
pub fn watch_configuration(files: Vec<PathBuf>) -> io::Result<()> {
    let state = move || files.iter().map(|file| modified(file)).collect::<Vec<_>>();
    let watching = std::thread::Builder::new().name("watch-config".to_owned()).spawn(move || {
        SignalMask::block_all();
        let mut seen = state();
        loop {
            std::thread::sleep(LOOK_EVERY);
            let now = state();
            if now != seen {
                seen = now;
                tracing::info!("the configuration has changed");
                // The process is this one.
                let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::HUP);
            }
        }
    });
    watching.map(drop)
}

fn modified(file: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
