//! `php_fastcgi`: PHP in this process, or in another one that answers.

use super::super::changes::Change;
use super::super::context::Context;
use super::super::handlers::{Exclusive, Handler, PhpServer, Redir, RemotePhp, Route};
use super::super::matcher::{Condition, FileMatch, Matcher, PathPattern, TryPolicy};
use super::super::proxy::FastcgiSettings;
use super::super::syntax::{Node, Token, excerpt};
use super::super::table::{Seen, Table};
use super::super::text::Text;
use super::super::values;
use super::fastcgi::FASTCGI;
use super::php::{PHP_SERVER, PhpDraft};
use super::proxy::{self, ProxyDraft, REVERSE_PROXY};
use super::replies::ReadBlock;

/// The directives of a `php_fastcgi` block that mean the same for a PHP in this process.
const SHARED: [&str; 7] = ["root", "index", "split", "split_path", "env", "try_files", "resolve_root_symlink"];

/// Those of a `php_server` that a `php_fastcgi` does not have.
const NOT_HERE: [&str; 2] = ["file_server", "worker"];

/// Those that are handled elsewhere.
static PHP_FASTCGI: Table<()> = Table {
    block: "a `php_fastcgi` block",
    origin: "Caddy",
    directives: &[],
    ignored: &[("transport", "the upstream is always asked by FastCGI")],
    unsupported: &[
        ("handle_response", "write `intercept` in front of `php_fastcgi`; it acts on the responses of scripts, too"),
        ("replace_status", "write `intercept` in front of `php_fastcgi`; it acts on the responses of scripts, too"),
    ],
};

/// `php_fastcgi [ADDRESS…] [{ … }]`.
pub(super) fn php_fastcgi(node: &Node, args: &[Token], context: &mut Context<'_>, read_block: ReadBlock) -> PhpServer {
    let mut draft = PhpDraft::new(node.position.clone());
    (draft.settings.file_server, draft.settings.leaves_files) = (None, true);
    // As in Caddy, an address may be a placeholder; then there is nothing to ask when the configuration is loaded.
    let addresses: Vec<Token> = args.iter().filter(|word| !word.text.contains('{')).cloned().collect();
    let mut remote = proxy::draft(&addresses, read_block, context);
    let mut seen = <[Seen; 3]>::default();
    for child in node.children() {
        let is_foreign_root = !addresses.is_empty() && child.name() == "root" && !is_directory(child, context);
        if SHARED.contains(&child.name()) {
            // The root may be one that only the other process has.
            if !is_foreign_root {
                PHP_SERVER.apply_known(&mut draft, child, &mut seen[0], context);
            }
        } else if PHP_FASTCGI.knows(child.name()) {
            PHP_FASTCGI.apply(&mut (), std::slice::from_ref(child), context);
        } else if !FASTCGI.apply_known(remote.settings(), child, &mut seen[1], context)
            && !REVERSE_PROXY.apply_known(&mut remote, child, &mut seen[2], context)
            && (NOT_HERE.contains(&child.name()) || !PHP_SERVER.apply_known(&mut draft, child, &mut seen[0], context))
        {
            PHP_FASTCGI.report_unknown(child, &SHARED, context);
        }
    }
    // Caddy resolves no links in the root of this directive.
    draft.needed_root = None;
    args.first().into_iter().for_each(|address| warn(address, context));
    if !addresses.is_empty() {
        let remote = remote_php(node, remote, &draft, context);
        return PhpServer { remote: Some(Box::new(remote)), ..draft.finish(context) };
    }
    draft.finish(context)
}

fn warn(address: &Token, context: &mut Context<'_>) {
    let message = format!(
        "`php_fastcgi` runs the scripts in this process, as `php_server` does, unless `{}` answers when the configuration \
         is loaded",
        excerpt(&address.text)
    );
    let hint = "write `php_server` to run them here, or `reverse_proxy` with `transport fastcgi` to run them there";
    context.warning_with_hint(&address.position, message, hint);
}

fn is_directory(node: &Node, context: &mut Context<'_>) -> bool {
    let path = node.args().first().map(|word| context.path(&word.text, &word.position));
    path.is_some_and(|path| path.is_dir())
}

/// The Caddy directives that the directive is short for.
fn remote_php(node: &Node, mut remote: ProxyDraft, draft: &PhpDraft, context: &mut Context<'_>) -> RemotePhp {
    let settings = &draft.settings;
    let argument = |name: &str| node.children().iter().find(|child| child.name() == name).map(Node::args);
    let root = argument("root").and_then(<[Token]>::first).and_then(|word| values::text(word, context));
    let fixed = settings.env.iter().map(|(name, value)| (name.clone(), Text::literal(value)));
    let own = remote.settings().fastcgi.take().unwrap_or_default();
    remote.settings().fastcgi = Some(FastcgiSettings {
        root,
        split_path: settings.split_path.clone(),
        env: fixed.chain(settings.env_of_request.iter().cloned()).collect(),
        // In a `php_server` it is on unless it is switched off.
        resolve_root_symlink: argument("resolve_root_symlink").is_some() && settings.resolve_root_symlink,
        ..own
    });
    let proxy = proxy::finish(remote, node, context);
    let (upstreams, dial_timeout) = (proxy.settings.upstreams.clone(), proxy.settings.dial_timeout);
    let mut routes = Vec::new();
    let route = |conditions, exclusive, handler| Route {
        matcher: Matcher { conditions },
        exclusive,
        handler,
        position: node.position.clone(),
    };
    let text = |source: &str| Text::parse(source, &[]).unwrap_or_default();
    let of_directory: Vec<Text> = settings.index.iter().map(|index| text(&format!("{{path}}/{index}"))).collect();
    if !of_directory.is_empty() {
        let slash = Condition::Not(Matcher::paths(vec![PathPattern::new("*/")]));
        let to = text("{http.request.orig_uri.path}/{http.request.orig_uri.prefixed_query}");
        let redirect = Handler::Redir(Redir { to, status: Some(308) });
        routes.push(route(vec![file(of_directory.clone(), &[]), slash], None, redirect));
    }
    let tried = match &settings.try_files {
        Some(files) => files.iter().map(|file| text(file)).collect(),
        None if of_directory.is_empty() => Vec::new(),
        None => {
            let last = settings.index.iter().map(|index| text(index));
            std::iter::once(text("{path}")).chain(of_directory).chain(last).collect()
        }
    };
    if !tried.is_empty() {
        let rewrite = Handler::Change(Change::Rewrite(Text::found_file(None)));
        routes.push(route(vec![file(tried, &settings.split_path)], Some(Exclusive::Rewrite), rewrite));
    }
    let scripts = settings.split_path.iter().map(|suffix| PathPattern::new(&format!("*{suffix}"))).collect();
    routes.push(route(vec![Condition::Path(scripts)], None, Handler::ReverseProxy(Box::new(proxy))));
    RemotePhp { upstreams, dial_timeout, routes }
}

fn file(try_files: Vec<Text>, split_path: &[String]) -> Condition {
    Condition::File(FileMatch { root: None, try_files, policy: TryPolicy::FirstExist, split_path: split_path.to_vec() })
}
