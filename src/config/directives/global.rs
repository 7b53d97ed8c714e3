//! The global options.

use super::super::context::Context;
use super::super::settings::{Admin, Global};
use super::super::syntax::{Node, Token, excerpt};
use super::super::table::{Directive, Table, Times};
use super::super::values;
use super::frankenphp::frankenphp;
use super::log::process_log;

const NO_TLS: &str = "igor serves plain HTTP only";
const PORT_IN_ADDRESS: &str = "write the port in the address of each site, for example `http://example.com:8080`";
const HTTP_SERVER: &str = "remove it; igor has its own HTTP server with fixed limits";

/// The directives of the global options block.
pub(super) static GLOBAL: Table<Global> = Table {
    block: "the global options",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "frankenphp",
            usage: "frankenphp { … }",
            doc: "PHP threads, php.ini, global workers, snapshots.",
            times: Times::Last,
            apply: |global, node, context| global.frankenphp = frankenphp(node, context),
        },
        Directive {
            name: "admin",
            usage: "admin off|ADDRESS",
            doc: "Where the admin interface listens.",
            times: Times::Last,
            apply: |global, node, context| {
                if let Some(admin) = context.one(node).and_then(|word| admin(word, context)) {
                    global.admin = Some(admin);
                }
            },
        },
        Directive {
            name: "grace_period",
            usage: "grace_period DURATION",
            doc: "How long requests and scripts have to end on shutdown, restart and reload.",
            times: Times::Last,
            apply: |global, node, context| {
                if let Some(period) = context.one(node).and_then(|word| values::duration(word, context)) {
                    global.grace_period = period;
                }
            },
        },
        Directive {
            name: "log",
            usage: "log [default] [{ … }]",
            doc: "The log of the process.",
            times: Times::Last,
            apply: |global, node, context| {
                if let Some(log) = process_log(node, context) {
                    global.log = log;
                }
            },
        },
        Directive {
            name: "auto_https",
            usage: "auto_https off",
            doc: "Lets addresses that Caddy would serve by HTTPS mean plain HTTP.",
            times: Times::Last,
            apply: |global, node, context| match context.one(node) {
                Some(word) if word.text == "off" => global.auto_https_off = true,
                Some(word) => {
                    let message =
                        format!("`auto_https {}` needs HTTPS, which igor does not serve yet", excerpt(&word.text));
                    context.usage_error(&word.position, message);
                }
                None => {}
            },
        },
        Directive {
            name: "order",
            usage: "order DIRECTIVE first|last|before OTHER|after OTHER",
            doc: "Changes the order in which the directives of a block are tried.",
            times: Times::Many,
            apply: |_, node, context| {
                let mut order = std::mem::take(&mut context.order);
                order.change(node, context);
                context.order = order;
            },
        },
        Directive {
            name: "debug",
            usage: "debug",
            doc: "Sets the log level to `debug` unless `log` names another.",
            times: Times::Last,
            apply: |global, node, context| {
                global.debug = true;
                context.args(node, 0, 0);
            },
        },
    ],
    ignored: &[
        ("acme_ca", NO_TLS),
        ("email", NO_TLS),
        ("local_certs", NO_TLS),
        ("ocsp_stapling", NO_TLS),
        ("skip_install_trust", NO_TLS),
        ("persist_config", "igor keeps no copy of its configuration"),
    ],
    unsupported: &[
        ("acme_ca_root", "remove it; igor serves plain HTTP only"),
        ("acme_dns", "remove it; igor serves plain HTTP only"),
        ("acme_eab", "remove it; igor serves plain HTTP only"),
        ("cert_issuer", "remove it; igor serves plain HTTP only"),
        ("cert_lifetime", "remove it; igor serves plain HTTP only"),
        ("default_bind", "write `bind` in each site"),
        ("default_sni", "remove it; igor serves plain HTTP only"),
        ("dns", "remove it; igor serves plain HTTP only"),
        ("ech", "remove it; igor serves plain HTTP only"),
        ("events", "remove it"),
        ("fallback_sni", "remove it; igor serves plain HTTP only"),
        ("filesystem", "remove it; files are read from the disk"),
        ("http_port", PORT_IN_ADDRESS),
        ("https_port", PORT_IN_ADDRESS),
        ("key_type", "remove it; igor serves plain HTTP only"),
        ("layer4", "remove it; igor serves HTTP only"),
        ("mercure", "run a Mercure hub beside igor"),
        ("metrics", "remove it; the admin interface always serves `/metrics`"),
        ("on_demand_tls", "remove it; igor serves plain HTTP only"),
        ("pki", "remove it; igor serves plain HTTP only"),
        ("preferred_chains", "remove it; igor serves plain HTTP only"),
        ("renew_interval", "remove it; igor serves plain HTTP only"),
        ("servers", HTTP_SERVER),
        ("shutdown_delay", "remove it; use `grace_period`"),
        ("storage", "remove it; igor stores nothing"),
        ("vulcain", "run it in a proxy in front of igor"),
    ],
};

/// Reads the global options.
pub(crate) fn apply_global(nodes: &[Node], context: &mut Context<'_>) -> Global {
    let mut global = Global::default();
    GLOBAL.apply(&mut global, nodes, context);
    global
}

/// `off`, an address, or a Unix socket.
fn admin(word: &Token, context: &mut Context<'_>) -> Option<Admin> {
    let Some(admin) = Admin::parse(&word.text) else {
        let message = format!("`{}` is not an address for the admin interface", excerpt(&word.text));
        let hint = "write `localhost:2019`, an IP with a port, `unix/` and an absolute path, or `off`";
        context.error_with_hint(&word.position, message, hint);
        return None;
    };
    if let Admin::Addr(address) = &admin
        && !address.ip().is_loopback()
    {
        let message = format!(
            "the admin interface at {address} lets everybody who reaches it replace the configuration, and so run any PHP \
             file and read any file as the user of the server"
        );
        context.warning(&word.position, message);
    }
    Some(admin)
}
