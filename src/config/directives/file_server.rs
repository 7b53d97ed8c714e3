//! The `file_server` directive.

use super::super::context::Context;
use super::super::encode::EncodeFormat;
use super::super::handlers::{FileServer, Root};
use super::super::syntax::{Node, Token};
use super::super::table::{Directive, Table, Times, unknown};
use super::super::values;
use super::answers::status;
use super::document_root::root;

/// Files that are often below a document root but are not for clients: repositories, secrets, databases, dumps,
/// backups, and the files of package managers and other tools.
const SENSITIVE: &[&str] = &[
    ".git",
    ".hg",
    ".svn",
    ".env",
    ".env.*",
    "*.sqlite",
    "*.sqlite3",
    "*.sqlite-*",
    "*.db",
    "*.sql",
    "*.sql.gz",
    "*.bak",
    "*.orig",
    "*.swp",
    "*~",
    "composer.*",
    "package.json",
    "package-lock.json",
    "yarn.lock",
    "node_modules",
    // Composer's. Deeper folders of that name hold files that pages load: phpMyAdmin's `js/vendor`, WordPress's
    // `wp-includes/js/dist/vendor`.
    "./vendor",
];

/// The patterns of `hide_sensitive`.
pub(super) fn sensitive() -> impl Iterator<Item = String> {
    SENSITIVE.iter().map(|&pattern| pattern.to_owned())
}

/// The directives of a `file_server` block.
pub(super) static FILE_SERVER: Table<FileServer> = Table {
    block: "a `file_server` block",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "root",
            usage: "root DIRECTORY",
            doc: "The document root.",
            times: Times::Once,
            apply: |server, node, context| {
                if let Some(root) = context.one(node).and_then(|word| root(word, context)) {
                    server.root = root;
                }
            },
        },
        Directive {
            name: "index",
            usage: "index FILE…",
            doc: "The index files of directories, in order of preference.",
            times: Times::Once,
            apply: |server, node, context| {
                let words = context.args(node, 1, usize::MAX).unwrap_or_default();
                server.index = values::filled_all(words, "the index file", context);
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
        Directive {
            name: "hide_sensitive",
            usage: "hide_sensitive",
            doc: "Hides the files that often lie in a document root and are not for clients.",
            times: Times::Once,
            apply: |server, node, context| {
                context.args(node, 0, 0);
                server.hide.extend(sensitive());
            },
        },
        Directive {
            name: "browse",
            usage: "browse",
            doc: "Lists directories that have no index file, as a page or, for who asks for it, as JSON.",
            times: Times::Once,
            apply: |server, node, context| {
                server.browse = true;
                for word in context.count_args(node, node.args(), 0, 1).unwrap_or_default() {
                    context
                        .warning(&word.position, "igor lists directories with a page of its own, not with a template");
                }
                for child in node.children() {
                    let message = format_args!("`{}` has no effect: the list is igor's own", child.name());
                    context.warning(&child.position, message);
                }
            },
        },
        Directive {
            name: "precompressed",
            usage: "precompressed [br|zstd|gzip…]",
            doc: "Sends `FILE.br`, `FILE.zst` or `FILE.gz` instead of `FILE` to clients that take it.",
            times: Times::Once,
            apply: |server, node, context| {
                let words = context.args(node, 0, usize::MAX).unwrap_or_default();
                server.precompressed = words.iter().filter_map(|word| coding(word, context)).collect();
                if words.is_empty() {
                    server.precompressed = PRECOMPRESSED.to_vec();
                }
            },
        },
        Directive {
            name: "status",
            usage: "status STATUS",
            doc: "The status of files that are sent whole.",
            times: Times::Once,
            apply: |server, node, context| {
                server.status = context.one(node).and_then(|word| status(word, context)).unwrap_or_default();
            },
        },
        Directive {
            name: "pass_thru",
            usage: "pass_thru",
            doc: "Leaves requests for missing files to the directives behind.",
            times: Times::Once,
            apply: |server, node, context| {
                context.args(node, 0, 0);
                server.pass_thru = true;
            },
        },
        Directive {
            name: "disable_canonical_uris",
            usage: "disable_canonical_uris",
            doc: "Serves the index file of a directory also where the slash at the end of the path is missing.",
            times: Times::Once,
            apply: |server, node, context| {
                context.args(node, 0, 0);
                server.canonical_uris = false;
            },
        },
    ],
    ignored: &[("etag_file_extensions", "igor makes the tags of files itself")],
    unsupported: &[("fs", "remove it; files are read from the disk")],
};

/// `file_server [browse] [{ … }]`. `args` is what follows the matcher.
pub(super) fn file_server(node: &Node, args: &[Token], context: &mut Context<'_>) -> FileServer {
    let mut server = FileServer::new(Root::OfRequest);
    match args {
        [word] if word.text == "browse" => server.browse = true,
        args => {
            context.count_args(node, args, 0, 0);
        }
    }
    FILE_SERVER.apply(&mut server, node.children(), context);
    server
}

/// The formats of `precompressed` without arguments, in Caddy's order. Their levels are not used here.
const PRECOMPRESSED: [EncodeFormat; 3] = [EncodeFormat::BROTLI, EncodeFormat::ZSTD, EncodeFormat::GZIP];

fn coding(word: &Token, context: &mut Context<'_>) -> Option<EncodeFormat> {
    let found = PRECOMPRESSED.into_iter().find(|format| format.name() == word.text);
    if found.is_none() {
        unknown(word, "format of compressed files", &PRECOMPRESSED.map(EncodeFormat::name), context);
    }
    found
}
