//! Files that are served as they are. `tower-http` evaluates conditions and sets validators and media types; this module
//! decides which files, and which parts, clients may see, and reads them.

use std::ffi::OsStr;
use std::future::{Ready, ready};
use std::io;
use std::ops::{Range, RangeInclusive};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, request};
use tower_http::services::ServeDir;
use tower_http::services::fs::{Backend, TokioFile};

use super::body::{ResponseBody, Source};
use super::browse;
use super::file_body::FileBody;
use super::multipart::{Multipart, OpenPart};
use super::open_files::{OPEN_FILES, Opened};
use super::paths;
use super::plain::{plain, redirect_to_directory};
use super::precompressed::Siblings;
use super::ranges::{self, Selected};
use super::request::random_uuid;
use super::routing::{self, Disk, FileKind, FileSystem};
use crate::config::{FileServer, PathPattern};

/// Serves the file at the normalized `path`, if it is open and the request asks for all of it without a condition: most
/// requests for files. `None`: [`serve`] has to.
pub(super) fn serve_open(
    settings: &FileServer,
    root: &Path,
    parts: &request::Parts,
    path: &[u8],
) -> Option<Response<ResponseBody>> {
    let is_plain = parts.method == Method::GET
        && !parts.headers.contains_key(header::RANGE)
        && !CONDITIONS.iter().any(|name| parts.headers.contains_key(name));
    let (_, Opened { file, metadata, head }) = is_plain.then(|| find_kept(settings, root, path))??;
    let head = head?;
    let mut response = Response::new(FileBody::new(file, 0..metadata.len()));
    *response.headers_mut() = HeaderMap::clone(&head);
    Some(as_response(response))
}

/// Serves the file at the normalized `path`; for a directory its index file.
pub(super) async fn serve(
    settings: &FileServer,
    root: &Path,
    parts: &request::Parts,
    path: &[u8],
    files: &dyn FileSystem,
) -> Response<ResponseBody> {
    if let Some(opener) = find_open(settings, root, path) {
        return send(&opener, parts).await;
    }
    match find(settings, root, path, files) {
        Found::File(file) if settings.precompressed.is_empty() => send(&opener(settings, &file), parts).await,
        Found::File(file) => send_precompressed(settings, &file, parts, files).await,
        Found::Directory(directory) => list(settings, root, parts, path, directory).await,
        Found::AddSlash => redirect_to_directory(parts, path),
        Found::Nothing => plain(StatusCode::NOT_FOUND, ""),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    File(PathBuf),
    /// One to list.
    Directory(PathBuf),
    AddSlash,
    Nothing,
}

/// The file at the path, if it is open: it was one that may be served. Saves a question to the system.
fn find_kept(settings: &FileServer, root: &Path, path: &[u8]) -> Option<(PathBuf, Opened)> {
    let file = routing::below(root, path);
    if path.ends_with(b"/") || !settings.precompressed.is_empty() || is_hidden(settings, root, &file) {
        return None;
    }
    let opened = OPEN_FILES.open_kept(&file, &settings.secret).ok()??;
    Some((file, opened))
}

/// The opener of such a file.
fn find_open(settings: &FileServer, root: &Path, path: &[u8]) -> Option<Opener> {
    let (file, opened) = find_kept(settings, root, path)?;
    Some(Opener { opened: Some(Arc::new(opened)), ..opener(settings, &file) })
}

/// A directory is served by its first index file, else by its list if the configuration allows it.
fn find(settings: &FileServer, root: &Path, path: &[u8], files: &dyn FileSystem) -> Found {
    let file = routing::below(root, path);
    let visible = |file: &Path| !is_hidden(settings, root, file);
    let allowed = |file: &Path| !is_secret(settings, file, files);
    match files.kind(&file) {
        // The check for secret files uses the opened file.
        Some(FileKind::File) if !path.ends_with(b"/") && visible(&file) => Found::File(file),
        Some(FileKind::Directory) => {
            let mut names = settings.index.iter().map(|name| file.join(name));
            let is_file = |file: &Path| files.kind(file) == Some(FileKind::File);
            match names.find(|index| visible(index) && is_file(index) && allowed(index)) {
                Some(_) if settings.canonical_uris && !path.ends_with(b"/") => Found::AddSlash,
                Some(index) => Found::File(index),
                None if !settings.browse || !visible(&file) => Found::Nothing,
                None if path.ends_with(b"/") => Found::Directory(file),
                None => Found::AddSlash,
            }
        }
        _ => Found::Nothing,
    }
}

/// Whether clients get a 404: it is a script, whose source clients must not see, its name begins with `.ht`, or one of
/// the `hide` patterns matches it. A pattern without a slash is compared with each part of the path below the root. One
/// that starts with `./` is compared with the start of that path, any other with the start of the absolute path.
fn is_hidden(settings: &FileServer, root: &Path, file: &Path) -> bool {
    if routing::is_script_name(file.as_os_str().as_bytes(), &[]) {
        return true;
    }
    let relative = below_root(root, file);
    let mut parts = relative.as_os_str().as_bytes().split(|&byte| byte == b'/');
    // Apache never serves these files, so applications keep secrets in them.
    if parts.any(|part| part.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b".ht"))) {
        return true;
    }
    settings.hide.iter().any(|hidden| {
        let pattern = PathPattern::new(hidden);
        if let Some(below_root) = hidden.strip_prefix("./") {
            relative.starts_with(below_root)
        } else if hidden.contains('/') {
            file.starts_with(hidden) || pattern.matches(&file.to_string_lossy())
        } else {
            relative.iter().any(|part| pattern.matches(&part.to_string_lossy()))
        }
    })
}

