//! Where a request goes (pure): which site, and which file, script or worker in it.
//!
//! The rule of `php_server` is Caddy's: an existing file is served; a directory is its index script, after a redirect
//! that adds the slash; a script may be followed by path info; everything else is the front controller's.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::matcher::host_matches;
use super::paths;
use super::service::{PhpMode, PhpSettings, Site};

/// What a path in the file system is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
}

/// The file system as routing sees it. Symbolic links are followed.
pub trait FileSystem: Sync {
    /// What is there; `None` when there is nothing, or nothing that could be served.
    fn kind(&self, path: &Path) -> Option<FileKind>;
}

/// The real file system. It is asked on the async side: a `stat` of a cached entry takes about a microsecond, a hundredth
/// of what a hand-over to another thread and back would cost.
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
}

/// A script to run, split as CGI wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The file.
    pub file: PathBuf,
    /// Its path in the URL.
    pub name: Vec<u8>,
    /// What followed it, beginning with a slash; empty when nothing did.
    pub path_info: Vec<u8>,
    /// The index of the worker that runs it; `None`: a classic thread.
    pub worker: Option<usize>,
}

/// What a `php` or `php_server` block does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Runs a script.
    Script(Script),
    /// The file server answers.
    File,
    /// Redirects to the same path with a slash at the end.
    AddSlash,
    /// Nothing here: 404.
    NotFound,
}

/// The first site that names `host` exactly, else the first with a matching wildcard, else the first for every host.
pub(super) fn select_site<'s>(sites: &'s [Site], host: &str) -> Option<&'s Site> {
    let find = |wanted: &dyn Fn(&Site) -> bool| sites.iter().find(|site| wanted(site));
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

/// Decides what becomes of a request for `path`, which must be normalized. Every file in the answer lies below the root,
/// or is a worker's script.
pub(super) fn route(settings: &PhpSettings, path: &[u8], files: &dyn FileSystem) -> Target {
    if let Some(target) = matched_worker(settings, path) {
        return target;
    }
    match settings.mode {
        PhpMode::Server => route_server(settings, path, files),
        PhpMode::ScriptsOnly => match paths::split_script(path, &settings.split_path) {
            Some((name, info)) => script(settings, name, info, files).unwrap_or(Target::NotFound),
            None => Target::NotFound,
        },
    }
}

fn route_server(settings: &PhpSettings, path: &[u8], files: &dyn FileSystem) -> Target {
    let is_directory_path = path.ends_with(b"/");
    if let Some((name, info)) = paths::split_script(path, &settings.split_path)
        && let Some(target) = script(settings, name, info, files)
    {
        return target;
    }
    let kind = if path == b"/" { Some(FileKind::Directory) } else { files.kind(&below(&settings.root, path)) };
    match kind {
        Some(FileKind::File)
            if settings.files.is_some() && !is_directory_path && !is_script_name(path, &settings.split_path) =>
        {
            return Target::File;
        }
        Some(FileKind::Directory) => {
            let mut name = path.to_vec();
            if !is_directory_path {
                name.push(b'/');
            }
            name.extend_from_slice(settings.index.as_bytes());
            if let Some(target) = script(settings, &name, b"", files) {
                return if is_directory_path { target } else { Target::AddSlash };
            }
        }
        _ => {}
    }
    let front_controller = [b"/", settings.index.as_bytes()].concat();
    if let Some(target) = script(settings, &front_controller, b"", files) {
        return target;
    }
    if settings.files.is_some() && kind == Some(FileKind::Directory) { Target::File } else { Target::NotFound }
}

/// The worker that claims this path by a pattern.
fn matched_worker(settings: &PhpSettings, path: &[u8]) -> Option<Target> {
    let claims = |paths: &[String]| paths.iter().any(|pattern| paths::path_matches(pattern, path));
    let index = settings.workers.iter().position(|worker| claims(&worker.paths))?;
    let file = settings.workers[index].script.clone();
    // Its name in the URL: below the root as the script stands there, else just its file name.
    let name = match file.strip_prefix(&settings.root) {
        Ok(relative) => [b"/", relative.as_os_str().as_bytes()].concat(),
        Err(_) => [b"/", file.file_name().unwrap_or_default().as_bytes()].concat(),
    };
    let path_info =
        path.strip_prefix(name.as_slice()).filter(|info| info.starts_with(b"/")).unwrap_or_default().to_vec();
    Some(Target::Script(Script { file, name, path_info, worker: Some(index) }))
}

/// The script at `name`, if it exists. A worker's script is not looked for: it was there when the worker started.
fn script(settings: &PhpSettings, name: &[u8], info: &[u8], files: &dyn FileSystem) -> Option<Target> {
    let file = below(&settings.root, name);
    let worker = settings.workers.iter().position(|worker| worker.script == file);
    if worker.is_none() && files.kind(&file) != Some(FileKind::File) {
        return None;
    }
    Some(Target::Script(Script { file, name: name.to_vec(), path_info: info.to_vec(), worker }))
}

/// The file at a normalized path below `root`.
pub(super) fn below(root: &Path, path: &[u8]) -> PathBuf {
    root.join(OsStr::from_bytes(path.strip_prefix(b"/").unwrap_or(path)))
}

/// Whether a file of this name is a script, whose source no client may see.
pub(super) fn is_script_name(name: &[u8], extensions: &[String]) -> bool {
    paths::ends_with_ignoring_case(name, b".php")
        || extensions.iter().any(|extension| paths::ends_with_ignoring_case(name, extension.as_bytes()))
}
