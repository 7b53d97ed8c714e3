//! Converts times to dates in UTC, for the placeholders of the time.

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const SECONDS_PER_DAY: u64 = 86_400;

/// As access logs of the common format write the moment that many seconds after the start of 1970.
pub fn common_log_time(unix_seconds: u64) -> String {
    Moment::of(unix_seconds).common_log()
}

/// A second in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) year: u64,
    month: usize,
    day: u64,
    weekday: usize,
    second_of_day: u64,
}

impl Moment {
    /// The moment that many seconds after the start of 1970.
    pub(super) fn of(unix_seconds: u64) -> Self {
        let days = unix_seconds / SECONDS_PER_DAY;
        let (mut year, mut left) = (1970, days);
        while left >= days_of_year(year) {
            left -= days_of_year(year);
            year += 1;
        }
        let mut month = 0;
        while left >= days_of_month(year, month) {
            left -= days_of_month(year, month);
            month += 1;
        }
        let weekday = (days % 7) as usize;
        Self { year, month, day: left + 1, weekday, second_of_day: unix_seconds % SECONDS_PER_DAY }
    }

    /// As HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub(super) fn http(&self) -> String {
        let Self { year, day, .. } = *self;
        format!("{}, {day:02} {} {year} {} GMT", DAYS[self.weekday], MONTHS[self.month], self.clock())
    }

    /// As Go prints it: `1994-11-06 08:49:37.5 +0000 UTC`.
    pub(super) fn go(&self, nanoseconds: u32) -> String {
        let fraction = format!("{nanoseconds:09}");
        let fraction = match fraction.trim_end_matches('0') {
            "" => String::new(),
            digits => format!(".{digits}"),
        };
        format!("{}-{:02}-{:02} {}{fraction} +0000 UTC", self.year, self.month + 1, self.day, self.clock())
    }

    /// As access logs of the common format write it: `06/Nov/1994:08:49:37 +0000`.
    pub(super) fn common_log(&self) -> String {
        format!("{:02}/{}/{}:{} +0000", self.day, MONTHS[self.month], self.year, self.clock())
    }

    fn clock(&self) -> String {
        let seconds = self.second_of_day;
        format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_of_month(year: u64, month: usize) -> u64 {
    match month {
        1 if is_leap(year) => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[cfg(test)]
mod tests {
    use super::Moment;

    #[test]
    fn moments_as_text() {
        let table = [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01 00:00:00 +0000 UTC"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06 08:49:37 +0000 UTC"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT", "2000-02-29 00:00:00 +0000 UTC"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT", "2100-02-28 23:59:59 +0000 UTC"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT", "2100-03-01 00:00:00 +0000 UTC"),
        ];
        for (seconds, http, go) in table {
            let moment = Moment::of(seconds);
            assert_eq!((moment.http().as_str(), moment.go(0).as_str()), (http, go), "{seconds}");
        }
        assert_eq!(Moment::of(784_111_777).common_log(), "06/Nov/1994:08:49:37 +0000");
        assert_eq!(Moment::of(0).go(500_000_000), "1970-01-01 00:00:00.5 +0000 UTC");
    }
}
