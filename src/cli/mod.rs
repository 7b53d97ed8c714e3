//! The command line.

mod arguments;
mod php_cli;
mod remote;
mod script;
mod version;
mod workers;

use crate::config::{self, Config, Diagnostic};
use crate::server::{self, ServeError};
use arguments::{Arguments, Command};
use clap::Parser;
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
    let result = match command {
        Command::Run(run) => run_config(run.config, run.root),
        Command::PhpServer(quick) => serve(config::quick(quick.into()), None),
        Command::Validate(validate) => return check(&validate.config),
        Command::Workers(arguments) => workers::show(&arguments),
        Command::Restart(remote) => remote::restart(&remote),
        Command::Reload(remote) => remote::reload(&remote),
        Command::Stop(remote) => remote::stop(&remote),
        Command::Version => version::print(),
        Command::PhpCli(_) => Err(php_cli::replace_process()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("igor: {message}");
            ExitCode::from(EXIT_FAILURE)
        }
    }
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
    server::init_logging(&config).map_err(|error| error.to_string())?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    server::run(config, source).map_err(|error: ServeError| error.to_string())
}

fn check(path: &Path) -> ExitCode {
    match config::load(path) {
        Ok(config) => {
            for warning in &config.warnings {
                println!("{warning}");
            }
            println!("{}: the configuration is valid", path.display());
            ExitCode::SUCCESS
        }
        Err(diagnostics) => {
            for diagnostic in &diagnostics {
                println!("{diagnostic}");
            }
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

fn diagnosed(diagnostics: &[Diagnostic]) -> String {
    let mut message = String::from("the configuration has errors\n");
    for diagnostic in diagnostics {
        message.push_str(&format!("{diagnostic}\n"));
    }
    message.trim_end().to_owned()
}
