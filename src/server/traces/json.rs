//! Spans as OTLP's `ExportTraceServiceRequest` in JSON (pure). Numbers of 64 bits are texts there, and those of traces and spans
//! are hexadecimal.

use super::protobuf::FAILED;
use super::{Resource, SCOPE};
use crate::traces::{Record, Value};
use serde_json::{Value as Json, json};

/// The spans, with what they all belong to.
pub(super) fn encoded(resource: Resource<'_>, records: &[Record]) -> Vec<u8> {
    let resource: Vec<Json> = resource.iter().map(|(name, value)| attribute(name, &value.as_str().into())).collect();
    let spans: Vec<Json> = records.iter().map(span).collect();
    let scope = json!({ "name": SCOPE, "version": env!("CARGO_PKG_VERSION") });
    let request = json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{ "scope": scope, "spans": spans }],
    }] });
    request.to_string().into_bytes()
}

fn span(record: &Record) -> Json {
    let attributes: Vec<Json> = record.attributes.iter().map(|(name, value)| attribute(name, value)).collect();
    let status = match &record.failure {
        Some(reason) => json!({ "code": FAILED, "message": reason }),
        None => json!({}),
    };
    json!({
        "traceId": hex(&record.context.trace()),
        "spanId": hex(&record.context.id()),
        "traceState": record.state,
        "parentSpanId": record.parent.map(|parent| hex(&parent)).unwrap_or_default(),
        "flags": 1,
        "name": record.name,
        "kind": record.kind as u32,
        "startTimeUnixNano": record.start_nanos.to_string(),
        "endTimeUnixNano": record.end_nanos.to_string(),
        "attributes": attributes,
        "status": status,
    })
}

fn attribute(name: &str, value: &Value) -> Json {
    let value = match value {
        Value::Text(text) => json!({ "stringValue": text }),
        Value::Number(number) => json!({ "intValue": number.to_string() }),
    };
    json!({ "key": name, "value": value })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
