//! The order in which the directives of a block are tried: Caddy's, as the global option `order` changes it.

use super::super::context::Context;
use super::super::syntax::{Node, excerpt};

/// Caddy's order, with FrankenPHP's directives where FrankenPHP puts them.
const DEFAULT: &[&str] = &[
    "tracing",
    "map",
    "vars",
    "fs",
    "root",
    "log_append",
    "skip_log",
    "log_skip",
    "log_name",
    "header",
    "copy_response_headers",
    "request_body",
    "redir",
    "method",
    "rewrite",
    "uri",
    "try_files",
    "basicauth",
    "basic_auth",
    "forward_auth",
    "request_header",
    "encode",
    "mercure",
    "push",
    "intercept",
    "templates",
    "invoke",
    "handle",
    "route",
    "abort",
    "error",
    "copy_response",
    "respond",
    "metrics",
    "vulcain",
    "reverse_proxy",
    "php_fastcgi",
    "php",
    "php_server",
    "file_server",
    "acme_server",
];

/// The names of directives in the order in which they are tried.
#[derive(Debug, Clone)]
pub(crate) struct Order(Vec<String>);

impl Default for Order {
    fn default() -> Self {
        Self(DEFAULT.iter().map(|name| (*name).to_owned()).collect())
    }
}

impl Order {
    /// The place of a directive; those without one come last.
    pub(crate) fn position(&self, directive: &str) -> usize {
        let name = listed(directive);
        self.0.iter().position(|known| known == name).unwrap_or(self.0.len())
    }

    /// Whether the directive has a place.
    fn knows(&self, directive: &str) -> bool {
        self.0.iter().any(|known| known == listed(directive))
    }

    /// `order NAME first|last|before NAME|after NAME`.
    pub(super) fn change(&mut self, node: &Node, context: &mut Context<'_>) {
        let Some(words) = context.args(node, 2, 3) else { return };
        let name = listed(&words[0].text).to_owned();
        if !DEFAULT.contains(&name.as_str()) {
            let message = format!("igor has no directive `{}`, so its order has no effect", excerpt(&name));
            context.warning(&words[0].position, message);
        }
        let place = words[1].text.as_str();
        match (place, words.get(2)) {
            ("first", None) => self.put(&name, 0),
            ("last", None) => self.put(&name, usize::MAX),
            ("before" | "after", Some(other)) if self.knows(&other.text) && listed(&other.text) != name => {
                self.0.retain(|known| *known != name);
                let at = self.position(&other.text);
                self.put(&name, if place == "before" { at } else { at + 1 });
            }
            ("before" | "after", Some(other)) => {
                let message = format!("`{}` is no directive that has a place in the order", excerpt(&other.text));
                context.usage_error(&other.position, message);
            }
            _ => context.usage_error(&words[1].position, "the place of a directive is not understood"),
        }
    }

    fn put(&mut self, name: &str, at: usize) {
        self.0.retain(|known| known != name);
        let at = at.min(self.0.len());
        self.0.insert(at, name.to_owned());
    }
}

/// The name under which the order has a directive: `handle_path` is a `handle`.
fn listed(directive: &str) -> &str {
    if directive == "handle_path" { "handle" } else { directive }
}
