//! Reads the document root of a site, a block or a matcher.

use super::super::context::Context;
use super::super::handlers::Root;
use super::super::syntax::{Token, excerpt};
use super::super::text::Text;
use super::super::values;

/// A document root: an absolute path, or one with placeholders that is made absolute for each request. One without
/// placeholders must exist.
pub(super) fn root_text(word: &Token, context: &mut Context<'_>) -> Option<Text> {
    values::filled(word, "the document root", context)?;
    let text = values::text(word, context)?;
    let Some(path) = text.as_literal() else { return Some(text) };
    let path = context.path(path, &word.position);
    if !path.is_dir() {
        let message = format!("the document root {} is no directory", path.display());
        context.error_with_hint(&word.position, message, "make the directory, or name another one");
    }
    Some(Text::literal(&path.to_string_lossy()))
}

/// A document root.
pub(super) fn root(word: &Token, context: &mut Context<'_>) -> Option<Root> {
    let text = root_text(word, context)?;
    match text.as_literal() {
        Some(path) => Some(Root::Fixed(path.into())),
        None => {
            let message =
                format!("the document root `{}` of a block must be the same for every request", excerpt(&word.text));
            context.error_with_hint(&word.position, message, "write `root` with placeholders in front of the block");
            None
        }
    }
}
