//! The configuration of the command `php-server`, which has no file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::address::address;
use super::assemble::check;
use super::context::Context;
use super::diagnostic::{Diagnostic, Position};
use super::directives::{PHP_SERVER, PhpDraft, ROOT_HINT, WorkerDraft, check_root, mercure, unix_socket, worker_name};
use super::encode::{Encode, EncodeFormat};
use super::findings::{Findings, join};
use super::handlers::{Handler, Layer, Root, Route};
use super::limits;
use super::listener::Bind;
use super::matcher::Matcher;
use super::model::{Address, Config, Site, scope_label};
use super::settings::Global;
use super::syntax::{Node, Token, excerpt};
use super::tls::{self, HttpsSettings, TlsSettings};

/// The options of the command line of `php-server`.
#[derive(Debug, Clone, Default)]
pub struct QuickOptions {
    /// The document root, relative to the working directory; empty: the working directory.
    pub root: PathBuf,
    /// The addresses, as in a Caddyfile; a host without a scheme means plain HTTP. None: `:80`.
    pub listen: Vec<String>,
    /// The only host that is answered, by HTTPS unless the port of `listen` is that of plain HTTP. `None`: every host.
    pub domain: Option<String>,
    /// Further Unix sockets to listen on, in the form that `bind` has after `unix/`.
    pub sockets: Vec<String>,
    /// HTTP workers: the file, relative to the working directory, and the number of threads.
    pub workers: Vec<(PathBuf, Option<usize>)>,
    /// Background workers: the name, the file, and the number of threads.
    pub background: Vec<(String, PathBuf, Option<usize>)>,
    /// Directives of the block of PHP: the words of each.
    pub directives: Vec<Vec<String>>,
    /// Patterns of files that restart every worker when they change.
    pub watch: Vec<String>,
    /// Whether the site has a Mercure hub, with the keys that the environment names as in FrankenPHP.
    pub mercure: bool,
    /// Whether responses are compressed.
    pub compress: bool,
}

/// The name of the file in findings about the command line.
const COMMAND_LINE: &str = "command line";

/// The configuration of one site with one `php_server`, whose scope holds the workers.
///
/// # Errors All errors in the options, like those of [`super::parse`].
pub fn quick(options: QuickOptions) -> Result<Config, Vec<Diagnostic>> {
    let position = Position::start_of(Arc::from(Path::new(COMMAND_LINE)));
    let working_dir = std::env::current_dir()
        .map_err(|error| vec![Diagnostic::error(&position, format!("cannot find the working directory: {error}"))])?;
    let mut findings = Findings::default();
    let mut context = Context::new(&mut findings, &working_dir, &working_dir);
    context.usage = "igor php-server --root DIRECTORY --listen ADDRESS";
    let site = quick_site(options, &position, &mut context);
    let mut config = Config {
        global: Global::default(),
        sites: vec![site],
        warnings: Vec::new(),
        base_dir: working_dir.clone(),
        sources: Vec::new(),
    };
    check(&mut config, &mut context);
    config.warnings = findings.into_result()?;
    Ok(config)
}

fn checked_threads(num: usize, position: &Position, context: &mut Context<'_>) -> usize {
    if num > limits::THREADS_MAX {
        context.error(position, format!("{num} threads are more than {}", limits::THREADS_MAX));
    }
    num
}

/// The addresses of the site, and what it is bound to.
fn place(options: &QuickOptions, position: &Position, context: &mut Context<'_>) -> (Vec<Address>, Vec<Bind>) {
    let word = |text: String| Token { text, quoted: true, from_env: false, position: position.clone() };
    let is_for_sockets_alone = options.listen.is_empty();
    let listen = match is_for_sockets_alone {
        true if options.sockets.is_empty() => vec![format!(":{}", limits::HTTP_PORT_DEFAULT)],
        // Only the protocol counts: if an address is bound to a socket, its port is not opened.
        true => vec!["fastcgi://localhost".to_owned()],
        false => options.listen.clone(),
    };
    let mut https = HttpsSettings::default();
    // A bare host or IP keeps its old meaning, plain HTTP.
    https.auto.addresses = false;
    let addresses: Vec<_> = listen.into_iter().filter_map(|text| address(&word(text), &https, context)).collect();
    let mut bind: Vec<Bind> =
        options.sockets.iter().filter_map(|text| unix_socket(&word(text.clone()), text, context)).collect();
    if !bind.is_empty() && !is_for_sockets_alone {
        bind.extend(addresses.iter().filter_map(|address| address.ip.map(Bind::Ip)));
    }
    (addresses, bind)
}

