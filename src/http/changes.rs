//! Carries out the directives that change a request.

use std::borrow::Cow;
use std::path::Path;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::header_rules::replaced;
use super::request::{RequestState, absolute_root};
use crate::config::{
    Change, HeaderOp, HeaderRule, Map, MapInput, Piece, Placeholder, QueryChange, RequestView, Text, UriChange,
    ValuePattern, decoded, encoded_query_value,
};

/// Makes one change.
pub(super) fn apply<'r>(change: &'r Change, request: &mut RequestState<'r>) {
    match change {
        Change::Root(text) => request.set_root(changed_root(text, request)),
        Change::Vars(variables) => variables.iter().for_each(|(name, value)| set_variable(name, value, request)),
        Change::Map(map) => apply_map(map, request),
        Change::Method(method) => change_method(method, request),
        Change::Rewrite(to) => rewrite(to, request),
        Change::Uri(change) => change_uri(change, request),
        Change::RequestHeader(rule) => {
            // On a copy, because the values may refer to fields of the request.
            let mut headers = request.parts.headers.clone();
            change_headers(rule, &mut headers, request);
            request.parts.headers = headers;
        }
        Change::LogSkip => request.log_notes.skipped = true,
        Change::LogAppend(name, value) => {
            // As in Caddy, the record has what the later handlers store. Scripts take the head, so its fields are read now.
            let value = value.with_facts(request);
            request.appended.push((name, value));
        }
    }
}

fn changed_root<'r>(root: &'r Text, request: &RequestState<'_>) -> Cow<'r, Path> {
    match root.as_literal() {
        Some(path) => Cow::Borrowed(Path::new(path)),
        None => Cow::Owned(absolute_root(&root.render(request))),
    }
}

/// As in Caddy, the variable `root` is the root of the site.
fn set_variable(name: &str, value: &Text, request: &mut RequestState<'_>) {
    let value = value.render(request);
    if name == "root" {
        request.set_root(Cow::Owned(absolute_root(&value)));
    }
    request.store(&format!("http.vars.{name}"), value);
}

/// A text that is no method of HTTP changes nothing.
fn change_method(method: &Text, request: &mut RequestState<'_>) {
    let method = method.render(request).to_ascii_uppercase();
    if let Ok(method) = Method::from_bytes(method.as_bytes()) {
        request.set_method(method);
    }
}

/// The first line that matches decides; a destination without an output in it gets its default.
fn apply_map(map: &Map, request: &mut RequestState<'_>) {
    let source = map.source.render(request);
    let mut captures = None;
    let line = map.lines.iter().find(|line| match &line.input {
        MapInput::Exact(text) => *text == source,
        MapInput::Regexp(pattern) => {
            captures = pattern.regex().captures(&source);
            captures.is_some()
        }
    });
    for (number, destination) in map.destinations.iter().enumerate() {
        let output = line.and_then(|line| line.outputs.get(number)).and_then(Option::as_ref);
        let Some(text) = output.or_else(|| map.defaults.get(number)) else { continue };
        let mut value = text.render(request);
        if let (Some(captures), Some(_)) = (&captures, output) {
            value = expanded(&value, captures);
        }
        request.store(destination, value);
    }
}

/// `rewrite`: the parts of the target replace those of the request. Placeholders in its query are escaped, except
/// for the query itself.
fn rewrite(to: &Text, request: &mut RequestState<'_>) {
    let (path, query) = target(to, request);
    request.set_target(&path, query.as_deref());
}

/// The text with the groups that the pattern has captured in place of `$1` and `$name`.
fn expanded(text: &str, captures: &regex::Captures<'_>) -> String {
    let mut expanded = String::new();
    captures.expand(text, &mut expanded);
    expanded
}

/// The value of a placeholder in this request.
fn value_of(placeholder: &Placeholder, request: &RequestState<'_>) -> String {
    let mut value = String::new();
    placeholder.write(request, &mut value);
    value
}

/// The decoded path and the query that result from a `rewrite`.
pub(super) fn target(to: &Text, request: &RequestState<'_>) -> (String, Option<String>) {
    let (mut path, mut query) = (String::new(), None::<String>);
    for piece in to.pieces() {
        match (piece, &mut query) {
            (Piece::Literal(text), Some(query)) => query.push_str(text),
            (Piece::Literal(text), None) => match text.split_once('?') {
                Some((before, after)) => {
                    path.push_str(before);
                    query = Some(after.to_owned());
                }
                None => path.push_str(text),
            },
            (Piece::Placeholder(placeholder), Some(query)) => {
                let value = value_of(placeholder, request);
                if is_query(placeholder) {
                    query.push_str(&value)
                } else {
                    query.push_str(&encoded_query_value(&value))
                }
            }
            (Piece::Placeholder(placeholder), None) => {
                let value = value_of(placeholder, request);
                match value.split_once('?').filter(|_| brings_query(placeholder)) {
                    Some((before, after)) => {
                        path.push_str(before);
                        query = Some(after.to_owned());
                    }
                    None => path.push_str(&value),
                }
            }
        }
    }
    let query = query.map(|query| query.split('#').next().unwrap_or_default().trim_end_matches('&').to_owned());
    let path = if path.is_empty() { request.path().to_owned() } else { decoded(&path) };
    (path, query)
}

/// Whether the value is encoded already.
fn is_query(placeholder: &Placeholder) -> bool {
    use crate::config::Fact::{OrigPrefixedQuery, OrigQuery, PrefixedQuery, Query};

    matches!(placeholder, Placeholder::Fact(Query | PrefixedQuery | OrigQuery | OrigPrefixedQuery))
}

