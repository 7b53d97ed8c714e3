//! The directives of a site.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::path::PathBuf;

use super::super::context::Context;
use super::super::diagnostic::Position;
use super::super::matcher::{Condition, Matcher};
use super::super::model::{Address, Handler, HeaderRule, Redir, Respond, Route, ScopeLabel, Site};
use super::super::settings::LogSettings;
use super::super::syntax::{Node, excerpt};
use super::super::table::{Directive, Table, Times};
use super::answers::{FileServerDraft, file_server, redir, respond};
use super::header::header;
use super::log::log;
use super::matchers::{NamedMatchers, define, split_matcher};
use super::php::{PhpDraft, root};

/// A site while it is read.
#[derive(Default)]
pub(super) struct SiteDraft {
    root: Option<PathBuf>,
    bind: Vec<IpAddr>,
    named: NamedMatchers,
    routes: Vec<RouteDraft>,
    access_logs: Vec<LogSettings>,
}

struct RouteDraft {
    matcher: Matcher,
    handler: HandlerDraft,
    position: Position,
}

enum HandlerDraft {
    PhpServer(PhpDraft),
    Php(PhpDraft),
    Respond(Respond),
    Redir(Redir),
    Header(HeaderRule),
    FileServer(FileServerDraft),
}

const OWN_ROUTING: &str = "use matchers in front of the directives (`respond /path …`), or a site of its own";
const IN_SCRIPT: &str = "remove it, or do it in the PHP script";
const IN_PROXY: &str = "remove it, or do it in a proxy in front of igor";
const TRY_FILES: &str = "use `try_files` or `index` in the `php_server` block";

/// The directives of a site.
pub(super) static SITE: Table<SiteDraft> = Table {
    block: "a site",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "root",
            usage: "root [*] DIRECTORY",
            doc: "The document root of the site's directives.",
            times: Times::Once,
            apply: site_root,
        },
        Directive {
            name: "php_server",
            usage: "php_server [MATCHER] [{ … }]",
            doc: "Serves the PHP scripts and the files under the root.",
            times: Times::Many,
            apply: |site, node, context| {
                let (matcher, args) = split_matcher(node, &site.named, context);
                context.count_args(node, args, 0, 0);
                let draft = PhpDraft::read(node, context);
                site.push(matcher, HandlerDraft::PhpServer(draft), node);
            },
        },
        Directive {
            name: "php",
            usage: "php [MATCHER] [{ … }]",
            doc: "Gives every request that matches to PHP, without looking for files.",
            times: Times::Many,
            apply: |site, node, context| {
                let (matcher, args) = split_matcher(node, &site.named, context);
                context.count_args(node, args, 0, 0);
                let draft = PhpDraft::read(node, context);
                site.push(matcher, HandlerDraft::Php(draft), node);
            },
        },
        Directive {
            name: "respond",
            usage: "respond [MATCHER] [STATUS|BODY [STATUS]] [{ … }]",
            doc: "Answers with a fixed text.",
            times: Times::Many,
            apply: |site, node, context| {
                let (matcher, args) = split_matcher(node, &site.named, context);
                if let Some(answer) = respond(node, args, context) {
                    site.push(matcher, HandlerDraft::Respond(answer), node);
                }
            },
        },
        Directive {
            name: "redir",
            usage: "redir [MATCHER] TO [STATUS]",
            doc: "Redirects; the status is 302 unless given as a number, `temporary` or `permanent`.",
            times: Times::Many,
            apply: |site, node, context| {
                let (matcher, args) = split_matcher(node, &site.named, context);
                if let Some(target) = redir(node, args, context) {
                    site.push(matcher, HandlerDraft::Redir(target), node);
                }
            },
        },
        Directive {
            name: "header",
            usage: "header [MATCHER] [+|-|?|>]FIELD [VALUE]",
            doc: "Sets, adds (`+`), removes (`-`) or defaults (`?`) a response header; `>` waits for the response.",
            times: Times::Many,
            apply: |site, node, context| {
                let (matcher, args) = split_matcher(node, &site.named, context);
                let rule = header(node, args, context);
                site.push(matcher, HandlerDraft::Header(rule), node);
            },
        },
        Directive {
            name: "file_server",
            usage: "file_server [MATCHER] [{ … }]",
            doc: "Serves the files under the root, except PHP scripts.",
            times: Times::Many,
            apply: |site, node, context| {
                let (matcher, args) = split_matcher(node, &site.named, context);
                let draft = file_server(node, args, context);
                site.push(matcher, HandlerDraft::FileServer(draft), node);
            },
        },
        Directive {
            name: "log",
            usage: "log [NAME] [{ … }]",
            doc: "Writes an access log; a site may have several.",
            times: Times::Many,
            apply: |site, node, context| site.access_logs.push(log(node, context)),
        },
        Directive {
            name: "bind",
            usage: "bind IP…",
            doc: "The interfaces that the site listens on.",
            times: Times::Once,
            apply: |site, node, context| {
                for word in context.args(node, 1, usize::MAX).unwrap_or_default() {
                    match word.text.trim_matches(['[', ']']).parse() {
                        Ok(ip) => site.bind.push(ip),
                        Err(_) => {
                            let message = format!("`{}` is not an IP address", excerpt(&word.text));
                            context.usage_error(&word.position, message);
                        }
                    }
                }
            },
        },
    ],
    ignored: &[],
    unsupported: &[
        ("abort", "use `respond` with a status"),
        ("acme_server", "remove it; igor serves plain HTTP only"),
        ("basic_auth", IN_SCRIPT),
        ("basicauth", IN_SCRIPT),
        ("copy_response", IN_PROXY),
        ("encode", "remove it; responses are served uncompressed, compress them in a proxy in front of igor"),
        ("error", "use `respond` with a status"),
        ("forward_auth", IN_PROXY),
        ("fs", "remove it; files are read from the disk"),
        ("handle", OWN_ROUTING),
        ("handle_errors", IN_SCRIPT),
        ("handle_path", OWN_ROUTING),
        ("intercept", IN_PROXY),
        ("invoke", "use a snippet: `(name) { … }` and `import name`"),
        ("log_append", "remove it"),
        ("log_name", "remove it"),
        ("log_skip", "remove it"),
        ("map", IN_SCRIPT),
        ("mercure", "run a Mercure hub beside igor"),
        ("method", IN_SCRIPT),
        ("metrics", "remove it; the admin interface always serves `/metrics`"),
        ("php_fastcgi", "use `php_server`: igor runs PHP itself"),
        ("push", "send 103 Early Hints from the script with `headers_send(103)`"),
        ("request_body", "use `post_max_size` with `php_ini`"),
        ("request_header", IN_SCRIPT),
        ("reverse_proxy", "run the proxy in front of igor"),
        ("rewrite", TRY_FILES),
        ("route", OWN_ROUTING),
        ("skip_log", "remove it"),
        ("templates", IN_SCRIPT),
        ("tls", "remove it; igor serves plain HTTP only, terminate TLS in a proxy in front of it"),
        ("tracing", "remove it"),
        ("try_files", TRY_FILES),
        ("uri", TRY_FILES),
        ("vars", IN_SCRIPT),
        ("vulcain", IN_PROXY),
    ],
};

