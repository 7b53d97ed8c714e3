//! `igor-php` and `igor-php-cgi`: the program under these names takes the arguments of PHP's own `php` and `php-cgi`, and
//! runs one script as a classic request of this SAPI. PHP's run-tests.php drives both, so that .phpt suites test this SAPI.

mod cgi;
mod cli;
mod invocation;

use super::EXIT_FAILURE;
use super::output::{complain, print};
use crate::config::{self, Config};
use crate::embed::{self, ScriptError};
use crate::exchange::RequestHead;
use crate::php::{EngineError, EngineOptions};
use cgi::Environment;
use invocation::{Invocation, Source, THREADS_VARIABLE};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The program of PHP that this one replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    /// `php`
    Php,
    /// `php-cgi`
    PhpCgi,
}

/// The program, by the name of the call.
pub(super) fn wanted() -> Option<Program> {
    let path = std::env::args_os().next()?;
    [Program::Php, Program::PhpCgi]
        .into_iter()
        .find(|program| Path::new(&path).file_name() == Some(program.name().as_ref()))
}

/// Runs the script of the command line; returns the script's exit status.
pub(super) fn main(program: Program) -> ExitCode {
    match run(program) {
        // A process's exit status is one byte.
        Ok(status) => ExitCode::from(status as u8),
        Err(message) => {
            complain(&format!("{}: {message}\n", program.name()));
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Php => "igor-php",
            Self::PhpCgi => "igor-php-cgi",
        }
    }

    fn usage(self) -> &'static str {
        match self {
            Self::Php => cli::USAGE,
            Self::PhpCgi => cgi::USAGE,
        }
    }

    /// The settings that the program forces, whatever php.ini has. `-d` wins over it.
    fn settings(self) -> Vec<(String, String)> {
        let settings: &[(&str, &str)] = match self {
            Self::Php => &cli::SETTINGS,
            Self::PhpCgi => &[],
        };
        settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

fn run(program: Program) -> Result<i32, String> {
    let arguments = std::env::args_os().skip(1);
    let environment = Environment::of_process();
    let invocation = match program {
        Program::PhpCgi if cgi::has_options_of_a_client(&environment) => Invocation::read(std::iter::empty()),
        _ => Invocation::read(arguments),
    }?;
    if invocation.help {
        return print(program.usage()).map(|_| 0);
    }
    let threads = invocation.thread_count(environment.get(THREADS_VARIABLE))?;
    let head = match program {
        Program::Php => cli::head(&invocation),
        Program::PhpCgi => cgi::head(&invocation, &environment),
    }?;
    start(program, invocation, head, threads)
}

fn start(program: Program, invocation: Invocation, head: RequestHead, threads: usize) -> Result<i32, String> {
    let config = invocation.config.as_deref().map(load).transpose()?;
    let global = config.as_ref().map(|config| config.global.clone()).unwrap_or_default();
    embed::init_script_logging(&global.log, global.debug).map_err(|error| error.to_string())?;
    let options = EngineOptions {
        ini: program.settings(),
        ini_lines: invocation.ini_lines,
        ini_path: invocation.ini_path,
        ignore_ini: invocation.ignore_ini,
        text_info: program == Program::Php,
        stock_defaults: program == Program::PhpCgi,
        ..EngineOptions::default()
    };
    match embed::run_script(config, options, head, threads) {
        // PHP has printed the reason, in the words of its own programs.
        Err(ScriptError::Engine(EngineError::Refused)) => Ok(EXIT_FAILURE.into()),
        result => result.map_err(|error| error.to_string()),
    }
}

/// PHP opens no relative paths on its threads.
fn absolute(file: &Path) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
}

/// A string for PHP, which takes it as a C string.
fn c_string(text: impl AsRef<OsStr>) -> Result<std::ffi::CString, String> {
    let bytes = OsString::from(text.as_ref()).into_encoded_bytes();
    std::ffi::CString::new(bytes).map_err(|error| format!("reading the command line: {error}"))
}

fn load(path: &Path) -> Result<Config, String> {
    config::load(path).map_err(|diagnostics| super::diagnosed(&diagnostics))
}
