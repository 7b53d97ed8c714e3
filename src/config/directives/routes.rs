//! The directives that act on requests. A site and every block of routes may hold them.

use super::super::changes::Change;
use super::super::context::Context;
use super::super::handlers::{Exclusive, Handler, Layer, Route};
use super::super::matcher::{Condition, Matcher};
use super::super::named_matchers::NamedMatchers;
use super::super::syntax::{Node, Token, excerpt};
use super::super::table::{Directive, Seen, Table, Times, unknown};
use super::answers::{abort, error, redir, respond};
use super::basic_auth::{basic_auth, request_body};
use super::changes;
use super::draft::{RoutesDraft, Sorting};
use super::encode::encode;
use super::file_server::file_server;
use super::header::{header, request_header};
use super::matchers::split_matcher;
use super::mercure::mercure;
use super::php::PhpDraft;
use super::php_fastcgi::php_fastcgi;
use super::proxy::{copy_response, forward_auth, reverse_proxy};
use super::replies::intercept;
use super::rewrite;
use super::tracing::tracing;

/// A directive that builds one handler from the words after its matcher.
macro_rules! handler {
    ($name:literal, $usage:literal, $doc:literal, $read:expr) => {
        Directive {
            name: $name,
            usage: $usage,
            doc: $doc,
            times: Times::Many,
            apply: |routes: &mut RoutesDraft, node, context| routes.read(node, context, $read),
        }
    };
}

