//! Applies `header` directives to a response (pure).
//!
//! Caddy applies a change before the handler runs or, if it is deferred, when the response starts. Here both happen
//! when the response starts, and only the precedence differs. A script may replace a header that was set before it, but
//! not a deferred one. Other handlers only set headers that are missing, so for them both are the same.

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::response_head::is_connection_field;
use crate::config::{HeaderOp, HeaderRule, Pattern, RequestView, ResponseMatcher, Text, ValuePattern};

/// The changes of all `header` directives that match a request, with their placeholders replaced.
#[derive(Default)]
pub(super) struct HeaderChanges {
    /// Set before the handler: a script's field of the same name replaces it.
    preset: HeaderMap,
    /// Added before the handler: kept in addition to the script's fields.
    added: HeaderMap,
    /// Applied when the response starts. In reverse order, like Caddy: the first directive wins.
    deferred: Vec<Deferred>,
}

/// The changes of one directive.
struct Deferred {
    /// The responses that they apply to; `None`: all.
    only: Option<ResponseMatcher>,
    changes: Vec<Change>,
}

enum Change {
    Set(HeaderName, FieldValue),
    Add(HeaderName, FieldValue),
    SetDefault(HeaderName, FieldValue),
    /// Replaces matches of the expression in the values of one field, or of all.
    Replace(Option<HeaderName>, Pattern, String),
    Remove(HeaderName),
    RemoveMatching(ValuePattern),
}

/// The value of a field.
enum FieldValue {
    Fixed(HeaderValue),
    /// With the fields of the response to which it is applied.
    OfResponse(Text),
}

impl HeaderChanges {
    /// A response that has these fields.
    pub(super) fn sent(fields: HeaderMap) -> Self {
        Self { preset: fields, ..Self::default() }
    }

    /// Whether a value of the field fulfils `test`, of those that are set so far.
    pub(super) fn any(&self, name: &str, test: &mut dyn FnMut(&str) -> bool) -> bool {
        let mut values = self.preset.get_all(name).iter().chain(self.added.get_all(name));
        values.any(|value| test(&String::from_utf8_lossy(value.as_bytes())))
    }

    /// Adds the changes of one more directive.
    pub(super) fn add(&mut self, rule: &HeaderRule, request: &dyn RequestView) {
        let mut deferred = Vec::new();
        for op in &rule.ops {
            let is_at_once = !rule.defer && matches!(op, HeaderOp::Set { .. } | HeaderOp::Add { .. });
            let Some(change) = Change::new(op, request, is_at_once.then_some(&*self)) else { continue };
            match change {
                Change::Set(name, FieldValue::Fixed(value)) if is_at_once => {
                    self.added.remove(&name);
                    self.preset.insert(name, value);
                }
                Change::Add(name, FieldValue::Fixed(value)) if is_at_once => {
                    self.added.append(name, value);
                }
                // Changes that read the response's own fields must wait for them.
                change => deferred.push(change),
            }
        }
        if !deferred.is_empty() {
            self.deferred.insert(0, Deferred { only: rule.only.clone(), changes: deferred });
        }
    }

    /// One more field, whatever the response has.
    pub(super) fn append(&mut self, name: HeaderName, value: HeaderValue) {
        self.added.append(name, value);
    }

    /// Changes the response that a script (`by_script`) or another handler has made.
    pub(super) fn apply(self, status: StatusCode, headers: &mut HeaderMap, by_script: bool) {
        for (name, value) in &self.preset {
            if !by_script || !headers.contains_key(name) {
                headers.insert(name.clone(), value.clone());
            }
        }
        for (name, value) in &self.added {
            headers.append(name.clone(), value.clone());
        }
        for directive in &self.deferred {
            if directive.only.as_ref().is_none_or(|only| fits(only, status, headers)) {
                directive.changes.iter().for_each(|change| change.make(headers));
            }
        }
    }
}

