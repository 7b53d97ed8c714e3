//! The directives that act on requests: they stand in a site, and in every block that holds routes.

use std::collections::HashMap;

use super::super::context::Context;
use super::super::handlers::{Change, Exclusive, Handler, Layer, Route};
use super::super::limits;
use super::super::matcher::Matcher;
use super::super::syntax::{Node, Token, excerpt};
use super::super::table::{Directive, Seen, Table, Times, unknown};
use super::answers::{abort, error, file_server, redir, respond};
use super::changes;
use super::encode::encode;
use super::header::{header, request_header};
use super::matchers::{NamedMatchers, define, split_matcher};
use super::php::{PhpDraft, php_fastcgi};
use super::rewrite;

/// The routes of a block while they are read.
#[derive(Default)]
pub(super) struct RoutesDraft {
    /// The named matchers of the block and of those around it.
    pub(super) named: NamedMatchers,
    routes: Vec<Placed>,
}

/// A route and its place in the order of directives.
struct Placed {
    order: usize,
    /// Of a directive that sets variables, the last one wins.
    reversed: bool,
    route: Route,
}

/// A directive that makes one handler of what follows its matcher.
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
            apply: |routes, node, context| rewrite::handle_path(routes, node, context),
        },
        handler!(
            "route",
            "route [MATCHER] { … }",
            "Routes that are tried in the order of the file.",
            |node, args, context| {
                context.count_args(node, args, 0, 0);
                // The matchers of the blocks around come by the context.
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
            "Runs the PHP scripts here, as `php_server` without its files does.",
            |node, args, context| Some(Handler::PhpServer(php_fastcgi(node, args, context)))
        ),
        handler!(
            "file_server",
            "file_server [MATCHER] [{ … }]",
            "Serves the files under the root, except PHP scripts.",
            |node, args, context| Some(Handler::FileServer(file_server(node, args, context)))
        ),
    ],
    ignored: &[
        ("mercure", "igor runs no Mercure hub yet"),
        ("push", "no client of today takes HTTP/2 pushes; send 103 Early Hints with `headers_send(103)`"),
        ("templates", "igor evaluates no templates; the files are sent as they are"),
        ("tracing", "igor sends no traces"),
        ("vulcain", "igor preloads nothing; send 103 Early Hints with `headers_send(103)`"),
        ("log_name", "igor's access log names the site"),
        // Of other modules: what they do is left out, and the requests are served all the same.
        ("cache", "igor has no HTTP cache of responses"),
    ],
    unsupported: &[
        ("acme_server", "remove it; igor gives out no certificates"),
        ("basic_auth", "check the password in the PHP script"),
        ("basicauth", "check the password in the PHP script"),
        ("copy_response", "run the proxy in front of igor"),
        ("copy_response_headers", "run the proxy in front of igor"),
        ("forward_auth", "run the proxy in front of igor"),
        ("fs", "remove it; files are read from the disk"),
        ("intercept", "run the proxy in front of igor"),
        ("metrics", "remove it; the admin interface always serves `/metrics`"),
        ("request_body", "use `post_max_size` with `php_ini`"),
        ("reverse_proxy", "run the proxy in front of igor"),
    ],
};

/// In which order the routes of a block are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sorting {
    /// In Caddy's order of directives.
    ByOrder,
    /// As they are written.
    AsWritten,
}

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
        if !ROUTES.apply_known(&mut draft, node, &mut seen, context) {
            if super::is_site_directive(node.name()) {
                let message = format!("`{}` can stand in a site only, not in a block of routes", excerpt(node.name()));
                context.error_with_hint(&node.position, message, "move it out of the block, into its site");
            } else {
                ROUTES.report_unknown(node, &[], context);
            }
        }
    }
    draft.finish(sorting)
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

impl RoutesDraft {
    /// The draft of a block: what `nodes` say of matchers, beside those of the blocks around.
    pub(super) fn new(nodes: &[Node], outer: &NamedMatchers, context: &mut Context<'_>) -> Self {
        let mut own = HashMap::new();
        for node in nodes.iter().filter(|node| node.name().starts_with('@')) {
            define(&mut own, node, context);
        }
        Self { named: outer.with(own), routes: Vec::new() }
    }

