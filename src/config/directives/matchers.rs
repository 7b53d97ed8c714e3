//! Matchers: `*`, `/path*` and `@name` in front of a directive's arguments, and the definitions of `@name`.

use std::collections::HashMap;

use super::super::context::Context;
use super::super::matcher::{Condition, Matcher, PathPattern, ValuePattern};
use super::super::syntax::{Node, Token, excerpt};
use super::super::table::{Directive, Table, Times, unknown};
use super::super::values;

/// The named matchers of one site.
pub(super) type NamedMatchers = HashMap<String, Matcher>;

/// The conditions that a named matcher can have.
pub(super) static MATCHER: Table<Matcher> = Table {
    block: "a matcher",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "path",
            usage: "path PATH…",
            doc: "The path is one of these; `*` at the start or end of one stands for anything.",
            times: Times::Many,
            apply: |matcher, node, context| {
                let Some(words) = context.args(node, 1, usize::MAX) else { return };
                let patterns: Vec<_> = words.iter().filter_map(|word| path_pattern(word, context)).collect();
                for condition in &mut matcher.conditions {
                    if let Condition::Path(known) = condition {
                        known.extend(patterns);
                        return;
                    }
                }
                matcher.conditions.push(Condition::Path(patterns));
            },
        },
        Directive {
            name: "method",
            usage: "method METHOD…",
            doc: "The method is one of these.",
            times: Times::Many,
            apply: |matcher, node, context| {
                let Some(words) = context.args(node, 1, usize::MAX) else { return };
                let methods: Vec<_> = words.iter().filter_map(|word| method(word, context)).collect();
                for condition in &mut matcher.conditions {
                    if let Condition::Method(known) = condition {
                        known.extend(methods);
                        return;
                    }
                }
                matcher.conditions.push(Condition::Method(methods));
            },
        },
        Directive {
            name: "host",
            usage: "host HOST…",
            doc: "The requested host is one of these; a label `*` stands for any one label.",
            times: Times::Many,
            apply: |matcher, node, context| {
                let Some(words) = context.args(node, 1, usize::MAX) else { return };
                let hosts = values::filled_all(words, "the host", context);
                let hosts: Vec<_> = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
                for condition in &mut matcher.conditions {
                    if let Condition::Host(known) = condition {
                        known.extend(hosts);
                        return;
                    }
                }
                matcher.conditions.push(Condition::Host(hosts));
            },
        },
        Directive {
            name: "header",
            usage: "header FIELD VALUE",
            doc: "The request has the header field with this value, in which `*` may stand at the ends; `!FIELD` is its absence.",
            times: Times::Many,
            apply: header,
        },
        Directive {
            name: "not",
            usage: "not CONDITION",
            doc: "The condition does not hold; in the block form, not all of the conditions hold.",
            times: Times::Many,
            apply: not,
        },
    ],
    ignored: &[],
    unsupported: &[
        ("client_ip", "match by `path`, `method`, `host` or `header`"),
        ("expression", "match by `path`, `method`, `host` or `header`"),
        ("file", "use `try_files` in a `php_server` block"),
        ("header_regexp", "use `header` with `*` at the start or end of the value"),
        ("path_regexp", "use `path` with `*`"),
        ("protocol", "match by `path`, `method`, `host` or `header`"),
        ("query", "match by `path`, `method`, `host` or `header`"),
        ("remote_ip", "match by `path`, `method`, `host` or `header`"),
        ("vars", "match by `path`, `method`, `host` or `header`"),
        ("vars_regexp", "match by `path`, `method`, `host` or `header`"),
    ],
};

/// Defines `@name CONDITION` or `@name { … }`.
pub(super) fn define(named: &mut NamedMatchers, node: &Node, context: &mut Context<'_>) {
    let outer = std::mem::replace(&mut context.usage, "@NAME CONDITION");
    let name = node.name();
    let matcher = conditions(node, context);
    if name == "@" {
        context.usage_error(&node.position, "a matcher needs a name behind `@`");
    } else if named.insert(name.to_owned(), matcher).is_some() {
        let message = format!("the matcher `{}` is defined twice in this site", excerpt(name));
        context.error_with_hint(&node.position, message, "rename one of them");
    }
    context.usage = outer;
}

