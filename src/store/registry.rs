//! The stores of a configuration, by name. They outlive reloads.

use super::compute::Claims;
use super::map::StoreConfig;
use super::shared::Store;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// A store as a configuration declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredStore {
    /// The label of the only scope that sees it; `None`: all scopes do.
    pub scope: Option<String>,
    /// Its name. Stores of different scopes may share one.
    pub name: String,
    /// Its bounds.
    pub config: StoreConfig,
    /// Whether all instances of a cluster share it.
    pub is_of_cluster: bool,
}

impl DeclaredStore {
    fn is(&self, store: &Store) -> bool {
        self.name == store.name()
            && self.scope.as_deref() == store.scope()
            && self.is_of_cluster == store.remote().is_some()
    }
}

/// All stores that are declared.
#[derive(Default)]
pub struct Stores {
    /// By name; the stores of one name differ in their scopes.
    declared: RwLock<BTreeMap<String, Vec<Arc<Store>>>>,
    claims: Arc<Claims>,
    last_owner: AtomicU64,
}

impl Stores {
    /// The stores of a configuration.
    pub fn new(declarations: &[DeclaredStore]) -> Arc<Self> {
        let stores = Self::default();
        stores.add(declarations);
        Arc::new(stores)
    }

    /// Adds the missing stores: the first step of a reload, which [`replace`](Self::replace) can undo.
    pub fn add(&self, declarations: &[DeclaredStore]) {
        let mut declared = self.declared.write().unwrap_or_else(PoisonError::into_inner);
        for declaration in declarations {
            let DeclaredStore { scope, name, config, is_of_cluster } = declaration;
            let named = declared.entry(name.clone()).or_default();
            if !named.iter().any(|store| declaration.is(store)) {
                let new = if *is_of_cluster { Store::of_cluster } else { Store::new };
                named.push(new(name, scope.as_deref(), config.clone()));
            }
        }
    }

    /// Puts the declarations into effect. A store keeps its content, even if it has become too small. A store that is
    /// no longer declared lives until the last script that uses it ends.
    pub fn replace(&self, declarations: &[DeclaredStore]) {
        self.add(declarations);
        let mut declared = self.declared.write().unwrap_or_else(PoisonError::into_inner);
        for named in declared.values_mut() {
            named.retain(|store| {
                let declaration = declarations.iter().find(|declaration| declaration.is(store));
                declaration.inspect(|declaration| store.configure(declaration.config.clone())).is_some()
            });
        }
        declared.retain(|_, named| !named.is_empty());
    }

    /// The store of this name for a scope's scripts: the scope's own, else the global one.
    pub fn find(&self, scope: Option<&str>, name: &[u8]) -> Option<Arc<Store>> {
        let name = std::str::from_utf8(name).ok()?;
        let declared = self.declared.read().unwrap_or_else(PoisonError::into_inner);
        seen(declared.get(name)?, scope).cloned()
    }

    /// The stores for a scope's scripts, by name.
    pub fn seen_by(&self, scope: Option<&str>) -> Vec<Arc<Store>> {
        let declared = self.declared.read().unwrap_or_else(PoisonError::into_inner);
        declared.values().filter_map(|named| seen(named, scope)).cloned().collect()
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<Arc<Store>> {
        self.declared.read().unwrap_or_else(PoisonError::into_inner).values().flatten().cloned().collect()
    }

    /// Who computes what.
    pub fn claims(&self) -> &Arc<Claims> {
        &self.claims
    }

    /// The identity of a PHP thread for computations.
    pub fn new_owner(&self) -> u64 {
        self.last_owner.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Which of the stores of one name a scope sees.
fn seen<'a>(named: &'a [Arc<Store>], scope: Option<&str>) -> Option<&'a Arc<Store>> {
    let of = |scope: Option<&str>| named.iter().find(|store| store.scope() == scope);
    of(scope).or_else(|| of(None))
}
