//! Shared by all tests: start the program, send it HTTP requests, read its log.

mod command;
mod cost;
mod http;
mod lines;
mod log;
#[path = "../../../src/cluster/ports.rs"]
mod ports;
mod puppet;
mod server;
mod sources;
pub(crate) mod workers;

pub(crate) use command::{compile_module, igor_php, output_of, stock_php};
pub(crate) use cost::Cost;
pub(crate) use http::{Connection, Request, Response};
pub(crate) use ports::free_address;
pub(crate) use puppet::{Outcome, Puppet};
pub(crate) use server::{Igor, Server, igor};
pub(crate) use sources::sources;

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The timeout of every expected event. Far more than needed on a loaded machine with a debug build of PHP, so reaching
/// it is a failure.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The interval for polling a condition.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits until `probe` returns something.
///
/// # Panics
/// When it has not after [`DEADLINE`]; `what` says what was waited for.
pub(crate) fn wait_for<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < until, "waited {DEADLINE:?} for {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Waits until `condition` holds. See [`wait_for`].
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}

/// The folder with the PHP scripts of the tests.
pub(crate) fn php_tests() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("php-tests")
}
