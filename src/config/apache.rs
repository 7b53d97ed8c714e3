//! Finds `.htaccess` files that deny access, because Igor does not read them.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Position};
use super::handlers::{Handler, Route};
use super::limits::{HTACCESS_BYTES_MAX, HTACCESS_DEPTH_MAX, HTACCESS_FOLDERS_MAX};
use super::model::Config;
use super::syntax::open_regular;

/// A warning for each `.htaccess` below a document root that denies access, because Igor serves the files that it
/// protects.
#[must_use]
pub fn apache_warnings(config: &Config) -> Vec<Diagnostic> {
    let mut roots: Vec<PathBuf> = Vec::new();
    config.sites.iter().for_each(|site| collect_roots(&site.routes, &mut roots));
    roots.iter().flat_map(|root| warnings_below(root)).collect()
}

/// The folders from which files are served.
fn collect_roots(routes: &[Route], into: &mut Vec<PathBuf>) {
    for route in routes {
        let root = match &route.handler {
            Handler::PhpServer(server) if server.settings.file_server.is_some() => server.settings.root.fixed(),
            Handler::FileServer(files) => files.root.fixed(),
            handler => {
                handler.blocks().for_each(|inner| collect_roots(inner, into));
                continue;
            }
        };
        if let Some(root) = root.filter(|root| !into.iter().any(|known| known == root)) {
            into.push(root.to_path_buf());
        }
    }
}

fn warnings_below(root: &Path) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut folders = vec![(root.to_owned(), 0)];
    let mut looked = 0;
    while let Some((folder, depth)) = folders.pop() {
        looked += 1;
        if looked > HTACCESS_FOLDERS_MAX {
            break;
        }
        found.extend(warning(root, &folder));
        if depth < HTACCESS_DEPTH_MAX {
            folders.extend(folders_in(&folder).map(|folder| (folder, depth + 1)));
        }
    }
    found.sort_by(|one, other| one.file.cmp(&other.file));
    found
}

/// Links are not followed, because they may form a cycle.
fn folders_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}

fn warning(root: &Path, folder: &Path) -> Option<Diagnostic> {
    let file = folder.join(".htaccess");
    let is_small = fs::metadata(&file).is_ok_and(|metadata| metadata.len() <= HTACCESS_BYTES_MAX);
    let mut text = Vec::new();
    let opened = if is_small { open_regular(&file).ok()? } else { return None };
    opened.take(HTACCESS_BYTES_MAX).read_to_end(&mut text).ok()?;
    let line = String::from_utf8_lossy(&text).lines().position(denies)? + 1;
    let url = folder.strip_prefix(root).ok().filter(|path| !path.as_os_str().is_empty());
    let place = url.map_or_else(|| "/*".to_owned(), |path| format!("/{}/*", path.display()));
    let position = Position { file: Arc::from(file), line, column: 1 };
    let message = format!(
        "Apache denies access here, and igor does not read this file: what it protects below `{place}` is served"
    );
    let hint = format!("write `respond {place} 403` for it, or `hide`; see docs/coming-from-apache.md");
    Some(Diagnostic::warning(&position, message).with_hint(hint))
}

/// Whether a line of an `.htaccess` denies access, in the syntax of Apache 2.2 or 2.4.
fn denies(line: &str) -> bool {
    let words: Vec<String> = line.split_whitespace().map(str::to_ascii_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    matches!(words[..], ["deny", "from", ..] | ["require", "all", "denied", ..] | ["require", "not", ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_deny() {
        for line in ["Deny from all", "  deny  from 1.2.3.4", "Require all denied", "\tRequire all denied # why"] {
            assert!(denies(line), "{line}");
        }
        for line in
            ["", "# Deny from all", "Order allow,deny", "Allow from all", "Require all granted", "Options -Indexes"]
        {
            assert!(!denies(line), "{line}");
        }
    }
}
