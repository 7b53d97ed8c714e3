//! The condition `expression`.

use super::super::context::Context;
use super::super::matcher::{Expression, Matcher};
use super::super::syntax::{Node, Token, excerpt};
use super::super::values;

/// The matchers that an expression can call as functions.
const FUNCTIONS: [&str; 13] = [
    "path",
    "path_regexp",
    "method",
    "host",
    "header",
    "header_regexp",
    "query",
    "protocol",
    "remote_ip",
    "client_ip",
    "vars",
    "vars_regexp",
    "file",
];

/// `expression EXPRESSION`, in quotes or as the words of the line.
/// `called` creates the matcher of a call.
pub(super) fn expression(
    node: &Node,
    context: &mut Context<'_>,
    called: fn(Vec<Vec<Token>>, &mut Context<'_>) -> Matcher,
) -> Option<Expression> {
    let args = context.args(node, 1, usize::MAX)?;
    let first = args.first()?;
    let source = match args {
        [only] => only.text.clone(),
        words => words.iter().map(as_written).collect::<Vec<_>>().join(" "),
    };
    let word =
        |text: &str| Token { text: text.to_owned(), quoted: true, from_env: false, position: first.position.clone() };
    let name = context.matcher_name.clone();
    // Both closures report errors, so both need the context, one after the other.
    let shared = std::cell::RefCell::new(context);
    let compiled = Expression::compile(
        &source,
        &name,
        &mut |text| {
            values::text(&word(text), &mut shared.borrow_mut()).ok_or_else(|| format!("of `{}`", excerpt(text)))
        },
        &mut |call| {
            if !FUNCTIONS.contains(&call.name.as_str()) {
                return Err(format!(
                    "there is no function `{}`; the matchers are {}",
                    excerpt(&call.name),
                    FUNCTIONS.join(", ")
                ));
            }
            let line = |line: &Vec<String>| match line.as_slice() {
                // The matcher itself is written `key=value`.
                [key, value] if call.name == "query" && !key.contains('=') => {
                    vec![word(&call.name), word(&format!("{key}={value}"))]
                }
                _ => std::iter::once(&call.name).chain(line).map(|text| word(text)).collect::<Vec<_>>(),
            };
            Ok(called(call.lines.iter().map(line).collect(), &mut shared.borrow_mut()))
        },
    );
    let context = shared.into_inner();
    match compiled {
        Ok(expression) => Some(expression),
        Err(reason) => {
            let message = format!("the expression `{}` cannot be read: {reason}", excerpt(&source));
            let hint = "igor knows a subset of CEL, which docs/configuration.md describes";
            context.error_with_hint(&first.position, message, hint);
            None
        }
    }
}

/// A word of an expression that spans several words: a quoted one is a text.
fn as_written(word: &Token) -> String {
    if word.quoted { format!("{:?}", word.text) } else { word.text.clone() }
}
