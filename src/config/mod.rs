//! The configuration: from a Caddyfile to a checked model.
//!
//! The steps of reading: `syntax` splits the text into words, builds the tree of directives and inserts imports;
//! `directives` reads each block by a table of the directives that it may hold; `assemble` checks the sites against each
//! other. Each step reports everything that it finds, so users see all errors at once. The result, [`Config`], is
//! plain data. Nothing here knows PHP threads, sockets or HTTP. From outside, it reads only imported files and whether
//! files exist.

mod address;
mod apache;
mod assemble;
mod basic_auth;
mod calendar;
mod changes;
mod cluster;
mod context;
mod declared;
mod diagnostic;
mod directives;
mod encode;
mod encryption;
mod findings;
mod format;
mod fpm_log;
mod handlers;
mod header_rule;
mod listener;
mod matcher;
mod mercure;
mod model;
mod named_matchers;
mod nearest;
mod order;
mod placeholder;
mod proxies;
mod proxy;
mod quick;
mod request;
mod response_matcher;
mod roots;
mod secret;
mod settings;
mod syntax;
mod table;
mod text;
mod tls;
mod uri;
mod values;
mod watch;
mod workers;

#[cfg(test)]
mod tests;

pub use crate::limits::config as limits;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

pub use apache::apache_warnings;
pub use basic_auth::{BasicAuth, PasswordAlgorithm, PasswordHash};
pub use calendar::common_log_time;
pub use changes::{Change, Map, MapInput, MapLine, QueryChange, UriChange};
pub use cluster::{ClusterSettings, Credentials, EngineAddress, EngineHost, EngineSettings};
pub use declared::{Declaration, Declared};
pub use diagnostic::{Diagnostic, Position, Severity};
pub use encode::{Encode, EncodeFormat};
pub use format::format;
pub use fpm_log::{FPM_LOG_DEFAULT, FpmLog, FpmLogPart, FpmLogUnit, fpm_log_parts};
pub use handlers::{
    BodyLimits, ErrorRule, Exclusive, FileServer, Handler, Layer, PhpServer, PhpSettings, Redir, RemotePhp, Reply,
    Respond, ReverseProxy, Root, Route, Status, Tracing,
};
pub use header_rule::{HeaderOp, HeaderRule};
pub use listener::{Bind, Listener};
pub use matcher::{
    Condition, Expression, FileMatch, IpRange, Matcher, PathPattern, Pattern, Protocol, TryPolicy, ValuePattern,
    Verdict, host_matches,
};
pub use mercure::{JwkSetPlace, JwkSetUrl, JwtAlgorithm, JwtKey, MercureSettings, TokenKeys};
#[cfg(feature = "http")]
pub(crate) use model::distinct;
pub use model::{Address, Config, Scope, ScopeLabel, Site, WorkerConfig, WorkerKind};
pub use placeholder::{Fact, Placeholder};
pub use proxies::{ProxyProtocol, TrustedProxies};
pub use proxy::{
    CookiePolicy, FastcgiSettings, HealthCheck, LoadPolicy, ProxySettings, UpstreamAddress, UpstreamProtocol,
    UpstreamTls, UpstreamVersions,
};
pub use quick::{QuickOptions, quick};
pub use request::{Entry, RequestView};
pub use response_matcher::{FieldCondition, ResponseMatcher, StatusPattern};
pub use secret::Password;
pub use settings::{
    Admin, FrankenPhp, Global, LogDuration, LogFilter, LogFilterOp, LogFormat, LogLevel, LogOutput, LogRoll,
    LogSettings, LogStyle, LogTime, LogValueOp, MaxThreads, Protocols, StoreSettings, Timeouts, VarsMode, VarsSettings,
};
pub use table::DirectiveDoc;
pub use text::{Piece, Text};
pub use tls::{
    ACME_DIRECTORY_DEFAULT, AcmeSettings, AutoHttps, CertificateFiles, CertificateSource, ClientAuth, ClientAuthMode,
    ExternalAccount, HttpsSettings, OnDemandSettings, TlsSettings, TlsVersion, TlsVersionMax, TrustedCertificates,
};
pub use uri::{decoded, encoded_query_value, pairs as query_pairs};
pub use watch::{WATCH_DEFAULT, WatchPattern};
pub use workers::{Feed, HotReload, IniSetting, ReadyWhen};

