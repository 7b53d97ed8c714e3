//! Durations and sizes.

use std::time::Duration;

use super::super::values::{parse_duration, parse_size};

#[test]
fn durations_are_those_of_go_and_days() {
    let table = [
        ("0", Some(Duration::ZERO)),
        ("0s", Some(Duration::ZERO)),
        ("30s", Some(Duration::from_secs(30))),
        ("1m30s", Some(Duration::from_secs(90))),
        ("500ms", Some(Duration::from_millis(500))),
        ("1.5h", Some(Duration::from_secs(5400))),
        (".5s", Some(Duration::from_millis(500))),
        ("1d", Some(Duration::from_secs(86_400))),
        ("1d12h", Some(Duration::from_secs(129_600))),
        ("10us", Some(Duration::from_micros(10))),
        ("10µs", Some(Duration::from_micros(10))),
        ("7ns", Some(Duration::from_nanos(7))),
        ("0.000000000000000000001h", Some(Duration::ZERO)),
        ("", None),
        ("30", None),
        ("s", None),
        (".s", None),
        ("-1s", None),
        ("1.2.3s", None),
        ("1y", None),
        ("1 s", None),
        ("99999999999999999999s", None),
        ("999999999999d", None),
    ];
    for (text, expected) in table {
        assert_eq!(parse_duration(text), expected, "{text:?}");
    }
}

#[test]
fn sizes_know_both_kinds_of_units() {
    let table = [
        ("0", Some(0)),
        ("65536", Some(65_536)),
        ("64KiB", Some(65_536)),
        ("64kib", Some(65_536)),
        ("64 KiB", Some(65_536)),
        ("10MB", Some(10_000_000)),
        ("10M", Some(10_000_000)),
        ("1.5GiB", Some(1_610_612_736)),
        ("2TiB", Some(2 << 40)),
        ("12b", Some(12)),
        ("", None),
        ("KB", None),
        ("-1", None),
        ("1XB", None),
        ("99999999TB", None),
    ];
    for (text, expected) in table {
        assert_eq!(parse_size(text), expected, "{text:?}");
    }
}
