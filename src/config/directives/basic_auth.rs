//! The directives that check a client before the next ones: `basic_auth`, `request_body`.

use super::super::basic_auth::{BasicAuth, PasswordHash};
use super::super::context::Context;
use super::super::handlers::{BodyLimits, Handler};
use super::super::limits;
use super::super::syntax::{Node, Token, excerpt};
use super::super::table::{Directive, Table, Times, unknown};
use super::super::values;

/// `basic_auth [bcrypt|argon2id [REALM]] { NAME HASH }`. `args` is what follows the matcher.
pub(super) fn basic_auth(node: &Node, args: &[Token], context: &mut Context<'_>) -> Option<Handler> {
    let args = context.count_args(node, args, 0, 2)?;
    if let Some(algorithm) = args.first().filter(|word| !matches!(word.text.as_str(), "bcrypt" | "argon2id")) {
        unknown(algorithm, "algorithm for passwords", &["bcrypt", "argon2id"], context);
        return None;
    }
    let realm = args.get(1).map_or("restricted", |word| &word.text);
    if let Some(word) = args.get(1).filter(|word| word.text.contains(char::is_control)) {
        context.error(&word.position, "the realm contains a control character");
        return None;
    }
    let accounts: Vec<_> = node.children().iter().filter_map(|child| account(child, context)).collect();
    if node.children().is_empty() {
        context.usage_error(&node.position, "`basic_auth` lets no one in: it has no accounts");
    } else if accounts.len() > limits::ACCOUNTS_MAX {
        let message = format!("`basic_auth` has more than {} accounts", limits::ACCOUNTS_MAX);
        context.error_with_hint(&node.position, message, "check so many passwords in the PHP script");
    }
    Some(Handler::BasicAuth(BasicAuth { realm: realm.to_owned(), accounts }))
}

fn account(node: &Node, context: &mut Context<'_>) -> Option<(String, PasswordHash)> {
    context.no_block(node);
    let [name, hash] = node.words.as_slice() else {
        context.usage_error(&node.position, "an account is a name and the hash of its password");
        return None;
    };
    if name.text.contains(':') {
        let message = format!("the name `{}` contains a colon, which no client can send", excerpt(&name.text));
        context.error(&name.position, message);
        return None;
    }
    match PasswordHash::parse(&hash.text) {
        Ok(hash) => Some((name.text.clone(), hash)),
        Err(reason) => {
            // The word itself may be a password: it is not shown.
            let message = format!("the password of `{}` cannot be checked: {reason}", excerpt(&name.text));
            context.error_with_hint(&hash.position, message, "make a hash with `igor hash-password`");
            None
        }
    }
}

/// The directives of a `request_body` block.
pub(super) static REQUEST_BODY: Table<BodyLimits> = Table {
    block: "a `request_body` block",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "max_size",
            usage: "max_size SIZE",
            doc: "The largest body; a request with more gets the status 413.",
            times: Times::Once,
            apply: |limits, node, context| {
                let size = context.one(node).and_then(|word| values::size(word, context));
                limits.bytes_max = size.map(|bytes| bytes as u64);
            },
        },
        Directive {
            name: "read_timeout",
            usage: "read_timeout DURATION",
            doc: "How long the body may take altogether; a request that takes longer gets the status 408.",
            times: Times::Once,
            apply: |limits, node, context| {
                let time = context.one(node).and_then(|word| values::duration(word, context));
                limits.read_max = time.filter(|time| !time.is_zero());
            },
        },
        Directive {
            name: "write_timeout",
            usage: "write_timeout DURATION",
            doc: "How long the response may take; beyond it the connection ends.",
            times: Times::Once,
            apply: |limits, node, context| {
                let time = context.one(node).and_then(|word| values::duration(word, context));
                limits.write_max = time.filter(|time| !time.is_zero());
            },
        },
    ],
    ignored: &[],
    unsupported: &[("set", "remove it; a body is passed on as the client has sent it")],
};

/// `request_body { max_size SIZE, read_timeout DURATION }`. `args` is what follows the matcher.
pub(super) fn request_body(node: &Node, args: &[Token], context: &mut Context<'_>) -> Option<Handler> {
    context.count_args(node, args, 0, 0)?;
    let mut limits = BodyLimits::default();
    REQUEST_BODY.apply(&mut limits, node.children(), context);
    Some(Handler::RequestBody(limits))
}
