//! The `worker` directive: background workers and HTTP workers.

use std::collections::HashMap;
use std::path::Path;

use super::super::context::Context;
use super::super::diagnostic::Position;
use super::super::limits;
use super::super::matcher::PathPattern;
use super::super::syntax::{Node, Token, excerpt};
use super::super::table::{Directive, Table, Times};
use super::super::values;
use super::super::watch::WATCH_DEFAULT;
use super::super::workers::{Feed, IniSetting, ReadyWhen, ScopeLabel, WorkerConfig, WorkerKind};
use super::matchers::path_pattern;
use super::worker_words::{failures, feed, merged, ready, script, set_variable, threads, watch_patterns, worker_name};

/// A worker as written, before the settings of its block are known.
#[derive(Debug)]
pub(crate) struct WorkerDraft {
    pub(crate) file: Option<Token>,
    pub(crate) background: bool,
    pub(crate) name: Option<String>,
    pub(crate) num: Option<(usize, Position)>,
    pub(crate) position: Position,
    max_threads: Option<(usize, Position)>,
    max_consecutive_failures: i32,
    max_requests: Option<(usize, Position)>,
    max_tasks: Option<(usize, Position)>,
    env: Vec<(String, String)>,
    pub(crate) watch: Vec<Token>,
    match_: Vec<PathPattern>,
    match_position: Option<Position>,
    ready: Option<(ReadyWhen, Position)>,
    cluster: Option<Position>,
    feed: Option<(Feed, Position)>,
}

/// The settings that a worker takes from the enclosing block.
pub(crate) struct WorkerScope<'a> {
    /// The block's own `root`; the files of its workers are relative to it.
    pub(crate) own_root: Option<&'a Path>,
    /// The environment variables of the block.
    pub(crate) env: &'a [(String, String)],
    /// The php.ini settings of the block.
    pub(crate) ini: &'a [IniSetting],
    /// Whether the block hides the variables of the process.
    pub(crate) clear_env: bool,
    /// Whether this is the global scope.
    pub(crate) is_global: bool,
}

