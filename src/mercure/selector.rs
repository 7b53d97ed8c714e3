//! Topic selectors: `*`, a topic, or a URI template (RFC 6570) that matches many topics.
//!
//! A template is matched by the set of positions that its parts can reach in the topic. That takes time in proportion to both
//! lengths, whatever a client sends, and no memory beside the text of the selector.

/// Selects topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// `*`: all topics.
    All,
    /// One topic.
    Topic(Box<str>),
    /// The topics that this template can expand to, and the topic that is spelled like it.
    Template(Box<str>, Box<[Part]>),
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Literal text.
    Text(Box<str>),
    /// `{operator variables}`.
    Expression(&'static Operator, Box<[Variable]>),
}

/// A variable of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    name: Box<str>,
    /// `*`: each element of a list is a value of its own.
    is_exploded: bool,
}

/// What an operator writes (RFC 6570, appendix A).
#[derive(Debug, PartialEq, Eq)]
pub struct Operator {
    sign: char,
    first: &'static str,
    separator: &'static str,
    is_named: bool,
    /// Reserved characters stay as they are.
    allows_reserved: bool,
}

const fn operator(
    sign: char,
    first: &'static str,
    separator: &'static str,
    is_named: bool,
    allows_reserved: bool,
) -> Operator {
    Operator { sign, first, separator, is_named, allows_reserved }
}

static SIMPLE: Operator = operator(' ', "", ",", false, false);

static OPERATORS: [Operator; 7] = [
    operator('+', "", ",", false, true),
    operator('#', "#", ",", false, true),
    operator('.', ".", ".", false, false),
    operator('/', "/", "/", false, false),
    operator(';', ";", ";", true, false),
    operator('?', "?", "&", true, false),
    operator('&', "&", "&", true, false),
];

impl Selector {
    /// Reads a selector. A text that is no template is literal.
    #[must_use]
    pub fn new(text: &str) -> Self {
        match text {
            "*" => Self::All,
            text if text.contains('{') => match parts(text) {
                Some(parts) => Self::Template(text.into(), parts.into()),
                None => Self::Topic(text.into()),
            },
            text => Self::Topic(text.into()),
        }
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::All => "*",
            Self::Topic(text) | Self::Template(text, _) => text,
        }
    }

    /// Whether it selects the topic.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        match self {
            Self::All => true,
            Self::Topic(text) => **text == *topic,
            Self::Template(text, parts) => **text == *topic || expands_to(parts, topic),
        }
    }
}

impl Selector {
    /// Whether it may select a topic that begins like this. Says so of some that do not.
    pub(super) fn reaches(&self, start: &str) -> bool {
        let first = match self {
            Self::All => return true,
            Self::Topic(topic) => return topic.starts_with(start),
            Self::Template(_, parts) => parts.first(),
        };
        match first {
            Some(Part::Text(text)) => text.starts_with(start) || start.starts_with(&**text),
            _ => true,
        }
    }

    /// How many variables it has: each costs a walk over the topic.
    pub(super) fn variables(&self) -> usize {
        let Self::Template(_, parts) = self else { return 0 };
        let of_part = |part: &Part| match part {
            Part::Text(_) => 0,
            Part::Expression(_, variables) => variables.len(),
        };
        parts.iter().map(of_part).sum()
    }
}

/// The parts of a template; `None`: it is none.
fn parts(text: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        if !before.is_empty() {
            parts.push(Part::Text(before.into()));
        }
        let (inside, after) = behind.split_once('}')?;
        let operator = OPERATORS.iter().find(|operator| inside.starts_with(operator.sign));
        let names = if operator.is_some() { &inside[1..] } else { inside };
        let variables = names.split(',').map(variable).collect::<Option<Vec<_>>>()?;
        parts.push(Part::Expression(operator.unwrap_or(&SIMPLE), variables.into()));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.into()));
    }
    Some(parts)
}

/// `name`, `name*` or `name:4`.
fn variable(text: &str) -> Option<Variable> {
    let name = text.strip_suffix('*').unwrap_or(text);
    let is_exploded = name.len() < text.len();
    let name = match name.split_once(':') {
        Some((name, length)) if length.parse::<u16>().is_ok() && !is_exploded => name,
        Some(_) => return None,
        None => name,
    };
    let is_name =
        !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '.' | '%'));
    is_name.then(|| Variable { name: name.into(), is_exploded })
}

/// The positions of a topic that were reached: one flag for each byte, and one for the end.
type Reached = Vec<bool>;

fn expands_to(parts: &[Part], topic: &str) -> bool {
    let mut reached = vec![false; topic.len() + 1];
    reached[0] = true;
    for part in parts {
        reached = match part {
            Part::Text(text) => over_text(&reached, text, topic),
            Part::Expression(operator, variables) => over_expression(&reached, operator, variables, topic),
        };
        if !reached.contains(&true) {
            return false;
        }
    }
    reached[topic.len()]
}

fn over_text(from: &Reached, text: &str, topic: &str) -> Reached {
    let mut to = vec![false; from.len()];
    for at in (0..from.len()).filter(|at| from[*at]) {
        if topic.as_bytes()[at..].starts_with(text.as_bytes()) {
            to[at + text.len()] = true;
        }
    }
    to
}