pub use address::overlap;
#[cfg(feature = "http")]
pub(crate) use nearest::nearest;
#[cfg(feature = "http")]
pub(crate) use syntax::{not_utf8, open_regular, read_file};

use assemble::{assemble, check};
use context::Context;
use findings::{Findings, join};

/// Reads the Caddyfile at `path` with the environment of the process.
///
/// # Errors All errors, in the order of the file.
pub fn load(path: &Path) -> Result<Config, Vec<Diagnostic>> {
    load_with(path, Declared::default())
}

/// The same, with what a program declares beside it.
///
/// # Errors All errors, those of the file first.
pub fn load_with(path: &Path, declared: Declared) -> Result<Config, Vec<Diagnostic>> {
    match syntax::read_file(path) {
        Ok(text) => parse_with(&text, path, &|name| std::env::var(name).ok(), declared),
        Err(syntax::Unreadable { reason, place }) => {
            let (line, column) = place.unwrap_or((1, 1));
            let position = Position { file: Arc::from(path), line, column };
            Err(vec![Diagnostic::error(&position, format!("cannot read the configuration: {reason}"))])
        }
    }
}

/// Reads the text of a Caddyfile. `origin` is the path it came from: imports and relative paths start from its
/// directory. `env` returns the values of environment variables.
///
/// # Errors All errors, in the order of the file.
pub fn parse(text: &str, origin: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, Vec<Diagnostic>> {
    parse_with(text, origin, env, Declared::default())
}

/// The same, with what a program declares beside it.
///
/// # Errors All errors, those of the text first.
pub fn parse_with(
    text: &str,
    origin: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    declared: Declared,
) -> Result<Config, Vec<Diagnostic>> {
    let start = Position::start_of(Arc::from(origin));
    let working_dir = working_dir(origin)
        .map_err(|error| vec![Diagnostic::error(&start, format!("cannot find the working directory: {error}"))])?;
    let base_dir = base_dir(&working_dir, origin);
    let mut findings = Findings::default();
    let document = syntax::read_document(text, origin, env, &mut findings);
    let names = syntax::Names {
        is_site_directive: directives::is_site_directive,
        is_global_option: directives::is_global_option,
    };
    let mut sections = syntax::split_sections(document.nodes, names, &mut findings);
    declared.add_to(&mut sections);
    let mut context = Context::new(&mut findings, &working_dir, &base_dir);
    context.named_routes = document.named_routes;
    let (global, sites) = assemble(sections, &start, &mut context);
    let sources = document.sources.iter().map(|source| join(&working_dir, source)).collect();
    let mut config = Config { global, sites, warnings: Vec::new(), base_dir: base_dir.clone(), sources };
    check(&mut config, &mut context);
    config.warnings = findings.into_result()?;
    Ok(config)
}

/// Every directive, block by block, with its syntax and meaning.
#[must_use]
pub fn directive_docs() -> Vec<DirectiveDoc> {
    directives::docs()
}

/// The working directory. If it was removed, the path that it had at the first reading is used: a reload with absolute
/// paths does not need it, and a deployment may have created another one there.
fn working_dir(origin: &Path) -> io::Result<PathBuf> {
    static FIRST: OnceLock<PathBuf> = OnceLock::new();
    match std::env::current_dir() {
        Ok(found) => {
            FIRST.get_or_init(|| found.clone());
            Ok(found)
        }
        Err(error) => match (FIRST.get(), origin.parent()) {
            (Some(first), _) => Ok(first.clone()),
            (None, Some(folder)) if origin.is_absolute() => Ok(folder.to_owned()),
            _ => Err(error),
        },
    }
}

/// The absolute path of the directory that holds the file `origin`.
fn base_dir(working_dir: &Path, origin: &Path) -> PathBuf {
    let absolute = join(working_dir, origin);
    absolute.parent().unwrap_or(&absolute).to_path_buf()
}
