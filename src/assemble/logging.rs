//! The program's own log, and the access logs of sites that have one of their own.
//!
//! Records of requests have the target [`access_log::TARGET`] and name their site. Where a site says where its records go,
//! a layer of its own takes them, and the log of the process leaves them out.

use super::sites;
use crate::config::{Config, LogFormat, LogLevel, LogOutput, LogSettings};
use crate::http::access_log;
use std::collections::HashSet;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::writer::{BoxMakeWriter, MakeWriter};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry};

/// Starts logging. `IGOR_LOG` (tracing's filter syntax, for example `debug` or `igor_php=debug,access=off`) wins over
/// the configured level of the process's log. A second call does nothing.
///
/// # Errors
/// A log file cannot be opened.
pub(crate) fn init(config: &Config) -> io::Result<()> {
    let global = &config.global;
    start(&global.log, process_level(&global.log, global.debug), access_layers(config)?)
}

/// Starts the log of a single script, whose standard output and error are its user's: only what PHP says when it does not
/// start as it should, unless the configuration has a `log` block or `IGOR_LOG` asks for more.
///
/// # Errors
/// The log file cannot be opened.
pub fn init_for_script(settings: &LogSettings, debug: bool) -> io::Result<()> {
    let is_default = *settings == LogSettings::default() && !debug;
    let level = if is_default { "off,php::startup=warn" } else { process_level(settings, debug) };
    start(settings, level, AccessLayers::default())
}

/// Starts the log of the background workers in a program of somebody else's, which serves nothing: as [`init`], without
/// the access logs.
///
/// # Errors
/// The log file cannot be opened.
pub(crate) fn init_for_workers(config: &Config) -> io::Result<()> {
    let global = &config.global;
    start(&global.log, process_level(&global.log, global.debug), AccessLayers::default())
}

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

/// The layers of the sites with an access log of their own, and the labels of these sites.
#[derive(Default)]
struct AccessLayers {
    layers: Vec<AnyLayer>,
    diverted: HashSet<String>,
}

/// A site whose `log` says nothing writes to the process's log.
fn access_layers(config: &Config) -> io::Result<AccessLayers> {
    let mut access = AccessLayers::default();
    for site in &config.sites {
        let Some(settings) = site.access_log.as_ref().filter(|settings| **settings != LogSettings::default()) else {
            continue;
        };
        let level = match settings.level {
            Some(LogLevel::Warn) => LevelFilter::WARN,
            Some(LogLevel::Error) => LevelFilter::ERROR,
            Some(LogLevel::Debug | LogLevel::Info) | None => LevelFilter::INFO,
        };
        let label = sites::label(site);
        let layer = layer(settings, HashSet::from([label.clone()]), true)?;
        access.layers.push(layer.with_filter(Targets::new().with_target(access_log::TARGET, level)).boxed());
        access.diverted.insert(label);
    }
    Ok(access)
}

fn start(settings: &LogSettings, default_filter: &str, access: AccessLayers) -> io::Result<()> {
    let filter = EnvFilter::try_from_env("IGOR_LOG").unwrap_or_else(|_| EnvFilter::new(default_filter));
    // An already started log is kept: a reload does not change it.
    let _ = tracing_subscriber::registry().with(layers(settings, filter, access)?).try_init();
    Ok(())
}

fn layers(settings: &LogSettings, filter: EnvFilter, access: AccessLayers) -> io::Result<Vec<AnyLayer>> {
    let process = layer(settings, access.diverted, false)?.with_filter(filter).boxed();
    let mut layers = access.layers;
    layers.push(process);
    Ok(layers)
}

/// A log. Of the records of requests it takes those of `sites`, or those of all others.
fn layer(settings: &LogSettings, sites: HashSet<String>, takes_them: bool) -> io::Result<AnyLayer> {
    let layer = tracing_subscriber::fmt::layer().with_writer(writer(&settings.output)?).with_ansi(false);
    Ok(match settings.format {
        LogFormat::Text => layer.map_event_format(|format| BySite { format, sites, takes_them }).boxed(),
        LogFormat::Json => {
            let layer = layer.json().flatten_event(true);
            layer.map_event_format(|format| BySite { format, sites, takes_them }).boxed()
        }
    })
}

