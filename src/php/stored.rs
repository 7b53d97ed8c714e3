//! Values and numbers of a store, in the structures that C reads.

use super::reading::loose_reading;
use crate::ffi::{igor_number, igor_store_counts, igor_stored, igor_stored_kind};
use crate::store::{Number, Store};
use crate::vars::{Pins, Serve, Value};

/// Which member of the C structure is set.
pub(super) fn kind(value: Option<&Value>) -> igor_stored_kind {
    match value {
        None => igor_stored_kind::IGOR_STORED_ABSENT,
        Some(Value::Null) => igor_stored_kind::IGOR_STORED_NULL,
        Some(Value::Bool(_)) => igor_stored_kind::IGOR_STORED_BOOL,
        Some(Value::Int(_)) => igor_stored_kind::IGOR_STORED_INT,
        Some(Value::Float(_)) => igor_stored_kind::IGOR_STORED_FLOAT,
        Some(Value::Text(_)) => igor_stored_kind::IGOR_STORED_TEXT,
        Some(Value::Array(_)) => igor_stored_kind::IGOR_STORED_ARRAY,
        Some(Value::Element(_)) => igor_stored_kind::IGOR_STORED_ELEMENT,
    }
}

/// A value as C reads it. A value in an arena is pinned first.
pub(super) fn describe(value: Option<&Value>, pins: &mut Pins) -> igor_stored {
    let mut stored = igor_stored { kind: kind(value), ..igor_stored::default() };
    match value {
        None | Some(Value::Null) => {}
        Some(Value::Bool(is_true)) => stored.integer = i64::from(*is_true),
        Some(Value::Int(integer)) => stored.integer = *integer,
        Some(Value::Float(real)) => stored.real = *real,
        Some(Value::Text(text)) => (stored.text, stored.len) = (text.as_ptr().cast(), text.len()),
        Some(Value::Array(snapshot) | Value::Element(snapshot)) => {
            let serve: Serve = pins.take(snapshot);
            stored.reading = loose_reading(snapshot, serve);
        }
    }
    stored
}

/// `exact` counts the elements one by one, without those that have expired.
pub(super) fn counts_of(store: &Store, exact: bool) -> igor_store_counts {
    let counts = store.counts();
    igor_store_counts {
        keys: if exact { store.count() } else { counts.keys } as u64,
        keys_max: counts.keys_max as u64,
        bytes: counts.bytes as u64,
        bytes_max: counts.bytes_max as u64,
        version: counts.version,
        hits: counts.hits,
        misses: counts.misses,
        evicted: counts.evicted,
        expired: counts.expired,
    }
}

/// C's number as one of the store.
pub(super) fn number(by: &igor_number) -> Number {
    if by.is_float { Number::Float(by.real) } else { Number::Int(by.integer) }
}

/// A number of the store as C's.
pub(super) fn igor_number_of(number: Number) -> igor_number {
    match number {
        Number::Int(integer) => igor_number { is_float: false, integer, real: 0.0 },
        Number::Float(real) => igor_number { is_float: true, integer: 0, real },
    }
}
