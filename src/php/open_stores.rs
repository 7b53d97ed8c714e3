//! The stores that the scripts of one PHP thread have open, and the values and claims that they hold. C identifies a
//! store by a number, so no pointer in C outlives the PHP request.

use super::work::Failure;
use crate::store::{Store, Stores};
use crate::vars::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// The open stores of the scripts of one PHP thread.
pub(super) struct OpenStores {
    /// All stores of the configuration.
    pub(super) declared: Arc<Stores>,
    /// The thread's identity for `compute()`.
    pub(super) owner: u64,
    /// By their numbers, which start at 1.
    open: Vec<Arc<Store>>,
    /// The value that C reads, until the next call.
    pub(super) read: Option<Value>,
    /// The number of the newest list; the first is 1.
    last_list: u64,
    /// The lists that C walks through, by their numbers.
    pub(super) lists: HashMap<u64, Vec<Element>>,
    /// The elements that this script computes now. Others that want one of them wait for its end.
    pub(super) computing: Vec<(Arc<Store>, Vec<u8>)>,
}

/// A key and its value; no value if only keys were requested.
pub(super) type Element = (Arc<[u8]>, Option<Value>);

impl OpenStores {
    pub(super) fn new(declared: Arc<Stores>) -> Self {
        let owner = declared.new_owner();
        Self {
            declared,
            owner,
            open: Vec::new(),
            read: None,
            last_list: 0,
            lists: HashMap::new(),
            computing: Vec::new(),
        }
    }

    /// Opens the store of this name that the scripts of a scope see.
    pub(super) fn open(&mut self, scope: Option<&str>, name: &[u8]) -> Result<u64, Failure> {
        let store = self.declared.find(scope, name).ok_or_else(|| not_declared(name, scope, &self.declared))?;
        let known = self.open.iter().position(|open| Arc::ptr_eq(open, &store));
        let position = known.unwrap_or_else(|| {
            self.open.push(store);
            self.open.len() - 1
        });
        Ok(position as u64 + 1)
    }

    /// The store of this number. A number of an earlier PHP request is refused.
    pub(super) fn get(&self, id: u64) -> Result<Arc<Store>, Failure> {
        let position = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
        position
            .and_then(|position| self.open.get(position).cloned())
            .ok_or_else(|| Failure::runtime("the store was opened by a script that has ended"))
    }

    /// Keeps the elements while C walks through them; returns the number of the list.
    pub(super) fn list(&mut self, elements: Vec<Element>) -> u64 {
        self.last_list += 1;
        self.lists.insert(self.last_list, elements);
        self.last_list
    }

    /// Ends a computation of this script. Those that wait for it read the element, or compute it themselves.
    pub(super) fn computed(&mut self, store: &Arc<Store>, key: &[u8]) {
        let own = |(computed, place): &(Arc<Store>, Vec<u8>)| Arc::ptr_eq(computed, store) && place == key;
        let Some(position) = self.computing.iter().rposition(own) else { return };
        self.computing.swap_remove(position);
        self.declared.claims().end(store, key, self.owner);
    }

    /// The PHP request is over.
    pub(super) fn end(&mut self) {
        for (store, key) in self.computing.drain(..) {
            self.declared.claims().end(&store, &key, self.owner);
        }
        self.read = None;
        self.lists.clear();
        self.open.clear();
    }
}

/// Names the stores that the script could have meant.
fn not_declared(name: &[u8], scope: Option<&str>, declared: &Stores) -> Failure {
    let name = String::from_utf8_lossy(name);
    let names: Vec<String> = declared.seen_by(scope).iter().map(|store| format!("\"{}\"", store.name())).collect();
    let known = if names.is_empty() { "none is".to_owned() } else { format!("declared are {}", names.join(", ")) };
    Failure::runtime(format!(
        "store \"{name}\" is not declared ({known}); add `store {name}` to the frankenphp block of the Caddyfile, or to the \
         php_server block of its scripts"
    ))
}