impl Change {
    /// `None` for invalid values, and for fields that frame the message: after a wrong length, the client would misread
    /// the next response.
    /// `so_far` are the fields that the value may name; `None`: those of the response.
    fn new(op: &HeaderOp, request: &dyn RequestView, so_far: Option<&HeaderChanges>) -> Option<Self> {
        let field = op.field();
        let value = match op {
            HeaderOp::Set { value, .. } | HeaderOp::Add { value, .. } | HeaderOp::SetDefault { value, .. } => value,
            HeaderOp::Replace { field, pattern, value } => {
                let name = if field == "*" { None } else { Some(settable(field)?) };
                return Some(Self::Replace(name, pattern.clone(), value.render(request)));
            }
            HeaderOp::Remove { field } if field.contains('*') => {
                return Some(Self::RemoveMatching(ValuePattern::new(field)));
            }
            HeaderOp::Remove { field } => return settable(field).map(Self::Remove),
        };
        let name = settable(field)?;
        let value = match so_far {
            _ if !value.has_response_fields() => FieldValue::Fixed(valid(field, &value.render(request))?),
            None => FieldValue::OfResponse(value.until_response(request)),
            Some(fields) => {
                let value = value.until_response(request).with_response(&|name| joined(|test| fields.any(name, test)));
                FieldValue::Fixed(valid(field, &value)?)
            }
        };
        Some(match op {
            HeaderOp::Add { .. } => Self::Add(name, value),
            HeaderOp::SetDefault { .. } => Self::SetDefault(name, value),
            HeaderOp::Set { .. } | HeaderOp::Replace { .. } | HeaderOp::Remove { .. } => Self::Set(name, value),
        })
    }

    /// Makes the change, but never to a field that the server sets itself, as far as patterns choose the field.
    fn make(&self, headers: &mut HeaderMap) {
        match self {
            Self::Set(name, value) => {
                if let Some(value) = value.of(name, headers) {
                    headers.insert(name.clone(), value);
                }
            }
            Self::Add(name, value) => {
                if let Some(value) = value.of(name, headers) {
                    headers.append(name.clone(), value);
                }
            }
            Self::SetDefault(name, value) => {
                if !headers.contains_key(name)
                    && let Some(value) = value.of(name, headers)
                {
                    headers.insert(name.clone(), value);
                }
            }
            Self::Replace(field, pattern, value) => {
                let is_meant = |name: &HeaderName| field.as_ref().is_none_or(|field| field == name);
                for (_, old) in headers.iter_mut().filter(|(name, _)| is_meant(name) && !is_servers_own(name)) {
                    replace(old, pattern.regex(), value);
                }
            }
            Self::Remove(name) => {
                headers.remove(name);
            }
            Self::RemoveMatching(pattern) => {
                let doomed = |name: &&HeaderName| pattern.matches(name.as_str()) && !is_servers_own(name);
                let doomed: Vec<HeaderName> = headers.keys().filter(doomed).cloned().collect();
                doomed.iter().for_each(|name| drop(headers.remove(name)));
            }
        }
    }
}

impl FieldValue {
    /// The value for a response with these fields.
    fn of(&self, name: &HeaderName, headers: &HeaderMap) -> Option<HeaderValue> {
        match self {
            Self::Fixed(value) => Some(value.clone()),
            Self::OfResponse(text) => {
                let text = text.with_response(&|name| {
                    let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
                    values.collect::<Vec<_>>().join(",")
                });
                valid(name.as_str(), &text)
            }
        }
    }
}

/// As in Caddy, a line break in a value is a space. `None`: HTTP does not allow the value.
fn valid(field: &str, value: &str) -> Option<HeaderValue> {
    let valid = HeaderValue::try_from(value.replace(['\r', '\n'], " ")).ok();
    if valid.is_none() {
        tracing::debug!(header = field, "changing a response: the value holds bytes that HTTP does not allow");
    }
    valid
}

/// All values that `each` passes on.
fn joined(each: impl FnOnce(&mut dyn FnMut(&str) -> bool) -> bool) -> String {
    let mut values: Vec<String> = Vec::new();
    each(&mut |value| {
        values.push(value.to_owned());
        false
    });
    values.join(",")
}

/// Whether the matcher of responses holds for this head.
pub(super) fn fits(matcher: &ResponseMatcher, status: StatusCode, headers: &HeaderMap) -> bool {
    let values = |name: &str| headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    // The values borrow from the response, not from the name.
    matcher.matches(status.as_u16(), |name| values(name).collect::<Vec<_>>().into_iter())
}

/// `None`: it is no name of a field, or the server sets the field itself.
fn settable(field: &str) -> Option<HeaderName> {
    HeaderName::try_from(field).ok().filter(|name| !is_servers_own(name))
}

fn replace(value: &mut HeaderValue, pattern: &regex::Regex, replacement: &str) {
    if let Some(new) = replaced(value, pattern, replacement) {
        *value = new;
    }
}

/// `None`: HTTP does not allow the result, which then changes nothing.
pub(super) fn replaced(value: &HeaderValue, pattern: &regex::Regex, replacement: &str) -> Option<HeaderValue> {
    let text = String::from_utf8_lossy(value.as_bytes());
    HeaderValue::try_from(&*pattern.replace_all(&text, replacement)).ok()
}

/// The fields that frame a message; see [`Change::new`].
fn is_servers_own(name: &HeaderName) -> bool {
    *name == header::CONTENT_LENGTH || *name == header::CONNECTION || is_connection_field(name)
}
