//! The `store` block: a map that scripts share.

use super::super::cluster::EngineAddress;
use super::super::context::Context;
use super::super::diagnostic::Position;
use super::super::limits;
use super::super::secret::Password;
use super::super::settings::{Admin, FrankenPhp, StoreSettings};
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
        Directive {
            name: "listen",
            usage: "listen ADDRESS",
            doc: "Lets clients of Redis use the store, at `IP:PORT` or `unix/PATH`.",
            times: Times::Once,
            apply: |store, node, context| {
                let Some(word) = context.one(node) else { return };
                match Admin::parse(&word.text) {
                    Some(address) if address != Admin::Off => store.listen = Some(address),
                    _ => {
                        let message = format!("`{}` is no address to listen on", word.text);
                        let hint = "write `127.0.0.1:6380`, `:6380`, or `unix//run/igor/store.sock`";
                        context.error_with_hint(&word.position, message, hint);
                    }
                }
            },
        },
        Directive {
            name: "password",
            usage: "password WORD",
            doc: "What clients of Redis have to say before anything else.",
            times: Times::Once,
            apply: |store, node, context| {
                let Some(word) = context.one(node) else { return };
                let word = values::filled(word, "the password", context);
                store.password = word.map(|word| Password(word.to_owned()));
            },
        },
        Directive {
            name: "cluster",
            usage: "cluster",
            doc: "Keeps the elements in the Redis of the `cluster` block, for all instances.",
            times: Times::Once,
            apply: |store, node, context| {
                context.count_args(node, node.args(), 0, 0);
                store.cluster = true;
            },
        },
    ],
    ignored: &[],
    unsupported: &[],
};

/// A store without a block.
fn usual_store(name: &str, position: &Position) -> StoreSettings {
    StoreSettings {
        name: name.to_owned(),
        max_bytes: limits::STORE_MAX_BYTES_DEFAULT,
        max_keys: limits::STORE_MAX_KEYS_DEFAULT,
        evicts: false,
        listen: None,
        password: None,
        cluster: false,
        position: position.clone(),
    }
}

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
    let mut store = usual_store(name, &node.position);
    STORE.apply(&mut store, node.children(), context);
    check_port(&store, context);
    check_cluster(&store, node, context);
    stores.push(store);
}

/// Without a password, everyone who can reach the port can read and write the whole store.
fn check_port(store: &StoreSettings, context: &mut Context<'_>) {
    if store.listen.is_none() && store.password.is_some() {
        let message = format!("the store `{}` has a password and listens nowhere", store.name);
        context.error_with_hint(&store.position, message, "add `listen`, or take the password out");
    }
    if let (Some(Admin::Addr(address)), None) = (&store.listen, &store.password)
        && !address.ip().is_loopback()
    {
        let message = format!("the store `{}` listens on {address} without a password", store.name);
        context.error_with_hint(&store.position, message, "add `password`, or listen on 127.0.0.1 or a unix socket");
    }
}

/// What a store of the cluster does not have. Whether there is an engine for it is known later.
fn check_cluster(store: &StoreSettings, node: &Node, context: &mut Context<'_>) {
    if !store.cluster {
        return;
    }
    let name = &store.name;
    if let Some(child) = node.children().iter().find(|child| matches!(child.name(), "listen" | "eviction")) {
        let message = format!("the store `{name}` is of the cluster, so it has no `{}`", child.name());
        let hint = match child.name() {
            "listen" => "take it out: clients ask the Redis of the cluster",
            _ => "take it out: the elements are in the Redis of the cluster, and the copies here always make room",
        };
        context.error_with_hint(&child.position, message, hint);
    }
    if name.contains(':') {
        let message = format!("the store `{name}` is of the cluster, so its name cannot have a `:`");
        context.error_with_hint(&store.position, message, "in Redis, a `:` separates the name from the keys");
    }
}

/// Checks that the stores of the cluster have an engine, and that none of them is behind the functions of APCu.
pub(crate) fn check_cluster_stores<'a>(
    stores: impl Iterator<Item = &'a StoreSettings>,
    frankenphp: &FrankenPhp,
    has_cluster: bool,
    context: &mut Context<'_>,
) {
    for store in stores.filter(|store| store.cluster) {
        let name = &store.name;
        match frankenphp.cluster.as_ref().map(|cluster| &cluster.engine.address) {
            Some(EngineAddress::Redis(_) | EngineAddress::Sentinel { .. }) => {}
            // Its errors are reported already.
            None if has_cluster => {}
            None => {
                let message = format!("the store `{name}` is of the cluster, but no engine is declared");
                let hint = "add `cluster { engine redis redis://HOST:PORT }` to the global `frankenphp` block";
                context.error_with_hint(&store.position, message, hint);
            }
            Some(_) => {
                let message = format!("the store `{name}` is of the cluster, whose engine is not Redis");
                let hint = "use `engine redis` or `engine valkey`, or take `cluster` out of the store";
                context.error_with_hint(&store.position, message, hint);
            }
        }
        if frankenphp.apcu.as_ref() == Some(name) {
            let message = format!("`apcu` names the store `{name}`, which is of the cluster");
            let hint =
                "name another store: the functions of APCu list and count elements, which Redis cannot in one step";
            context.error_with_hint(&store.position, message, hint);
        }
    }
}

/// Checks the stores of all scopes against each other.
pub(crate) fn check_stores<'a>(stores: impl Iterator<Item = &'a StoreSettings>, context: &mut Context<'_>) {
    let mut ports: Vec<&StoreSettings> = Vec::new();
    for (number, store) in stores.enumerate() {
        if number == limits::STORES_MAX {
            context.error(&store.position, format!("there are more than {} stores", limits::STORES_MAX));
        }
        match &store.listen {
            None => continue,
            Some(Admin::Addr(address)) if address.port() == 0 => continue,
            Some(_) => {}
        }
        if let Some(other) = ports.iter().find(|other| other.listen == store.listen) {
            let message = format!("the stores `{}` and `{}` listen on the same address", other.name, store.name);
            context.error_with_hint(&store.position, message, "give one of them another address");
        }
        ports.push(store);
    }
}
