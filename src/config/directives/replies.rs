//! What happens with certain responses: `handle_response` and `replace_status`, in `reverse_proxy` and in `intercept`.

use std::collections::HashMap;

use super::super::changes::Change;
use super::super::context::Context;
use super::super::handlers::{Handler, Reply, Route, Status};
use super::super::header_rule::{HeaderOp, HeaderRule};
use super::super::matcher::{Condition, Matcher};
use super::super::named_matchers::NamedMatchers;
use super::super::response_matcher::{ResponseMatcher, StatusPattern};
use super::super::syntax::{Node, Token};
use super::super::table::{Directive, Seen, Table, Times, unknown};
use super::super::text::Text;
use super::super::values;
use super::answers::status_code;
use super::draft::Sorting;
use super::encode::condition;

/// Reads a block of routes.
pub(super) type ReadBlock = fn(&[Node], &NamedMatchers, Sorting, &mut Context<'_>) -> Vec<Route>;

/// The replies of a block, while it is read.
pub(super) struct RepliesDraft {
    read_block: ReadBlock,
    matchers: HashMap<String, ResponseMatcher>,
    replies: Vec<Reply>,
}

impl RepliesDraft {
    pub(super) fn new(read_block: ReadBlock) -> Self {
        Self { read_block, matchers: HashMap::new(), replies: Vec::new() }
    }

    /// Reads the matchers that the block names. They may follow the directives that use them.
    pub(super) fn define(&mut self, nodes: &[Node], context: &mut Context<'_>) {
        for node in nodes.iter().filter(|node| node.name().starts_with('@')) {
            let mut matcher = ResponseMatcher::default();
            if let [kind, args @ ..] = node.args() {
                condition(&mut matcher, kind, args, context);
            }
            for child in node.children() {
                if let [kind, args @ ..] = child.words.as_slice() {
                    condition(&mut matcher, kind, args, context);
                }
            }
            self.matchers.insert(node.name().to_owned(), matcher);
        }
    }

    fn split<'n>(&self, node: &'n Node, context: &mut Context<'_>) -> Option<(ResponseMatcher, &'n [Token])> {
        match node.args() {
            [first, rest @ ..] if first.text.starts_with('@') => match self.matchers.get(&first.text) {
                Some(matcher) => Some((matcher.clone(), rest)),
                None => {
                    let mut known: Vec<&str> = self.matchers.keys().map(String::as_str).collect();
                    known.sort_unstable();
                    unknown(first, "matcher of responses", &known, context);
                    None
                }
            },
            args => Some((ResponseMatcher::default(), args)),
        }
    }

    /// `replace_status [@MATCHER] STATUS`.
    pub(super) fn replace_status(&mut self, node: &Node, context: &mut Context<'_>) {
        context.no_block(node);
        let Some((matcher, args)) = self.split(node, context) else { return };
        let Some([word]) = context.count_args(node, args, 1, 1) else { return };
        let status = replaced_status(word, context);
        self.replies.push(Reply { matcher, status, routes: Vec::new() });
    }

    /// `handle_response [@MATCHER] { … }`.
    pub(super) fn handle_response(&mut self, node: &Node, context: &mut Context<'_>) {
        let Some((matcher, args)) = self.split(node, context) else { return };
        if context.count_args(node, args, 0, 0).is_none() {
            return;
        }
        let named = context.named.clone();
        let routes = (self.read_block)(node.children(), &named, Sorting::ByOrder, context);
        self.replies.push(Reply { matcher, status: None, routes });
    }

    /// Lets a request continue after a successful response: removes the named fields, and copies those that are not
    /// empty.
    pub(super) fn go_on_with(&mut self, removed: Vec<HeaderOp>, copied: Vec<(Text, HeaderOp)>, node: &Node) {
        let route = |matcher, ops| Route {
            matcher,
            exclusive: None,
            handler: Handler::Change(Change::RequestHeader(HeaderRule { ops, ..HeaderRule::default() })),
            position: node.position.clone(),
        };
        let mut routes = vec![route(Matcher::any(), removed)];
        for (of, op) in copied {
            let is_empty = Condition::Vars { of, values: vec![Text::literal("")] };
            let is_there = Condition::Not(Matcher { conditions: vec![is_empty] });
            routes.push(route(Matcher { conditions: vec![is_there] }, vec![op]));
        }
        let matcher = ResponseMatcher { statuses: vec![StatusPattern::Class(2)], fields: Vec::new() };
        self.replies.insert(0, Reply { matcher, status: None, routes });
    }

    /// A reply without a matcher applies if no other does.
    pub(super) fn finish(mut self) -> Vec<Reply> {
        self.replies.sort_by_key(|reply| reply.matcher == ResponseMatcher::default());
        self.replies
    }
}

/// A final status, or a text whose placeholders yield one.
pub(super) fn replaced_status(word: &Token, context: &mut Context<'_>) -> Option<Status> {
    if word.text.contains('{') {
        return values::text(word, context).map(Status::Text);
    }
    status_code(word, context)
}

/// The directives of an `intercept` block.
pub(super) static INTERCEPT: Table<RepliesDraft> = Table {
    block: "an `intercept` block",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "replace_status",
            usage: "replace_status [@MATCHER] STATUS",
            doc: "Replaces the status of certain responses.",
            times: Times::Many,
            apply: |draft, node, context| draft.replace_status(node, context),
        },
        Directive {
            name: "handle_response",
            usage: "handle_response [@MATCHER] { … }",
            doc: "Routes that answer in the place of certain responses.",
            times: Times::Many,
            apply: |draft, node, context| draft.handle_response(node, context),
        },
    ],
    ignored: &[],
    unsupported: &[],
};

/// `intercept { … }`.
pub(super) fn intercept(
    node: &Node,
    args: &[Token],
    context: &mut Context<'_>,
    read_block: ReadBlock,
) -> Option<Vec<Reply>> {
    context.count_args(node, args, 0, 0)?;
    let mut draft = RepliesDraft::new(read_block);
    draft.define(node.children(), context);
    let mut seen = Seen::default();
    for child in node.children().iter().filter(|child| !child.name().starts_with('@')) {
        if !INTERCEPT.apply_known(&mut draft, child, &mut seen, context) {
            INTERCEPT.report_unknown(child, &[], context);
        }
    }
    Some(draft.finish())
}
