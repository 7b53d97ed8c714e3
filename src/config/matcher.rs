//! Which requests a directive acts on.

use super::request::RequestView;

/// A request matcher: every condition must hold. Without conditions it matches every request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matcher {
    /// The conditions.
    pub conditions: Vec<Condition>,
}

impl Matcher {
    /// The matcher of all requests.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// The matcher of the paths that fit one of these patterns.
    #[must_use]
    pub fn paths(patterns: Vec<PathPattern>) -> Self {
        Self { conditions: vec![Condition::Path(patterns)] }
    }

    /// Whether this matches every request, without looking at it.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Whether the request fulfils all conditions.
    #[must_use]
    pub fn matches(&self, request: &dyn RequestView) -> bool {
        self.conditions.iter().all(|condition| condition.holds(request))
    }
}

/// One condition of a matcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The path fits one of the patterns.
    Path(Vec<PathPattern>),
    /// The method is one of these.
    Method(Vec<String>),
    /// The host fits one of these patterns (lower case; a label `*` stands for one label).
    Host(Vec<String>),
    /// The header field has a value that fits one of the patterns.
    Header {
        /// The field's name in lower case.
        field: String,
        /// The patterns of values.
        values: Vec<ValuePattern>,
    },
    /// The header field is absent.
    NoHeader {
        /// The field's name in lower case.
        field: String,
    },
    /// The request does not fulfil this matcher.
    Not(Matcher),
}

impl Condition {
    fn holds(&self, request: &dyn RequestView) -> bool {
        match self {
            Self::Path(patterns) => patterns.iter().any(|pattern| pattern.matches(request.path())),
            Self::Method(methods) => methods.iter().any(|method| method == request.method()),
            Self::Host(hosts) => hosts.iter().any(|host| host_matches(host, request.host())),
            Self::Header { field, values } => {
                let sent = request.header(field);
                sent.iter().any(|value| values.iter().any(|pattern| pattern.matches(value)))
            }
            Self::NoHeader { field } => request.header(field).is_empty(),
            Self::Not(matcher) => !matcher.matches(request),
        }
    }
}

/// A pattern of request paths, compared without regard to ASCII case.
///
/// A single `*` at the end (`/api/*`) or the start (`*.php`), or one at both ends (`*/secret/*`), stands for any text.
/// In all other patterns a `*` stands for any text without a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern(String);

impl PathPattern {
    /// The pattern of this text.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self(pattern.to_ascii_lowercase())
    }

    /// The pattern as text, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a decoded and normalized path fits.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let path = path.to_ascii_lowercase();
        let pattern = self.0.as_str();
        match ends_of_wildcard(pattern) {
            Some(ends) => ends.matches(&path),
            None => glob_matches(pattern.as_bytes(), path.as_bytes()),
        }
    }
}

/// A pattern of header values: `*` at the start, the end, or both, stands for any text; `*` alone for any value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValuePattern(String);

impl ValuePattern {
    /// The pattern of this text.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self(pattern.to_owned())
    }

    /// Whether a value fits.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        match ends_of_wildcard(&self.0) {
            Some(ends) => ends.matches(value),
            None => self.0 == value,
        }
    }
}

/// A pattern whose wildcards stand only at its ends.
enum WildcardEnds<'a> {
    Exact(&'a str),
    Prefix(&'a str),
    Suffix(&'a str),
    Inside(&'a str),
}

impl WildcardEnds<'_> {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(part) => text == *part,
            Self::Prefix(part) => text.starts_with(part),
            Self::Suffix(part) => text.ends_with(part),
            Self::Inside(part) => text.contains(part),
        }
    }
}

/// Reads a pattern as one with wildcards at its ends only; `None` when it has others.
fn ends_of_wildcard(pattern: &str) -> Option<WildcardEnds<'_>> {
    match pattern.bytes().filter(|byte| *byte == b'*').count() {
        0 => Some(WildcardEnds::Exact(pattern)),
        1 => pattern
            .strip_suffix('*')
            .map(WildcardEnds::Prefix)
            .or_else(|| pattern.strip_prefix('*').map(WildcardEnds::Suffix)),
        2 => pattern.strip_prefix('*')?.strip_suffix('*').map(WildcardEnds::Inside),
        _ => None,
    }
}

/// Matches a pattern whose `*` stands for any text without a slash.
///
/// Going back to the last `*` only is enough: text between two stars can be moved only within a stretch without
/// slashes, so the leftmost place of each part leaves the most for the rest.
fn glob_matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut last_star = None;
    while at_text < text.len() {
        if pattern.get(at_pattern) == Some(&b'*') {
            last_star = Some((at_pattern, at_text));
            at_pattern += 1;
        } else if pattern.get(at_pattern) == Some(&text[at_text]) {
            at_pattern += 1;
            at_text += 1;
        } else if let Some((star, covered)) = last_star.filter(|(_, covered)| text[*covered] != b'/') {
            last_star = Some((star, covered + 1));
            at_pattern = star + 1;
            at_text = covered + 1;
        } else {
            return false;
        }
    }
    pattern[at_pattern..].iter().all(|byte| *byte == b'*')
}

/// Whether a host fits a pattern in lower case, in which a label `*` stands for exactly one label.
#[must_use]
pub fn host_matches(pattern: &str, host: &str) -> bool {
    let mut labels = host.split('.');
    for expected in pattern.split('.') {
        match labels.next() {
            Some(label) if expected == "*" => {
                if label.is_empty() {
                    return false;
                }
            }
            Some(label) if label.eq_ignore_ascii_case(expected) => {}
            _ => return false,
        }
    }
    labels.next().is_none()
}
