//! Values between Rust and PHP, by serde: `de` reads a snapshot, `ser` makes one. `docs/library.md` has the mapping.

mod de;
mod ser;

pub use de::Mismatch;
pub(super) use de::from_array;
pub use ser::Unpublishable;
pub(super) use ser::to_array;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, SerializeStruct, Serializer};

/// The name by which both halves know an [`EnumCase`].
const ENUM_CASE: &str = "\0igor_php::EnumCase";
/// The fields of an [`EnumCase`].
const ENUM_CASE_FIELDS: [&str; 2] = ["class", "name"];

/// A case of an enum of PHP. Published by Rust, PHP reads the case itself. Read by any other type, a case is the string
/// of its name.
///
/// # Examples
///
/// ```
/// use igor_php::embed::EnumCase;
/// use serde::Serialize;
///
/// #[derive(Serialize)]
/// struct Card<'a> {
///     suit: EnumCase<'a>,
/// }
/// let card = Card { suit: EnumCase { class: "App\\Suit".into(), name: "Hearts".into() } };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnumCase<'a> {
    /// The class, with its namespace.
    pub class: std::borrow::Cow<'a, str>,
    /// The case.
    pub name: std::borrow::Cow<'a, str>,
}

impl Serialize for EnumCase<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct(ENUM_CASE, ENUM_CASE_FIELDS.len())?;
        fields.serialize_field(ENUM_CASE_FIELDS[0], &*self.class)?;
        fields.serialize_field(ENUM_CASE_FIELDS[1], &*self.name)?;
        fields.end()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for EnumCase<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct(ENUM_CASE, &ENUM_CASE_FIELDS, de::CaseVisitor)
    }
}
