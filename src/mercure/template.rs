//! URI templates (RFC 6570).
//!
//! A template is matched by the set of positions that its parts can reach in the topic. That takes time in proportion to both
//! lengths, whatever a client sends, and no memory beside the text of the template.

/// The topics that it can expand to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Box<[Part]>);

impl Template {
    /// `None`: it is no template.
    pub(super) fn read(text: &str) -> Option<Self> {
        parts(text).map(|parts| Self(parts.into()))
    }

    pub(super) fn matches(&self, topic: &str) -> bool {
        expands_to(&self.0, topic)
    }

    /// The text that all its topics begin with.
    pub(super) fn start(&self) -> &str {
        if let Some(Part::Text(text)) = self.0.first() { text } else { "" }
    }

    /// How many variables it has: each costs a walk over the topic.
    pub(super) fn variables(&self) -> usize {
        let of_part = |part: &Part| match part {
            Part::Text(_) => 0,
            Part::Expression(_, variables) => variables.len(),
        };
        self.0.iter().map(of_part).sum()
    }
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Literal text.
    Text(Box<str>),
    /// `{operator variables}`.
    Expression(&'static Operator, Box<[Variable]>),
}

/// A variable of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Variable {
    name: Box<str>,
    /// `*`: each element of a list is a value of its own.
    is_exploded: bool,
}

/// What an operator writes (RFC 6570, appendix A).
#[derive(Debug, PartialEq, Eq)]
struct Operator {
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