/// The path of the file below the root; the whole path, if the file is elsewhere.
fn below_root<'f>(root: &Path, file: &'f Path) -> &'f Path {
    match file.as_os_str().as_bytes().strip_prefix(root.as_os_str().as_bytes()) {
        // Most files, for a tenth of what the comparison of the parts costs.
        Some([b'/', name @ ..]) if !root.as_os_str().is_empty() && is_plain_start(name) => {
            Path::new(OsStr::from_bytes(name))
        }
        _ => file.strip_prefix(root).unwrap_or(file),
    }
}

/// Whether the first part of a path is more than nothing or a dot, which a comparison by parts would skip.
fn is_plain_start(path: &[u8]) -> bool {
    !matches!(path, [b'/', ..] | [b'.'] | [b'.', b'/', ..])
}

/// Whether clients must not see the file, or it is a link to such a file. Checked last, for a file that would be
/// served: resolving its links costs a system call for each part of the path.
fn is_secret(settings: &FileServer, file: &Path, files: &dyn FileSystem) -> bool {
    let is_one = |path: &Path| settings.secret.iter().any(|secret| secret == path);
    // A path that cannot be resolved now cannot be opened either, or has just changed.
    !settings.secret.is_empty() && (is_one(file) || files.resolve(file).is_none_or(|resolved| is_one(&resolved)))
}

/// The opener of a file that may be sent.
fn opener(settings: &FileServer, file: &Path) -> Opener {
    Opener { file: file.into(), secret: Arc::clone(&settings.secret), opened: None }
}

/// Lists a directory. A large directory takes a while, so it is read on a blocking thread.
async fn list(
    settings: &FileServer,
    root: &Path,
    parts: &request::Parts,
    path: &[u8],
    directory: PathBuf,
) -> Response<ResponseBody> {
    let (settings, root, parts, path) = (settings.clone(), root.to_owned(), parts.clone(), path.to_owned());
    let list = move || {
        let is_visible = |file: &Path| !is_hidden(&settings, &root, file) && !is_secret(&settings, file, &Disk);
        browse::list(&directory, &path, &parts, &is_visible)
    };
    tokio::task::spawn_blocking(list).await.unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR, ""))
}

