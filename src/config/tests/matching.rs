//! Matchers and placeholders on requests.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::super::text::UnknownPlaceholder;
use super::super::{Entry, Handler, Matcher, PathPattern, RequestView, Status, Text, ValuePattern, host_matches};
use super::Fixture;

struct Request {
    method: &'static str,
    host: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    stored: Vec<(String, String)>,
}

fn get() -> Request {
    Request {
        method: "GET",
        host: "www.example.com",
        path: "/api/users",
        headers: &[("accept", "text/html"), ("accept", "image/png"), ("x-id", "7"), ("cookie", "a=1; session=\"x y\"")],
        stored: Vec::new(),
    }
}

impl RequestView for Request {
    fn method(&self) -> &str {
        self.method
    }

    fn scheme(&self) -> &str {
        "http"
    }

    fn host(&self) -> &str {
        self.host
    }

    fn port(&self) -> u16 {
        8080
    }

    fn path(&self) -> &str {
        self.path
    }

    fn uri(&self) -> &str {
        "/api/users?page=2"
    }

    fn query(&self) -> &str {
        "page=2"
    }

    fn protocol(&self) -> &str {
        "HTTP/1.1"
    }

    fn host_and_port(&self) -> String {
        format!("{}:8080", self.host)
    }

    fn original_method(&self) -> &str {
        "POST"
    }

    fn original_uri(&self) -> &str {
        "/old/path%20x?a=1"
    }

    fn remote(&self) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 7], 4711))
    }

    fn local(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 8080))
    }

    fn client_ip(&self) -> IpAddr {
        IpAddr::from([198, 51, 100, 1])
    }

    fn any_header(&self, name: &str, test: &mut dyn FnMut(&str) -> bool) -> bool {
        self.headers.iter().filter(|(field, _)| *field == name).any(|(_, value)| test(value))
    }

    fn any_response_header(&self, _: &str, _: &mut dyn FnMut(&str) -> bool) -> bool {
        false
    }

    fn root(&self) -> &Path {
        Path::new("/site")
    }

    fn uuid(&self) -> &str {
        "00000000-0000-4000-8000-000000000000"
    }

    fn stored(&self, name: &str) -> Option<&str> {
        self.stored.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn store(&mut self, name: &str, value: String) {
        self.stored.push((name.to_owned(), value));
    }

    fn entry(&self, path: &Path) -> Option<Entry> {
        let known = [
            ("/site/page.html", false, 9, 1),
            ("/site/large.txt", false, 90, 3),
            ("/site/docs", true, 0, 2),
            ("/site/app.php", false, 5, 2),
            ("/other/x", false, 1, 1),
        ];
        let found = known.iter().find(|(known, ..)| Path::new(known) == path);
        found.map(|&(_, is_directory, size, modified)| Entry { is_directory, size, modified })
    }

    fn age(&self) -> Duration {
        Duration::from_micros(1_234)
    }

    fn error_status(&self) -> Option<u16> {
        None
    }
}

#[test]
fn path_patterns() {
    let table = [
        ("/a", "/a", true),
        ("/a", "/a/", false),
        ("/A", "/a", true),
        ("/a*", "/a/b/c", true),
        ("/a/*", "/a", false),
        ("*", "/anything", true),
        ("*.php", "/x/y.PHP", true),
        ("*.php", "/x.php/y", false),
        ("*/secret/*", "/a/secret/b", true),
        ("/a/*/c", "/a/b/c", true),
        ("/a/*/c", "/a/b/b/c", false),
        ("/a/*/c/*", "/a/b/c/d", true),
        ("/a/*/c/*", "/a/b/c/d/e", false),
        ("/*x/*y", "/axx/zy", true),
        ("/*x/*y", "/ax/by/y", false),
        ("/a**", "/a", true),
        ("/ü*", "/üb", true),
    ];
    for (pattern, path, expected) in table {
        assert_eq!(PathPattern::new(pattern).matches(path), expected, "{pattern} on {path}");
    }
}

