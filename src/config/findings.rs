//! The errors and warnings found in a configuration; also joins its paths.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Position, Severity};
use super::limits;

/// The findings so far, bounded: beyond the bound errors are only counted.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    /// The empty variables: file, line, and how they are written.
    empty_variables: HashSet<(Arc<Path>, usize, String)>,
}

/// The order in a file. Diagnostics of different files have none.
fn by_place(a: &Diagnostic, b: &Diagnostic) -> std::cmp::Ordering {
    if a.file == b.file { (a.line, a.column).cmp(&(b.line, b.column)) } else { std::cmp::Ordering::Equal }
}

impl Findings {
    /// Keeps a finding. A known finding is not kept twice: a snippet is read once for each import of it.
    pub(crate) fn report(&mut self, mut finding: Diagnostic) {
        if finding.severity == Severity::Error {
            self.name_empty_variables(&mut finding);
        }
        self.keep(finding);
    }

    fn keep(&mut self, finding: Diagnostic) {
        let list = match finding.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        if list.len() < limits::DIAGNOSTICS_MAX && !list.contains(&finding) {
            list.push(finding);
        }
    }

    /// Takes those over that were kept aside.
    pub(crate) fn adopt(&mut self, aside: Self) {
        let room = limits::EMPTY_VARIABLES_MAX.saturating_sub(self.empty_variables.len());
        self.empty_variables.extend(aside.empty_variables.into_iter().take(room));
        aside.errors.into_iter().chain(aside.warnings).for_each(|finding| self.keep(finding));
    }

    /// Records the empty variables of a file, each with its line.
    pub(crate) fn note_empty_variables(&mut self, file: &Arc<Path>, variables: Vec<(usize, String)>) {
        self.empty_variables
            .extend(variables.into_iter().map(|(line, name)| (Arc::clone(file), line, format!("{{${name}}}"))));
    }

    /// Records one that is empty, as it is written.
    pub(crate) fn note_empty(&mut self, position: &Position, written: String) {
        if self.empty_variables.len() < limits::EMPTY_VARIABLES_MAX {
            self.empty_variables.insert((Arc::clone(&position.file), position.line, written));
        }
    }

    /// Whether a variable on this line is empty.
    pub(crate) fn has_empty_variable(&self, file: &Path, line: usize) -> bool {
        self.empty_variables.iter().any(|(of, on, _)| **of == *file && *on == line)
    }

    /// Adds to an error that a variable on its line is empty.
    fn name_empty_variables(&self, finding: &mut Diagnostic) {
        let on_line = |(file, line, _): &&(Arc<Path>, usize, String)| *file == finding.file && *line == finding.line;
        let mut names: Vec<String> =
            self.empty_variables.iter().filter(on_line).map(|(_, _, written)| format!("`{written}`")).collect();
        if names.is_empty() {
            return;
        }
        names.sort_unstable();
        let empty = format!("{} on this line {} empty", names.join(", "), if names.len() == 1 { "is" } else { "are" });
        finding.hint = Some(finding.hint.take().map_or_else(|| empty.clone(), |hint| format!("{empty}; {hint}")));
    }

    /// Whether there is an error.
    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// The warnings, or all errors if there is one. Errors of one file are in the order of the file.
    pub(crate) fn into_result(mut self) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
        if self.errors.is_empty() {
            Ok(self.warnings)
        } else {
            // A comparison in which different files are equal is not a total order, so each file is sorted separately.
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

/// Joins two paths and resolves `.` and `..` without the file system, so that one file has one spelling.
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
