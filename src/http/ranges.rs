//! Parses the `Range` field (RFC 9110, 14): the parts of a file that a client asks for (pure).

use std::ops::RangeInclusive;

use crate::limits;

/// The part of a file that is sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Selected {
    /// All of it: the field is not understood, or ranges are not worthwhile.
    Whole,
    /// These bytes, in the requested order; never empty.
    Parts(Vec<RangeInclusive<u64>>),
    /// Nothing: the requested ranges are outside the file.
    Unsatisfiable,
}

/// One element of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spec {
    From(u64),
    Between(u64, u64),
    Last(u64),
}

/// The bytes that the field asks for, of a file with `length` bytes. A field that is invalid counts as absent. So does
/// one that asks for more bytes than the file has, or for too many pieces: the response would cost more than the whole
/// file.
pub(super) fn select(field: &[u8], length: u64) -> Selected {
    let Some(specs) = parse(field) else { return Selected::Whole };
    // A range of an empty file cannot be expressed, and some clients send a range with each request.
    if length == 0 {
        return Selected::Whole;
    }
    let parts: Vec<_> = specs.into_iter().filter_map(|spec| spec.within(length)).collect();
    if parts.is_empty() {
        return Selected::Unsatisfiable;
    }
    let bytes = parts.iter().fold(0, |sum: u64, part| sum.saturating_add(count(part)));
    if bytes > length { Selected::Whole } else { Selected::Parts(parts) }
}

/// The number of bytes of a part.
pub(super) fn count(part: &RangeInclusive<u64>) -> u64 {
    part.end() - part.start() + 1
}

impl Spec {
    /// The bytes that it means; `None` when there are none.
    fn within(self, length: u64) -> Option<RangeInclusive<u64>> {
        let last = length.checked_sub(1)?;
        match self {
            Self::From(first) => (first <= last).then_some(first..=last),
            Self::Between(first, end) => (first <= last).then(|| first..=end.min(last)),
            Self::Last(count) => (count > 0).then(|| length.saturating_sub(count)..=last),
        }
    }
}

/// The elements of a list of byte ranges. `None` if the unit is different, an element is invalid, or there are too
/// many.
fn parse(field: &[u8]) -> Option<Vec<Spec>> {
    let field = std::str::from_utf8(field).ok()?;
    let (unit, list) = field.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let is_blank = |letter| matches!(letter, ' ' | '\t');
    // Empty elements of a list must be accepted, but they count: a list of commas is not free.
    let mut elements = list.split(',').map(|element| element.trim_matches(is_blank));
    let specs: Option<Vec<_>> =
        elements.by_ref().take(limits::RANGES_MAX).filter(|element| !element.is_empty()).map(parse_spec).collect();
    specs.filter(|specs| !specs.is_empty() && elements.next().is_none())
}

fn parse_spec(element: &str) -> Option<Spec> {
    match element.split_once('-')? {
        ("", last) => Some(Spec::Last(number(last)?)),
        (first, "") => Some(Spec::From(number(first)?)),
        (first, end) => {
            let (first, end) = (number(first)?, number(end)?);
            (first <= end).then_some(Spec::Between(first, end))
        }
    }
}

/// Digits only; too large a number becomes the maximum.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<const N: usize>(parts: [(u64, u64); N]) -> Selected {
        Selected::Parts(parts.into_iter().map(|(first, last)| first..=last).collect())
    }

    #[test]
    fn what_a_field_asks_for() {
        let many = |count: usize| format!("bytes={}", vec!["0-0"; count].join(","));
        for (field, length, expected) in [
            ("bytes=0-3", 10, parts([(0, 3)])),
            ("Bytes=0-3", 10, parts([(0, 3)])),
            ("bytes= 0-3", 10, parts([(0, 3)])),
            ("bytes=0-3\t", 10, parts([(0, 3)])),
            ("bytes=007-8", 10, parts([(7, 8)])),
            ("bytes=5-", 10, parts([(5, 9)])),
            ("bytes=5-99999999999999999999999", 10, parts([(5, 9)])),
            ("bytes=-3", 10, parts([(7, 9)])),
            ("bytes=-99", 10, parts([(0, 9)])),
            ("bytes=0-0,2-3", 10, parts([(0, 0), (2, 3)])),
            ("bytes= 5-6 , ,\t0-0,", 10, parts([(5, 6), (0, 0)])),
            // Ranges beyond the end are dropped; if none remains, nothing can be sent.
            ("bytes=0-0,10-", 10, parts([(0, 0)])),
            ("bytes=10-", 10, Selected::Unsatisfiable),
            ("bytes=99999999999999999999999-", 10, Selected::Unsatisfiable),
            ("bytes=-0", 10, Selected::Unsatisfiable),
            ("bytes=10-11,-0", 10, Selected::Unsatisfiable),
            // Overlaps are allowed as long as the whole file is larger.
            ("bytes=0-3,2-5", 10, parts([(0, 3), (2, 5)])),
            ("bytes=0-,0-", 10, Selected::Whole),
            ("bytes=-9,-9", 10, Selected::Whole),
            (&many(limits::RANGES_MAX), 1000, Selected::Parts(vec![0..=0; limits::RANGES_MAX])),
            (&many(limits::RANGES_MAX + 1), 1000, Selected::Whole),
            (&format!("bytes={}0-0", ",".repeat(limits::RANGES_MAX)), 1000, Selected::Whole),
            // An empty file has no parts.
            ("bytes=0-3", 0, Selected::Whole),
            ("bytes=-3", 0, Selected::Whole),
            ("bytes=0-0,1-1", 0, Selected::Whole),
            // Invalid values are ignored.
            ("bytes=5-2", 10, Selected::Whole),
            ("bytes=0-0,5-2", 10, Selected::Whole),
            ("bytes=a-2", 10, Selected::Whole),
            ("bytes=+1-2", 10, Selected::Whole),
            ("bytes=1 -2", 10, Selected::Whole),
            ("bytes=1-2-3", 10, Selected::Whole),
            ("bytes=-", 10, Selected::Whole),
            ("bytes=", 10, Selected::Whole),
            ("bytes=,", 10, Selected::Whole),
            ("bytes 0-3", 10, Selected::Whole),
            ("items=0-3", 10, Selected::Whole),
            ("bytes=\u{ff}", 10, Selected::Whole),
        ] {
            assert_eq!(select(field.as_bytes(), length), expected, "{field:?} of {length}");
        }
        assert_eq!(select(b"bytes=0-3\xff", 10), Selected::Whole);
    }

    #[test]
    fn no_part_is_outside_of_the_file() {
        use proptest::prelude::*;

        proptest!(|(field in "bytes=([ ,0-9-]{0,40})", length in 0_u64..200)| {
            if let Selected::Parts(parts) = select(field.as_bytes(), length) {
                prop_assert!(!parts.is_empty());
                prop_assert!(parts.iter().all(|part| part.start() <= part.end() && *part.end() < length));
                prop_assert!(parts.iter().map(count).sum::<u64>() <= length);
            }
        });
    }
}
