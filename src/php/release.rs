//! Known defects of the running release of PHP: the floor of its series, from the list that `scripts/php.sh` uses.

use std::sync::OnceLock;

/// Lines `floor SERIES VERSION DATE REASON`, among others.
const RELEASES: &str = include_str!("../../scripts/php-releases.txt");

/// The running release, once the engine has started.
static RUNNING: OnceLock<String> = OnceLock::new();

/// The oldest release of a series without publicly known remote code execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// For example `8.4.28`.
    pub version: &'static str,
    /// The day on which the flaws of older releases became public.
    pub since: &'static str,
    /// What they are.
    pub reason: &'static str,
}

/// The floor of the series, if this release is below it. A release of an unlisted series is below none.
///
/// A suffix of the version (`8.4.28-dev`, `8.4.28RC1`, a vendor's `8.4.28-1`) is ignored.
pub fn floor_above(version: &str) -> Option<Floor> {
    let floor = floors().find(|floor| series(floor.version) == series(version))?;
    (numbers(version) < numbers(floor.version)).then_some(floor)
}

/// The version of this process's PHP; empty before its start.
pub fn running_release() -> &'static str {
    RUNNING.get().map_or("", String::as_str)
}

/// Keeps the version of the engine that has started.
pub(super) fn set_running_release(version: &str) {
    RUNNING.get_or_init(|| version.to_owned());
}

/// The lines `floor SERIES VERSION SINCE REASON` of the table.
fn floors() -> impl Iterator<Item = Floor> {
    RELEASES.lines().filter_map(floor)
}

fn floor(line: &'static str) -> Option<Floor> {
    let mut words = line.strip_prefix("floor ")?.splitn(4, ' ');
    let [_series, version, since, reason] = [words.next()?, words.next()?, words.next()?, words.next()?];
    Some(Floor { version, since, reason })
}

/// Major, minor and release.
fn numbers(version: &str) -> [u32; 3] {
    let mut parts = version.splitn(3, '.').map(leading_number);
    [(); 3].map(|()| parts.next().unwrap_or(0))
}

/// 0 if the part starts with no digit.
fn leading_number(part: &str) -> u32 {
    let digits = part.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(part.len());
    part[..digits].parse().unwrap_or(0)
}

/// The first two numbers of a version: flaws are fixed in each series on its own.
fn series(version: &str) -> [u32; 2] {
    let [major, minor, _] = numbers(version);
    [major, minor]
}

#[cfg(test)]
mod tests {
    use super::{floor_above, floors};

    #[test]
    fn releases_are_compared_by_their_numbers() {
        let floor = floor_above("8.4.24").expect("8.4.24 is below its floor");
        assert_eq!((floor.version, floor.since), ("8.4.28", "2026-11-19"));
        assert!(floor.reason.starts_with("remote code execution"), "{floor:?}");
        for below in ["8.4.9", "8.4.27", "8.4.27-dev", "8.2.35", "8.3.0RC1", "8.5.12-1+deb"] {
            assert!(floor_above(below).is_some(), "{below}");
        }
        for safe in ["8.4.28", "8.4.100", "8.2.36", "8.3.37", "8.5.13", "8.6.0", "9.0.1", "", "x.y"] {
            assert_eq!(floor_above(safe), None, "{safe}");
        }
    }

    #[test]
    fn each_released_series_has_a_floor() {
        let versions: Vec<_> = floors().map(|floor| floor.version).collect();
        assert_eq!(versions, ["8.2.36", "8.3.37", "8.4.28", "8.5.13"]);
    }
}