#[test]
fn value_and_host_patterns() {
    for (pattern, value, expected) in [
        ("a", "a", true),
        ("a", "A", false),
        ("a*", "ab", true),
        ("*b", "ab", true),
        ("*a*", "xay", true),
        ("*", "", true),
    ] {
        assert_eq!(ValuePattern::new(pattern).matches(value), expected, "{pattern} on {value}");
    }
    for (pattern, host, expected) in [
        ("example.com", "Example.COM", true),
        ("*.example.com", "a.example.com", true),
        ("*.example.com", "a.b.example.com", false),
        ("*.example.com", "example.com", false),
        ("*.example.com", ".example.com", false),
        ("*", "localhost", true),
        ("a.*.c", "a.b.c", true),
    ] {
        assert_eq!(host_matches(pattern, host), expected, "{pattern} on {host}");
    }
}

/// The matcher `@m` that this block defines.
fn matcher(block: &str) -> Matcher {
    let fixture = Fixture::new();
    let config = fixture.config(&format!(":80 {{\n\t@m {block}\n\trespond @m ok\n}}\n"));
    config.sites[0].routes[0].matcher.clone()
}

#[test]
fn named_matchers() {
    let table = [
        ("path /api/* /v2/*", true),
        ("path /v2/*", false),
        ("{\n\t\tpath /v2/*\n\t\tpath /api/*\n\t}", true),
        ("method get POST", true),
        ("method PUT", false),
        ("host *.example.com", true),
        ("host example.com", false),
        ("header X-Id 7", true),
        ("header X-Id 8", false),
        ("header Accept *png", true),
        ("header !X-Other", true),
        ("header !X-Id", false),
        ("{\n\t\theader X-Id 8\n\t\theader X-Id 7\n\t}", true),
        ("not path /api/*", false),
        ("not method PUT", true),
        ("not not method PUT", false),
        ("not not not method PUT", true),
        ("not not {\n\t\tpath /api/*\n\t\tmethod PUT\n\t}", false),
        ("not {\n\t\tpath /api/*\n\t\tmethod PUT\n\t}", true),
        ("{\n\t\tnot path /x\n\t\tnot method GET\n\t}", false),
        ("{\n\t\tpath /api/*\n\t\tmethod GET\n\t\thost www.example.com\n\t}", true),
        ("{\n\t\tpath /api/*\n\t\tmethod POST\n\t}", false),
        ("path_regexp ^/api/[a-z]+$", true),
        ("path_regexp named ^/v2", false),
        ("header_regexp Accept ^image/", true),
        ("header_regexp agent X-Id ^8$", false),
        ("query page=2", true),
        ("query page=3 page=2", true),
        ("query page=3", false),
        ("query page=*", true),
        ("query other=*", false),
        ("protocol http", true),
        ("protocol https", false),
        ("protocol http/1.1", true),
        ("protocol http/2+", false),
        ("protocol grpc", false),
        ("remote_ip 192.0.2.0/24", true),
        ("remote_ip 10.0.0.0/8 ::1", false),
        ("remote_ip private_ranges", false),
        ("client_ip 198.51.100.1", true),
        ("client_ip 192.0.2.0/24", false),
        ("vars {host} www.example.com", true),
        ("vars {host} other {method}", false),
        ("vars unset x", false),
        ("vars_regexp {host} ^www", true),
        ("file /page.html", true),
        ("file /docs", false),
        ("file /docs/", true),
        ("file /none /page.html", true),
        ("file", false),
        ("not file", true),
        ("{\n\t\tfile {\n\t\t\troot /\n\t\t\ttry_files /other/x\n\t\t}\n\t}", true),
        ("{\n\t\tfile /app.php/info {\n\t\t\tsplit_path .php\n\t\t}\n\t}", true),
        ("expression {env.HOME} == '/home/igor'", true),
        ("expression `\"a{env.HOME}\" == r'a/home/igor' && {env.MISSING} == ''`", true),
        ("expression `{env.CODE} == 'x\" || \"a\" == \"a'`", true),
        ("expression {env.CODE} == 'x'", false),
        ("expression `{env.CODE} == \"x\"`", false),
        ("expression `'x' == \"{env.CODE}\"`", false),
        ("expression `path(\"/api*\") && {method} == \"GET\"`", true),
        ("expression {method} == 'POST' || {query.page} > 1", true),
        ("`header({'X-Id': ['8', '7']}) && !query({'x': '*'})`", true),
        ("expression `{host}.endsWith('.com') ? {path}.matches('^/api') : false`", true),
        ("expression `{method} in ['PUT', 'POST']`", false),
        ("expression `'api' in {path}.split('/')`", true),
        ("expression `'ap' in {path}.split('/')`", false),
        ("expression `{host}.split('.').size() == 3`", true),
        ("expression `size({path}.split('/')) == 3`", true),
        ("expression `size({path}) == 10`", true),
        ("expression `size({path}) > 10`", false),
        ("expression `size('äö') == 2`", true),
        ("expression `size(['a', 'b', 'c']) == 3`", true),
        ("expression `['/api', '/v2'].exists(p, {path}.startsWith(p))`", true),
        ("expression `['/v1', '/v2'].exists(p, {path}.startsWith(p))`", false),
        ("expression `{path}.split('/').all(part, size(part) < 6)`", true),
        ("expression `{path}.split('/').all(part, size(part) > 0)`", false),
        ("expression `[1, 2, 3].exists_one(n, n > 2) && ![1, 2, 3].existsOne(n, n > 1)`", true),
        ("expression `[1, 2, 3].map(n, n * n)[2] == 9`", true),
        ("expression `[1, 2, 3].map(n, n > 1, n + 1) == [3, 4]`", true),
        ("expression `[1, 2, 3].filter(n, n % 2 == 1).join('-') == '1-3'`", true),
        ("expression `['a'].all(x, ['b', 'c'].exists(y, x + y == 'ac'))`", true),
        ("expression `[].all(x, false) && ![].exists(x, true)`", true),
        // An error is neither true nor false, but the other side may decide alone.
        ("expression `['x'][1] == 'x'`", false),
        ("expression `!(['x'][1] == 'x')`", false),
        ("expression `['x'][1] == 'x' || true`", true),
        ("expression `1 / 0 == 0 || 7 / 2 == 3`", true),
        ("expression `'text'.exists(x, true) || 1 - 3 == -2`", true),
        ("expression `['1', 'x'].exists(n, 6 / n == 6)`", true),
        ("expression `['x'].all(n, 6 / n == 6)`", false),
        ("expression `9223372036854775807 + 1 > 0`", false),
        ("expression `' äB '.trim().replace('ä', 'a').lowerAscii() == 'ab'`", true),
        ("expression `{path}.substring(1, 4) == 'api' && {path}.substring(5) == 'users'`", true),
        ("expression `'äbä'.charAt(2) + string('äb'.indexOf('b')) == 'ä1' && 'abab'.lastIndexOf('ab') == 2`", true),
        ("expression `'abc'.substring(2, 1) == '' || 'abc'.charAt(9) == ''`", false),
        ("expression `vars_regexp('{host}', '^www')`", true),
        ("expression `vars_regexp('{host}', '^api')`", false),
        ("expression `vars_regexp('unset', '^.')`", false),
        // A placeholder without a value is null; an absent field or parameter is an empty text, as in Caddy.
        ("expression `{vars.none} == null && {cookie.none} == null && {cookie.session} != null`", true),
        ("expression `{query.none} == '' && {query.none} != null && {header.None} != null`", true),
        ("expression `{vars.none} == '' || {vars.none} < 'a' || null == 0`", false),
        ("expression `1.5 + 1 == 2.5 && 7.0 / 2 == 3.5 && 1e3 > 999u && 10 == 10.0 && -1.5 < 0`", true),
        ("expression `double({query.page}) < 2.5 && int('2') == 2 && int(2.9) == 2 && {query.page} == 2.0`", true),
        ("expression `int('x') == 0 || int('x') != 0 || 5.5 % 2 == 1.5 || 'x' < 1`", false),
        ("expression `{'a': 1, 'b': [2]}['b'][0] == 2 && {'a': 1}.a == 1`", true),
        ("expression `{'a': 1}['b'] == 1 || {'a': 1}.b != 1`", false),
        ("expression `has({'a': 1}.a) && !has({'a': 1}.b) && 'a' in {'a': 1} && size({'a': 1}) == 1`", true),
        ("expression `{'x': 1, 'y': 2}.exists(key, key == 'y') && {'a': 1} == {'a': 1.0} && [1, 2] != [1, 3]`", true),
        ("expression `'a,b,c'.split(',', 2) == ['a', 'b,c'] && 'aaa'.replace('a', 'b', 1) == 'baa'`", true),
        ("expression `'abab'.indexOf('a', 1) == 2 && 'äbäb'.lastIndexOf('ä', 1) == 0 && 'äb'.reverse() == 'bä'`", true),
        ("expression `'abab'.indexOf('a', 9) == -1 || 'ä'.lastIndexOf('ä', 2) == 0`", false),
        ("expression `math.greatest(1, 2.5) == 2.5 && math.least([3, 2]) == 2`", true),
        ("expression `{path}.matches(r'^/api/\\w+$') && bool('true') && string(1.5) == '1.5' && dyn(1) == 1`", true),
    ];
    for (block, expected) in table {
        assert_eq!(matcher(block).matches(&mut get()), Ok(expected), "@m {block}");
    }
    assert!(Matcher::any().is_any());
    assert_eq!(Matcher::any().matches(&mut get()), Ok(true));
}

