//! Matchers: decide which requests a directive acts on.

mod expression;
mod file;
mod patterns;

use std::fmt;

use regex::Regex;

pub use expression::Expression;
pub use file::{FileMatch, TryPolicy};
pub use patterns::{IpRange, PathPattern, ValuePattern, host_matches};

use super::request::RequestView;
use super::text::Text;
use super::uri::pairs;

/// Whether a request fulfils something. The error is the status with which a `file` matcher ends the request (`=404`).
pub type Verdict = Result<bool, u16>;

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

    /// A matcher for paths that match one of these patterns.
    #[must_use]
    pub fn paths(patterns: Vec<PathPattern>) -> Self {
        Self { conditions: vec![Condition::Path(patterns)] }
    }

    /// Whether this matches every request.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.conditions.is_empty()
    }

    /// The pattern, if the matcher is a single path pattern.
    #[must_use]
    pub fn single_path(&self) -> Option<&PathPattern> {
        match self.conditions.as_slice() {
            [Condition::Path(patterns)] if patterns.len() == 1 => patterns.first(),
            _ => None,
        }
    }

    /// Whether the request fulfils all conditions. Their results are stored in the request.
    ///
    /// # Errors
    /// The status of a `file` condition that ends the request.
    pub fn matches(&self, request: &mut dyn RequestView) -> Verdict {
        for condition in &self.conditions {
            if !condition.holds(request)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// One condition of a matcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The path matches one of the patterns.
    Path(Vec<PathPattern>),
    /// The path matches the regular expression.
    PathRegexp(Pattern),
    /// The method is one of these.
    Method(Vec<String>),
    /// The host matches one of these patterns (lower case; a label `*` stands for one label).
    Host(Vec<String>),
    /// The header field has a value that matches one of the patterns.
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
    /// The header field has a value that matches the regular expression.
    HeaderRegexp {
        /// The field's name in lower case.
        field: String,
        /// The expression.
        pattern: Pattern,
    },
    /// The query has this parameter with one of these values; `*` is any. Without a name: the query is empty.
    Query {
        /// The parameter.
        key: String,
        /// The values.
        values: Vec<Text>,
    },
    /// The connection is of one of these protocols.
    Protocol(Protocol),
    /// The peer's address is in one of the ranges.
    RemoteIp(Vec<IpRange>),
    /// The client's address, as trusted proxies report it, is in one of the ranges.
    ClientIp(Vec<IpRange>),
    /// The text is one of the values.
    Vars {
        /// What is compared.
        of: Text,
        /// The values.
        values: Vec<Text>,
    },
    /// The text matches the regular expression.
    VarsRegexp {
        /// What is compared.
        of: Text,
        /// The expression.
        pattern: Pattern,
    },
    /// There is a file.
    File(FileMatch),
    /// The expression is true.
    Expression(Expression),
    /// The failure that `handle_errors` handles has one of these statuses (lowest, highest).
    ErrorStatus(Vec<(u16, u16)>),
    /// The request does not fulfil this matcher.
    Not(Matcher),
}

/// A protocol as the matcher `protocol` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// A connection without TLS.
    Http,
    /// A connection with TLS.
    Https,
    /// gRPC, recognized by its media type.
    Grpc,
    /// This version of HTTP, or (`true`) a later one: 10 is HTTP/1.0, 20 is HTTP/2.
    Version(u8, bool),
}