/// The directives of a `worker` block.
pub(super) static WORKER: Table<WorkerDraft> = Table {
    block: "a `worker` block",
    origin: "FrankenPHP",
    directives: &[
        Directive {
            name: "file",
            usage: "file PATH",
            doc: "The script.",
            times: Times::Once,
            apply: |worker, node, context| {
                if let Some(word) = context.one(node) {
                    match &worker.file {
                        None => worker.file = Some(word.clone()),
                        Some(first) => {
                            let hint = format!("the first one is at {}", first.position);
                            context.error_with_hint(&word.position, "the worker has two files", hint);
                        }
                    }
                }
            },
        },
        Directive {
            name: "background",
            usage: "background",
            doc: "Makes this a background worker.",
            times: Times::Once,
            apply: |worker, node, context| {
                worker.background = true;
                context.args(node, 0, 0);
            },
        },
        Directive {
            name: "name",
            usage: "name NAME",
            doc: "The name of the worker, unique in its scope; a background worker without one is the catch-all.",
            times: Times::Once,
            apply: |worker, node, context| worker.name = context.one(node).and_then(|word| worker_name(word, context)),
        },
        Directive {
            name: "num",
            usage: "num COUNT",
            doc: "How many threads run the script from the start.",
            times: Times::Once,
            apply: |worker, node, context| {
                if let Some(word) = context.one(node) {
                    worker.num = threads(word, 0, context);
                }
            },
        },
        Directive {
            name: "max_threads",
            usage: "max_threads COUNT",
            doc: "Up to how many threads the worker scales, or how many names a catch-all starts.",
            times: Times::Once,
            apply: |worker, node, context| {
                if let Some(word) = context.one(node) {
                    worker.max_threads = threads(word, 1, context);
                }
            },
        },
        Directive {
            name: "max_consecutive_failures",
            usage: "max_consecutive_failures COUNT",
            doc: "After how many failures in a row the worker is given up; -1 is never.",
            times: Times::Once,
            apply: |worker, node, context| {
                let count = context.one(node).and_then(|word| failures(word, context));
                worker.max_consecutive_failures = count.unwrap_or(worker.max_consecutive_failures);
            },
        },
        Directive {
            name: "max_requests",
            usage: "max_requests COUNT",
            doc: "After how many requests an HTTP worker's script is restarted; 0 is never.",
            times: Times::Once,
            apply: |worker, node, context| {
                let Some(word) = context.one(node) else { return };
                let count = values::count(word, 0, limits::MAX_REQUESTS_MAX, context);
                worker.max_requests = count.map(|count| (count, node.position.clone()));
            },
        },
        Directive {
            name: "max_tasks",
            usage: "max_tasks COUNT",
            doc: "How many tasks may wait for a thread of a background worker.",
            times: Times::Once,
            apply: |worker, node, context| {
                let count = context.one(node).and_then(|word| values::count(word, 1, limits::TASKS_MAX, context));
                worker.max_tasks = count.map(|count| (count, node.position.clone()));
            },
        },
        Directive {
            name: "env",
            usage: "env NAME VALUE",
            doc: "Sets an environment variable of the script.",
            times: Times::Many,
            apply: |worker, node, context| set_variable(&mut worker.env, node, context),
        },
        Directive {
            name: "watch",
            usage: "watch [PATTERN…]",
            doc: "Restarts the worker when a file that matches changes.",
            times: Times::Many,
            apply: watch,
        },
        Directive {
            name: "match",
            usage: "match PATH…",
            doc: "Routes requests for these paths to this HTTP worker, wherever its file lies.",
            times: Times::Many,
            apply: |worker, node, context| {
                worker.match_position = Some(node.position.clone());
                if let Some(words) = context.args(node, 1, usize::MAX) {
                    worker.match_.extend(words.iter().filter_map(|word| path_pattern(word, context)));
                }
            },
        },
        Directive {
            name: "cluster",
            usage: "cluster",
            doc: "Runs the background worker on one instance of the cluster; all of them read what it publishes.",
            times: Times::Once,
            apply: |worker, node, context| {
                worker.cluster = Some(node.position.clone());
                context.args(node, 0, 0);
            },
        },
        Directive {
            name: "ready",
            usage: "ready publish|handle|start",
            doc: "When a background worker counts as ready: when it has published, has asked for its handle, or has started.",
            times: Times::Once,
            apply: |worker, node, context| {
                if let Some(word) = context.one(node) {
                    worker.ready = ready(word, context).map(|when| (when, word.position.clone()));
                }
            },
        },
        Directive {
            name: "mercure",
            usage: "mercure TOPIC [private] [merge-patch]",
            doc: "Sends each version of a background worker's array to this topic of the site's hub.",
            times: Times::Once,
            apply: |worker, node, context| {
                worker.feed = feed(node, context).map(|feed| (feed, node.position.clone()));
            },
        },
    ],
    ignored: &[("boot_timeout", "the timeout of `frankenphp_require_background_worker()` bounds the wait")],
    unsupported: &[],
};

/// `worker FILE [COUNT] [{ … }]` or `worker { … }`.
pub(super) fn worker(node: &Node, context: &mut Context<'_>) -> Option<WorkerDraft> {
    let mut draft = WorkerDraft::new(node.position.clone());
    let args = context.count_args(node, node.args(), 0, 2)?;
    draft.file = args.first().cloned();
    draft.num = args.get(1).and_then(|word| threads(word, 0, context));
    let short_num = draft.num.clone();
    WORKER.apply(&mut draft, node.children(), context);
    if let (Some((_, first)), Some((_, second))) = (short_num, &draft.num)
        && first != *second
    {
        let hint = format!("the first one is at {first}");
        context.error_with_hint(second, "the worker has two numbers of threads", hint);
    }
    if draft.file.is_none() {
        let hint = "write `worker FILE`, or `file FILE` inside the block";
        context.error_with_hint(&node.position, "the worker has no file", hint);
    }
    Some(draft)
}