fn writer(output: &LogOutput) -> io::Result<BoxMakeWriter> {
    Ok(match output {
        LogOutput::Stderr => BoxMakeWriter::new(Counting(io::stderr)),
        LogOutput::Stdout => BoxMakeWriter::new(Counting(io::stdout)),
        LogOutput::Discard => BoxMakeWriter::new(io::sink),
        LogOutput::File(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path).map_err(|error| {
                io::Error::new(error.kind(), format!("opening the log file {}: {error}", path.display()))
            })?;
            BoxMakeWriter::new(Counting(Mutex::new(file)))
        }
    })
}

/// Records that could not be written.
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many records of all logs could not be written since the process started: the disk is full, or nobody reads.
pub(crate) fn lost_records() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Makes writers that count what is lost, of which tracing itself says nothing.
struct Counting<M>(M);

impl<'w, M: MakeWriter<'w>> MakeWriter<'w> for Counting<M> {
    type Writer = Counted<M::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        Counted(self.0.make_writer())
    }
}

struct Counted<W>(W);

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    /// A record is one call.
    fn write_all(&mut self, record: &[u8]) -> io::Result<()> {
        self.0.write_all(record).inspect_err(|_| {
            LOST.fetch_add(1, Ordering::Relaxed);
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Formats a record if it is for this log, and otherwise writes nothing. A filter cannot do that: tracing remembers for
/// each place in the code whether it is enabled, and the site stands in the record.
struct BySite<F> {
    format: F,
    sites: HashSet<String>,
    takes_them: bool,
}

impl<S, N, F> FormatEvent<S, N> for BySite<F>
where
    S: Subscriber + for<'l> LookupSpan<'l>,
    N: for<'w> FormatFields<'w> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let is_access = event.metadata().target() == access_log::TARGET;
        if is_access && SiteSearch::is_of(&self.sites, event) != self.takes_them {
            return Ok(());
        }
        self.format.format_event(context, writer, event)
    }
}

/// Looks whether a record is of one of these sites.
struct SiteSearch<'s> {
    sites: &'s HashSet<String>,
    found: bool,
}

impl SiteSearch<'_> {
    fn is_of(sites: &HashSet<String>, event: &Event<'_>) -> bool {
        if sites.is_empty() {
            return false;
        }
        let mut search = SiteSearch { sites, found: false };
        event.record(&mut search);
        search.found
    }
}

impl Visit for SiteSearch<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.found |= field.name() == access_log::SITE_FIELD && self.sites.contains(value);
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn config(text: &str, directory: &Path) -> Config {
        match crate::config::parse(text, &directory.join("Caddyfile"), &|_| None) {
            Ok(config) => config,
            Err(errors) => panic!("{errors:?}"),
        }
    }

    #[test]
    fn records_go_where_their_site_says() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = |name: &str| directory.path().join(name);
        let text = "{\nlog {\noutput file process.log\n}\n}\n\
            :81 {\nlog\nrespond 200\n}\n\
            :82 {\nlog {\noutput file own.log\nformat json\n}\nrespond 200\n}\n\
            :83 {\nlog {\noutput file errors.log\nlevel error\n}\nrespond 200\n}\n";
        let config = config(text, directory.path());
        let access = access_layers(&config).expect("the files can be opened");
        let layers = layers(&config.global.log, EnvFilter::new("info"), access).expect("the file can be opened");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layers), || {
            for site in [":81", ":82", ":83"] {
                tracing::info!(target: access_log::TARGET, site, status = 200);
                tracing::error!(target: access_log::TARGET, site, status = 500);
            }
            tracing::info!(site = ":82", "no record of a request");
            tracing::debug!("below the level");
        });
        let lines = |name: &str| {
            let text = std::fs::read_to_string(file(name)).expect("the log was written");
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let process = lines("process.log");
        assert_eq!(process.len(), 3, "{process:?}");
        assert!(
            process[0].contains(r#"site=":81" status=200"#) && process[1].contains(r#"site=":81" status=500"#),
            "{process:?}"
        );
        assert!(process[2].contains("no record of a request"), "{process:?}");
        let own = lines("own.log");
        assert_eq!(own.len(), 2, "{own:?}");
        for (line, status) in own.iter().zip([200, 500]) {
            let record: serde_json::Value = serde_json::from_str(line).expect("a JSON record");
            assert_eq!((&record["site"], &record["status"]), (&":82".into(), &status.into()));
        }
        let errors = lines("errors.log");
        assert!(errors.len() == 1 && errors[0].contains(r#"site=":83" status=500"#), "{errors:?}");
    }
}
