//! Which responses a directive acts on: `match` of `encode`, and the matchers of `intercept` and `handle_response`.

use super::matcher::ValuePattern;

/// A response matcher: the status is in the list, and every field has a matching value. An empty one matches all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponseMatcher {
    /// The statuses; empty: any.
    pub statuses: Vec<StatusPattern>,
    /// The fields.
    pub fields: Vec<FieldCondition>,
}

/// A status, or a class of statuses (`2xx`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusPattern {
    /// This status.
    Exact(u16),
    /// The statuses with this first digit.
    Class(u16),
}

/// A condition for one field of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldCondition {
    /// It has a value that matches one of the patterns.
    Has {
        /// The name in lower case.
        field: String,
        /// The patterns of values.
        values: Vec<ValuePattern>,
    },
    /// It is absent.
    Absent {
        /// The name in lower case.
        field: String,
    },
}

/// Whether the text has the form of a status: three digits.
pub(super) fn is_status(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl StatusPattern {
    /// Reads `404` or `4xx`. `None`: it is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(digit) = text.strip_suffix("xx").filter(|digit| digit.len() == 1) {
            return digit.parse().ok().filter(|class| (1..=9).contains(class)).map(Self::Class);
        }
        text.parse().ok().filter(|_| is_status(text)).map(Self::Exact)
    }

    /// Whether a response with this status matches.
    #[must_use]
    pub fn matches(self, status: u16) -> bool {
        match self {
            Self::Exact(expected) => status == expected,
            Self::Class(class) => status / 100 == class,
        }
    }
}

impl ResponseMatcher {
    /// Whether a response fits. `field` returns the values of the field with a name in lower case.
    #[must_use]
    pub fn matches<'r, V: Iterator<Item = &'r str>>(&self, status: u16, field: impl Fn(&str) -> V) -> bool {
        (self.statuses.is_empty() || self.statuses.iter().any(|pattern| pattern.matches(status)))
            && self.fields.iter().all(|condition| match condition {
                FieldCondition::Has { field: name, values } => {
                    field(name).any(|value| values.iter().any(|pattern| pattern.matches(value)))
                }
                FieldCondition::Absent { field: name } => field(name).next().is_none(),
            })
    }
}
