//! The words of a `worker` block: its script, names, numbers, patterns and variables.

use std::path::{Path, PathBuf};

use super::super::context::Context;
use super::super::diagnostic::Position;
use super::super::findings::join;
use super::super::limits;
use super::super::syntax::{Node, Token, excerpt};
use super::super::values;
use super::super::watch::WatchPattern;
use super::super::workers::{Feed, ReadyWhen};
use crate::limits::MERCURE_TOPIC_BYTES_MAX;

/// `mercure TOPIC [private] [merge-patch]`
pub(super) fn feed(node: &Node, context: &mut Context<'_>) -> Option<Feed> {
    let args = context.args(node, 1, 3)?;
    let topic = values::filled(args.first()?, "the topic", context)?;
    if !is_free_topic(topic) {
        context.error(&args[0].position, "this cannot be the topic of a worker");
        return None;
    }
    let mut feed = Feed { topic: topic.to_owned(), is_private: false, is_patch: false };
    for word in &args[1..] {
        match values::choice(
            word,
            "kind of update",
            &[("private", "private"), ("merge-patch", "merge-patch")],
            context,
        )? {
            "private" => feed.is_private = true,
            _ => feed.is_patch = true,
        }
    }
    Some(feed)
}

/// Whether an update may have this topic: those of the hub itself may not be used.
pub(super) fn is_free_topic(topic: &str) -> bool {
    topic.len() <= MERCURE_TOPIC_BYTES_MAX
        && !topic.contains(char::is_control)
        && !topic.contains("/.well-known/mercure")
}

/// The script's absolute path: relative ones start from the block's own root. The file must exist.
pub(super) fn script(word: &Token, own_root: Option<&Path>, context: &mut Context<'_>) -> Option<PathBuf> {
    let text = values::filled(word, "the file of the worker", context)?;
    let path = match own_root {
        Some(root) => join(root, Path::new(text)),
        None => context.path(text, &word.position),
    };
    if path.is_file() {
        return Some(path);
    }
    let shown = path.display();
    if path.exists() {
        let what = if path.is_dir() { "a directory" } else { "no regular file" };
        context.error_with_hint(&word.position, format_args!("the worker file {shown} is {what}"), "name a script");
        return None;
    }
    let message = format!("the worker file {shown} does not exist");
    let beside = context.path(text, &word.position);
    let hint = match own_root {
        _ if Path::new(text).is_absolute() => {
            context.error(&word.position, message);
            return None;
        }
        Some(_) if beside.is_file() => {
            format!("relative paths start from the `root` of this block; write `{}`", beside.display())
        }
        Some(_) => "relative paths start from the `root` of this block".to_owned(),
        None => format!("relative paths start from the working directory, which is {}", context.working_dir.display()),
    };
    context.error_with_hint(&word.position, message, hint);
    None
}

/// A worker's name.
pub(crate) fn worker_name(word: &Token, context: &mut Context<'_>) -> Option<String> {
    label(word, "the name of the worker", context)
}

/// The name that a block sets for its scope.
pub(super) fn scope_name(word: &Token, context: &mut Context<'_>) -> Option<String> {
    label(word, "the name of the scope", context)
}

/// A name: not empty, bounded, without control characters, which would corrupt logs and metrics.
fn label(word: &Token, what: &str, context: &mut Context<'_>) -> Option<String> {
    let name = values::filled(word, what, context)?;
    if name.len() > limits::WORKER_NAME_BYTES_MAX {
        let max = limits::WORKER_NAME_BYTES_MAX;
        context.error(&word.position, format_args!("{what} is longer than {max} bytes"));
        return None;
    }
    if name.chars().any(char::is_control) {
        context.error(&word.position, format_args!("{what} contains a control character"));
        return None;
    }
    Some(name.to_owned())
}

pub(super) fn threads(word: &Token, min: usize, context: &mut Context<'_>) -> Option<(usize, Position)> {
    let count = values::count(word, min, limits::THREADS_MAX, context)?;
    Some((count, word.position.clone()))
}

pub(super) fn ready(word: &Token, context: &mut Context<'_>) -> Option<ReadyWhen> {
    match word.text.as_str() {
        "publish" => Some(ReadyWhen::Publish),
        "handle" => Some(ReadyWhen::Handle),
        "start" => Some(ReadyWhen::Start),
        other => {
            context.usage_error(&word.position, format_args!("`{}` is no moment of a worker's life", excerpt(other)));
            None
        }
    }
}

pub(super) fn failures(word: &Token, context: &mut Context<'_>) -> Option<i32> {
    match word.text.parse::<i32>() {
        Ok(count) if count >= -1 => Some(count),
        _ => {
            let message = format!("`{}` is not a number of failures", excerpt(&word.text));
            context.error_with_hint(&word.position, message, "write -1 for never, or a number from 0");
            None
        }
    }
}

/// The patterns, relative to the working directory; if the worker's file was found beside the Caddyfile, also relative
/// to there.
pub(super) fn watch_patterns(words: &[Token], file: &Path, context: &mut Context<'_>) -> Vec<WatchPattern> {
    let is_beside = !file.starts_with(context.working_dir) && file.starts_with(context.base_dir);
    let base = if is_beside { context.base_dir } else { context.working_dir };
    patterns(words, base, "watch [PATTERN…]", context)
}

/// The patterns, relative to `base`.
pub(super) fn patterns(
    words: &[Token],
    base: &Path,
    usage: &'static str,
    context: &mut Context<'_>,
) -> Vec<WatchPattern> {
    let outer = std::mem::replace(&mut context.usage, usage);
    let mut patterns = Vec::with_capacity(words.len());
    for word in words {
        match WatchPattern::new(base, &word.text) {
            Ok(pattern) => patterns.push(pattern),
            Err(reason) => {
                let message = format!("`{}` is not a pattern of files: {reason}", excerpt(&word.text));
                context.usage_error(&word.position, message);
            }
        }
    }
    context.usage = outer;
    patterns
}

/// `env NAME VALUE`; a later one replaces an earlier one of the same name.
pub(super) fn set_variable(env: &mut Vec<(String, String)>, node: &Node, context: &mut Context<'_>) {
    if let Some((name, value)) = values::variable(node, context) {
        set(env, name, value);
    }
}

/// The variables of the scope and of the worker. The worker's replace variables of the same name.
pub(super) fn merged(of_scope: &[(String, String)], own: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut env = of_scope.to_vec();
    own.into_iter().for_each(|(name, value)| set(&mut env, name, value));
    env
}

fn set(env: &mut Vec<(String, String)>, name: String, value: String) {
    match env.iter_mut().find(|(known, _)| *known == name) {
        Some((_, old)) => *old = value,
        None => env.push((name, value)),
    }
}