/// The same for `--domain`. As in FrankenPHP it is served by HTTPS on port 443, or on the port of `--listen`, unless that is
/// the one of plain HTTP. An IP of `--listen` is the interface.
fn place_of_domain(
    domain: &str,
    listen: &[String],
    position: &Position,
    context: &mut Context<'_>,
) -> (Vec<Address>, Vec<Bind>) {
    let word = |text: String| Token { text, quoted: true, from_env: false, position: position.clone() };
    if domain.contains([':', '/']) {
        let message = format!("`--domain {}` is no name of a host", excerpt(domain));
        context.error_with_hint(position, message, "write the name alone, and the port in `--listen :PORT`");
        return Default::default();
    }
    let https = HttpsSettings::default();
    let (port, ip) = match listen {
        [] => (https.https_port, None),
        [one] => {
            let mut plain = HttpsSettings::default();
            plain.auto.addresses = false;
            let Some(address) = address(&word(one.clone()), &plain, context) else { return Default::default() };
            (address.port, address.ip)
        }
        _ => {
            let hint = "write one address, or a Caddyfile";
            context.error_with_hint(position, "`--domain` with more than one `--listen`", hint);
            return Default::default();
        }
    };
    let scheme = if port == https.http_port { "http" } else { "https" };
    let address = address(&word(format!("{scheme}://{domain}:{port}")), &https, context);
    (address.into_iter().collect(), ip.map(Bind::Ip).into_iter().collect())
}

fn quick_site(options: QuickOptions, position: &Position, context: &mut Context<'_>) -> Site {
    let word = |text: String| Token { text, quoted: true, from_env: false, position: position.clone() };
    let (addresses, bind) = match &options.domain {
        Some(domain) => place_of_domain(domain, &options.listen, position, context),
        None => place(&options, position, context),
    };
    let label = scope_label(&addresses);

    let root = join(context.base_dir, &options.root);
    if let Err(what) = check_root(&root) {
        context.error_with_hint(position, what, ROOT_HINT);
    }
    let mut php = PhpDraft::new(position.clone());
    let node = |words: Vec<String>| Node {
        words: words.into_iter().map(&word).collect(),
        block: None,
        position: position.clone(),
    };
    let directives: Vec<Node> = options.directives.into_iter().map(node).collect();
    PHP_SERVER.apply(&mut php, &directives, context);
    let watch: Vec<Token> = options.watch.into_iter().map(&word).collect();
    if !watch.is_empty() && options.workers.is_empty() && options.background.is_empty() {
        let message = "`--watch` has no effect without a worker: each request reads its script when it comes";
        context.warning(position, message);
    }
    let http = options.workers.into_iter().map(|(file, num)| (None, file, num));
    let background = options.background.into_iter().map(|(name, file, num)| (Some(name), file, num));
    for (name, file, num) in http.chain(background) {
        let mut worker = WorkerDraft::new(position.clone());
        // Makes a path absolute, so that it is not relative to the document root; an empty path is reported as empty.
        let file = if file.as_os_str().is_empty() { file } else { join(context.base_dir, &file) };
        worker.file = Some(word(file.to_string_lossy().into_owned()));
        worker.background = name.is_some();
        worker.name = name.and_then(|name| worker_name(&word(name), context));
        worker.watch.clone_from(&watch);
        worker.num = num.map(|num| (checked_threads(num, position, context), position.clone()));
        php.workers.push(worker);
    }
    php.settings.root = Root::Fixed(root);
    context.label = label;
    let hub = if options.mercure { hub(position, context) } else { None };
    // Behind the hub, whose streams stay as they are.
    let encode = options.compress.then(|| Handler::Layer(Layer::Encode(every_format())));
    let handlers = hub.into_iter().chain(encode).chain([Handler::PhpServer(php.finish(context))]);
    let route = |handler| Route { matcher: Matcher::any(), exclusive: None, handler, position: position.clone() };
    let routes = handlers.map(route).collect();
    let mut encryption = TlsSettings::default();
    tls::complete(&mut encryption, &HttpsSettings::default());
    Site {
        addresses,
        bind,
        routes,
        error_routes: Vec::new(),
        access_logs: Vec::new(),
        tls: encryption,
        tls_position: None,
        position: position.clone(),
    }
}

/// What FrankenPHP's command compresses by, in its order of preference.
fn every_format() -> Encode {
    let formats = vec![EncodeFormat::ZSTD, EncodeFormat::BROTLI, EncodeFormat::GZIP];
    Encode { formats, ..Encode::default() }
}

/// The hub of `--mercure`: `mercure` with the keys and algorithms of the environment, by the names that FrankenPHP uses.
fn hub(position: &Position, context: &mut Context<'_>) -> Option<Handler> {
    let word = |text: &str| Token { text: text.to_owned(), quoted: true, from_env: false, position: position.clone() };
    let node = |words, block| Node { words, block, position: position.clone() };
    let mut block = Vec::new();
    for (directive, role, of) in
        [("publisher_jwt", "PUBLISHER", "publishers"), ("subscriber_jwt", "SUBSCRIBER", "subscribers")]
    {
        let variable = |what| std::env::var(format!("MERCURE_{role}_JWT_{what}")).unwrap_or_default();
        let (key, algorithm) = (variable("KEY"), variable("ALG"));
        if key.is_empty() {
            let message = format!("`--mercure` needs the environment variable MERCURE_{role}_JWT_KEY");
            context.error_with_hint(position, message, format_args!("set it to the key of the tokens of {of}"));
            return None;
        }
        block.push(node(vec![word(directive), word(&key), word(&algorithm)], None));
    }
    mercure(&node(vec![word("mercure")], Some(block)), &[], context)
}
