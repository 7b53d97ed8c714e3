//! The `mercure` directive: a hub that sends updates to browsers.

use super::super::context::Context;
use super::super::handlers::Handler;
use super::super::limits;
use super::super::mercure::{JwkSetUrl, JwtAlgorithm, JwtKey, MercureSettings, TokenKeys};
use super::super::syntax::{Node, Token, excerpt};
use super::super::table::{Directive, Table, Times, unknown};
use super::super::uri::{decoded, pairs};
use super::super::values;
use crate::limits::MERCURE_CLEANUP_EACH;

/// A directive that reads one duration; 0 switches its limit off.
macro_rules! duration {
    ($name:literal, $usage:literal, $doc:literal, $field:ident) => {
        Directive {
            name: $name,
            usage: $usage,
            doc: $doc,
            times: Times::Once,
            apply: |settings, node, context| {
                if let Some(time) = context.one(node).and_then(|word| values::duration(word, context)) {
                    settings.$field = Some(time).filter(|time| !time.is_zero());
                }
            },
        }
    };
}

/// The directives of a `mercure` block.
pub(super) static MERCURE: Table<MercureSettings> = Table {
    block: "a `mercure` block",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "publisher_jwt",
            usage: "publisher_jwt KEY [ALGORITHM]",
            doc: "Verifies the tokens of publishers: a shared secret (`HS256` and others) or a public key in PEM.",
            times: Times::Once,
            apply: |settings, node, context| {
                let keys = key(node, context).map(TokenKeys::Key);
                set_keys(&mut settings.publisher, keys, node, context);
            },
        },
        Directive {
            name: "publisher_jwks_url",
            usage: "publisher_jwks_url URL",
            doc: "Verifies the tokens of publishers by the public keys of a JWK Set, from `https://` or `file://`.",
            times: Times::Once,
            apply: |settings, node, context| {
                let keys = key_set(node, context).map(TokenKeys::Set);
                set_keys(&mut settings.publisher, keys, node, context);
            },
        },
        Directive {
            name: "subscriber_jwt",
            usage: "subscriber_jwt KEY [ALGORITHM]",
            doc: "Verifies the tokens of subscribers, which may get private updates.",
            times: Times::Once,
            apply: |settings, node, context| {
                let keys = key(node, context).map(TokenKeys::Key);
                set_keys(&mut settings.subscriber, keys, node, context);
            },
        },
        Directive {
            name: "subscriber_jwks_url",
            usage: "subscriber_jwks_url URL",
            doc: "The same for subscribers.",
            times: Times::Once,
            apply: |settings, node, context| {
                let keys = key_set(node, context).map(TokenKeys::Set);
                set_keys(&mut settings.subscriber, keys, node, context);
            },
        },
        Directive {
            name: "anonymous",
            usage: "anonymous",
            doc: "Clients without a token may subscribe to public updates.",
            times: Times::Once,
            apply: |settings, node, context| settings.anonymous = alone(node, context),
        },
        Directive {
            name: "subscriptions",
            usage: "subscriptions",
            doc: "Shows who is subscribed: by private updates, and by an API.",
            times: Times::Once,
            apply: |settings, node, context| settings.subscriptions = alone(node, context),
        },
        Directive {
            name: "cors_origins",
            usage: "cors_origins ORIGIN…",
            doc: "The pages of these origins may use the hub; `*` for all, without cookies.",
            times: Times::Once,
            apply: |settings, node, context| settings.cors_origins = origins(node, context),
        },
        Directive {
            name: "publish_origins",
            usage: "publish_origins ORIGIN…",
            doc: "The pages of these origins may publish with a cookie; `*` for all.",
            times: Times::Once,
            apply: |settings, node, context| settings.publish_origins = origins(node, context),
        },
        duration!("heartbeat", "heartbeat DURATION", "How often a quiet stream gets a comment; `0`: never.", heartbeat),
        duration!(
            "write_timeout",
            "write_timeout DURATION",
            "How long one stream lasts before the client must connect again; `0`: no end.",
            stream_max
        ),
        duration!(
            "dispatch_timeout",
            "dispatch_timeout DURATION",
            "How long an update waits for a client that does not read, before its stream ends; `0`: no limit.",
            dispatch_max
        ),
        Directive {
            name: "transport_url",
            usage: "transport_url local://|bolt://PATH[?size=COUNT&cleanup_frequency=NUMBER]",
            doc: "The older form of `transport`.",
            times: Times::Once,
            apply: transport_url,
        },
        Directive {
            name: "transport",
            usage: "transport local|bolt [URL] [{ path PATH … }]",
            doc: "Where the history is: in memory, or in memory and in a file.",
            times: Times::Once,
            apply: transport,
        },
        Directive {
            name: "cookie_name",
            usage: "cookie_name NAME",
            doc: "The cookie that holds a token; `mercureAuthorization` by default.",
            times: Times::Once,
            apply: |settings, node, context| {
                let name = context.one(node).and_then(|word| values::filled(word, "the name of the cookie", context));
                settings.cookie_name = name.unwrap_or_default().to_owned();
            },
        },
        Directive {
            name: "max_request_body_size",
            usage: "max_request_body_size SIZE",
            doc: "The largest publication; a larger one gets the status 413.",
            times: Times::Once,
            apply: |settings, node, context| {
                let size = context.one(node).and_then(|word| values::size(word, context));
                let largest = limits::MERCURE_BODY_BYTES_MAX;
                settings.body_bytes_max = size.map_or(largest, |bytes| bytes as u64).min(largest);
            },
        },
        Directive {
            name: "name",
            usage: "name NAME",
            doc: "The name of the hub. Hubs with equal settings are one hub, unless their names differ.",
            times: Times::Once,
            apply: |settings, node, context| {
                let name = context.one(node).and_then(|word| values::filled(word, "the name of the hub", context));
                settings.name = name.unwrap_or_default().to_owned();
            },
        },
        Directive {
            name: "protocol_version_compatibility",
            usage: "protocol_version_compatibility 7|8",
            doc: "`7`: public updates need no matching claim, and `Last-Event-ID` may be a parameter.",
            times: Times::Once,
            apply: |settings, node, context| {
                let version = context.one(node).and_then(|word| values::count(word, 7, 8, context));
                settings.compatibility = version.map(|version| version as u8);
            },
        },
    ],
    ignored: &[
        ("ui", "igor has no debugger page for the hub"),
        ("demo", "igor has no demo page for the hub"),
        ("debugger", "igor has no debugger page for the hub"),
        ("topic_selector_cache", "selectors are matched without a cache"),
        ("topic_matcher_cache", "selectors are matched without a cache"),
        ("subscriber_list_cache_size", "the hub has no such cache"),
    ],
    unsupported: &[
        ("issuer", "name the keys with `publisher_jwt KEY ALGORITHM` and `subscriber_jwt KEY ALGORITHM`"),
        ("playground", "remove it; it would let everyone publish"),
        ("public_urls", "remove it; the addresses of the site decide"),
        ("resource_identifier", "remove it; the audience of tokens is not checked"),
    ],
};

