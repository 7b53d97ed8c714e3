//! The number of system calls of a request repeats exactly, except for calls by which threads sleep and wake each
//! other.

use crate::common::igor;
use std::process::{Command, Output};

/// The script's exit status where strace may not attach.
const REFUSED: i32 = 3;

#[test]
fn a_request_makes_no_more_system_calls_than_it_may() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/bench-syscalls.sh");
    let output = Command::new("bash").arg(script).arg(igor().get_program()).arg("1").output();
    let Output { status, stdout, stderr } = output.expect("bash can be started");
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    if status.code() == Some(REFUSED) {
        println!("not tested: this system lets no process trace another one: {stderr}");
        return;
    }
    assert!(status.success(), "{stdout}\n{stderr}");
    assert_eq!(stdout.lines().count(), 4, "{stdout}");
}
