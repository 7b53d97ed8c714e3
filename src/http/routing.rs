//! Chooses the target of a request (pure): the site, and its file, script or worker.
//!
//! The rule of `php_server` is FrankenPHP's: the first of the files to try that exists answers. If it is a script, it
//! runs, and path info may follow its name; another file is served. The files to try by default are the path itself,
//! its index script (after a redirect that adds the slash of a directory), and the index script of the root, which is
//! the front controller.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::paths;
use super::settings::{PhpMode, PhpRoute};
use super::site::SiteSettings;
use crate::config::host_matches;

/// The kind of a file in the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
}

/// The view of the file system that routing needs. Symbolic links are followed.
pub trait FileSystem: Sync {
    /// What is there; `None` if nothing exists there, or nothing that can be served.
    fn kind(&self, path: &Path) -> Option<FileKind>;

    /// The same file without symbolic links in its path; `None` when that is unknown. The default is for file systems
    /// without links.
    fn resolve(&self, path: &Path) -> Option<PathBuf> {
        Some(path.to_owned())
    }
}

/// The real file system. Called on the async side: a `stat` of a cached entry takes about a microsecond, and passing it
/// to another thread and back would cost a hundred times as much.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl FileSystem for Disk {
    fn kind(&self, path: &Path) -> Option<FileKind> {
        let metadata = std::fs::metadata(path).ok()?;
        match (metadata.is_file(), metadata.is_dir()) {
            (true, _) => Some(FileKind::File),
            (_, true) => Some(FileKind::Directory),
            // Pipes, sockets and devices would block or worse.
            _ => None,
        }
    }

    fn resolve(&self, path: &Path) -> Option<PathBuf> {
        path.canonicalize().ok()
    }
}

/// A script to run, split as CGI wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The file.
    pub file: PathBuf,
    /// Its path in the URL.
    pub name: Vec<u8>,
    /// The path info, with its leading slash; may be empty.
    pub path_info: Vec<u8>,
    /// The index of the worker that runs it; `None`: a classic thread.
    pub worker: Option<usize>,
}

/// The target of a request in a `php` or `php_server` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Runs a script.
    Script(Script),
    /// The file server serves the file at this normalized path.
    File(Vec<u8>),
    /// Redirects to the same path with a slash at the end.
    AddSlash,
    /// Nothing here: 404.
    NotFound,
    /// `try_files` ends the request with this status.
    Status(u16),
}

/// The first site that names `host` exactly, else the first with a matching wildcard, else the first for every host.
pub(super) fn select_site<'s>(sites: &'s [SiteSettings], host: &str) -> Option<&'s SiteSettings> {
    let find = |wanted: &dyn Fn(&SiteSettings) -> bool| sites.iter().find(|site| wanted(site));
    find(&|site| site.hosts.iter().any(|name| name.eq_ignore_ascii_case(host)))
        .or_else(|| find(&|site| site.hosts.iter().any(|name| host_matches(name, host))))
        .or_else(|| find(&|site| site.hosts.is_empty()))
}

/// The host name of a `Host` header or authority: without port, without the dot that may end it. The brackets of an
/// IPv6 address stay.
pub(super) fn host_without_port(authority: &str) -> &str {
    let name = match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
        _ => authority,
    };
    name.strip_suffix('.').unwrap_or(name)
}

/// Chooses the target of a request for `path`, which must be normalized. Every file in the result is below the root, or
/// is a worker's script.
pub(super) fn route(php: &PhpRoute, root: &Path, path: &[u8], files: &dyn FileSystem) -> Target {
    let router = Router { php, root, path, files };
    match php.mode {
        PhpMode::Server => router.server(),
        PhpMode::ScriptsOnly => router.matched_worker().or_else(|| router.script(path)).unwrap_or(Target::NotFound),
    }
}

/// The input of the decision about one request.
struct Router<'r> {
    /// The settings of the block.
    php: &'r PhpRoute,
    /// The document root.
    root: &'r Path,
    /// Normalized.
    path: &'r [u8],
    /// The disk; in tests a list of names.
    files: &'r dyn FileSystem,
}

