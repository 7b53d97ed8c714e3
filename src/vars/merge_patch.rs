//! What has changed from one snapshot to the next, as a JSON merge patch (RFC 7396).

use super::json;
use super::snapshot::Snapshot;
use super::view::{ArrayView, View};
use std::collections::HashMap;

/// The members of an object by their keys.
type Members<'a> = HashMap<String, View<'a>>;

impl Snapshot {
    /// The patch that makes the JSON of this snapshot from that of the one before. `None`: there is none, because in a patch
    /// `null` removes a member, so that none can be set to null.
    pub fn merge_patch(&self, before: &Self) -> Option<String> {
        let mut patch = String::new();
        write_change(&mut patch, Some(View::Array(before.view())), View::Array(self.view()))?;
        Some(patch)
    }
}

/// JSON has no form for infinite numbers and NAN, and `json` writes null for them.
fn is_null(value: View<'_>) -> bool {
    matches!(value, View::Null) || matches!(value, View::Float(float) if !float.is_finite())
}

/// The array if it becomes an object.
fn object(value: View<'_>) -> Option<ArrayView<'_>> {
    match value {
        View::Array(array) if !array.is_list() => Some(array),
        _ => None,
    }
}

/// `None`: two keys have the same text, because they are no UTF-8.
fn members(array: ArrayView<'_>) -> Option<Members<'_>> {
    let members: Members<'_> = array.iter().map(|(key, value)| (json::key_text(key), value)).collect();
    (members.len() == array.len()).then_some(members)
}

/// Writes what makes `after` from `before`. All but objects replace what was there, with all that is in them.
fn write_change(into: &mut String, before: Option<View<'_>>, after: View<'_>) -> Option<()> {
    match object(after) {
        Some(after) => write_members(into, before.and_then(object), after),
        None if is_null(after) => None,
        None => {
            json::write_value(into, after);
            Some(())
        }
    }
}

/// Writes the members that are others or new, and null for those that are gone. Recursion is bounded by the depth that a
/// snapshot may have.
fn write_members(into: &mut String, before: Option<ArrayView<'_>>, after: ArrayView<'_>) -> Option<()> {
    let mut old = before.map_or_else(|| Some(Members::new()), members)?;
    let start = into.len();
    into.push('{');
    for (key, value) in after.iter() {
        let key = json::key_text(key);
        let was = old.remove(&key);
        let member = into.len();
        write_key(into, start, &key);
        if let Some((was, value)) = was.and_then(object).zip(object(value)) {
            let change = into.len();
            write_members(into, Some(was), value)?;
            if into[change..] == *"{}" {
                into.truncate(member);
            }
        } else if was.is_some_and(|was| json::value(was) == json::value(value)) {
            into.truncate(member);
        } else {
            write_change(into, was, value)?;
        }
    }
    // In the order of the old ones: the same change is the same text.
    let gone = before.into_iter().flat_map(|before| before.iter()).map(|(key, _)| json::key_text(key));
    for key in gone.filter(|key| old.contains_key(key)) {
        write_key(into, start, &key);
        into.push_str("null");
    }
    into.push('}');
    Some(())
}

/// Writes the key of a member of the object that begins at `start`.
fn write_key(into: &mut String, start: usize, key: &str) {
    if into.len() > start + 1 {
        into.push(',');
    }
    json::write_text(into, key.as_bytes());
    into.push(':');
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use super::super::{ArrayNode, Limits, MAX_DEPTH, Node, NodeKey};
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};
    use std::sync::Arc;

    fn node(value: &Value) -> Node {
        match value {
            Value::Null => Node::Null,
            Value::Bool(is_true) => Node::Bool(*is_true),
            Value::Number(number) => match number.as_i64() {
                Some(int) => Node::Int(int),
                None => Node::Float(number.as_f64().expect("a number")),
            },
            Value::String(text) => Node::Bytes(text.as_bytes().into()),
            Value::Array(_) | Value::Object(_) => Node::Array(Arc::new(array(value))),
        }
    }

    fn array(value: &Value) -> ArrayNode {
        let mut array = ArrayNode::default();
        match value {
            Value::Array(list) => list.iter().for_each(|value| array.push(node(value))),
            Value::Object(map) => {
                map.iter().for_each(|(key, value)| array.set(NodeKey::of(key.as_bytes()), node(value)));
            }
            _ => array.push(node(value)),
        }
        array
    }

    fn snapshot(value: &Value) -> Snapshot {
        array(value).snapshot(Limits { bytes: 1 << 20, depth: MAX_DEPTH }).expect("it can be published")
    }

    fn read(json: &str) -> Value {
        serde_json::from_str(json).expect("it is JSON")
    }

    /// The standard's own pseudocode (RFC 7396, section 2).
    fn apply(target: Value, patch: &Value) -> Value {
        let Value::Object(patch) = patch else { return patch.clone() };
        let mut target = match target {
            Value::Object(target) => target,
            _ => Map::new(),
        };
        for (name, value) in patch {
            let old = target.remove(name).unwrap_or_default();
            if !value.is_null() {
                target.insert(name.clone(), apply(old, value));
            }
        }
        Value::Object(target)
    }

    #[test]
    fn a_patch_has_what_has_changed() {
        for (before, after, expected) in [
            (json!({"a": 1, "b": {"c": 2, "d": 3}}), json!({"a": 1, "b": {"c": 4, "d": 3}}), Some(r#"{"b":{"c":4}}"#)),
            (json!({"a": 1}), json!({"a": 1}), Some("{}")),
            (json!({"a": 1, "b": 2}), json!({"b": 2, "c": "x"}), Some(r#"{"c":"x","a":null}"#)),
            (json!({"a": null, "b": 1}), json!({"a": null, "b": 2}), Some(r#"{"b":2}"#)),
            (json!({"a": 1}), json!({"a": null}), None),
            (json!({"a": 1}), json!({"a": 1, "b": {"c": null}}), None),
            (json!({"a": 1}), json!({"a": [null, {"b": null}]}), Some(r#"{"a":[null,{"b":null}]}"#)),
            (json!({"a": [1, 2, 3]}), json!({"a": [1, 2]}), Some(r#"{"a":[1,2]}"#)),
            (json!({"a": {"b": 1}}), json!({"a": []}), Some(r#"{"a":[]}"#)),
            (json!({"a": []}), json!({"a": {"b": 1}}), Some(r#"{"a":{"b":1}}"#)),
            (json!([1, 2]), json!([1, 2, 3]), Some("[1,2,3]")),
            (json!({"10": "x", "y\"": 1}), json!({"10": "z", "y\"": 1}), Some(r#"{"10":"z"}"#)),
        ] {
            let patch = snapshot(&after).merge_patch(&snapshot(&before));
            assert_eq!(patch.as_deref(), expected, "{before} {after}");
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(json!(null)), Just(json!(true)), (0..3).prop_map(|n| json!(n)), Just(json!("x"))];
        let inner = leaf.prop_recursive(3, 20, 3, |inner| {
            let list = proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::Array);
            let map = proptest::collection::btree_map("[a-c1]", inner, 0..4);
            prop_oneof![list, map.prop_map(|map| map.into_iter().collect::<Map<_, _>>().into())]
        });
        proptest::collection::btree_map("[a-c1]", inner, 0..4)
            .prop_map(|map| map.into_iter().collect::<Map<_, _>>().into())
    }

    proptest! {
        #[test]
        fn a_patch_makes_the_next_version(before in value(), after in value()) {
            let (before, after) = (snapshot(&before), snapshot(&after));
            match after.merge_patch(&before) {
                Some(patch) => prop_assert_eq!(apply(read(&before.json()), &read(&patch)), read(&after.json())),
                None => prop_assert!(after.json().contains("null")),
            }
        }
    }
}
