//! Where records go: the standard streams, or files that are rolled when they are large.
//!
//! A record is one `write_all()`. Clients choose much of what is in a log, so every control sequence that a terminal or
//! a log viewer would obey is escaped here, in every field of every record.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::roll::RollingFile;
use super::tail;
use crate::config::{LogFormat, LogOutput, LogRoll};
use tracing_subscriber::fmt::MakeWriter;

/// Records that could not be written.
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many records of all logs could not be written since the process started: the disk is full, or no one reads.
pub(crate) fn lost_records() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// An output for records. Clones share it.
#[derive(Clone)]
pub(super) struct LogWriter {
    target: Target,
    /// Whether records are JSON; then each is one line.
    is_json: bool,
}

#[derive(Clone)]
enum Target {
    Stderr,
    Stdout,
    Nowhere,
    File(Arc<Mutex<RollingFile>>),
}

impl LogWriter {
    /// Opens the output for records of a format.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(super) fn open(output: &LogOutput, format: LogFormat) -> io::Result<Self> {
        let target = match output {
            LogOutput::Stderr => Target::Stderr,
            LogOutput::Stdout => Target::Stdout,
            LogOutput::Discard => Target::Nowhere,
            LogOutput::File { path, roll } => Target::File(open_shared(path, *roll)?),
        };
        Ok(Self { target, is_json: format == LogFormat::Json })
    }

    /// Writes a record, which ends with a line feed. A record that cannot be written is counted.
    pub(super) fn write_record(&self, record: &str) {
        let escaped = escape(record, self.is_json);
        self.write_escaped(escaped.as_deref().unwrap_or(record));
    }

    fn write_escaped(&self, record: &str) {
        let record = record.as_bytes();
        let written = match &self.target {
            Target::Stderr => io::stderr().lock().write_all(record),
            Target::Stdout => io::stdout().lock().write_all(record),
            Target::Nowhere => Ok(()),
            Target::File(file) => locked(file).write_record(record),
        };
        if written.is_err() {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn locked(file: &Mutex<RollingFile>) -> MutexGuard<'_, RollingFile> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The open files: several logs may write to one file, and a reload keeps open files.
static FILES: Mutex<Option<HashMap<PathBuf, Weak<Mutex<RollingFile>>>>> = Mutex::new(None);

/// The newest configuration decides when a shared file is rolled.
fn open_shared(path: &Path, roll: Option<LogRoll>) -> io::Result<Arc<Mutex<RollingFile>>> {
    let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    let files = files.get_or_insert_default();
    files.retain(|_, file| file.strong_count() > 0);
    if let Some(file) = files.get(path).and_then(Weak::upgrade) {
        // The newest configuration decides.
        locked(&file).set_roll(roll);
        return Ok(file);
    }
    let file = RollingFile::open(path, roll)
        .map_err(|error| io::Error::new(error.kind(), format!("opening the log file {}: {error}", path.display())))?;
    let file = Arc::new(Mutex::new(file));
    files.insert(path.to_owned(), Arc::downgrade(&file));
    Ok(file)
}

impl<'w> MakeWriter<'w> for LogWriter {
    type Writer = RecordWriter<'w>;

    fn make_writer(&'w self) -> Self::Writer {
        RecordWriter(self)
    }
}

/// Receives tracing's output, the process's log: each record is one call of `write_all()`.
pub(super) struct RecordWriter<'w>(&'w LogWriter);

impl Write for RecordWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let record = String::from_utf8_lossy(bytes);
        let escaped = escape(&record, self.0.is_json);
        let record = escaped.as_deref().unwrap_or(&record);
        // First, because a pipe that no one reads holds up the writer.
        tail::keep(record);
        self.0.write_escaped(record);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Escapes characters that control a terminal or change the direction of text. `None`: the text has none.
fn escape(record: &str, is_json: bool) -> Option<String> {
    let first = record.find(is_steering)?;
    let (clean, rest) = record.split_at(first);
    let mut escaped = String::with_capacity(record.len() + 16);
    escaped.push_str(clean);
    for character in rest.chars() {
        if !is_steering(character) {
            escaped.push(character);
        } else if is_json {
            // All of them are in the first plane.
            let _ = write!(escaped, "\\u{:04x}", u32::from(character));
        } else {
            let _ = write!(escaped, "\\u{{{:x}}}", u32::from(character));
        }
    }
    Some(escaped)
}

/// Control characters of ASCII (except line feed and tab) and Latin-1, Unicode's line separators, and its direction
/// marks.
fn is_steering(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => true,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_is_escaped() {
        for (text, in_text, in_json) in [
            ("a\tb\n", None, None),
            ("é 日本 🦀", None, None),
            ("\u{9b}31m", Some("\\u{9b}31m"), Some("\\u009b31m")),
            ("\u{1b}[2J", Some("\\u{1b}[2J"), Some("\\u001b[2J")),
            ("a\u{85}\u{2028}b", Some("a\\u{85}\\u{2028}b"), Some("a\\u0085\\u2028b")),
            ("\u{202e}\u{2066}", Some("\\u{202e}\\u{2066}"), Some("\\u202e\\u2066")),
        ] {
            assert_eq!(escape(text, false).as_deref(), in_text, "{text:?}");
            assert_eq!(escape(text, true).as_deref(), in_json, "{text:?}");
        }
    }
}
