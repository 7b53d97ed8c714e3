//! What the reading of one configuration carries along: the findings, and the directory that paths start from.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use super::diagnostic::{Diagnostic, Position, Severity};
use super::limits;
use super::syntax::{Node, Token};

/// The findings so far, bounded: beyond the bound errors are only counted.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl Findings {
    /// Keeps a finding. One that is known already is not kept again: a snippet is read once for each import of it.
    pub(crate) fn report(&mut self, finding: Diagnostic) {
        let list = match finding.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        if list.len() < limits::DIAGNOSTICS_MAX && !list.contains(&finding) {
            list.push(finding);
        }
    }

    /// Whether there is an error.
    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// The warnings, or all errors if there is one. Errors of one file are in the order of the file.
    pub(crate) fn into_result(mut self) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
        let by_place = |a: &Diagnostic, b: &Diagnostic| {
            if a.file == b.file { (a.line, a.column).cmp(&(b.line, b.column)) } else { std::cmp::Ordering::Equal }
        };
        if self.errors.is_empty() {
            Ok(self.warnings)
        } else {
            // A comparison that calls different files equal is no total order, so each file is sorted by itself.
            let mut sorted = Vec::with_capacity(self.errors.len());
            while let Some(first) = self.errors.first() {
                let file = first.file.clone();
                let (mut same, others) = self.errors.into_iter().partition::<Vec<_>, _>(|error| error.file == file);
                same.sort_by(by_place);
                sorted.append(&mut same);
                self.errors = others;
            }
            Err(sorted)
        }
    }
}

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

/// Joins two paths and resolves `.` and `..` by their names alone, so that one file has one spelling.
pub(crate) fn join(base: &Path, path: &Path) -> PathBuf {
    let mut joined = PathBuf::new();
    for component in base.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                joined.pop();
            }
            other => joined.push(other),
        }
    }
    joined
}
