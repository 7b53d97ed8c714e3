//! The routes of a block while they are read, and their order.

use std::collections::HashMap;

use super::super::context::Context;
use super::super::handlers::{Exclusive, Handler, Route};
use super::super::limits;
use super::super::matcher::Matcher;
use super::super::named_matchers::NamedMatchers;
use super::super::syntax::{Node, Token};
use super::matchers::{define, split_matcher};

/// The routes of a block while they are read.
#[derive(Default)]
pub(super) struct RoutesDraft {
    /// The named matchers of this block and the enclosing ones.
    pub(super) named: NamedMatchers,
    routes: Vec<Placed>,
}

/// A route and its place in the order of directives.
struct Placed {
    order: usize,
    /// The last of several directives that set a variable wins.
    reversed: bool,
    route: Route,
}

/// The order in which the routes of a block are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sorting {
    /// In Caddy's order of directives.
    ByOrder,
    /// As they are written.
    AsWritten,
}

impl RoutesDraft {
    /// The draft of a block: the matchers that `nodes` define, and those of the enclosing blocks.
    pub(super) fn new(nodes: &[Node], outer: &NamedMatchers, context: &mut Context<'_>) -> Self {
        let mut own = HashMap::new();
        nodes.iter().filter(|node| node.name().starts_with('@')).for_each(|node| define(&mut own, node, context));
        Self { named: outer.with(own), routes: Vec::new() }
    }

    /// Adds the route of a directive; its handler is built from the words after the matcher.
    pub(super) fn read(
        &mut self,
        node: &Node,
        context: &mut Context<'_>,
        read: impl FnOnce(&Node, &[Token], &mut Context<'_>) -> Option<Handler>,
    ) {
        let (matcher, args) = split_matcher(node, &self.named, context);
        let outer = std::mem::replace(&mut context.named, self.named.clone());
        let handler = read(node, args, context);
        context.named = outer;
        if let Some(handler) = handler {
            self.push(None, matcher, handler, node, context);
        }
    }

    /// Adds a route to a group. A request takes only the first route of the group that matches.
    pub(super) fn push_exclusive(
        &mut self,
        exclusive: Exclusive,
        matcher: Matcher,
        handler: Handler,
        node: &Node,
        context: &mut Context<'_>,
    ) {
        self.push(Some(exclusive), matcher, handler, node, context);
    }

    fn push(
        &mut self,
        exclusive: Option<Exclusive>,
        matcher: Matcher,
        handler: Handler,
        node: &Node,
        context: &mut Context<'_>,
    ) {
        context.routes += 1;
        if context.routes > limits::ROUTES_MAX {
            let message = format!("the configuration has more than {} routes", limits::ROUTES_MAX);
            context.error_with_hint(&node.position, message, "look for named routes that invoke others more than once");
            return;
        }
        self.routes.push(Placed {
            order: context.order.position(node.name()),
            reversed: node.name() == "vars",
            route: Route { matcher, exclusive, handler, position: node.position.clone() },
        });
    }

    /// The routes in the order in which they are tried.
    pub(super) fn finish(mut self, sorting: Sorting) -> Vec<Route> {
        if sorting == Sorting::ByOrder {
            self.sort();
        }
        self.routes.into_iter().map(|placed| placed.route).collect()
    }

    /// By the order of the directives, and then by the matchers of routes of one directive.
    fn sort(&mut self) {
        self.routes.sort_by_key(|placed| placed.order);
        for same in self.routes.chunk_by_mut(|a, b| a.order == b.order) {
            sort_same(same);
        }
    }
}

/// Sorts the routes of one directive as Caddy does: of two with one path each the longer comes first; otherwise one
/// with a matcher comes before one without. That is not a total order, so a few routes are sorted by insertion, with
/// Caddy's result. In larger blocks, routes by path come first, then those with other matchers, then those without.
fn sort_same(routes: &mut [Placed]) {
    const SORTED_BY_INSERTION_MAX: usize = 500;
    let reversed = routes.first().is_some_and(|placed| placed.reversed);
    if routes.len() > SORTED_BY_INSERTION_MAX {
        routes.sort_by_key(|placed| {
            let length = placed.route.matcher.single_path().map_or(0, |path| path.prefix().len());
            (placed.route.matcher.is_any(), std::cmp::Reverse(length))
        });
        return;
    }
    let before = |a: &Placed, b: &Placed| comes_first(&a.route.matcher, &b.route.matcher) != reversed;
    for end in 1..routes.len() {
        let mut at = end;
        while at > 0 && before(&routes[at], &routes[at - 1]) && !is_same_place(&routes[at], &routes[at - 1]) {
            routes.swap(at, at - 1);
            at -= 1;
        }
    }
}

/// Whether the order of the two does not matter.
fn is_same_place(a: &Placed, b: &Placed) -> bool {
    !comes_first(&a.route.matcher, &b.route.matcher) && !comes_first(&b.route.matcher, &a.route.matcher)
}

fn comes_first(a: &Matcher, b: &Matcher) -> bool {
    if let (Some(a), Some(b)) = (a.single_path(), b.single_path()) {
        let (stem_a, stem_b) = (a.prefix(), b.prefix());
        if stem_a == stem_b {
            return a.as_str().len() < b.as_str().len();
        }
        return if stem_a.len() == stem_b.len() { stem_a < stem_b } else { stem_a.len() > stem_b.len() };
    }
    !a.is_any() && b.is_any()
}
