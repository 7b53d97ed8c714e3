//! The description of a request for PHP.

use std::collections::BTreeMap;
use std::path::PathBuf;

use http::{Request, Version, request};

use super::*;
use crate::exchange::RequestHead;
use crate::http::cgi::{self, CgiRequest};
use crate::http::connection::ConnectionInfo;
use crate::http::routing::Script;

fn parts(builder: request::Builder) -> request::Parts {
    builder.body(()).expect("a valid request").into_parts().0
}

struct Fixture {
    tls: bool,
    path_info: &'static str,
    remote: &'static str,
    body_length: Option<u64>,
    env: Vec<(String, String)>,
}

impl Default for Fixture {
    fn default() -> Self {
        Self { tls: false, path_info: "", remote: "192.0.2.7:5000", body_length: Some(0), env: Vec::new() }
    }
}

impl Fixture {
    fn head(&self, builder: request::Builder) -> RequestHead {
        let script = Script {
            file: PathBuf::from("/site/index.php"),
            name: b"/index.php".to_vec(),
            path_info: self.path_info.as_bytes().to_vec(),
            worker: None,
        };
        let connection = ConnectionInfo {
            remote: self.remote.parse().expect("an address"),
            local: "198.51.100.1:8080".parse().expect("an address"),
            tls: self.tls,
        };
        let queue = RequestQueue::new(FakeThreads::without_threads(1).0, None);
        let php = with_settings(Path::new("/site"), &queue, |settings| settings.env.clone_from(&self.env));
        let request = CgiRequest {
            original_uri: None,
            changed_root: None,
            parts: parts(builder),
            connection,
            host: "example.com".to_owned(),
            body_length: self.body_length,
            script,
            own_env: Vec::new(),
            php: Arc::new(php),
            usage: None,
        };
        RequestHead {
            server_vars: cgi::server_vars(&request),
            headers: cgi::request_headers(&request),
            ..cgi::request_head(&request)
        }
    }

    fn vars(&self, builder: request::Builder) -> BTreeMap<String, String> {
        let head = self.head(builder);
        let count = head.server_vars.len();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let vars: BTreeMap<_, _> = head.server_vars.iter().map(|(name, value)| (text(name), text(value))).collect();
        assert_eq!(vars.len(), count, "no key twice");
        vars
    }
}

fn assert_vars(vars: &BTreeMap<String, String>, expected: &[(&str, Option<&str>)]) {
    for &(name, value) in expected {
        assert_eq!(vars.get(name).map(String::as_str), value, "{name}");
    }
}

#[test]
fn the_usual_variables() {
    let builder = Request::post("/a%20b?c=d%20e")
        .header("host", "example.com:8080")
        .header("content-type", "text/plain")
        .header("content-length", "12");
    let vars = Fixture { path_info: "/info", ..Fixture::default() }.vars(builder);
    assert_vars(
        &vars,
        &[
            ("GATEWAY_INTERFACE", Some("CGI/1.1")),
            ("SERVER_PROTOCOL", Some("HTTP/1.1")),
            ("SERVER_NAME", Some("example.com")),
            ("SERVER_PORT", Some("8080")),
            ("SERVER_ADDR", Some("198.51.100.1")),
            ("REMOTE_ADDR", Some("192.0.2.7")),
            ("REMOTE_HOST", Some("192.0.2.7")),
            ("REMOTE_PORT", Some("5000")),
            ("REQUEST_METHOD", Some("POST")),
            ("REQUEST_URI", Some("/a%20b?c=d%20e")),
            ("QUERY_STRING", Some("c=d%20e")),
            ("REQUEST_SCHEME", Some("http")),
            ("HTTPS", None),
            ("SCRIPT_NAME", Some("/index.php")),
            ("SCRIPT_FILENAME", Some("/site/index.php")),
            ("DOCUMENT_ROOT", Some("/site")),
            ("PATH_INFO", Some("/info")),
            ("PATH_TRANSLATED", Some("/site/info")),
            ("PHP_SELF", Some("/index.php/info")),
            ("CONTENT_TYPE", Some("text/plain")),
            ("CONTENT_LENGTH", Some("12")),
            ("HTTP_HOST", Some("example.com:8080")),
            ("HTTP_CONTENT_TYPE", None),
            ("HTTP_CONTENT_LENGTH", None),
        ],
    );
    assert!(vars["SERVER_SOFTWARE"].starts_with("Igor/"));
}

