//! From a snapshot to Rust's types. Strings are borrowed from the snapshot where the type asks for that.

use super::{ENUM_CASE, EnumCase};
use crate::vars::{ArrayView, KeyView, View};
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use std::borrow::Cow;
use std::fmt;

/// Why a snapshot is not of the requested type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The keys that lead to the value, innermost first, as PHP writes them.
    keys: Vec<String>,
    reason: String,
}

impl Mismatch {
    /// The place of the value as PHP would write it: `$vars['db'][3]`.
    #[must_use]
    pub fn place(&self) -> String {
        let keys: String = self.keys.iter().rev().map(String::as_str).collect();
        format!("$vars{keys}")
    }

    fn new(reason: impl Into<String>) -> Self {
        Self { keys: Vec::new(), reason: reason.into() }
    }

    fn at(mut self, key: KeyView<'_>) -> Self {
        self.keys.push(match key {
            KeyView::Int(index) => format!("[{index}]"),
            KeyView::Bytes(name) => format!("['{}']", String::from_utf8_lossy(name)),
        });
        self
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place(), self.reason)
    }
}

impl std::error::Error for Mismatch {}

impl de::Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}

/// Reads an array of a snapshot.
///
/// # Errors A value is not of the type that is asked for; the error has its place.
pub(in crate::embed) fn from_array<'de, T: Deserialize<'de>>(array: ArrayView<'de>) -> Result<T, Mismatch> {
    T::deserialize(Value(View::Array(array)))
}

/// Calls the visitor with a string: as text if it is that.
fn visit_bytes<'de, V: Visitor<'de>>(bytes: &'de [u8], visitor: V) -> Result<V::Value, Mismatch> {
    match std::str::from_utf8(bytes) {
        Ok(text) => visitor.visit_borrowed_str(text),
        Err(_) => visitor.visit_borrowed_bytes(bytes),
    }
}

