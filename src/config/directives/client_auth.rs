//! The `client_auth` block of `tls`.

use super::super::context::Context;
use super::super::syntax::{Node, Token};
use super::super::table::{Directive, Table, Times, unknown};
use super::super::tls::{ClientAuth, ClientAuthMode, TrustedCertificates};
use super::super::values;
use super::https;

/// A `client_auth` block while it is read.
#[derive(Default)]
pub(super) struct ClientAuthDraft {
    mode: Option<(ClientAuthMode, Token)>,
    authorities: Vec<TrustedCertificates>,
    leaves: Vec<TrustedCertificates>,
}

/// The modes by their words.
const MODES: [(&str, ClientAuthMode); 4] = [
    ("request", ClientAuthMode::Request),
    ("require", ClientAuthMode::Require),
    ("verify_if_given", ClientAuthMode::VerifyIfGiven),
    ("require_and_verify", ClientAuthMode::RequireAndVerify),
];

/// The directives of a `client_auth` block.
pub(super) static CLIENT_AUTH: Table<ClientAuthDraft> = Table {
    block: "a `client_auth` block",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "mode",
            usage: "mode request|require|verify_if_given|require_and_verify",
            doc: "Whether a client without a certificate is refused, and whether certificates are verified.",
            times: Times::Once,
            apply: |draft, node, context| {
                let Some(word) = context.one(node) else { return };
                draft.mode = values::choice(word, "mode", &MODES, context).map(|mode| (mode, word.clone()));
            },
        },
        Directive {
            name: "trusted_ca_cert",
            usage: "trusted_ca_cert BASE64…",
            doc: "The certificates of the authorities that clients' certificates come from, as DER in base64.",
            times: Times::Many,
            apply: |draft, node, context| draft.authorities.extend(inline(context.args(node, 1, usize::MAX))),
        },
        Directive {
            name: "trusted_ca_cert_file",
            usage: "trusted_ca_cert_file FILE…",
            doc: "The same, in PEM files.",
            times: Times::Many,
            apply: |draft, node, context| {
                let words = context.args(node, 1, usize::MAX).unwrap_or_default();
                draft.authorities.extend(files(words, context));
            },
        },
        Directive {
            name: "trust_pool",
            usage: "trust_pool file FILE…|inline { trust_der BASE64… }",
            doc: "The same, in the newer spelling.",
            times: Times::Many,
            apply: |draft, node, context| draft.authorities.append(&mut trust_pool(node, context)),
        },
        Directive {
            name: "trusted_leaf_cert",
            usage: "trusted_leaf_cert BASE64…",
            doc: "The only certificates that clients may show, as DER in base64.",
            times: Times::Many,
            apply: |draft, node, context| draft.leaves.extend(inline(context.args(node, 1, usize::MAX))),
        },
        Directive {
            name: "trusted_leaf_cert_file",
            usage: "trusted_leaf_cert_file FILE…",
            doc: "The same, in PEM files.",
            times: Times::Many,
            apply: |draft, node, context| {
                let words = context.args(node, 1, usize::MAX).unwrap_or_default();
                draft.leaves.extend(files(words, context));
            },
        },
    ],
    ignored: &[],
    unsupported: &[("verifier", "use `trusted_leaf_cert_file`")],
};

fn inline(words: Option<&[Token]>) -> impl Iterator<Item = TrustedCertificates> + '_ {
    words.unwrap_or_default().iter().map(|word| TrustedCertificates::Inline(word.text.clone()))
}

fn files(words: &[Token], context: &mut Context<'_>) -> Vec<TrustedCertificates> {
    let files = words.iter().filter_map(|word| https::file(word, "the trusted certificate", context));
    files.map(TrustedCertificates::File).collect()
}

/// `trust_pool file FILE…`, or with a block that has `pem_file FILE…`; `trust_pool inline { trust_der BASE64… }`
pub(super) fn trust_pool(node: &Node, context: &mut Context<'_>) -> Vec<TrustedCertificates> {
    let Some(args) = context.count_args(node, node.args(), 1, usize::MAX) else { return Vec::new() };
    let directive = match args[0].text.as_str() {
        "file" => "pem_file",
        "inline" => "trust_der",
        _ => {
            unknown(&args[0], "trust pool", &["file", "inline"], context);
            return Vec::new();
        }
    };
    let mut words = args[1..].to_vec();
    for child in node.children() {
        if child.name() == directive {
            words.extend_from_slice(child.args());
        } else {
            unknown(&child.words[0], "directive of the trust pool", &[directive], context);
        }
    }
    if words.is_empty() {
        context.usage_error(&node.position, "the trust pool has no certificate");
    }
    match directive {
        "pem_file" => files(&words, context),
        _ => inline(Some(&words)).collect(),
    }
}

/// `client_auth { … }`
pub(super) fn client_auth(node: &Node, context: &mut Context<'_>) -> Option<ClientAuth> {
    context.count_args(node, node.args(), 0, 0);
    let mut draft = ClientAuthDraft::default();
    CLIENT_AUTH.apply(&mut draft, node.children(), context);
    let ClientAuthDraft { mode, authorities, leaves } = draft;
    let trusts_any = authorities.is_empty() && leaves.is_empty();
    if trusts_any && mode.as_ref().is_none_or(|(mode, _)| mode.verifies()) {
        let message = "`client_auth` names no authority that clients' certificates come from";
        context.error_with_hint(&node.position, message, "write `trusted_ca_cert_file FILE` in its block");
        return None;
    }
    if let Some((mode, word)) = &mode
        && !mode.verifies()
        && leaves.is_empty()
    {
        let message = format!("`mode {}` accepts certificates that no authority has signed", word.text);
        let hint = "write `verify_if_given` or `require_and_verify` unless that is meant";
        context.warning_with_hint(&word.position, message, hint);
    }
    let mode = mode.map_or(ClientAuthMode::RequireAndVerify, |(mode, _)| mode);
    Some(ClientAuth { mode, authorities, leaves })
}
