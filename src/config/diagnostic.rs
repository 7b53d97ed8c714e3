//! An error or warning about a configuration, with its place.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A place in a configuration file. Lines and columns start at 1; a column counts characters, not bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Position {
    /// The file as it was named: the path passed to `load`, or the path of an imported file.
    pub file: Arc<Path>,
    /// The line, starting at 1.
    pub line: usize,
    /// The column, in characters, starting at 1.
    pub column: usize,
}

impl Position {
    /// The first character of `file`: where a problem of the file as a whole is reported.
    #[must_use]
    pub fn start_of(file: Arc<Path>) -> Self {
        Self { file, line: 1, column: 1 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether a diagnostic stops the configuration from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// The configuration is valid, but probably not what its author meant.
    Warning,
}

/// One finding about a configuration.
///
/// Its `Display` is `file:line:column: message`, and on a second line `  hint: …` if there is a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file that holds the finding.
    pub file: Arc<Path>,
    /// The line, starting at 1.
    pub line: usize,
    /// The column, in characters, starting at 1.
    pub column: usize,
    /// Whether the configuration can still be used.
    pub severity: Severity,
    /// The error, in lower case and without a full stop.
    pub message: String,
    /// What to write instead, if that is known.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error at `position`.
    #[must_use]
    pub fn error(position: &Position, message: impl Into<String>) -> Self {
        Self::new(position, Severity::Error, message.into())
    }

    /// A warning at `position`.
    #[must_use]
    pub fn warning(position: &Position, message: impl Into<String>) -> Self {
        Self::new(position, Severity::Warning, message.into())
    }

    /// The same finding with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Where the finding is.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { file: Arc::clone(&self.file), line: self.line, column: self.column }
    }

    fn new(position: &Position, severity: Severity, message: String) -> Self {
        Self {
            file: Arc::clone(&position.file),
            line: position.line,
            column: position.column,
            severity,
            message,
            hint: None,
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file.display(), self.line, self.column)?;
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Diagnostic {}
