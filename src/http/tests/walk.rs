//! Whatever the configuration and the request: the walk through the routes ends, and visits no handler twice.

use std::path::Path;
use std::time::{Duration, Instant};

use http::Request;
use proptest::prelude::*;

use crate::config::{self, Handler as ConfigHandler};
use crate::http::changes;
use crate::http::connection::ConnectionInfo;
use crate::http::request::RequestState;
use crate::http::settings::Handler;
use crate::http::tree::{Routes, Walk};

/// Definitions of the one matcher that lines use.
const MATCHERS: &[&str] = &[
    "@m path /a* *.php",
    "@m path_regexp m (a|aa)+$",
    "@m path_regexp m ^/(a*)*(b?)/",
    "@m header_regexp m X-A (x*)*y",
    "@m expression `path('/a*') && ({query.x} > 1 || {path}.matches('(a+)+b'))`",
    "@m {\nnot path /a*\nheader X-A *\n}",
    "@m not {\nmethod GET\nquery x=*\n}",
    "@m file {path} /index.php",
    "@m {\nfile {\ntry_files {path} =404\n}\n}",
    "@m vars a b",
    "@m vars_regexp {path} (a+)+$",
    "@m client_ip 127.0.0.1 private_ranges",
    "@m protocol http",
];

/// Lines of a block. They change what the next matchers see.
const LINES: &[&str] = &[
    "rewrite * /x{uri}",
    "rewrite @m /a/{re.m.1}?{query}&y={path}",
    "rewrite @m {path}/..//b",
    "rewrite * ?x=2",
    "rewrite @m index.php",
    "uri strip_prefix /a",
    "uri @m strip_suffix .php",
    "uri replace a bb 3",
    "uri path_regexp (a+)+ b",
    "uri query {\n-x\n+y {path}\nz>x\n}",
    "try_files {path} {path}/ /index.php?{query}",
    "vars a {path}",
    "vars @m a b",
    "map {path} {one} {two} {\n~^/(a*)*b $1 x\n/a y -\ndefault n {method}\n}",
    "method @m POST",
    "request_header X-A {uuid}{header.X-A}",
    "request_header -X-*",
    "root @m /tmp/{labels.0}",
    "root * /nonexistent/{path.0}",
    "log_append a {cookie.a}{query.x}",
    "log_skip @m",
    "header @m X-B {re.m.1}",
    "encode gzip",
    "respond @m {vars.a}",
    "redir @m {uri}{?query}",
    "error @m \"{path}{vars.one}\" 404",
    "abort @m",
    "file_server @m",
    "php_server @m",
];

/// A site with blocks in blocks. Each block has its own matcher under the same name.
fn site() -> impl Strategy<Value = String> {
    let block = |lines| (prop::sample::select(MATCHERS), prop::collection::vec(lines, 0..6));
    let line = prop::sample::select(LINES).prop_map(str::to_owned).prop_recursive(5, 60, 6, move |inner| {
        let heads = prop::sample::select(vec!["route", "route @m", "handle", "handle /a/*", "handle_path /a*"]);
        (heads, block(inner.boxed()))
            .prop_map(|(head, (matcher, lines))| format!("{head} {{\n{matcher}\n{}\n}}", lines.join("\n")))
    });
    block(line.boxed()).prop_map(|(matcher, lines)| format!(":80 {{\n{matcher}\nroot * /\n{}\n}}\n", lines.join("\n")))
}

fn target() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "/",
            "/a",
            "/a/b.php/c?x=2&x=3&y",
            "//a//b",
            "/a/../../b",
            "/%61%2e%2e/%2f?%ff=%zz",
            "/%00",
            "/a?",
            "/ab?a=b=c&&=",
        ])
        .prop_map(str::to_owned),
        "/[a-c/.%0-9]{0,40}(\\?[a-z&=%]{0,20})?",
        (1_usize..5_000).prop_map(|length| format!("/{}", "a".repeat(length))),
    ]
}

fn handler(handler: &ConfigHandler) -> Option<Handler> {
    match handler {
        ConfigHandler::Subroute(_) => None,
        ConfigHandler::Change(change) => Some(Handler::Change(change.clone())),
        // A handler that answers would end the walk; here the walk continues, so that it is seen completely.
        _ => Some(Handler::Abort),
    }
}

/// The number of routes that are not blocks.
fn count(routes: &[config::Route]) -> usize {
    let of = |route: &config::Route| match &route.handler {
        ConfigHandler::Subroute(inner) => count(inner),
        _ => 1,
    };
    routes.iter().map(of).sum()
}

