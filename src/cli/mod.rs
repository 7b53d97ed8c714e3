//! The command line.

mod arguments;
mod output;
mod php_cli;
mod remote;
mod script;
mod version;
mod workers;

use crate::assemble;
use crate::config::{self, Config, Diagnostic};
use crate::server::{self, ServeError};
use arguments::{Arguments, Command};
use clap::Parser;
use output::{complain, print};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Exit status for a wrong configuration or a server that did not start.
const EXIT_FAILURE: u8 = 1;

/// Runs the program. Called by the names `igor-php` and `igor-php-cgi` it runs a single script, as PHP's own programs do.
pub fn main() -> ExitCode {
    if let Some(program) = script::wanted() {
        return script::main(program);
    }
    let command = Arguments::parse().command;
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
        Command::Run(run) => run_config(run.config, run.root),
        Command::PhpServer(quick) => serve(config::quick(quick.into()), None),
        Command::Validate(validate) => return check(&validate.config),
        Command::Workers(arguments) => workers::show(&arguments),
        Command::Restart(remote) => remote::restart(&remote),
        Command::Reload(remote) => remote::reload(&remote),
        Command::Stop(remote) => remote::stop(&remote),
        Command::Version => version::print_versions(),
        Command::PhpCli(_) => Err(php_cli::replace_process()),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Serves `--config`, else `./Caddyfile`, else `--root` as for `php-server`.
fn run_config(config: Option<PathBuf>, root: Option<PathBuf>) -> Result<(), String> {
    let file = match (config, root) {
        (Some(config), _) => config,
        (None, Some(root)) if !Path::new("Caddyfile").exists() => {
            let options = config::QuickOptions { root, ..config::QuickOptions::default() };
            return serve(config::quick(options), None);
        }
        (None, _) => PathBuf::from("Caddyfile"),
    };
    serve(config::load(&file), Some(&file))
}

fn serve(config: Result<Config, Vec<Diagnostic>>, source: Option<&Path>) -> Result<(), String> {
    let config = config.map_err(|diagnostics| diagnosed(&diagnostics))?;
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
            let warnings = lines(&config.warnings);
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
