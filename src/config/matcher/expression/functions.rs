//! The functions of expressions that are no matchers (pure).

use std::cmp::Ordering;

use super::value::{Fraction, Quantity, Value};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Int,
    Double,
    Text,
    Boolean,
    Greatest,
    Least,
}

/// What CEL and its libraries have and igor does not, with another way.
const ELSEWHERE: [(&str, &str); 10] = [
    ("timestamp", TIMES),
    ("duration", TIMES),
    ("type", "compare with `null`, or convert by `int(…)`, `double(…)` or `string(…)`"),
    ("bytes", "texts have no form in bytes; use `matches(…)`"),
    ("cel", "write the value in each place that uses it"),
    ("strings", "write the text as it is"),
    ("lists", "write the list as it is"),
    ("format", "join texts by `+`"),
    ("getHours", TIMES),
    ("request", "write a placeholder, such as `{method}` or `{header.Accept}`"),
];

const TIMES: &str = "compare seconds: `{time.now.unix} > 1700000000`";

/// The other way to write what this function, method or variable does.
pub(super) fn elsewhere(name: &str) -> Option<&'static str> {
    ELSEWHERE.iter().find(|(known, _)| *known == name).map(|(_, way)| *way)
}

impl Function {
    /// The function of this name, with the fewest and the most arguments.
    pub(super) fn named(name: &str) -> Option<(Self, usize, usize)> {
        Some(match name {
            // CEL's numbers without a sign are whole numbers here.
            "int" | "uint" => (Self::Int, 1, 1),
            "double" => (Self::Double, 1, 1),
            "string" => (Self::Text, 1, 1),
            "bool" => (Self::Boolean, 1, 1),
            "math.greatest" => (Self::Greatest, 1, usize::MAX),
            "math.least" => (Self::Least, 1, usize::MAX),
            _ => return None,
        })
    }

    pub(super) fn call(self, arguments: &[Value]) -> Value {
        let first = arguments.first().unwrap_or(&Value::Error);
        match self {
            Self::Int => first.quantity().and_then(whole).map_or(Value::Error, Value::Number),
            Self::Double => {
                first.quantity().map_or(Value::Error, |number| Value::Fraction(Fraction(number.fraction())))
            }
            Self::Text => match first {
                Value::Text(_) | Value::Number(_) | Value::Fraction(_) | Value::Boolean(_) => Value::Text(first.text()),
                _ => Value::Error,
            },
            Self::Boolean => match first.text().as_str() {
                "1" | "t" | "true" | "True" | "TRUE" => Value::Boolean(true),
                "0" | "f" | "false" | "False" | "FALSE" => Value::Boolean(false),
                _ => Value::Error,
            },
            Self::Greatest => extreme(arguments, Ordering::Greater),
            Self::Least => extreme(arguments, Ordering::Less),
        }
    }
}

/// A fraction loses what is behind its point, as in CEL.
fn whole(number: Quantity) -> Option<i64> {
    match number {
        Quantity::Whole(number) => Some(number),
        Quantity::Fraction(number) => (number.abs() < i64::MAX as f64).then_some(number as i64),
    }
}

/// The greatest or the least of numbers, or of one list of them.
fn extreme(arguments: &[Value], wanted: Ordering) -> Value {
    let numbers = match arguments {
        [Value::List(values)] => values,
        values => values,
    };
    let mut best: Option<Quantity> = None;
    for value in numbers {
        let Some(number) = value.quantity() else { return Value::Error };
        if best.is_none_or(|best| number.order(best) == Some(wanted)) {
            best = Some(number);
        }
    }
    best.map_or(Value::Error, Quantity::value)
}
