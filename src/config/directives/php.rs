//! The `php_server` and `php` directives.

use std::time::Duration;

use super::super::context::Context;
use super::super::diagnostic::Position;
use super::super::handlers::{PhpServer, PhpSettings};
use super::super::limits;
use super::super::model::ScopeLabel;
use super::super::settings::StoreSettings;
use super::super::syntax::{Node, Token, excerpt};
use super::super::table::{Directive, Table, Times};
use super::super::text::{Text, word_in_braces};
use super::super::values;
use super::super::workers::IniSetting;
use super::document_root::{check_root, root};
use super::fastcgi::suffixes;
use super::file_server::{FILE_SERVER, sensitive};
use super::hot_reload::HotReloadDraft;
use super::store::store;
use super::worker::{WorkerDraft, WorkerScope, worker};
use super::worker_words::{scope_name, set_variable};

/// A `php_server` or `php` block as written: its workers and scope depend on the enclosing site.
#[derive(Debug)]
pub(crate) struct PhpDraft {
    pub(crate) settings: PhpSettings,
    pub(crate) workers: Vec<WorkerDraft>,
    stores: Vec<StoreSettings>,
    hot_reload: Option<HotReloadDraft>,
    /// The place of a `root` that must exist.
    pub(super) needed_root: Option<Position>,
    name: Option<String>,
    position: Position,
}

