//! The `header` directive.

use super::super::context::Context;
use super::super::header_rule::{HeaderOp, HeaderRule};
use super::super::response_matcher::ResponseMatcher;
use super::super::syntax::{Node, Token};
use super::super::text::Text;
use super::super::values;
use super::encode::condition;
use super::matchers::field_name;

/// The fields that frame a message or belong to the connection. A wrong value would corrupt the next response.
const FRAMING: [&str; 8] =
    ["connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/// `header FIELD VALUE`, `header -FIELD`, or several of them in a block. `args` is what follows the matcher.
pub(super) fn header(node: &Node, args: &[Token], context: &mut Context<'_>) -> HeaderRule {
    let mut rule = HeaderRule::default();
    if !args.is_empty() {
        change(&mut rule, args, context);
    }
    for child in node.children() {
        if let [word, words @ ..] = child.words.as_slice()
            && word.is_bare("match")
        {
            // What it looks at is known only then.
            rule.defer = true;
            only(rule.only.get_or_insert_default(), words, child, context);
            continue;
        }
        context.no_block(child);
        match child.words.as_slice() {
            [word] if word.is_bare("defer") => rule.defer = true,
            [] => context.usage_error(&child.position, "a block in a `header` block has no name"),
            words => change(&mut rule, words, context),
        }
    }
    if args.is_empty() && node.children().is_empty() {
        context.usage_error(&node.position, "`header` needs a field");
    }
    rule
}

/// `match status|header …`, or with a block of both.
fn only(matcher: &mut ResponseMatcher, words: &[Token], node: &Node, context: &mut Context<'_>) {
    if words.is_empty() && node.children().is_empty() {
        context.usage_error(&node.position, "`match` has no condition");
    }
    for line in std::iter::once(words).chain(node.children().iter().map(|child| child.words.as_slice())) {
        if let [kind, args @ ..] = line {
            condition(matcher, kind, args, context);
        }
    }
}

/// The change that sets a field to a text with placeholders.
pub(super) fn set(field: &str, value: &str, node: &Node, context: &mut Context<'_>) -> Option<HeaderOp> {
    let word = Token { text: value.to_owned(), ..node.words.first()?.clone() };
    let value = values::text(&word, context)?;
    Some(HeaderOp::Set { field: field.to_ascii_lowercase(), value })
}

/// `request_header FIELD VALUE`, `request_header -FIELD`, or several of them in a block.
pub(super) fn request_header(node: &Node, args: &[Token], context: &mut Context<'_>) -> HeaderRule {
    let rule = header(node, args, context);
    if rule.only.is_some() {
        context.error(&node.position, "a request has no response that `match` could look at");
    }
    rule
}

/// The sign in front of a field, and the field. Caddyfiles also write `Field:`.
fn sign_and_field(text: &str) -> (Option<char>, &str) {
    let sign = text.chars().next().filter(|sign| matches!(sign, '+' | '-' | '?' | '>'));
    let field = if sign.is_some() { &text[1..] } else { text };
    (sign, field.trim_end_matches(':'))
}

fn with_value(sign: Option<char>, field: String, value: Text) -> HeaderOp {
    match sign {
        Some('+') => HeaderOp::Add { field, value },
        Some('?') => HeaderOp::SetDefault { field, value },
        _ => HeaderOp::Set { field, value },
    }
}

fn change(rule: &mut HeaderRule, words: &[Token], context: &mut Context<'_>) {
    let [name, values @ ..] = words else { return };
    let (sign, field) = sign_and_field(&name.text);
    let Some(field) = field_name(name, field, context) else { return };
    if FRAMING.contains(&field.as_str()) {
        let message = format!("the header field `{field}` is the server's own: this change has no effect");
        context.warning(&name.position, message);
    }
    let op = match (sign, values) {
        (Some('-'), []) => HeaderOp::Remove { field },
        (Some('-'), [extra, ..]) => {
            context.usage_error(&extra.position, "a header field that is removed has no value");
            return;
        }
        (_, []) => {
            context.usage_error(&name.position, format_args!("the header field `{field}` needs a value"));
            return;
        }
        (_, [search, value]) => {
            let Some(pattern) = values::regexp(&search.text, "", &search.position, context) else { return };
            let Some(value) = values::text(value, context) else { return };
            rule.defer = true;
            HeaderOp::Replace { field, pattern, value }
        }
        (_, [_, _, extra, ..]) => {
            let message = "a header field takes one value, or what is replaced and the replacement";
            context.error_with_hint(&extra.position, message, "quote a value that contains spaces");
            return;
        }
        (sign, [value]) => {
            if value.text.contains(['\r', '\n', '\0']) {
                context.error(&value.position, "the value of a header field contains a line break or a NUL byte");
                return;
            }
            let Some(value) = values::text(value, context) else { return };
            with_value(sign, field, value)
        }
    };
    // As in Caddy, changes that depend on the response's own headers wait for them.
    rule.defer |= matches!(sign, Some('-' | '?' | '>'));
    rule.ops.push(op);
}
