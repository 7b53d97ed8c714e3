//! Matchers: `*`, `/path*` and `@name` in front of a directive's arguments, and the definitions of `@name`.

use std::collections::HashMap;

use super::super::context::Context;
use super::super::matcher::{Condition, FileMatch, IpRange, Matcher, PathPattern, Protocol, TryPolicy, ValuePattern};
use super::super::named_matchers::NamedMatchers;
use super::super::syntax::{Node, Token, excerpt};
use super::super::table::{Directive, Table, Times, unknown};
use super::super::text::Text;
use super::super::uri::decoded;
use super::super::values;
use super::document_root::root_text;
use super::expression::expression;

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
            name: "path_regexp",
            usage: "path_regexp [NAME] EXPRESSION",
            doc: "The path fits the regular expression, whose groups are `{re.NAME.1}` and `{re.1}`.",
            times: Times::Many,
            apply: |matcher, node, context| {
                let Some(args) = context.args(node, 1, 2) else { return };
                if let Some(pattern) = named_regexp(args, context) {
                    matcher.conditions.push(Condition::PathRegexp(pattern));
                }
            },
        },
        Directive {
            name: "header_regexp",
            usage: "header_regexp [NAME] FIELD EXPRESSION",
            doc: "A header field fits the regular expression, whose groups are `{re.NAME.1}` and `{re.1}`.",
            times: Times::Many,
            apply: |matcher, node, context| {
                let Some(args) = context.args(node, 2, 3) else { return };
                let (field, expression) = (&args[args.len() - 2], &args[args.len() - 1]);
                let name = if args.len() == 3 { &args[..1] } else { &[] };
                let words: Vec<Token> = name.iter().chain([expression]).cloned().collect();
                let field = field_name(field, &field.text, context);
                if let (Some(field), Some(pattern)) = (field, named_regexp(&words, context)) {
                    matcher.conditions.push(Condition::HeaderRegexp { field, pattern });
                }
            },
        },
        Directive {
            name: "query",
            usage: "query NAME=VALUE…",
            doc: "The query has one of these parameters with this value; `*` is any. Several lines must all hold.",
            times: Times::Many,
            apply: query,
        },
        Directive {
            name: "protocol",
            usage: "protocol http|https|grpc|http/1.0|http/1.1|http/2|http/3[+]",
            doc: "The request came by this protocol; a `+` behind a version means it or a later one.",
            times: Times::Many,
            apply: protocol,
        },
        Directive {
            name: "remote_ip",
            usage: "remote_ip RANGE…",
            doc: "The peer's address is one of these, or in one of these networks; `private_ranges` are the private ones.",
            times: Times::Many,
            apply: |matcher, node, context| {
                let ranges = context.args(node, 1, usize::MAX).map(|words| ip_ranges(words, context));
                matcher.conditions.extend(ranges.map(Condition::RemoteIp));
            },
        },
        Directive {
            name: "client_ip",
            usage: "client_ip RANGE…",
            doc: "The same for the client's address, as trusted proxies report it.",
            times: Times::Many,
            apply: |matcher, node, context| {
                let ranges = context.args(node, 1, usize::MAX).map(|words| ip_ranges(words, context));
                matcher.conditions.extend(ranges.map(Condition::ClientIp));
            },
        },
        Directive {
            name: "vars",
            usage: "vars VARIABLE VALUE…",
            doc: "A variable or placeholder has one of these values.",
            times: Times::Many,
            apply: |matcher, node, context| {
                let Some((of, values)) = context.args(node, 2, usize::MAX).and_then(<[Token]>::split_first) else {
                    return;
                };
                let values: Vec<Text> = values.iter().filter_map(|word| values::text(word, context)).collect();
                if let Some(of) = variable(of, context) {
                    matcher.conditions.push(Condition::Vars { of, values });
                }
            },
        },
        Directive {
            name: "vars_regexp",
            usage: "vars_regexp [NAME] VARIABLE EXPRESSION",
            doc: "A variable or placeholder fits the regular expression.",
            times: Times::Many,
            apply: |matcher, node, context| {
                let Some(args) = context.args(node, 2, 3) else { return };
                let (of, expression) = (&args[args.len() - 2], &args[args.len() - 1]);
                let name = if args.len() == 3 { &args[..1] } else { &[] };
                let words: Vec<Token> = name.iter().chain([expression]).cloned().collect();
                if let (Some(of), Some(pattern)) = (variable(of, context), named_regexp(&words, context)) {
                    matcher.conditions.push(Condition::VarsRegexp { of, pattern });
                }
            },
        },
        Directive {
            name: "file",
            usage: "file [FILE…] [{ … }]",
            doc: "One of the files exists below the root; the block holds `root`, `try_files`, `try_policy` and `split_path`.",
            times: Times::Many,
            apply: |matcher, node, context| matcher.conditions.extend(file(node, context).map(Condition::File)),
        },
        Directive {
            name: "expression",
            usage: "expression EXPRESSION",
            doc: "The expression, in a subset of CEL, is true.",
            times: Times::Many,
            apply: |matcher, node, context| {
                matcher.conditions.extend(expression(node, context, called).map(Condition::Expression))
            },
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
    unsupported: &[("tls", "match by `protocol`"), ("cel", "use `expression`")],
};

