//! The operations that a store of the cluster does not have, because its engine cannot do them in one step. They throw, and
//! say what to do instead.

use super::work::Failure;
use crate::store::Store;

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Missing {
    Keys,
    Snapshot,
    Count,
    Version,
    Clear,
    Replace,
    Compute,
    Watch,
    Float,
}

impl Missing {
    /// docs/stores.md has the same table.
    fn name_and_way_out(self) -> (&'static str, &'static str) {
        let list = "keep a list of the keys in one element, and change it by cas()";
        match self {
            Self::Keys => ("keys()", list),
            Self::Snapshot => ("snapshot() and no foreach", list),
            Self::Count => ("count()", "count in an element, by increment()"),
            Self::Version => ("version()", "count the changes in an element, by increment()"),
            Self::Clear => ("clear()", "delete() the elements, or use other keys from now on"),
            Self::Replace => ("replace()", "use merge(), and delete() what should go"),
            Self::Compute => ("compute()", "use get() and set(), or let a worker of the cluster publish the value"),
            Self::Watch => ("watch()", "read the element again: its copy here costs no round trip"),
            Self::Float => ("increment() by a float", "count in integers, for example in cents"),
        }
    }
}

/// The failure of such an operation.
pub(super) fn missing(store: &Store, what: Missing) -> Failure {
    let (operation, way_out) = what.name_and_way_out();
    let name = store.name();
    Failure::runtime(format!(
        "store \"{name}\" is of the cluster and has no {operation}, which Redis cannot do in one step; {way_out}"
    ))
}

/// Refuses it if the store is of the cluster.
pub(super) fn refuse(store: &Store, what: Missing) -> Result<(), Failure> {
    if store.remote().is_some() { Err(missing(store, what)) } else { Ok(()) }
}
