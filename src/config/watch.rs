//! The patterns of files that restart a worker when they change.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::findings::join;

/// One `watch` pattern.
#[derive(Clone)]
pub struct WatchPattern {
    pattern: String,
    directory: PathBuf,
    matcher: GlobMatcher,
}

/// The pattern of `watch` without arguments, as in FrankenPHP.
pub const WATCH_DEFAULT: &str = "./**/*.{env,php,twig,yaml,yml}";

/// The same of `hot_reload`.
pub(super) const HOT_RELOAD_DEFAULT: &str =
    "./**/*.{css,env,gif,htm,html,jpg,jpeg,js,mjs,php,png,svg,twig,webp,xml,yaml,yml}";

const WILDCARDS: [char; 4] = ['*', '?', '[', '{'];

impl WatchPattern {
    /// Compiles the pattern `text`; relative paths start from `base_dir`. In it `*` and `?` stop at slashes, `**` does
    /// not, `[a-z]` is one character, and `{a,b}` is either. A path without wildcards means that file, or everything
    /// below that directory.
    ///
    /// # Errors The error in the pattern.
    pub(super) fn new(base_dir: &Path, text: &str) -> Result<Self, String> {
        let (directory, wildcards) = split(Path::new(text));
        let place = join(base_dir, &directory);
        let (directory, rest) = match wildcards.as_os_str().to_str() {
            Some("") if place.is_file() => {
                let file = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
                (place.parent().unwrap_or(&place).to_path_buf(), globset::escape(&file))
            }
            // It may become a file or a directory.
            Some("") if !place.is_dir() => {
                let name = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
                return Self::of_missing(place, &globset::escape(&name).replace(',', "[,]"));
            }
            Some("") => (place, "**".to_owned()),
            Some(wildcards) => (place, wildcards.to_owned()),
            None => return Err("it is not UTF-8".to_owned()),
        };
        let stem = stem(&directory)?;
        Self::compiled(format!("{stem}/{rest}"), directory)
    }

    /// A path that does not exist yet, and everything below it once it does.
    fn of_missing(place: PathBuf, name: &str) -> Result<Self, String> {
        let stem = stem(place.parent().unwrap_or(&place))?;
        Self::compiled(format!("{stem}/{{{name},{name}/**}}"), place)
    }

    fn compiled(pattern: String, directory: PathBuf) -> Result<Self, String> {
        let glob = GlobBuilder::new(&pattern).literal_separator(true).build();
        let matcher = glob.map_err(|error| error.kind().to_string())?.compile_matcher();
        Ok(Self { pattern, directory, matcher })
    }

    /// The pattern, absolute.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.pattern
    }

    /// The directory to watch, with everything below it: the path before the first wildcard. It need not exist, and may
    /// be a file.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether a change of the file at this absolute path counts.
    #[must_use]
    pub fn matches(&self, path: &Path) -> bool {
        self.matcher.is_match(path)
    }
}

impl PartialEq for WatchPattern {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

impl Eq for WatchPattern {}

impl fmt::Debug for WatchPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.pattern, f)
    }
}

/// A path as the beginning of a pattern.
fn stem(directory: &Path) -> Result<String, String> {
    let stem = directory.to_str().ok_or("the directory of the configuration is not UTF-8")?;
    Ok(globset::escape(stem.trim_end_matches('/')))
}

fn has_wildcard(component: &Component<'_>) -> bool {
    component.as_os_str().to_string_lossy().contains(WILDCARDS)
}

/// Splits a path before the first part with a wildcard.
fn split(path: &Path) -> (PathBuf, PathBuf) {
    let plain = path.components().take_while(|component| !has_wildcard(component)).collect();
    let rest = path.components().skip_while(|component| !has_wildcard(component)).collect();
    (plain, rest)
}
