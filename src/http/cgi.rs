//! Describes a request to PHP (pure): the head and `$_SERVER`.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Uri, Version, header, request};

use super::authority;
use super::connection::ConnectionInfo;
use super::field_name::append_canonical;
use super::params::Params;
use super::routing::Script;
use super::settings::PhpRoute;
use crate::config::PhpSettings;
use crate::exchange::{IniText, Pairs, RequestHead, RequestTimeLimits, SERVER_SOFTWARE, Usage};
use crate::tls::EncryptionFacts;

/// The source of a [`RequestHead`]. It owns everything, because the PHP thread builds the head: memory allocated by one
/// thread and freed by another causes contention on the allocator's lock. For a refused or withdrawn request none is
/// built.
pub(super) struct CgiRequest {
    pub(super) parts: request::Parts,
    /// The client's URI, if routes have changed it.
    pub(super) original_uri: Option<Uri>,
    /// The document root, if it differs between requests of the block.
    pub(super) changed_root: Option<PathBuf>,
    /// For the addresses, the ports and the scheme.
    pub(super) connection: ConnectionInfo,
    /// The requested host, without port; empty if there is none.
    pub(super) host: String,
    /// The length of the body in bytes; `None` if it is streamed and the client sent no length.
    pub(super) body_length: Option<u64>,
    /// The file that runs, and its place in the URL.
    pub(super) script: Script,
    /// The variables of the block whose values depend on the request.
    pub(super) own_env: Vec<(String, String)>,
    /// The settings of the block.
    pub(super) php: Arc<PhpRoute>,
    /// Where the PHP thread notes what the request has used, if the access log shows it.
    pub(super) usage: Option<Arc<Usage>>,
}

impl CgiRequest {
    /// The path and query that the client sent.
    fn requested_uri(&self) -> &str {
        match &self.original_uri {
            Some(uri) => uri.path_and_query().map_or("/", |path| path.as_str()),
            None => authority::requested_uri(&self.parts),
        }
    }

    /// The document root of this request.
    fn root(&self) -> &[u8] {
        let root = self.changed_root.as_deref().or_else(|| self.php.settings.root.fixed()).unwrap_or(Path::new("/"));
        root.as_os_str().as_bytes()
    }
}

/// Builds the head of a request for PHP, without its variables and headers.
pub(super) fn request_head(request: &CgiRequest) -> RequestHead {
    let CgiRequest { parts, script, .. } = request;
    let headers = &parts.headers;
    // The parameters from a web server in front are used unchanged.
    let params = parts.extensions.get().map(|Params(params)| params);
    let query = params.map(|params| params.get(b"QUERY_STRING").unwrap_or_default());
    RequestHead {
        script: c_string(script.file.as_os_str().as_bytes()),
        method: c_string(parts.method.as_str().as_bytes()),
        uri: c_string(request.requested_uri().as_bytes()),
        query: c_string(query.unwrap_or_else(|| parts.uri.query().unwrap_or_default().as_bytes())),
        content_type: headers.get(header::CONTENT_TYPE).map(|value| c_string(value.as_bytes())),
        content_length: request.body_length.map_or(-1, |length| i64::try_from(length).unwrap_or(i64::MAX)),
        cookie: headers.contains_key(header::COOKIE).then(|| cookie(headers)),
        authorization: headers.get(header::AUTHORIZATION).map(|value| c_string(value.as_bytes())),
        protocol: protocol_number(parts.version),
        environment: request.php.environment.clone(),
        command: None,
        time_limits: time_limits(&request.php.settings),
        block_ini: request.php.ini.clone(),
        own_ini: params.and_then(own_ini).map(Box::new),
        trace: parts.extensions.get().copied(),
        ..RequestHead::default()
    }
}

fn time_limits(settings: &PhpSettings) -> RequestTimeLimits {
    RequestTimeLimits {
        slow: settings.request_slowlog_timeout,
        trace_depth: u32::try_from(settings.request_slowlog_trace_depth).unwrap_or(u32::MAX),
        terminate: settings.request_terminate_timeout,
    }
}

/// The php.ini settings that a web server has sent as parameters, as php-fpm takes them.
fn own_ini(params: &Pairs) -> Option<IniText> {
    let (values, admin) = (params.get(b"PHP_VALUE"), params.get(b"PHP_ADMIN_VALUE"));
    let text = |value: Option<&[u8]>| c_string(value.unwrap_or_default());
    values.or(admin).map(|_| IniText { values: text(values), admin: text(admin) })
}

/// The facts for the variables of a script, in this process or in another.
pub(super) struct CgiFacts<'r> {
    pub(super) parts: &'r request::Parts,
    pub(super) connection: &'r ConnectionInfo,
    /// The requested host, without port; empty if there is none.
    pub(super) host: &'r str,
    /// The document root.
    pub(super) root: &'r [u8],
    /// The path and query that the client sent.
    pub(super) uri: &'r str,
    /// The length of the body in bytes, if it is known before it is read.
    pub(super) body_length: Option<u64>,
    pub(super) script: &'r Script,
}