/// Defines `@name CONDITION` or `@name { … }`.
pub(super) fn define(named: &mut HashMap<String, Matcher>, node: &Node, context: &mut Context<'_>) {
    let outer = std::mem::replace(&mut context.usage, "@NAME CONDITION");
    let name = node.name();
    context.matcher_name = name.trim_start_matches('@').to_owned();
    let matcher = conditions(node, context);
    context.matcher_name.clear();
    if name == "@" {
        context.usage_error(&node.position, "a matcher needs a name behind `@`");
    } else if named.insert(name.to_owned(), matcher).is_some() {
        let message = format!("the matcher `{}` is defined twice in this block", excerpt(name));
        context.error_with_hint(&node.position, message, "rename one of them");
    }
    context.usage = outer;
}

/// The conditions after the first word of `node`, on its line or in its block.
fn conditions(node: &Node, context: &mut Context<'_>) -> Matcher {
    let mut matcher = Matcher::any();
    match node.args() {
        // `@name {…}` may also be one quoted expression.
        [only] if only.quoted && node.block.is_none() && !MATCHER.knows(&only.text) => {
            let word = Token { text: "expression".to_owned(), quoted: false, ..only.clone() };
            let inline = Node { words: vec![word, only.clone()], block: None, position: only.position.clone() };
            MATCHER.apply(&mut matcher, &[inline], context);
        }
        [first, ..] => {
            let inline =
                Node { words: node.args().to_vec(), block: node.block.clone(), position: first.position.clone() };
            MATCHER.apply(&mut matcher, &[inline], context);
        }
        [] if node.children().is_empty() => {
            context.usage_error(&node.position, format_args!("`{}` has no condition", excerpt(node.name())));
        }
        [] => MATCHER.apply(&mut matcher, node.children(), context),
    }
    matcher
}

fn line(words: Vec<Token>) -> Node {
    Node { position: words[0].position.clone(), words, block: None }
}

/// The matcher of lines of words, for expressions that call it as a function.
pub(super) fn called(lines: Vec<Vec<Token>>, context: &mut Context<'_>) -> Matcher {
    let mut matcher = Matcher::any();
    let nodes: Vec<Node> = lines.into_iter().map(line).collect();
    MATCHER.apply(&mut matcher, &nodes, context);
    matcher
}

/// Two `not`s cancel out, so at most two per line are kept, and the line is not read again for each.
fn not(matcher: &mut Matcher, node: &Node, context: &mut Context<'_>) {
    let more = node.args().iter().take_while(|word| word.text == "not").count();
    let last = &node.words[more];
    let last = Node { words: node.words[more..].to_vec(), block: node.block.clone(), position: last.position.clone() };
    let inner = Condition::Not(conditions(&last, context));
    let is_odd = more % 2 == 1;
    matcher.conditions.push(if is_odd { Condition::Not(Matcher { conditions: vec![inner] }) } else { inner });
}

