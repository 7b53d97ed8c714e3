//! A log file that is rolled when it reaches a size, with file names like Caddy's: `access.log` becomes
//! `access-2026-11-28T10-43-29.123.log`. That file is compressed, and deleted when there are too many or it is too old.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use super::time;
use crate::config::LogRoll;

/// An open log file.
pub(super) struct RollingFile {
    path: PathBuf,
    file: File,
    /// The bytes of the file, counted here: asking the system at each record would cost a call.
    length: u64,
    /// When the file is replaced by an empty one; `None`: never.
    roll: Option<LogRoll>,
    /// The number of files rotated since the clean-up thread last looked; 0: no such thread runs.
    untidied: Arc<AtomicUsize>,
}

impl RollingFile {
    pub(super) fn open(path: &Path, roll: Option<LogRoll>) -> io::Result<Self> {
        let file = append_to(path)?;
        let length = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, length, roll, untidied: Arc::default() })
    }

    pub(super) fn set_roll(&mut self, roll: Option<LogRoll>) {
        self.roll = roll;
    }

    /// Writes a record, into a new file if this one is full. A file that cannot be rotated stays in use.
    pub(super) fn write_record(&mut self, record: &[u8]) -> io::Result<()> {
        let is_full = |roll: &LogRoll| self.length > 0 && self.length + record.len() as u64 > roll.size_bytes;
        if let Some(roll) = self.roll.filter(is_full) {
            self.put_aside(roll)?;
        }
        self.file.write_all(record)?;
        self.length += record.len() as u64;
        Ok(())
    }

    fn put_aside(&mut self, roll: LogRoll) -> io::Result<()> {
        let aside = self.name_aside(SystemTime::now());
        fs::rename(&self.path, &aside)?;
        self.file = append_to(&self.path)?;
        self.length = 0;
        if self.untidied.fetch_add(1, Ordering::AcqRel) > 0 {
            return Ok(());
        }
        let (path, untidied) = (self.path.clone(), Arc::clone(&self.untidied));
        // Compressing takes a second, so a separate thread does it: records come from every thread.
        let tidying = std::thread::Builder::new().name("log-roll".to_owned());
        let tidying = tidying.spawn(move || tidy_until_done(&path, roll, &untidied));
        tidying.map(drop).inspect_err(|_| self.untidied.store(0, Ordering::Release))
    }

    /// An unused name in the file's folder. A file that fills within a millisecond gets the next one.
    fn name_aside(&self, now: SystemTime) -> PathBuf {
        let (stem, extension) = stem_and_extension(&self.path);
        let mut at = now;
        loop {
            let shown = time::iso(at, 3).replace(':', "-");
            let aside = self.path.with_file_name(format!("{stem}-{}{extension}", shown.trim_end_matches('Z')));
            if !aside.exists() && !compressed_name(&aside).exists() {
                return aside;
            }
            at += Duration::from_millis(1);
        }
    }
}

/// Tidies until no further file has come meanwhile. `untidied` is 0 at the end, so the next file starts another thread.
fn tidy_until_done(path: &Path, roll: LogRoll, untidied: &AtomicUsize) {
    loop {
        let seen = untidied.load(Ordering::Acquire);
        if let Err(error) = tidy(path, roll) {
            tracing::warn!(file = %path.display(), "putting a log file aside: {error}");
        }
        if untidied.compare_exchange(seen, 0, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            return;
        }
    }
}

fn part(part: Option<&std::ffi::OsStr>) -> Option<String> {
    part.map(|part| part.to_string_lossy().into_owned())
}

/// `access` and `.log`.
fn stem_and_extension(path: &Path) -> (String, String) {
    let extension = part(path.extension()).map(|extension| format!(".{extension}")).unwrap_or_default();
    (part(path.file_stem()).unwrap_or_default(), extension)
}

fn compressed_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".gz");
    name.into()
}

/// Compresses rotated files, and deletes those beyond the count or the age.
fn tidy(path: &Path, roll: LogRoll) -> io::Result<()> {
    prune(path, roll)?;
    if roll.compress {
        let uncompressed =
            put_aside_before(path)?.into_iter().filter(|file| file.extension().is_none_or(|end| end != "gz"));
        uncompressed.collect::<Vec<_>>().iter().try_for_each(|file| compress(file))?;
    }
    Ok(())
}

