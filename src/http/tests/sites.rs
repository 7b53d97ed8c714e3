//! Handlers other than PHP, and which of them answers.

use http::{HeaderName, HeaderValue};

use super::*;
use crate::http::matcher::{HeaderMatch, HeaderPattern};
use crate::http::service::HeaderOp;

/// A server for `sites`, whose PHP prints what it runs.
fn server(make_sites: impl FnOnce(&Path, &Arc<Queue>) -> Vec<SiteSettings>) -> Server {
    let root = document_root();
    let gate = FakeGate::start(8, 1, |exchange| {
        let _ = respond(exchange, 200, &["X-From: php", "Content-Type: text/plain"]);
        let script = exchange.head().script.to_string_lossy().into_owned();
        let _ = exchange.write(format!("php {script}").as_bytes());
    });
    let queue = Queue::new(gate, None);
    let sites = make_sites(root.path(), &queue);
    Server::with(root, queue, sites)
}

fn text(body: &str) -> Handler {
    Handler::Respond { status: 200, body: body.to_owned() }
}

fn on_path(pattern: &str, handler: Handler) -> Route {
    Route { matcher: Matcher { paths: vec![pattern.to_owned()], ..Matcher::default() }, handler }
}

fn name(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

fn value(value: &'static str) -> HeaderValue {
    HeaderValue::from_static(value)
}

#[test]
fn handlers_are_tried_in_the_order_of_directives() {
    let server = server(|root, queue| {
        vec![site(
            &[],
            vec![
                route(Handler::Php(php_settings(root, queue))),
                on_path("/said/*", text("said {path} {host} {nothing}")),
                on_path("/said/more/*", text("more")),
                on_path("/said/moved", Handler::Redir { to: "{scheme}://new.test{uri}".to_owned(), status: 302 }),
                route(Handler::Headers(vec![
                    HeaderOp::Set(name("x-set"), value("1")),
                    HeaderOp::Add(name("x-set"), value("2")),
                    HeaderOp::Delete(name("x-from")),
                    HeaderOp::Default(name("content-type"), value("text/other")),
                    HeaderOp::Default(name("x-default"), value("3")),
                ])),
            ],
        )]
    });
    let answer = server.get("/said/x?y");
    assert_eq!(answer.text(), "said /said/x localhost {nothing}");
    assert_eq!(server.get("/said/more/x").text(), "more");
    let answer = server.get("/said/moved?a=b");
    assert_eq!((answer.status, answer.header("location")), (302, Some("http://new.test/said/moved?a=b")));
    let answer = server.get("/else");
    assert!(answer.text().starts_with("php "), "{}", answer.text());
    let set: Vec<&str> =
        answer.headers.iter().filter(|(name, _)| name == "x-set").map(|(_, value)| value.as_str()).collect();
    assert_eq!(set, ["1", "2"]);
    assert_eq!(answer.header("x-from"), None);
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert_eq!(answer.header("x-default"), Some("3"));
}

#[test]
fn sites_are_chosen_by_host() {
    let server = server(|_, _| {
        vec![site(&["a.test"], vec![route(text("a"))]), site(&["*.wild.test"], vec![on_path("/w", text("wild"))])]
    });
    for (host, path, status, body) in [
        ("a.test", "/", 200, "a"),
        ("A.TEST:81", "/", 200, "a"),
        ("x.wild.test", "/w", 200, "wild"),
        ("x.wild.test", "/", 404, ""),
    ] {
        let mut client = server.client();
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let answer = client.answer();
        assert_eq!((answer.status, answer.text()), (status, body), "{host}{path}");
    }
    assert_eq!(server.get("/").status, 404, "no site for localhost");
}

#[test]
fn matchers() {
    let header = |header: &'static str, pattern: &str| HeaderMatch {
        name: name(header),
        value: HeaderPattern::Value(pattern.to_owned()),
    };
    let absent = |header: &'static str| HeaderMatch { name: name(header), value: HeaderPattern::Absent };
    let methods = Matcher { methods: vec!["POST".to_owned(), "PUT".to_owned()], ..Matcher::default() };
    let hosts = Matcher { hosts: vec!["*.test".to_owned()], ..Matcher::default() };
    let headers = |headers: Vec<HeaderMatch>| Matcher { headers, ..Matcher::default() };
    let not = |not: Vec<Matcher>| Matcher { not, ..Matcher::default() };
    let cases: &[(Matcher, bool, &str)] = &[
        (Matcher::default(), true, "nothing asked"),
        (methods.clone(), true, "one of the methods"),
        (Matcher { methods: vec!["GET".to_owned()], ..Matcher::default() }, false, "another method"),
        (hosts.clone(), true, "host"),
        (Matcher { paths: vec!["/b".to_owned(), "/a*".to_owned()], ..Matcher::default() }, true, "one of the paths"),
        (
            Matcher { paths: vec!["/a*".to_owned()], hosts: vec!["other".to_owned()], ..Matcher::default() },
            false,
            "all kinds",
        ),
        (headers(vec![header("x-a", "*")]), true, "any value"),
        (headers(vec![header("x-a", "b"), header("x-a", "on*")]), true, "one of the values"),
        (headers(vec![header("x-a", "one"), header("x-b", "*")]), false, "all fields"),
        (headers(vec![absent("x-b"), header("x-a", "two")]), true, "absent, and a second line"),
        (headers(vec![absent("x-a")]), false, "present"),
        (not(vec![methods.clone()]), false, "not"),
        (not(vec![headers(vec![header("x-b", "*")])]), true, "not what is not"),
    ];
    let (parts, ()) =
        http::Request::post("/abc").header("x-a", "one").header("x-a", "two").body(()).expect("valid").into_parts();
    let subject = crate::http::matcher::Subject {
        path: b"/abc",
        method: &parts.method,
        host: "www.test",
        headers: &parts.headers,
    };
    for (matcher, expected, what) in cases {
        assert_eq!(matcher.matches(&subject), *expected, "{what}");
    }
}

