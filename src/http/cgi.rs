//! A request as PHP sees it (pure): the head and `$_SERVER`.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, Version, header, request};

use super::routing::Script;
use super::service::{ConnectionInfo, PhpSettings};
use crate::exchange::{RequestHead, ServerVar};

/// `SERVER_SOFTWARE`. WordPress chooses its rewrite rules by the word in brackets.
const SERVER_SOFTWARE: &str = concat!("Igor/", env!("CARGO_PKG_VERSION"), " (FrankenPHP)");

/// What a [`RequestHead`] is made of. It owns everything, because the head is made on the PHP thread: it is many small
/// pieces of memory, and memory that one thread allocates and another frees makes the two fight for the allocator's
/// lock. A request that is refused or withdrawn never gets one.
pub(super) struct CgiRequest {
    pub(super) parts: request::Parts,
    pub(super) connection: ConnectionInfo,
    /// The host that the client asked for, without port; empty when it named none.
    pub(super) host: String,
    /// Whether the request has a body whose length the client did not say.
    pub(super) is_chunked: bool,
    pub(super) script: Script,
    pub(super) settings: Arc<PhpSettings>,
}

/// Makes the head of a request for PHP.
pub(super) fn request_head(request: &CgiRequest) -> RequestHead {
    let CgiRequest { parts, script, .. } = request;
    let headers = &parts.headers;
    RequestHead {
        script: c_string(script.file.as_os_str().as_bytes()),
        method: c_string(parts.method.as_str().as_bytes()),
        uri: c_string(request_uri(parts).as_bytes()),
        query: c_string(parts.uri.query().unwrap_or_default().as_bytes()),
        content_type: headers.get(header::CONTENT_TYPE).map(|value| c_string(value.as_bytes())),
        content_length: if request.is_chunked { -1 } else { content_length(headers).unwrap_or(0) },
        cookie: joined(headers, &header::COOKIE).map(|value| c_string(&value)),
        authorization: headers.get(header::AUTHORIZATION).map(|value| c_string(value.as_bytes())),
        protocol: protocol_number(parts.version),
        server_vars: server_vars(request),
        headers: headers
            .keys()
            .filter_map(|name| Some((c_string(name.as_str().as_bytes()), joined(headers, name)?)))
            .collect(),
        command: None,
    }
}

/// `$_SERVER`, in the order in which `phpinfo()` will show it.
fn server_vars(request: &CgiRequest) -> Vec<ServerVar> {
    let CgiRequest { parts, connection, script, settings, .. } = request;
    let root = &settings.root;
    let mut vars = Vars(Vec::with_capacity(28 + parts.headers.len() + settings.env.len()));
    vars.push_headers(&parts.headers);

    // CGI/1.1 (RFC 3875, 4.1)

    // The revision of the CGI specification.
    vars.push(c"GATEWAY_INTERFACE", "CGI/1.1");
    // The product that answers.
    vars.push(c"SERVER_SOFTWARE", SERVER_SOFTWARE);
    // The protocol and version of the request.
    vars.push(c"SERVER_PROTOCOL", protocol_name(parts.version));
    // The host that the client asked for; the address it connected to if it named none.
    if request.host.is_empty() {
        vars.push(c"SERVER_NAME", connection.local.ip().to_canonical().to_string());
    } else {
        vars.push(c"SERVER_NAME", request.host.as_str());
    }
    // The port on which the request was received.
    vars.push(c"SERVER_PORT", server_port(request).to_string());
    // The request's method.
    vars.push(c"REQUEST_METHOD", parts.method.as_str());
    // What follows the `?`, still encoded; present when empty, too.
    vars.push(c"QUERY_STRING", parts.uri.query().unwrap_or_default());
    // The client's address, as the connection shows it.
    let remote_address = connection.remote.ip().to_canonical().to_string();
    vars.push(c"REMOTE_ADDR", remote_address.as_str());
    // The client's name. Names are not looked up, so it is the address, as RFC 3875 allows.
    vars.push(c"REMOTE_HOST", remote_address);
    // The path of the script in the URL, without what follows it.
    vars.push(c"SCRIPT_NAME", script.name.as_slice());
    if !script.path_info.is_empty() {
        // What follows the script in the URL, decoded; absent when nothing does.
        vars.push(c"PATH_INFO", script.path_info.as_slice());
        // The path info as if it were a path below the root.
        vars.push(c"PATH_TRANSLATED", [root.as_os_str().as_bytes(), &script.path_info].concat());
    }
    // The media type of the body, when the client named one.
    if let Some(value) = parts.headers.get(header::CONTENT_TYPE) {
        vars.push(c"CONTENT_TYPE", value.as_bytes());
    }
    // The length of the body, when the client named it.
    if let Some(value) = parts.headers.get(header::CONTENT_LENGTH) {
        vars.push(c"CONTENT_LENGTH", value.as_bytes());
    }

    // What web servers add for PHP

    // The root of the site.
    vars.push(c"DOCUMENT_ROOT", root.as_os_str().as_bytes());
    // The file that runs.
    vars.push(c"SCRIPT_FILENAME", script.file.as_os_str().as_bytes());
    // Script and path info together.
    vars.push(c"PHP_SELF", [script.name.as_slice(), &script.path_info].concat());
    // The path and query as the client sent them, still encoded.
    vars.push(c"REQUEST_URI", request_uri(parts));
    // `http` or `https`.
    vars.push(c"REQUEST_SCHEME", if connection.tls { "https" } else { "http" });
    // `on` over TLS; absent otherwise, because scripts only look whether it is there.
    if connection.tls {
        vars.push(c"HTTPS", "on");
    }
    // The address that the client connected to.
    vars.push(c"SERVER_ADDR", connection.local.ip().to_canonical().to_string());
    // The client's port.
    vars.push(c"REMOTE_PORT", connection.remote.port().to_string());

    for (name, value) in &settings.env {
        vars.set(c_string(name.as_bytes()), value.as_bytes());
    }
    vars.0
}

