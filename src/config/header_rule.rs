//! Changes of header fields.

use super::matcher::Pattern;
use super::response_matcher::ResponseMatcher;
use super::text::Text;

/// The `header` directive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderRule {
    /// The changes, in order.
    pub ops: Vec<HeaderOp>,
    /// Whether they apply when the response is about to be sent, after the script's own changes. Otherwise they apply
    /// before, and the script may override them.
    pub defer: bool,
    /// The responses that they apply to; `None`: all.
    pub only: Option<ResponseMatcher>,
}

/// One change of the response headers. Field names are in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderOp {
    /// `Field value`: replaces the field.
    Set {
        /// The field's name.
        field: String,
        /// The new value.
        value: Text,
    },
    /// `+Field value`: adds one more.
    Add {
        /// The field's name.
        field: String,
        /// The value to add.
        value: Text,
    },
    /// `?Field value`: sets the field if the response has none.
    SetDefault {
        /// The field's name.
        field: String,
        /// The value to set.
        value: Text,
    },
    /// `Field search replacement`: replaces matches of the expression in its values; `*` is every field.
    Replace {
        /// The field's name.
        field: String,
        /// What is replaced.
        pattern: Pattern,
        /// The replacement; `$1` is a group.
        value: Text,
    },
    /// `-Field`: removes the field; a `*` at the start or end of the name stands for anything.
    Remove {
        /// The pattern of names.
        field: String,
    },
}

impl HeaderOp {
    /// The name of the field, or the pattern of names.
    #[must_use]
    pub fn field(&self) -> &str {
        let (Self::Set { field, .. }
        | Self::Add { field, .. }
        | Self::SetDefault { field, .. }
        | Self::Replace { field, .. }
        | Self::Remove { field }) = self;
        field
    }
}
