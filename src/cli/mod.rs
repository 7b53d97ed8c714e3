//! The command line.

mod arguments;
mod compat;
mod format;
mod fpm_import;
mod installation;
mod output;
mod php_cli;
mod remote;
mod script;
mod trust;
mod version;
mod words;
mod workers;

use crate::assemble;
use crate::config::{self, Config, Diagnostic, LogSettings};
use crate::server::{self, ServeError};
use arguments::{
    AdaptArguments, Arguments, Command, EnvironArguments, FileServerArguments, FpmArguments, PhpServerArguments,
    RemoteArguments, RunArguments, ValidateArguments,
};
use clap::Parser;
use output::{complain, print};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Exit status for a wrong configuration or a server that did not start.
const EXIT_FAILURE: u8 = 1;

/// Exit status for a wrong command line.
const EXIT_USAGE: u8 = 2;

/// Runs the program. Called by the names `igor-php` and `igor-php-cgi` it runs a single script, as PHP's own programs do.
pub fn main() -> ExitCode {
    installation::enter();
    if let Some(program) = script::wanted() {
        return script::main(program);
    }
    let first = std::env::args_os().nth(1).and_then(|word| word.into_string().ok()).unwrap_or_default();
    if let Some(advice) = compat::elsewhere(&first) {
        complain(&format!("igor: there is no command `{first}`: {advice}\n"));
        return ExitCode::from(EXIT_USAGE);
    }
    let command =
        if matches!(first.as_str(), "-v" | "--version") { Command::Version } else { Arguments::parse().command };
    match run(command) {
        Ok(status) => status,
        Err(message) => {
            complain(&format!("igor: {message}\n"));
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

fn run(command: Command) -> Result<ExitCode, String> {
    match command {
        Command::Run(run) => compat::prepare(&run).and_then(|()| run_config(run)),
        Command::Start(run) => compat::start(&run),
        Command::PhpServer(quick) => php_server(quick),
        Command::FileServer(files) => file_server(&files),
        Command::ReverseProxy(proxy) => serve_text(&compat::reverse_proxy(&proxy)),
        Command::Respond(respond) => serve_text(&compat::respond(&respond)),
        Command::Validate(arguments) => return validate(&arguments),
        Command::Fmt(arguments) => return format::format(&arguments),
        Command::Adapt(arguments) => adapt(&arguments),
        Command::HashPassword(arguments) => compat::hash_password(&arguments),
        Command::Environ(arguments) => environ(&arguments),
        Command::BuildInfo => compat::build_info(),
        Command::ListModules => compat::list_modules(),
        Command::Fpm(FpmArguments { import: Some(pool), .. }) => import(&pool),
        Command::Fpm(fpm) => serve(config::quick(fpm.into()), None),
        Command::Workers(arguments) => workers::show(&arguments),
        Command::Open(remote) => remote::open(&remote),
        Command::Restart(remote) => remote::restart(&remote),
        Command::Reload(arguments) => reload(&arguments),
        Command::Stop(remote) => remote::stop(&remote),
        Command::Trust(arguments) => trust::trust(&arguments),
        Command::Untrust => trust::untrust(),
        Command::Completion(arguments) => words::completion(arguments.shell),
        Command::Manpage(arguments) => words::manpage(arguments.directory.as_deref()),
        Command::Version => version::print_versions(),
        Command::PhpCli(_) => Err(php_cli::replace_process()),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn file_server(arguments: &FileServerArguments) -> Result<(), String> {
    let listen = arguments.domain.as_deref().unwrap_or(&arguments.listen);
    serve_text(&compat::file_server(&arguments.root, listen, arguments.access_log))
}

fn validate(arguments: &ValidateArguments) -> Result<ExitCode, String> {
    compat::check_adapter(arguments.adapter.as_deref())?;
    compat::read_envfiles(&arguments.envfile).map_or(Ok(()), Err)?;
    check(&arguments.config)
}

fn adapt(arguments: &AdaptArguments) -> Result<(), String> {
    compat::check_adapter(arguments.adapter.as_deref())?;
    let config = config::load(&arguments.config).map_err(|diagnostics| diagnosed(&diagnostics))?;
    format::adapt(&config, arguments.pretty)
}

fn environ(arguments: &EnvironArguments) -> Result<(), String> {
    compat::read_envfiles(&arguments.envfile).map_or(Ok(()), Err)?;
    compat::environ()
}

fn reload(arguments: &RemoteArguments) -> Result<(), String> {
    compat::check_adapter(arguments.adapter.as_deref())?;
    remote::reload(arguments)
}

/// Serves `--config`, else `./Caddyfile`, else `--root` as for `php-server`.
fn run_config(arguments: RunArguments) -> Result<(), String> {
    let file = match (arguments.config, arguments.root) {
        (Some(config), _) => config,
        (None, Some(root)) if !Path::new("Caddyfile").exists() => {
            let options = config::QuickOptions { root, compress: true, ..config::QuickOptions::default() };
            return serve(config::quick(options), None);
        }
        (None, _) => PathBuf::from("Caddyfile"),
    };
    let config = config::load(&file);
    if let (true, Ok(config)) = (arguments.watch, &config) {
        server::watch_configuration(config.sources.clone())
            .map_err(|error| format!("starting to watch the configuration: {error}"))?;
    }
    let served = serve(config, Some(&file));
    if let Some(pidfile) = arguments.pidfile {
        // If the file cannot be removed, it names a process that no longer exists. Its readers must check that anyway.
        let _ = std::fs::remove_file(pidfile);
    }
    served
}

/// `igor php-server`
fn php_server(arguments: PhpServerArguments) -> Result<(), String> {
    let (access_log, debug) = (arguments.access_log, arguments.debug);
    let config = config::quick(arguments.into()).map(|mut config| {
        config.global.debug |= debug;
        if access_log {
            config.sites.iter_mut().for_each(|site| site.access_logs.push(LogSettings::default()));
        }
        config
    });
    serve(config, None)
}

/// `igor fpm --import`
fn import(pool: &Path) -> Result<(), String> {
    let text = config::read_file(pool).map_err(|unreadable| {
        let way_out = if pool.is_dir() {
            "; name one of its files"
        } else if !pool.exists() {
            "; Debian has such files in /etc/php/VERSION/fpm/pool.d"
        } else {
            ""
        };
        format!("reading {}: {}{way_out}", pool.display(), unreadable.reason)
    })?;
    let source = pool.display().to_string();
    let caddyfile = fpm_import::caddyfile(&text, &source).map_err(|error| format!("{source}: {error}"))?;
    print(&caddyfile).map(drop)
}

/// Serves what a Caddyfile of this text describes.
fn serve_text(text: &str) -> Result<(), String> {
    serve(config::parse(text, Path::new("command line"), &|_| None), None)
}

fn serve(config: Result<Config, Vec<Diagnostic>>, source: Option<&Path>) -> Result<(), String> {
    let config = config.map_err(|diagnostics| diagnosed(&diagnostics))?;
    assemble::check_hubs(&config)?;
    assemble::check_histories(&config)?;
    assemble::logging::init(&config).map_err(|error| error.to_string())?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    server::run(config, source).map_err(|error: ServeError| error.to_string())
}

/// `igor validate`
fn check(path: &Path) -> Result<ExitCode, String> {
    match config::load(path) {
        Ok(config) => {
            assemble::check_hubs(&config)?;
            let mut warnings = lines(&config.warnings);
            warnings += &lines(&config::apache_warnings(&config));
            print(&format!("{warnings}{}: the configuration is valid\n", path.display()))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(diagnostics) => {
            print(&lines(&diagnostics))?;
            Ok(ExitCode::from(EXIT_FAILURE))
        }
    }
}

fn lines(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n")).collect()
}

fn diagnosed(diagnostics: &[Diagnostic]) -> String {
    format!("the configuration has errors\n{}", lines(diagnostics)).trim_end().to_owned()
}
