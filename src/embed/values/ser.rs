//! From Rust's types to the array of a snapshot.

use super::ENUM_CASE;
use crate::vars::{ArrayNode, MAX_DEPTH, Node, NodeKey};
use serde::ser::{self, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// Why a value of Rust cannot be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpublishable(String);

impl fmt::Display for Unpublishable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Unpublishable {}

impl ser::Error for Unpublishable {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// The array that a value becomes: a struct, a map or a sequence.
///
/// # Errors The value is none of these, or holds something that PHP has no type for.
pub(in crate::embed) fn to_array<T: Serialize + ?Sized>(value: &T) -> Result<Arc<ArrayNode>, Unpublishable> {
    match value.serialize(Values { level: 0 })? {
        Node::Array(array) => Ok(array),
        _ => Err(Unpublishable("only a struct, a map or a sequence can be published: PHP gets an array".to_owned())),
    }
}

fn text(text: &str) -> Node {
    Node::Bytes(text.as_bytes().into())
}

fn array(array: ArrayNode) -> Node {
    Node::Array(Arc::new(array))
}

/// `[$name => $value]`
fn only(name: &str, value: Node) -> Node {
    let mut only = ArrayNode::default();
    only.set(NodeKey::of(name.as_bytes()), value);
    array(only)
}

/// The values below this many arrays.
#[derive(Clone, Copy)]
struct Values {
    level: usize,
}

impl Values {
    /// The values of an array at this place.
    fn below(self) -> Result<Self, Unpublishable> {
        if self.level == MAX_DEPTH {
            return Err(Unpublishable(format!("the value is nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Self { level: self.level + 1 })
    }

    fn collect(self, variant: Option<&'static str>) -> Result<Collect, Unpublishable> {
        let values = if variant.is_some() { self.below()? } else { self };
        Ok(Collect { array: ArrayNode::default(), values: values.below()?, variant, key: None, is_case: false })
    }
}

macro_rules! integers {
    ($($method:ident($kind:ty))*) => {$(
        fn $method(self, value: $kind) -> Result<Node, Unpublishable> {
            let int = i64::try_from(value)
                .map_err(|_| Unpublishable(format!("{value} does not fit into an int of PHP, which has 64 bits")))?;
            Ok(Node::Int(int))
        }
    )*};
}

impl Serializer for Values {
    type Ok = Node;
    type Error = Unpublishable;
    type SerializeSeq = Collect;
    type SerializeTuple = Collect;
    type SerializeTupleStruct = Collect;
    type SerializeTupleVariant = Collect;
    type SerializeMap = Collect;
    type SerializeStruct = Collect;
    type SerializeStructVariant = Collect;

    integers! {
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64) serialize_i128(i128)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64) serialize_u128(u128)
    }

    fn serialize_bool(self, value: bool) -> Result<Node, Unpublishable> {
        Ok(Node::Bool(value))
    }

    fn serialize_f32(self, value: f32) -> Result<Node, Unpublishable> {
        Ok(Node::Float(value.into()))
    }

    fn serialize_f64(self, value: f64) -> Result<Node, Unpublishable> {
        Ok(Node::Float(value))
    }

    fn serialize_char(self, value: char) -> Result<Node, Unpublishable> {
        Ok(text(value.encode_utf8(&mut [0; 4])))
    }

    fn serialize_str(self, value: &str) -> Result<Node, Unpublishable> {
        Ok(text(value))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Node, Unpublishable> {
        Ok(Node::Bytes(value.into()))
    }

    fn serialize_none(self) -> Result<Node, Unpublishable> {
        Ok(Node::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Node, Unpublishable> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Node, Unpublishable> {
        Ok(Node::Null)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Node, Unpublishable> {
        Ok(Node::Null)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Node, Unpublishable> {
        Ok(text(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<Node, Unpublishable> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Node, Unpublishable> {
        Ok(only(variant, value.serialize(self.below()?)?))
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Collect, Unpublishable> {
        self.collect(None)
    }

    fn serialize_tuple(self, _len: usize) -> Result<Collect, Unpublishable> {
        self.collect(None)
    }

    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Result<Collect, Unpublishable> {
        self.collect(None)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Collect, Unpublishable> {
        self.collect(Some(variant))
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Collect, Unpublishable> {
        self.collect(None)
    }

    fn serialize_struct(self, name: &'static str, _len: usize) -> Result<Collect, Unpublishable> {
        // A case is no array, and may be one level deeper.
        let values = if name == ENUM_CASE { Self { level: 0 } } else { self };
        Ok(Collect { is_case: name == ENUM_CASE, ..values.collect(None)? })
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Collect, Unpublishable> {
        self.collect(Some(variant))
    }
}

/// An array that is being filled.
struct Collect {
    array: ArrayNode,
    values: Values,
    /// The variant whose content it is.
    variant: Option<&'static str>,
    /// The key of the next value of a map.
    key: Option<NodeKey>,
    is_case: bool,
}

impl Collect {
    fn finish(self) -> Result<Node, Unpublishable> {
        if self.is_case {
            let [class, name] =
                super::ENUM_CASE_FIELDS.map(|field| self.array.get(&NodeKey::of(field.as_bytes())).cloned());
            return match (class, name) {
                (Some(Node::Bytes(class)), Some(Node::Bytes(name))) => Ok(Node::Case { class, name }),
                _ => Err(Unpublishable("an enum case has a class and a name".to_owned())),
            };
        }
        let array = array(self.array);
        Ok(match self.variant {
            Some(variant) => only(variant, array),
            None => array,
        })
    }

    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unpublishable> {
        let value = value.serialize(self.values)?;
        self.array.push(value);
        Ok(())
    }

    fn set<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), Unpublishable> {
        let value = value.serialize(self.values)?;
        self.array.set(NodeKey::of(key.as_bytes()), value);
        Ok(())
    }
}

impl ser::SerializeSeq for Collect {
    type Ok = Node;
    type Error = Unpublishable;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unpublishable> {
        self.push(value)
    }

    fn end(self) -> Result<Node, Unpublishable> {
        self.finish()
    }
}

impl ser::SerializeTuple for Collect {
    type Ok = Node;
    type Error = Unpublishable;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unpublishable> {
        self.push(value)
    }

    fn end(self) -> Result<Node, Unpublishable> {
        self.finish()
    }
}

macro_rules! tuples {
    ($($kind:ident)*) => {$(
        impl ser::$kind for Collect {
            type Ok = Node;
            type Error = Unpublishable;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unpublishable> {
                self.push(value)
            }

            fn end(self) -> Result<Node, Unpublishable> {
                self.finish()
            }
        }
    )*};
}
tuples! { SerializeTupleStruct SerializeTupleVariant }

macro_rules! structs {
    ($($kind:ident)*) => {$(
        impl ser::$kind for Collect {
            type Ok = Node;
            type Error = Unpublishable;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), Unpublishable> {
                self.set(key, value)
            }

            fn end(self) -> Result<Node, Unpublishable> {
                self.finish()
            }
        }
    )*};
}
structs! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for Collect {
    type Ok = Node;
    type Error = Unpublishable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unpublishable> {
        self.key = Some(match key.serialize(Values { level: 0 })? {
            Node::Int(index) => NodeKey::Int(index),
            Node::Bool(is_true) => NodeKey::Int(is_true.into()),
            Node::Bytes(bytes) => NodeKey::of(&bytes),
            _ => return Err(Unpublishable("the key of a map must be an integer or a string".to_owned())),
        });
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unpublishable> {
        let key = self.key.take().ok_or_else(|| Unpublishable("a value of a map has no key".to_owned()))?;
        let value = value.serialize(self.values)?;
        self.array.set(key, value);
        Ok(())
    }

    fn end(self) -> Result<Node, Unpublishable> {
        self.finish()
    }
}
