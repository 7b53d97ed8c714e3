//! `igor fmt` and `igor adapt`: format a Caddyfile, and show what igor has read from it.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::arguments::FormatArguments;
use super::output::{complain, print};
use crate::config::{self, Config, Handler, Layer, PhpServer, PhpSettings, Route, ScopeLabel, Site, WorkerConfig};

/// `igor fmt`
pub(super) fn format(arguments: &FormatArguments) -> Result<ExitCode, String> {
    let is_input = arguments.file == Path::new("-");
    let named = if is_input { "the standard input".to_owned() } else { arguments.file.display().to_string() };
    let text =
        if is_input { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(&arguments.file) };
    let text = text.map_err(|error| format!("reading {named}: {error}"))?;
    let formatted =
        config::format(&text).map_err(|error| format!("{named}:{}:{}: {}", error.line, error.column, error.message))?;
    if arguments.overwrite && !is_input {
        if formatted != text {
            std::fs::write(&arguments.file, formatted).map_err(|error| format!("writing {named}: {error}"))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    print(&formatted)?;
    if formatted == text || is_input {
        return Ok(ExitCode::SUCCESS);
    }
    complain(&format!("igor: {named} is not formatted; `igor fmt --overwrite` changes it\n"));
    Ok(ExitCode::FAILURE)
}

/// `igor adapt`
pub(super) fn adapt(config: &Config, is_pretty: bool) -> Result<(), String> {
    config.warnings.iter().for_each(|warning| complain(&format!("{warning}\n")));
    let value = shown(config);
    let text = if is_pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
    print(&format!("{}\n", text.map_err(|error| format!("writing the configuration: {error}"))?)).map(drop)
}

/// The configuration in igor's own format: the handlers, their order, and their places in the file.
fn shown(config: &Config) -> Value {
    let workers =
        config.scopes().flat_map(|scope| scope.workers.iter().map(move |worker| worker_of(scope.label, worker)));
    json!({
        "about": "what igor has read, in a form of its own: it is not Caddy's JSON, and igor reads Caddyfiles only",
        "sources": config.sources,
        "workers": workers.collect::<Vec<_>>(),
        "sites": config.sites.iter().map(site).collect::<Vec<_>>(),
    })
}

fn worker_of(scope: &ScopeLabel, worker: &WorkerConfig) -> Value {
    json!({
        "scope": scope.to_string(),
        "name": worker.name,
        "file": worker.file,
        "background": worker.is_background(),
        "num": worker.num,
    })
}

fn site(site: &Site) -> Value {
    json!({
        "addresses": site.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "listeners": site.listeners().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "at": site.position.to_string(),
        "routes": routes(&site.routes),
        "error_routes": routes(&site.error_routes),
    })
}

fn routes(list: &[Route]) -> Vec<Value> {
    list.iter().map(route).collect()
}

fn route(route: &Route) -> Value {
    let (directive, settings) = directive(&route.handler);
    let mut value = json!({ "directive": directive, "at": route.position.to_string() });
    if !route.matcher.is_any() {
        value["match"] = json!(format!("{:?}", route.matcher.conditions));
    }
    match &route.handler {
        Handler::Subroute(inner) => value["routes"] = json!(routes(inner)),
        _ => value["settings"] = json!(settings),
    }
    value
}

/// The directive of a handler, and its settings. Variables of scripts are left out, because they hold passwords.
fn directive(handler: &Handler) -> (&'static str, String) {
    match handler {
        Handler::Change(change) => ("change", format!("{change:?}")),
        Handler::Layer(Layer::Header(rule)) => ("header", format!("{rule:?}")),
        Handler::Layer(Layer::Encode(encode)) => ("encode", format!("{encode:?}")),
        Handler::Layer(Layer::Tracing(tracing)) => ("tracing", format!("{tracing:?}")),
        Handler::Subroute(_) => ("block", String::new()),
        Handler::PhpServer(server) => ("php_server", without_variables(server)),
        Handler::Php(server) => ("php", without_variables(server)),
        Handler::FileServer(files) => ("file_server", format!("{files:?}")),
        Handler::Respond(respond) => ("respond", format!("{respond:?}")),
        Handler::Redir(redir) => ("redir", format!("{redir:?}")),
        Handler::Error(rule) => ("error", format!("{rule:?}")),
        Handler::BasicAuth(auth) => ("basic_auth", format!("{auth:?}")),
        Handler::Mercure(settings) => ("mercure", format!("{settings:?}")),
        Handler::RequestBody(limits) => ("request_body", format!("{limits:?}")),
        Handler::Abort => ("abort", String::new()),
        // Header fields for an upstream may contain this server's credentials.
        Handler::ReverseProxy(proxy) => ("reverse_proxy", format!("{:?}", proxy.settings)),
        Handler::Intercept(replies) => ("intercept", format!("{} replies", replies.len())),
        Handler::CopyResponse(status) => ("copy_response", format!("{status:?}")),
    }
}

fn without_variables(server: &PhpServer) -> String {
    let settings =
        PhpSettings { env: Vec::new(), env_of_request: Vec::new(), ini: Vec::new(), ..server.settings.clone() };
    format!("{:?}", PhpServer { settings, workers: Vec::new(), ..server.clone() })
}
