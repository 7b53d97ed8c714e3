//! Compares the results of threads that ran the same script (pure).

use crate::limits::{DIFFERENCE_LINES_MAX, SCRIPT_OUTPUT_BYTES_MAX};
use std::fmt::Write;

/// One thread's result.
pub(super) struct ThreadResult {
    pub(super) exit_status: i32,
    pub(super) output: Vec<u8>,
}

/// How a thread's result differs from the first thread's; `None` when they agree.
pub(super) fn difference(results: &[ThreadResult]) -> Option<String> {
    let (first, others) = results.split_first()?;
    if results.iter().any(|result| result.output.len() > SCRIPT_OUTPUT_BYTES_MAX) {
        return Some(format!("the script printed more than {SCRIPT_OUTPUT_BYTES_MAX} bytes, which are not compared"));
    }
    let differs = |other: &ThreadResult| other.exit_status != first.exit_status || other.output != first.output;
    let different = others.iter().filter(|other| differs(other)).count();
    let at = others.iter().position(differs)?;
    let (number, other) = (at + 2, &others[at]);
    let mut message =
        format!("the script ended differently on {different} of {} threads than on thread 1", results.len());
    if other.exit_status != first.exit_status {
        // Writing to a string cannot fail.
        let _ = write!(
            message,
            "\nexit status {} on thread 1, {} on thread {number}",
            first.exit_status, other.exit_status
        );
    }
    if other.output != first.output {
        message.push_str(&lines_that_differ(&first.output, &other.output, number));
    }
    Some(message)
}

/// The differing lines, as a diff without the equal lines at the start and end.
fn lines_that_differ(first: &[u8], other: &[u8], number: usize) -> String {
    let split = |output: &[u8]| -> Vec<String> {
        output.split(|&byte| byte == b'\n').map(|line| String::from_utf8_lossy(line).into_owned()).collect()
    };
    let (first, other) = (split(first), split(other));
    let same_start = first.iter().zip(&other).take_while(|(one, two)| one == two).count();
    let (first, other) = (&first[same_start..], &other[same_start..]);
    let same_end = first.iter().rev().zip(other.iter().rev()).take_while(|(one, two)| one == two).count();

    let mut text = format!("\n--- thread 1\n+++ thread {number}\n@@ line {} @@", same_start + 1);
    for (sign, lines) in [('-', &first[..first.len() - same_end]), ('+', &other[..other.len() - same_end])] {
        for line in lines.iter().take(DIFFERENCE_LINES_MAX) {
            let _ = write!(text, "\n{sign}{line}");
        }
        if lines.len() > DIFFERENCE_LINES_MAX {
            let _ = write!(text, "\n{sign}… {} more lines", lines.len() - DIFFERENCE_LINES_MAX);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(exit_status: i32, output: &str) -> ThreadResult {
        ThreadResult { exit_status, output: output.into() }
    }

    #[test]
    fn threads_that_agree() {
        assert_eq!(difference(&[]), None);
        assert_eq!(difference(&[result(3, "a\n")]), None);
        assert_eq!(difference(&[result(3, "a\n"), result(3, "a\n"), result(3, "a\n")]), None);
    }

    #[test]
    fn an_exit_status_that_differs() {
        let message = difference(&[result(0, "a"), result(0, "a"), result(255, "a")]).unwrap();
        assert_eq!(
            message,
            "the script ended differently on 1 of 3 threads than on thread 1\nexit status 0 on thread 1, 255 on thread 3"
        );
    }

    #[test]
    fn lines_that_differ() {
        let message = difference(&[result(0, "a\nb\nc\n"), result(0, "a\nx\ny\nc\n"), result(0, "")]).unwrap();
        assert_eq!(
            message,
            "the script ended differently on 2 of 3 threads than on thread 1\n--- thread 1\n+++ thread 2\n@@ line 2 @@\n-b\n+x\n+y"
        );
        let message = difference(&[result(0, "a\n"), result(0, "a\na\n")]).unwrap();
        assert!(message.ends_with("@@ line 2 @@\n+a"), "{message}");
    }

    #[test]
    fn a_long_difference_is_cut() {
        let many = "x\n".repeat(DIFFERENCE_LINES_MAX + 5);
        let message = difference(&[result(0, ""), result(0, &many)]).unwrap();
        assert!(message.ends_with("\n+x\n+… 5 more lines"), "{message}");
    }

    #[test]
    fn what_is_too_long_is_not_called_equal() {
        let long = || ThreadResult { exit_status: 0, output: vec![b'x'; SCRIPT_OUTPUT_BYTES_MAX + 1] };
        assert!(difference(&[long(), long()]).unwrap().contains("more than 67108864 bytes"));
    }
}
