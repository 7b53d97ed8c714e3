//! The tree of routes through the front door: the handler that answers, and the request that it sees.

use super::*;

/// A server with a fake PHP that prints the script, path info and query, and the original request.
fn server(directives: &str) -> Server {
    server_with("", directives)
}

/// The same with these global options.
fn server_with(options: &str, directives: &str) -> Server {
    let root = document_root();
    for (name, text) in [
        ("page.html", "page"),
        ("404.html", "not here"),
        ("app.php", "<?php"),
        ("docs/guide.txt", "guide"),
        ("docs/index.php", "<?php"),
        ("other/guide.txt", "other guide"),
    ] {
        let path = root.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    let threads = FakeThreads::start(8, 1, |exchange| {
        let var = |name: &str| {
            let value = exchange.server_vars().get(name.as_bytes()).unwrap_or_default();
            String::from_utf8_lossy(value).into_owned()
        };
        let names = ["REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "REQUEST_URI"];
        let _ = exchange.write(names.map(var).join("|").as_bytes());
    });
    let queue = RequestQueue::new(threads, None);
    let directives = directives.replace("ROOT", &root.path().to_string_lossy());
    let site = configured_with(options, &directives, root.path(), &queue);
    Server::with(root, queue, vec![site])
}

/// Requests each path and compares status and body. A path may be preceded by a method.
fn check(directives: &str, table: &[(&str, u16, &str)]) {
    let server = server(directives);
    for (request, status, body) in table {
        let (method, path) = request.split_once(' ').unwrap_or(("GET", request));
        let mut client = server.client();
        client.send(&format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nCookie: c=biscuit\r\n\r\n"));
        let answer = client.answer();
        assert_eq!((answer.status, answer.text()), (*status, *body), "{request} in\n{directives}");
    }
}

#[test]
fn of_several_handles_one_is_taken() {
    check(
        "handle /a/* {\nrespond a\n}\nhandle /a/b/* {\nrespond b\n}\nhandle {\nheader X-A 1\n}\nhandle_path /p/* {\n\
         respond {path}\n}\nrespond end",
        &[("/a/x", 200, "a"), ("/a/b/x", 200, "b"), ("/else", 200, "end"), ("/p/q/r", 200, "/q/r"), ("/p/", 200, "/")],
    );
}

#[test]
fn a_route_keeps_the_order_of_the_file() {
    check(
        "route {\nrespond /x first\nredir /x /y\nrewrite /z /x\nrespond {path}\n}",
        &[("/x", 200, "first"), ("/z", 200, "/x"), ("/w", 200, "/w")],
    );
    check("redir /x /y\nrespond /x first", &[("/x", 302, "")]);
}

#[test]
fn rewrites_change_what_follows_and_php_knows_both_paths() {
    check(
        "rewrite /old/* /app.php?q={path}&{query}\nrewrite /both* /docs{path}?x=1\n@q path /only\nrewrite @q ?y=2\nphp_server",
        &[
            ("/old/a?b=c", 200, "GET|/app.php||q=%2Fold%2Fa&b=c|/old/a?b=c"),
            ("/only?z", 200, "GET|/index.php||y=2|/only?z"),
            ("/app.php/info?a", 200, "GET|/app.php|/info|a|/app.php/info?a"),
        ],
    );
}

#[test]
fn the_front_controller_in_five_lines() {
    check(
        "@phpRoute {\nnot path /.well-known/mercure*\nnot file {path}\n}\nrewrite @phpRoute index.php\n\
         @frontController path index.php\nphp @frontController\nfile_server {\nhide *.php\n}",
        &[
            ("/", 200, "GET|/index.php|||/"),
            ("/blog/7?a=1", 200, "GET|/index.php||a=1|/blog/7?a=1"),
            ("/page.html", 200, "page"),
            ("/app.php", 404, ""),
            ("/index.php", 404, ""),
            ("/.well-known/mercure", 404, ""),
            ("/docs/guide.txt", 200, "guide"),
            ("/docs/", 200, "GET|/index.php|||/docs/"),
        ],
    );
}

#[test]
fn files_to_try_in_a_site() {
    check(
        "try_files {path} {path}/ /app.php?p={path} \nphp_server",
        &[("/page.html", 200, "page"), ("/none", 200, "GET|/app.php||p=%2Fnone|/none")],
    );
    check(
        "try_files {path} =404\nfile_server\nhandle_errors {\nrewrite * /404.html\nfile_server\n}",
        &[("/page.html", 200, "page"), ("/none", 404, "not here")],
    );
}

#[test]
fn failures_are_answered_by_their_status() {
    check(
        "error /e* \"no entry\" 403\nerror /f\nfile_server\nhandle_errors 404 {\nrespond \"{err.status_code} {err.status_text}\"\n}\n\
         handle_errors 4xx {\nrespond {err.message} 418\n}",
        &[("/none", 404, "404 Not Found"), ("/e", 418, "no entry"), ("/f", 500, ""), ("/page.html", 200, "page")],
    );
}

#[test]
fn roots_by_matcher_and_variables() {
    check(
        "root /guide* ROOT/docs\n@v path /v*\nvars @v kind special\nvars kind usual\n\
         respond /v* {vars.kind}\nrespond /u {vars.kind}\nfile_server",
        &[
            ("/guide.txt", 200, "guide"),
            ("/other/guide.txt", 200, "other guide"),
            ("/v", 200, "special"),
            ("/u", 200, "usual"),
        ],
    );
}

#[test]
fn maps_methods_and_the_uri() {
    check(
        "map {path} {kind} {rest} {\n/one first -\n~^/n/(.*)$ number ${1}\ndefault other none\n}\nrespond /m {kind}\n\
         @n path /n/* /one\nrespond @n \"{kind} {rest}\"\nuri /api/* strip_prefix /api\n@h path *.htm\nuri @h replace .htm .html\n\
         @q path /q\nuri @q query {\n-a\nb 2\n+c 3\n}\nmethod /put PUT\nrespond /put {method}-{orig_method}\n\
         respond {path}?{query}",
        &[
            ("/m", 200, "other"),
            ("/n/7", 200, "number 7"),
            ("/one", 200, "first none"),
            ("/api/x", 200, "/x?"),
            ("/x.htm", 200, "/x.html?"),
            ("/q?a=1&b=1", 200, "/q?b=2&c=3"),
            ("/put", 200, "PUT-GET"),
        ],
    );
}

#[test]
fn request_headers_named_routes_and_expressions() {
    check(
        "request_header X-New {cookie.c}\nrequest_header -Cookie\n@e expression `path(\"/e*\") && {query.n} > 3`\n\
         respond @e \"big {header.X-New}{header.Cookie}\"\n@r path_regexp ^/r/(?P<id>[0-9]+)$\nrespond @r {re.r.id}{re.1}\nrespond no",
        &[("/e?n=4", 200, "big biscuit"), ("/e?n=3", 200, "no"), ("/r/12", 200, "1212"), ("/r/x", 200, "no")],
    );
}

#[test]
fn an_aborted_request_gets_no_answer() {
    let server = server("abort /gone\nrespond here");
    assert_eq!(server.get("/").text(), "here");
    let mut client = server.client();
    client.send("GET /gone HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(client.is_closed(), "not one byte came");
}

#[test]
fn what_trusted_proxies_report_is_the_client() {
    let client = |options: &str, fields: &str| {
        let server = server_with(&format!("servers {{\n{options}\n}}"), "respond {client_ip}|{remote_host}");
        let mut client = server.client();
        client.send(&format!("GET / HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"));
        client.answer().text().to_owned()
    };
    let forwarded = "X-Forwarded-For: 203.0.113.9, 198.51.100.4:80\r\nX-Forwarded-For: unknown, 10.1.2.3\r\n";
    for (options, fields, expected) in [
        ("name none", forwarded, "127.0.0.1"),
        ("trusted_proxies static 192.0.2.0/24", forwarded, "127.0.0.1"),
        ("trusted_proxies static private_ranges", forwarded, "203.0.113.9"),
        ("trusted_proxies static private_ranges\ntrusted_proxies_strict", forwarded, "198.51.100.4"),
        ("trusted_proxies static 127.0.0.1/8\ntrusted_proxies_strict", forwarded, "10.1.2.3"),
        ("trusted_proxies static private_ranges", "X-Forwarded-For: unknown, [2001:db8::1]:7\r\n", "2001:db8::1"),
        ("trusted_proxies_unix", forwarded, "127.0.0.1"),
        ("trusted_proxies static private_ranges", "X-Forwarded-For: nothing\r\n", "127.0.0.1"),
        ("trusted_proxies static private_ranges\nclient_ip_headers X-Real-IP", forwarded, "127.0.0.1"),
        ("trusted_proxies static private_ranges\nclient_ip_headers X-Real-IP", "X-Real-IP: 192.0.2.1\r\n", "192.0.2.1"),
    ] {
        // The peer stays the peer, for scripts too.
        assert_eq!(client(options, fields), format!("{expected}|127.0.0.1"), "{options} and {fields}");
    }
}

#[test]
fn the_peer_is_what_scripts_see_as_in_frankenphp() {
    let root = document_root();
    let threads = FakeThreads::start(8, 1, |exchange| {
        let address = exchange.server_vars().get(b"REMOTE_ADDR").unwrap_or_default().to_vec();
        let _ = exchange.write(&address);
    });
    let queue = RequestQueue::new(threads, None);
    let site =
        configured_with("servers {\ntrusted_proxies static private_ranges\n}", "php_server", root.path(), &queue);
    let server = Server::with(root, queue, vec![site]);
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n");
    assert_eq!(client.answer().text(), "127.0.0.1");
}

#[test]
fn handle_errors_inside_a_block_is_the_site_s() {
    check(
        "route {\nerror /x \"no\" 410\nhandle_errors {\nrespond \"{err.status_code} {err.message}\" {err.status_code}\n}\n}",
        &[("/x", 410, "410 no"), ("/y", 404, "")],
    );
}

/// What Caddy does in these cases; `make caddy-compare` found that igor did not.
#[test]
fn as_caddy_answers() {
    check(
        "try_files {path} {path}.html /app.php?p={path}\nphp_server",
        &[
            ("/page.html?x=1", 200, "page"),
            ("/page?x=1", 200, "page"),
            ("/none?x=1", 200, "GET|/app.php||p=%2Fnone|/none?x=1"),
            ("/app.php?x=1", 200, "GET|/app.php||x=1|/app.php?x=1"),
        ],
    );
    check(
        "@m path /with%20space /b*\nrespond @m {path}\nrespond none",
        &[("/with%20space", 200, "/with space"), ("/with", 200, "none"), ("/b%20c", 200, "/b c")],
    );
    check(
        "php_server {\nenv QUERY_STRING \"{method} {cookie.c} {no such}\"\n}",
        &[("/app.php", 200, "GET|/app.php||GET biscuit {no such}|/app.php")],
    );
}

#[test]
fn the_redirect_of_a_directory_leads_to_where_the_client_asked() {
    let server = server(
        "rewrite /slash /docs/\nrewrite /alias /docs\nhandle_path /php/* {\nphp_server\n}\n\
         handle_path /files/* {\nfile_server {\nindex guide.txt\n}\n}\n\
         handle {\ntry_files {path} {path}/\nfile_server {\nindex guide.txt\n}\n}",
    );
    for (path, location, text) in [
        ("/php/docs?x=1", Some("/php/docs/?x=1"), ""),
        ("/files/docs", Some("/files/docs/"), ""),
        ("/files/docs/", None, "guide"),
        ("/docs", Some("/docs/"), ""),
        ("/docs/", None, "guide"),
        ("/alias", None, "guide"),
        ("/slash", None, "guide"),
    ] {
        let mut client = server.client();
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let answer = client.answer();
        assert_eq!((answer.header("location"), answer.text()), (location, text), "{path}");
    }
}

#[test]
fn what_headers_and_answers_hold() {
    let server = server(
        "header X-Path {path}\nheader X-Two {header.X-Two}\nrespond /json `[1, {\"a\": 2}]`\nrespond `{no json}`",
    );
    let ask = |path: &str| {
        let mut client = server.client();
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Two: a\r\nX-Two: b\r\n\r\n"));
        client.answer()
    };
    let json = ask("/json");
    assert_eq!((json.header("content-type"), json.header("x-two")), (Some("application/json"), Some("a,b")));
    let text = ask("/a%0d%0ab");
    assert_eq!(
        (text.header("content-type"), text.header("x-path")),
        (Some("text/plain; charset=utf-8"), Some("/a  b"))
    );
}