/// The directives of a `php_server` or `php` block.
pub(crate) static PHP_SERVER: Table<PhpDraft> = Table {
    block: "a `php_server` block",
    origin: "FrankenPHP",
    directives: &[
        Directive {
            name: "root",
            usage: "root DIRECTORY",
            doc: "The document root.",
            times: Times::Once,
            apply: |php, node, context| {
                let Some(word) = context.one(node) else { return };
                if let Some(root) = root(word, context) {
                    php.settings.root = root;
                    php.needed_root = Some(word.position.clone());
                }
            },
        },
        Directive {
            name: "name",
            usage: "name NAME",
            doc: "The label of the scope of workers, in messages and metrics.",
            times: Times::Once,
            apply: |php, node, context| {
                php.name = context.one(node).and_then(|word| scope_name(word, context));
            },
        },
        Directive {
            name: "index",
            usage: "index FILE…|off",
            doc: "The index files of directories, in order of preference.",
            times: Times::Once,
            apply: |php, node, context| {
                php.settings.index = match context.args(node, 1, usize::MAX) {
                    Some([word]) if word.text == "off" => Vec::new(),
                    Some(words) => values::filled_all(words, "the index file", context),
                    None => Vec::new(),
                };
            },
        },
        Directive {
            name: "split_path",
            usage: "split_path SUFFIX…",
            doc: "The suffixes that end a script's name in a path; what follows is `PATH_INFO`.",
            times: Times::Once,
            apply: split,
        },
        Directive {
            name: "split",
            usage: "split SUFFIX…",
            doc: "Another name of `split_path`.",
            times: Times::Once,
            apply: split,
        },
        Directive {
            name: "env",
            usage: "env NAME VALUE",
            doc: "Sets an environment variable of the scripts and workers of the block.",
            times: Times::Many,
            apply: environment,
        },
        Directive {
            name: "clear_env",
            usage: "clear_env [on|off]",
            doc: "Whether scripts, and programs that they start, see the variables of `env` only, and not those of the process.",
            times: Times::Once,
            apply: |php, node, context| {
                if let Some(clears) = values::switch(node, context) {
                    php.settings.clear_env = clears;
                }
            },
        },
        Directive {
            name: "php_value",
            usage: "php_value NAME VALUE",
            doc: "Sets a php.ini setting for the scripts and workers of the block.",
            times: Times::Many,
            apply: |php, node, context| php.settings.ini.extend(ini_setting(node, false, context)),
        },
        Directive {
            name: "php_admin_value",
            usage: "php_admin_value NAME VALUE",
            doc: "The same, and the scripts cannot change it.",
            times: Times::Many,
            apply: |php, node, context| php.settings.ini.extend(ini_setting(node, true, context)),
        },
        Directive {
            name: "resolve_root_symlink",
            usage: "resolve_root_symlink [on|off]",
            doc: "Whether symbolic links in `root` are resolved before PHP sees the path.",
            times: Times::Once,
            apply: |php, node, context| {
                if let Some(resolve) = values::switch(node, context) {
                    php.settings.resolve_root_symlink = resolve;
                }
            },
        },
        Directive {
            name: "file_server",
            usage: "file_server [on|off] [{ … }]",
            doc: "Whether `php_server` also serves files that are not scripts.",
            times: Times::Once,
            apply: |php, node, context| {
                if node.block.is_some() {
                    context.count_args(node, node.args(), 0, 0);
                    if let Some(files) = &mut php.settings.file_server {
                        FILE_SERVER.apply(files, node.children(), context);
                    }
                } else if values::switch(node, context) == Some(false) {
                    php.settings.file_server = None;
                }
            },
        },
        Directive {
            name: "hide",
            usage: "hide PATTERN…",
            doc: "Files that are no scripts and are answered as if they did not exist.",
            times: Times::Many,
            apply: |php, node, context| {
                if let Some(words) = context.args(node, 1, usize::MAX) {
                    php.hide(values::filled_all(words, "the pattern", context));
                }
            },
        },
        Directive {
            name: "hide_sensitive",
            usage: "hide_sensitive",
            doc: "Hides the files that often lie in a document root and are not for clients.",
            times: Times::Once,
            apply: |php, node, context| {
                context.args(node, 0, 0);
                php.hide(sensitive());
            },
        },
        Directive {
            name: "try_files",
            usage: "try_files FILE…",
            doc: "The files to try in turn for a request, where `{path}` is its path.",
            times: Times::Once,
            apply: |php, node, context| {
                if let Some(words) = context.args(node, 1, usize::MAX) {
                    php.settings.try_files = Some(words.iter().filter_map(|word| try_file(word, context)).collect());
                }
            },
        },
        Directive {
            name: "request_buffering",
            usage: "request_buffering [on|off|SIZE]",
            doc: "Whether request bodies are read whole before a PHP thread is taken, and how large they may be.",
            times: Times::Once,
            apply: request_buffering,
        },
        Directive {
            name: "status_path",
            usage: "status_path PATH",
            doc: "The path of php-fpm's status page, at a FastCGI address.",
            times: Times::Once,
            apply: |php, node, context| {
                if let Some(word) = context.one(node) {
                    php.settings.status_path = page_path(word, context);
                }
            },
        },
        Directive {
            name: "ping_path",
            usage: "ping_path PATH [RESPONSE]",
            doc: "The path of a page that says `pong`, or another text, at a FastCGI address.",
            times: Times::Once,
            apply: |php, node, context| {
                let Some([path, response @ ..]) = context.args(node, 1, 2) else { return };
                php.settings.ping_path = page_path(path, context);
                if let [response] = response {
                    php.settings.ping_response.clone_from(&response.text);
                }
            },
        },
        Directive {
            name: "request_slowlog_timeout",
            usage: "request_slowlog_timeout DURATION",
            doc: "Logs a backtrace of each request that takes longer than this; 0 for never.",
            times: Times::Once,
            apply: |php, node, context| php.settings.request_slowlog_timeout = time_limit(node, context),
        },
        Directive {
            name: "request_slowlog_trace_depth",
            usage: "request_slowlog_trace_depth COUNT",
            doc: "The most lines of such a backtrace.",
            times: Times::Once,
            apply: |php, node, context| {
                let Some(word) = context.one(node) else { return };
                if let Some(depth) = values::count(word, 1, limits::SLOWLOG_TRACE_DEPTH_MAX, context) {
                    php.settings.request_slowlog_trace_depth = depth;
                }
            },
        },
        Directive {
            name: "request_terminate_timeout",
            usage: "request_terminate_timeout DURATION",
            doc: "Ends each request that takes longer than this, whatever the script sets; 0 for never.",
            times: Times::Once,
            apply: |php, node, context| php.settings.request_terminate_timeout = time_limit(node, context),
        },
        Directive {
            name: "request_body_timeout",
            usage: "request_body_timeout DURATION",
            doc: "How long a request body may bring nothing before the client counts as gone; 0 for ever.",
            times: Times::Once,
            apply: |php, node, context| {
                php.settings.request_body_timeout = context.one(node).and_then(|word| values::duration(word, context));
            },
        },
        Directive {
            name: "worker",
            usage: "worker FILE [COUNT] [{ … }]",
            doc: "Declares a worker of this block's scope.",
            times: Times::Many,
            apply: |php, node, context| php.workers.extend(worker(node, context)),
        },
        Directive {
            name: "store",
            usage: "store NAME [{ … }]",
            doc: "Declares a store that only the scripts of this block see.",
            times: Times::Many,
            apply: |php, node, context| store(&mut php.stores, node, context),
        },
        Directive {
            name: "hot_reload",
            usage: "hot_reload [PATTERN…] [{ topic TOPIC, watch PATTERN… }]",
            doc: "Open pages get the changes of watched files by the site's Mercure hub. For development.",
            times: Times::Once,
            apply: |php, node, context| php.hot_reload = Some(HotReloadDraft::read(node, context)),
        },
    ],
    ignored: &[("mercure", "the hub is a directive of the site: `mercure { … }` beside this block")],
    unsupported: &[],
};

