//! The matcher `expression`: a subset of CEL, compiled when the configuration is read.
//!
//! It has strings, whole numbers, booleans, lists and maps; `&&`, `||`, `!`, `? :`, the comparisons, `in`, arithmetic, `[…]`;
//! CEL's macros on lists (`all`, `exists`, `exists_one`, `filter`, `map`); the methods of texts and lists that
//! [`methods`] names; placeholders; and the matchers as functions (`path('/api/*')`, `header({'Accept': '*json*'})`).
//! Crates for all of CEL are large. This subset covers what configurations use; anything beyond it is an error when the
//! configuration is read.

mod methods;
mod parse;

use super::super::limits;
use super::super::request::RequestView;
use super::super::text::Text;
use super::{Matcher, Pattern, Verdict};
use methods::Method;

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
    /// The variable of a macro: its number, counted from the outermost macro.
    Variable(usize),
    List(Vec<Node>),
    /// The matchers, called as functions.
    Matcher(Matcher),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Choice(Box<Node>, Box<Node>, Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    In(Box<Node>, Box<Node>),
    Calculate(Operation, Box<Node>, Box<Node>),
    Element(Box<Node>, Box<Node>),
    Method(Method, Box<Node>, Vec<Node>),
    Regexp(Box<Node>, Pattern),
    Each(Box<Each>),
}

/// A macro on a list: what it does with each element.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Each {
    what: Macro,
    list: Node,
    /// `map` may have a condition before its result.
    condition: Option<Node>,
    body: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Macro {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

/// A value of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    Number(i64),
    Boolean(bool),
    List(Vec<Value>),
    /// There is none: an element that a list does not have, a division by zero.
    Error,
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
enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// The state of one evaluation.
struct Run<'r> {
    request: &'r mut dyn RequestView,
    /// The values of the variables, the outermost first.
    variables: Vec<Value>,
    /// What it may still do: macros can repeat the same step for each part of a long text.
    steps: usize,
}

/// The status of a request that needs more steps than an expression has: the text of a client is too long for it.
const TOO_MANY_STEPS: u16 = 500;

impl Run<'_> {
    /// One step, which makes or copies this value.
    fn step(&mut self, value: Value) -> Outcome {
        let cost = 1 + value.size() / limits::EXPRESSION_STEP_BYTES;
        self.steps = self.steps.checked_sub(cost).ok_or(TOO_MANY_STEPS)?;
        Ok(value)
    }
}

/// A value, or the status with which the request ends.
type Outcome = Result<Value, u16>;

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
        let mut run = Run { request, variables: Vec::new(), steps: limits::EXPRESSION_STEPS_MAX };
        Ok(self.root.evaluate(&mut run)? == Value::Boolean(true))
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
    fn evaluate(&self, run: &mut Run<'_>) -> Outcome {
        Ok(match self {
            Self::Value(value) => value.clone(),
            Self::Text(text) => run.step(Value::Text(text.render(run.request)))?,
            Self::Variable(number) => {
                let value = run.variables.get(*number).cloned().unwrap_or(Value::Error);
                run.step(value)?
            }
            Self::List(nodes) => Value::List(evaluated(nodes, run)?),
            Self::Matcher(matcher) => Value::Boolean(matcher.matches(run.request)?),
            Self::Not(inner) => match inner.evaluate(run)? {
                Value::Boolean(truth) => Value::Boolean(!truth),
                _ => Value::Error,
            },
            Self::And(left, right) => decided(left, right, false, run)?,
            Self::Or(left, right) => decided(left, right, true, run)?,
            Self::Choice(condition, yes, no) => match condition.evaluate(run)? {
                Value::Boolean(true) => yes.evaluate(run)?,
                Value::Boolean(false) => no.evaluate(run)?,
                _ => Value::Error,
            },
            Self::Compare(comparison, left, right) => comparison.of(&left.evaluate(run)?, &right.evaluate(run)?),
            Self::In(needle, list) => match (needle.evaluate(run)?, list.evaluate(run)?) {
                (Value::Error, _) => Value::Error,
                (needle, Value::List(values)) => {
                    Value::Boolean(values.iter().any(|value| Comparison::Equal.holds(value, &needle)))
                }
                _ => Value::Error,
            },
            Self::Calculate(operation, left, right) => operation.of(left.evaluate(run)?, right.evaluate(run)?),
            Self::Element(list, number) => {
                let list = list.evaluate(run)?;
                let number = number.evaluate(run)?.number().and_then(|number| usize::try_from(number).ok());
                match (list, number) {
                    (Value::List(mut values), Some(number)) if number < values.len() => values.swap_remove(number),
                    _ => Value::Error,
                }
            }
            Self::Method(method, of, arguments) => {
                let of = of.evaluate(run)?;
                let value = method.call(of, &evaluated(arguments, run)?);
                run.step(value)?
            }
            Self::Regexp(of, pattern) => match of.evaluate(run)? {
                Value::Error => Value::Error,
                of => {
                    let captures = pattern.captures(&of.text());
                    Value::Boolean(pattern.keep(captures, run.request))
                }
            },
            Self::Each(each) => each.evaluate(run)?,
        })
    }
}

