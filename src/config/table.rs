//! The directives of a block as data: one table for parsing, suggestions, documentation and errors.

use std::collections::HashMap;

use super::context::Context;
use super::diagnostic::Position;
use super::nearest::{COMPARED_BYTES_MAX, nearest};
use super::syntax::{Node, Token};

/// A directive of a block with settings of type `T`.
pub(crate) struct Directive<T: 'static> {
    /// The word that starts it.
    pub(crate) name: &'static str,
    /// How it is written.
    pub(crate) usage: &'static str,
    /// What it does, in one sentence.
    pub(crate) doc: &'static str,
    /// How often it may occur in one block.
    pub(crate) times: Times,
    /// Checks its arguments and stores them in the settings.
    pub(crate) apply: fn(&mut T, &Node, &mut Context<'_>),
}

/// How often a directive may occur in one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    /// Once; a second one is an error.
    Once,
    /// Once; if there are several, the last counts, with a warning. Caddy's global options do the same.
    Last,
    /// As often as wanted.
    Many,
}

/// A directive that is accepted without effect: its name, and why.
pub(crate) type Ignored = (&'static str, &'static str);

/// A directive of Caddy or FrankenPHP that Igor does not have: its name, and what to do instead.
pub(crate) type Unsupported = (&'static str, &'static str);

/// The directives of one kind of block.
pub(crate) struct Table<T: 'static> {
    /// The block, as messages name it: "the `vars` block".
    pub(crate) block: &'static str,
    /// Whose syntax the block has: "Caddy" or "FrankenPHP".
    pub(crate) origin: &'static str,
    /// The directives.
    pub(crate) directives: &'static [Directive<T>],
    /// Those accepted with a warning.
    pub(crate) ignored: &'static [Ignored],
    /// Those refused with an explanation.
    pub(crate) unsupported: &'static [Unsupported],
}

/// One directive, for documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectiveDoc {
    /// The block it is in.
    pub block: &'static str,
    /// The word that starts it.
    pub name: &'static str,
    /// How it is written.
    pub usage: &'static str,
    /// What it does.
    pub doc: &'static str,
}

#[cfg(test)]
thread_local! {
    /// The directives that were read on this thread, each with its block: a test compares them with the manual's examples.
    pub(crate) static APPLIED: std::cell::RefCell<std::collections::BTreeSet<(&'static str, &'static str)>> =
        std::cell::RefCell::default();
}

/// Directives of nginx and Apache, with what does the same here.
const OF_OTHER_SERVERS: [(&str, &str); 16] = [
    ("server", "write the address of the site and its block: `example.com {`"),
    ("listen", "write the port in the address of the site: `:8080 {`"),
    ("server_name", "write the host as the address of the site: `example.com {`"),
    ("location", "write `handle PATH {`"),
    ("alias", "write `handle_path PATH/* {` with a `root` of its own"),
    ("if", "write a matcher, `@name …`, and its name in a directive: `respond @name 403`"),
    ("proxy_pass", "write `reverse_proxy UPSTREAM`"),
    ("fastcgi_pass", "write `php_server`, or `php_fastcgi ADDRESS`"),
    ("add_header", "write `header FIELD VALUE`"),
    ("return", "write `respond STATUS`, or `redir TO STATUS`"),
    ("error_page", "write `handle_errors STATUS {`"),
    ("client_max_body_size", "write `request_body {` with `max_size SIZE`"),
    ("access_log", "write `log`"),
    ("DocumentRoot", "write `root DIRECTORY`"),
    ("RewriteRule", "write `rewrite [MATCHER] TO`, or `php_server` for a front controller"),
    ("RewriteCond", "write a matcher, `@name …`, and its name in a directive: `rewrite @name TO`"),
];

/// Longer lists of names are not printed.
const NAMES_LISTED_MAX: usize = 16;

/// A name from this length on may have two wrong, missing or swapped letters to be taken for the known one, others one.
const LONG_NAME_BYTES: usize = 8;

impl<T> Table<T> {
    /// Applies every directive of a block to `settings`.
    pub(crate) fn apply(&self, settings: &mut T, nodes: &[Node], context: &mut Context<'_>) {
        let mut seen = Seen::default();
        for node in nodes {
            if !self.apply_known(settings, node, &mut seen, context) {
                self.report_unknown(node, &[], context);
                self.apply_misspelled(settings, node, context);
            }
        }
    }