fn compress(aside: &Path) -> io::Result<()> {
    let target = compressed_name(aside);
    let unfinished = target.with_extension("gz.tmp");
    let mut encoder = flate2::write::GzEncoder::new(File::create(&unfinished)?, flate2::Compression::default());
    io::copy(&mut File::open(aside)?, &mut encoder)?;
    encoder.finish()?.sync_all()?;
    fs::rename(&unfinished, &target)?;
    fs::remove_file(aside)
}

/// Removes files beyond the number and the age that the configuration keeps.
fn prune(path: &Path, roll: LogRoll) -> io::Result<()> {
    let mut old = put_aside_before(path)?;
    // The names start with the time, so the newest sorts last.
    old.sort();
    old.reverse();
    let kept = if roll.keep == 0 { usize::MAX } else { roll.keep };
    for (place, file) in old.iter().enumerate() {
        let age = fs::metadata(file)?.modified()?.elapsed().unwrap_or_default();
        if place >= kept || (!roll.keep_for.is_zero() && age > roll.keep_for) {
            fs::remove_file(file)?;
        }
    }
    Ok(())
}

/// The rotated files of this one.
fn put_aside_before(path: &Path) -> io::Result<Vec<PathBuf>> {
    let (stem, extension) = stem_and_extension(path);
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let bare = name.strip_suffix(".gz").unwrap_or(&name);
        let middle = bare.strip_prefix(&stem).and_then(|rest| rest.strip_suffix(&extension));
        if middle.is_some_and(is_time) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Whether this is `-2026-11-28T10-43-29.123`.
fn is_time(text: &str) -> bool {
    const SHAPE: &[u8] = b"-0000-00-00T00-00-00.000";
    let text = text.as_bytes();
    text.len() == SHAPE.len() && SHAPE.iter().zip(text).all(|(shape, byte)| fits(*shape, *byte))
}

/// A `0` in the shape is any digit.
fn fits(shape: u8, byte: u8) -> bool {
    if shape == b'0' { byte.is_ascii_digit() } else { shape == byte }
}

/// Opens a file for appending.
fn append_to(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    std::fs::OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("a folder");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_full_file_is_put_aside_and_old_ones_go() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("logs/access.log");
        let roll = LogRoll { size_bytes: 20, keep: 2, keep_for: Duration::ZERO, compress: true };
        let mut file = RollingFile::open(&path, Some(roll)).expect("it can be opened");
        fs::write(path.with_file_name("access-notes.log"), "mine").expect("a file");
        for number in 0..10 {
            file.write_record(format!("record {number:02}\n").as_bytes()).expect("it can be written");
        }
        // Two records fit into a file. The clean-up threads are done when two compressed files are left.
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        let done =
            |names: &[String]| names.len() == 4 && names.iter().filter(|name| name.ends_with(".log.gz")).count() == 2;
        while !done(&names(path.parent().expect("a folder"))) {
            assert!(std::time::Instant::now() < deadline, "{:?}", names(path.parent().expect("a folder")));
            std::thread::yield_now();
        }
        assert_eq!(fs::read_to_string(&path).expect("a file"), "record 08\nrecord 09\n");
        assert_eq!(fs::read_to_string(path.with_file_name("access-notes.log")).expect("a file"), "mine");
        let mut old = put_aside_before(&path).expect("a folder");
        old.sort();
        let mut text = String::new();
        let newest = File::open(old.last().expect("one")).expect("a file");
        flate2::read::GzDecoder::new(newest).read_to_string(&mut text).expect("gzip");
        assert_eq!(text, "record 06\nrecord 07\n");
    }

    #[test]
    fn a_file_goes_on_where_it_was() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("a.log");
        for expected in ["x\n", "x\nx\n"] {
            let mut file = RollingFile::open(&path, None).expect("it can be opened");
            file.write_record(b"x\n").expect("it can be written");
            assert_eq!(fs::read_to_string(&path).expect("a file"), expected);
        }
    }
}