/// The directives that act on requests.
pub(super) static ROUTES: Table<RoutesDraft> = Table {
    block: "a block of routes",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "root",
            usage: "root [MATCHER] DIRECTORY",
            doc: "The document root of the directives that follow.",
            times: Times::Many,
            apply: |routes, node, context| changes::root(routes, node, context),
        },
        handler!(
            "vars",
            "vars [MATCHER] NAME VALUE",
            "Sets variables of the request, `{vars.NAME}`; the block form holds many.",
            |node, args, context| changes::vars(node, args, context).map(Handler::Change)
        ),
        handler!(
            "map",
            "map [MATCHER] SOURCE DESTINATION… { … }",
            "Sets placeholders to values that depend on another one.",
            |node, args, context| changes::map(node, args, context).map(Handler::Change)
        ),
        handler!(
            "header",
            "header [MATCHER] [+|-|?|>]FIELD [VALUE [REPLACEMENT]]",
            "Sets, adds (`+`), removes (`-`) or defaults (`?`) a response header; `>` waits for the response.",
            |node, args, context| Some(Handler::Layer(Layer::Header(header(node, args, context))))
        ),
        handler!(
            "request_header",
            "request_header [MATCHER] [+|-]FIELD [VALUE [REPLACEMENT]]",
            "Sets, adds (`+`) or removes (`-`) a header of the request, for what answers it.",
            |node, args, context| Some(Handler::Change(Change::RequestHeader(request_header(node, args, context))))
        ),
        handler!(
            "redir",
            "redir [MATCHER] TO [STATUS]",
            "Redirects; the status is 302 unless given as a number, `temporary`, `permanent` or `html`.",
            |node, args, context| redir(node, args, context).map(Handler::Redir)
        ),
        handler!("method", "method [MATCHER] METHOD", "Changes the method of the request.", |node, args, context| {
            changes::method(node, args, context).map(Handler::Change)
        }),
        Directive {
            name: "rewrite",
            usage: "rewrite [MATCHER] TO",
            doc: "Changes the path, the query, or both.",
            times: Times::Many,
            apply: |routes, node, context| rewrite::rewrite(routes, node, context),
        },
        handler!(
            "uri",
            "uri [MATCHER] strip_prefix|strip_suffix|replace|path_regexp|query …",
            "Changes a part of the path or the query.",
            |node, args, context| rewrite::uri(node, args, context).map(Handler::Change)
        ),
        Directive {
            name: "try_files",
            usage: "try_files FILE… [{ policy POLICY }]",
            doc: "Rewrites the request to the first of these files that exists.",
            times: Times::Many,
            apply: |routes, node, context| rewrite::try_files(routes, node, context),
        },
        handler!(
            "log_skip",
            "log_skip [MATCHER]",
            "Leaves the request out of the access log.",
            |node, args, context| changes::log_skip(node, args, context).map(Handler::Change)
        ),
        handler!("skip_log", "skip_log [MATCHER]", "An older name of `log_skip`.", |node, args, context| {
            changes::log_skip(node, args, context).map(Handler::Change)
        }),
        handler!(
            "log_append",
            "log_append [MATCHER] NAME VALUE",
            "Adds a field to the record of the access log.",
            |node, args, context| changes::log_append(node, args, context).map(Handler::Change)
        ),
        handler!(
            "tracing",
            "tracing [MATCHER] [{ … }]",
            "Sends spans of the requests, and of what they make PHP do, to an OpenTelemetry collector.",
            |node, args, context| Some(Handler::Layer(Layer::Tracing(tracing(node, args, context))))
        ),
        Directive {
            name: "handle",
            usage: "handle [MATCHER] { … }",
            doc: "Routes of which only the first block that matches is taken.",
            times: Times::Many,
            apply: |routes, node, context| {
                let (matcher, args) = split_matcher(node, &routes.named, context);
                context.count_args(node, args, 0, 0);
                let inner = read_block(node.children(), &routes.named, Sorting::ByOrder, context);
                routes.push_exclusive(Exclusive::Handle, matcher, Handler::Subroute(inner), node, context);
            },
        },
        Directive {
            name: "handle_path",
            usage: "handle_path PATH { … }",
            doc: "A `handle` that takes the path's prefix away.",
            times: Times::Many,
            apply: |routes, node, context| rewrite::handle_path(routes, node, context, read_block),
        },
        handler!(
            "route",
            "route [MATCHER] { … }",
            "Routes that are tried in the order of the file.",
            |node, args, context| {
                context.count_args(node, args, 0, 0);
                // The context has the matchers of the enclosing blocks.
                let named = context.named.clone();
                Some(Handler::Subroute(read_block(node.children(), &named, Sorting::AsWritten, context)))
            }
        ),
        handler!(
            "encode",
            "encode [MATCHER] [FORMAT…] [{ … }]",
            "Compresses responses by zstd, brotli (`br`) or gzip.",
            |node, args, context| Some(Handler::Layer(Layer::Encode(encode(node, args, context))))
        ),
        handler!(
            "basic_auth",
            "basic_auth [MATCHER] [bcrypt|argon2id [REALM]] { NAME HASH }",
            "Asks for a name and a password, which is kept as a hash of `igor hash-password`.",
            basic_auth
        ),
        handler!(
            "basicauth",
            "basicauth [MATCHER] [bcrypt|argon2id [REALM]] { NAME HASH }",
            "An older name of `basic_auth`.",
            basic_auth
        ),
        handler!(
            "mercure",
            "mercure [MATCHER] { … }",
            "Answers at `/.well-known/mercure`: sends updates to browsers, by the Mercure protocol.",
            mercure
        ),
        handler!("request_body", "request_body [MATCHER] { … }", "Bounds the body of the request.", request_body),
        handler!("invoke", "invoke [MATCHER] NAME", "Takes the routes of the block `&(NAME) { … }`.", invoke),
        handler!("abort", "abort [MATCHER]", "Closes the connection without an answer.", abort),
        handler!(
            "error",
            "error [MATCHER] [MESSAGE] [STATUS] [{ … }]",
            "Ends the request with a failure, which `handle_errors` can answer.",
            |node, args, context| error(node, args, context).map(Handler::Error)
        ),
        handler!(
            "respond",
            "respond [MATCHER] [STATUS|BODY [STATUS]] [{ … }]",
            "Answers with a fixed text.",
            |node, args, context| respond(node, args, context).map(Handler::Respond)
        ),
        handler!(
            "reverse_proxy",
            "reverse_proxy [MATCHER] [UPSTREAM…] [{ … }]",
            "Lets another server answer.",
            |node, args, context| {
                Some(Handler::ReverseProxy(Box::new(reverse_proxy(node, args, context, read_block))))
            }
        ),
        handler!(
            "forward_auth",
            "forward_auth [MATCHER] [UPSTREAM…] { … }",
            "Asks another server whether the request may go on.",
            |node, args, context| {
                Some(Handler::ReverseProxy(Box::new(forward_auth(node, args, context, read_block))))
            }
        ),
        handler!(
            "intercept",
            "intercept [MATCHER] { … }",
            "Other routes answer in the place of certain responses.",
            |node, args, context| intercept(node, args, context, read_block).map(Handler::Intercept)
        ),
        handler!(
            "copy_response",
            "copy_response [MATCHER] [STATUS]",
            "In `handle_response`: answers with the response that is at hand.",
            |node, args, context| copy_response(node, args, context).map(Handler::CopyResponse)
        ),
        handler!(
            "php_server",
            "php_server [MATCHER] [{ … }]",
            "Serves the PHP scripts and the files under the root.",
            |node, args, context| {
                context.count_args(node, args, 0, 0);
                Some(Handler::PhpServer(PhpDraft::read(node, context).finish(context)))
            }
        ),
        handler!(
            "php",
            "php [MATCHER] [{ … }]",
            "Gives every request that matches to PHP, without looking for files.",
            |node, args, context| {
                context.count_args(node, args, 0, 0);
                Some(Handler::Php(PhpDraft::read(node, context).finish(context)))
            }
        ),
        handler!(
            "php_fastcgi",
            "php_fastcgi [MATCHER] [ADDRESS…] [{ … }]",
            "Runs the PHP scripts here, as `php_server` without its files does, or in a PHP at the address that answers.",
            |node, args, context| Some(Handler::PhpServer(php_fastcgi(node, args, context, read_block)))
        ),
        handler!(
            "file_server",
            "file_server [MATCHER] [browse] [{ … }]",
            "Serves the files under the root, except PHP scripts.",
            |node, args, context| Some(Handler::FileServer(file_server(node, args, context)))
        ),
    ],
    ignored: &[
        ("push", "no client of today takes HTTP/2 pushes; send 103 Early Hints with `headers_send(103)`"),
        ("templates", "igor evaluates no templates; the files are sent as they are"),
        ("vulcain", "igor preloads nothing; send 103 Early Hints with `headers_send(103)`"),
        ("metrics", "the admin interface always serves `/metrics`"),
        ("log_name", "igor's access log names the site"),
        // Directives of other modules: they have no effect, and the requests are served without them.
        ("cache", "igor has no HTTP cache of responses"),
    ],
    unsupported: &[
        ("acme_server", "remove it; igor issues no certificates"),
        // A protection that the file asks for must not be missing behind a warning.
        ("rate_limit", NO_RATES),
        (
            "coraza_waf",
            "igor filters no requests; let a proxy in front do it (nginx with ModSecurity), and remove it here",
        ),
        ("copy_response_headers", "set the fields with `header FIELD {rp.header.FIELD}`"),
        ("fs", "remove it; files are read from the disk"),
    ],
};