#[test]
fn variables_that_depend_on_the_request() {
    let vars = Fixture { tls: true, ..Fixture::default() }.vars(Request::get("/").version(Version::HTTP_10));
    assert_vars(
        &vars,
        &[
            ("HTTPS", Some("on")),
            ("REQUEST_SCHEME", Some("https")),
            ("SERVER_PROTOCOL", Some("HTTP/1.0")),
            ("QUERY_STRING", Some("")),
            ("PATH_INFO", Some("")),
            ("PATH_TRANSLATED", None),
            ("CONTENT_TYPE", Some("")),
            ("CONTENT_LENGTH", Some("")),
            ("DOCUMENT_URI", Some("/index.php")),
        ],
    );
    let vars =
        Fixture { remote: "[::ffff:192.0.2.7]:1", ..Fixture::default() }.vars(Request::get("http://example.com/x?y"));
    assert_vars(&vars, &[("REMOTE_ADDR", Some("192.0.2.7")), ("REQUEST_URI", Some("/x?y"))]);
}

#[test]
fn headers_become_variables_unless_they_lie() {
    let builder = Request::get("/")
        .header("x-two", "a")
        .header("x-two", "b")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("proxy", "evil.test:3128")
        .header("x_forwarded_for", "203.0.113.1")
        .header("x.real.ip", "203.0.113.2")
        .header("x-user~name", "admin")
        .header("authorization", "Basic YTpi")
        .header("x-latin", &b"caf\xe9"[..]);
    let head = Fixture::default().head(builder);
    assert_eq!(head.cookie.as_deref(), Some(c"a=1; b=2"));
    assert_eq!(head.authorization.as_deref(), Some(c"Basic YTpi"));
    for (name, value) in [
        ("HTTP_X_TWO", Some(b"a, b".as_slice())),
        ("HTTP_COOKIE", Some(b"a=1; b=2")),
        ("HTTP_PROXY", None),
        ("HTTP_X_FORWARDED_FOR", None),
        ("HTTP_AUTHORIZATION", Some(b"Basic YTpi")),
        ("HTTP_X_LATIN", Some(b"caf\xe9")),
    ] {
        assert_eq!(head.server_vars.get(name.as_bytes()), value, "{name}");
    }
    // `getallheaders()` sees what was sent, under canonical names.
    assert_eq!(head.headers.get(b"X-Two"), Some(b"a, b".as_slice()));
    assert_eq!(head.headers.get(b"X_forwarded_for"), Some(b"203.0.113.1".as_slice()));
    assert_eq!(head.headers.get(b"X.real.ip"), Some(b"203.0.113.2".as_slice()));
    // No variable comes from these fields, however their names are converted.
    for (name, value) in head.server_vars.iter() {
        assert!(!value.starts_with(b"203.0.113.") && value != b"admin", "{}", String::from_utf8_lossy(name));
    }
}

#[test]
fn the_environment_of_the_block_comes_last_and_wins() {
    let env = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let env = vec![
        env("APP_ENV", "prod"),
        env("SERVER_NAME", "public.example"),
        env("A", "1"),
        env("A", "2"),
        env("N\0X", "3"),
    ];
    let vars = Fixture { env, ..Fixture::default() }.vars(Request::get("/"));
    assert_vars(
        &vars,
        &[("APP_ENV", Some("prod")), ("SERVER_NAME", Some("public.example")), ("A", Some("2")), ("N", Some("3"))],
    );
}

#[test]
fn what_the_engine_is_told() {
    let head = Fixture { body_length: Some(7), ..Fixture::default() }
        .head(Request::put("/x?y").header("content-length", "7").header("content-type", "a/b"));
    assert_eq!(
        (head.script.as_c_str(), head.method.as_c_str(), head.uri.as_c_str()),
        (c"/site/index.php", c"PUT", c"/x?y")
    );
    assert_eq!((head.query.as_c_str(), head.content_type.as_deref()), (c"y", Some(c"a/b")));
    assert_eq!((head.content_length, head.protocol), (7, 1001));
    assert_eq!((head.cookie, head.authorization), (None, None));
}
