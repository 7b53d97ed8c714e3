//! The lines of php-fpm's access log: its `access.format`, taken apart (pure).

/// The `access.format` that php-fpm has without one.
pub const FPM_LOG_DEFAULT: &str = "%R - %u %t \"%m %r\" %s";

/// `format php_fpm`: how a line is written, and which are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FpmLog {
    /// The line, from left to right.
    pub parts: Vec<FpmLogPart>,
    /// The paths whose successful requests are not written.
    pub suppressed: Vec<String>,
}

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FpmLogPart {
    /// As it is.
    Text(String),
    /// `%{user}C`: the share of one processor, in per cent.
    Cpu {
        /// Whether the time in user mode is part of it.
        user: bool,
        /// Whether the time in the kernel is part of it.
        system: bool,
    },
    /// `%d`: how long the request took.
    Duration(FpmLogUnit),
    /// `%{NAME}e`: a parameter from the web server.
    Param(String),
    /// `%f`: the file of the script.
    Script,
    /// `%l`: the length of the body of the request.
    ContentLength,
    /// `%m`
    Method,
    /// `%{kilo}M`: the most memory that PHP had, divided by this.
    Memory(u64),
    /// `%n`: the name of the pool.
    Pool,
    /// `%{NAME}o`: a field of the response.
    Field(String),
    /// `%p`: the number of the PHP thread in the system.
    Thread,
    /// `%P`: the number of the process.
    Process,
    /// `%q`
    Query,
    /// `%Q`: the `?` before a query.
    QueryMark,
    /// `%r`: the path without the query.
    Path,
    /// `%R`: the address of the web server.
    Front,
    /// `%s`
    Status,
    /// `%t`: when the request came, by a format of `strftime()`.
    Began(Option<String>),
    /// `%T`: when the line is written.
    Written(Option<String>),
    /// `%u`: the name that the client has authenticated with.
    User,
}

/// The units of `%d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FpmLogUnit {
    /// With three decimals.
    Seconds,
    /// With three decimals.
    Milliseconds,
    /// Whole ones.
    Microseconds,
}

impl FpmLogPart {
    /// Whether a header field of the request or of the response is in it.
    pub fn needs_headers(&self) -> bool {
        matches!(self, Self::Field(_) | Self::ContentLength | Self::User)
    }

    /// Whether what the web server sent is in it.
    pub fn needs_params(&self) -> bool {
        matches!(self, Self::Param(_) | Self::Script | Self::ContentLength | Self::Query | Self::QueryMark | Self::Path)
    }

    /// Whether it shows what the request has used of its PHP thread.
    pub fn needs_usage(&self) -> bool {
        matches!(self, Self::Cpu { .. } | Self::Memory(_) | Self::Thread)
    }
}

/// Takes a format apart.
///
/// # Errors
/// What php-fpm would refuse at its start, in words.
pub fn fpm_log_parts(format: &str) -> Result<Vec<FpmLogPart>, String> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = format.chars();
    while let Some(char) = rest.next() {
        if char != '%' {
            text.push(char);
            continue;
        }
        let mut letter = rest.next();
        let mut option = None;
        if letter == Some('{') {
            let (inner, after) = rest.as_str().split_once('}').ok_or("a `%{` has no `}`")?;
            option = Some(inner);
            rest = after.chars();
            letter = rest.next();
        }
        let letter = letter.ok_or("a `%` is not followed by a letter")?;
        if letter == '%' && option.is_none() {
            text.push('%');
            continue;
        }
        if !text.is_empty() {
            parts.push(FpmLogPart::Text(std::mem::take(&mut text)));
        }
        parts.push(value(letter, option)?);
    }
    if !text.is_empty() {
        parts.push(FpmLogPart::Text(text));
    }
    Ok(parts)
}

