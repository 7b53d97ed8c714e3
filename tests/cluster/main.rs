//! A cluster of real instances on one machine: the program `igor`, the servers of Debian, and a proxy between them that loses
//! what a test says. Every read of every instance is checked: none fails, and none is older than the one before.
//!
//! `REDIS_SERVER=valkey-server` runs the tests with Valkey instead of Redis.

mod chaos;
mod costs;
mod engines;
mod formats;
mod hub_faults;
mod hubs;
mod instance;
mod kubernetes;
#[path = "../integration/common/lines.rs"]
mod lines;
mod nats;
#[path = "../../src/cluster/ports.rs"]
mod ports;
mod promises;
mod proxy;
mod reloads;
mod rights;
mod settings;
mod stores;
mod stores_by;
mod takeover;
mod twice;
mod workers;

use igor_php as _;
use std::time::{Duration, Instant};

/// Far more than anything here takes.
const DEADLINE: Duration = Duration::from_secs(90);

/// Waits for a condition.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(process: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(process.cast_signed()).expect("a process has a number");
    rustix::process::kill_process(pid, signal).expect("it can be signalled");
}
