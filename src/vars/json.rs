//! Arrays of an arena as JSON, for code that does not know the engine's layout.

use super::layout::*;
use super::source::{Elements, Key};
use std::fmt::Write;

/// # Safety
/// `array` must be in an arena that lives.
pub(super) unsafe fn array(array: *const ZArray) -> String {
    let mut into = String::new();
    // SAFETY: the caller guarantees it.
    unsafe { write_array(&mut into, array) };
    into
}

/// # Safety
/// As for [`array`].
pub(super) unsafe fn value(value: *const Zval) -> String {
    let mut into = String::new();
    // SAFETY: the caller guarantees it.
    unsafe { write_value(&mut into, value) };
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
fn write_text(into: &mut String, bytes: &[u8]) {
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

/// Recursion is bounded by the depth that a snapshot may have.
///
/// # Safety
/// As for [`array`].
unsafe fn write_array(into: &mut String, array: *const ZArray) {
    // SAFETY: the caller guarantees it.
    let is_list = unsafe { Elements::new(array) }
        .enumerate()
        .all(|(position, (key, _))| matches!(key, Key::Index(index) if index == position as i64));
    into.push(if is_list { '[' } else { '{' });
    // SAFETY: as above.
    for (position, (key, value)) in unsafe { Elements::new(array) }.enumerate() {
        if position > 0 {
            into.push(',');
        }
        if !is_list {
            match key {
                Key::Index(index) => write_text(into, index.to_string().as_bytes()),
                // SAFETY: a key lives as long as its array.
                Key::Name(name, _) => write_text(into, unsafe { ZString::bytes(name) }),
            }
            into.push(':');
        }
        // SAFETY: the value is part of the array.
        unsafe { write_value(into, value) };
    }
    into.push(if is_list { ']' } else { '}' });
}

/// # Safety
/// As for [`array`].
unsafe fn write_value(into: &mut String, value: *const Zval) {
    // SAFETY: the value lives; its union is read by its type.
    unsafe {
        match (*value).kind() {
            IS_FALSE => into.push_str("false"),
            IS_TRUE => into.push_str("true"),
            IS_LONG => into.push_str(&(*value).value.long.to_string()),
            IS_DOUBLE => into.push_str(&float((*value).value.double)),
            IS_STRING => write_text(into, ZString::bytes((*value).value.string)),
            IS_ARRAY => write_array(into, (*value).value.array),
            IS_PTR => write_text(into, ZString::bytes((*(*value).value.pointer.cast::<EnumCase>()).case_name)),
            _ => into.push_str("null"),
        }
    }
}
