//! The directives that answer a request themselves: `respond`, `redir`, `error`, `abort`.

use super::super::context::Context;
use super::super::handlers::{ErrorRule, Handler, Redir, Respond, Status};
use super::super::response_matcher::is_status;
use super::super::syntax::{Node, Token, excerpt};
use super::super::table::{Directive, Table, Times};
use super::super::text::Text;
use super::super::values;

/// The directives of a `respond` block.
pub(super) static RESPOND: Table<Respond> = Table {
    block: "a `respond` block",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "body",
            usage: "body TEXT",
            doc: "The body of the answer.",
            times: Times::Once,
            apply: |respond, node, context| {
                if let Some(body) = context.one(node).and_then(|word| values::text(word, context)) {
                    respond.body = body;
                }
            },
        },
        Directive {
            name: "close",
            usage: "close",
            doc: "Closes the connection after the answer.",
            times: Times::Once,
            apply: |respond, node, context| {
                context.args(node, 0, 0);
                respond.close = true;
            },
        },
    ],
    ignored: &[],
    unsupported: &[],
};

/// `respond [STATUS] [{ body TEXT }]` or `respond BODY [STATUS]`. `args` is what follows the matcher.
pub(super) fn respond(node: &Node, args: &[Token], context: &mut Context<'_>) -> Option<Respond> {
    let mut respond = Respond { status: Status::Usual, close: false, body: Text::default() };
    match context.count_args(node, args, 0, 2)? {
        [only] if !only.quoted && is_status(&only.text) => respond.status = status(only, context)?,
        [body] => respond.body = values::text(body, context)?,
        [body, code] => {
            respond.body = values::text(body, context)?;
            respond.status = status(code, context)?;
        }
        _ => {}
    }
    RESPOND.apply(&mut respond, node.children(), context);
    Some(respond)
}

/// `redir TO [STATUS]`. `args` is what follows the matcher.
pub(super) fn redir(node: &Node, args: &[Token], context: &mut Context<'_>) -> Option<Redir> {
    context.no_block(node);
    if let ([], [path]) = (args, node.args()) {
        let message = format!("`redir {}` has a matcher and no target", excerpt(&path.text));
        let hint = format!("write `redir * {}` to redirect every request there", excerpt(&path.text));
        context.error_with_hint(&path.position, message, hint);
        return None;
    }
    let args = context.count_args(node, args, 1, 2)?;
    if args[0].text.contains(['\r', '\n', '\0']) {
        context.error(&args[0].position, "the target of a redirect contains a line break or a NUL byte");
        return None;
    }
    let to = values::text(&args[0], context)?;
    let status = match args.get(1).map(|word| (word.text.as_str(), word)) {
        None | Some(("temporary", _)) => Some(302),
        Some(("permanent", _)) => Some(301),
        Some(("html", _)) => None,
        Some((_, word)) => Some(redirect_status(word, context)?),
    };
    Some(Redir { to, status })
}

fn redirect_status(word: &Token, context: &mut Context<'_>) -> Option<u16> {
    match word.text.parse::<u16>() {
        Ok(status @ (300..=399 | 401)) => Some(status),
        _ => {
            let message = format!("`{}` is not the status of a redirect", excerpt(&word.text));
            context.error_with_hint(
                &word.position,
                message,
                "write `temporary`, `permanent`, `html`, or a number from 300 to 399",
            );
            None
        }
    }
}

/// A status as a number, or as a placeholder.
pub(super) fn status(word: &Token, context: &mut Context<'_>) -> Option<Status> {
    if word.text.starts_with('{') {
        return values::text(word, context).map(Status::Text);
    }
    status_code(word, context)
}

/// The status of a final response.
pub(super) fn status_code(word: &Token, context: &mut Context<'_>) -> Option<Status> {
    let code = values::count(word, 200, 599, context)?;
    u16::try_from(code).ok().map(Status::Code)
}

/// `error [MESSAGE] [STATUS] [{ message TEXT }]`. `args` is what follows the matcher.
pub(super) fn error(node: &Node, args: &[Token], context: &mut Context<'_>) -> Option<ErrorRule> {
    let mut rule = ErrorRule { status: Status::Usual, message: Text::default() };
    match context.count_args(node, args, 0, 2)? {
        [only] if is_status(&only.text) || only.text.starts_with("{err.") => rule.status = status(only, context)?,
        [message] => rule.message = values::text(message, context)?,
        [message, code] => {
            rule.message = values::text(message, context)?;
            rule.status = status(code, context)?;
        }
        _ => {}
    }
    for child in node.children() {
        match child.words.as_slice() {
            [name, message] if name.text == "message" => rule.message = values::text(message, context)?,
            _ => context.usage_error(&child.position, "the block of `error` holds `message TEXT`"),
        }
    }
    Some(rule)
}

/// `abort`.
pub(super) fn abort(node: &Node, args: &[Token], context: &mut Context<'_>) -> Option<Handler> {
    context.no_block(node);
    context.count_args(node, args, 0, 0)?;
    Some(Handler::Abort)
}
