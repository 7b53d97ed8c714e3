//! The lines of a pool file (pure).

/// Why a pool file cannot be read: the line, and what is wrong with it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub(in crate::cli) struct ImportError {
    pub(super) line: usize,
    pub(super) message: String,
}

/// One `NAME = VALUE` or `NAME[KEY] = VALUE` of a pool file.
#[derive(Debug, Clone)]
pub(super) struct Setting<'a> {
    pub(super) line: usize,
    pub(super) name: &'a str,
    pub(super) key: Option<&'a str>,
    pub(super) value: String,
}

impl Setting<'_> {
    /// The comment for a setting that is not taken over.
    pub(super) fn kept(&self, reason: &str) -> String {
        let key = self.key.map(|key| format!("[{key}]")).unwrap_or_default();
        format!("{}{key} = {} (line {}): {reason}", self.name, self.value, self.line)
    }

    pub(super) fn number(&self) -> Result<usize, ImportError> {
        self.value.parse().map_err(|_| self.is_not_a("number"))
    }

    /// A number of seconds, or one with a unit of php-fpm: `s`, `m`, `h`, `d`.
    pub(super) fn seconds(&self) -> Result<u64, ImportError> {
        seconds(&self.value).ok_or_else(|| self.is_not_a("duration"))
    }

    /// php-fpm's words for yes and no.
    pub(super) fn is_on(&self) -> bool {
        ["1", "on", "yes", "true"].contains(&self.value.to_ascii_lowercase().as_str())
    }

    pub(super) fn is_not_a(&self, what: &str) -> ImportError {
        ImportError { line: self.line, message: format!("`{}` is no {what} for `{}`", self.value, self.name) }
    }
}

fn seconds(value: &str) -> Option<u64> {
    let (digits, unit) = match value.char_indices().find(|(_, char)| !char.is_ascii_digit()) {
        Some((at, _)) => value.split_at(at),
        None => (value, "s"),
    };
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// A section of the file.
#[derive(Debug)]
pub(super) struct Section<'a> {
    pub(super) name: &'a str,
    pub(super) settings: Vec<Setting<'a>>,
}

/// The sections of a file. Settings before the first one belong to php-fpm as a whole, as those of `[global]`.
pub(super) fn sections(text: &str) -> Result<Vec<Section<'_>>, ImportError> {
    let mut sections = vec![Section { name: "global", settings: Vec::new() }];
    for (index, line) in text.lines().enumerate() {
        let (number, line) = (index + 1, line.trim());
        if line.is_empty() || line.starts_with(';') || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sections.push(Section { name, settings: Vec::new() });
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            let message = format!("`{line}` is no setting; php-fpm has `NAME = VALUE`, `[POOL]` and comments");
            return Err(ImportError { line: number, message });
        };
        let (name, key) = match name.trim().strip_suffix(']').and_then(|name| name.split_once('[')) {
            Some((name, key)) => (name, Some(key)),
            None => (name.trim(), None),
        };
        if let Some(section) = sections.last_mut() {
            section.settings.push(Setting { line: number, name, key, value: bare(value) });
        }
    }
    Ok(sections)
}

/// A value without its quotes, or without the comment after it.
fn bare(value: &str) -> String {
    let value = value.trim();
    match value.strip_prefix('"') {
        Some(rest) => quoted(rest),
        None => value.split(" ;").next().unwrap_or_default().trim().to_owned(),
    }
}

/// Up to the closing quote. As in php.ini, a backslash protects a quote and itself.
fn quoted(rest: &str) -> String {
    let mut value = String::new();
    let mut chars = rest.chars();
    while let Some(char) = chars.next() {
        match char {
            '"' => break,
            '\\' => match chars.next() {
                Some(protected @ ('"' | '\\' | '\'')) => value.push(protected),
                Some(other) => value.extend(['\\', other]),
                None => value.push('\\'),
            },
            other => value.push(other),
        }
    }
    value
}
