//! The directives of a site, and the order of its routes.

use super::super::context::Context;
use super::super::diagnostic::Position;
use super::super::listener::Bind;
use super::super::model::{Address, ScopeLabel, Site};
use super::super::named_matchers::NamedMatchers;
use super::super::settings::LogSettings;
use super::super::syntax::Node;
use super::super::table::{Directive, Seen, Table, Times};
use super::super::tls::TlsSettings;
use super::bind::binds;
use super::changes::destination;
use super::draft::{RoutesDraft, Sorting};
use super::frankenphp::FRANKENPHP;
use super::global::GLOBAL;
use super::log::log;
use super::routes::{ROUTES, handle_errors};
use super::tls::tls;

/// The settings of a site besides its routes, while it is read.
#[derive(Default)]
pub(super) struct SiteDraft {
    bind: Vec<Bind>,
    named: NamedMatchers,
    access_logs: Vec<LogSettings>,
    tls: TlsSettings,
    tls_position: Option<Position>,
}

/// The directives that only a site can hold.
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
            usage: "bind IP|unix//PATH[|MODE]|fd/NAME…",
            doc: "Where the site listens: on interfaces, at a Unix socket, or on a socket of the service manager.",
            times: Times::Many,
            apply: |site, node, context| site.bind.extend(binds(node, context)),
        },
        Directive {
            name: "handle_errors",
            usage: "handle_errors [STATUS…] { … }",
            doc: "Routes that answer a request which has failed, with these statuses or (`4xx`) kinds of them.",
            times: Times::Many,
            apply: |site, node, context| {
                let route = handle_errors(node, &site.named, context);
                context.error_routes.push(route);
            },
        },
    ],
    ignored: &[],
    unsupported: &[],
};

/// Whether `name` starts a directive of a site: it is a common mistake to forget the address.
pub(crate) fn is_site_directive(name: &str) -> bool {
    SITE.knows(name) || ROUTES.knows(name)
}

/// Whether `name` starts a global option, or a line of the `frankenphp` block among them.
pub(crate) fn is_global_option(name: &str) -> bool {
    GLOBAL.knows(name) || FRANKENPHP.knows(name)
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
            ROUTES.apply_misspelled(&mut routes, node, context);
        }
    }
    if directives().next().is_none() {
        context.warning(&position, "the site has no directives: every request gets a 404");
    }
    context.placeholders.clear();
    // Those for certain statuses come first, whatever their order in the file.
    let mut error_routes = std::mem::take(&mut context.error_routes);
    error_routes.sort_by_key(|route| route.matcher.is_any());
    let SiteDraft { bind, access_logs, tls, tls_position, .. } = site;
    let routes = routes.finish(Sorting::ByOrder);
    Site { addresses, bind, routes, error_routes, access_logs, tls, tls_position, position }
}

/// The placeholders that `map` defines in a block and in its inner blocks.
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
