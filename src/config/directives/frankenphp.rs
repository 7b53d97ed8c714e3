//! The `frankenphp` block of the global options: threads, php.ini, global workers, snapshots, stores.

use super::super::context::Context;
use super::super::diagnostic::Position;
use super::super::limits;
use super::super::settings::{FrankenPhp, MaxThreads};
use super::super::syntax::Node;
use super::super::table::{Directive, Table, Times};
use super::super::values;
use super::cluster::cluster;
use super::store::store;
use super::vars::vars;
use super::worker::{WorkerDraft, WorkerScope, worker};

/// The block while it is read.
#[derive(Default)]
pub(super) struct FrankenPhpDraft {
    settings: FrankenPhp,
    num_threads_position: Option<Position>,
    apcu_position: Option<Position>,
    has_cluster: bool,
    workers: Vec<WorkerDraft>,
}

/// The directives of the `frankenphp` block.
pub(super) static FRANKENPHP: Table<FrankenPhpDraft> = Table {
    block: "the `frankenphp` block",
    origin: "FrankenPHP",
    directives: &[
        Directive {
            name: "num_threads",
            usage: "num_threads COUNT",
            doc: "How many PHP threads serve requests from the start.",
            times: Times::Once,
            apply: |draft, node, context| {
                let Some(word) = context.one(node) else { return };
                draft.settings.num_threads = values::count(word, 1, limits::THREADS_MAX, context);
                draft.num_threads_position = Some(word.position.clone());
            },
        },
        Directive {
            name: "max_threads",
            usage: "max_threads COUNT|auto",
            doc: "Up to how many PHP threads the server scales under load.",
            times: Times::Once,
            apply: |draft, node, context| {
                draft.settings.max_threads = match context.one(node) {
                    Some(word) if word.text == "auto" => Some(MaxThreads::Auto),
                    Some(word) => values::count(word, 1, limits::THREADS_MAX, context).map(MaxThreads::Count),
                    None => None,
                };
            },
        },
        Directive {
            name: "max_wait_time",
            usage: "max_wait_time DURATION",
            doc: "How long a request may wait for a free PHP thread before it is refused.",
            times: Times::Once,
            apply: |draft, node, context| {
                let wait = context.one(node).and_then(|word| values::duration(word, context));
                draft.settings.max_wait_time = wait.filter(|wait| !wait.is_zero());
            },
        },
        Directive {
            name: "max_idle_time",
            usage: "max_idle_time DURATION",
            doc: "How long a thread that was started under load may be idle before it ends.",
            times: Times::Once,
            apply: |draft, node, context| {
                draft.settings.max_idle_time = context.one(node).and_then(|word| values::duration(word, context));
            },
        },
        Directive {
            name: "max_requests",
            usage: "max_requests COUNT",
            doc: "After how many requests a thread is replaced, and a worker script restarted; 0 is never.",
            times: Times::Once,
            apply: |draft, node, context| {
                let Some(word) = context.one(node) else { return };
                draft.settings.max_requests =
                    values::count(word, 0, limits::MAX_REQUESTS_MAX, context).filter(|count| *count > 0);
            },
        },
        Directive {
            name: "php_ini",
            usage: "php_ini NAME VALUE",
            doc: "Sets a php.ini directive; the block form holds many.",
            times: Times::Many,
            apply: php_ini,
        },
        Directive {
            name: "worker",
            usage: "worker FILE [COUNT] [{ … }]",
            doc: "Declares a worker of the global scope.",
            times: Times::Many,
            apply: |draft, node, context| draft.workers.extend(worker(node, context)),
        },
        Directive {
            name: "vars",
            usage: "vars { … }",
            doc: "How snapshots are published and read.",
            times: Times::Once,
            apply: |draft, node, context| vars(&mut draft.settings.vars, node, context),
        },
        Directive {
            name: "store",
            usage: "store NAME [{ … }]",
            doc: "Declares a store of all scopes: a map that all scripts share.",
            times: Times::Many,
            apply: |draft, node, context| store(&mut draft.settings.stores, node, context),
        },
        Directive {
            name: "cluster",
            usage: "cluster { … }",
            doc: "Lets background workers run on one of several instances, for all of them.",
            times: Times::Once,
            apply: |draft, node, context| {
                draft.settings.cluster = cluster(node, context);
                draft.has_cluster = true;
            },
        },
        Directive {
            name: "apcu",
            usage: "apcu STORE",
            doc: "Which store is behind the functions `apcu_*`, when the extension apcu is not loaded.",
            times: Times::Once,
            apply: |draft, node, context| {
                let Some(word) = context.one(node) else { return };
                draft.settings.apcu = values::filled(word, "the name of the store", context).map(str::to_owned);
                draft.apcu_position = Some(word.position.clone());
            },
        },
    ],
    ignored: &[("hot_reload", "it belongs to a `php_server` block")],
    unsupported: &[],
};

/// The store of APCu's functions may be declared behind the line that names it.
fn check_apcu(settings: &FrankenPhp, position: Option<&Position>, context: &mut Context<'_>) {
    if let (Some(name), Some(position)) = (&settings.apcu, position)
        && !settings.stores.iter().any(|store| store.name == *name)
    {
        let message = format!("`apcu` names the store `{name}`, which is not declared");
        context.error_with_hint(position, message, format!("add `store {name}` to the block"));
    }
}

/// `frankenphp { … }`.
pub(super) fn frankenphp(node: &Node, context: &mut Context<'_>) -> FrankenPhp {
    context.count_args(node, node.args(), 0, 0);
    let mut draft = FrankenPhpDraft::default();
    FRANKENPHP.apply(&mut draft, node.children(), context);
    let FrankenPhpDraft { mut settings, num_threads_position, apcu_position, has_cluster, workers } = draft;
    context.has_cluster = has_cluster;
    if let (Some(num), Some(MaxThreads::Count(max)), Some(position)) =
        (settings.num_threads, settings.max_threads, &num_threads_position)
        && num > max
    {
        let message = format!("`num_threads` is {num}, but `max_threads` is {max}");
        context.error_with_hint(position, message, "raise `max_threads`, or lower `num_threads`");
    }
    check_apcu(&settings, apcu_position.as_ref(), context);
    settings.position = num_threads_position;
    let scope = WorkerScope { own_root: None, env: &[], ini: &[], clear_env: false, is_global: true };
    settings.workers = workers.into_iter().filter_map(|worker| worker.finish(&scope, context)).collect();
    settings
}

fn php_ini(draft: &mut FrankenPhpDraft, node: &Node, context: &mut Context<'_>) {
    if node.block.is_none() {
        ini_setting(draft, node, 1, context);
    } else if context.count_args(node, node.args(), 0, 0).is_some() {
        node.children().iter().for_each(|child| ini_setting(draft, child, 0, context));
    }
}

/// Reads `NAME VALUE` after `skipped` words.
fn ini_setting(draft: &mut FrankenPhpDraft, node: &Node, skipped: usize, context: &mut Context<'_>) {
    let [name, value] = node.words.get(skipped..).unwrap_or_default() else {
        context.usage_error(&node.position, "a php.ini setting needs a name and a value");
        return;
    };
    context.no_block(node);
    let name = values::filled(name, "the name of the php.ini setting", context);
    let value = values::plain(value, "the value of the php.ini setting", context);
    if let (Some(name), Some(value)) = (name, value) {
        draft.settings.php_ini.push((name.to_owned(), value.to_owned()));
    }
}
