//! `file_server browse`: the list of a directory, as a page for people or as JSON for programs.

use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

use http::{HeaderValue, Method, Response, StatusCode, header, request};
use serde::Serialize;

use super::body::ResponseBody;
use super::paths;
use super::plain::{escape_html, plain};
use crate::limits;

/// One entry of a list. The names of its fields in JSON are Caddy's.
#[derive(Debug, Serialize)]
struct Entry {
    /// With a slash behind the name of a directory.
    name: String,
    /// In bytes.
    size: u64,
    /// Relative to the directory, and encoded.
    url: String,
    /// By RFC 3339, in UTC.
    mod_time: String,
    /// The permissions, as numbers of the system.
    mode: u32,
    is_dir: bool,
    is_symlink: bool,
    /// For the order by time.
    #[serde(skip)]
    modified: SystemTime,
}

fn method_not_allowed() -> Response<ResponseBody> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// The list of the directory at the normalized `path`. `is_visible` decides which files clients may see.
pub(super) fn list(
    directory: &Path,
    path: &[u8],
    parts: &request::Parts,
    is_visible: &dyn Fn(&Path) -> bool,
) -> Response<ResponseBody> {
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return method_not_allowed();
    }
    let mut entries = match read(directory, is_visible) {
        Ok(entries) => entries,
        Err(error) => {
            tracing::warn!(directory = %directory.display(), "listing a directory: {error}");
            return plain(StatusCode::FORBIDDEN, "");
        }
    };
    sort(&mut entries, parts.uri.query().unwrap_or_default());
    let (text, media_type) = if wants_json(parts) {
        (serde_json::to_string(&entries).unwrap_or_default(), "application/json; charset=utf-8")
    } else {
        (page(&entries, &String::from_utf8_lossy(path)), "text/html; charset=utf-8")
    };
    let mut response = plain(StatusCode::OK, &text);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    response
}

/// At most [`limits::LISTED_FILES_MAX`] entries, in no order.
fn read(directory: &Path, is_visible: &dyn Fn(&Path) -> bool) -> std::io::Result<Vec<Entry>> {
    let visible = std::fs::read_dir(directory)?.filter_map(Result::ok).filter(|entry| is_visible(&entry.path()));
    let entry = |entry: std::fs::DirEntry| {
        // For a link the client would get its target; a broken link is not listed.
        let metadata = std::fs::metadata(entry.path()).ok()?;
        let is_dir = metadata.is_dir();
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let mut name = entry.file_name().to_string_lossy().into_owned();
        let mut url = format!("./{}", paths::encode(entry.file_name().as_encoded_bytes()));
        if is_dir {
            name.push('/');
            url.push('/');
        }
        let is_symlink = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        let mode = mode_in_json(&metadata);
        Some(Entry { name, size: metadata.len(), url, mod_time: time_of(modified), mode, is_dir, is_symlink, modified })
    };
    Ok(visible.filter_map(entry).take(limits::LISTED_FILES_MAX).collect())
}

/// The permissions, with the bit by which Go marks a directory.
fn mode_in_json(metadata: &std::fs::Metadata) -> u32 {
    const DIRECTORY: u32 = 1 << 31;
    metadata.permissions().mode() & 0o777 | if metadata.is_dir() { DIRECTORY } else { 0 }
}

fn time_of(time: SystemTime) -> String {
    let time = time::OffsetDateTime::from(time).replace_nanosecond(0);
    time.ok().and_then(|time| time.format(&time::format_description::well_known::Rfc3339).ok()).unwrap_or_default()
}

/// Directories first, then by name; `sort` and `order` in the query change that.
fn sort(entries: &mut [Entry], query: &str) {
    let value =
        |wanted: &str| query.split('&').filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == wanted);
    entries.sort_by_cached_key(|entry| entry.name.to_lowercase());
    match value("sort").map_or("", |(_, value)| value) {
        "size" => entries.sort_by_key(|entry| entry.size),
        "time" => entries.sort_by_key(|entry| entry.modified),
        "name" => {}
        _ => entries.sort_by_key(|entry| !entry.is_dir),
    }
    if value("order").is_some_and(|(_, value)| value == "desc") {
        entries.reverse();
    }
}

/// As in Caddy, by the `Accept` of the request.
fn wants_json(parts: &request::Parts) -> bool {
    let accepted = parts.headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|list| list.split(',')).any(|item| item.trim().starts_with("application/json"))
}

/// Names are escaped: they may contain HTML.
fn page(entries: &[Entry], path: &str) -> String {
    let title = escape_html(path);
    let mut page = format!(
        "<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n<style>body {{ font: 1rem sans-serif; margin: 2rem }} td {{ padding: .2rem 1rem .2rem 0 }} \
         td + td {{ text-align: right }}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<table>\n"
    );
    if path != "/" {
        page.push_str("<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n");
    }
    for Entry { name, url, size, mod_time, is_dir, .. } in entries {
        let size = if *is_dir { String::new() } else { size.to_string() };
        // Writing to a string cannot fail.
        let _ = writeln!(
            page,
            "<tr><td><a href=\"{}\">{}</a></td><td>{size}</td><td>{mod_time}</td></tr>",
            escape_html(url),
            escape_html(name)
        );
    }
    page.push_str("</table>\n</body>\n</html>\n");
    page
}
