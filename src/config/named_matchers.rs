//! The named matchers of a configuration (pure).

use std::collections::HashMap;
use std::rc::Rc;

use super::matcher::Matcher;

/// The named matchers of a block and its enclosing blocks.
#[derive(Debug, Clone, Default)]
pub(crate) struct NamedMatchers(pub(crate) Rc<HashMap<String, Matcher>>);

impl NamedMatchers {
    /// Adds those of an inner block, which may shadow outer names.
    pub(crate) fn with(&self, own: HashMap<String, Matcher>) -> Self {
        if own.is_empty() {
            return self.clone();
        }
        let mut all = (*self.0).clone();
        all.extend(own);
        Self(Rc::new(all))
    }
}