/// What is wrong, where in the expression, and another way.
#[test]
fn wrong_expressions() {
    for (source, expected) in [
        ("method() == 'GET'", "`method` needs 1 argument"),
        ("{path}.startWith('/a')", "there is no method `startWith`; the methods are startsWith, "),
        ("{path} == request.path", "there is no variable `request`; write a placeholder, such as `{method}`"),
        ("{method} == GET", "there is no variable `GET`; a text needs quotes"),
        ("pth('/a')", "there is no function `pth`; the matchers are path, "),
        ("timestamp('2020-01-01') > 1", "there is no function `timestamp`; compare seconds"),
        ("'%s'.format([1])", "there is no method `format`; join texts by `+`"),
        ("has({query.x})", "`has` needs a key of a map"),
        ("{path} == '/a' && ({method} == 'GET'", "`)` is expected before the end, at `'GET'`"),
        ("true && 'a", "a text has no closing '"),
        ("1 + ", "it ends where a value is expected, at `+`"),
        ("{path}.matches('(?=a)')", "look-around"),
    ] {
        let fixture = Fixture::new();
        let shown = fixture.errors(&format!(":80 {{\n\t@m expression `{source}`\n\trespond @m ok\n}}\n"));
        assert!(shown.contains("Caddyfile:2:") && shown.contains(expected), "{source}: {shown}");
    }
}

