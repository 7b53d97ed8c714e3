//! The `store` block: a map that all scripts share.

use super::super::context::Context;
use super::super::limits;
use super::super::settings::StoreSettings;
use super::super::syntax::Node;
use super::super::table::{Directive, Table, Times};
use super::super::values;

/// The directives of the `store` block.
pub(super) static STORE: Table<StoreSettings> = Table {
    block: "the `store` block",
    origin: "igor",
    directives: &[
        Directive {
            name: "max_bytes",
            usage: "max_bytes SIZE",
            doc: "The bytes of all elements together.",
            times: Times::Once,
            apply: |store, node, context| {
                let Some(size) = context.one(node).and_then(|word| values::size(word, context)) else { return };
                store.max_bytes = size;
                if size == 0 {
                    let hint = "write the bytes that all elements may have together; there is always a limit";
                    context.error_with_hint(&node.position, "`max_bytes` is 0, so nothing could be stored", hint);
                }
            },
        },
        Directive {
            name: "max_keys",
            usage: "max_keys COUNT",
            doc: "How many elements it holds at most.",
            times: Times::Once,
            apply: |store, node, context| {
                let Some(word) = context.one(node) else { return };
                if let Some(count) = values::count(word, 1, limits::STORE_KEYS_MAX, context) {
                    store.max_keys = count;
                }
            },
        },
        Directive {
            name: "eviction",
            usage: "eviction none|lru",
            doc: "What makes room in a full store: nothing, or the removal of what was not used for a long time.",
            times: Times::Once,
            apply: |store, node, context| {
                let known = [("none", false), ("lru", true)];
                if let Some(evicts) =
                    context.one(node).and_then(|word| values::choice(word, "eviction", &known, context))
                {
                    store.evicts = evicts;
                }
            },
        },
    ],
    ignored: &[],
    unsupported: &[],
};

/// `store NAME { … }`.
pub(super) fn store(stores: &mut Vec<StoreSettings>, node: &Node, context: &mut Context<'_>) {
    let Some([word]) = context.count_args(node, node.args(), 1, 1) else { return };
    let Some(name) = values::filled(word, "the name of the store", context) else { return };
    if name.len() > limits::WORKER_NAME_BYTES_MAX {
        let message = format!("the name of the store is longer than {} bytes", limits::WORKER_NAME_BYTES_MAX);
        context.error(&word.position, message);
        return;
    }
    if stores.iter().any(|store| store.name == name) {
        let message = format!("the store `{name}` is declared twice");
        context.error_with_hint(&word.position, message, "give one of them another name");
        return;
    }
    if stores.len() >= limits::STORES_MAX {
        context.error(&word.position, format!("there are more than {} stores", limits::STORES_MAX));
        return;
    }
    let mut store = StoreSettings {
        name: name.to_owned(),
        max_bytes: limits::STORE_MAX_BYTES_DEFAULT,
        max_keys: limits::STORE_MAX_KEYS_DEFAULT,
        evicts: false,
    };
    STORE.apply(&mut store, node.children(), context);
    stores.push(store);
}
