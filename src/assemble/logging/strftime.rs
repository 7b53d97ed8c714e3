//! Times by a format of C's `strftime()`, in UTC and in the words of the locale `C` (pure).

use std::fmt::Write as _;
use std::time::SystemTime;

use super::time::Moment;

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The text of a format. As in glibc, a conversion that does not exist stays as it is.
pub(super) fn strftime(format: &str, time: SystemTime) -> String {
    let mut text = String::new();
    append(&mut text, format, &Moment::of(time));
    text
}

fn append(text: &mut String, format: &str, moment: &Moment) {
    let mut rest = format.chars();
    while let Some(char) = rest.next() {
        if char != '%' {
            text.push(char);
            continue;
        }
        // `E` and `O` ask for other digits or eras, which the locale does not have.
        let mut letter = rest.next();
        if matches!(letter, Some('E' | 'O')) {
            letter = rest.next();
        }
        match letter {
            Some(letter) => conversion(text, letter, moment),
            None => text.push('%'),
        }
    }
}

fn conversion(text: &mut String, letter: char, moment: &Moment) {
    let hour_of_twelve = match moment.hour % 12 {
        0 => 12,
        hour => hour,
    };
    let (iso_year, iso_week) = iso_week(moment);
    // Writing to a string cannot fail.
    let _ = match letter {
        'a' => write!(text, "{}", &DAYS[weekday(moment)][..3]),
        'A' => write!(text, "{}", DAYS[weekday(moment)]),
        'b' | 'h' => write!(text, "{}", &MONTHS[moment.month][..3]),
        'B' => write!(text, "{}", MONTHS[moment.month]),
        'C' => write!(text, "{:02}", moment.year / 100),
        'd' => write!(text, "{:02}", moment.day),
        'e' => write!(text, "{:2}", moment.day),
        'g' => write!(text, "{:02}", iso_year % 100),
        'G' => write!(text, "{iso_year}"),
        'H' => write!(text, "{:02}", moment.hour),
        'I' => write!(text, "{hour_of_twelve:02}"),
        'j' => write!(text, "{:03}", day_of_year(moment) + 1),
        'k' => write!(text, "{:2}", moment.hour),
        'l' => write!(text, "{hour_of_twelve:2}"),
        'm' => write!(text, "{:02}", moment.month + 1),
        'M' => write!(text, "{:02}", moment.minute),
        'n' => text.write_char('\n'),
        'p' => write!(text, "{}", if moment.hour < 12 { "AM" } else { "PM" }),
        'P' => write!(text, "{}", if moment.hour < 12 { "am" } else { "pm" }),
        's' => write!(text, "{}", moment.unix_seconds),
        'S' => write!(text, "{:02}", moment.second),
        't' => text.write_char('\t'),
        'u' => write!(text, "{}", (weekday(moment) + 6) % 7 + 1),
        'U' => write!(text, "{:02}", (day_of_year(moment) + 7 - weekday(moment)) / 7),
        'V' => write!(text, "{iso_week:02}"),
        'w' => write!(text, "{}", weekday(moment)),
        'W' => write!(text, "{:02}", (day_of_year(moment) + 7 - (weekday(moment) + 6) % 7) / 7),
        'y' => write!(text, "{:02}", moment.year % 100),
        'Y' => write!(text, "{}", moment.year),
        'z' => write!(text, "+0000"),
        'Z' => write!(text, "UTC"),
        '%' => write!(text, "%"),
        'c' => return append(text, "%a %b %e %H:%M:%S %Y", moment),
        'D' | 'x' => return append(text, "%m/%d/%y", moment),
        'F' => return append(text, "%Y-%m-%d", moment),
        'r' => return append(text, "%I:%M:%S %p", moment),
        'R' => return append(text, "%H:%M", moment),
        'T' | 'X' => return append(text, "%H:%M:%S", moment),
        other => write!(text, "%{other}"),
    };
}

/// 0 is Sunday.
fn weekday(moment: &Moment) -> usize {
    ((moment.days + 4) % 7) as usize
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// 0 is the first of January.
fn day_of_year(moment: &Moment) -> usize {
    const BEFORE: [usize; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap_day = usize::from(moment.month > 1 && is_leap(moment.year));
    BEFORE[moment.month] + leap_day + moment.day as usize - 1
}

/// The year and the week of ISO 8601: weeks start on Mondays, and belong to the year of their Thursday.
fn iso_week(moment: &Moment) -> (i64, usize) {
    let monday_based = (weekday(moment) + 6) % 7;
    // The day of the year of this week's Thursday; it may be outside of the year.
    let thursday = day_of_year(moment) as i64 + 3 - monday_based as i64;
    let days_of = |year| if is_leap(year) { 366 } else { 365 };
    let (year, thursday) = if thursday < 0 {
        (moment.year - 1, thursday + days_of(moment.year - 1))
    } else if thursday >= days_of(moment.year) {
        (moment.year + 1, thursday - days_of(moment.year))
    } else {
        (moment.year, thursday)
    };
    (year, (thursday / 7 + 1) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    /// The expected texts are those of `LC_ALL=C TZ=UTC date -d @SECONDS +FORMAT`.
    #[test]
    fn the_formats_are_those_of_c() {
        let all = "%a %A %b %B %C %d %e %g %G %H %I %j %k %l %m %M %p %P %S %u %U %V %w %W %y %Y %z %Z|%c|%D|%F|%r|%R|%T|%s|%%|%q|%Ey";
        for (seconds, expected) in [
            (
                1_795_862_609,
                "Sat Saturday Nov November 20 28 28 26 2026 10 10 332 10 10 11 43 AM am 29 6 47 48 6 47 26 2026 +0000 UTC\
                 |Sat Nov 28 10:43:29 2026|11/28/26|2026-11-28|10:43:29 AM|10:43|10:43:29|1795862609|%|%q|26",
            ),
            (
                1_609_459_199,
                "Thu Thursday Dec December 20 31 31 20 2020 23 11 366 23 11 12 59 PM pm 59 4 52 53 4 52 20 2020 +0000 UTC\
                 |Thu Dec 31 23:59:59 2020|12/31/20|2020-12-31|11:59:59 PM|23:59|23:59:59|1609459199|%|%q|20",
            ),
            (
                1_609_459_200,
                "Fri Friday Jan January 20 01  1 20 2020 00 12 001  0 12 01 00 AM am 00 5 00 53 5 00 21 2021 +0000 UTC\
                 |Fri Jan  1 00:00:00 2021|01/01/21|2021-01-01|12:00:00 AM|00:00|00:00:00|1609459200|%|%q|21",
            ),
        ] {
            assert_eq!(strftime(all, UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
    }
}
