//! Spans as OTLP's `ExportTraceServiceRequest` in protobuf (pure).
//!
//! Written by hand: the messages have a dozen fields, which never change their numbers. ARCHITECTURE.md says what the crates for it
//! would cost.

use super::Resource;
use crate::traces::{Record, Value};

/// What comes after a field's number.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

/// `STATUS_CODE_ERROR`.
pub(super) const FAILED: u64 = 2;

/// The spans, with what they all belong to.
pub(super) fn encoded(resource: Resource<'_>, records: &[Record]) -> Vec<u8> {
    let mut scope_spans = Vec::new();
    put_message(&mut scope_spans, 1, |scope| {
        put_bytes(scope, 1, super::SCOPE.as_bytes());
        put_bytes(scope, 2, env!("CARGO_PKG_VERSION").as_bytes());
    });
    for record in records {
        put_message(&mut scope_spans, 2, |span| put_span(span, record));
    }
    let mut request = Vec::with_capacity(scope_spans.len() + 256);
    put_message(&mut request, 1, |resource_spans| {
        put_message(resource_spans, 1, |message| {
            for (name, value) in resource {
                put_attribute(message, 1, name, &Value::from(value.as_str()));
            }
        });
        put_bytes(resource_spans, 2, &scope_spans);
    });
    request
}

fn put_span(span: &mut Vec<u8>, record: &Record) {
    put_bytes(span, 1, &record.context.trace());
    put_bytes(span, 2, &record.context.id());
    put_bytes(span, 3, record.state.as_bytes());
    put_bytes(span, 4, record.parent.as_ref().map_or(&[][..], <[u8; 8]>::as_slice));
    put_bytes(span, 5, record.name.as_bytes());
    put_number(span, 6, record.kind as u64);
    put_key(span, 7, FIXED64);
    span.extend_from_slice(&record.start_nanos.to_le_bytes());
    put_key(span, 8, FIXED64);
    span.extend_from_slice(&record.end_nanos.to_le_bytes());
    for (name, value) in &record.attributes {
        put_attribute(span, 9, name, value);
    }
    if let Some(reason) = &record.failure {
        put_message(span, 15, |status| {
            put_bytes(status, 2, reason.as_bytes());
            put_number(status, 3, FAILED);
        });
    }
    // The flags of the trace: it is sampled.
    put_key(span, 16, FIXED32);
    span.extend_from_slice(&1_u32.to_le_bytes());
}

fn put_attribute(into: &mut Vec<u8>, field: u64, name: &str, value: &Value) {
    put_message(into, field, |attribute| {
        put_bytes(attribute, 1, name.as_bytes());
        put_message(attribute, 2, |any| match value {
            // An empty text is still a value.
            Value::Text(text) => put_whole(any, 1, text.as_bytes()),
            Value::Number(number) => {
                put_key(any, 3, VARINT);
                put_varint(any, *number as u64);
            }
        });
    });
}

fn put_message(into: &mut Vec<u8>, field: u64, write: impl FnOnce(&mut Vec<u8>)) {
    let mut message = Vec::new();
    write(&mut message);
    put_whole(into, field, &message);
}

/// What is empty or 0 is not written: that is how readers understand its absence.
fn put_bytes(into: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    if !bytes.is_empty() {
        put_whole(into, field, bytes);
    }
}

fn put_number(into: &mut Vec<u8>, field: u64, number: u64) {
    if number != 0 {
        put_key(into, field, VARINT);
        put_varint(into, number);
    }
}

fn put_whole(into: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_key(into, field, BYTES);
    put_varint(into, bytes.len() as u64);
    into.extend_from_slice(bytes);
}

fn put_key(into: &mut Vec<u8>, field: u64, kind: u64) {
    put_varint(into, field << 3 | kind);
}

fn put_varint(into: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_varints() {
        for (number, expected) in
            [(0, vec![0]), (1, vec![1]), (127, vec![127]), (128, vec![0x80, 1]), (300, vec![0xac, 2])]
        {
            let mut made = Vec::new();
            put_varint(&mut made, number);
            assert_eq!(made, expected, "{number}");
        }
        let mut negative = Vec::new();
        put_varint(&mut negative, -1_i64 as u64);
        assert_eq!(negative.len(), 10);
    }
}