/// The size of `$_SERVER` in a typical request. If there is more, it just grows.
pub(super) const SERVER_VARS_BYTES: usize = 2048;

/// The variables that do not come from headers.
pub(super) const OWN_VARS: usize = 29;

/// `$_SERVER`, in the order in which `phpinfo()` will show it.
pub(super) fn server_vars(request: &CgiRequest) -> Pairs {
    let CgiRequest { parts, php, .. } = request;
    // The parameters from a web server in front are used unchanged.
    if let Some(Params(params)) = parts.extensions.get() {
        return params.clone();
    }
    let count = OWN_VARS + parts.headers.keys_len() + php.settings.env.len() + request.own_env.len();
    let mut vars = Pairs::with_capacity(count, SERVER_VARS_BYTES);
    push_vars(
        &mut vars,
        &CgiFacts {
            parts,
            connection: &request.connection,
            host: &request.host,
            root: request.root(),
            uri: request.requested_uri(),
            body_length: request.body_length,
            script: &request.script,
        },
    );
    for (name, value) in php.settings.env.iter().chain(&request.own_env) {
        vars.set(until_nul(name.as_bytes()), value.as_bytes());
    }
    vars
}

/// The variables of a request, without those that the configuration sets.
pub(super) fn push_vars(vars: &mut Pairs, facts: &CgiFacts<'_>) {
    push_headers(vars, &facts.parts.headers);
    push_cgi(vars, facts);
    push_for_php(vars, facts);
}

/// CGI/1.1 (RFC 3875, 4.1).
fn push_cgi(vars: &mut Pairs, facts: &CgiFacts<'_>) {
    let CgiFacts { parts, connection, script, .. } = facts;
    // The revision of the CGI specification.
    vars.push(b"GATEWAY_INTERFACE", b"CGI/1.1");
    // The product that answers.
    vars.push(b"SERVER_SOFTWARE", SERVER_SOFTWARE.as_bytes());
    // The protocol and version of the request.
    vars.push(b"SERVER_PROTOCOL", protocol_name(parts.version).as_bytes());
    // The requested host; if there is none, the address that the client connected to.
    if facts.host.is_empty() {
        vars.push(b"SERVER_NAME", connection.local.ip().to_canonical().to_string().as_bytes());
    } else {
        vars.push(b"SERVER_NAME", facts.host.as_bytes());
    }
    // The port on which the request was received.
    vars.push(b"SERVER_PORT", connection.local_port().to_string().as_bytes());
    // The request's method.
    vars.push(b"REQUEST_METHOD", parts.method.as_str().as_bytes());
    // The encoded text after the `?`; present even if empty.
    vars.push(b"QUERY_STRING", parts.uri.query().unwrap_or_default().as_bytes());
    // The address of the connection's peer.
    let remote_address = connection.remote.ip().to_canonical().to_string();
    vars.push(b"REMOTE_ADDR", remote_address.as_bytes());
    // The client's name. Names are not looked up, so it is the address, as RFC 3875 allows.
    vars.push(b"REMOTE_HOST", remote_address.as_bytes());
    // The path of the script in the URL, without the path info.
    vars.push(b"SCRIPT_NAME", &script.name);
    // The part of the URL's path after the script, decoded.
    vars.push(b"PATH_INFO", &script.path_info);
    if !script.path_info.is_empty() {
        // The path info, interpreted as a path below the root.
        push_joined(vars, b"PATH_TRANSLATED", facts.root, &script.path_info);
    }
    // The media type of the body; empty if the client sent none.
    vars.push(b"CONTENT_TYPE", parts.headers.get(header::CONTENT_TYPE).map_or(b"", HeaderValue::as_bytes));
    push_content_length(vars, &parts.headers, facts.body_length);
}

/// The length of the body; empty if there is no body, or if it is streamed and the client sent no length.
fn push_content_length(vars: &mut Pairs, headers: &HeaderMap, body_length: Option<u64>) {
    match (headers.get(header::CONTENT_LENGTH), body_length) {
        (Some(value), _) => vars.push(b"CONTENT_LENGTH", value.as_bytes()),
        (None, Some(length)) if headers.contains_key(header::TRANSFER_ENCODING) => {
            vars.push(b"CONTENT_LENGTH", length.to_string().as_bytes());
        }
        _ => vars.push(b"CONTENT_LENGTH", b""),
    }
}