impl PhpDraft {
    /// A block without any setting.
    pub(crate) fn new(position: Position) -> Self {
        let settings = PhpSettings::new();
        let (workers, stores) = (Vec::new(), Vec::new());
        Self { settings, workers, stores, hot_reload: None, needed_root: None, name: None, position }
    }

    /// The block of this node; its arguments have already been read as its matcher.
    pub(super) fn read(node: &Node, context: &mut Context<'_>) -> Self {
        let mut draft = Self::new(node.position.clone());
        PHP_SERVER.apply(&mut draft, node.children(), context);
        draft
    }

    /// Hides these files too, if the block serves files at all.
    fn hide(&mut self, patterns: impl IntoIterator<Item = String>) {
        if let Some(files) = &mut self.settings.file_server {
            files.hide.extend(patterns);
        }
    }

    /// As in FrankenPHP, the links of a block's own root are resolved at the start, which fails without it.
    fn check_needed_root(&self, context: &mut Context<'_>) {
        let Some(position) = self.needed_root.as_ref().filter(|_| self.settings.resolve_root_symlink) else { return };
        if let Some(Err(what)) = self.settings.root.fixed().map(check_root) {
            let message = format!("{what}, and its symbolic links cannot be resolved");
            let hint = "make the directory, or write `resolve_root_symlink off` in the block, or `root` in front of it";
            context.error_with_hint(position, message, hint);
        }
    }

    /// Completes the block with the settings of the enclosing directives.
    pub(crate) fn finish(mut self, context: &mut Context<'_>) -> PhpServer {
        self.check_needed_root(context);
        let label = self.name.map_or_else(|| context.label.clone(), |name| ScopeLabel::new(&name));
        let hot_reload = self.hot_reload.map(|draft| {
            let (hot_reload, variable) = draft.finish(&label, context);
            self.settings.env.push(variable);
            hot_reload
        });
        let scope = WorkerScope {
            own_root: self.settings.root.fixed(),
            env: &self.settings.env,
            ini: &self.settings.ini,
            clear_env: self.settings.clear_env,
            is_global: false,
        };
        let workers = self.workers.into_iter().filter_map(|worker| worker.finish(&scope, context)).collect();
        PhpServer {
            scope: label,
            settings: self.settings,
            workers,
            stores: self.stores,
            hot_reload,
            remote: None,
            position: self.position,
        }
    }
}

/// `env NAME VALUE`. A word in braces that is no placeholder is text, as in FrankenPHP.
fn environment(php: &mut PhpDraft, node: &Node, context: &mut Context<'_>) {
    let PhpSettings { env, env_of_request, .. } = &mut php.settings;
    if let [name, value] = node.args() {
        env_of_request.retain(|(known, _)| *known != name.text);
        if let Some(text) = Text::parse(&value.text, &[]).ok().filter(|text| text.as_literal().is_none()) {
            if let Some((name, _)) = values::variable(node, context) {
                env.retain(|(known, _)| *known != name);
                env_of_request.push((name, text));
            }
            return;
        }
    }
    set_variable(env, node, context);
}