/// Sends the file, or its compressed copy if the client accepts that.
async fn send_precompressed(
    settings: &FileServer,
    file: &Path,
    parts: &request::Parts,
    files: &dyn FileSystem,
) -> Response<ResponseBody> {
    let is_there = |file: &Path| files.kind(file) == Some(FileKind::File) && !is_secret(settings, file, files);
    let siblings = Siblings::find(&settings.precompressed, file, is_there);
    let chosen = siblings.choose(file, &parts.headers);
    let sent = chosen.as_ref().map_or(file, |(sibling, _)| sibling);
    let mut response = send(&opener(settings, sent), parts).await;
    let mut named = HeaderMap::new();
    let media_type = mime_guess::from_path(file).first_or_octet_stream();
    named.extend(HeaderValue::try_from(media_type.essence_str()).ok().map(|value| (header::CONTENT_TYPE, value)));
    name_charset(&mut named);
    let format = chosen.map(|(_, format)| format);
    siblings.describe(response.headers_mut(), format, named.remove(header::CONTENT_TYPE));
    response
}

/// The `Range` field to evaluate. It is ignored if it is repeated or the method is another one (RFC 9110, 14.2).
fn asked_range(parts: &request::Parts) -> Option<&HeaderValue> {
    only(&parts.headers, &header::RANGE).filter(|_| parts.method == Method::GET)
}

/// Whether `If-Range` allows to send parts of the file with this tag. A condition that cannot be checked forbids it,
/// because the client might join pieces of two files. A date cannot be checked: it does not distinguish two versions of
/// the same second.
fn is_wanted_version(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    !headers.contains_key(header::IF_RANGE) || only(headers, &header::IF_RANGE) == Some(tag)
}

/// The value of a field that occurs once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// The head of a response, and the part of the file that is its body.
pub(super) type Served = Response<FileBody>;

/// A file that may be served, unless it is one of the secret ones.
#[derive(Clone)]
struct Opener {
    /// The path; each use opens it again.
    file: Arc<Path>,
    /// The files of the configuration.
    secret: Arc<[PathBuf]>,
    /// The first use need not open it.
    opened: Option<Arc<Opened>>,
}

/// Answers with the file, or with the parts that the client asks for.
async fn send(opener: &Opener, parts: &request::Parts) -> Response<ResponseBody> {
    let conditions = conditions(parts);
    let response = match asked_range(parts) {
        Some(range) => send_range(opener, parts, conditions, range).await,
        None if parts.method == Method::GET => opener.open(&parts.method, conditions).await.map(as_response),
        None => {
            let served = opener.open(&parts.method, conditions).await;
            served.map(|served| served.map(|_| ResponseBody::new(Source::Empty)))
        }
    };
    response.unwrap_or_else(|error| failed(&opener.file, &error))
}

/// Checks the conditions for the whole file first: a part must be of the file that the client knows.
async fn send_range(
    opener: &Opener,
    request: &request::Parts,
    conditions: HeaderMap,
    range: &HeaderValue,
) -> io::Result<Response<ResponseBody>> {
    let whole = opener.open(&Method::GET, conditions.clone()).await?;
    let tag = whole.headers().get(header::ETAG).cloned();
    let length = whole.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    // If the conditions of the request forbid to send a part, they forbid to send the whole file too.
    let (Some(tag), Some(length), StatusCode::OK) = (tag, length, whole.status()) else {
        return Ok(as_response(whole));
    };
    if !is_wanted_version(&request.headers, &tag) {
        return Ok(as_response(whole));
    }
    match ranges::select(range.as_bytes(), length) {
        Selected::Whole => Ok(as_response(whole)),
        Selected::Unsatisfiable => Ok(unsatisfiable(length)),
        Selected::Parts(parts) => match <[_; 1]>::try_from(parts) {
            Ok([part]) => match opener.open_part(&part, &tag).await? {
                response if response.status() == StatusCode::PARTIAL_CONTENT => Ok(as_response(response)),
                // It has just changed.
                _ => opener.again().open(&Method::GET, conditions).await.map(as_response),
            },
            Err(parts) => Ok(several_parts(&opener.again(), whole, tag, parts, length)),
        },
    }
}

