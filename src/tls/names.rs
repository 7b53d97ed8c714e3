//! Looks values up by host name, with wildcards (pure).

use std::collections::HashMap;

/// Values by host names in lower case, in which whole labels may be `*`.
#[derive(Debug, Clone)]
pub(super) struct NameMap<T> {
    values: HashMap<String, T>,
}

impl<T> Default for NameMap<T> {
    fn default() -> Self {
        Self { values: HashMap::new() }
    }
}

impl<T> NameMap<T> {
    /// Sets the value of a name, and returns the previous one.
    pub(super) fn insert(&mut self, name: &str, value: T) -> Option<T> {
        self.values.insert(name.to_ascii_lowercase(), value)
    }

    /// The value for a host: of the name itself, else of the name with its first labels as `*`, the fewest first. A host
    /// from a client must have passed a check of its length; rustls makes one.
    pub(super) fn find(&self, host: &str) -> Option<&T> {
        if let Some(value) = self.values.get(host) {
            return Some(value);
        }
        let mut rest = host;
        let mut stars = String::new();
        while let Some((_, behind)) = rest.split_once('.') {
            stars.push_str("*.");
            rest = behind;
            if let Some(value) = self.values.get(&format!("{stars}{rest}")) {
                return Some(value);
            }
        }
        None
    }

    /// Removes the value of exactly this name.
    pub(super) fn remove(&mut self, name: &str) {
        self.values.remove(name);
    }

    /// How many names have a value.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }
}