/// `mercure { … }`. `args` is what follows the matcher.
pub(crate) fn mercure(node: &Node, args: &[Token], context: &mut Context<'_>) -> Option<Handler> {
    context.count_args(node, args, 0, 0)?;
    let mut settings = MercureSettings::default();
    MERCURE.apply(&mut settings, node.children(), context);
    if settings.subscriber.is_none() && !settings.anonymous {
        let message = "no one can subscribe to this hub: it has neither a key for `subscriber_jwt` nor `anonymous`";
        context.error_with_hint(&node.position, message, "an environment variable that the key names may be missing");
    }
    Some(Handler::Mercure(Box::new(settings)))
}

fn alone(node: &Node, context: &mut Context<'_>) -> bool {
    context.args(node, 0, 0).is_some()
}

/// As in Caddy, an empty key (of a missing variable) is none, and an empty algorithm the default.
fn key(node: &Node, context: &mut Context<'_>) -> Option<JwtKey> {
    let args = context.args(node, 1, 2)?;
    let key = args.first()?;
    let is_pem = key.text.contains("-----BEGIN");
    let algorithm = match args.get(1).filter(|word| !word.text.is_empty()) {
        Some(word) => match JwtAlgorithm::NAMES.iter().find(|(name, _)| *name == word.text) {
            Some((_, algorithm)) => *algorithm,
            None => {
                unknown(word, "algorithm of tokens", &JwtAlgorithm::NAMES.map(|(name, _)| name), context);
                return None;
            }
        },
        None => JwtAlgorithm::HS256,
    };
    if key.text.is_empty() {
        return None;
    }
    if is_pem == algorithm.is_shared() {
        // Anyone could sign with a public key that is used as a secret. The key itself is not shown.
        let message = if is_pem {
            "a key in PEM needs an algorithm with public keys, such as `RS256`"
        } else {
            "this algorithm needs a public key in PEM"
        };
        context.error(&key.position, message);
        return None;
    }
    Some(JwtKey { algorithm, key: key.text.clone() })
}