/// 416, with the length of the file.
fn unsatisfiable(length: u64) -> Response<ResponseBody> {
    let mut response = plain(StatusCode::RANGE_NOT_SATISFIABLE, "");
    response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(range) = HeaderValue::try_from(format!("bytes */{length}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    response
}

/// Opens one part after the other. A file that has another tag by then has changed, and its part is not sent.
fn part_opener(opener: Opener, tag: HeaderValue) -> OpenPart {
    Box::new(move |part| {
        let (opener, tag) = (opener.clone(), tag.clone());
        Box::pin(async move { opener.open_part(&part, &tag).await })
    })
}

fn several_parts(
    opener: &Opener,
    head: Served,
    tag: HeaderValue,
    parts: Vec<RangeInclusive<u64>>,
    length: u64,
) -> Response<ResponseBody> {
    let (mut head, _) = head.into_parts();
    let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let boundary = random_uuid();
    let body = Multipart::new(
        part_opener(opener.clone(), tag),
        parts,
        length,
        content_type.unwrap_or("application/octet-stream"),
        &boundary,
    );
    head.status = StatusCode::PARTIAL_CONTENT;
    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.bytes_left()));
    if let Ok(content_type) = HeaderValue::try_from(format!("multipart/byteranges; boundary={boundary}")) {
        head.headers.insert(header::CONTENT_TYPE, content_type);
    }
    Response::from_parts(head, ResponseBody::new(Source::Boxed(Box::pin(body))))
}

/// The fields of a request that decide whether a file is sent.
const CONDITIONS: [HeaderName; 4] =
    [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE];

/// The values of these fields.
fn conditions(parts: &request::Parts) -> HeaderMap {
    let mut conditions = HeaderMap::new();
    // Only these, because copying all headers would cost more.
    for name in CONDITIONS {
        for value in parts.headers.get_all(&name) {
            conditions.append(name.clone(), value.clone());
        }
    }
    conditions
}

impl Opener {
    /// The same, which opens the file even the first time.
    fn again(&self) -> Self {
        Self { opened: None, ..self.clone() }
    }

    /// Opens the file for a response to these conditions, and to a range.
    async fn open(&self, method: &Method, conditions: HeaderMap) -> io::Result<Served> {
        let opened = match &self.opened {
            Some(opened) => Arc::clone(opened),
            None => Arc::new(OPEN_FILES.open(&self.file, &self.secret)?),
        };
        let is_plain = conditions.is_empty() && matches!(*method, Method::GET | Method::HEAD);
        let mut head = match &opened.head {
            Some(head) if is_plain => {
                let mut response = Response::new(());
                *response.headers_mut() = HeaderMap::clone(head);
                response
            }
            _ => self.head(&opened, method, conditions).await?,
        };
        name_charset(head.headers_mut());
        if is_plain && opened.head.is_none() && head.status() == StatusCode::OK {
            OPEN_FILES.keep_head(&self.file, &opened, head.headers());
        }
        let length = opened.metadata.len();
        let part = match head.status() {
            StatusCode::OK => 0..length,
            StatusCode::PARTIAL_CONTENT => sent_part(head.headers()).unwrap_or(0..0),
            _ => 0..0,
        };
        Ok(head.map(|()| FileBody::new(Arc::clone(&opened.file), part)))
    }