/// Whether the placeholder's value may contain an intended query.
fn brings_query(placeholder: &Placeholder) -> bool {
    use crate::config::Fact::{OrigPrefixedQuery, OrigUri, PrefixedQuery, Uri};

    matches!(
        placeholder,
        Placeholder::Fact(Uri | OrigUri | PrefixedQuery | OrigPrefixedQuery)
            | Placeholder::Header(_)
            | Placeholder::Stored(_)
    )
}

/// `uri`: changes the path or the query, and keeps the other.
fn change_uri(change: &UriChange, request: &mut RequestState<'_>) {
    match change {
        UriChange::StripPrefix(prefix) => strip_prefix(&prefix.render(request), request),
        UriChange::StripSuffix(suffix) => strip_suffix(&suffix.render(request), request),
        UriChange::Replace(from, to, limit) => {
            let (from, to) = (from.render(request), to.render(request));
            if from.is_empty() {
                return;
            }
            let replaced = |text: &str| match limit {
                Some(limit) => text.replacen(&from, &to, *limit),
                None => text.replace(&from, &to),
            };
            let (path, query) = (replaced(request.path()), replaced(request.query()));
            request.set_target(&path, Some(&query));
        }
        UriChange::PathRegexp(pattern, to) => {
            let to = to.render(request);
            let path = pattern.regex().replace_all(request.path(), to.as_str()).into_owned();
            request.set_target(&path, None);
        }
        UriChange::Query(changes) => {
            let query =
                changes.iter().fold(request.query().to_owned(), |query, change| changed(&query, change, request));
            let path = request.path().to_owned();
            request.set_target(&path, Some(&query));
        }
    }
}

/// The prefix is compared without regard to upper and lower case, and with a slash in front.
fn strip_prefix(prefix: &str, request: &mut RequestState<'_>) {
    let prefix = if prefix.starts_with('/') { Cow::Borrowed(prefix) } else { Cow::Owned(format!("/{prefix}")) };
    let path = request.path();
    let start = path.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(&prefix));
    if start.is_some() {
        let rest = path[prefix.len()..].to_owned();
        request.set_target(if rest.is_empty() { "/" } else { &rest }, None);
    }
}

/// Here upper and lower case count.
fn strip_suffix(suffix: &str, request: &mut RequestState<'_>) {
    if let Some(rest) = request.path().strip_suffix(suffix) {
        let rest = rest.to_owned();
        request.set_target(&rest, None);
    }
}

/// The query after one change.
fn changed(query: &str, change: &QueryChange, request: &RequestState<'_>) -> String {
    let mut pairs: Vec<(String, String)> = crate::config::query_pairs(query).collect();
    match change {
        QueryChange::Delete(key) => {
            let key = key.render(request);
            pairs.retain(|(name, _)| *name != key);
        }
        QueryChange::Set(key, value) => {
            let (key, value) = (key.render(request), value.render(request));
            pairs.retain(|(name, _)| *name != key);
            pairs.push((key, value));
        }
        QueryChange::Add(key, value) => pairs.push((key.render(request), value.render(request))),
        QueryChange::Rename(from, to) => {
            let (from, to) = (from.render(request), to.render(request));
            pairs.iter_mut().filter(|(name, _)| *name == from).for_each(|(name, _)| name.clone_from(&to));
        }
        QueryChange::Replace(key, pattern, value) => {
            let (key, value) = (key.render(request), value.render(request));
            for (_, old) in pairs.iter_mut().filter(|(name, _)| key == "*" || *name == key) {
                *old = pattern.regex().replace_all(old, value.as_str()).into_owned();
            }
        }
    }
    written_query(&pairs)
}

/// Encodes names and values.
fn written_query(pairs: &[(String, String)]) -> String {
    let written =
        pairs.iter().map(|(name, value)| format!("{}={}", encoded_query_value(name), encoded_query_value(value)));
    written.collect::<Vec<_>>().join("&")
}

/// For a field with a `*` in its name.
fn remove_matching(headers: &mut HeaderMap, pattern: &ValuePattern) {
    let doomed: Vec<HeaderName> = headers.keys().filter(|name| pattern.matches(name.as_str())).cloned().collect();
    doomed.iter().for_each(|name| drop(headers.remove(name)));
}

/// Replaces in the first value of a field, which becomes its only one.
fn replace_first(headers: &mut HeaderMap, name: &HeaderName, pattern: &regex::Regex, replacement: &str) {
    let Some(old) = headers.get(name) else { return };
    if let Some(new) = replaced(old, pattern, replacement) {
        headers.insert(name, new);
    }
}

/// Changes the header fields of a request.
pub(super) fn change_headers(rule: &HeaderRule, headers: &mut HeaderMap, request: &RequestState<'_>) {
    for op in &rule.ops {
        let field = op.field();
        let value = match op {
            HeaderOp::Set { value, .. }
            | HeaderOp::Add { value, .. }
            | HeaderOp::SetDefault { value, .. }
            | HeaderOp::Replace { value, .. } => value.render(request),
            HeaderOp::Remove { .. } => String::new(),
        };
        if let HeaderOp::Remove { .. } = op
            && field.contains('*')
        {
            remove_matching(headers, &ValuePattern::new(field));
            continue;
        }
        let Ok(name) = HeaderName::try_from(field) else { continue };
        if let HeaderOp::Replace { pattern, .. } = op {
            replace_first(headers, &name, pattern.regex(), &value);
            continue;
        }
        let Ok(value) = HeaderValue::try_from(value) else { continue };
        match op {
            HeaderOp::Set { .. } => drop(headers.insert(name, value)),
            HeaderOp::Add { .. } => drop(headers.append(name, value)),
            HeaderOp::SetDefault { .. } => drop(headers.entry(name).or_insert(value)),
            HeaderOp::Remove { .. } | HeaderOp::Replace { .. } => drop(headers.remove(name)),
        }
    }
}
