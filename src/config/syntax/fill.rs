//! Puts values into a text, within a bound.

use super::super::limits;

/// How much text may still be inserted.
#[derive(Debug)]
pub(super) struct Budget {
    bytes_left: usize,
    exceeded: bool,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { bytes_left: limits::FILLED_BYTES_MAX, exceeded: false }
    }

    /// Whether a text was refused.
    pub(super) fn is_exceeded(&self) -> bool {
        self.exceeded
    }

    /// Whether `text` may be inserted.
    pub(super) fn spend(&mut self, text: &str) -> bool {
        // Empty values count too, because their number has no bound.
        let cost = text.len() + 1;
        self.exceeded |= cost > self.bytes_left;
        self.bytes_left = self.bytes_left.saturating_sub(cost);
        !self.exceeded
    }
}

/// Replaces each `{prefix…}` of `text` by what `value` returns for the part between; those without a value, and those
/// beyond the budget, stay.
pub(super) fn fill(
    text: &str,
    prefix: &str,
    budget: &mut Budget,
    mut value: impl FnMut(&str) -> Option<String>,
) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(prefix) {
        let (before, from) = rest.split_at(at);
        filled.push_str(before);
        let Some(end) = from.find('}') else {
            rest = from;
            break;
        };
        let value = if before.ends_with('\\') { None } else { value(&from[prefix.len()..end]) };
        match value.filter(|value| budget.spend(value)) {
            Some(value) => filled.push_str(&value),
            None => filled.push_str(&from[..=end]),
        }
        rest = &from[end + 1..];
    }
    filled.push_str(rest);
    filled
}