    /// Adds the route of a directive whose handler is made of what follows its matcher.
    pub(super) fn read(
        &mut self,
        node: &Node,
        context: &mut Context<'_>,
        read: impl FnOnce(&Node, &[Token], &mut Context<'_>) -> Option<Handler>,
    ) {
        let (matcher, args) = split_matcher(node, &self.named, context);
        let outer = std::mem::replace(&mut context.named, self.named.clone());
        let handler = read(node, args, context);
        context.named = outer;
        if let Some(handler) = handler {
            self.push(None, matcher, handler, node, context);
        }
    }

    /// Adds a route of which only the first that matches is taken.
    pub(super) fn push_exclusive(
        &mut self,
        exclusive: Exclusive,
        matcher: Matcher,
        handler: Handler,
        node: &Node,
        context: &mut Context<'_>,
    ) {
        self.push(Some(exclusive), matcher, handler, node, context);
    }

    fn push(
        &mut self,
        exclusive: Option<Exclusive>,
        matcher: Matcher,
        handler: Handler,
        node: &Node,
        context: &mut Context<'_>,
    ) {
        context.routes += 1;
        if context.routes > limits::ROUTES_MAX {
            let message = format!("the configuration has more than {} routes", limits::ROUTES_MAX);
            context.error_with_hint(&node.position, message, "look for named routes that invoke others more than once");
            return;
        }
        self.routes.push(Placed {
            order: context.order.position(node.name()),
            reversed: node.name() == "vars",
            route: Route { matcher, exclusive, handler, position: node.position.clone() },
        });
    }

    /// The routes in the order in which they are tried.
    pub(super) fn finish(mut self, sorting: Sorting) -> Vec<Route> {
        if sorting == Sorting::ByOrder {
            self.routes.sort_by_key(|placed| placed.order);
            for same in self.routes.chunk_by_mut(|a, b| a.order == b.order) {
                sort_same(same);
            }
        }
        self.routes.into_iter().map(|placed| placed.route).collect()
    }
}

/// Sorts the routes of one directive as Caddy does: of two with one path each the longer comes first; otherwise one with a
/// matcher comes before one without. That is no total order, so the few that a block has are sorted by insertion, which
/// gives what Caddy gives. Blocks with more get the order by path, then those with other matchers, then those without.
fn sort_same(routes: &mut [Placed]) {
    const SORTED_BY_INSERTION_MAX: usize = 500;
    let reversed = routes.first().is_some_and(|placed| placed.reversed);
    if routes.len() > SORTED_BY_INSERTION_MAX {
        routes.sort_by_key(|placed| {
            let length = placed.route.matcher.single_path().map_or(0, |path| path.prefix().len());
            (placed.route.matcher.is_any(), std::cmp::Reverse(length))
        });
        return;
    }
    let before = |a: &Placed, b: &Placed| comes_first(&a.route.matcher, &b.route.matcher) != reversed;
    for end in 1..routes.len() {
        let mut at = end;
        while at > 0 && before(&routes[at], &routes[at - 1]) && !is_same_place(&routes[at], &routes[at - 1]) {
            routes.swap(at, at - 1);
            at -= 1;
        }
    }
}

/// Whether neither of the two has to come first.
fn is_same_place(a: &Placed, b: &Placed) -> bool {
    !comes_first(&a.route.matcher, &b.route.matcher) && !comes_first(&b.route.matcher, &a.route.matcher)
}

fn comes_first(a: &Matcher, b: &Matcher) -> bool {
    if let (Some(a), Some(b)) = (a.single_path(), b.single_path()) {
        let (stem_a, stem_b) = (a.prefix(), b.prefix());
        if stem_a == stem_b {
            return a.as_str().len() < b.as_str().len();
        }
        return if stem_a.len() == stem_b.len() { stem_a < stem_b } else { stem_a.len() > stem_b.len() };
    }
    !a.is_any() && b.is_any()
}