/// As in Caddy, an empty URL (of a missing variable) is none.
fn key_set(node: &Node, context: &mut Context<'_>) -> Option<JwkSetUrl> {
    let word = context.one(node).filter(|word| !word.text.is_empty())?;
    let url = JwkSetUrl::parse(&word.text);
    url.map_err(|reason| context.usage_error(&word.position, format!("this URL {reason}"))).ok()
}

/// Sets the keys of one role, once.
fn set_keys(role: &mut Option<TokenKeys>, keys: Option<TokenKeys>, node: &Node, context: &mut Context<'_>) {
    if keys.is_some() && role.is_some() {
        let message = "the tokens of this role have a key already";
        context.error_with_hint(&node.position, message, "write either a key or the URL of a set of keys");
    }
    *role = keys.or(role.take());
}

fn origins(node: &Node, context: &mut Context<'_>) -> Vec<String> {
    let words = context.args(node, 1, limits::MERCURE_ORIGINS_MAX).unwrap_or_default();
    let mut origins = Vec::new();
    for word in words {
        // Compared with the field `Origin`, which ends without a slash.
        let text = word.text.trim_end_matches('/');
        if text == "*" || text.contains("://") {
            origins.push(text.to_owned());
        } else {
            let message = format!("`{}` is no origin", excerpt(&word.text));
            context.error_with_hint(&word.position, message, "write for example `https://example.com`");
        }
    }
    origins
}

fn transport_url(settings: &mut MercureSettings, node: &Node, context: &mut Context<'_>) {
    if let Some(word) = context.one(node) {
        set_url(settings, word, context);
    }
}

/// `local`, `local://…`, `bolt://PATH?size=COUNT`.
fn set_url(settings: &mut MercureSettings, word: &Token, context: &mut Context<'_>) {
    let (scheme, rest) = word.text.split_once("://").unwrap_or((&word.text, ""));
    match scheme {
        // As in Caddy, a missing variable means the default.
        "local" | "" => {}
        "bolt" => {
            let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
            set_file(settings, &decoded(path), word, context);
            for (name, value) in pairs(query) {
                let value = Token { text: value, ..word.clone() };
                match name.as_str() {
                    "size" => set_size(settings, &value, context),
                    "cleanup_frequency" => set_cleanup(settings, &value, context),
                    _ => {}
                }
            }
        }
        _ => unknown(word, "transport", &["local", "bolt"], context),
    }
}

/// `transport local` or `transport bolt { path PATH, size COUNT }`. Where kits write a URL behind the kind, it counts.
fn transport(settings: &mut MercureSettings, node: &Node, context: &mut Context<'_>) {
    let Some([kind, url @ ..]) = context.count_args(node, node.args(), 1, 2) else { return };
    if !matches!(kind.text.as_str(), "local" | "bolt") {
        return unknown(kind, "transport", &["local", "bolt"], context);
    }
    if let [url] = url {
        set_url(settings, url, context);
    } else if kind.text == "bolt" && !node.children().iter().any(|child| child.name() == "path") {
        set_file(settings, "mercure.db", kind, context);
    }
    for child in node.children() {
        match (child.name(), child.args()) {
            ("path", [word]) if kind.text == "bolt" => set_file(settings, &word.text, word, context),
            ("size", [word]) => set_size(settings, word, context),
            ("cleanup_frequency", [word]) => set_cleanup(settings, word, context),
            // How the file is arranged is the matter of the hub.
            ("bucket_name", [_]) => {}
            _ => context.usage_error(
                &child.position,
                "a transport has `path PATH`, `size COUNT` and `cleanup_frequency NUMBER`",
            ),
        }
    }
}

fn set_file(settings: &mut MercureSettings, path: &str, word: &Token, context: &mut Context<'_>) {
    settings.history_file = Some(context.path_of_new_file(path, &word.position));
}

/// A number from 0 to 1.
fn set_cleanup(settings: &mut MercureSettings, word: &Token, context: &mut Context<'_>) {
    match word.text.parse::<f64>() {
        Ok(number) if (0.0..=1.0).contains(&number) => {
            settings.history_cleanup = (number * f64::from(MERCURE_CLEANUP_EACH)) as u32;
        }
        _ => {
            let message = format!("`{}` is no number from 0 to 1", excerpt(&word.text));
            context.usage_error(&word.position, message);
        }
    }
}

/// As in Caddy, 0 asks for no bound; the history is bounded all the same.
fn set_size(settings: &mut MercureSettings, word: &Token, context: &mut Context<'_>) {
    let largest = limits::MERCURE_HISTORY_MAX;
    let Some(size) = values::count(word, 0, usize::MAX, context) else { return };
    settings.history_max = if size == 0 { largest } else { size.min(largest) };
}