/// The matcher before the arguments, and the arguments.
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
        (named_matcher(first, named, context).unwrap_or_default(), rest)
    } else {
        (Matcher::any(), args)
    }
}

fn named_matcher(name: &Token, named: &NamedMatchers, context: &mut Context<'_>) -> Option<Matcher> {
    let matcher = named.0.get(&name.text).cloned();
    if matcher.is_none() {
        let mut known: Vec<&str> = named.0.keys().map(String::as_str).collect();
        known.sort_unstable();
        unknown(name, "matcher", &known, context);
    }
    matcher
}

/// A pattern of paths. A pattern that starts with neither `/` nor `*` matches paths that a `rewrite` has produced.
pub(super) fn path_pattern(word: &Token, context: &mut Context<'_>) -> Option<PathPattern> {
    let text = values::filled(word, "the pattern of paths", context)?;
    if text.contains(['?', '[', '{', '\0']) {
        let message = format!("the pattern of paths `{}` has a wildcard other than `*`", excerpt(text));
        context.error_with_hint(&word.position, message, "only `*` is a wildcard in paths");
        return None;
    }
    // Paths are compared decoded, so what the pattern escapes is decoded, too.
    Some(PathPattern::new(&decoded(text)))
}

fn method(word: &Token, context: &mut Context<'_>) -> Option<String> {
    if word.text.is_empty() || !word.text.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-') {
        context.usage_error(&word.position, format_args!("`{}` is not a method", excerpt(&word.text)));
        return None;
    }
    Some(word.text.to_ascii_uppercase())
}

