//! `format php_fpm` of a `log` block: the lines of php-fpm's access log.

use super::super::super::context::Context;
use super::super::super::fpm_log::{FPM_LOG_DEFAULT, FpmLog, fpm_log_parts};
use super::super::super::settings::LogSettings;
use super::super::super::syntax::{Node, excerpt};
use super::super::super::table::{Directive, Table, Times};

/// The directives of a `format php_fpm` block.
pub(super) static PHP_FPM: Table<FpmLog> = Table {
    block: "a `format php_fpm` block",
    origin: "php-fpm",
    directives: &[Directive {
        name: "suppress_path",
        usage: "suppress_path PATH…",
        doc: "Paths whose requests are not written: successful ones, by GET or HEAD, without a query and without a body.",
        times: Times::Many,
        apply: |log, node, context| {
            for word in context.args(node, 1, usize::MAX).unwrap_or_default() {
                if word.text.starts_with('/') {
                    log.suppressed.push(word.text.clone());
                } else {
                    context.usage_error(&word.position, format_args!("`{}` is no path", excerpt(&word.text)));
                }
            }
        },
    }],
    ignored: &[],
    unsupported: &[],
};

/// `format php_fpm [FORMAT] [{ … }]`.
pub(super) fn format(log: &mut LogSettings, node: &Node, context: &mut Context<'_>) {
    let Some([_, format @ ..]) = context.count_args(node, node.args(), 1, 2) else { return };
    let text = format.first().map_or(FPM_LOG_DEFAULT, |word| word.text.as_str());
    let parts = match fpm_log_parts(text) {
        Ok(parts) => parts,
        Err(message) => {
            let position = format.first().map_or(&node.position, |word| &word.position);
            context.error_with_hint(position, message, "its values are those of php-fpm's `access.format`");
            return;
        }
    };
    let mut lines = FpmLog { parts, suppressed: Vec::new() };
    PHP_FPM.apply(&mut lines, node.children(), context);
    log.fpm = Some(lines);
}
