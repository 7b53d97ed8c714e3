//! What the reading of one configuration carries along: the findings, and the directory that paths start from.

use std::fmt;
use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, Position};
use super::findings::{Findings, join};
use super::syntax::{Node, Token};

/// The state that every directive gets.
pub(crate) struct Context<'a> {
    /// What was found.
    pub(crate) findings: &'a mut Findings,
    /// The directory that relative paths start from. It is absolute.
    pub(crate) base_dir: &'a Path,
    /// How the directive at hand is written, for hints. Empty outside of every directive.
    pub(crate) usage: &'static str,
}

impl Context<'_> {
    /// Reports an error.
    pub(crate) fn error(&mut self, position: &Position, message: impl fmt::Display) {
        self.findings.report(Diagnostic::error(position, message.to_string()));
    }

    /// Reports an error with the way out.
    pub(crate) fn error_with_hint(&mut self, position: &Position, message: impl fmt::Display, hint: impl fmt::Display) {
        self.findings.report(Diagnostic::error(position, message.to_string()).with_hint(hint.to_string()));
    }

    /// Reports an error, with how the directive is written as the way out.
    pub(crate) fn usage_error(&mut self, position: &Position, message: impl fmt::Display) {
        match self.usage {
            "" => self.error(position, message),
            usage => self.error_with_hint(position, message, format_args!("write `{usage}`")),
        }
    }

    /// Reports a warning.
    pub(crate) fn warning(&mut self, position: &Position, message: impl fmt::Display) {
        self.findings.report(Diagnostic::warning(position, message.to_string()));
    }

    /// The absolute path that `text` means.
    pub(crate) fn path(&self, text: &str) -> PathBuf {
        join(self.base_dir, Path::new(text))
    }

    /// The arguments of a directive that takes at least `min` and at most `max`, and no block.
    pub(crate) fn args<'n>(&mut self, node: &'n Node, min: usize, max: usize) -> Option<&'n [Token]> {
        self.no_block(node);
        self.count_args(node, node.args(), min, max)
    }

    /// The only argument of a directive without a block.
    pub(crate) fn one<'n>(&mut self, node: &'n Node) -> Option<&'n Token> {
        self.args(node, 1, 1).and_then(<[Token]>::first)
    }

    /// Checks the number of arguments, which may be what is left behind a matcher.
    pub(crate) fn count_args<'n>(
        &mut self,
        node: &Node,
        args: &'n [Token],
        min: usize,
        max: usize,
    ) -> Option<&'n [Token]> {
        if args.len() < min {
            self.usage_error(&node.position, format_args!("`{}` needs {}", node.name(), plural(min)));
            None
        } else if let Some(extra) = args.get(max) {
            let message = format!(
                "`{}` takes {}",
                node.name(),
                if max == 0 { "no argument".to_owned() } else { format!("at most {}", plural(max)) }
            );
            self.usage_error(&extra.position, message);
            None
        } else {
            Some(args)
        }
    }

    /// Reports a block behind a directive that takes none.
    pub(crate) fn no_block(&mut self, node: &Node) {
        if node.block.is_some() {
            self.usage_error(&node.position, format_args!("`{}` takes no block", node.name()));
        }
    }
}

fn plural(count: usize) -> String {
    if count == 1 { "1 argument".to_owned() } else { format!("{count} arguments") }
}