/// Whether `name` starts a directive of a site: people forget the address.
pub(crate) fn is_site_directive(name: &str) -> bool {
    SITE.knows(name)
}

/// Reads the directives of the site with these addresses. `label` is the label of its scopes.
pub(crate) fn apply_site(
    addresses: Vec<Address>,
    body: &[Node],
    position: Position,
    label: &ScopeLabel,
    context: &mut Context<'_>,
) -> Site {
    let mut draft = SiteDraft::default();
    let (matchers, directives): (Vec<Node>, Vec<Node>) =
        body.iter().cloned().partition(|node| node.name().starts_with('@'));
    matchers.iter().for_each(|node| define(&mut draft.named, node, context));
    SITE.apply(&mut draft, &directives, context);
    if directives.is_empty() {
        context.warning(&position, "the site has no directives: every request gets a 404");
    }
    let SiteDraft { root, bind, routes, access_logs, .. } = draft;
    let mut routes: Vec<Route> = routes.into_iter().map(|route| route.finish(root.as_ref(), label, context)).collect();
    routes.sort_by_key(rank);
    Site { addresses, bind, root, routes, access_logs, position }
}

/// The place of a route among those of its site: Caddy's order of directives, then the most specific matcher first.
fn rank(route: &Route) -> (u8, bool, Reverse<usize>) {
    let directive = match route.handler {
        Handler::Header(_) => 0,
        Handler::Redir(_) => 1,
        Handler::Respond(_) => 2,
        Handler::Php(_) => 3,
        Handler::PhpServer(_) => 4,
        Handler::FileServer(_) => 5,
    };
    let path_length = match route.matcher.conditions.as_slice() {
        [Condition::Path(patterns)] if patterns.len() == 1 => patterns[0].as_str().trim_end_matches('*').len(),
        _ => 0,
    };
    (directive, route.matcher.is_any(), Reverse(path_length))
}

impl SiteDraft {
    fn push(&mut self, matcher: Matcher, handler: HandlerDraft, node: &Node) {
        self.routes.push(RouteDraft { matcher, handler, position: node.position.clone() });
    }
}

impl RouteDraft {
    fn finish(self, root: Option<&PathBuf>, label: &ScopeLabel, context: &mut Context<'_>) -> Route {
        let handler = match self.handler {
            HandlerDraft::PhpServer(php) => Handler::PhpServer(php.finish(root, label, context)),
            HandlerDraft::Php(php) => Handler::Php(php.finish(root, label, context)),
            HandlerDraft::FileServer(server) => Handler::FileServer(server.finish(root, context)),
            HandlerDraft::Respond(answer) => Handler::Respond(answer),
            HandlerDraft::Redir(target) => Handler::Redir(target),
            HandlerDraft::Header(rule) => Handler::Header(rule),
        };
        Route { matcher: self.matcher, handler, position: self.position }
    }
}

fn site_root(site: &mut SiteDraft, node: &Node, context: &mut Context<'_>) {
    let directory = match context.args(node, 1, 2) {
        Some([directory]) => directory,
        Some([any, directory]) if any.text == "*" => directory,
        Some([matcher, _]) => {
            let message = "a `root` for some requests only is a Caddy feature that igor does not support yet";
            context.error_with_hint(
                &matcher.position,
                message,
                "use `root` inside a `php_server` block with that matcher",
            );
            return;
        }
        _ => return,
    };
    site.root = root(directory, context);
}