    /// Reads the block of an unknown directive as that of the one it is most likely meant to be, so that one run shows
    /// its mistakes too. After an error the settings are not used.
    pub(crate) fn apply_misspelled(&self, settings: &mut T, node: &Node, context: &mut Context<'_>) {
        let Some(word) = node.words.first().filter(|word| word.text.len() <= COMPARED_BYTES_MAX) else { return };
        let meant = |name: &&str| {
            let wrong_max = if name.len() < LONG_NAME_BYTES { 1 } else { 2 };
            name.len() > 3 && strsim::osa_distance(name, &word.text) <= wrong_max
        };
        if let (Some(_), Some(name)) = (&node.block, self.names().find(meant)) {
            let mut renamed = node.clone();
            name.clone_into(&mut renamed.words[0].text);
            self.apply_known(settings, &renamed, &mut Seen::default(), context);
        }
    }

    /// Applies the directive if it belongs to the block; returns whether it does, supported or not. `seen` holds the
    /// earlier directives of the block.
    pub(crate) fn apply_known(
        &self,
        settings: &mut T,
        node: &Node,
        seen: &mut Seen,
        context: &mut Context<'_>,
    ) -> bool {
        let Some(directive) = self.directives.iter().find(|directive| directive.name == node.name()) else {
            return self.report_unsupported(node, context);
        };
        if let Some(first) = seen.0.get(directive.name).filter(|_| directive.times != Times::Many) {
            let message = format!("`{}` is given twice in {}", directive.name, self.block);
            if directive.times == Times::Once {
                context.error_with_hint(&node.position, message, format_args!("the first one is at {first}"));
                return true;
            }
            context.warning(&node.position, format_args!("{message}; this one counts, not the one at {first}"));
        }
        seen.0.insert(directive.name, node.position.clone());
        #[cfg(test)]
        APPLIED.with_borrow_mut(|applied| applied.insert((self.block, directive.name)));
        let outer = std::mem::replace(&mut context.usage, directive.usage);
        (directive.apply)(settings, node, context);
        context.usage = outer;
        true
    }

    /// The names of the block's directives.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.directives.iter().map(|directive| directive.name)
    }

    /// The documentation of the block's directives.
    pub(crate) fn docs(&self) -> impl Iterator<Item = DirectiveDoc> {
        let block = self.block;
        self.directives.iter().map(move |directive| DirectiveDoc {
            block,
            name: directive.name,
            usage: directive.usage,
            doc: directive.doc,
        })
    }

    /// Whether `name` is a directive that is known here, supported or not.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.directives.iter().any(|directive| directive.name == name)
            || self.unsupported.iter().chain(self.ignored).any(|(other, _)| *other == name)
    }

    /// Reports a directive that is known but has no effect here; returns whether it is one.
    fn report_unsupported(&self, node: &Node, context: &mut Context<'_>) -> bool {
        let name = node.name();
        if let Some((_, reason)) = self.ignored.iter().find(|(ignored, _)| *ignored == name) {
            context.warning(&node.position, format_args!("`{name}` has no effect: {reason}"));
        } else if let Some((_, advice)) = self.unsupported.iter().find(|(unsupported, _)| *unsupported == name) {
            let message = format!("`{name}` is a {} directive that igor does not support yet", self.origin);
            context.error_with_hint(&node.position, message, advice);
        } else {
            return false;
        }
        true
    }

    /// Reports a directive that the block does not have. `others` are further allowed names.
    pub(crate) fn report_unknown(&self, node: &Node, others: &[&str], context: &mut Context<'_>) {
        match node.words.first() {
            None => context.error(&node.position, format_args!("a block in {} has no name", self.block)),
            Some(word) => {
                let names: Vec<&str> =
                    others.iter().copied().chain(self.names().map(|name| -> &str { name })).collect();
                if let Some((_, way)) = OF_OTHER_SERVERS.iter().find(|(name, _)| *name == word.text) {
                    let message = format!("unknown directive in {}: `{}`", self.block, word.text);
                    return context.error_with_hint(&word.position, message, way);
                }
                let what = if self.block == "a matcher" { "condition" } else { "directive" };
                unknown(word, &format!("{what} in {}", self.block), &names, context);
            }
        }
    }
}

/// The directives of a block so far, each with its first place.
#[derive(Default)]
pub(crate) struct Seen(HashMap<&'static str, Position>);

/// Reports a word that is not in `known`, with the most similar one, and with the whole list if it is short.
pub(crate) fn unknown(word: &Token, what: &str, known: &[&str], context: &mut Context<'_>) {
    let message = format!("unknown {what}: `{}`", super::syntax::excerpt(&word.text));
    let listed = (1..=NAMES_LISTED_MAX).contains(&known.len()).then(|| format!("known here: {}", known.join(", ")));
    let nearest = nearest(&word.text, known).map(|name| format!("did you mean `{name}`?"));
    let hint = match (nearest, listed) {
        (Some(nearest), Some(listed)) => format!("{nearest} {listed}"),
        (Some(hint), None) | (None, Some(hint)) => hint,
        (None, None) => {
            context.error(&word.position, message);
            return;
        }
    };
    context.error_with_hint(&word.position, message, hint);
}