impl Router<'_> {
    /// As Caddy's `php_server`: the file, the index of a directory, or the front controller.
    fn server(&self) -> Target {
        let kind = OnceCell::new();
        let kind = || *kind.get_or_init(|| self.kind(self.path));
        if let Some(target) = self.matched_worker() {
            // As in FrankenPHP, static files win over a worker's patterns.
            return if self.is_static(self.path, kind) { self.as_file() } else { target };
        }
        let itself = || self.file_or_script(self.path, kind);
        let index_files = self.php.settings.index.iter();
        let found = match &self.php.settings.try_files {
            Some(patterns) => patterns.iter().find_map(|pattern| self.pattern(pattern)).or_else(itself),
            None => itself()
                .or_else(|| {
                    let mut of_directory = index_files.clone().take_while(|_| kind() == Some(FileKind::Directory));
                    of_directory.find_map(|index| self.index_of_directory(index))
                })
                .or_else(|| index_files.clone().find_map(|index| self.existing(&[b"/", index.as_bytes()].concat()))),
        };
        found.unwrap_or_else(|| match kind() {
            // The file server has its own index files.
            Some(FileKind::Directory) if self.php.settings.file_server.is_some() => self.as_file(),
            _ => Target::NotFound,
        })
    }

    /// One of the files to try.
    fn pattern(&self, pattern: &str) -> Option<Target> {
        let settings = &self.php.settings;
        let own_path = self.path.strip_suffix(b"/").unwrap_or(self.path);
        if let Some(status) = pattern.strip_prefix('=').and_then(|status| status.parse().ok()) {
            return Some(Target::Status(status));
        }
        if let Some(index) =
            pattern.strip_prefix("{path}/").filter(|name| settings.index.iter().any(|index| index == name))
        {
            return self.index_of_directory(index);
        }
        let path = paths::clean(&filled(pattern, own_path));
        if !pattern.ends_with('/') {
            return self.existing(&path);
        }
        let is_directory = settings.file_server.is_some() && self.kind(&path) == Some(FileKind::Directory);
        // For the requested directory, the file server redirects if the slash is missing.
        let is_own = path.strip_suffix(b"/") == Some(own_path);
        is_directory.then(|| if is_own { self.as_file() } else { Target::File(path) })
    }

    /// The index file of the directory at the request's path.
    fn index_of_directory(&self, index: &str) -> Option<Target> {
        let is_directory_path = self.path.ends_with(b"/");
        let slash: &[u8] = if is_directory_path { b"" } else { b"/" };
        let target = self.existing(&[self.path, slash, index.as_bytes()].concat())?;
        Some(if is_directory_path { target } else { Target::AddSlash })
    }

    /// The worker that claims the request's path by a pattern.
    fn matched_worker(&self) -> Option<Target> {
        let workers = &self.php.workers;
        if workers.iter().all(|worker| worker.paths.is_empty()) {
            return None;
        }
        let text = String::from_utf8_lossy(self.path);
        let index = workers.iter().position(|worker| worker.paths.iter().any(|pattern| pattern.matches(&text)))?;
        let file = workers[index].script.clone();
        // Its name in the URL: its path below the root, or only its file name if it is elsewhere.
        let name = match file.strip_prefix(self.root) {
            Ok(relative) => [b"/", relative.as_os_str().as_bytes()].concat(),
            Err(_) => [b"/", file.file_name().unwrap_or_default().as_bytes()].concat(),
        };
        let path_info = self.path.strip_prefix(name.as_slice()).filter(|info| info.starts_with(b"/"));
        let path_info = path_info.unwrap_or_default().to_vec();
        Some(Target::Script(Script { file, name, path_info, worker: Some(index) }))
    }

    /// The script or static file at `path`, if it exists.
    fn existing(&self, path: &[u8]) -> Option<Target> {
        self.file_or_script(path, || self.kind(path))
    }

    /// A script is run, another file is served.
    fn file_or_script(&self, path: &[u8], kind: impl FnOnce() -> Option<FileKind>) -> Option<Target> {
        self.script(path).or_else(|| self.is_static(path, kind).then(|| Target::File(path.to_vec())))
    }

    /// The script that `path` names, if it exists. A worker's script is not checked: it existed when the worker
    /// started.
    fn script(&self, path: &[u8]) -> Option<Target> {
        let settings = &self.php.settings;
        let (name, info) = paths::split_script(path, &settings.split_path)?;
        let file = below(self.root, name);
        let worker = self.php.workers.iter().position(|worker| worker.script == file);
        if worker.is_none() && self.files.kind(&file) != Some(FileKind::File) {
            return None;
        }
        Some(Target::Script(Script { file, name: name.to_vec(), path_info: info.to_vec(), worker }))
    }

    /// `None`: there is none, or it is neither a file nor a directory.
    fn kind(&self, path: &[u8]) -> Option<FileKind> {
        // The existence of the root is not checked for each request.
        if path == b"/" { Some(FileKind::Directory) } else { self.files.kind(&below(self.root, path)) }
    }

    /// Whether `path` names a file for this file server, or for a later one.
    fn is_static(&self, path: &[u8], kind: impl FnOnce() -> Option<FileKind>) -> bool {
        (self.php.settings.file_server.is_some() || self.php.settings.leaves_files)
            && !path.ends_with(b"/")
            && !is_script_name(path, &self.php.settings.split_path)
            && kind() == Some(FileKind::File)
    }

    fn as_file(&self) -> Target {
        Target::File(self.path.to_vec())
    }
}

/// `/` and the pattern of `try_files`, with the path in place of each `{path}`.
fn filled(pattern: &str, path: &[u8]) -> Vec<u8> {
    let mut filled = vec![b'/'];
    for (number, literal) in pattern.split("{path}").enumerate() {
        if number > 0 {
            filled.extend_from_slice(path);
        }
        filled.extend_from_slice(literal.as_bytes());
    }
    filled
}

/// The file at a normalized path below `root`.
pub(super) fn below(root: &Path, path: &[u8]) -> PathBuf {
    let name = OsStr::from_bytes(path.strip_prefix(b"/").unwrap_or(path));
    // In one allocation.
    let mut file = PathBuf::with_capacity(root.as_os_str().len() + 1 + name.len());
    file.push(root);
    file.push(name);
    file
}

/// Whether a file of this name is a script; clients must not see its source.
pub(super) fn is_script_name(name: &[u8], extensions: &[String]) -> bool {
    paths::ends_with_ignoring_case(name, b".php")
        || extensions.iter().any(|extension| paths::ends_with_ignoring_case(name, extension.as_bytes()))
}
