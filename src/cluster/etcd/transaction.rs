//! A transaction of etcd as its gateway takes it: comparisons, and what is done if all of them hold. Keys and values are
//! base64, numbers of 64 bits are text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

#[derive(Default)]
pub(super) struct Transaction {
    compare: Vec<Value>,
    success: Vec<Value>,
}

impl Transaction {
    /// The key has this value. It fails for a key that is not there, as do the next two.
    pub(super) fn equal(self, key: &str, value: &[u8]) -> Self {
        self.compare(key, "EQUAL", value)
    }

    /// The value of the key is less than this one, byte by byte.
    pub(super) fn less(self, key: &str, value: &[u8]) -> Self {
        self.compare(key, "LESS", value)
    }

    /// The value of the key is greater than this one, byte by byte.
    pub(super) fn greater(self, key: &str, value: &[u8]) -> Self {
        self.compare(key, "GREATER", value)
    }

    fn compare(mut self, key: &str, result: &str, value: &[u8]) -> Self {
        let (key, value) = (text(key.as_bytes()), text(value));
        self.compare.push(json!({ "target": "VALUE", "result": result, "key": key, "value": value }));
        self
    }

    /// The key was last changed at this revision; 0: it is not there.
    pub(super) fn unchanged(mut self, key: &str, revision: i64) -> Self {
        let (key, revision) = (text(key.as_bytes()), revision.to_string());
        self.compare.push(json!({ "target": "MOD", "result": "EQUAL", "key": key, "mod_revision": revision }));
        self
    }

    pub(super) fn get(mut self, key: &str) -> Self {
        self.success.push(json!({ "requestRange": { "key": text(key.as_bytes()) } }));
        self
    }

    pub(super) fn put(mut self, key: &str, value: &[u8]) -> Self {
        self.success.push(json!({ "requestPut": { "key": text(key.as_bytes()), "value": text(value) } }));
        self
    }

    /// The key goes with this lease.
    pub(super) fn put_leased(mut self, key: &str, value: &[u8], lease: &str) -> Self {
        let (key, value) = (text(key.as_bytes()), text(value));
        self.success.push(json!({ "requestPut": { "key": key, "value": value, "lease": lease } }));
        self
    }

    /// Deletes the keys from `first` to below `end`.
    pub(super) fn delete_range(mut self, first: &str, end: &str) -> Self {
        let (first, end) = (text(first.as_bytes()), text(end.as_bytes()));
        self.success.push(json!({ "requestDeleteRange": { "key": first, "range_end": end } }));
        self
    }

    pub(super) fn into_body(self) -> Value {
        json!({ "compare": self.compare, "success": self.success })
    }

    /// Whether all comparisons held. The gateway leaves out what is false.
    pub(super) fn succeeded(answer: &Value) -> bool {
        answer["succeeded"].as_bool().unwrap_or(false)
    }
}

pub(super) fn text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The key that the operation of this number has found, if it is there.
pub(super) fn key_of(answer: &Value, operation: usize) -> Option<&Value> {
    answer["responses"].get(operation)?["response_range"]["kvs"].get(0)
}

/// The value of a key. An empty one is left out.
pub(super) fn value(key: &Value) -> Option<Vec<u8>> {
    key["value"].as_str().map_or(Some(Vec::new()), |text| STANDARD.decode(text).ok())
}