/// A site of static files beside its PHP.
fn static_site() -> Server {
    server(|root, queue| {
        std::fs::write(root.join("page.html"), "<p>hello</p>").expect("a file");
        std::fs::write(root.join("data.bin"), (0..=255).collect::<Vec<u8>>()).expect("a file");
        std::fs::write(root.join("secret.txt"), "secret").expect("a file");
        std::fs::write(root.join("a b.txt"), "blank").expect("a file");
        std::fs::create_dir(root.join("docs")).expect("a directory");
        std::fs::write(root.join("docs/index.html"), "docs").expect("a file");
        std::fs::write(root.join("docs/tool.PHP"), "<?php secret").expect("a file");
        std::fs::create_dir(root.join("app")).expect("a directory");
        std::fs::write(root.join("app/index.php"), "<?php").expect("a file");
        let files = FileSettings { hide: vec!["secret*".to_owned()], ..file_settings(root) };
        let php = PhpSettings { files: Some(files.clone()), ..php_settings(root, queue) };
        vec![site(&["files.test"], vec![route(Handler::Files(files))]), site(&[], vec![route(Handler::Php(php))])]
    })
}

fn ask(server: &Server, method: &str, host: &str, path: &str, header: &str) -> Answer {
    let mut client = server.client();
    client.send(&format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{header}\r\n"));
    client.answer_to(method).expect("a response")
}

#[test]
fn static_files_know_ranges_and_validators() {
    let server = static_site();
    let get = |path: &str, header: &str| ask(&server, "GET", "a", path, header);
    let page = get("/page.html", "");
    assert_eq!((page.status, page.text()), (200, "<p>hello</p>"));
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let etag = page.header("etag").expect("a validator").to_owned();
    let modified = page.header("last-modified").expect("a date").to_owned();
    assert_eq!(get("/page.html", &format!("If-None-Match: {etag}\r\n")).status, 304);
    assert_eq!(get("/page.html", &format!("If-Modified-Since: {modified}\r\n")).status, 304);
    assert_eq!(get("/page.html", "If-None-Match: \"other\"\r\n").status, 200);

    let range = get("/data.bin", "Range: bytes=10-19\r\n");
    assert_eq!((range.status, range.body), (206, (10..20).collect::<Vec<u8>>()));
    assert_eq!(
        range.headers.iter().find(|(name, _)| name == "content-range").map(|(_, value)| value.as_str()),
        Some("bytes 10-19/256")
    );
    assert_eq!(get("/data.bin", "Range: bytes=500-\r\n").status, 416);

    let head = ask(&server, "HEAD", "a", "/data.bin", "");
    assert_eq!((head.status, head.header("content-length")), (200, Some("256")));
    assert_eq!(ask(&server, "DELETE", "a", "/page.html", "").status, 405);
    assert_eq!(get("/a%20b.txt", "").text(), "blank");
}

#[test]
fn what_must_not_be_seen_is_not_there() {
    let server = static_site();
    for host in ["files.test", "a"] {
        assert_eq!(ask(&server, "GET", host, "/secret.txt", "").status, 404, "{host}");
    }
    for path in ["/index.php", "/docs/tool.PHP", "/docs/tool%2ephp", "/none", "/../../etc/hostname"] {
        assert_eq!(ask(&server, "GET", "files.test", path, "").status, 404, "{path}");
    }
    let answer = ask(&server, "GET", "a", "/docs/tool.PHP", "");
    assert!(answer.text().ends_with("/docs/tool.PHP") && answer.text().starts_with("php "), "{}", answer.text());
}

#[test]
fn directories() {
    let server = static_site();
    let answer = ask(&server, "GET", "files.test", "/docs?x=1", "");
    assert_eq!((answer.status, answer.header("location")), (308, Some("/docs/?x=1")));
    assert_eq!(ask(&server, "GET", "files.test", "/docs/", "").text(), "docs");
    assert_eq!(ask(&server, "GET", "files.test", "/", "").status, 404);
    // The path could name another host if it were sent back as it came.
    let answer = ask(&server, "GET", "a", "//app", "");
    assert_eq!((answer.status, answer.header("location")), (308, Some("/app/")));
    assert!(ask(&server, "GET", "a", "/app/", "").text().ends_with("/app/index.php"));
}

#[test]
fn a_tower_stack_can_hold_the_service() {
    use http_body_util::{BodyExt, Empty};
    use tower::ServiceExt;

    let service = HttpService::new(vec![site(&[], vec![route(text("from {remote_host}"))])]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let body = runtime.block_on(async {
        let mut request = http::Request::get("http://a/").body(Empty::<bytes::Bytes>::new()).expect("valid");
        let connection = crate::http::service::ConnectionInfo {
            remote: "192.0.2.1:1".parse().expect("an address"),
            ..Default::default()
        };
        request.extensions_mut().insert(connection);
        let response = service.oneshot(request).await.expect("it never fails");
        response.into_body().collect().await.expect("a whole body").to_bytes()
    });
    assert_eq!(body, "from 192.0.2.1");
}
