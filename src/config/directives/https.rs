//! The global options of HTTPS.

use std::path::PathBuf;

use super::super::context::Context;
use super::super::listener::parse_port;
use super::super::syntax::{Node, excerpt};
use super::super::table::{Directive, Table, Times, unknown};
use super::super::tls::{AcmeSettings, AutoHttps, ExternalAccount, HttpsSettings};
use super::super::values;

/// `auto_https off|disable_redirects|disable_certs|ignore_loaded_certs…`
pub(super) fn auto(auto: &mut AutoHttps, node: &Node, context: &mut Context<'_>) {
    *auto = HttpsSettings::default().auto;
    for word in context.args(node, 1, usize::MAX).unwrap_or_default() {
        match word.text.as_str() {
            "off" => {
                *auto = AutoHttps { addresses: false, redirects: false, certificates: false, ignore_loaded: false }
            }
            "disable_redirects" => auto.redirects = false,
            "disable_certs" => auto.certificates = false,
            "ignore_loaded_certs" => auto.ignore_loaded = true,
            "prefer_wildcard" => {
                context
                    .warning(&word.position, "`prefer_wildcard` has no effect: igor obtains no certificates with `*`");
            }
            _ => {
                let known = ["off", "disable_redirects", "disable_certs", "ignore_loaded_certs", "prefer_wildcard"];
                unknown(word, "word of `auto_https`", &known, context);
            }
        }
    }
}

/// `http_port PORT`, `https_port PORT`
pub(super) fn port(port: &mut u16, node: &Node, context: &mut Context<'_>) {
    let Some(word) = context.one(node) else { return };
    match parse_port(&word.text) {
        Some(number) => *port = number,
        None => {
            let message = format!("`{}` is not a port", excerpt(&word.text));
            context.error_with_hint(&word.position, message, "write a number from 1 to 65535");
        }
    }
}

/// `email ADDRESS`
pub(super) fn email(acme: &mut AcmeSettings, node: &Node, context: &mut Context<'_>) {
    let Some(word) = context.one(node) else { return };
    // It is empty if a variable is not set.
    if word.text.is_empty() {
        return;
    }
    if word.text.contains('@') {
        acme.email = Some(word.text.clone());
    } else {
        let message = format!("`{}` is no address for mail", excerpt(&word.text));
        context.usage_error(&word.position, message);
    }
}

/// `acme_ca URL`, and `ca URL` in `tls`
pub(super) fn directory(acme: &mut AcmeSettings, node: &Node, context: &mut Context<'_>) {
    let Some(word) = context.one(node) else { return };
    if word.text.starts_with("https://") {
        acme.directory.clone_from(&word.text);
    } else {
        let message = format!("`{}` is no address of an ACME directory", excerpt(&word.text));
        context.error_with_hint(&word.position, message, "it begins with `https://`");
    }
}

/// `acme_ca_root FILE`, and `ca_root FILE` in `tls`
pub(super) fn trusted_root(acme: &mut AcmeSettings, node: &Node, context: &mut Context<'_>) {
    acme.trusted_root = context.one(node).and_then(|word| file(word, "the certificate of the authority", context));
}

/// A file that must exist.
pub(super) fn file(word: &super::super::syntax::Token, what: &str, context: &mut Context<'_>) -> Option<PathBuf> {
    let text = values::filled(word, what, context)?;
    let path = context.path(text, &word.position);
    if path.is_file() {
        return Some(path);
    }
    context.error(&word.position, format_args!("{what} {} does not exist", path.display()));
    None
}

/// An account with an authority while it is read.
#[derive(Default)]
pub(super) struct ExternalDraft {
    key_id: Option<String>,
    mac_key: Option<String>,
}

/// The directives of an `acme_eab` block.
pub(super) static ACME_EAB: Table<ExternalDraft> = Table {
    block: "an `acme_eab` block",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "key_id",
            usage: "key_id ID",
            doc: "The identifier of the key.",
            times: Times::Once,
            apply: |draft, node, context| draft.key_id = context.one(node).map(|word| word.text.clone()),
        },
        Directive {
            name: "mac_key",
            usage: "mac_key KEY",
            doc: "The key, in base64url.",
            times: Times::Once,
            apply: |draft, node, context| draft.mac_key = context.one(node).map(|word| word.text.clone()),
        },
    ],
    ignored: &[],
    unsupported: &[],
};

/// `acme_eab { … }`
pub(super) fn external_account_block(acme: &mut AcmeSettings, node: &Node, context: &mut Context<'_>) {
    context.count_args(node, node.args(), 0, 0);
    let mut draft = ExternalDraft::default();
    ACME_EAB.apply(&mut draft, node.children(), context);
    match (draft.key_id, draft.mac_key) {
        (Some(key_id), Some(mac_key)) => acme.external_account = Some(ExternalAccount { key_id, mac_key }),
        _ => context.usage_error(&node.position, "`acme_eab` needs `key_id` and `mac_key`"),
    }
}

/// `storage file_system DIRECTORY`, or with a block that has `root DIRECTORY`
pub(super) fn storage(storage: &mut Option<PathBuf>, node: &Node, context: &mut Context<'_>) {
    let Some(args) = context.count_args(node, node.args(), 1, 2) else { return };
    if args[0].text != "file_system" {
        unknown(&args[0], "storage", &["file_system"], context);
        return;
    }
    let in_block =
        || node.children().iter().find(|child| child.name() == "root").and_then(|child| child.args().first());
    match args.get(1).or_else(in_block) {
        Some(word) => {
            *storage = values::filled(word, "the folder", context).map(|text| context.path(text, &word.position))
        }
        None => context.usage_error(&node.position, "`storage file_system` needs a folder"),
    }
}
