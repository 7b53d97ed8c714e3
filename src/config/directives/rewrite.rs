//! The directives that change the target of a request: `rewrite`, `uri`, `try_files`, `handle_path`.

use super::super::changes::{Change, QueryChange, UriChange};
use super::super::context::Context;
use super::super::handlers::{Exclusive, Handler, Route};
use super::super::matcher::{Condition, FileMatch, Matcher, TryPolicy};
use super::super::named_matchers::NamedMatchers;
use super::super::syntax::{Node, Token, excerpt};
use super::super::text::Text;
use super::super::values;
use super::draft::{RoutesDraft, Sorting};
use super::matchers::{path_pattern, split_matcher, try_policy};

/// `rewrite [MATCHER] TO`.
pub(super) fn rewrite(routes: &mut RoutesDraft, node: &Node, context: &mut Context<'_>) {
    context.no_block(node);
    // As in Caddy, a single argument is the target, even if it starts with a slash.
    let (matcher, args) = match node.args() {
        [_] => (Matcher::any(), node.args()),
        _ => split_matcher(node, &routes.named, context),
    };
    let Some([target]) = context.count_args(node, args, 1, 1) else { return };
    if values::filled(target, "the target", context).is_none() {
        return;
    }
    if let Some(to) = values::text(target, context) {
        routes.push_exclusive(Exclusive::Rewrite, matcher, Handler::Change(Change::Rewrite(to)), node, context);
    }
}

/// `uri [MATCHER] KIND ARGUMENT…`.
pub(super) fn uri(node: &Node, args: &[Token], context: &mut Context<'_>) -> Option<Change> {
    let (kind, args) = context.count_args(node, args, 1, usize::MAX)?.split_first()?;
    let change = match (kind.text.as_str(), args) {
        ("strip_prefix", [prefix]) => UriChange::StripPrefix(values::text(prefix, context)?),
        ("strip_suffix", [suffix]) => UriChange::StripSuffix(values::text(suffix, context)?),
        ("replace", [from, to]) => UriChange::Replace(values::text(from, context)?, values::text(to, context)?, None),
        ("replace", [from, to, limit]) => {
            let limit = Some(values::count(limit, 0, usize::MAX, context)?).filter(|limit| *limit > 0);
            UriChange::Replace(values::text(from, context)?, values::text(to, context)?, limit)
        }
        ("path_regexp", [pattern, to]) => {
            let pattern = values::regexp(&pattern.text, "", &pattern.position, context)?;
            UriChange::PathRegexp(pattern, values::text(to, context)?)
        }
        ("query", words) => return query(node, words, context).map(UriChange::Query).map(Change::Uri),
        _ => {
            context.usage_error(
                &kind.position,
                format_args!("`uri {}` with these arguments is none", excerpt(&kind.text)),
            );
            return None;
        }
    };
    context.no_block(node);
    Some(Change::Uri(change))
}

fn query(node: &Node, words: &[Token], context: &mut Context<'_>) -> Option<Vec<QueryChange>> {
    let mut changes = Vec::new();
    if !words.is_empty() {
        changes.extend(query_change(words, context));
    }
    for child in node.children() {
        context.no_block(child);
        changes.extend(query_change(&child.words, context));
    }
    if changes.is_empty() {
        context.usage_error(&node.position, "`uri query` needs a change");
        return None;
    }
    Some(changes)
}

/// A part of a word, with the placeholders in it.
fn text(text: &str, word: &Token, context: &mut Context<'_>) -> Option<Text> {
    values::text(&Token { text: text.to_owned(), ..word.clone() }, context)
}

fn query_change(words: &[Token], context: &mut Context<'_>) -> Option<QueryChange> {
    match words {
        [key] => match (key.text.strip_prefix('-'), key.text.split_once('>')) {
            (Some(name), _) => Some(QueryChange::Delete(text(name, key, context)?)),
            (None, Some((from, to))) => Some(QueryChange::Rename(text(from, key, context)?, text(to, key, context)?)),
            _ => {
                context
                    .usage_error(&key.position, "a change of the query is `-NAME`, `OLD>NEW`, or a name with a value");
                None
            }
        },
        [key, value] => {
            let value = values::text(value, context)?;
            match key.text.strip_prefix('+') {
                Some(name) => Some(QueryChange::Add(text(name, key, context)?, value)),
                None => Some(QueryChange::Set(values::text(key, context)?, value)),
            }
        }
        [key, search, replacement] => {
            let pattern = values::regexp(&search.text, "", &search.position, context)?;
            Some(QueryChange::Replace(values::text(key, context)?, pattern, values::text(replacement, context)?))
        }
        _ => {
            let position = words.first().map(|word| &word.position)?;
            context.usage_error(position, "a change of the query has at most three words");
            None
        }
    }
}