/// Several values of one field are alternatives; different fields must all match.
fn add_header(matcher: &mut Matcher, field: String, pattern: ValuePattern) {
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

fn header(matcher: &mut Matcher, node: &Node, context: &mut Context<'_>) {
    let Some(args) = context.args(node, 1, 2) else { return };
    let (absent, name) = match args[0].text.strip_prefix('!') {
        Some(name) => (true, name),
        None => (false, args[0].text.as_str()),
    };
    let Some(field) = field_name(&args[0], name, context) else { return };
    match (absent, args.get(1)) {
        (true, None) => matcher.conditions.push(Condition::NoHeader { field }),
        (false, Some(value)) => add_header(matcher, field, ValuePattern::new(&value.text)),
        (true, Some(value)) => context.usage_error(&value.position, "the absence of a header field has no value"),
        (false, None) => context.usage_error(&node.position, "the header field needs a value; `*` is any"),
    }
}

/// The bytes of a name of a header field (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The name of a header field, in lower case.
pub(super) fn field_name(word: &Token, name: &str, context: &mut Context<'_>) -> Option<String> {
    if name.is_empty() || !name.bytes().all(is_token) {
        context.usage_error(&word.position, format_args!("`{}` is not the name of a header field", excerpt(name)));
        return None;
    }
    Some(name.to_ascii_lowercase())
}

/// `[NAME] EXPRESSION`; without a name, the matcher's is used.
fn named_regexp(words: &[Token], context: &mut Context<'_>) -> Option<super::super::matcher::Pattern> {
    let (name, expression) = match words {
        [name, expression] => (name.text.clone(), expression),
        [expression] => (context.matcher_name.clone(), expression),
        _ => return None,
    };
    values::regexp(&expression.text, &name, &expression.position, context)
}

fn query(matcher: &mut Matcher, node: &Node, context: &mut Context<'_>) {
    for word in context.args(node, 1, usize::MAX).unwrap_or_default() {
        let Some((key, value)) = word.text.split_once('=').or_else(|| word.text.is_empty().then_some(("", ""))) else {
            context.usage_error(&word.position, format_args!("`{}` is no parameter with a value", excerpt(&word.text)));
            continue;
        };
        let value = Token { text: value.to_owned(), ..word.clone() };
        let Some(value) = values::text(&value, context) else { continue };
        let known = matcher.conditions.iter_mut().find_map(|condition| match condition {
            Condition::Query { key: known, values } if known == key => Some(values),
            _ => None,
        });
        match known {
            Some(values) => values.push(value),
            None => matcher.conditions.push(Condition::Query { key: key.to_owned(), values: vec![value] }),
        }
    }
}

fn protocol(matcher: &mut Matcher, node: &Node, context: &mut Context<'_>) {
    let Some(word) = context.one(node) else { return };
    let known = [
        ("http", Protocol::Http),
        ("https", Protocol::Https),
        ("grpc", Protocol::Grpc),
        ("http/1.0", Protocol::Version(10, false)),
        ("http/1.0+", Protocol::Version(10, true)),
        ("http/1.1", Protocol::Version(11, false)),
        ("http/1.1+", Protocol::Version(11, true)),
        ("http/2", Protocol::Version(20, false)),
        ("http/2+", Protocol::Version(20, true)),
        ("http/3", Protocol::Version(30, false)),
        ("http/3+", Protocol::Version(30, true)),
    ];
    let protocol = values::choice(word, "protocol", &known, context);
    matcher.conditions.extend(protocol.map(Condition::Protocol));
}

/// Addresses and networks; `private_ranges` stands for the ranges of private networks.
pub(crate) fn ip_ranges(words: &[Token], context: &mut Context<'_>) -> Vec<IpRange> {
    let mut ranges = Vec::new();
    for word in words {
        if word.text == "private_ranges" {
            ranges.extend(IpRange::PRIVATE.iter().filter_map(|range| IpRange::parse(range)));
        } else if let Some(range) = IpRange::parse(&word.text) {
            ranges.push(range);
        } else {
            let message = format!("`{}` is neither an address nor a network", excerpt(&word.text));
            let hint = match word.text.as_str() {
                // Caddy's old spelling, which trusts whatever a client says.
                "forwarded" => "write `client_ip` for the client that trusted proxies report",
                _ => "write for example `10.0.0.0/8`, `::1` or `private_ranges`",
            };
            context.error_with_hint(&word.position, message, hint);
        }
    }
    ranges
}

/// A placeholder, or the name of a variable.
fn variable(word: &Token, context: &mut Context<'_>) -> Option<Text> {
    let text = if word.text.starts_with('{') { word.text.clone() } else { format!("{{vars.{}}}", word.text) };
    values::text(&Token { text, ..word.clone() }, context)
}

fn file(node: &Node, context: &mut Context<'_>) -> Option<FileMatch> {
    let mut file = FileMatch {
        root: None,
        try_files: values::texts(node.args(), context)?,
        policy: TryPolicy::default(),
        split_path: Vec::new(),
    };
    for child in node.children() {
        let Some(args) = context.args(child, 1, usize::MAX) else { continue };
        match (child.name(), args) {
            ("root", [root]) => file.root = root_text(root, context),
            ("try_files", words) => file.try_files.extend(values::texts(words, context)?),
            ("try_policy", [policy]) => file.policy = try_policy(policy, context).unwrap_or_default(),
            ("split_path", words) => {
                file.split_path.extend(words.iter().map(|word| word.text.to_ascii_lowercase()));
            }
            _ => unknown(
                &child.words[0],
                "setting of `file`",
                &["root", "try_files", "try_policy", "split_path"],
                context,
            ),
        }
    }
    if file.try_files.is_empty() {
        file.try_files.push(Text::path());
    }
    Some(file)
}

/// The policy that chooses one of several files.
pub(super) fn try_policy(word: &Token, context: &mut Context<'_>) -> Option<TryPolicy> {
    let known = [
        ("first_exist", TryPolicy::FirstExist),
        ("first_exist_fallback", TryPolicy::FirstExistFallback),
        ("smallest_size", TryPolicy::SmallestSize),
        ("largest_size", TryPolicy::LargestSize),
        ("most_recently_modified", TryPolicy::MostRecentlyModified),
    ];
    values::choice(word, "policy", &known, context)
}