/// Settings that PHP reads once, for the whole process.
const INI_OF_PROCESS: [&str; 5] =
    ["disable_functions", "disable_classes", "extension", "zend_extension", "opcache.preload"];

/// `NAME VALUE`
fn ini_setting(node: &Node, is_admin: bool, context: &mut Context<'_>) -> Option<IniSetting> {
    let [name, value] = context.args(node, 2, 2)? else { return None };
    let value = values::plain(value, "the value of the php.ini setting", context)?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if name.text.is_empty() || !name.text.bytes().all(is_name) {
        context.usage_error(&name.position, format_args!("`{}` is no name of a php.ini setting", excerpt(&name.text)));
        return None;
    }
    if INI_OF_PROCESS.contains(&name.text.as_str()) {
        let message = format!("`{}` is one setting of the process, which no block can change", name.text);
        context.error_with_hint(&name.position, message, "write it with `php_ini` in the global `frankenphp` block");
        return None;
    }
    Some(IniSetting { name: name.text.clone(), value: value.to_owned(), is_admin })
}

/// The path of a page of the server itself.
fn page_path(word: &Token, context: &mut Context<'_>) -> Option<String> {
    let path = values::filled(word, "the path of the page", context)?;
    if !path.starts_with('/') {
        context.usage_error(&word.position, format_args!("`{}` does not start with a slash", excerpt(path)));
        return None;
    }
    Some(path.to_owned())
}

/// A time limit; 0 means that there is none.
fn time_limit(node: &Node, context: &mut Context<'_>) -> Option<Duration> {
    let word = context.one(node)?;
    values::duration(word, context).filter(|limit| !limit.is_zero())
}

fn split(php: &mut PhpDraft, node: &Node, context: &mut Context<'_>) {
    php.settings.split_path = suffixes(node, context);
}

/// `on`, `off`, or the size of the largest body.
fn request_buffering(php: &mut PhpDraft, node: &Node, context: &mut Context<'_>) {
    let Some([word]) =
        node.args().get(..1).filter(|words| words[0].text.starts_with(|first: char| first.is_ascii_digit()))
    else {
        if let Some(on) = values::switch(node, context) {
            php.settings.request_buffering_bytes_max = on.then_some(limits::REQUEST_BODY_BYTES_DEFAULT);
        }
        return;
    };
    if context.one(node).is_none() {
        return;
    }
    let Some(bytes) = values::size(word, context) else { return };
    if bytes as u64 > limits::REQUEST_BODY_BYTES_MAX {
        refuse_buffer(word, context);
        return;
    }
    php.settings.request_buffering_bytes_max = Some(bytes as u64);
}

fn refuse_buffer(word: &Token, context: &mut Context<'_>) {
    let message = format!("`{}` is more than 16GiB, the space for the bodies of all requests", excerpt(&word.text));
    let hint = "`request_buffering off` streams bodies of any size to the script";
    context.error_with_hint(&word.position, message, hint);
}

/// A file to try, in which `{path}` stands for the path of the request, or the status that ends it (`=404`).
fn try_file(word: &Token, context: &mut Context<'_>) -> Option<String> {
    let text = values::filled(word, "the file to try", context)?.replace("{http.request.uri.path}", "{path}");
    if let Some(status) = text.strip_prefix('=') {
        if !status.parse().is_ok_and(|status: u16| (400..=599).contains(&status)) {
            context.usage_error(&word.position, format_args!("`{}` is not the status of a failure", excerpt(&text)));
            return None;
        }
        return Some(text);
    }
    // As in Caddy's `try_files`, a query is not part of the name.
    let path = text.split('?').next().unwrap_or_default();
    let mut placeholders = path.match_indices('{').filter_map(|(at, _)| word_in_braces(&path[at..]));
    if let Some(other) = placeholders.find(|name| *name != "path") {
        let message = format!("`{{{other}}}` cannot stand in the `try_files` of a block of PHP");
        let hint = "the only placeholder here is `{path}`; the `try_files` of a site knows all";
        context.error_with_hint(&word.position, message, hint);
        return None;
    }
    Some(path.to_owned())
}
