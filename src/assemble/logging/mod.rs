//! The program's own log, and the access logs of sites that have one.
//!
//! The records of requests do not go through tracing: each site has its own sinks ([`access`]), which a reload replaces.

mod access;
mod filters;
mod output;
mod php_fpm;
mod roll;
mod strftime;
pub(crate) mod tail;
mod time;

use crate::config::{Config, LogFormat, LogLevel, LogSettings};
use output::LogWriter;
use std::io;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry};

pub(super) use access::access_log;
pub(crate) use output::lost_records;

/// Starts logging. `IGOR_LOG` (tracing's filter syntax, for example `debug` or `igor_php=debug,access=off`) wins over
/// the configured level of the process's log. A second call does nothing.
///
/// # Errors
/// A log file cannot be opened.
pub(crate) fn init(config: &Config) -> io::Result<()> {
    let global = &config.global;
    check_access_logs(config)?;
    start(&global.log, process_level(&global.log, global.debug))
}

/// Starts the log of a single script, whose standard output and error belong to its user. It only has PHP's messages
/// about a failed start, unless the configuration has a `log` block or `IGOR_LOG` asks for more.
///
/// # Errors
/// The log file cannot be opened.
pub fn init_for_script(settings: &LogSettings, debug: bool) -> io::Result<()> {
    let is_default = *settings == LogSettings::default() && !debug;
    let level = if is_default { "off,php::startup=warn" } else { process_level(settings, debug) };
    start(settings, level)
}

/// Starts the log of background workers inside another program: as [`init`], without the access logs.
///
/// # Errors
/// The log file cannot be opened.
pub(crate) fn init_for_workers(config: &Config) -> io::Result<()> {
    let global = &config.global;
    start(&global.log, process_level(&global.log, global.debug))
}

/// Opens the files of all access logs, so that a file that cannot be opened is an error before anything has changed.
///
/// # Errors
/// A log file cannot be opened.
pub(crate) fn check_access_logs(config: &Config) -> io::Result<()> {
    config.sites.iter().try_for_each(|site| access_log(site, &config.global).map(drop))
}

/// `debug` of the global options counts only if the log names no level.
fn process_level(settings: &LogSettings, debug: bool) -> &'static str {
    match settings.level {
        Some(LogLevel::Debug) => "debug",
        Some(LogLevel::Info) => "info",
        Some(LogLevel::Warn) => "warn",
        Some(LogLevel::Error) => "error",
        None if debug => "debug",
        None => "info",
    }
}

type AnyLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// `IGOR_LOG` wins over the configuration.
fn start(settings: &LogSettings, default_filter: &str) -> io::Result<()> {
    let filter = EnvFilter::try_from_env("IGOR_LOG").unwrap_or_else(|_| EnvFilter::new(default_filter));
    // A log that was already started stays in use: a reload does not change it.
    let _ = tracing_subscriber::registry().with(layer(settings, filter)?).try_init();
    Ok(())
}

fn layer(settings: &LogSettings, filter: EnvFilter) -> io::Result<AnyLayer> {
    let writer = LogWriter::open(&settings.output, settings.format)?;
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    Ok(match settings.format {
        LogFormat::Text => layer.with_filter(filter).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_filter(filter).boxed(),
    })
}

#[cfg(test)]
mod tests;
