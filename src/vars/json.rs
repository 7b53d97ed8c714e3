//! Arrays of an arena as JSON, for code that does not know the engine's layout.

use super::snapshot::Snapshot;
use super::view::{ArrayView, KeyView, View};
use std::fmt::Write;

impl Snapshot {
    /// The array as JSON; enum cases as their names, strings that are no UTF-8 with marks in the place of what is none.
    pub fn json(&self) -> String {
        value(View::Array(self.view()))
    }
}

pub(super) fn value(value: View<'_>) -> String {
    let mut into = String::new();
    write_value(&mut into, value);
    into
}

/// As short as the number allows: it reads back as the same number.
pub(super) fn float(float: f64) -> String {
    // JSON has no form for infinite numbers and NAN.
    if float.is_finite() { format!("{float:?}") } else { "null".to_owned() }
}

/// A text of JSON with its quotes.
pub(super) fn text(bytes: &[u8]) -> String {
    let mut into = String::new();
    write_text(&mut into, bytes);
    into
}

/// Bytes that are not UTF-8 become replacement characters, because JSON is text.
pub(super) fn write_text(into: &mut String, bytes: &[u8]) {
    into.push('"');
    for sign in String::from_utf8_lossy(bytes).chars() {
        match sign {
            '"' => into.push_str("\\\""),
            '\\' => into.push_str("\\\\"),
            '\n' => into.push_str("\\n"),
            '\r' => into.push_str("\\r"),
            '\t' => into.push_str("\\t"),
            sign if u32::from(sign) < 0x20 => {
                // A string takes everything.
                let _ = write!(into, "\\u{:04x}", u32::from(sign));
            }
            sign => into.push(sign),
        }
    }
    into.push('"');
}

/// The key of an object's member: JSON has texts only.
pub(super) fn key_text(key: KeyView<'_>) -> String {
    match key {
        KeyView::Int(index) => index.to_string(),
        KeyView::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Recursion is bounded by the depth that a snapshot may have.
fn write_array(into: &mut String, array: ArrayView<'_>) {
    let is_list = array.is_list();
    into.push(if is_list { '[' } else { '{' });
    for (position, (key, value)) in array.iter().enumerate() {
        if position > 0 {
            into.push(',');
        }
        if !is_list {
            match key {
                KeyView::Int(index) => write_text(into, index.to_string().as_bytes()),
                KeyView::Bytes(name) => write_text(into, name),
            }
            into.push(':');
        }
        write_value(into, value);
    }
    into.push(if is_list { ']' } else { '}' });
}

pub(super) fn write_value(into: &mut String, value: View<'_>) {
    match value {
        View::Null => into.push_str("null"),
        View::Bool(is_true) => into.push_str(if is_true { "true" } else { "false" }),
        View::Int(int) => into.push_str(&int.to_string()),
        View::Float(number) => into.push_str(&float(number)),
        View::Bytes(bytes) => write_text(into, bytes),
        View::Array(array) => write_array(into, array),
        View::Case { name, .. } => write_text(into, name),
    }
}