struct Vars(Vec<ServerVar>);

impl Vars {
    fn push(&mut self, name: &CStr, value: impl Into<Vec<u8>>) {
        self.0.push(ServerVar { name: name.to_owned(), value: value.into() });
    }

    fn set(&mut self, name: CString, value: &[u8]) {
        match self.0.iter_mut().find(|var| var.name == name) {
            Some(var) => var.value = value.to_vec(),
            None => self.0.push(ServerVar { name, value: value.to_vec() }),
        }
    }

    /// `HTTP_*`: one for each field, several lines of one field joined. Left out are the two that have a name of their
    /// own; `Proxy`, because `HTTP_PROXY` configures HTTP clients (httpoxy, CVE-2016-5385); and names with an
    /// underscore, with which a client could pass for a field that a proxy before us has filtered or set.
    fn push_headers(&mut self, headers: &HeaderMap) {
        for name in headers.keys() {
            let text = name.as_str();
            if *name == header::CONTENT_TYPE || *name == header::CONTENT_LENGTH || text == "proxy" || text.contains('_')
            {
                continue;
            }
            let Some(value) = joined(headers, name) else { continue };
            let mut key = Vec::with_capacity("HTTP_".len() + text.len() + 1);
            key.extend_from_slice(b"HTTP_");
            key.extend(text.bytes().map(|byte| if byte == b'-' { b'_' } else { byte.to_ascii_uppercase() }));
            self.0.push(ServerVar { name: c_string(&key), value });
        }
    }
}

/// All values of a field as one: cookies joined as RFC 6265 writes them, others as RFC 9110 (5.3) allows.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    let separator: &[u8] = if *name == header::COOKIE { b"; " } else { b", " };
    let mut values = headers.get_all(name).iter();
    let mut value = values.next()?.as_bytes().to_vec();
    for more in values {
        value.extend_from_slice(separator);
        value.extend_from_slice(more.as_bytes());
    }
    Some(value)
}

fn content_length(headers: &HeaderMap) -> Option<i64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The path and query; for a proxy-style request (`GET http://host/path`) without scheme and host.
fn request_uri(parts: &request::Parts) -> &str {
    parts.uri.path_and_query().map_or("/", |path| path.as_str())
}

fn server_port(request: &CgiRequest) -> u16 {
    match request.connection.local.port() {
        0 if request.connection.tls => 443,
        0 => 80,
        port => port,
    }
}

fn protocol_name(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

fn protocol_number(version: Version) -> i32 {
    match version {
        Version::HTTP_09 => 900,
        Version::HTTP_10 => 1000,
        Version::HTTP_2 => 2000,
        Version::HTTP_3 => 3000,
        _ => 1001,
    }
}

/// The bytes up to a NUL. Header values and normalized paths hold none; settings from outside might.
fn c_string(bytes: &[u8]) -> CString {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    CString::new(&bytes[..end]).unwrap_or_default()
}
