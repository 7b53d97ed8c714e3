//! The `vars` block: how snapshots are published and read.

use super::super::context::Context;
use super::super::limits;
use super::super::settings::{VarsMode, VarsSettings};
use super::super::syntax::Node;
use super::super::table::{Directive, Table, Times};
use super::super::values;

/// The directives of the `vars` block.
pub(super) static VARS: Table<VarsSettings> = Table {
    block: "the `vars` block",
    origin: "FrankenPHP",
    directives: &[
        Directive {
            name: "mode",
            usage: "mode auto|zero_copy|copy",
            doc: "How long-lived scripts get a snapshot.",
            times: Times::Once,
            apply: |vars, node, context| {
                let known = [("auto", VarsMode::Auto), ("zero_copy", VarsMode::ZeroCopy), ("copy", VarsMode::Copy)];
                if let Some(mode) = context.one(node).and_then(|word| values::choice(word, "mode", &known, context)) {
                    vars.mode = mode;
                }
            },
        },
        Directive {
            name: "hardened",
            usage: "hardened [on|off]",
            doc: "Makes published snapshots read-only in memory, so that a stray write ends the process at once.",
            times: Times::Once,
            apply: |vars, node, context| {
                if let Some(hardened) = values::switch(node, context) {
                    vars.hardened = hardened;
                }
            },
        },
        Directive {
            name: "copy_max_bytes",
            usage: "copy_max_bytes SIZE",
            doc: "In the mode `auto`, long-lived scripts copy snapshots of up to this size.",
            times: Times::Once,
            apply: |vars, node, context| set_size(&mut vars.copy_max_bytes, node, context),
        },
        Directive {
            name: "max_bytes",
            usage: "max_bytes SIZE",
            doc: "The largest snapshot that a worker may publish.",
            times: Times::Once,
            apply: |vars, node, context| {
                set_size(&mut vars.max_bytes, node, context);
                // Elsewhere 0 is no limit. With 0, not even an empty array could be published.
                if vars.max_bytes == 0 {
                    let hint = "write the bytes of the largest snapshot; there is always a limit";
                    context.error_with_hint(&node.position, "`max_bytes` is 0, so nothing could be published", hint);
                }
            },
        },
        Directive {
            name: "max_depth",
            usage: "max_depth COUNT",
            doc: "The deepest nesting of arrays that a worker may publish.",
            times: Times::Once,
            apply: |vars, node, context| {
                let Some(word) = context.one(node) else { return };
                if let Some(max_depth) = values::count(word, 1, limits::VARS_DEPTH_MAX, context) {
                    vars.max_depth = max_depth;
                }
            },
        },
        Directive {
            name: "thread_budget_bytes",
            usage: "thread_budget_bytes SIZE",
            doc: "How many bytes of replaced versions one thread may keep alive before its reads are copied.",
            times: Times::Once,
            apply: |vars, node, context| {
                // `set_size()` reports a bad value; 0 keeps the comparison below from reporting it again.
                vars.thread_budget_bytes = 0;
                set_size(&mut vars.thread_budget_bytes, node, context);
            },
        },
        Directive {
            name: "process_budget_bytes",
            usage: "process_budget_bytes SIZE",
            doc: "The same for all threads together.",
            times: Times::Once,
            apply: |vars, node, context| {
                vars.process_budget_bytes = usize::MAX;
                set_size(&mut vars.process_budget_bytes, node, context);
            },
        },
    ],
    ignored: &[],
    unsupported: &[],
};

/// `vars { … }`.
pub(super) fn vars(settings: &mut VarsSettings, node: &Node, context: &mut Context<'_>) {
    context.count_args(node, node.args(), 0, 0);
    VARS.apply(settings, node.children(), context);
    let VarsSettings { thread_budget_bytes, process_budget_bytes, .. } = *settings;
    if thread_budget_bytes > process_budget_bytes {
        let message = format!(
            "`thread_budget_bytes` is {thread_budget_bytes}, more than the {process_budget_bytes} of `process_budget_bytes`"
        );
        context.error_with_hint(
            &node.position,
            message,
            "raise `process_budget_bytes`, or set a lower `thread_budget_bytes`",
        );
    }
}

fn set_size(setting: &mut usize, node: &Node, context: &mut Context<'_>) {
    if let Some(size) = context.one(node).and_then(|word| values::size(word, context)) {
        *setting = size;
    }
}
