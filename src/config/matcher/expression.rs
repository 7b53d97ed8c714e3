//! The matcher `expression`: a subset of CEL, compiled when the configuration is read.
//!
//! It has strings, numbers, booleans, `null`, lists and maps; `&&`, `||`, `!`, `? :`, the comparisons, `in`, arithmetic, `[…]`;
//! CEL's macros (`has`, `all`, `exists`, `exists_one`, `filter`, `map`); the methods and functions that [`methods`] and
//! [`functions`] name; placeholders; and the matchers as functions (`path('/api/*')`, `header({'Accept': '*json*'})`).
//! Crates for all of CEL are large. This subset covers what configurations use; anything beyond it is an error when the
//! configuration is read.

mod functions;
mod lexer;
mod methods;
mod parse;
mod value;

use super::super::limits;
use super::super::request::RequestView;
use super::super::text::Text;
use super::{Matcher, Pattern, Verdict};
use functions::Function;
use methods::Method;
use value::{Comparison, Operation, Value, equal};

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
    /// A placeholder alone: `null` if the request has no such value.
    Placeholder(Text),
    /// The variable of a macro: its number, counted from the outermost macro.
    Variable(usize),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
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
    /// `map.key`.
    Field(Box<Node>, String),
    /// `has(map.key)`.
    Has(Box<Node>, String),
    Function(Function, Vec<Node>),
    Method(Method, Box<Node>, Vec<Node>),
    Regexp(Box<Node>, Pattern),
    Each(Box<Each>),
}

/// A macro on a list, or on the keys of a map: what it does with each.
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
            Self::Placeholder(text) if text.has_no_value(run.request) => Value::Null,
            Self::Text(text) | Self::Placeholder(text) => run.step(Value::Text(text.render(run.request)))?,
            Self::Variable(number) => {
                let value = run.variables.get(*number).cloned().unwrap_or(Value::Error);
                run.step(value)?
            }
            Self::List(nodes) => {
                let values = evaluated(nodes, run)?;
                run.step(Value::List(values))?
            }
            Self::Map(entries) => {
                let entries =
                    entries.iter().map(|(key, value)| Ok::<_, u16>((key.evaluate(run)?, value.evaluate(run)?)));
                let entries = entries.collect::<Result<_, _>>()?;
                run.step(Value::Map(entries))?
            }
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
            Self::In(needle, list) => match (needle.evaluate(run)?, list.evaluate(run)?.elements()) {
                (Value::Error, _) | (_, None) => Value::Error,
                (needle, Some(values)) => Value::Boolean(values.iter().any(|value| equal(value, &needle))),
            },
            Self::Calculate(operation, left, right) => operation.of(left.evaluate(run)?, right.evaluate(run)?),
            Self::Element(of, key) => of.evaluate(run)?.element(&key.evaluate(run)?),
            Self::Field(of, key) => of.evaluate(run)?.element(&Value::Text(key.clone())),
            Self::Has(of, key) => match of.evaluate(run)? {
                Value::Map(entries) => {
                    let key = Value::Text(key.clone());
                    Value::Boolean(entries.iter().any(|(known, _)| equal(known, &key)))
                }
                _ => Value::Error,
            },
            Self::Function(function, arguments) => {
                let value = function.call(&evaluated(arguments, run)?);
                run.step(value)?
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
        let Some(elements) = self.list.evaluate(run)?.elements() else { return Ok(Value::Error) };
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