    /// The head of the response, by `tower-http`. For GET it is asked for that of HEAD, so that it reads no file.
    async fn head(&self, opened: &Arc<Opened>, method: &Method, conditions: HeaderMap) -> io::Result<Response<()>> {
        let mut request = Request::new(());
        *request.method_mut() = if *method == Method::GET { Method::HEAD } else { method.clone() };
        *request.headers_mut() = conditions;
        // The media type comes from this path, all else from the metadata.
        let extension = self.file.extension().and_then(OsStr::to_str).unwrap_or_default();
        *request.uri_mut() =
            format!("/file.{}", paths::encode(extension.as_bytes())).parse().map_err(io::Error::other)?;
        let files = ServeDir::with_backend("", OpenedFile(Arc::clone(opened)));
        let response = files.append_index_html_on_directories(false).try_call(request).await?;
        Ok(response.map(drop))
    }

    /// Opens the file at the start of a part. The status is 206, unless the file no longer has this tag.
    async fn open_part(&self, part: &RangeInclusive<u64>, tag: &HeaderValue) -> io::Result<Served> {
        let mut headers = HeaderMap::with_capacity(2);
        if let Ok(range) = HeaderValue::try_from(format!("bytes={}-{}", part.start(), part.end())) {
            headers.insert(header::RANGE, range);
        }
        headers.insert(header::IF_MATCH, tag.clone());
        self.open(&Method::GET, headers).await
    }
}

/// What `tower-http` may know of a file: its metadata.
#[derive(Clone)]
struct OpenedFile(Arc<Opened>);

impl Backend for OpenedFile {
    type File = TokioFile;
    type Metadata = std::fs::Metadata;
    type OpenFuture = Ready<io::Result<TokioFile>>;
    type MetadataFuture = Ready<io::Result<std::fs::Metadata>>;

    fn open(&self, _path: PathBuf) -> Self::OpenFuture {
        ready(Err(io::ErrorKind::Unsupported.into()))
    }

    fn metadata(&self, _path: PathBuf) -> Self::MetadataFuture {
        ready(Ok(self.0.metadata.clone()))
    }
}

/// The part that a head with `Content-Range` announces.
fn sent_part(headers: &HeaderMap) -> Option<Range<u64>> {
    let range = headers.get(header::CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    let (first, last) = range.split_once('/')?.0.split_once('-')?;
    Some(first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?)
}

/// The response. A small file is read at once.
fn as_response(response: Served) -> Response<ResponseBody> {
    response.map(|body| match body.small() {
        Some(bytes) => ResponseBody::from(bytes),
        None => ResponseBody::new(Source::File(body)),
    })
}

/// A file that is missing is nothing to log; one that cannot be read is.
fn failed(file: &Path, error: &io::Error) -> Response<ResponseBody> {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => plain(StatusCode::NOT_FOUND, ""),
        io::ErrorKind::PermissionDenied => {
            tracing::warn!(file = %file.display(), "opening a static file: {error}; the server's user needs read access");
            plain(StatusCode::FORBIDDEN, "")
        }
        _ => {
            tracing::error!(file = %file.display(), "opening a static file: {error}");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "")
        }
    }
}

/// Text without a charset is read as Latin-1 by some clients; files on disk are UTF-8 today.
fn name_charset(headers: &mut HeaderMap) {
    let Some(value) = headers.get_mut(header::CONTENT_TYPE) else { return };
    // The registered type, which browsers want for modules (RFC 9239).
    let bytes = if value.as_bytes() == b"application/javascript" { b"text/javascript" } else { value.as_bytes() };
    if bytes.starts_with(b"text/") && !bytes.contains(&b';') {
        let with_charset = Bytes::from([bytes, b"; charset=utf-8"].concat());
        if let Ok(with_charset) = HeaderValue::from_maybe_shared(with_charset) {
            *value = with_charset;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_path_below_the_root_is_that_of_its_parts(root in "(/|[.]|a|b){0,6}", rest in "(/|[.]|a|b){0,8}") {
            for file in [format!("{root}{rest}"), format!("{root}/{rest}"), rest] {
                let (root, file) = (Path::new(&root), Path::new(&file));
                let by_parts = file.strip_prefix(root).unwrap_or(file);
                assert!(below_root(root, file).iter().eq(by_parts.iter()), "{root:?} {file:?}");
            }
        }
    }
}