/// Expressions: mostly such that can be read.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "1",
        "2.5",
        "-3",
        "'a'",
        "'(a+)+'",
        "'{path}'",
        "{path}",
        "{query.x}",
        "{header.X-A}",
        "{vars.a}",
        "null",
        "true",
        "x",
        "[]",
        "[1, 'a', 2.5]",
        "{'a': 1, 'b': [1]}",
        "path('/a*')",
        "{cookie.a}",
    ]);
    let operators = prop::sample::select(vec!["&&", "||", "==", "!=", "<", ">=", "in", "+", "-", "*", "/", "%"]);
    let methods = prop::sample::select(vec![
        ".split('a')",
        ".split('', 3)",
        ".replace('a', 'aa')",
        ".join(',')",
        ".size()",
        ".reverse()",
        ".indexOf('a', 2)",
        ".lastIndexOf('ä', 1)",
        ".substring(1, 9)",
        ".charAt(0)",
        ".matches('(a+)+b')",
        "[0]",
        "['a']",
        ".a",
        ".b[0]",
        ".startsWith('/')",
        ".lowerAscii()",
    ]);
    let macros = prop::sample::select(vec!["map", "filter", "all", "exists", "exists_one"]);
    let functions =
        prop::sample::select(vec!["int", "double", "string", "bool", "size", "math.greatest", "dyn", "has"]);
    leaf.prop_map(str::to_owned).prop_recursive(6, 40, 3, move |inner| {
        prop_oneof![
            (inner.clone(), operators.clone(), inner.clone()).prop_map(|(a, sign, b)| format!("({a} {sign} {b})")),
            (inner.clone(), methods.clone()).prop_map(|(of, method)| format!("{of}{method}")),
            (inner.clone(), macros.clone(), inner.clone())
                .prop_map(|(of, name, body)| format!("{of}.{name}(x, {body})")),
            (functions.clone(), inner.clone()).prop_map(|(name, of)| format!("{name}({of})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (inner.clone(), inner).prop_map(|(key, value)| format!("!{{{key}: {value}}}[{key}]")),
        ]
    })
}

/// What one request may take, on a slow machine and without optimization.
const LONGEST: Duration = Duration::from_secs(20);

fn walk(site: &config::Site, target: &str) -> Result<(), TestCaseError> {
    let began = Instant::now();
    let Ok(request) = Request::builder().uri(target).header("X-A", "xxxxxxxxxxxxxxxxxxxx").body(()) else {
        return Ok(());
    };
    let (connection, routes) = (ConnectionInfo::default(), Routes::compile(&site.routes, &handler));
    let Ok(mut state) = RequestState::new(request.into_parts().0, "a.example", &connection, Path::new("/")) else {
        return Ok(());
    };
    let (mut walk, mut visited) = (Walk::default(), 0);
    while let Ok(Some(handler)) = routes.next(&mut walk, &mut state) {
        visited += 1;
        prop_assert!(visited <= count(&site.routes), "a handler was visited twice");
        if let Handler::Change(change) = handler {
            changes::apply(change, &mut state);
        }
        prop_assert!(state.file_path().starts_with(b"/"), "{:?}", state.file_path());
    }
    prop_assert!(began.elapsed() < LONGEST, "{target}: {:?}", began.elapsed());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// An expression is refused with its place, or evaluated in its steps.
    #[test]
    fn every_expression_ends(expression in expression(), targets in prop::collection::vec(target(), 1..3)) {
        let text = format!(":80 {{\n@m expression `{expression}`\nrespond @m yes\n}}\n");
        match config::parse(&text, Path::new("/nonexistent/Caddyfile"), &|_| None) {
            Ok(config) => targets.iter().try_for_each(|target| walk(&config.sites[0], target))?,
            Err(errors) => prop_assert_eq!(errors[0].line, 2, "{}", errors[0]),
        }
    }

    /// `make fuzz` runs it for as long as you like.
    #[test]
    fn every_walk_ends(text in site(), targets in prop::collection::vec(target(), 1..6)) {
        let parsed = config::parse(&text, Path::new("/nonexistent/Caddyfile"), &|_| None);
        let config = match parsed {
            Ok(config) => config,
            Err(errors) => return Err(TestCaseError::fail(format!("{text}\n{}", errors[0]))),
        };
        for target in &targets {
            walk(&config.sites[0], target)?;
        }
    }
}
