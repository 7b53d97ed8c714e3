//! Reads the document root of a site, a block or a matcher.

use std::path::Path;

use super::super::context::Context;
use super::super::handlers::Root;
use super::super::syntax::{Token, excerpt};
use super::super::text::Text;
use super::super::values;

/// A document root: an absolute path, or one with placeholders that is made absolute for each request. As in Caddy, it may
/// appear later: deployments mount it, or make it.
pub(super) fn root_text(word: &Token, context: &mut Context<'_>) -> Option<Text> {
    values::filled(word, "the document root", context)?;
    let text = values::text(word, context)?;
    let Some(path) = text.as_literal() else { return Some(text) };
    let path = context.path(path, &word.position);
    if let Err(what) = check_root(&path) {
        let message = format!("{what}, so requests find no file there");
        context.warning_with_hint(&word.position, message, ROOT_HINT);
    }
    Some(Text::literal(&path.to_string_lossy()))
}

/// What the operator can do.
pub(crate) const ROOT_HINT: &str = "make the directory, or name another one";

/// Whether a document root is a directory now.
///
/// # Errors What is in its place, as a sentence.
pub(crate) fn check_root(path: &Path) -> Result<(), String> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(format!("the document root {} is no directory", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(format!("the document root {} does not exist", path.display()))
        }
        Err(error) => Err(format!("the document root {} cannot be read: {error}", path.display())),
    }
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
