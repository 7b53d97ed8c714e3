//! Arithmetic on the values of a store.

use crate::vars::Value;
use std::str::from_utf8;

/// An integer or a float, as PHP has both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
}

/// Why a value was not changed by arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberError {
    /// It is neither a number nor a numeric string.
    NotANumber,
    /// The result does not fit.
    Overflow,
}

impl Number {
    /// The value as a number, if it is one. Strings of integers and floats count as those.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Int(int) => Some(Self::Int(*int)),
            Value::Float(float) => Some(Self::Float(*float)),
            _ => {
                let text = from_utf8(value.text()?).ok()?;
                match text.parse() {
                    Ok(int) => Some(Self::Int(int)),
                    // Rust also parses words such as `inf`.
                    Err(_) if text.ends_with(|last: char| last.is_ascii_digit()) => text.parse().ok().map(Self::Float),
                    Err(_) => None,
                }
            }
        }
    }

    /// The sum. The sum of two integers is an integer, or does not fit.
    pub(super) fn plus(self, other: Self) -> Result<Self, NumberError> {
        let sum = match (self, other) {
            (Self::Int(left), Self::Int(right)) => {
                return left.checked_add(right).map(Self::Int).ok_or(NumberError::Overflow);
            }
            (Self::Int(left), Self::Float(right)) => left as f64 + right,
            (Self::Float(left), Self::Int(right)) => left + right as f64,
            (Self::Float(left), Self::Float(right)) => left + right,
        };
        if sum.is_finite() { Ok(Self::Float(sum)) } else { Err(NumberError::Overflow) }
    }
}

impl From<Number> for Value {
    fn from(number: Number) -> Self {
        match number {
            Number::Int(int) => Self::Int(int),
            Number::Float(float) => Self::Float(float),
        }
    }
}
