//! Values as the engine has them. Integers are decimal text, so that the engine can count and others can read them.
//! Strings are their bytes. Everything else is in the format of snapshots, and so is a string that could be taken for one of
//! the others: whatever a script stores, it reads the same.

use super::RemoteError;
use crate::vars::{Limits, Node, Value, decode_value, encode_value, is_encoded};

pub(super) fn encode(value: &Value) -> Vec<u8> {
    if let Value::Int(int) = value {
        return int.to_string().into_bytes();
    }
    match value.text() {
        Some(text) if !is_encoded(text) && integer(text).is_none() => text.to_vec(),
        _ => encode_value(value.view()),
    }
}

pub(super) fn decode(bytes: &[u8], limits: Limits) -> Result<Value, RemoteError> {
    let node = match integer(bytes) {
        Some(int) => Node::Int(int),
        None if is_encoded(bytes) => decode_value(bytes).map_err(RemoteError::Format)?,
        None => Node::Bytes(bytes.into()),
    };
    Value::of_node(node, limits).map_err(RemoteError::TooLarge)
}

/// The integer that the bytes are the only text of.
fn integer(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= 20)?;
    text.parse::<i64>().ok().filter(|int| int.to_string() == text)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::vars::View;

    fn round(node: Node) -> (Vec<u8>, Value) {
        let bytes = encode(&Value::of_node(node, Limits::default()).expect("it is small"));
        let value = decode(&bytes, Limits::default()).expect("just encoded");
        (bytes, value)
    }

    #[test]
    fn every_kind_of_value_survives_the_way() {
        for text in ["7", "-7", "0", "007", "-0", "+7", "9223372036854775808", "", "IGOR", "IGOR\u{1}", "é"] {
            let (bytes, value) = round(Node::Bytes(text.as_bytes().into()));
            assert_eq!(value.text(), Some(text.as_bytes()), "{bytes:?}");
        }
        let long = "x".repeat(100_000);
        let (bytes, value) = round(Node::Bytes(long.as_bytes().into()));
        assert_eq!(bytes, long.as_bytes());
        assert_eq!(value.text(), Some(long.as_bytes()));
        for int in [0, 7, -7, i64::MIN, i64::MAX] {
            let (bytes, value) = round(Node::Int(int));
            assert_eq!(bytes, int.to_string().as_bytes());
            assert!(matches!(value, Value::Int(same) if same == int));
        }
        for node in [Node::Null, Node::Bool(false), Node::Bool(true), Node::Float(0.1), Node::Float(f64::NAN)] {
            let json = Value::of_node(node.clone(), Limits::default()).expect("it is small").json();
            assert_eq!(round(node).1.json(), json);
        }
        let case = Node::Case { class: (*b"Suit").into(), name: (*b"Hearts").into() };
        let (_, value) = round(case);
        assert!(matches!(value.view(), View::Case { class: b"Suit", name: b"Hearts" }));
    }

    /// What another client has written.
    #[test]
    fn text_of_others() {
        let read = |bytes: &[u8]| decode(bytes, Limits::default()).map(|value| value.json());
        assert_eq!(read(b"42"), Ok("42".to_owned()));
        assert_eq!(read(b"4.5"), Ok("\"4.5\"".to_owned()));
        assert!(matches!(read(b"IGOR\x09rest"), Err(RemoteError::Format(_))));
        assert!(matches!(read(b"IGOR\x01\x07\x09"), Err(RemoteError::Format(_))));
    }
}