fn evaluated(nodes: &[Node], run: &mut Run<'_>) -> Result<Vec<Value>, u16> {
    nodes.iter().map(|node| node.evaluate(run)).collect()
}

/// `&&` and `||`: one side may decide alone, whatever the other one is.
fn decided(left: &Node, right: &Node, by: bool, run: &mut Run<'_>) -> Outcome {
    let first = left.evaluate(run)?;
    if first == Value::Boolean(by) {
        return Ok(first);
    }
    Ok(match (first, right.evaluate(run)?) {
        (_, Value::Boolean(second)) if second == by => Value::Boolean(by),
        (Value::Boolean(_), Value::Boolean(_)) => Value::Boolean(!by),
        _ => Value::Error,
    })
}

impl Each {
    fn evaluate(&self, run: &mut Run<'_>) -> Outcome {
        let Value::List(elements) = self.list.evaluate(run)? else { return Ok(Value::Error) };
        let (mut kept, mut held, mut failed) = (Vec::new(), 0_usize, false);
        for element in elements {
            run.variables.push(element);
            let (is_wanted, value) = self.body_of_last(run)?;
            let value = run.step(value)?;
            let element = run.variables.pop().unwrap_or(Value::Error);
            match (self.what, value) {
                (Macro::Map, value) if is_wanted => kept.push(value),
                (Macro::Map, _) => {}
                (Macro::All, Value::Boolean(false)) => return Ok(Value::Boolean(false)),
                (Macro::Exists, Value::Boolean(true)) => return Ok(Value::Boolean(true)),
                (Macro::Filter, Value::Boolean(true)) => kept.push(element),
                (Macro::ExistsOne, Value::Boolean(true)) => held += 1,
                (_, Value::Boolean(_)) => {}
                _ => failed = true,
            }
        }
        Ok(match self.what {
            _ if failed => Value::Error,
            Macro::All => Value::Boolean(true),
            Macro::Exists => Value::Boolean(false),
            Macro::ExistsOne => Value::Boolean(held == 1),
            Macro::Filter | Macro::Map => Value::List(kept),
        })
    }

    /// Whether the condition holds for the element that was pushed last, and the value of the body.
    fn body_of_last(&self, run: &mut Run<'_>) -> Result<(bool, Value), u16> {
        match &self.condition {
            Some(condition) if condition.evaluate(run)? != Value::Boolean(true) => Ok((false, Value::Error)),
            _ => Ok((true, self.body.evaluate(run)?)),
        }
    }
}

impl Value {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Boolean(truth) => truth.to_string(),
            Self::List(values) => values.iter().map(Self::text).collect::<Vec<_>>().join(","),
            Self::Error => String::new(),
        }
    }

    /// The bytes of its texts, and as many for each value as its allocation is worth.
    fn size(&self) -> usize {
        const OF_VALUE: usize = 64;
        match self {
            Self::Text(text) => text.len() + OF_VALUE,
            Self::List(values) => values.iter().map(Self::size).sum::<usize>() + OF_VALUE,
            _ => OF_VALUE,
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
    fn of(self, left: &Value, right: &Value) -> Value {
        if [left, right].contains(&&Value::Error) { Value::Error } else { Value::Boolean(self.holds(left, right)) }
    }

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

impl Operation {
    fn of(self, left: Value, right: Value) -> Value {
        let (left, right) = match (self, left, right) {
            (_, Value::Error, _) | (_, _, Value::Error) => return Value::Error,
            (Self::Add, Value::List(mut left), Value::List(right)) => {
                if left.len() + right.len() > limits::EXPRESSION_PARTS_MAX {
                    return Value::Error;
                }
                left.extend(right);
                return Value::List(left);
            }
            (Self::Add, left, right) if !matches!((&left, &right), (Value::Number(_), Value::Number(_))) => {
                return short(left.text() + &right.text());
            }
            (_, left, right) => (left.number(), right.number()),
        };
        let (Some(left), Some(right)) = (left, right) else { return Value::Error };
        let result = match self {
            Self::Add => left.checked_add(right),
            Self::Subtract => left.checked_sub(right),
            Self::Multiply => left.checked_mul(right),
            Self::Divide => left.checked_div(right),
            Self::Remainder => left.checked_rem(right),
        };
        result.map_or(Value::Error, Value::Number)
    }
}

/// A text that an expression has put together.
fn short(text: String) -> Value {
    if text.len() > limits::EXPRESSION_TEXT_BYTES_MAX { Value::Error } else { Value::Text(text) }
}