impl Condition {
    fn holds(&self, request: &mut dyn RequestView) -> Verdict {
        Ok(match self {
            Self::Path(patterns) => patterns.iter().any(|pattern| pattern.matches(request.path())),
            Self::PathRegexp(pattern) => {
                let captures = pattern.captures(request.path());
                pattern.keep(captures, request)
            }
            Self::Method(methods) => methods.iter().any(|method| method == request.method()),
            Self::Host(hosts) => hosts.iter().any(|host| host_matches(host, request.host())),
            Self::Header { field, values } => {
                request.any_header(field, &mut |value| values.iter().any(|pattern| pattern.matches(value)))
            }
            Self::NoHeader { field } => !request.any_header(field, &mut |_| true),
            Self::HeaderRegexp { field, pattern } => {
                let mut captures = None;
                request.any_header(field, &mut |value| {
                    captures = pattern.captures(value);
                    captures.is_some()
                });
                pattern.keep(captures, request)
            }
            Self::Query { key, values } => query_holds(key, values, request),
            Self::Protocol(protocol) => protocol.is_of(request),
            Self::RemoteIp(ranges) => ranges.iter().any(|range| range.contains(request.remote().ip())),
            Self::ClientIp(ranges) => ranges.iter().any(|range| range.contains(request.client_ip())),
            Self::Vars { of, values } => {
                let text = of.rendered(request);
                values.iter().any(|value| value.rendered(request) == text)
            }
            Self::VarsRegexp { of, pattern } => {
                let captures = pattern.captures(&of.rendered(request));
                pattern.keep(captures, request)
            }
            Self::File(file) => return file.holds(request),
            Self::Expression(expression) => return expression.holds(request),
            Self::ErrorStatus(ranges) => {
                let status = request.error_status().unwrap_or(500);
                ranges.iter().any(|(lowest, highest)| (*lowest..=*highest).contains(&status))
            }
            Self::Not(matcher) => !matcher.matches(request)?,
        })
    }
}

fn query_holds(key: &str, values: &[Text], request: &dyn RequestView) -> bool {
    let query = request.query();
    if key.is_empty() {
        return query.is_empty();
    }
    pairs(query).filter(|(name, _)| name == key).any(|(_, given)| {
        values.iter().any(|value| {
            let value = value.rendered(request);
            value == "*" || value == given
        })
    })
}

/// The version of HTTP, times ten.
fn version_number(protocol: &str) -> u8 {
    match protocol.strip_prefix("HTTP/").unwrap_or_default() {
        "1.0" => 10,
        "2" | "2.0" => 20,
        "3" | "3.0" => 30,
        _ => 11,
    }
}

impl Protocol {
    fn is_of(self, request: &dyn RequestView) -> bool {
        match self {
            Self::Http => request.scheme() == "http",
            Self::Https => request.scheme() == "https",
            Self::Grpc => request.any_header("content-type", &mut |value| value.starts_with("application/grpc")),
            Self::Version(version, false) => version_number(request.protocol()) == version,
            Self::Version(version, true) => version_number(request.protocol()) >= version,
        }
    }
}

/// A regular expression, whose time is linear in the text, and the names under which its groups are stored.
#[derive(Clone)]
pub struct Pattern {
    name: String,
    regex: Regex,
}

impl Pattern {
    /// The expression `source`, whose groups are stored as `{re.NAME.N}` and `{re.N}`.
    ///
    /// # Errors The error in the expression, on one line.
    pub fn new(name: &str, source: &str) -> Result<Self, String> {
        let regex = Regex::new(source).map_err(|error| {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        })?;
        Ok(Self { name: name.to_owned(), regex })
    }

    /// The expression itself.
    #[must_use]
    pub fn regex(&self) -> &Regex {
        &self.regex
    }

    /// The groups in `text`, by number and by name; `None` if it does not match.
    fn captures(&self, text: &str) -> Option<Vec<(String, String)>> {
        // An expression without groups needs only a yes or no, which is faster.
        if self.regex.captures_len() == 1 {
            return self.regex.find(text).map(|found| vec![("0".to_owned(), found.as_str().to_owned())]);
        }
        let captures = self.regex.captures(text)?;
        let group = |index: usize| captures.get(index).map_or("", |found| found.as_str()).to_owned();
        let numbered = (0..captures.len()).map(|index| (index.to_string(), group(index)));
        let names = self.regex.capture_names().enumerate();
        let named = names.filter_map(|(index, name)| Some((name?.to_owned(), group(index))));
        Some(numbered.chain(named).collect())
    }

    /// Stores the groups, and returns whether there are any.
    fn keep(&self, captures: Option<Vec<(String, String)>>, request: &mut dyn RequestView) -> bool {
        let Some(captures) = captures else { return false };
        for (group, value) in captures {
            if !self.name.is_empty() {
                request.store(&format!("http.regexp.{}.{group}", self.name), value.clone());
            }
            request.store(&format!("http.regexp.{group}"), value);
        }
        true
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.regex.as_str() == other.regex.as_str()
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.regex.as_str(), f)
    }
}
