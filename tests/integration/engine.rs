//! The engine in another program. A process has only one engine, so these tests start the test program once more.

use igor_php::php::{EXIT_STUCK, Engine, EngineOptions, ThreadOptions};
use igor_php::worker::classic::{Classic, ClassicConfig};
use std::process::Command;
use std::sync::Arc;

/// Marks the child process of the test below.
const IS_PROCESS: &str = "IGOR_TEST_ENGINE";

/// Stops the engine too early, as an early return or a panic would.
#[test]
fn an_engine_that_is_stopped_under_threads_ends_the_process() {
    if std::env::var_os(IS_PROCESS).is_some() {
        return stop_under_a_thread();
    }
    let mut command = Command::new(std::env::current_exe().expect("the test program has a path"));
    command.args(["--exact", "--nocapture", "engine::an_engine_that_is_stopped_under_threads_ends_the_process"]);
    let output = command.env(IS_PROCESS, "1").output().expect("the test program can be started");
    assert_eq!(output.status.code(), Some(EXIT_STUCK), "{}", String::from_utf8_lossy(&output.stderr));
}

fn stop_under_a_thread() {
    let engine = Engine::start(&EngineOptions { threads: 1, ..EngineOptions::default() }).expect("the engine starts");
    classic().start().expect("the system gives a thread");
    drop(engine);
}

/// Threads that would find no engine do not start.
#[test]
fn threads_need_an_engine() {
    let error = classic().start().expect_err("no engine runs");
    assert_eq!(error.to_string(), "PHP's engine does not run; it must be started before its threads");
}

fn classic() -> Arc<Classic> {
    let options = ThreadOptions {
        name: "php".into(),
        blocks_signals: false,
        settings: Arc::default(),
        policy: Default::default(),
        copy_budget: Arc::default(),
        limits: Default::default(),
        stores: Arc::default(),
    };
    Classic::new(
        ClassicConfig { threads: 1, threads_max: 1, idle: std::time::Duration::MAX, requests_max: None },
        options,
    )
}