/// The conditions behind the first word of `node`, on its line or in its block.
fn conditions(node: &Node, context: &mut Context<'_>) -> Matcher {
    let mut matcher = Matcher::any();
    if let [first, ..] = node.args() {
        let inline = Node { words: node.args().to_vec(), block: node.block.clone(), position: first.position.clone() };
        MATCHER.apply(&mut matcher, &[inline], context);
    } else if node.children().is_empty() {
        context.usage_error(&node.position, format_args!("`{}` has no condition", excerpt(node.name())));
    } else {
        MATCHER.apply(&mut matcher, node.children(), context);
    }
    matcher
}

/// Two `not`s are none, so of any number of them on one line two are left at most: the line is not read again for each.
fn not(matcher: &mut Matcher, node: &Node, context: &mut Context<'_>) {
    let more = node.args().iter().take_while(|word| word.text == "not").count();
    let last = &node.words[more];
    let last = Node { words: node.words[more..].to_vec(), block: node.block.clone(), position: last.position.clone() };
    let inner = Condition::Not(conditions(&last, context));
    let is_odd = more % 2 == 1;
    matcher.conditions.push(if is_odd { Condition::Not(Matcher { conditions: vec![inner] }) } else { inner });
}

/// The matcher in front of the arguments, and the arguments behind it.
pub(super) fn split_matcher<'n>(
    node: &'n Node,
    named: &NamedMatchers,
    context: &mut Context<'_>,
) -> (Matcher, &'n [Token]) {
    let args = node.args();
    let Some((first, rest)) = args.split_first() else { return (Matcher::any(), args) };
    if first.from_env {
        (Matcher::any(), args)
    } else if first.text == "*" {
        (Matcher::any(), rest)
    } else if first.text.starts_with('/') {
        let pattern = path_pattern(first, context);
        (pattern.map(|pattern| Matcher::paths(vec![pattern])).unwrap_or_default(), rest)
    } else if first.text.starts_with('@') {
        let matcher = named.get(&first.text).cloned();
        if matcher.is_none() {
            let mut known: Vec<&str> = named.keys().map(String::as_str).collect();
            known.sort_unstable();
            unknown(first, "matcher", &known, context);
        }
        (matcher.unwrap_or_default(), rest)
    } else {
        (Matcher::any(), args)
    }
}

/// A pattern of paths: it starts with `/` or `*`.
pub(super) fn path_pattern(word: &Token, context: &mut Context<'_>) -> Option<PathPattern> {
    let text = word.text.as_str();
    if !text.starts_with(['/', '*']) {
        let message = format!("`{}` is not a pattern of paths", excerpt(text));
        context.error_with_hint(&word.position, message, "start it with `/` or `*`");
        return None;
    }
    if text.contains(['?', '[', '{', '\0']) {
        let message = format!("the pattern of paths `{}` has a wildcard other than `*`", excerpt(text));
        context.error_with_hint(&word.position, message, "only `*` is a wildcard in paths");
        return None;
    }
    Some(PathPattern::new(text))
}

fn method(word: &Token, context: &mut Context<'_>) -> Option<String> {
    if word.text.is_empty() || !word.text.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-') {
        context.usage_error(&word.position, format_args!("`{}` is not a method", excerpt(&word.text)));
        return None;
    }
    Some(word.text.to_ascii_uppercase())
}

fn header(matcher: &mut Matcher, node: &Node, context: &mut Context<'_>) {
    let Some(args) = context.args(node, 1, 2) else { return };
    let (absent, name) = match args[0].text.strip_prefix('!') {
        Some(name) => (true, name),
        None => (false, args[0].text.as_str()),
    };
    let Some(field) = field_name(&args[0], name, context) else { return };
    match (absent, args.get(1)) {
        (true, None) => matcher.conditions.push(Condition::NoHeader { field }),
        (false, Some(value)) => {
            let pattern = ValuePattern::new(&value.text);
            for condition in &mut matcher.conditions {
                if let Condition::Header { field: known, values } = condition
                    && *known == field
                {
                    values.push(pattern);
                    return;
                }
            }
            matcher.conditions.push(Condition::Header { field, values: vec![pattern] });
        }
        (true, Some(value)) => context.usage_error(&value.position, "the absence of a header field has no value"),
        (false, None) => context.usage_error(&node.position, "the header field needs a value; `*` is any"),
    }
}

/// The name of a header field, in lower case.
pub(super) fn field_name(word: &Token, name: &str, context: &mut Context<'_>) -> Option<String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        context.usage_error(&word.position, format_args!("`{}` is not the name of a header field", excerpt(name)));
        return None;
    }
    Some(name.to_ascii_lowercase())
}
