//! Times as logs write them, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A moment, taken apart.
pub(super) struct Moment {
    pub(super) year: i64,
    /// 0 is January.
    pub(super) month: usize,
    pub(super) day: u64,
    pub(super) hour: u64,
    pub(super) minute: u64,
    pub(super) second: u64,
    /// Since the last full second.
    nanoseconds: u32,
    /// Since 1970-01-01, a Thursday.
    pub(super) days: u64,
    /// Since then, too.
    pub(super) unix_seconds: u64,
}

impl Moment {
    pub(super) fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let of_day = since.as_secs() % 86_400;
        let days = since.as_secs() / 86_400;
        let (year, month, day) = date(days);
        Self {
            year,
            month,
            day,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            nanoseconds: since.subsec_nanos(),
            days,
            unix_seconds: since.as_secs(),
        }
    }

    fn clock(&self) -> String {
        format!("{:02}:{:02}:{:02}", self.hour, self.minute, self.second)
    }

    fn decimals(&self, count: u8) -> String {
        match count {
            0 => String::new(),
            count => format!(".{}", &format!("{:09}", self.nanoseconds)[..usize::from(count.min(9))]),
        }
    }
}

/// The year, the month (0 is January) and the day of the month, from the days since 1970-01-01.
fn date(days: u64) -> (i64, usize, u64) {
    // The calendar repeats every 400 years; if the year starts in March, the leap day is its last day.
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = (from_march + 2) % 12;
    let year = (year_of_era + era * 400) as i64 + i64::from(month < 2);
    (year, month as usize, of_year - (153 * from_march + 2) / 5 + 1)
}

/// `2026-11-28T10:43:29.123Z`.
pub(super) fn iso(time: SystemTime, decimals: u8) -> String {
    let moment = Moment::of(time);
    let Moment { year, month, day, .. } = moment;
    format!("{year:04}-{:02}-{day:02}T{}{}Z", month + 1, moment.clock(), moment.decimals(decimals))
}

/// `2026/11/28 10:43:29.123`.
pub(super) fn wall(time: SystemTime, decimals: u8) -> String {
    let moment = Moment::of(time);
    let Moment { year, month, day, .. } = moment;
    format!("{year:04}/{:02}/{day:02} {}{}", month + 1, moment.clock(), moment.decimals(decimals))
}

/// `28/Nov/2026:10:43:29 +0000`.
pub(super) fn common(time: SystemTime) -> String {
    let moment = Moment::of(time);
    format!("{:02}/{}/{:04}:{} +0000", moment.day, MONTHS[moment.month], moment.year, moment.clock())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn moments() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_795_862_609, "2026-11-28T10:43:29Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(iso(time, 0), expected);
        }
        let time = UNIX_EPOCH + Duration::new(1_795_862_609, 123_456_789);
        assert_eq!(iso(time, 3), "2026-11-28T10:43:29.123Z");
        assert_eq!(wall(time, 0), "2026/11/28 10:43:29");
        assert_eq!(wall(time, 9), "2026/11/28 10:43:29.123456789");
        assert_eq!(common(time), "28/Nov/2026:10:43:29 +0000");
    }
}
