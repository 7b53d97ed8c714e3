//! The `tls` directive of a site.

use std::path::PathBuf;

use super::super::context::Context;
use super::super::syntax::{Node, Token, excerpt};
use super::super::table::{Directive, Table, Times, unknown};
use super::super::tls::{
    AcmeSettings, CertificateFiles, CertificateSource, ExternalAccount, HttpsSettings, TlsSettings, TlsVersion,
    TlsVersionMax,
};
use super::client_auth::client_auth;
use super::https;

pub(super) const KEY_TYPE: &str = "keys are of the type P-256";

/// A `tls` directive while it is read.
#[derive(Default)]
pub(super) struct TlsDraft {
    settings: TlsSettings,
    internal: bool,
    files: Vec<CertificateFiles>,
    /// The settings of the authority in the directive itself.
    acme: AcmeSettings,
    issuers: Vec<AcmeSettings>,
}

/// The directives of a `tls` block.
pub(super) static TLS: Table<TlsDraft> = Table {
    block: "a `tls` block",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "protocols",
            usage: "protocols tls1.2|tls1.3 [tls1.2|tls1.3]",
            doc: "The oldest and the newest version that is spoken.",
            times: Times::Once,
            apply: protocols,
        },
        Directive {
            name: "ciphers",
            usage: "ciphers SUITE…",
            doc: "The cipher suites of TLS 1.2, in order of preference; those of TLS 1.3 are fixed.",
            times: Times::Once,
            apply: |draft, node, context| draft.settings.ciphers = words(node, context),
        },
        Directive {
            name: "curves",
            usage: "curves x25519|secp256r1|secp384r1…",
            doc: "The groups for key exchange, in order of preference.",
            times: Times::Once,
            apply: |draft, node, context| draft.settings.curves = words(node, context),
        },
        Directive {
            name: "alpn",
            usage: "alpn PROTOCOL…",
            doc: "The application protocols that are offered; `h2 http/1.1` unless given.",
            times: Times::Once,
            apply: |draft, node, context| draft.settings.alpn = words(node, context),
        },
        Directive {
            name: "load",
            usage: "load DIRECTORY…",
            doc: "Loads the files `*.pem` of folders, each with a certificate and its key.",
            times: Times::Many,
            apply: load,
        },
        Directive {
            name: "ca",
            usage: "ca URL",
            doc: "The directory of the ACME authority that the site's certificates come from.",
            times: Times::Once,
            apply: |draft, node, context| https::directory(&mut draft.acme, node, context),
        },
        Directive {
            name: "ca_root",
            usage: "ca_root FILE",
            doc: "The certificate that the ACME authority's own server is trusted by.",
            times: Times::Once,
            apply: |draft, node, context| https::trusted_root(&mut draft.acme, node, context),
        },
        Directive {
            name: "eab",
            usage: "eab KEY_ID MAC_KEY",
            doc: "The account that the ACME authority has given out (external account binding).",
            times: Times::Once,
            apply: |draft, node, context| eab(&mut draft.acme, node, context),
        },
        Directive {
            name: "issuer",
            usage: "issuer acme|internal [{ … }]",
            doc: "An authority to ask; of several, the next is asked when one fails.",
            times: Times::Many,
            apply: issuer,
        },
        Directive {
            name: "client_auth",
            usage: "client_auth { … }",
            doc: "Asks clients for certificates.",
            times: Times::Once,
            apply: |draft, node, context| draft.settings.client_auth = client_auth(node, context),
        },
        Directive {
            name: "on_demand",
            usage: "on_demand",
            doc: "Obtains the certificate of a host when a client first names it; see `on_demand_tls`.",
            times: Times::Once,
            apply: |draft, node, context| draft.settings.on_demand = context.args(node, 0, 0).is_some(),
        },
    ],
    ignored: &[
        ("key_type", KEY_TYPE),
        ("renewal_window_ratio", "certificates are renewed in time"),
        ("insecure_secrets_log", "igor writes no secrets"),
    ],
    unsupported: &[
        ("dns", "remove it; igor proves names by HTTP and TLS, not by DNS"),
        ("dns_challenge_override_domain", "remove it"),
        ("dns_ttl", "remove it"),
        ("propagation_delay", "remove it"),
        ("propagation_timeout", "remove it"),
        ("resolvers", "remove it"),
        ("get_certificate", "use certificate files"),
        ("reuse_private_keys", "remove it; each certificate has a new key"),
        ("force_automate", "remove it"),
        ("ca_list", "remove it"),
    ],
};

/// `tls [internal|EMAIL|CERTIFICATE KEY] [{ … }]`
pub(super) fn tls(node: &Node, context: &mut Context<'_>) -> TlsSettings {
    let mut draft = TlsDraft::default();
    match context.count_args(node, node.args(), 0, 2) {
        Some([word]) if word.text == "internal" => draft.internal = true,
        Some([word]) if word.text.contains('@') => draft.acme.email = Some(word.text.clone()),
        Some([word]) => {
            let message = format!("`{}` is neither `internal` nor an address for mail", excerpt(&word.text));
            context.usage_error(&word.position, message);
        }
        Some([certificate, key]) => draft.files.extend(pair(certificate, key, context)),
        _ => {}
    }
    TLS.apply(&mut draft, node.children(), context);
    draft.finish()
}

impl TlsDraft {
    fn finish(self) -> TlsSettings {
        let Self { mut settings, internal, files, acme, mut issuers } = self;
        settings.certificates = if !files.is_empty() {
            CertificateSource::Files(files)
        } else if internal {
            CertificateSource::Internal
        } else {
            if issuers.is_empty() && acme != AcmeSettings::default() {
                issuers.push(acme);
            }
            CertificateSource::Automatic(issuers)
        };
        settings
    }
}

