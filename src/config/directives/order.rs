//! The global option `order`.

use super::super::context::Context;
use super::super::order::{DEFAULT, Order, listed};
use super::super::syntax::{Node, excerpt};

/// `order NAME first|last|before NAME|after NAME`.
pub(super) fn change(order: &mut Order, node: &Node, context: &mut Context<'_>) {
    let Some(words) = context.args(node, 2, 3) else { return };
    let name = listed(&words[0].text).to_owned();
    if !DEFAULT.contains(&name.as_str()) {
        let message = format!("igor has no directive `{}`, so its order has no effect", excerpt(&name));
        context.warning(&words[0].position, message);
    }
    let place = words[1].text.as_str();
    match (place, words.get(2)) {
        ("first", None) => order.put(&name, 0),
        ("last", None) => order.put(&name, usize::MAX),
        ("before" | "after", Some(other)) if order.knows(&other.text) && listed(&other.text) != name => {
            order.0.retain(|known| *known != name);
            let at = order.position(&other.text);
            order.put(&name, if place == "before" { at } else { at + 1 });
        }
        ("before" | "after", Some(other)) => {
            let message = format!("`{}` is no directive that has a place in the order", excerpt(&other.text));
            context.usage_error(&other.position, message);
        }
        _ => context.usage_error(&words[1].position, "the place of a directive is not understood"),
    }
}