/// One value.
struct Value<'de>(View<'de>);

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            View::Null => visitor.visit_unit(),
            View::Bool(is_true) => visitor.visit_bool(is_true),
            View::Int(int) => visitor.visit_i64(int),
            View::Float(float) => visitor.visit_f64(float),
            View::Bytes(bytes) | View::Case { name: bytes, .. } => visit_bytes(bytes, visitor),
            View::Array(array) if array.is_list() => visitor.visit_seq(Elements::of(array)),
            View::Array(array) => visitor.visit_map(Elements::of(array)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        if matches!(self.0, View::Null) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            View::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    /// A list is also an array with the keys 0, 1, 2: a map takes it, above all the empty one.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            View::Array(array) => visitor.visit_map(Elements::of(array)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match self.0 {
            View::Case { class, name: case } if name == ENUM_CASE => visitor.visit_map(CaseFields::of(class, case)?),
            View::Array(array) if !array.is_list() || array.is_empty() => visitor.visit_map(Elements::of(array)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match self.0 {
            View::Bytes(name) | View::Case { name, .. } => visitor.visit_enum(Variant { name, content: None }),
            View::Array(array) => match (array.iter().next(), array.len()) {
                (Some((KeyView::Bytes(name), content)), 1) => {
                    visitor.visit_enum(Variant { name, content: Some(content) })
                }
                _ => Err(Mismatch::new("an enum of Rust is a string, or an array with the variant as its only key")),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string unit unit_struct seq tuple tuple_struct
        identifier
    }
}

/// The key of an element: text for those that ask for text, as PHP's `(string) $key`.
struct KeyValue<'de>(KeyView<'de>);

macro_rules! integer_key {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
            match self.0 {
                KeyView::Int(index) => visitor.visit_i64(index),
                KeyView::Bytes(name) => visit_bytes(name, visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for KeyValue<'de> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            KeyView::Int(index) => visitor.visit_string(index.to_string()),
            KeyView::Bytes(name) => visit_bytes(name, visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match self.0 {
            KeyView::Bytes(name) => visitor.visit_enum(Variant { name, content: None }),
            KeyView::Int(index) => visitor.visit_enum(index.to_string().into_deserializer()),
        }
    }

    integer_key! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    forward_to_deserialize_any! {
        bool f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}

/// The elements of an array, as a sequence or a map.
struct Elements<'de, I> {
    elements: I,
    left: usize,
    /// The value of the key that was read last.
    current: Option<(KeyView<'de>, View<'de>)>,
}

impl<'de> Elements<'de, ()> {
    fn of(array: ArrayView<'de>) -> Elements<'de, impl Iterator<Item = (KeyView<'de>, View<'de>)>> {
        Elements { elements: array.iter(), left: array.len(), current: None }
    }
}

impl<'de, I: Iterator<Item = (KeyView<'de>, View<'de>)>> Elements<'de, I> {
    fn advance(&mut self) -> Option<(KeyView<'de>, View<'de>)> {
        self.current = self.elements.next();
        self.left = self.left.saturating_sub(1);
        self.current
    }
}

impl<'de, I: Iterator<Item = (KeyView<'de>, View<'de>)>> de::SeqAccess<'de> for Elements<'de, I> {
    type Error = Mismatch;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mismatch> {
        let Some((key, value)) = self.advance() else { return Ok(None) };
        seed.deserialize(Value(value)).map(Some).map_err(|mismatch| mismatch.at(key))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de, I: Iterator<Item = (KeyView<'de>, View<'de>)>> MapAccess<'de> for Elements<'de, I> {
    type Error = Mismatch;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mismatch> {
        let Some((key, _)) = self.advance() else { return Ok(None) };
        seed.deserialize(KeyValue(key)).map(Some).map_err(|mismatch| mismatch.at(key))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Mismatch> {
        let (key, value) = self.current.take().ok_or_else(|| Mismatch::new("a value was asked for before its key"))?;
        seed.deserialize(Value(value)).map_err(|mismatch| mismatch.at(key))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// The variant of an enum of Rust.
struct Variant<'de> {
    name: &'de [u8],
    content: Option<View<'de>>,
}

impl<'de> de::EnumAccess<'de> for Variant<'de> {
    type Error = Mismatch;
    type Variant = Content<'de>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Content<'de>), Mismatch> {
        let name = std::str::from_utf8(self.name).map_err(|_| Mismatch::new("the name of a variant is not UTF-8"))?;
        Ok((seed.deserialize(BorrowedStrDeserializer::new(name))?, Content(self.content)))
    }
}

/// What a variant holds.
struct Content<'de>(Option<View<'de>>);

impl<'de> Content<'de> {
    fn value(self) -> Result<Value<'de>, Mismatch> {
        self.0.map(Value).ok_or_else(|| Mismatch::new("this variant needs a content: an array with it as only key"))
    }
}

impl<'de> de::VariantAccess<'de> for Content<'de> {
    type Error = Mismatch;

    fn unit_variant(self) -> Result<(), Mismatch> {
        match self.0 {
            None | Some(View::Null) => Ok(()),
            Some(_) => Err(Mismatch::new("this variant has no content")),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Mismatch> {
        seed.deserialize(self.value()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Mismatch> {
        self.value()?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.value()?.deserialize_map(visitor)
    }
}

/// The class and the name of an enum case, as the fields of an [`EnumCase`].
struct CaseFields<'de> {
    values: [&'de str; 2],
    next: usize,
}

impl<'de> CaseFields<'de> {
    fn of(class: &'de [u8], name: &'de [u8]) -> Result<Self, Mismatch> {
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Mismatch::new("the name of an enum is not UTF-8"));
        Ok(Self { values: [text(class)?, text(name)?], next: 0 })
    }
}

impl<'de> MapAccess<'de> for CaseFields<'de> {
    type Error = Mismatch;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mismatch> {
        let name = super::ENUM_CASE_FIELDS.get(self.next);
        name.map(|name| seed.deserialize(BorrowedStrDeserializer::new(name))).transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Mismatch> {
        self.next += 1;
        seed.deserialize(BorrowedStrDeserializer::new(self.values[self.next - 1]))
    }
}

/// Takes the fields of an [`EnumCase`].
pub(super) struct CaseVisitor;

impl<'de> Visitor<'de> for CaseVisitor {
    type Value = EnumCase<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an enum case of PHP")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let (mut class, mut name) = (None, None);
        while let Some((field, value)) = fields.next_entry::<Cow<'de, str>, Cow<'de, str>>()? {
            match &*field {
                "class" => class = Some(value),
                "name" => name = Some(value),
                _ => {}
            }
        }
        match (class, name) {
            (Some(class), Some(name)) => Ok(EnumCase { class, name }),
            _ => Err(de::Error::custom("an enum case has a class and a name")),
        }
    }
}
