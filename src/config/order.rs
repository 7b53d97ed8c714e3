//! The order in which the directives of a block are tried: Caddy's, as the global option `order` changes it (pure).

/// Caddy's order, with FrankenPHP's directives where FrankenPHP puts them.
pub(super) const DEFAULT: &[&str] = &[
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
pub(crate) struct Order(pub(super) Vec<String>);

impl Default for Order {
    fn default() -> Self {
        Self(DEFAULT.iter().map(|name| (*name).to_owned()).collect())
    }
}

impl Order {
    /// The place of a directive; directives without one come last.
    pub(crate) fn position(&self, directive: &str) -> usize {
        let name = listed(directive);
        self.0.iter().position(|known| known == name).unwrap_or(self.0.len())
    }

    /// Whether the directive has a place.
    pub(super) fn knows(&self, directive: &str) -> bool {
        self.0.iter().any(|known| known == listed(directive))
    }

    pub(super) fn put(&mut self, name: &str, at: usize) {
        self.0.retain(|known| known != name);
        let at = at.min(self.0.len());
        self.0.insert(at, name.to_owned());
    }
}

/// The name of a directive in the order: `handle_path` is a `handle`.
pub(super) fn listed(directive: &str) -> &str {
    if directive == "handle_path" { "handle" } else { directive }
}