#[test]
fn inline_matchers() {
    let fixture = Fixture::new();
    let config = fixture.config(":80 {\n\trespond /api/* 404\n\trespond * 403\n\trespond 200\n}\n");
    let mut matches = config.sites[0].routes.iter().map(|route| route.matcher.matches(&mut get()));
    assert!(matches.all(|matches| matches == Ok(true)));
    let statuses: Vec<Status> = config.sites[0]
        .routes
        .iter()
        .map(|route| match &route.handler {
            Handler::Respond(respond) => respond.status.clone(),
            other => panic!("not a respond: {other:?}"),
        })
        .collect();
    assert_eq!(statuses, [404, 403, 200].map(Status::Code), "the route with a path comes first");
}

#[test]
fn placeholders_are_filled_in() {
    let table = [
        ("https://{host}{uri}", "https://www.example.com/api/users?page=2"),
        ("{scheme}://{hostport}{path}?{query}", "http://www.example.com:8080/api/users?page=2"),
        ("{method} {port} {remote_host}", "GET 8080 192.0.2.7"),
        ("{header.Accept}|{header.None}", "text/html,image/png|"),
        (r#"{"a": {"b": 1}}"#, r#"{"a": {"b": 1}}"#),
        (r"\{host\} \x", r"{host} \x"),
        ("{} { host} {", "{} { host} {"),
        ("{dir}|{file}|{?query}|{%uri}", "/api/|users|?page=2|%2Fapi%2Fusers%3Fpage%3D2"),
        (
            "{orig_method} {orig_uri} {orig_path} {orig_file} {orig_query}",
            "POST /old/path%20x?a=1 /old/path x path x a=1",
        ),
        ("{http.request.remote} {remote_port} {client_ip}", "192.0.2.7:4711 4711 198.51.100.1"),
        ("{http.request.local.host} {http.request.proto}", "127.0.0.1 HTTP/1.1"),
        ("{path.0}-{path.1}-{path.2} {labels.0} {labels.2}", "api-users- com www"),
        ("{query.page} {http.request.uri.query.page} {cookie.session}", "2 2 x y"),
        ("{http.request.duration} {http.request.duration_ms}", "1.234ms 1.234"),
        ("{vars.root} {uuid}", "/site 00000000-0000-4000-8000-000000000000"),
        ("{re.x.1}{err.status_code}{resp.status_code}{tls_version}", ""),
        ("{http.request.remote.host/24} {http.request.remote.host/0,64}", "192.0.2.0/24 0.0.0.0/0"),
        ("{http.request.orig_uri.path.0}-{http.request.orig_uri.path.1}", "old-path x"),
        ("{http.request.tls.client.san.dns_names.0}{http.request.tls.resumed}", ""),
        ("{http.response.header.X-A}", ""),
        ("{a/b} {file} {1,2}", "{a/b} users {1,2}"),
    ];
    for (source, expected) in table {
        assert_eq!(Text::parse(source, &[]).expect("a text").render(&get()), expected, "{source}");
    }
    assert_eq!(Text::parse("a {hots}", &[]), Err(UnknownPlaceholder("hots".to_owned())));
    for unknown in ["http.request.tls.vrsion", "http.request.tls.client.san.dns_names.x", "http.reverse_proxy.retry"] {
        assert!(Text::parse(&format!("{{{unknown}}}"), &[]).is_err(), "{unknown}");
    }
    assert_eq!(Text::parse("plain", &[]).expect("a text").as_literal(), Some("plain"));
    assert_eq!(Text::parse("{host}", &[]).expect("a text").as_literal(), None);
}

#[test]
fn what_matchers_find_is_kept_for_placeholders() {
    let stored = |block: &str, name: &str| {
        let mut request = get();
        assert_eq!(matcher(block).matches(&mut request), Ok(true), "{block}");
        request.stored(name).unwrap_or_default().to_owned()
    };
    assert_eq!(stored("path_regexp name ^/(api)/", "http.regexp.name.1"), "api");
    assert_eq!(stored("path_regexp ^/(?P<part>api)/", "http.regexp.m.part"), "api", "under the matcher's name");
    assert_eq!(stored("header_regexp X-Id (.)", "http.regexp.1"), "7");
    let called = "expression `vars_regexp('name', '{host}', '^(www)')`";
    assert_eq!(stored(called, "http.regexp.name.1"), "www");
    let file = "{\n\t\tfile /app.php/info {\n\t\t\tsplit_path .php\n\t\t}\n\t}";
    assert_eq!(stored(file, "http.matchers.file.relative"), "/app.php");
    assert_eq!(stored(file, "http.matchers.file.remainder"), "/info");
    assert_eq!(stored("file /docs/", "http.matchers.file.type"), "directory");
    let policy = |policy: &str| {
        let files = "{\n\t\tfile /page.html /large.txt /none {\n\t\t\ttry_policy POLICY\n\t\t}\n\t}";
        stored(&files.replace("POLICY", policy), "http.matchers.file.relative")
    };
    assert_eq!(policy("smallest_size"), "/page.html");
    assert_eq!(policy("largest_size"), "/large.txt");
    assert_eq!(policy("most_recently_modified"), "/large.txt");
    assert_eq!(policy("first_exist_fallback"), "/page.html");
    assert_eq!(matcher("file /none =410").matches(&mut get()), Err(410));
}

#[test]
fn a_hostile_expression_takes_linear_time() {
    let mut request = get();
    let path: &'static str = Box::leak(format!("/{}", "a".repeat(20_000)).into_boxed_str());
    request.path = path;
    // The steps of macros are bounded, whatever they do with what a client sends.
    let letters = "{path}.replace('a', 'a,').split(',')";
    for hostile in [
        format!("{letters}.all(x, {letters}.all(y, {letters}.exists(z, x == z)))"),
        format!("{letters}.map(x, {letters}).map(y, y.map(z, {{path}})).size() > 0"),
        format!("['a'].map(x, [x, x]){}.size() > 0", ".map(x, [x, x])".repeat(60)),
    ] {
        assert_eq!(matcher(&format!("expression `{hostile}`")).matches(&mut request), Err(500), "{hostile}");
    }
    let doubled = format!("'ab'{} == ''", ".replace('a', 'aaaaaaaaaaaaaaaa')".repeat(60));
    assert_eq!(matcher(&format!("expression `{doubled}`")).matches(&mut request), Ok(false));
    // With back-tracking this takes longer than the universe has.
    assert_eq!(matcher("path_regexp ^/(a+)+(a+)+b$").matches(&mut request), Ok(false));
}
