//! The directives that change a request before the next handler sees it.

use super::header_rule::HeaderRule;
use super::matcher::Pattern;
use super::text::Text;

/// A change of the request, for the routes that follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// `root`: the document root.
    Root(Text),
    /// `vars`: values for `{vars.NAME}`.
    Vars(Vec<(String, Text)>),
    /// `map`: values that depend on another one.
    Map(Map),
    /// `method`: another method.
    Method(Text),
    /// `rewrite`: another path, query, or both.
    Rewrite(Text),
    /// `uri`: changes a part of the path or query.
    Uri(UriChange),
    /// `request_header`: changes the header fields of the request.
    RequestHeader(HeaderRule),
    /// `log_skip`: leaves the request out of the access log.
    LogSkip,
    /// `log_append`: one more field in the record of the access log.
    LogAppend(String, Text),
}

/// The `map` directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// The value that is compared with the lines.
    pub source: Text,
    /// The names of the placeholders that it sets.
    pub destinations: Vec<String>,
    /// The lines. The first that matches counts.
    pub lines: Vec<MapLine>,
    /// The values if no line matches; empty if there is no default.
    pub defaults: Vec<Text>,
}

/// One line of a `map`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapLine {
    /// What the source must be.
    pub input: MapInput,
    /// A value for each destination; `None` is the default.
    pub outputs: Vec<Option<Text>>,
}

/// A pattern for the source of a `map`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MapInput {
    /// Exactly this text.
    Exact(String),
    /// A regular expression (`~…`), whose groups are `${1}` in the values.
    Regexp(Pattern),
}

/// The `uri` directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UriChange {
    /// Takes this from the beginning of the path.
    StripPrefix(Text),
    /// Takes this from the end of the path.
    StripSuffix(Text),
    /// Replaces a text in path and query, at most this many times.
    Replace(Text, Text, Option<usize>),
    /// Replaces matches of a regular expression in the path.
    PathRegexp(Pattern, Text),
    /// Changes the query.
    Query(Vec<QueryChange>),
}

/// One change of the query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryChange {
    /// `-key`: removes the parameter.
    Delete(Text),
    /// `key value`: sets it.
    Set(Text, Text),
    /// `+key value`: adds one more.
    Add(Text, Text),
    /// `key>other`: renames it.
    Rename(Text, Text),
    /// `key search replace`: replaces matches of a regular expression in its values; `*` is every parameter.
    Replace(Text, Pattern, Text),
}
