//! Access checks, request bodies, and the lists of the file server: `basic_auth`, `request_body`, `file_server`.

use super::*;

/// `secret`, by bcrypt at the lowest cost.
const BCRYPT: &str = "$2y$04$yIu/NUaNhlGBMtvVgAtMZecuNq1ImtkBMb8BxehCWGt6tB9uTQwjm";

/// `secret`, by Argon2id at a small cost.
fn argon2id() -> String {
    use argon2::password_hash::SaltString;
    use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};

    let params = Params::new(64, 1, 1, None).expect("small costs");
    let salt = SaltString::encode_b64(b"salt of the test").expect("a salt");
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    hasher.hash_password(b"secret", &salt).expect("a hash").to_string()
}

fn server(directives: &str) -> Server {
    let root = document_root();
    for (name, text) in [
        ("page.html", "page"),
        ("page.html.gz", "gzipped"),
        ("page.html.br", "brotli"),
        ("missing.html", "no such page"),
        ("list/b & <c>.txt", "12345"),
        ("list/a/inner.txt", ""),
        ("list/secret.sql", ""),
        ("list/script.php", "<?php"),
    ] {
        let path = root.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    let threads = FakeThreads::start(8, 1, |exchange| match read_all(exchange) {
        Ok(body) => drop(exchange.write(&body)),
        Err(_) => drop(respond(exchange, 400, &[])),
    });
    let queue = RequestQueue::new(threads, None);
    let site = configured(directives, root.path(), &queue);
    Server::with(root, queue, vec![site])
}

fn ask(server: &Server, head: &str) -> Answer {
    let mut client = server.client();
    client.send(&format!("{head}\r\n\r\n"));
    client.answer()
}

fn get(server: &Server, path: &str, fields: &str) -> Answer {
    ask(server, &format!("GET {path} HTTP/1.1\r\nHost: localhost{fields}"))
}

#[test]
fn a_password_lets_in() {
    use base64::Engine;

    for hash in [BCRYPT.to_owned(), argon2id()] {
        let server = server(&format!(
            "basic_auth /in/* bcrypt \"a \\\"realm\\\"\" {{\nalice {hash}\n}}\nrespond \"hello {{http.auth.user.id}}\"\n\
             handle_errors {{\nrespond \"no: {{err.status_code}}\"\n}}"
        ));
        for (credentials, status, text) in [
            ("alice:secret", 200, "hello alice"),
            // The second check uses the cache.
            ("alice:secret", 200, "hello alice"),
            ("alice:wrong", 401, "no: 401"),
            ("bob:secret", 401, "no: 401"),
            ("alice", 401, "no: 401"),
            ("", 401, "no: 401"),
        ] {
            let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
            let answer = get(&server, "/in/x", &format!("\r\nAuthorization: Basic {encoded}"));
            assert_eq!((answer.status, answer.text()), (status, text), "{credentials}");
            let challenge = answer.header("www-authenticate");
            assert_eq!(challenge, (status == 401).then_some("Basic realm=\"a \\\"realm\\\"\""), "{credentials}");
        }
        assert_eq!(get(&server, "/in/x", "").status, 401);
        assert_eq!(get(&server, "/in/x", "\r\nAuthorization: Bearer abc").status, 401);
        assert_eq!(get(&server, "/in/x", "\r\nAuthorization: Basic !!!").status, 401);
        assert_eq!(get(&server, "/out", "").text(), "hello ");
    }
}

#[test]
fn a_body_is_bounded() {
    for buffering in ["on", "off"] {
        let server = server(&format!(
            "request_body {{\nmax_size 10\n}}\nphp_server {{\nrequest_buffering {buffering}\n}}\n\
             handle_errors {{\nrespond \"failed: {{err.status_code}}\"\n}}"
        ));
        let post = |rest: &str| ask(&server, &format!("POST / HTTP/1.1\r\nHost: localhost\r\n{rest}"));
        let small = post("Content-Length: 10\r\n\r\n0123456789");
        assert_eq!((small.status, small.text()), (200, "0123456789"), "{buffering}");
        let announced = post("Content-Length: 11\r\n\r\n0123456789x");
        assert_eq!((announced.status, announced.text()), (413, "failed: 413"), "{buffering}");
        let chunked = post("Transfer-Encoding: chunked\r\n\r\nb\r\n0123456789x\r\n0\r\n\r\n");
        // What reads the body as it comes has started when it turns out to be too large.
        let expected = if buffering == "on" { (413, "failed: 413") } else { (chunked.status, chunked.text()) };
        assert_eq!((chunked.status, chunked.text()), expected, "{buffering}");
        assert_eq!((chunked.status, chunked.header("connection")), (413, Some("close")), "{buffering}");
    }
}

#[test]
fn a_body_has_its_time() {
    let server = server(
        "request_body {\nread_timeout 50ms\n}\nphp_server\nhandle_errors {\nrespond \"failed: {err.status_code}\"\n}",
    );
    let late = ask(&server, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nsome of it");
    assert_eq!((late.status, late.text(), late.header("connection")), (408, "failed: 408", Some("close")));
}

#[test]
fn a_directory_is_listed() {
    let server = server("file_server browse {\nhide *.sql\n}");
    let page = get(&server, "/list/", "");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.text().contains("<a href=\"./b%20&amp;%20%3Cc%3E.txt\">b &amp; &lt;c&gt;.txt</a>"), "{}", page.text());
    let names = |query: &str| {
        let answer = get(&server, &format!("/list/{query}"), "\r\nAccept: application/json");
        let list: serde_json::Value = serde_json::from_str(answer.text()).expect("JSON");
        let names =
            list.as_array().expect("a list").iter().map(|entry| entry["name"].as_str().expect("a name").to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(""), ["a/", "b & <c>.txt"], "without what is hidden");
    assert_eq!(names("?sort=name&order=desc"), ["b & <c>.txt", "a/"]);
    assert_eq!(get(&server, "/list", "").header("location"), Some("/list/"));
    assert_eq!(get(&server, "/list/none/", "").status, 404);
    assert_eq!(ask(&server, "POST /list/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0").status, 405);
}

#[test]
fn compressed_files_are_sent_to_who_takes_them() {
    let server = server("encode gzip\nfile_server {\nprecompressed br gzip\n}");
    for (accepted, text, coding) in [
        ("gzip", "gzipped", Some("gzip")),
        ("gzip, br", "brotli", Some("br")),
        ("", "page", None),
        ("zstd", "page", None),
    ] {
        let answer = get(&server, "/page.html", &format!("\r\nAccept-Encoding: {accepted}"));
        assert_eq!((answer.text(), answer.header("content-encoding")), (text, coding), "{accepted}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{accepted}");
        assert_eq!(answer.header("vary").map(str::to_lowercase), Some("accept-encoding".to_owned()), "{accepted}");
    }
    let answer = get(&server, "/page.html", "\r\nAccept-Encoding: gzip\r\nRange: bytes=0-1");
    assert_eq!((answer.status, answer.text(), answer.header("content-encoding")), (206, "gz", Some("gzip")));
}

#[test]
fn files_with_another_status_and_missing_ones_that_pass() {
    let server = server(
        "route {\nfile_server /missing.html {\nstatus 203\n}\nfile_server /a/* {\npass_thru\n}\nrespond /a/* passed 202\n\
         file_server\n}",
    );
    assert_eq!(get(&server, "/missing.html", "").status, 203);
    let answer = get(&server, "/a/none", "");
    assert_eq!((answer.status, answer.text()), (202, "passed"));
    assert_eq!(get(&server, "/page.html", "").text(), "page");
}