fn words(node: &Node, context: &mut Context<'_>) -> Vec<String> {
    let words = context.args(node, 1, usize::MAX).unwrap_or_default();
    words.iter().map(|word| word.text.clone()).collect()
}

fn pair(certificate: &Token, key: &Token, context: &mut Context<'_>) -> Option<CertificateFiles> {
    let certificate = https::file(certificate, "the certificate", context);
    let key = https::file(key, "the private key", context);
    Some(CertificateFiles { certificate: certificate?, key: key? })
}

fn protocols(draft: &mut TlsDraft, node: &Node, context: &mut Context<'_>) {
    let words = context.args(node, 1, 2).unwrap_or_default();
    for (index, word) in words.iter().enumerate() {
        match (index, word.text.as_str()) {
            (0, "tls1.2") => draft.settings.version_min = TlsVersion::Tls12,
            (0, "tls1.3") => draft.settings.version_min = TlsVersion::Tls13,
            (_, "tls1.2") if draft.settings.version_min == TlsVersion::Tls13 => {
                context.usage_error(&word.position, "the newest version is older than the oldest");
            }
            (_, "tls1.2") => draft.settings.version_max = TlsVersionMax::Tls12,
            (_, "tls1.3") => draft.settings.version_max = TlsVersionMax::Tls13,
            _ => unknown(word, "version of TLS", &["tls1.2", "tls1.3"], context),
        }
    }
}

fn load(draft: &mut TlsDraft, node: &Node, context: &mut Context<'_>) {
    for word in context.args(node, 1, usize::MAX).unwrap_or_default() {
        let folder = context.path(&word.text, &word.position);
        let Ok(entries) = std::fs::read_dir(&folder) else {
            context.error(&word.position, format_args!("the folder {} cannot be read", folder.display()));
            continue;
        };
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "pem"))
            .collect();
        files.sort();
        if files.is_empty() {
            context.error(&word.position, format_args!("the folder {} has no file `*.pem`", folder.display()));
        }
        draft.files.extend(files.into_iter().map(|file| CertificateFiles { certificate: file.clone(), key: file }));
    }
}

fn eab(acme: &mut AcmeSettings, node: &Node, context: &mut Context<'_>) {
    if let Some([key_id, mac_key]) = context.args(node, 2, 2) {
        acme.external_account = Some(ExternalAccount { key_id: key_id.text.clone(), mac_key: mac_key.text.clone() });
    }
}

/// The directives of an `issuer acme` block.
pub(super) static ISSUER: Table<AcmeSettings> = Table {
    block: "an `issuer` block",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "dir",
            usage: "dir URL",
            doc: "The directory of the authority.",
            times: Times::Once,
            apply: https::directory,
        },
        Directive {
            name: "email",
            usage: "email ADDRESS",
            doc: "The address that it writes to.",
            times: Times::Once,
            apply: https::email,
        },
        Directive {
            name: "trusted_roots",
            usage: "trusted_roots FILE",
            doc: "The certificate that its own server is trusted by.",
            times: Times::Once,
            apply: https::trusted_root,
        },
        Directive {
            name: "eab",
            usage: "eab KEY_ID MAC_KEY",
            doc: "The account that it has given out.",
            times: Times::Once,
            apply: eab,
        },
        Directive {
            name: "disable_http_challenge",
            usage: "disable_http_challenge",
            doc: "Names are not proven over plain HTTP.",
            times: Times::Once,
            apply: |acme, node, context| {
                acme.http_challenge = false;
                context.args(node, 0, 0);
            },
        },
        Directive {
            name: "disable_tlsalpn_challenge",
            usage: "disable_tlsalpn_challenge",
            doc: "Names are not proven inside a TLS handshake.",
            times: Times::Once,
            apply: |acme, node, context| {
                acme.tls_alpn_challenge = false;
                context.args(node, 0, 0);
            },
        },
    ],
    ignored: &[("preferred_chains", "the authority's first chain is used")],
    unsupported: &[
        ("alt_http_port", "remove it; authorities connect to port 80"),
        ("alt_tlsalpn_port", "remove it; authorities connect to port 443"),
        ("dns", "remove it; igor proves names by HTTP and TLS, not by DNS"),
        ("profile", "remove it"),
        ("test_dir", "remove it"),
        ("timeout", "remove it"),
    ],
};

fn issuer(draft: &mut TlsDraft, node: &Node, context: &mut Context<'_>) {
    let Some(args) = context.count_args(node, node.args(), 1, 2) else { return };
    match args[0].text.as_str() {
        "internal" => draft.internal = true,
        "acme" => {
            let mut acme = AcmeSettings::default();
            if let Some(directory) = args.get(1) {
                acme.directory.clone_from(&directory.text);
            }
            ISSUER.apply(&mut acme, node.children(), context);
            draft.issuers.push(acme);
        }
        _ => {
            unknown(&args[0], "issuer", &["acme", "internal"], context);
            ISSUER.apply(&mut AcmeSettings::default(), node.children(), context);
        }
    }
}

/// The global `cert_issuer acme [DIRECTORY]|internal [{ … }]`.
pub(super) fn cert_issuer(settings: &mut HttpsSettings, node: &Node, context: &mut Context<'_>) {
    let mut draft = TlsDraft::default();
    issuer(&mut draft, node, context);
    settings.local_certs |= draft.internal;
    settings.acme = draft.issuers.pop().unwrap_or_else(|| std::mem::take(&mut settings.acme));
}
