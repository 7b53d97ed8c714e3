//! The directives that answer a request themselves: `respond`, `redir`, `file_server`.

use std::path::PathBuf;

use super::super::context::Context;
use super::super::model::{FileServer, Redir, Respond};
use super::super::syntax::{Node, Token, excerpt};
use super::super::table::{Directive, Table, Times};
use super::super::text::Text;
use super::super::values;
use super::php::root;

/// The directives of a `respond` block.
pub(super) static RESPOND: Table<Respond> = Table {
    block: "a `respond` block",
    origin: "Caddy",
    directives: &[Directive {
        name: "body",
        usage: "body TEXT",
        doc: "The body of the answer.",
        times: Times::Once,
        apply: |respond, node, context| {
            if let Some(body) = context.one(node).and_then(|word| values::text(word, context)) {
                respond.body = body;
            }
        },
    }],
    ignored: &[],
    unsupported: &[("close", "remove it; the connection stays open for the next request")],
};

/// `respond [STATUS] [{ body TEXT }]` or `respond BODY [STATUS]`. `args` is what follows the matcher.
pub(super) fn respond(node: &Node, args: &[Token], context: &mut Context<'_>) -> Option<Respond> {
    let mut respond = Respond { status: 200, body: Text::default() };
    match context.count_args(node, args, 0, 2)? {
        [only] if !only.quoted && is_status(&only.text) => respond.status = status(only, 200, context)?,
        [body] => respond.body = values::text(body, context)?,
        [body, code] => {
            respond.body = values::text(body, context)?;
            respond.status = status(code, 200, context)?;
        }
        _ => {}
    }
    RESPOND.apply(&mut respond, node.children(), context);
    Some(respond)
}

/// `redir TO [STATUS]`. `args` is what follows the matcher.
pub(super) fn redir(node: &Node, args: &[Token], context: &mut Context<'_>) -> Option<Redir> {
    context.no_block(node);
    if let ([], [path]) = (args, node.args()) {
        let message = format!("`redir {}` has a matcher and no target", excerpt(&path.text));
        let hint = format!("write `redir * {}` to redirect every request there", excerpt(&path.text));
        context.error_with_hint(&path.position, message, hint);
        return None;
    }
    let args = context.count_args(node, args, 1, 2)?;
    if args[0].text.contains(['\r', '\n', '\0']) {
        context.error(&args[0].position, "the target of a redirect contains a line break or a NUL byte");
        return None;
    }
    let to = values::text(&args[0], context)?;
    let status = match args.get(1) {
        None => 302,
        Some(word) if word.text == "temporary" => 302,
        Some(word) if word.text == "permanent" => 301,
        Some(word) => redirect_status(word, context)?,
    };
    Some(Redir { to, status })
}

fn redirect_status(word: &Token, context: &mut Context<'_>) -> Option<u16> {
    match word.text.parse::<u16>() {
        Ok(status @ 300..=399) => Some(status),
        _ => {
            let message = format!("`{}` is not the status of a redirect", excerpt(&word.text));
            context.error_with_hint(
                &word.position,
                message,
                "write `temporary`, `permanent`, or a number from 300 to 399",
            );
            None
        }
    }
}

fn is_status(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn status(word: &Token, min: usize, context: &mut Context<'_>) -> Option<u16> {
    values::count(word, min, 599, context).and_then(|status| u16::try_from(status).ok())
}

/// A `file_server` directive before the root of its site is known.
#[derive(Debug, Default)]
pub(super) struct FileServerDraft {
    root: Option<PathBuf>,
    index: Option<Vec<String>>,
    hide: Vec<String>,
}

/// The directives of a `file_server` block.
pub(super) static FILE_SERVER: Table<FileServerDraft> = Table {
    block: "a `file_server` block",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "root",
            usage: "root DIRECTORY",
            doc: "The document root.",
            times: Times::Once,
            apply: |server, node, context| {
                if let Some(word) = context.one(node) {
                    server.root = root(word, context);
                }
            },
        },
        Directive {
            name: "index",
            usage: "index FILE…",
            doc: "The index files of directories, in order of preference.",
            times: Times::Once,
            apply: |server, node, context| {
                let words = context.args(node, 1, usize::MAX);
                server.index = words.map(|words| values::filled_all(words, "the index file", context));
            },
        },
        Directive {
            name: "hide",
            usage: "hide PATTERN…",
            doc: "Files that are answered as if they did not exist.",
            times: Times::Many,
            apply: |server, node, context| {
                if let Some(words) = context.args(node, 1, usize::MAX) {
                    server.hide.extend(values::filled_all(words, "the pattern", context));
                }
            },
        },
    ],
    ignored: &[],
    unsupported: &[
        ("browse", "remove it; directories are not listed"),
        ("disable_canonical_uris", "remove it"),
        ("etag_file_extensions", "remove it"),
        ("fs", "remove it; files are read from the disk"),
        ("pass_thru", "put the next directive into a site of its own, or match its paths"),
        ("precompressed", "remove it; files are served uncompressed"),
        ("status", "remove it; files are served with 200"),
    ],
};

/// `file_server [{ … }]`. `args` is what follows the matcher.
pub(super) fn file_server(node: &Node, args: &[Token], context: &mut Context<'_>) -> FileServerDraft {
    let mut draft = FileServerDraft::default();
    match args {
        [word] if word.text == "browse" => {
            let message = "`browse` is a Caddy directive that igor does not support yet";
            context.error_with_hint(&word.position, message, "remove it; directories are not listed");
        }
        args => {
            context.count_args(node, args, 0, 0);
        }
    }
    FILE_SERVER.apply(&mut draft, node.children(), context);
    draft
}

impl FileServerDraft {
    /// Completes the directive with the root of its site.
    pub(super) fn finish(self, site_root: Option<&PathBuf>, context: &Context<'_>) -> FileServer {
        let root = self.root.or_else(|| site_root.cloned()).unwrap_or_else(|| context.base_dir.to_path_buf());
        let server = FileServer::new(root);
        FileServer { index: self.index.unwrap_or(server.index), hide: self.hide, ..server }
    }
}
