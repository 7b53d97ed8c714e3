//! The matcher `file`, which `try_files` uses too.

use std::path::{Path, PathBuf};

use super::super::findings::join;
use super::super::request::{Entry, RequestView};
use super::super::text::{Piece, Text};
use super::Verdict;

/// The condition that one of several files exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMatch {
    /// The directory of the files; `None`: the document root of the request.
    pub root: Option<Text>,
    /// The files, in order. A path that ends with a slash is a directory; `=404` ends the request with that status.
    pub try_files: Vec<Text>,
    /// The policy that chooses among the existing files.
    pub policy: TryPolicy,
    /// The texts after which a path is split, for example `.php`.
    pub split_path: Vec<String>,
}

/// The policy that chooses one of several files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TryPolicy {
    /// The first that exists.
    #[default]
    FirstExist,
    /// The first that exists, else the last of the list.
    FirstExistFallback,
    /// The smallest.
    SmallestSize,
    /// The largest.
    LargestSize,
    /// The most recently changed one.
    MostRecentlyModified,
}

impl TryPolicy {
    /// Whether `found` replaces `best`, which comes before it in the list.
    fn prefers(self, found: &Entry, best: &Entry) -> bool {
        match self {
            Self::SmallestSize => found.size < best.size,
            Self::LargestSize => found.size > best.size,
            Self::MostRecentlyModified => found.modified > best.modified,
            Self::FirstExist | Self::FirstExistFallback => false,
        }
    }
}

/// A file that was found.
struct Found {
    /// Relative to the root, with a leading slash.
    relative: String,
    absolute: PathBuf,
    /// The rest of the path after the text of `split_path`.
    remainder: String,
    entry: Entry,
}

impl FileMatch {
    /// Whether such a file exists; if so, it is stored as `{file_match.…}`.
    pub(super) fn holds(&self, request: &mut dyn RequestView) -> Verdict {
        let Some(found) = self.find(request)? else { return Ok(false) };
        let kind = if found.entry.is_directory { "directory" } else { "file" };
        request.store("http.matchers.file.relative", found.relative);
        request.store("http.matchers.file.absolute", found.absolute.to_string_lossy().into_owned());
        request.store("http.matchers.file.remainder", found.remainder);
        request.store("http.matchers.file.type", kind.to_owned());
        Ok(true)
    }

    fn find(&self, request: &dyn RequestView) -> Result<Option<Found>, u16> {
        let root = match &self.root {
            Some(root) => PathBuf::from(&*root.rendered(request)),
            None => request.root().to_path_buf(),
        };
        let mut best: Option<Found> = None;
        for (number, text) in self.try_files.iter().enumerate() {
            let pattern = text.rendered(request);
            if let Some(status) = pattern.strip_prefix('=').and_then(|status| status.parse().ok()) {
                return if best.is_some() { Ok(best) } else { Err(status) };
            }
            let is_last = number + 1 == self.try_files.len();
            // As in Caddy, the pattern decides, not the path of the request: `{path}` is never a directory.
            let wants_directory = matches!(text.pieces().last(), Some(Piece::Literal(end)) if end.ends_with('/'));
            let candidate = self.candidate(&root, &pattern, wants_directory, request);
            let falls_back = is_last && self.policy == TryPolicy::FirstExistFallback;
            let Some(found) = candidate.found.or_else(|| falls_back.then_some(candidate.missing)) else { continue };
            if best.as_ref().is_none_or(|best| self.policy.prefers(&found.entry, &best.entry)) {
                best = Some(found);
            }
            if matches!(self.policy, TryPolicy::FirstExist | TryPolicy::FirstExistFallback) {
                break;
            }
        }
        Ok(best)
    }

    fn candidate(&self, root: &Path, pattern: &str, wants_directory: bool, request: &dyn RequestView) -> Candidate {
        let (path, remainder) = self.split(pattern);
        let mut relative = clean(path);
        if !wants_directory && relative.len() > 1 && relative.ends_with('/') {
            relative.pop();
        }
        let absolute = join(root, Path::new(relative.trim_start_matches('/')));
        // As in Caddy, the path `/` alone is not a directory, so that a front controller gets it.
        let wants_directory = wants_directory && path.len() > 1;
        let entry = request.entry(&absolute).filter(|entry| entry.is_directory == wants_directory);
        let nothing = Entry { is_directory: false, size: 0, modified: 0 };
        let made = |entry| Found {
            relative: relative.clone(),
            absolute: absolute.clone(),
            remainder: remainder.to_owned(),
            entry,
        };
        Candidate { found: entry.map(made), missing: made(nothing) }
    }

    /// Splits a path after the first text of `split_path` in it.
    fn split<'p>(&self, path: &'p str) -> (&'p str, &'p str) {
        let lower = path.to_ascii_lowercase();
        let ends = self.split_path.iter().filter_map(|part| lower.find(part.as_str()).map(|at| at + part.len()));
        ends.min().map_or((path, ""), |end| path.split_at(end))
    }
}

/// A file of the list, as it is there, and as it would be.
struct Candidate {
    found: Option<Found>,
    missing: Found,
}

/// A path with a leading slash, without `.`, `..` and empty parts; a trailing slash stays.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let end = if path.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    format!("/{}{end}", parts.join("/"))
}