/// Variables that web servers add for PHP.
fn push_for_php(vars: &mut Pairs, facts: &CgiFacts<'_>) {
    let CgiFacts { parts, connection, script, .. } = facts;
    // The root of the site.
    vars.push(b"DOCUMENT_ROOT", facts.root);
    // The file that runs.
    vars.push(b"SCRIPT_FILENAME", script.file.as_os_str().as_bytes());
    // The path of the script in the URL, like `SCRIPT_NAME`: some applications use this name.
    vars.push(b"DOCUMENT_URI", &script.name);
    // Script and path info together.
    push_joined(vars, b"PHP_SELF", &script.name, &script.path_info);
    // The path and query as the client sent them, still encoded.
    vars.push(b"REQUEST_URI", facts.uri.as_bytes());
    // `http` or `https`.
    vars.push(b"REQUEST_SCHEME", connection.scheme().as_bytes());
    // `on` over TLS; absent otherwise, because scripts only check whether it is set.
    if connection.tls {
        vars.push(b"HTTPS", b"on");
    }
    // The version and the cipher suite, as Apache names them.
    if let Some(facts) = parts.extensions.get::<Arc<EncryptionFacts>>() {
        let version = facts.value("version").unwrap_or_default().replacen("tls", "TLSv", 1);
        vars.push(b"SSL_PROTOCOL", version.as_bytes());
        vars.push(b"SSL_CIPHER", facts.value("cipher_suite").unwrap_or_default().as_bytes());
    }
    // The address that the client connected to.
    vars.push(b"SERVER_ADDR", connection.local.ip().to_canonical().to_string().as_bytes());
    // The client's port.
    vars.push(b"REMOTE_PORT", connection.remote.port().to_string().as_bytes());
}

/// Whether PHP and a web server in front see the same name.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// `HTTP_*`: one for each field; several lines of one field are joined. Left out are the two fields with their own
/// variables; and `Proxy`, because `HTTP_PROXY` configures HTTP clients (httpoxy, CVE-2016-5385). So are names with an
/// underscore, or with a byte that PHP replaces by an underscore in variable names, such as the dot. By them a client
/// could forge a field that a proxy in front has filtered or set.
fn push_headers(vars: &mut Pairs, headers: &HeaderMap) {
    for name in headers.keys() {
        let text = name.as_str();
        if *name == header::CONTENT_TYPE || *name == header::CONTENT_LENGTH || text == "proxy" || !is_plain(text) {
            continue;
        }
        vars.push_built(
            |key| {
                key.extend_from_slice(b"HTTP_");
                key.extend(text.bytes().map(|byte| if byte == b'-' { b'_' } else { byte.to_ascii_uppercase() }));
            },
            |value| append_values(value, headers, name),
        );
    }
}

/// What `getallheaders()` returns.
pub(super) fn request_headers(request: &CgiRequest) -> Pairs {
    let headers = &request.parts.headers;
    let bytes = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let mut pairs = Pairs::with_capacity(headers.keys_len(), bytes);
    for name in headers.keys() {
        pairs.push_built(|bytes| append_canonical(bytes, name), |value| append_values(value, headers, name));
    }
    pairs
}

/// Without an allocation for the joined value.
fn push_joined(vars: &mut Pairs, name: &[u8], first: &[u8], second: &[u8]) {
    vars.push_built(
        |key| key.extend_from_slice(name),
        |value| {
            value.extend_from_slice(first);
            value.extend_from_slice(second);
        },
    );
}

/// All values of a field, joined: cookies as in RFC 6265, others as RFC 9110 (5.3) allows.
fn append_values(to: &mut Vec<u8>, headers: &HeaderMap, name: &HeaderName) {
    let separator: &[u8] = if *name == header::COOKIE { b"; " } else { b", " };
    for (index, value) in headers.get_all(name).iter().enumerate() {
        if index > 0 {
            to.extend_from_slice(separator);
        }
        to.extend_from_slice(value.as_bytes());
    }
}

/// Several `Cookie` fields are joined by `; `, as RFC 6265 writes them.
fn cookie(headers: &HeaderMap) -> CString {
    let mut value = Vec::new();
    append_values(&mut value, headers, &header::COOKIE);
    c_string(&value)
}

/// The protocol's name in `SERVER_PROTOCOL` and in access logs.
pub fn protocol_name(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

/// The version of HTTP, times 1000, as PHP's SAPI has it.
fn protocol_number(version: Version) -> i32 {
    match version {
        Version::HTTP_09 => 900,
        Version::HTTP_10 => 1000,
        Version::HTTP_2 => 2000,
        Version::HTTP_3 => 3000,
        _ => 1001,
    }
}

/// The bytes up to a NUL. Header values and normalized paths contain none; settings from outside might.
fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// Up to the first NUL, because PHP reads it as a C string.
fn c_string(bytes: &[u8]) -> CString {
    CString::new(until_nul(bytes)).unwrap_or_default()
}
