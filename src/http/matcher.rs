//! Which requests a handler is for (pure).

use http::{HeaderMap, HeaderName, Method};

use super::paths;

/// A set of conditions that must all hold; within one of them, one alternative is enough. The default matches every
/// request.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    /// Path patterns: exact, or with `*` at the start, the end or both; a `*` in the middle stands for anything but a
    /// slash. Compared without regard to case, with the decoded and cleaned path.
    pub paths: Vec<String>,
    /// Methods, in upper case.
    pub methods: Vec<String>,
    /// Host names without port; `*.example.com` stands for one label.
    pub hosts: Vec<String>,
    /// Header fields. Several patterns for one field are alternatives, several fields must all match.
    pub headers: Vec<HeaderMatch>,
    /// Matchers of which none may match.
    pub not: Vec<Matcher>,
}

/// A condition on one header field.
#[derive(Clone, Debug)]
pub struct HeaderMatch {
    /// The field.
    pub name: HeaderName,
    /// What it must be.
    pub value: HeaderPattern,
}

/// What a header must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderPattern {
    /// There must be no such field.
    Absent,
    /// One of its values must be this, or start, end or continue where a `*` stands at the end, the start or both. `*`
    /// alone: any value.
    Value(String),
}

/// What a matcher looks at.
pub(super) struct Subject<'r> {
    /// The cleaned, decoded path.
    pub(super) path: &'r [u8],
    pub(super) method: &'r Method,
    /// Without port.
    pub(super) host: &'r str,
    pub(super) headers: &'r HeaderMap,
}

impl Matcher {
    pub(super) fn matches(&self, subject: &Subject<'_>) -> bool {
        let path = || self.paths.iter().any(|pattern| paths::path_matches(pattern, subject.path));
        let method = || self.methods.iter().any(|method| method == subject.method.as_str());
        let host = || self.hosts.iter().any(|pattern| host_matches(pattern, subject.host));
        let header = |wanted: &HeaderMatch| {
            self.headers.iter().filter(|other| other.name == wanted.name).any(|other| other.matches(subject.headers))
        };
        (self.paths.is_empty() || path())
            && (self.methods.is_empty() || method())
            && (self.hosts.is_empty() || host())
            && self.headers.iter().all(header)
            && !self.not.iter().any(|matcher| matcher.matches(subject))
    }

    /// How specific the path condition is; longer patterns are tried first.
    pub(super) fn path_length(&self) -> usize {
        match self.paths.as_slice() {
            [only] => only.trim_end_matches('*').len(),
            _ => 0,
        }
    }
}

impl HeaderMatch {
    fn matches(&self, headers: &HeaderMap) -> bool {
        match &self.value {
            HeaderPattern::Absent => !headers.contains_key(&self.name),
            HeaderPattern::Value(pattern) => {
                headers.get_all(&self.name).iter().any(|value| paths::ends_glob(pattern.as_bytes(), value.as_bytes()))
            }
        }
    }
}

/// Whether `host` is `pattern`, where a label `*` stands for any one label.
pub(super) fn host_matches(pattern: &str, host: &str) -> bool {
    let (mut wanted, mut labels) = (pattern.split('.'), host.split('.'));
    loop {
        match (wanted.next(), labels.next()) {
            (None, None) => return true,
            (Some("*"), Some(label)) if !label.is_empty() => {}
            (Some(wanted), Some(label)) if wanted.eq_ignore_ascii_case(label) => {}
            _ => return false,
        }
    }
}
