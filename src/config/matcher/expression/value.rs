//! The values of expressions, and what operators make of them (pure).

use std::cmp::Ordering;

use super::super::super::limits;

/// A value of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A placeholder without a value is `null`.
    Null,
    Text(String),
    Number(i64),
    Fraction(Fraction),
    Boolean(bool),
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
    /// There is none: an element that a list does not have, a division by zero.
    Error,
}

/// CEL's `double`. `==` of Rust compares the bits, for the comparison of configurations; expressions compare the numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fraction(pub(super) f64);

impl PartialEq for Fraction {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Fraction {}

/// A number of either kind.
#[derive(Clone, Copy)]
pub(super) enum Quantity {
    Whole(i64),
    Fraction(f64),
}

impl Quantity {
    pub(super) fn fraction(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Fraction(number) => number,
        }
    }

    pub(super) fn order(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => Some(one.cmp(&other)),
            (one, other) => one.fraction().partial_cmp(&other.fraction()),
        }
    }

    pub(super) fn value(self) -> Value {
        match self {
            Self::Whole(number) => Value::Number(number),
            Self::Fraction(number) => Value::Fraction(Fraction(number)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Value {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Fraction(Fraction(number)) => number.to_string(),
            Self::Boolean(truth) => truth.to_string(),
            Self::List(values) => values.iter().map(Self::text).collect::<Vec<_>>().join(","),
            Self::Map(_) | Self::Null | Self::Error => String::new(),
        }
    }

    /// The bytes of its texts, and as many for each value as its allocation is worth.
    pub(super) fn size(&self) -> usize {
        const OF_VALUE: usize = 64;
        match self {
            Self::Text(text) => text.len() + OF_VALUE,
            Self::List(values) => values.iter().map(Self::size).sum::<usize>() + OF_VALUE,
            Self::Map(entries) => {
                entries.iter().map(|(key, value)| key.size() + value.size()).sum::<usize>() + OF_VALUE
            }
            _ => OF_VALUE,
        }
    }

    /// The value as a whole number: a placeholder is a text, and may hold one.
    pub(super) fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The same with fractions.
    pub(super) fn quantity(&self) -> Option<Quantity> {
        match self {
            Self::Fraction(Fraction(number)) => Some(Quantity::Fraction(*number)),
            Self::Text(text) if text.parse::<i64>().is_err() => {
                text.parse().ok().filter(|number: &f64| number.is_finite()).map(Quantity::Fraction)
            }
            _ => self.number().map(Quantity::Whole),
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, Self::Number(_) | Self::Fraction(_))
    }

    /// The elements of a list, the keys of a map.
    pub(super) fn elements(self) -> Option<Vec<Self>> {
        match self {
            Self::List(values) => Some(values),
            Self::Map(entries) => Some(entries.into_iter().map(|(key, _)| key).collect()),
            _ => None,
        }
    }

    /// The element of a list at this place, of a map with this key.
    pub(super) fn element(self, key: &Self) -> Self {
        match self {
            Self::List(mut values) => match key.number().and_then(|number| usize::try_from(number).ok()) {
                Some(number) if number < values.len() => values.swap_remove(number),
                _ => Self::Error,
            },
            Self::Map(entries) => {
                let found = entries.into_iter().find(|(known, _)| equal(known, key));
                found.map_or(Self::Error, |(_, value)| value)
            }
            _ => Self::Error,
        }
    }
}

/// Whether an expression takes the two for the same: a placeholder is a text, and may hold a number.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Null, other) | (other, Value::Null) => *other == Value::Null,
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Map(left), Value::Map(right)) => {
            let has = |(key, value): &(Value, Value)| {
                right.iter().any(|(known, other)| equal(known, key) && equal(value, other))
            };
            left.len() == right.len() && left.iter().all(has)
        }
        _ => order(left, right).is_some_and(Ordering::is_eq),
    }
}

/// `None`: the two have no order.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Null | Value::Map(_), _) | (_, Value::Null | Value::Map(_)) => None,
        _ if left.is_number() || right.is_number() => left.quantity()?.order(right.quantity()?),
        _ => Some(left.text().cmp(&right.text())),
    }
}

impl Comparison {
    pub(super) fn of(self, left: &Value, right: &Value) -> Value {
        if [left, right].contains(&&Value::Error) {
            return Value::Error;
        }
        let decided = match self {
            Self::Equal => Some(equal(left, right)),
            Self::Unequal => Some(!equal(left, right)),
            Self::Less => order(left, right).map(Ordering::is_lt),
            Self::LessOrEqual => order(left, right).map(Ordering::is_le),
            Self::Greater => order(left, right).map(Ordering::is_gt),
            Self::GreaterOrEqual => order(left, right).map(Ordering::is_ge),
        };
        decided.map_or(Value::Error, Value::Boolean)
    }
}

impl Operation {
    pub(super) fn of(self, left: Value, right: Value) -> Value {
        if self == Self::Add && !(left.is_number() && right.is_number()) {
            return joined(left, right);
        }
        match (left.quantity(), right.quantity()) {
            (Some(Quantity::Whole(left)), Some(Quantity::Whole(right))) => {
                let result = match self {
                    Self::Add => left.checked_add(right),
                    Self::Subtract => left.checked_sub(right),
                    Self::Multiply => left.checked_mul(right),
                    Self::Divide => left.checked_div(right),
                    Self::Remainder => left.checked_rem(right),
                };
                result.map_or(Value::Error, Value::Number)
            }
            (Some(left), Some(right)) => {
                let (left, right) = (left.fraction(), right.fraction());
                let result = match self {
                    Self::Add => left + right,
                    Self::Subtract => left - right,
                    Self::Multiply => left * right,
                    Self::Divide => left / right,
                    // CEL has none of fractions.
                    Self::Remainder => return Value::Error,
                };
                Value::Fraction(Fraction(result))
            }
            _ => Value::Error,
        }
    }
}

/// `+` of anything else than two numbers.
fn joined(left: Value, right: Value) -> Value {
    match (left, right) {
        (Value::List(mut left), Value::List(right)) => {
            if left.len() + right.len() > limits::EXPRESSION_PARTS_MAX {
                return Value::Error;
            }
            left.extend(right);
            Value::List(left)
        }
        (Value::Error | Value::Map(_), _) | (_, Value::Error | Value::Map(_)) => Value::Error,
        (left, right) => short(left.text() + &right.text()),
    }
}

/// A text that an expression has put together.
pub(super) fn short(text: String) -> Value {
    if text.len() > limits::EXPRESSION_TEXT_BYTES_MAX { Value::Error } else { Value::Text(text) }
}