/// The value that a letter names. As in php-fpm, the words of options are taken in any case.
fn value(letter: char, option: Option<&str>) -> Result<FpmLogPart, String> {
    let word = option.unwrap_or_default().to_ascii_lowercase();
    let unknown = |known: &str| Err(format!("`%{{{word}}}{letter}` is none of {known}"));
    let named = || match option {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err(format!("`%{letter}` needs a name, as in `%{{NAME}}{letter}`")),
    };
    Ok(match letter {
        'C' => match word.as_str() {
            "" | "total" => FpmLogPart::Cpu { user: true, system: true },
            "user" => FpmLogPart::Cpu { user: true, system: false },
            "system" => FpmLogPart::Cpu { user: false, system: true },
            _ => return unknown("`total`, `user` and `system`"),
        },
        'd' => FpmLogPart::Duration(match word.as_str() {
            "" | "seconds" => FpmLogUnit::Seconds,
            "milliseconds" | "milli" | "miliseconds" | "mili" => FpmLogUnit::Milliseconds,
            "microseconds" | "micro" => FpmLogUnit::Microseconds,
            _ => return unknown("`seconds`, `milliseconds`, `milli`, `microseconds` and `micro`"),
        }),
        'M' => FpmLogPart::Memory(match word.as_str() {
            "" | "bytes" => 1,
            "kilobytes" | "kilo" => 1024,
            "megabytes" | "mega" => 1024 * 1024,
            _ => return unknown("`bytes`, `kilobytes`, `kilo`, `megabytes` and `mega`"),
        }),
        'e' => FpmLogPart::Param(named()?),
        'o' => FpmLogPart::Field(named()?),
        't' => FpmLogPart::Began(option.filter(|format| !format.is_empty()).map(str::to_owned)),
        'T' => FpmLogPart::Written(option.filter(|format| !format.is_empty()).map(str::to_owned)),
        _ => plain(letter, option)?,
    })
}

/// The values without options.
fn plain(letter: char, option: Option<&str>) -> Result<FpmLogPart, String> {
    let part = match letter {
        'f' => FpmLogPart::Script,
        'l' => FpmLogPart::ContentLength,
        'm' => FpmLogPart::Method,
        'n' => FpmLogPart::Pool,
        'p' => FpmLogPart::Thread,
        'P' => FpmLogPart::Process,
        'q' => FpmLogPart::Query,
        'Q' => FpmLogPart::QueryMark,
        'r' => FpmLogPart::Path,
        'R' => FpmLogPart::Front,
        's' => FpmLogPart::Status,
        'u' => FpmLogPart::User,
        _ => return Err(format!("php-fpm has no `%{letter}`")),
    };
    match option {
        Some(option) => Err(format!("`%{letter}` takes no option, but has `{{{option}}}`")),
        None => Ok(part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_taken_apart() {
        let text = |text: &str| FpmLogPart::Text(text.into());
        assert_eq!(
            fpm_log_parts("%R %{Milli}d%% \"%{X-Own}o\"%{%H:%M}t%{kilo}M"),
            Ok(vec![
                FpmLogPart::Front,
                text(" "),
                FpmLogPart::Duration(FpmLogUnit::Milliseconds),
                text("% \""),
                FpmLogPart::Field("X-Own".into()),
                text("\""),
                FpmLogPart::Began(Some("%H:%M".into())),
                FpmLogPart::Memory(1024),
            ])
        );
        assert!(fpm_log_parts(FPM_LOG_DEFAULT).is_ok());
    }

    #[test]
    fn what_php_fpm_refuses_is_refused() {
        for (format, message) in [
            ("%x", "php-fpm has no `%x`"),
            ("%", "a `%` is not followed by a letter"),
            ("%{milli", "a `%{` has no `}`"),
            ("%e", "`%e` needs a name, as in `%{NAME}e`"),
            ("%{}o", "`%o` needs a name, as in `%{NAME}o`"),
            ("%{days}d", "`%{days}d` is none of `seconds`, `milliseconds`, `milli`, `microseconds` and `micro`"),
            ("%{kilo}s", "`%s` takes no option, but has `{kilo}`"),
        ] {
            assert_eq!(fpm_log_parts(format), Err(message.to_owned()), "{format}");
        }
    }
}
