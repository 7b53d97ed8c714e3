//! Handlers other than PHP, and the choice between them.

use super::*;

/// A server for `sites`; its fake PHP prints the script that it runs.
fn server(make_sites: impl FnOnce(&Path, &Arc<RequestQueue>) -> Vec<SiteSettings>) -> Server {
    let root = document_root();
    let sender = FakeThreads::start(8, 1, |exchange| {
        let _ = respond(exchange, 200, &["X-From: php", "Content-Type: text/plain"]);
        let script = exchange.head().script.to_string_lossy().into_owned();
        let _ = exchange.write(format!("php {script}").as_bytes());
    });
    let queue = RequestQueue::new(sender, None);
    let sites = make_sites(root.path(), &queue);
    Server::with(root, queue, sites)
}

#[test]
fn directives_are_tried_in_their_order() {
    let directives = "php_server
        respond /said/* `said {path} {host} {header.X-A}`
        respond /said/more/* more
        redir /said/moved {scheme}://new.test{uri} 302
        respond /not-json `{\"a\": 1}` 404";
    let server = server(|root, queue| vec![configured(directives, root, queue)]);
    let mut client = server.client();
    client.send("GET /said/x?y HTTP/1.1\r\nHost: localhost\r\nX-A: 1\r\nX-A: 2\r\n\r\n");
    assert_eq!(client.answer().text(), "said /said/x localhost 1,2");
    assert_eq!(server.get("/said/more/x").text(), "more");
    let answer = server.get("/said/moved?a=b");
    assert_eq!((answer.status, answer.header("location")), (302, Some("http://new.test/said/moved?a=b")));
    let answer = server.get("/not-json");
    assert_eq!((answer.status, answer.text()), (404, "{\"a\": 1}"));
    assert!(server.get("/else").text().starts_with("php "));
}

/// The values of the fields `x-…` and `content-type`, in the order of their names.
fn fields(answer: &Answer) -> String {
    let shown = |name: &str| name.starts_with("x-") || name == "content-type";
    let mut fields: Vec<_> = answer.headers.iter().filter(|(name, _)| shown(name)).collect();
    fields.sort_by_key(|(name, _)| name.clone());
    fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn header_changes_before_the_handler_and_after_it() {
    // The script sends `X-From: php` and `Content-Type: text/plain`.
    let cases = [
        ("header X-A 1", "content-type=text/plain x-a=1 x-from=php"),
        ("header X-From igor", "content-type=text/plain x-from=php"),
        ("header +X-From igor", "content-type=text/plain x-from=php x-from=igor"),
        ("header >X-From igor", "content-type=text/plain x-from=igor"),
        ("header {\nX-From igor\ndefer\n}", "content-type=text/plain x-from=igor"),
        ("header -X-From", "content-type=text/plain"),
        ("header -X-*", "content-type=text/plain"),
        ("header -*from", "content-type=text/plain"),
        ("header ?X-From igor", "content-type=text/plain x-from=php"),
        ("header ?X-A 1", "content-type=text/plain x-a=1 x-from=php"),
        ("header {\nX-A 1\n+X-A 2\n}", "content-type=text/plain x-a=1 x-a=2 x-from=php"),
        ("header X-A 1\nheader X-A 2", "content-type=text/plain x-a=2 x-from=php"),
        // Each deferred change wraps the later ones.
        ("header >X-A 1\nheader >X-A 2", "content-type=text/plain x-a=1 x-from=php"),
        ("header /page X-A 1\nheader /other X-A 2", "content-type=text/plain x-a=1 x-from=php"),
        ("header X-A {method}{path}", "content-type=text/plain x-a=GET/page x-from=php"),
        ("header {\nX-From igor\nmatch status 2xx\n}", "content-type=text/plain x-from=igor"),
        ("header {\nX-From igor\nmatch status 404 5xx\n}", "content-type=text/plain x-from=php"),
        ("header {\n-X-From\nmatch {\nheader X-From p*\nstatus 200\n}\n}", "content-type=text/plain"),
        ("header {\nX-A 1\nmatch header !X-From\n}\nheader >X-B 2", "content-type=text/plain x-b=2 x-from=php"),
        ("header X-A 1\nheader X-B <{http.response.header.X-A}>", "content-type=text/plain x-a=1 x-b=<1> x-from=php"),
        // Before the script there is nothing of it yet, as in Caddy.
        ("header X-B <{http.response.header.X-From}>", "content-type=text/plain x-b=<> x-from=php"),
        ("header >X-B \"{http.response.header.X-From} {path}\"", "content-type=text/plain x-b=php /page x-from=php"),
        // They cannot change the fields that frame the message.
        (
            "header >Content-Length 3\nheader -Content-Length\nheader >Transfer-Encoding gzip",
            "content-type=text/plain x-from=php",
        ),
    ];
    for (directives, expected) in cases {
        let directives = format!("php_server\n{directives}");
        let server = server(|root, queue| vec![configured(&directives, root, queue)]);
        let answer = server.get("/page");
        assert_eq!(fields(&answer), expected, "{directives}");
        assert!(answer.text().starts_with("php "), "{directives}");
    }
}

#[test]
fn header_changes_of_answers_that_are_no_scripts() {
    // Files and fixed texts only fill in what is missing, so that a media type can be set without `defer`.
    let directives = "header Content-Type text/x-own\nheader ?X-A 1\nrespond /text text\nfile_server";
    let server = server(|root, queue| {
        std::fs::write(root.join("page.html"), "page").expect("a file");
        vec![configured(directives, root, queue)]
    });
    for (path, status) in [("/text", 200), ("/page.html", 200), ("/none", 404)] {
        let answer = server.get(path);
        assert_eq!((answer.status, fields(&answer).as_str()), (status, "content-type=text/x-own x-a=1"), "{path}");
    }
}

#[test]
fn sites_are_chosen_by_host() {
    let server = server(|_, _| {
        let wild = (Matcher::paths(vec![config::PathPattern::new("/w")]), text(200, "wild"));
        vec![site(&["a.test"], vec![route(text(200, "a"))]), site(&["*.wild.test"], vec![wild])]
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
fn matchers_see_the_request() {
    let directives = "@all {
            method POST
            path /ab*
            host *.test
            header X-A two
            header !X-B
            not path *.png
        }
        respond @all yes
        respond no";
    let server = server(|root, queue| vec![configured(directives, root, queue)]);
    let cases = [
        ("POST /abc HTTP/1.1\r\nHost: www.test:8080\r\nX-A: one\r\nX-A: two\r\n", "yes"),
        ("POST /x/../%61bc HTTP/1.1\r\nHost: www.test\r\nX-A: two\r\n", "yes"),
        ("GET /abc HTTP/1.1\r\nHost: www.test\r\nX-A: two\r\n", "no"),
        ("POST /x HTTP/1.1\r\nHost: www.test\r\nX-A: two\r\n", "no"),
        ("POST /abc HTTP/1.1\r\nHost: test\r\nX-A: two\r\n", "no"),
        ("POST /abc HTTP/1.1\r\nHost: www.test\r\nX-A: one\r\n", "no"),
        ("POST /abc HTTP/1.1\r\nHost: www.test\r\nX-A: two\r\nX-B: \r\n", "no"),
        ("POST /ab.png HTTP/1.1\r\nHost: www.test\r\nX-A: two\r\n", "no"),
    ];
    for (request, expected) in cases {
        let mut client = server.client();
        client.send(&format!("{request}Content-Length: 0\r\n\r\n"));
        assert_eq!(client.answer().text(), expected, "{request}");
    }
}

#[test]
fn placeholders_of_address_and_query() {
    let directives = "respond `{hostport} {port} {remote_host} {query} {uri} {scheme}`";
    let server = server(|root, queue| vec![configured(directives, root, queue)]);
    let own_port = server.address.port();
    for (target, host, expected) in [
        ("/p?a=%20", "b.test:81", "b.test:81 81 127.0.0.1 a=%20 /p?a=%20 http".to_owned()),
        ("http://c.test/p", "b.test", format!("c.test:{own_port} {own_port} 127.0.0.1  /p http")),
        ("/", "[::1]", format!("[::1]:{own_port} {own_port} 127.0.0.1  / http")),
    ] {
        let mut client = server.client();
        client.send(&format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.answer().text(), expected, "{target} {host}");
    }
}

#[test]
fn the_host_of_the_target_wins_everywhere() {
    let root = document_root();
    let sender = FakeThreads::start(8, 1, |exchange| {
        let var = |name: &str| {
            let value = exchange.server_vars().get(name.as_bytes()).unwrap_or(b"absent");
            String::from_utf8_lossy(value).into_owned()
        };
        let line = format!("{} {}", var("SERVER_NAME"), var("HTTP_HOST"));
        let _ = exchange.write(line.as_bytes());
    });
    let queue = RequestQueue::new(sender, None);
    let directives = "@b header Host b.test*\nrespond @b b\nrespond /field {header.Host}\nphp_server";
    let sites = vec![
        SiteSettings { hosts: vec!["a.test".to_owned()], ..configured(directives, root.path(), &queue) },
        site(&[], Vec::new()),
    ];
    let server = Server::with(root, queue, sites);
    for (target, version, hosts, expected) in [
        ("http://a.test/x", "1.1", "Host: b.test\r\n", "a.test a.test"),
        ("http://a.test:81/x", "1.1", "Host: b.test\r\n", "a.test a.test:81"),
        ("http://a.test/field", "1.1", "Host: b.test\r\n", "a.test"),
        ("http://a.test/x", "1.0", "", "a.test a.test"),
        ("/x", "1.1", "Host: a.test:82\r\n", "a.test a.test:82"),
    ] {
        let mut client = server.client();
        client.send(&format!("GET {target} HTTP/{version}\r\n{hosts}Connection: close\r\n\r\n"));
        assert_eq!(client.answer().text(), expected, "{target} {version} {hosts}");
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
        std::fs::create_dir(root.join("app/private")).expect("a directory");
        std::fs::write(root.join("app/private/key.txt"), "secret").expect("a file");
        let whole_path = root.join("app/private").to_string_lossy().into_owned();
        let hide = vec!["secret*".to_owned(), whole_path];
        let files = FileServer { hide, ..FileServer::new(Root::Fixed(root.to_owned())) };
        let server = with_settings(root, queue, |settings| settings.file_server = Some(files.clone()));
        vec![site(&["files.test"], vec![route(Handler::Files(files))]), site(&[], vec![route(php(server))])]
    })
}

fn ask(server: &Server, method: &str, host: &str, path: &str, header: &str) -> Answer {
    let mut client = server.client();
    client.send(&format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{header}\r\n"));
    client.answer_to(method).expect("a response")
}

#[test]
fn a_download_is_resumed_only_if_the_file_is_the_same() {
    let server = static_site();
    let get = |header: &str| ask(&server, "GET", "a", "/data.bin", &format!("Range: bytes=10-19\r\n{header}"));
    let whole = ask(&server, "GET", "a", "/data.bin", "");
    let tag = whole.header("etag").expect("a validator");
    let modified = whole.header("last-modified").expect("a date");
    let cases = [
        (format!("If-Range: {tag}\r\n"), 206, 10),
        ("If-Range: \"of another version\"\r\n".to_owned(), 200, 256),
        (format!("If-Range: W/{tag}\r\n"), 200, 256),
        // A date cannot distinguish two versions of the same second.
        (format!("If-Range: {modified}\r\n"), 200, 256),
        ("If-Range: Thu, 01 Jan 1970 00:00:00 GMT\r\n".to_owned(), 200, 256),
        ("If-Range: nonsense\r\n".to_owned(), 200, 256),
        (format!("If-Range: \"other\", {tag}\r\n"), 200, 256),
        (format!("If-Range: {tag}\r\nIf-Range: {tag}\r\n"), 200, 256),
        // The conditions of the request itself still hold.
        (format!("If-Range: {tag}\r\nIf-Match: \"other\"\r\n"), 412, 0),
        (format!("If-Range: \"other\"\r\nIf-None-Match: {tag}\r\n"), 304, 0),
        (format!("If-Match: {tag}\r\n"), 206, 10),
    ];
    for (header, status, length) in cases {
        let answer = get(&header);
        assert_eq!((answer.status, answer.body.len()), (status, length), "{header}");
    }
}

#[test]
fn a_secret_file_is_not_there_under_any_name() {
    use std::os::unix::fs::symlink;

    let root = document_root();
    let path = |name: &str| root.path().join(name);
    std::fs::create_dir(path("public")).expect("a directory");
    for (name, text) in [("Caddyfile", "secret"), ("public/page.html", "page"), ("public/Caddyfile.txt", "page")] {
        std::fs::write(path(name), text).expect("a file");
    }
    for (target, link) in [
        ("Caddyfile", "alias.txt"),
        ("Caddyfile", "public/index.html"),
        (".", "self"),
        ("public/page.html", "other.html"),
    ] {
        symlink(path(target), path(link)).expect("a link");
    }
    let secret = vec![path("Caddyfile").canonicalize().expect("it exists")];
    let files = FileServer { secret: secret.into(), ..FileServer::new(Root::Fixed(root.path().to_owned())) };
    let queue = RequestQueue::new(FakeThreads::without_threads(1).0, None);
    let server = Server::with(root, queue, vec![site(&[], vec![route(Handler::Files(files))])]);
    for (path, status) in [
        ("/Caddyfile", 404),
        ("/alias.txt", 404),
        ("/self/Caddyfile", 404),
        ("/self/self/alias.txt", 404),
        ("/public/", 404),
        ("/public/index.html", 404),
        ("/public/page.html", 200),
        ("/public/Caddyfile.txt", 200),
        ("/other.html", 200),
        ("/self/other.html", 200),
    ] {
        assert_eq!(server.get(path).status, status, "{path}");
    }
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

    // Unknown units, and methods without ranges.
    assert_eq!(get("/data.bin", "Range: seconds=1-2\r\n").status, 200);
    assert_eq!(ask(&server, "HEAD", "a", "/data.bin", "Range: bytes=0-1\r\n").status, 200);

    let head = ask(&server, "HEAD", "a", "/data.bin", "");
    assert_eq!((head.status, head.header("content-length")), (200, Some("256")));
    assert_eq!(ask(&server, "DELETE", "a", "/page.html", "").status, 405);
    assert_eq!(get("/a%20b.txt", "").text(), "blank");
}

/// The parts of a `multipart/byteranges` body: content type, content range, bytes.
fn parts_of(answer: &Answer) -> Vec<(String, String, Vec<u8>)> {
    let content_type = answer.header("content-type").expect("a content type");
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").expect("several parts");
    let mut rest = &answer.body[..];
    let mut parts = Vec::new();
    let mut take = |text: &str| {
        let is_next = rest.starts_with(text.as_bytes());
        assert!(is_next, "{text:?} is not at the start of {:?}", String::from_utf8_lossy(rest));
        rest = &rest[text.len()..];
        rest
    };
    loop {
        let after = take(&format!("\r\n--{boundary}"));
        if after == b"--\r\n" {
            return parts;
        }
        let head_length = after.windows(4).position(|window| window == b"\r\n\r\n").expect("the end of a head");
        let head = String::from_utf8(after[..head_length].to_vec()).expect("text");
        take(&format!("{head}\r\n\r\n"));
        let field = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name)).expect("the field is there");
            line.strip_prefix(": ").expect("a value").to_owned()
        };
        let (content_type, range) = (field("Content-Type"), field("Content-Range"));
        let (first, last) =
            range.strip_prefix("bytes ").and_then(|range| range.split('/').next()?.split_once('-')).expect("a range");
        let count = last.parse::<usize>().expect("a number") + 1 - first.parse::<usize>().expect("a number");
        let bytes = take("")[..count].to_vec();
        take(&String::from_utf8_lossy(&bytes));
        parts.push((content_type, range, bytes));
    }
}

/// Several ranges were a 416, and so was a blank before the first one.
#[test]
fn several_parts_of_a_file_are_one_answer() {
    let server = static_site();
    let get = |path: &str, header: &str| ask(&server, "GET", "a", path, header);
    let whole = get("/page.html", "");
    let (tag, modified) = (whole.header("etag").expect("a tag"), whole.header("last-modified").expect("a date"));
    let expected = [
        ("text/html; charset=utf-8".to_owned(), "bytes 0-0/12".to_owned(), b"<".to_vec()),
        ("text/html; charset=utf-8".to_owned(), "bytes 3-7/12".to_owned(), b"hello".to_vec()),
    ];
    for condition in ["".to_owned(), format!("If-Range: {tag}\r\n"), format!("If-Match: {tag}\r\n")] {
        let answer = get("/page.html", &format!("Range: bytes=0-0,3-7\r\n{condition}"));
        assert_eq!(answer.status, 206, "{condition}");
        assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
        assert_eq!(answer.header("content-range"), None);
        assert_eq!((answer.header("etag"), answer.header("last-modified")), (Some(tag), Some(modified)));
        assert_eq!(parts_of(&answer), expected);
    }
    let answer = get("/page.html", "Range: bytes= 0-0 ,, 3-7\r\n");
    assert_eq!((answer.status, parts_of(&answer)), (206, expected.to_vec()));
    let boundary = |answer: &Answer| answer.header("content-type").map(str::to_owned);
    assert_ne!(boundary(&answer), boundary(&get("/page.html", "Range: bytes=0-0,3-7\r\n")), "no one can foresee it");
    // The order is that of the request, and parts may overlap.
    let answer = get("/page.html", "Range: bytes=-4,2-4\r\n");
    let bytes: Vec<_> = parts_of(&answer).into_iter().map(|part| part.2).collect();
    assert_eq!(bytes, [b"</p>".to_vec(), b">he".to_vec()]);
}

/// What is asked for, the status, and the whole body or its one range.
#[test]
fn one_part_or_the_whole_of_a_file() {
    let server = static_site();
    std::fs::write(server.root.path().join("empty.txt"), "").expect("a file");
    let many = format!("bytes={}", vec!["0-0"; 65].join(","));
    for (path, range, status, content_range, body) in [
        ("/page.html", "bytes= 0-3", 206, Some("bytes 0-3/12"), "<p>h"),
        ("/page.html", "BYTES=0-3", 206, Some("bytes 0-3/12"), "<p>h"),
        ("/page.html", "bytes=-4", 206, Some("bytes 8-11/12"), "</p>"),
        ("/page.html", "bytes=-400", 206, Some("bytes 0-11/12"), "<p>hello</p>"),
        ("/page.html", "bytes=8-400", 206, Some("bytes 8-11/12"), "</p>"),
        ("/page.html", "bytes=0-3,12-", 206, Some("bytes 0-3/12"), "<p>h"),
        ("/page.html", "bytes=12-", 416, Some("bytes */12"), ""),
        ("/page.html", "bytes=12-,-0", 416, Some("bytes */12"), ""),
        ("/page.html", "bytes=3-1", 200, None, "<p>hello</p>"),
        ("/page.html", "bytes=0-0,x", 200, None, "<p>hello</p>"),
        ("/page.html", "bytes=0-,0-", 200, None, "<p>hello</p>"),
        ("/page.html", &many, 200, None, "<p>hello</p>"),
        ("/page.html", "bytes=0-0\r\nRange: bytes=1-1", 200, None, "<p>hello</p>"),
        // It used to be a 206 with the range 0-0 and a wrong length.
        ("/empty.txt", "bytes=0-0", 200, None, ""),
        ("/empty.txt", "bytes=-1", 200, None, ""),
        ("/empty.txt", "bytes=0-0,1-1", 200, None, ""),
    ] {
        let answer = ask(&server, "GET", "a", path, &format!("Range: {range}\r\n"));
        let seen = (answer.status, answer.header("content-range"), answer.text());
        assert_eq!(seen, (status, content_range, body), "{path} {range}");
        assert_eq!(answer.header("content-length"), Some(body.len().to_string().as_str()), "{path} {range}");
    }
    assert_eq!(ask(&server, "GET", "files.test", "/none.txt", "Range: bytes=0-1,3-4\r\n").status, 404);
}

#[test]
fn what_must_not_be_seen_is_not_there() {
    let server = static_site();
    for host in ["files.test", "a"] {
        for path in ["/secret.txt", "/app/private/key.txt"] {
            assert_eq!(ask(&server, "GET", host, path, "").status, 404, "{host}{path}");
        }
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

    let root = document_root();
    let queue = RequestQueue::new(FakeThreads::without_threads(1).0, None);
    let service = HttpService::new(vec![configured("respond `from {remote_host} {header.Host}`", root.path(), &queue)]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let body = runtime.block_on(async {
        let mut request = http::Request::get("http://a/")
            .version(http::Version::HTTP_2)
            .body(Empty::<bytes::Bytes>::new())
            .expect("valid");
        let connection = crate::http::connection::ConnectionInfo {
            remote: "192.0.2.1:1".parse().expect("an address"),
            ..Default::default()
        };
        request.extensions_mut().insert(connection);
        let response = service.oneshot(request).await.expect("it never fails");
        response.into_body().collect().await.expect("a whole body").to_bytes()
    });
    assert_eq!(body, "from 192.0.2.1 a");
}
