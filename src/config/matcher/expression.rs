//! The matcher `expression`: a subset of CEL, compiled when the configuration is read.
//!
//! It has strings, numbers, booleans, lists and maps; `&&`, `||`, `!`, `? :`, the comparisons, `in`, `+` of texts; the
//! methods `startsWith`, `endsWith`, `contains`, `matches`, `size`, `split`, `lowerAscii` and `upperAscii`; placeholders; and the
//! matchers as functions (`path('/api/*')`, `header({'Accept': '*json*'})`). Crates for all of CEL are large. This
//! subset covers what configurations use; anything beyond it is an error when the configuration is read.

mod parse;

use super::super::limits;
use super::super::request::RequestView;
use super::super::text::Text;
use super::{Matcher, Pattern, Verdict};

/// A compiled expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    source: String,
    root: Node,
}

/// One operation of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Value(Value),
    /// A text with placeholders.
    Text(Text),
    List(Vec<Node>),
    /// The matchers, called as functions.
    Matcher(Matcher),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Choice(Box<Node>, Box<Node>, Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    In(Box<Node>, Box<Node>),
    Add(Box<Node>, Box<Node>),
    Method(Method, Box<Node>, Option<Box<Node>>),
    Regexp(Box<Node>, Pattern),
}

/// A value of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    Number(i64),
    Boolean(bool),
    List(Vec<Value>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    StartsWith,
    EndsWith,
    Contains,
    Size,
    Split,
    LowerAscii,
    UpperAscii,
}

impl Expression {
    /// Compiles `source`. `name` is the matcher's, under which the groups of regular expressions are stored;
    /// `make_text` splits a text at its placeholders, `make_matcher` creates the matcher that a function names.
    ///
    /// # Errors The error and its place.
    pub(in super::super) fn compile(
        source: &str,
        name: &str,
        make_text: &mut dyn FnMut(&str) -> Result<Text, String>,
        make_matcher: &mut dyn FnMut(&Call) -> Result<Matcher, String>,
    ) -> Result<Self, String> {
        let root = parse::parse(source, name, make_text, make_matcher)?;
        Ok(Self { source: source.to_owned(), root })
    }

    /// Whether the expression is true. A value that is not a boolean counts as false, as an error does in Caddy.
    pub(super) fn holds(&self, request: &mut dyn RequestView) -> Verdict {
        Ok(self.root.evaluate(request)? == Value::Boolean(true))
    }
}

/// A matcher in the form of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Call {
    /// The name of the function, which is the matcher's.
    pub(in super::super) name: String,
    /// The lines of arguments: one for each entry of a map, else all arguments on one.
    pub(in super::super) lines: Vec<Vec<String>>,
}

impl Node {
    fn evaluate(&self, request: &mut dyn RequestView) -> Result<Value, u16> {
        Ok(match self {
            Self::Value(value) => value.clone(),
            Self::Text(text) => Value::Text(text.render(request)),
            Self::List(nodes) => {
                Value::List(nodes.iter().map(|node| node.evaluate(request)).collect::<Result<_, _>>()?)
            }
            Self::Matcher(matcher) => Value::Boolean(matcher.matches(request)?),
            Self::Not(inner) => Value::Boolean(!inner.truth(request)?),
            Self::And(left, right) => Value::Boolean(left.truth(request)? && right.truth(request)?),
            Self::Or(left, right) => Value::Boolean(left.truth(request)? || right.truth(request)?),
            Self::Choice(condition, yes, no) => {
                return if condition.truth(request)? { yes.evaluate(request) } else { no.evaluate(request) };
            }
            Self::Compare(comparison, left, right) => {
                Value::Boolean(comparison.holds(&left.evaluate(request)?, &right.evaluate(request)?))
            }
            Self::In(needle, list) => {
                let needle = needle.evaluate(request)?;
                match list.evaluate(request)? {
                    Value::List(values) => {
                        Value::Boolean(values.iter().any(|value| Comparison::Equal.holds(value, &needle)))
                    }
                    _ => Value::Boolean(false),
                }
            }
            Self::Add(left, right) => match (left.evaluate(request)?, right.evaluate(request)?) {
                (Value::Number(left), Value::Number(right)) => Value::Number(left.saturating_add(right)),
                (left, right) => Value::Text(left.text() + &right.text()),
            },
            Self::Method(method, of, argument) => {
                let argument = match argument {
                    Some(argument) => argument.evaluate(request)?.text(),
                    None => String::new(),
                };
                method.call(of.evaluate(request)?, &argument)
            }
            Self::Regexp(of, pattern) => {
                let captures = pattern.captures(&of.evaluate(request)?.text());
                Value::Boolean(pattern.keep(captures, request))
            }
        })
    }

    fn truth(&self, request: &mut dyn RequestView) -> Verdict {
        Ok(self.evaluate(request)? == Value::Boolean(true))
    }
}

impl Value {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Boolean(truth) => truth.to_string(),
            Self::List(values) => values.iter().map(Self::text).collect::<Vec<_>>().join(","),
        }
    }

    /// The value as a number: a placeholder is a text, and may hold one.
    fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl Comparison {
    fn holds(self, left: &Value, right: &Value) -> bool {
        let has_number = matches!(left, Value::Number(_)) || matches!(right, Value::Number(_));
        let order = match (left.number(), right.number()) {
            (Some(left), Some(right)) if has_number => left.cmp(&right),
            _ if has_number => return self == Self::Unequal,
            _ => left.text().cmp(&right.text()),
        };
        match self {
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

impl Method {
    fn call(self, of: Value, argument: &str) -> Value {
        let text = of.text();
        match self {
            Self::StartsWith => Value::Boolean(text.starts_with(argument)),
            Self::EndsWith => Value::Boolean(text.ends_with(argument)),
            Self::Contains => Value::Boolean(text.contains(argument)),
            Self::LowerAscii => Value::Text(text.to_ascii_lowercase()),
            Self::UpperAscii => Value::Text(text.to_ascii_uppercase()),
            Self::Split => {
                let parts = text.splitn(limits::EXPRESSION_PARTS_MAX, argument);
                Value::List(parts.map(|part| Value::Text(part.to_owned())).collect())
            }
            Self::Size => {
                let size = if let Value::List(values) = &of { values.len() } else { text.chars().count() };
                Value::Number(i64::try_from(size).unwrap_or(i64::MAX))
            }
        }
    }
}