/// `try_files FILE… [{ policy POLICY }]`: as in Caddy, a matcher `file` with a rewrite to what it finds. A file with a
/// query is a list of its own, because the query belongs to this target alone.
pub(super) fn try_files(routes: &mut RoutesDraft, node: &Node, context: &mut Context<'_>) {
    let Some(words) = context.count_args(node, node.args(), 1, usize::MAX) else { return };
    let mut policy = TryPolicy::default();
    for child in node.children() {
        match child.words.as_slice() {
            [name, word] if name.text == "policy" => policy = try_policy(word, context).unwrap_or_default(),
            _ => context.usage_error(&child.position, "the block of `try_files` holds `policy POLICY`"),
        }
    }
    let mut inner = Vec::new();
    let mut files: Vec<Text> = Vec::new();
    for word in words {
        if word.text.starts_with("$uri") {
            return context.error_with_hint(&word.position, "`$uri` is a variable of nginx", "write `{path}`");
        }
        let (path, query) =
            word.text.split_once('?').map_or((word.text.as_str(), None), |(path, query)| (path, Some(query)));
        let Some(file) = values::text(&Token { text: path.to_owned(), ..word.clone() }, context) else { return };
        let Some(query) = query else {
            files.push(file);
            continue;
        };
        let Some(query) = values::text(&Token { text: format!("?{query}"), ..word.clone() }, context) else { return };
        if !files.is_empty() {
            inner.push(tried(std::mem::take(&mut files), policy, None, node));
        }
        inner.push(tried(vec![file], policy, Some(&query), node));
    }
    if !files.is_empty() {
        inner.push(tried(files, policy, None, node));
    }
    routes.read(
        &Node { words: vec![node.words[0].clone()], block: None, position: node.position.clone() },
        context,
        |_, _, _| Some(Handler::Subroute(inner)),
    );
}

fn tried(try_files: Vec<Text>, policy: TryPolicy, query: Option<&Text>, node: &Node) -> Route {
    let file = FileMatch { root: None, try_files, policy, split_path: Vec::new() };
    Route {
        matcher: Matcher { conditions: vec![Condition::File(file)] },
        exclusive: Some(Exclusive::Rewrite),
        handler: Handler::Change(Change::Rewrite(Text::found_file(query))),
        position: node.position.clone(),
    }
}

/// `handle_path PATH { … }`: a `handle` that sees the path without the part before the `*`.
/// `read_block` reads the block.
pub(super) fn handle_path(
    routes: &mut RoutesDraft,
    node: &Node,
    context: &mut Context<'_>,
    read_block: fn(&[Node], &NamedMatchers, Sorting, &mut Context<'_>) -> Vec<Route>,
) {
    // Even if the path is refused, the block is read, so that one run shows its mistakes too.
    let of_block = read_block(node.children(), &routes.named, Sorting::ByOrder, context);
    let Some([word]) = context.count_args(node, node.args(), 1, 1) else { return };
    if !word.text.starts_with('/') {
        context.usage_error(&word.position, "`handle_path` needs a path");
        return;
    }
    let Some(pattern) = path_pattern(word, context) else { return };
    let prefix = word.text.trim_end_matches('*').trim_end_matches('/');
    let mut inner = vec![Route {
        matcher: Matcher::any(),
        exclusive: None,
        handler: Handler::Change(Change::Uri(UriChange::StripPrefix(Text::literal(prefix)))),
        position: node.position.clone(),
    }];
    inner.extend(of_block);
    let matcher = Matcher::paths(vec![pattern]);
    routes.push_exclusive(Exclusive::Handle, matcher, Handler::Subroute(inner), node, context);
}
