//! The reason why a publish was refused, and the path of the value that caused it.

use crate::limits::{REFUSAL_KEY_BYTES_SHOWN, REFUSAL_PATH_KEYS_SHOWN};
use std::fmt;

/// A value that cannot be published, or a limit that was passed. Shown to PHP as the message of the error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The start of the path, as PHP would write it.
    root: &'static str,
    /// The path to the value, innermost key last.
    path: Vec<PathKey>,
    /// What is wrong at that place.
    reason: Reason,
}

/// A key on the way to the refused value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum PathKey {
    Index(i64),
    /// The start of the key, and whether it is longer.
    Name(Vec<u8>, bool),
}

/// Why the value was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// An object that is not an enum case, of this class.
    Object(String),
    /// A resource, open or closed.
    Resource,
    /// A reference that a variable still shares.
    SharedReference,
    /// Arrays nested deeper than this many levels.
    TooDeep(usize),
    /// The copy would need more bytes than this.
    TooLarge(usize),
    /// The system has no memory left for this many bytes.
    OutOfMemory(usize),
    /// A type of value that only the engine's internals use.
    Internal(u8),
}

impl Refusal {
    pub(super) fn new(reason: Reason) -> Self {
        Self { root: "$vars", path: Vec::new(), reason }
    }

    /// Adds the key that leads to the offending value, while the walk unwinds: innermost first. The path is not
    /// recorded if memory is missing.
    pub(super) fn at_index(mut self, index: i64) -> Self {
        if !self.is_value_error() {
            return self;
        }
        self.path.insert(0, PathKey::Index(index));
        self
    }

    /// Called on the way out of the walk, so the outermost key comes last and is put first.
    pub(super) fn at_name(mut self, name: &[u8]) -> Self {
        if !self.is_value_error() {
            return self;
        }
        let shown = &name[..name.len().min(REFUSAL_KEY_BYTES_SHOWN)];
        self.path.insert(0, PathKey::Name(shown.to_vec(), shown.len() < name.len()));
        self
    }

    /// The path starts from a single value instead of a published array. `is_alone`: the value was copied in its own
    /// array.
    pub(super) fn of_value(mut self, is_alone: bool) -> Self {
        self.root = "$value";
        if is_alone && !self.path.is_empty() {
            self.path.remove(0);
        }
        self
    }

    /// What was wrong.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// Whether the fault is in the value (PHP's `ValueError`) and not in the machine.
    pub fn is_value_error(&self) -> bool {
        !matches!(self.reason, Reason::OutOfMemory(_))
    }

    /// The place of the value as PHP would write it: `$vars['db'][3]`.
    pub fn place(&self) -> String {
        let mut place = String::from(self.root);
        for (position, key) in self.path.iter().enumerate() {
            if self.path.len() > REFUSAL_PATH_KEYS_SHOWN && position == REFUSAL_PATH_KEYS_SHOWN / 2 {
                place.push('…');
            }
            if self.path.len() > REFUSAL_PATH_KEYS_SHOWN
                && (REFUSAL_PATH_KEYS_SHOWN / 2..self.path.len() - REFUSAL_PATH_KEYS_SHOWN / 2).contains(&position)
            {
                continue;
            }
            match key {
                PathKey::Index(index) => place.push_str(&format!("[{index}]")),
                PathKey::Name(name, is_cut) => {
                    let mut name = String::from_utf8_lossy(name).replace('\\', "\\\\").replace('\'', "\\'");
                    if *is_cut {
                        // A character may also have been cut.
                        name.truncate(name.trim_end_matches(char::REPLACEMENT_CHARACTER).len());
                        name.push('…');
                    }
                    place.push_str(&format!("['{name}']"));
                }
            }
        }
        place
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place();
        match &self.reason {
            Reason::Object(class) => write!(
                f,
                "{place} is an object of class {class}; only null, bool, int, float, string, array and enum cases can be \
                 published"
            ),
            Reason::Resource => write!(
                f,
                "{place} is a resource; only null, bool, int, float, string, array and enum cases can be published"
            ),
            Reason::SharedReference => write!(
                f,
                "{place} is a reference that a variable still shares; unset() that variable or publish a copy of the value"
            ),
            Reason::TooDeep(levels) => write!(f, "{place} is nested deeper than {levels} levels"),
            Reason::TooLarge(bytes) => write!(
                f,
                "the array needs more than {bytes} bytes at {place}; publish less, or raise max_bytes in the vars block of \
                 the configuration"
            ),
            Reason::OutOfMemory(bytes) => {
                write!(
                    f,
                    "the system has no memory left for a snapshot of {bytes} bytes or more; the published one stays"
                )
            }
            Reason::Internal(kind) => {
                write!(f, "{place} is of the engine's internal type {kind}, which cannot be published")
            }
        }
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_key_is_shown_as_cut() {
        let place = |name: &str| Refusal::new(Reason::Resource).at_name(name.as_bytes()).place();
        let whole = "k".repeat(REFUSAL_KEY_BYTES_SHOWN);
        assert_eq!(place(&whole), format!("$vars['{whole}']"));
        assert_eq!(place(&format!("{whole}k")), format!("$vars['{whole}…']"));
        let uneven = "k".repeat(REFUSAL_KEY_BYTES_SHOWN - 1);
        assert_eq!(place(&format!("{uneven}éé")), format!("$vars['{uneven}…']"));
    }
}