impl WorkerDraft {
    /// A worker at this place, with all defaults.
    pub(crate) fn new(position: Position) -> Self {
        Self {
            file: None,
            background: false,
            name: None,
            num: None,
            position,
            max_threads: None,
            max_consecutive_failures: limits::CONSECUTIVE_FAILURES_DEFAULT,
            max_requests: None,
            max_tasks: None,
            env: Vec::new(),
            watch: Vec::new(),
            match_: Vec::new(),
            match_position: None,
            ready: None,
            cluster: None,
            feed: None,
        }
    }

    /// Checks the worker by itself and completes it with the settings of its scope.
    pub(crate) fn finish(self, scope: &WorkerScope<'_>, context: &mut Context<'_>) -> Option<WorkerConfig> {
        self.check_match(scope, context);
        if let Some((_, position)) = self.ready.as_ref().filter(|_| !self.background) {
            let message = "`ready` on an HTTP worker: it is ready when it calls frankenphp_handle_request()";
            context.error_with_hint(position, message, "remove `ready`, or add `background`");
        }
        if let Some((_, position)) = self.feed.as_ref().filter(|_| !self.background) {
            let message = "`mercure` on an HTTP worker: only background workers have versions";
            context.error_with_hint(position, message, "remove `mercure`, or add `background`");
        }
        if let Some((_, position)) = self.max_requests.as_ref().filter(|_| self.background) {
            let message = "`max_requests` on a background worker: it takes no requests";
            context.error_with_hint(position, message, "remove `max_requests`, or remove `background`");
        }
        self.check_numbers(context);
        self.check_cluster(context);
        let file = script(self.file.as_ref()?, scope.own_root, context)?;
        let kind = if self.background { WorkerKind::Background } else { WorkerKind::Http { match_: self.match_ } };
        let env = merged(scope.env, self.env);
        let watch = watch_patterns(&self.watch, &file, context);
        Some(WorkerConfig {
            resolved: file.canonicalize().unwrap_or_else(|_| file.clone()),
            file,
            kind,
            ready: self.ready.map(|(when, _)| when).unwrap_or_default(),
            name: self.name,
            num: self.num.map(|(num, _)| num),
            max_threads: self.max_threads.map(|(max, _)| max),
            max_consecutive_failures: self.max_consecutive_failures,
            max_requests: self.max_requests.map(|(count, _)| count),
            cluster: self.cluster.is_some(),
            max_tasks: self.max_tasks.map_or(limits::TASKS_DEFAULT, |(max, _)| max),
            env,
            ini: scope.ini.to_vec(),
            clear_env: scope.clear_env,
            feed: self.feed.map(|(feed, _)| feed),
            watch,
            position: self.position,
        })
    }

    fn check_cluster(&self, context: &mut Context<'_>) {
        let Some(position) = &self.cluster else { return };
        let (message, hint) = if !self.background {
            (
                "`cluster` on an HTTP worker: every instance answers its own requests",
                "remove `cluster`, or add `background`",
            )
        } else if self.name.is_none() {
            ("`cluster` on a catch-all: the instances know a worker by its name", "add `name NAME`")
        } else if !context.has_cluster {
            let hint = "add `cluster { engine redis redis://HOST:PORT }` to the global `frankenphp` block";
            ("`cluster` on a worker, but no engine is declared", hint)
        } else if let Some((ReadyWhen::Handle | ReadyWhen::Start, position)) = &self.ready {
            let message = "a worker of the cluster is ready when its snapshot has arrived, on every instance";
            context.error_with_hint(position, message, "remove `ready`");
            return;
        } else {
            return;
        };
        context.error_with_hint(position, message, hint);
    }

