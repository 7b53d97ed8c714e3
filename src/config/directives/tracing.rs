//! The `tracing` directive.

use super::super::context::Context;
use super::super::handlers::Tracing;
use super::super::limits;
use super::super::syntax::{Node, Token};
use super::super::table::{Directive, Table, Times};
use super::super::values;

/// The directives of a `tracing` block.
pub(super) static TRACING: Table<Tracing> = Table {
    block: "a `tracing` block",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "span",
            usage: "span NAME",
            doc: "The name of the span.",
            times: Times::Once,
            apply: |tracing, node, context| {
                let word = context.one(node);
                tracing.span = word.and_then(|word| {
                    values::filled(word, "the name of the span", context)?;
                    values::text(word, context)
                });
            },
        },
        Directive {
            name: "span_attributes",
            usage: "span_attributes { NAME VALUE }",
            doc: "Further attributes of the span.",
            times: Times::Many,
            apply: |tracing, node, context| {
                context.count_args(node, node.args(), 0, 0);
                node.children().iter().for_each(|child| attribute(tracing, child, context));
            },
        },
    ],
    ignored: &[],
    unsupported: &[],
};

/// `tracing [MATCHER] [{ … }]`. `args` is what follows the matcher.
pub(super) fn tracing(node: &Node, args: &[Token], context: &mut Context<'_>) -> Tracing {
    context.count_args(node, args, 0, 0);
    let mut tracing = Tracing::default();
    TRACING.apply(&mut tracing, node.children(), context);
    tracing
}

fn attribute(tracing: &mut Tracing, node: &Node, context: &mut Context<'_>) {
    context.no_block(node);
    let [name, value] = node.words.as_slice() else {
        context.usage_error(&node.position, "an attribute has a name and a value");
        return;
    };
    if tracing.attributes.len() >= limits::SPAN_ATTRIBUTES_MAX {
        let most = limits::SPAN_ATTRIBUTES_MAX;
        context.error(&node.position, format_args!("a `tracing` has at most {most} attributes"));
        return;
    }
    let name = values::filled(name, "the name of the attribute", context).map(str::to_owned);
    tracing.attributes.extend(name.zip(values::text(value, context)));
}
