//! The directives of a site, and how its routes come together.

use std::net::IpAddr;

use super::super::context::Context;
use super::super::diagnostic::Position;
use super::super::handlers::{Handler, Route};
use super::super::matcher::{Condition, Matcher};
use super::super::model::{Address, ScopeLabel, Site};
use super::super::named_matchers::NamedMatchers;
use super::super::settings::LogSettings;
use super::super::syntax::{Node, Token, excerpt};
use super::super::table::{Directive, Seen, Table, Times};
use super::super::tls::TlsSettings;
use super::changes::destination;
use super::draft::{RoutesDraft, Sorting};
use super::log::log;
use super::routes::{ROUTES, read_block};
use super::tls::tls;

/// What a site has beside its routes, while it is read.
#[derive(Default)]
pub(super) struct SiteDraft {
    bind: Vec<IpAddr>,
    named: NamedMatchers,
    error_routes: Vec<Route>,
    access_logs: Vec<LogSettings>,
    tls: TlsSettings,
    tls_position: Option<Position>,
}

/// The directives that can stand in a site only.
pub(super) static SITE: Table<SiteDraft> = Table {
    block: "a site",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "log",
            usage: "log [NAME] [{ … }]",
            doc: "Writes an access log; a site may have several.",
            times: Times::Many,
            apply: |site, node, context| site.access_logs.push(log(node, context)),
        },
        Directive {
            name: "tls",
            usage: "tls [internal|EMAIL|CERTIFICATE KEY] [{ … }]",
            doc: "How the HTTPS addresses of the site are encrypted, and where their certificates come from.",
            times: Times::Once,
            apply: |site, node, context| {
                site.tls_position = Some(node.position.clone());
                site.tls = tls(node, context);
            },
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
        Directive {
            name: "handle_errors",
            usage: "handle_errors [STATUS…] { … }",
            doc: "Routes that answer a request which has failed, with these statuses or (`4xx`) kinds of them.",
            times: Times::Many,
            apply: handle_errors,
        },
    ],
    ignored: &[],
    unsupported: &[],
};

/// Whether `name` starts a directive of a site: people forget the address.
pub(crate) fn is_site_directive(name: &str) -> bool {
    SITE.knows(name) || ROUTES.knows(name)
}

/// Reads the directives of the site with these addresses. `label` is the label of its scopes.
pub(crate) fn apply_site(
    addresses: Vec<Address>,
    body: &[Node],
    position: Position,
    label: &ScopeLabel,
    context: &mut Context<'_>,
) -> Site {
    context.label = label.clone();
    context.is_site_directive = is_site_directive;
    context.placeholders = defined_placeholders(body);
    let mut routes = RoutesDraft::new(body, &NamedMatchers::default(), context);
    let mut site = SiteDraft { named: routes.named.clone(), ..SiteDraft::default() };
    let (mut seen, mut seen_routes) = (Seen::default(), Seen::default());
    let directives = || body.iter().filter(|node| !node.name().starts_with('@'));
    for node in directives() {
        let known = SITE.apply_known(&mut site, node, &mut seen, context)
            || ROUTES.apply_known(&mut routes, node, &mut seen_routes, context);
        if !known {
            let others: Vec<&str> = ROUTES.names().collect();
            SITE.report_unknown(node, &others, context);
        }
    }
    if directives().next().is_none() {
        context.warning(&position, "the site has no directives: every request gets a 404");
    }
    context.placeholders.clear();
    // Those that are for certain statuses come first, whatever their order in the file.
    site.error_routes.sort_by_key(|route| route.matcher.is_any());
    let SiteDraft { bind, error_routes, access_logs, tls, tls_position, .. } = site;
    let routes = routes.finish(Sorting::ByOrder);
    Site { addresses, bind, routes, error_routes, access_logs, tls, tls_position, position }
}

/// The placeholders that the `map`s of a block and of those in it define.
fn defined_placeholders(nodes: &[Node]) -> Vec<String> {
    let mut names = Vec::new();
    for node in nodes {
        if node.name() == "map" {
            let words = node.args().iter().skip_while(|word| word.text.starts_with(['@', '/', '*']));
            names.extend(words.skip(1).map(|word| destination(&word.text).to_owned()));
        }
        names.append(&mut defined_placeholders(node.children()));
    }
    names
}

fn handle_errors(site: &mut SiteDraft, node: &Node, context: &mut Context<'_>) {
    let ranges: Vec<(u16, u16)> = node.args().iter().filter_map(|word| statuses(word, context)).collect();
    let matcher =
        if ranges.is_empty() { Matcher::any() } else { Matcher { conditions: vec![Condition::ErrorStatus(ranges)] } };
    let inner = read_block(node.children(), &site.named, Sorting::ByOrder, context);
    let handler = Handler::Subroute(inner);
    site.error_routes.push(Route { matcher, exclusive: None, handler, position: node.position.clone() });
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
