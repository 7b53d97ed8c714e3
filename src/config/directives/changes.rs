//! The directives that change the request for the handlers after them: `root`, `vars`, `map`, `method`, `log_skip`,
//! `log_append`.

use super::super::changes::{Change, Map, MapInput, MapLine};
use super::super::context::Context;
use super::super::handlers::{Exclusive, Handler};
use super::super::syntax::{Node, Token};
use super::super::text::Text;
use super::super::values;
use super::document_root::root_text;
use super::draft::RoutesDraft;
use super::matchers::split_matcher;

/// `root [MATCHER] DIRECTORY`.
pub(super) fn root(routes: &mut RoutesDraft, node: &Node, context: &mut Context<'_>) {
    context.no_block(node);
    // As in Caddy, a single argument is the directory, even if it starts with a slash.
    let (matcher, args) = match node.args() {
        [_] => (Default::default(), node.args()),
        _ => split_matcher(node, &routes.named, context),
    };
    let Some([directory]) = context.count_args(node, args, 1, 1) else { return };
    if let Some(root) = root_text(directory, context) {
        routes.push_exclusive(Exclusive::Root, matcher, Handler::Change(Change::Root(root)), node, context);
    }
}

/// `vars [MATCHER] NAME VALUE`, or several of them in a block.
pub(super) fn vars(node: &Node, args: &[Token], context: &mut Context<'_>) -> Option<Change> {
    let mut found = Vec::new();
    if !args.is_empty() {
        let args = context.count_args(node, args, 2, 2)?;
        variable(&mut found, args, context);
    }
    for child in node.children() {
        context.no_block(child);
        match child.words.as_slice() {
            words @ [_, _] => variable(&mut found, words, context),
            _ => context.usage_error(&child.position, "a variable needs a name and a value"),
        }
    }
    if found.is_empty() {
        context.usage_error(&node.position, "`vars` needs a name and a value");
        return None;
    }
    Some(Change::Vars(found))
}

fn variable(found: &mut Vec<(String, Text)>, words: &[Token], context: &mut Context<'_>) {
    let [name, value] = words else { return };
    let name = values::filled(name, "the name of the variable", context).map(str::to_owned);
    if let (Some(name), Some(value)) = (name, values::text(value, context)) {
        found.push((name, value));
    }
}

/// `map [MATCHER] SOURCE DESTINATION… { INPUT OUTPUT… }`.
pub(super) fn map(node: &Node, args: &[Token], context: &mut Context<'_>) -> Option<Change> {
    let (source, names) = context.count_args(node, args, 2, usize::MAX)?.split_first()?;
    let source = values::text(source, context)?;
    let destinations: Vec<String> = names.iter().map(|name| destination(&name.text).to_owned()).collect();
    let mut map = Map { source, destinations, lines: Vec::new(), defaults: Vec::new() };
    for child in node.children() {
        context.no_block(child);
        let Some((input, outputs)) = child.words.split_first() else { continue };
        if outputs.is_empty() || outputs.len() > map.destinations.len() {
            let count = map.destinations.len();
            context.usage_error(&child.position, format_args!("a line of `map` has {count} values behind its input"));
            continue;
        }
        add_line(&mut map, input, outputs, context);
    }
    Some(Change::Map(map))
}

/// `default OUTPUT…`, or the outputs for one input.
fn add_line(map: &mut Map, input: &Token, outputs: &[Token], context: &mut Context<'_>) {
    if input.is_bare("default") {
        map.defaults = outputs.iter().filter_map(|word| values::text(word, context)).collect();
    } else {
        map.lines.extend(map_line(input, outputs, context));
    }
}

/// The name of a placeholder that `map` defines, without its braces.
pub(super) fn destination(word: &str) -> &str {
    word.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')).unwrap_or(word)
}

fn map_line(input: &Token, outputs: &[Token], context: &mut Context<'_>) -> Option<MapLine> {
    let input = match input.text.strip_prefix('~') {
        Some(source) => MapInput::Regexp(values::regexp(source, "", &input.position, context)?),
        None => MapInput::Exact(input.text.clone()),
    };
    let outputs = outputs.iter().map(|word| output(word, context)).collect::<Option<Vec<_>>>()?;
    Some(MapLine { input, outputs })
}

/// One output of `map`; `-` is none.
fn output(word: &Token, context: &mut Context<'_>) -> Option<Option<Text>> {
    if word.text == "-" {
        return Some(None);
    }
    // `${1}` is a group of the expression, not a placeholder.
    values::text(&Token { text: word.text.replace("${", "$\\{"), ..word.clone() }, context).map(Some)
}

/// `method [MATCHER] METHOD`.
pub(super) fn method(node: &Node, args: &[Token], context: &mut Context<'_>) -> Option<Change> {
    context.no_block(node);
    let word = context.count_args(node, args, 1, 1)?.first()?;
    values::filled(word, "the method", context)?;
    values::text(word, context).map(Change::Method)
}

/// `log_skip [MATCHER]`.
pub(super) fn log_skip(node: &Node, args: &[Token], context: &mut Context<'_>) -> Option<Change> {
    context.no_block(node);
    context.count_args(node, args, 0, 0)?;
    Some(Change::LogSkip)
}

/// `log_append [MATCHER] NAME VALUE`.
pub(super) fn log_append(node: &Node, args: &[Token], context: &mut Context<'_>) -> Option<Change> {
    context.no_block(node);
    let [name, value] = context.count_args(node, args, 2, 2)? else { return None };
    let name = values::filled(name, "the name of the field", context)?.trim_start_matches('<').to_owned();
    Some(Change::LogAppend(name, values::text(value, context)?))
}