pub(super) const NO_RATES: &str =
    "igor limits no rates; let a proxy in front do it (`limit_req` of nginx), and remove it here";

/// Reads a block that holds routes and nothing else.
pub(super) fn read_block(
    nodes: &[Node],
    named: &NamedMatchers,
    sorting: Sorting,
    context: &mut Context<'_>,
) -> Vec<Route> {
    let mut draft = RoutesDraft::new(nodes, named, context);
    let mut seen = Seen::default();
    for node in nodes.iter().filter(|node| !node.name().starts_with('@')) {
        if node.name() == "handle_errors" {
            // As in Caddy, it belongs to the site, at any depth.
            let outer = std::mem::replace(&mut context.usage, "handle_errors [STATUS…] { … }");
            let route = handle_errors(node, &draft.named, context);
            context.error_routes.push(route);
            context.usage = outer;
        } else if !ROUTES.apply_known(&mut draft, node, &mut seen, context) {
            report_foreign(node, context);
            ROUTES.apply_misspelled(&mut draft, node, context);
        }
    }
    draft.finish(sorting)
}

/// A directive that a block of routes cannot hold.
fn report_foreign(node: &Node, context: &mut Context<'_>) {
    if (context.is_site_directive)(node.name()) {
        let message = format!("`{}` can stand in a site only, not in a block of routes", excerpt(node.name()));
        context.error_with_hint(&node.position, message, "move it out of the block, into its site");
    } else {
        ROUTES.report_unknown(node, &[], context);
    }
}

fn invoke(node: &Node, args: &[Token], context: &mut Context<'_>) -> Option<Handler> {
    context.no_block(node);
    let [name] = context.count_args(node, args, 1, 1)? else { return None };
    let Some(nodes) = context.named_routes.get(&name.text).cloned() else {
        let mut known: Vec<String> = context.named_routes.keys().cloned().collect();
        known.sort_unstable();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        unknown(name, "named route", &known, context);
        return None;
    };
    if context.invoked.contains(&name.text) {
        let message = format!("the named route `{}` invokes itself", excerpt(&name.text));
        context.error_with_hint(&name.position, message, "remove one of the `invoke`s of the circle");
        return None;
    }
    context.invoked.push(name.text.clone());
    let inner = read_block(&nodes, &NamedMatchers::default(), Sorting::ByOrder, context);
    context.invoked.pop();
    Some(Handler::Subroute(inner))
}

/// The routes of a `handle_errors`. `named` are the matchers of the enclosing blocks.
pub(super) fn handle_errors(node: &Node, named: &NamedMatchers, context: &mut Context<'_>) -> Route {
    let ranges: Vec<(u16, u16)> = node.args().iter().filter_map(|word| statuses(word, context)).collect();
    let matcher =
        if ranges.is_empty() { Matcher::any() } else { Matcher { conditions: vec![Condition::ErrorStatus(ranges)] } };
    let inner = read_block(node.children(), named, Sorting::ByOrder, context);
    Route { matcher, exclusive: None, handler: Handler::Subroute(inner), position: node.position.clone() }
}

/// A status, or all of a kind: `404`, `5xx`.
fn statuses(word: &Token, context: &mut Context<'_>) -> Option<(u16, u16)> {
    let text = word.text.to_ascii_lowercase();
    let found = match text.strip_suffix("xx").and_then(|kind| kind.parse::<u16>().ok()) {
        Some(kind @ 4..=5) => Some((kind * 100, kind * 100 + 99)),
        Some(_) => None,
        None => text.parse::<u16>().ok().filter(|status| (400..=599).contains(status)).map(|status| (status, status)),
    };
    if found.is_none() {
        let message = format!("`{}` is not the status of a failure", excerpt(&word.text));
        context.usage_error(&word.position, message);
    }
    found
}
