//! The global options.

use super::super::context::Context;
use super::super::settings::{Admin, Global};
use super::super::syntax::{Node, Token, excerpt};
use super::super::table::{Directive, Table, Times};
use super::super::values;
use super::bind::binds;
use super::frankenphp::frankenphp;
use super::https;
use super::log::process_log;
use super::on_demand::on_demand;
use super::order::change;
use super::servers::servers;
use super::tls::{KEY_TYPE, cert_issuer};

const NO_DNS: &str = "remove it; igor proves names by HTTP and TLS, not by DNS";

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
            usage: "admin off|ADDRESS [{ … }]",
            doc: "Where the admin interface listens.",
            times: Times::Last,
            apply: |global, node, context| {
                ADMIN.apply(&mut global.admin_reveal, node.children(), context);
                let word = context.count_args(node, node.args(), usize::from(node.block.is_none()), 1);
                if let Some(admin) = word.and_then(<[Token]>::first).and_then(|word| admin(word, context)) {
                    global.admin = Some(admin);
                }
            },
        },
        Directive {
            name: "default_bind",
            usage: "default_bind IP|unix//PATH[|MODE]|fd/NAME…",
            doc: "Where sites listen that have no `bind`.",
            times: Times::Last,
            apply: |global, node, context| global.default_bind = binds(node, context),
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
            usage: "auto_https off|disable_redirects|disable_certs|ignore_loaded_certs…",
            doc: "Switches off what of HTTPS is automatic: all, the redirects from plain HTTP, or the certificates.",
            times: Times::Last,
            apply: |global, node, context| https::auto(&mut global.https.auto, node, context),
        },
        Directive {
            name: "http_port",
            usage: "http_port PORT",
            doc: "The port that plain HTTP means; 80 unless given.",
            times: Times::Last,
            apply: |global, node, context| https::port(&mut global.https.http_port, node, context),
        },
        Directive {
            name: "https_port",
            usage: "https_port PORT",
            doc: "The port that HTTPS means; 443 unless given.",
            times: Times::Last,
            apply: |global, node, context| https::port(&mut global.https.https_port, node, context),
        },
        Directive {
            name: "email",
            usage: "email ADDRESS",
            doc: "The address that certificate authorities write to.",
            times: Times::Last,
            apply: |global, node, context| https::email(&mut global.https.acme, node, context),
        },
        Directive {
            name: "acme_ca",
            usage: "acme_ca URL",
            doc: "The directory of the ACME authority that certificates come from; Let's Encrypt unless given.",
            times: Times::Last,
            apply: |global, node, context| https::directory(&mut global.https.acme, node, context),
        },
        Directive {
            name: "acme_ca_root",
            usage: "acme_ca_root FILE",
            doc: "The certificate that the ACME authority's own server is trusted by.",
            times: Times::Last,
            apply: |global, node, context| https::trusted_root(&mut global.https.acme, node, context),
        },
        Directive {
            name: "acme_eab",
            usage: "acme_eab { key_id ID, mac_key KEY }",
            doc: "The account that the ACME authority has given out (external account binding).",
            times: Times::Last,
            apply: |global, node, context| https::external_account_block(&mut global.https.acme, node, context),
        },
        Directive {
            name: "local_certs",
            usage: "local_certs",
            doc: "Takes all certificates from igor's own authority.",
            times: Times::Last,
            apply: |global, node, context| {
                global.https.local_certs = true;
                context.args(node, 0, 0);
            },
        },
        Directive {
            name: "cert_issuer",
            usage: "cert_issuer acme|internal [{ … }]",
            doc: "The authority of sites that name none.",
            times: Times::Last,
            apply: |global, node, context| cert_issuer(&mut global.https, node, context),
        },
        Directive {
            name: "fallback_sni",
            usage: "fallback_sni NAME",
            doc: "The name to assume for a client that names none with a certificate.",
            times: Times::Last,
            apply: |global, node, context| {
                // A `default_sni` is assumed for these clients, too.
                let name = context.one(node).map(|word| word.text.to_ascii_lowercase());
                global.https.default_sni = global.https.default_sni.take().or(name);
            },
        },
        Directive {
            name: "default_sni",
            usage: "default_sni NAME",
            doc: "The name that a client means which names none.",
            times: Times::Last,
            apply: |global, node, context| {
                global.https.default_sni = context.one(node).map(|word| word.text.to_ascii_lowercase());
            },
        },
        Directive {
            name: "on_demand_tls",
            usage: "on_demand_tls { … }",
            doc: "Which hosts may get a certificate during a handshake, for sites with `tls { on_demand }`.",
            times: Times::Last,
            apply: |global, node, context| global.https.on_demand = on_demand(node, context),
        },
        Directive {
            name: "storage",
            usage: "storage file_system DIRECTORY",
            doc: "Where certificates and keys are kept.",
            times: Times::Last,
            apply: |global, node, context| https::storage(&mut global.https.storage, node, context),
        },
        Directive {
            name: "order",
            usage: "order DIRECTIVE first|last|before OTHER|after OTHER",
            doc: "Changes the order in which the directives of a block are tried.",
            times: Times::Many,
            apply: |_, node, context| {
                let mut order = std::mem::take(&mut context.order);
                change(&mut order, node, context);
                context.order = order;
            },
        },
        Directive {
            name: "servers",
            usage: "servers [ADDRESS] { … }",
            doc: "Which proxies are trusted, and settings of Caddy's server.",
            times: Times::Many,
            apply: servers,
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
        ("cache", "igor has no HTTP cache of responses"),
        ("events", "igor announces no events to modules"),
        ("mercure", "each site has its own hub: `mercure { … }`"),
        ("metrics", "the admin interface always serves `/metrics`"),
        ("key_type", KEY_TYPE),
        ("preferred_chains", "the authority's first chain is used"),
        ("renew_interval", "certificates are renewed in time"),
        ("renewal_window_ratio", "certificates are renewed when a third of their life is left"),
        ("storage_check", "igor writes what it stores when it has something to store"),
        ("storage_clean_interval", "igor stores nothing that would have to be cleaned up"),
        ("ocsp_interval", "igor staples no OCSP answers, which authorities no longer give"),
        ("ocsp_stapling", "igor staples no OCSP answers, which authorities no longer give"),
        ("shutdown_delay", "the `grace_period` begins at once"),
        ("skip_install_trust", "igor trusts nothing by itself; `igor trust` does it"),
        ("vulcain", "igor preloads nothing"),
        ("persist_config", "igor keeps no copy of its configuration"),
    ],
    unsupported: &[
        ("acme_dns", NO_DNS),
        ("cert_lifetime", "remove it; the authority decides"),
        ("dns", NO_DNS),
        ("ech", "remove it; igor encrypts no client hello"),
        ("filesystem", "remove it; files are read from the disk"),
        ("layer4", "remove it; igor serves HTTP only"),
        ("pki", "remove it; the internal authority has no settings"),
        ("rate_limit", super::routes::NO_RATES),
    ],
};

/// The block of `admin`.
pub(super) static ADMIN: Table<bool> = Table {
    block: "the `admin` block",
    origin: "Caddy",
    directives: &[Directive {
        name: "reveal",
        usage: "reveal",
        doc: "The status page shows values of snapshots even if their keys look like those of secrets.",
        times: Times::Once,
        apply: |reveal, node, context| *reveal = context.args(node, 0, 0).is_some(),
    }],
    ignored: &[
        ("origins", "igor's admin interface answers for the names of its own address"),
        ("enforce_origin", "igor's admin interface refuses what comes from web pages"),
    ],
    unsupported: &[],
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
