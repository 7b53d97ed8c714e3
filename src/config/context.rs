//! The state while one configuration is read: findings, base directory, definitions.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, Position};
use super::findings::{Findings, join};
use super::handlers::Route;
use super::named_matchers::NamedMatchers;
use super::order::Order;
use super::syntax::{Node, Token};
use super::workers::ScopeLabel;

/// The state that every directive gets.
pub(crate) struct Context<'a> {
    /// What was found.
    pub(crate) findings: &'a mut Findings,
    /// The directory that relative paths start from, as in Caddy. It is absolute.
    pub(crate) working_dir: &'a Path,
    /// The directory of the Caddyfile: the base of a path that does not exist in the working directory. It is
    /// absolute.
    pub(crate) base_dir: &'a Path,
    /// The syntax of the current directive, for hints. Empty outside of every directive.
    pub(crate) usage: &'static str,
    /// The order of directives.
    pub(crate) order: Order,
    /// The label for the scopes of the current site.
    pub(crate) label: ScopeLabel,
    /// The named matchers that the current directive can use.
    pub(crate) named: NamedMatchers,
    /// The name of the matcher that is being read, without its `@`.
    pub(crate) matcher_name: String,
    /// The placeholders that the current site defines itself.
    pub(crate) placeholders: Vec<String>,
    /// The blocks `&(name)`.
    pub(crate) named_routes: HashMap<String, Vec<Node>>,
    /// The named routes that are being inserted.
    pub(crate) invoked: Vec<String>,
    /// Whether a directive of this name belongs to sites and is refused in a block of routes. Set with the first site.
    pub(crate) is_site_directive: fn(&str) -> bool,
    /// The `handle_errors` of the current site.
    pub(crate) error_routes: Vec<Route>,
    /// The number of routes so far.
    pub(crate) routes: usize,
    /// Whether a cluster is declared.
    pub(crate) has_cluster: bool,
    /// Whether the warning about paths relative to the Caddyfile was already given.
    fell_back: bool,
}

impl<'a> Context<'a> {
    /// The state at the start.
    pub(crate) fn new(findings: &'a mut Findings, working_dir: &'a Path, base_dir: &'a Path) -> Self {
        Self {
            findings,
            working_dir,
            base_dir,
            usage: "",
            order: Order::default(),
            label: ScopeLabel::new(""),
            named: NamedMatchers::default(),
            matcher_name: String::new(),
            placeholders: Vec::new(),
            named_routes: HashMap::new(),
            invoked: Vec::new(),
            has_cluster: false,
            is_site_directive: |_| false,
            error_routes: Vec::new(),
            routes: 0,
            fell_back: false,
        }
    }
}

impl Context<'_> {
    /// Reports an error.
    pub(crate) fn error(&mut self, position: &Position, message: impl fmt::Display) {
        self.findings.report(Diagnostic::error(position, message.to_string()));
    }

    /// Reports an error with a hint.
    pub(crate) fn error_with_hint(&mut self, position: &Position, message: impl fmt::Display, hint: impl fmt::Display) {
        self.findings.report(Diagnostic::error(position, message.to_string()).with_hint(hint.to_string()));
    }

    /// Reports an error, with the directive's syntax as the hint.
    pub(crate) fn usage_error(&mut self, position: &Position, message: impl fmt::Display) {
        match self.usage {
            "" => self.error(position, message),
            usage => self.error_with_hint(position, message, format_args!("write `{usage}`")),
        }
    }

    /// Reports a warning.
    pub(crate) fn warning(&mut self, position: &Position, message: impl fmt::Display) {
        self.findings.report(Diagnostic::warning(position, message.to_string()));
    }

    /// Reports a warning with a hint.
    pub(crate) fn warning_with_hint(
        &mut self,
        position: &Position,
        message: impl fmt::Display,
        hint: impl fmt::Display,
    ) {
        self.findings.report(Diagnostic::warning(position, message.to_string()).with_hint(hint.to_string()));
    }

    /// The absolute path of `text`: as in Caddy, relative to the working directory. A file that exists only
    /// beside the Caddyfile is used, with a warning the first time.
    pub(crate) fn path(&mut self, text: &str, position: &Position) -> PathBuf {
        self.path_that(text, position, Path::exists)
    }

    /// The same for a file that is created later, so its directory decides.
    pub(crate) fn path_of_new_file(&mut self, text: &str, position: &Position) -> PathBuf {
        self.path_that(text, position, |path| path.parent().is_none_or(Path::exists))
    }

    fn path_that(&mut self, text: &str, position: &Position, is_there: impl Fn(&Path) -> bool) -> PathBuf {
        let here = join(self.working_dir, Path::new(text));
        if self.working_dir == self.base_dir || is_there(&here) {
            return here;
        }
        let beside = join(self.base_dir, Path::new(text));
        if !is_there(&beside) {
            return here;
        }
        if !std::mem::replace(&mut self.fell_back, true) {
            let message = format!(
                "`{text}` is not in the working directory {} and is taken from the directory of the Caddyfile",
                self.working_dir.display()
            );
            self.warning(position, message);
        }
        beside
    }

    /// The arguments of a directive that takes at least `min` and at most `max`, and no block.
    pub(crate) fn args<'n>(&mut self, node: &'n Node, min: usize, max: usize) -> Option<&'n [Token]> {
        self.no_block(node);
        self.count_args(node, node.args(), min, max)
    }

    /// The only argument of a directive without a block.
    pub(crate) fn one<'n>(&mut self, node: &'n Node) -> Option<&'n Token> {
        self.args(node, 1, 1).and_then(<[Token]>::first)
    }

    /// Checks the number of arguments, which may be those after a matcher.
    pub(crate) fn count_args<'n>(
        &mut self,
        node: &Node,
        args: &'n [Token],
        min: usize,
        max: usize,
    ) -> Option<&'n [Token]> {
        if args.len() < min {
            self.usage_error(&node.position, format_args!("`{}` needs {}", node.name(), plural(min)));
            None
        } else if let Some(extra) = args.get(max) {
            self.usage_error(&extra.position, format_args!("`{}` takes {}", node.name(), at_most(max)));
            None
        } else {
            Some(args)
        }
    }

    /// Reports a block after a directive that takes none.
    pub(crate) fn no_block(&mut self, node: &Node) {
        if node.block.is_some() {
            self.usage_error(&node.position, format_args!("`{}` takes no block", node.name()));
        }
    }
}

fn at_most(arguments: usize) -> String {
    if arguments == 0 { "no argument".to_owned() } else { format!("at most {}", plural(arguments)) }
}

fn plural(count: usize) -> String {
    if count == 1 { "1 argument".to_owned() } else { format!("{count} arguments") }
}