/// Each variable may be missing; if all are, so is the first sign.
fn over_expression(from: &Reached, operator: &Operator, variables: &[Variable], topic: &str) -> Reached {
    let mut all = from.clone();
    let mut behind_some = vec![false; from.len()];
    let first = over_text(from, operator.first, topic);
    for variable in variables {
        let start = union(first.clone(), &over_text(&behind_some, operator.separator, topic));
        let mut ends = over_variable(&start, operator, variable, topic);
        if variable.is_exploded {
            // The signs between the elements are no part of a value, so the rest is one run.
            let more = over_text(&ends, operator.separator, topic);
            let separator = operator.separator.as_bytes()[0];
            let is_list = |byte| is_value(byte, operator) || byte == separator || (operator.is_named && byte == b'=');
            ends = union(ends, &over_run(&more, topic, is_list));
        }
        behind_some = union(behind_some, &ends);
    }
    all = union(all, &behind_some);
    all
}

/// One variable with its value. A named list whose elements are apart (`{?list*}`) has names of its own.
fn over_variable(start: &Reached, operator: &Operator, variable: &Variable, topic: &str) -> Reached {
    let value = |byte| is_value(byte, operator);
    if !operator.is_named {
        return over_run(start, topic, value);
    }
    if variable.is_exploded {
        return over_run(start, topic, |byte| value(byte) || byte == b'=');
    }
    let named = over_text(start, &variable.name, topic);
    let with_value = over_run(&over_text(&named, "=", topic), topic, value);
    union(named, &with_value)
}

/// Any number of bytes of a kind.
fn over_run(from: &Reached, topic: &str, is_of_kind: impl Fn(u8) -> bool) -> Reached {
    let mut to = from.clone();
    for (at, byte) in topic.bytes().enumerate() {
        if to[at] && is_of_kind(byte) {
            to[at + 1] = true;
        }
    }
    to
}

fn union(mut one: Reached, other: &Reached) -> Reached {
    for (flag, other) in one.iter_mut().zip(other) {
        *flag |= other;
    }
    one
}

/// Whether a value can contain the byte. The comma separates the elements of a list.
fn is_value(byte: u8, operator: &Operator) -> bool {
    byte.is_ascii_alphanumeric()
        || !byte.is_ascii()
        || b"-._~%,".contains(&byte)
        || (operator.allows_reserved && b":/?#[]@!$&'()*+;=".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_is_a_topic_a_template_or_a_star() {
        for (selector, topic, expected) in [
            ("*", "anything", true),
            ("/books/1", "/books/1", true),
            ("/books/1", "/books/12", false),
            ("https://example.com/books/{id}", "https://example.com/books/1", true),
            ("https://example.com/books/{id}", "https://example.com/books/1/reviews", false),
            ("https://example.com/books/{id}", "https://example.com/books/", true),
            ("https://example.com/books/{id}", "https://example.org/books/1", false),
            ("https://example.com/books/{id}.jsonld", "https://example.com/books/a.b.jsonld", true),
            ("https://example.com/{+path}", "https://example.com/a/b?c=d", true),
            ("https://example.com/{path}", "https://example.com/a?b", false),
            ("https://example.com{/path*}", "https://example.com/a/b/c", true),
            ("https://example.com{/path}", "https://example.com/a/b", false),
            ("https://example.com{/path}", "https://example.com", true),
            ("/users/foo/{?topic}", "/users/foo/?topic=https%3A%2F%2Fexample.com", true),
            ("/users/foo/{?topic}", "/users/foo/?other=1", false),
            ("/users/foo/{?topic}", "/users/foo/", true),
            ("/users/foo/{?a,b}", "/users/foo/?a=1&b=2", true),
            ("/users/foo/{?a,b}", "/users/foo/?b=2", true),
            ("/users/foo/{?a,b}", "/users/foo/?b=2&a=1", false),
            ("/search{?q*}", "/search?x=1&y=2", true),
            ("/map/{x,y}", "/map/1024,768", true),
            ("/a{#part}", "/a#part/1", true),
            ("/a{.ext}", "/a.tar", true),
            ("/a{.ext}", "/atar", false),
            ("/{id}", "/{id}", true),
            ("/{id}", "/b%C3%BCcher", true),
            ("/{id", "/{id", true),
            ("/{id", "/1", false),
            ("/{}", "/1", false),
            ("/{a b}", "/1", false),
            ("{a}{b}{c}{d}{e}{f}{g}", &"x".repeat(4000), true),
        ] {
            assert_eq!(Selector::new(selector).matches(topic), expected, "{selector} {topic}");
        }
    }

    #[test]
    fn selectors_that_cannot_reach_a_topic() {
        for (selector, expected) in [
            ("*", true),
            ("/hub/subscriptions/a", true),
            ("/hub/subscriptions{/topic}", true),
            ("/hub{/path*}", true),
            ("{+any}", true),
            ("/hub", false),
            ("/books/{id}", false),
            ("https://example.com/hub/subscriptions", false),
        ] {
            assert_eq!(Selector::new(selector).reaches("/hub/subscriptions"), expected, "{selector}");
        }
    }
}