    fn check_match(&self, scope: &WorkerScope<'_>, context: &mut Context<'_>) {
        let Some(position) = &self.match_position else { return };
        if self.background {
            let message = "`match` on a background worker: it serves no requests";
            context.error_with_hint(position, message, "remove `match`, or remove `background`");
        } else if scope.is_global {
            let message = "`match` on a global worker: only a worker in a `php_server` block has paths";
            context.error_with_hint(position, message, "move the worker into the `php_server` block of its site");
        }
    }

    fn check_numbers(&self, context: &mut Context<'_>) {
        if let (Some((num, position)), Some((max, _))) = (&self.num, &self.max_threads)
            && num > max
        {
            let message = format!("`num` is {num}, but `max_threads` is {max}");
            context.error_with_hint(position, message, "raise `max_threads`, or lower `num`");
        }
        if self.background {
            self.check_background_numbers(context);
        } else if let Some((_, position)) = &self.max_tasks {
            let message = "`max_tasks` on an HTTP worker: only background workers take tasks";
            context.error_with_hint(position, message, "remove `max_tasks`, or add `background`");
        }
    }

    /// A worker with a name has a number of threads; a catch-all has a number of names.
    fn check_background_numbers(&self, context: &mut Context<'_>) {
        match (&self.name, &self.num, &self.max_threads) {
            (None, Some((1.., position)), _) => {
                let message =
                    "`num` on a catch-all: a background worker without a name is started for each name asked for";
                context.error_with_hint(position, message, "add `name NAME`, or use `max_threads` to bound the names");
            }
            (Some(_), _, Some((_, position))) => {
                let message = "`max_threads` has no effect on a background worker with a name; it bounds a catch-all";
                context.warning(position, message);
            }
            _ => {}
        }
    }
}

/// Checks the workers of one scope against each other.
pub(crate) fn check_scope(label: &ScopeLabel, workers: &[WorkerConfig], context: &mut Context<'_>) {
    let mut names: HashMap<&str, &Position> = HashMap::new();
    let mut http_files: HashMap<(&Path, &WorkerKind), &Position> = HashMap::new();
    let mut catch_all: Option<&Position> = None;
    for worker in workers {
        if let Some(name) = &worker.name {
            match names.get(name.as_str()) {
                Some(first) => {
                    let message = format!("two workers of the scope `{label}` are named `{}`", excerpt(name));
                    repeated(worker, first, message, context);
                }
                None => {
                    names.insert(name, &worker.position);
                }
            }
        }
        if worker.is_catch_all() {
            match catch_all {
                Some(first) => {
                    let message = format!(
                        "two background workers of the scope `{label}` have no name; only one can be the catch-all"
                    );
                    repeated(worker, first, message, context);
                }
                None => catch_all = Some(&worker.position),
            }
        }
        if !worker.is_background() {
            match http_files.get(&(worker.file.as_path(), &worker.kind)) {
                Some(first) => {
                    let message = format!(
                        "two HTTP workers of the scope `{label}` run the file {} for the same paths",
                        worker.file.display()
                    );
                    repeated(worker, first, message, context);
                }
                None => {
                    http_files.insert((&worker.file, &worker.kind), &worker.position);
                }
            }
        }
    }
}

fn repeated(worker: &WorkerConfig, first: &Position, message: String, context: &mut Context<'_>) {
    context.error_with_hint(&worker.position, message, format_args!("the first one is at {first}"));
}

fn watch(worker: &mut WorkerDraft, node: &Node, context: &mut Context<'_>) {
    context.no_block(node);
    let fallback =
        Token { text: WATCH_DEFAULT.to_owned(), quoted: false, from_env: false, position: node.position.clone() };
    let words = if node.args().is_empty() { std::slice::from_ref(&fallback) } else { node.args() };
    let named = words.iter().filter(|word| values::filled(word, "the pattern", context).is_some());
    worker.watch.extend(named.cloned());
}
