//! The stores of a configuration, by name. They outlive reloads.

use super::compute::Claims;
use super::map::StoreConfig;
use super::shared::Store;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// All stores that are declared.
#[derive(Default)]
pub struct Stores {
    declared: RwLock<BTreeMap<String, Arc<Store>>>,
    claims: Arc<Claims>,
    last_owner: AtomicU64,
}

impl Stores {
    /// The stores of a configuration.
    pub fn new(declarations: &[(String, StoreConfig)]) -> Arc<Self> {
        let stores = Self::default();
        stores.add(declarations);
        Arc::new(stores)
    }

    /// Adds those that are not there yet: the first step of a reload, which [`replace`](Self::replace) can take back.
    pub fn add(&self, declarations: &[(String, StoreConfig)]) {
        let mut declared = self.declared.write().unwrap_or_else(PoisonError::into_inner);
        for (name, config) in declarations {
            declared.entry(name.clone()).or_insert_with(|| Store::new(name, config.clone()));
        }
    }

    /// Makes the declarations those that count. What is in a store stays, also when it has become too small for it; one that is
    /// not declared any more lives until the last script that has it ends.
    pub fn replace(&self, declarations: &[(String, StoreConfig)]) {
        self.add(declarations);
        let mut declared = self.declared.write().unwrap_or_else(PoisonError::into_inner);
        declared.retain(|name, _| declarations.iter().any(|(kept, _)| kept == name));
        for (name, config) in declarations {
            if let Some(store) = declared.get(name) {
                store.configure(config.clone());
            }
        }
    }

    /// The store of this name.
    pub fn find(&self, name: &[u8]) -> Option<Arc<Store>> {
        let name = std::str::from_utf8(name).ok()?;
        self.declared.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<Arc<Store>> {
        self.declared.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Who computes what.
    pub fn claims(&self) -> &Arc<Claims> {
        &self.claims
    }

    /// A number for a PHP thread as one that computes.
    pub fn new_owner(&self) -> u64 {
        self.last_owner.fetch_add(1, Ordering::Relaxed) + 1
    }
}
