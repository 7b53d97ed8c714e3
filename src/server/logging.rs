//! The program's own log.

use crate::config::{LogFormat, LogLevel, LogOutput, LogSettings};
use std::fs::OpenOptions;
use std::io;
use std::sync::Mutex;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// Starts logging. `IGOR_LOG` (tracing's filter syntax, for example `debug` or `igor_php=debug,access=off`) wins over
/// the configured level. A second call does nothing.
///
/// # Errors
/// The log file cannot be opened.
pub fn init(settings: &LogSettings, debug: bool) -> io::Result<()> {
    let level = match settings.level {
        Some(LogLevel::Debug) => "debug",
        Some(LogLevel::Info) => "info",
        Some(LogLevel::Warn) => "warn",
        Some(LogLevel::Error) => "error",
        None if debug => "debug",
        None => "info",
    };
    start(settings, level)
}

/// Starts the log of a single script, whose standard output and error are its user's: only what PHP says when it does not
/// start as it should, unless the configuration has a `log` block or `IGOR_LOG` asks for more.
///
/// # Errors
/// The log file cannot be opened.
pub fn init_for_script(settings: &LogSettings, debug: bool) -> io::Result<()> {
    if *settings == LogSettings::default() && !debug {
        start(settings, "off,php::startup=warn")
    } else {
        init(settings, debug)
    }
}

fn start(settings: &LogSettings, default_filter: &str) -> io::Result<()> {
    let filter = EnvFilter::try_from_env("IGOR_LOG").unwrap_or_else(|_| EnvFilter::new(default_filter));
    let writer = writer(&settings.output)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false);
    // An already started log is kept: a reload does not change it.
    let _ = match settings.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}

fn writer(output: &LogOutput) -> io::Result<BoxMakeWriter> {
    Ok(match output {
        LogOutput::Stderr => BoxMakeWriter::new(io::stderr),
        LogOutput::Stdout => BoxMakeWriter::new(io::stdout),
        LogOutput::Discard => BoxMakeWriter::new(io::sink),
        LogOutput::File(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path).map_err(|error| {
                io::Error::new(error.kind(), format!("opening the log file {}: {error}", path.display()))
            })?;
            BoxMakeWriter::new(Mutex::new(file))
        }
    })
}
