//! What the environment says about traces: the variables `OTEL_*` of the specification.

use super::sampler::Sampler;
use crate::limits::{
    TRACE_BATCH_SPANS_DEFAULT, TRACE_DELAY_MS_DEFAULT, TRACE_EXPORT_MS_DEFAULT, TRACE_MS_MAX,
    TRACE_QUEUE_SPANS_DEFAULT, TRACE_QUEUE_SPANS_MAX,
};
use percent_encoding::percent_decode_str;
use std::time::Duration;

/// The form of the spans on their way to the collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `http/protobuf`
    Protobuf,
    /// `http/json`
    Json,
}

/// Where and how spans are sent.
#[derive(Clone, PartialEq)]
pub struct Settings {
    /// The address that takes them. It may hold a secret.
    pub endpoint: String,
    /// The variable that has the address.
    pub endpoint_variable: &'static str,
    /// Fields of the requests to it, which may be secret.
    pub headers: Vec<(String, String)>,
    /// The form of the spans.
    pub protocol: Protocol,
    /// Whether they are compressed.
    pub gzip: bool,
    /// How long a request may take.
    pub export_max: Duration,
    /// How long a span waits for others.
    pub delay: Duration,
    /// The spans of one request.
    pub batch_spans_max: usize,
    /// How many spans may wait.
    pub queue_spans_max: usize,
    /// What the collector learns about this server, such as `service.name`.
    pub resource: Vec<(String, String)>,
    /// Whether the contexts of callers are taken over.
    pub takes_over: bool,
    pub(super) sampler: Sampler,
}

/// Without what may be secret.
impl std::fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Settings").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

/// Reads variables, and remembers what is wrong with them.
struct Reader<F> {
    find: F,
    warnings: Vec<String>,
}

impl Settings {
    /// Reads the variables. `None`: spans are not sent, because the variables say so or make no sense. The texts are warnings.
    pub fn read(find: impl Fn(&str) -> Option<String>) -> (Option<Self>, Vec<String>) {
        let mut reader = Reader { find, warnings: Vec::new() };
        let settings = reader.settings();
        (settings, reader.warnings)
    }
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    /// An empty variable is one that is not set.
    fn text(&self, name: &str) -> Option<String> {
        (self.find)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The variable for traces, or the one for all signals.
    fn of_exporter(&self, name: &str) -> Option<String> {
        let of_traces = self.text(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"));
        of_traces.or_else(|| self.text(&format!("OTEL_EXPORTER_OTLP_{name}")))
    }

    fn settings(&mut self) -> Option<Settings> {
        let is_disabled = self.text("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let exporter = self.text("OTEL_TRACES_EXPORTER").unwrap_or_else(|| "otlp".to_owned());
        if is_disabled || exporter == "none" {
            return None;
        }
        if exporter != "otlp" {
            self.warnings.push(format!("OTEL_TRACES_EXPORTER: igor has `otlp` and `none`, not `{exporter}`"));
            return None;
        }
        let protocol = match self.of_exporter("PROTOCOL").as_deref() {
            None | Some("http/protobuf") => Protocol::Protobuf,
            Some("http/json") => Protocol::Json,
            Some(other) => {
                let text = "igor has `http/protobuf` and `http/json`; collectors take both at port 4318";
                self.warnings.push(format!("OTEL_EXPORTER_OTLP_PROTOCOL: {text}, not `{other}`"));
                return None;
            }
        };
        let queue =
            self.number("OTEL_BSP_MAX_QUEUE_SIZE", TRACE_QUEUE_SPANS_DEFAULT as u64, TRACE_QUEUE_SPANS_MAX as u64);
        let batch = self.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", TRACE_BATCH_SPANS_DEFAULT as u64, queue);
        let (endpoint, endpoint_variable) = self.endpoint();
        Some(Settings {
            endpoint,
            endpoint_variable,
            headers: self.headers(),
            protocol,
            gzip: self.gzip(),
            export_max: self.export_max(),
            delay: Duration::from_millis(self.number("OTEL_BSP_SCHEDULE_DELAY", TRACE_DELAY_MS_DEFAULT, TRACE_MS_MAX)),
            batch_spans_max: batch as usize,
            queue_spans_max: queue as usize,
            resource: self.resource(),
            takes_over: self.takes_over(),
            sampler: self.sampler(),
        })
    }

    /// The address for traces is used as it is; the one for all signals gets the path.
    fn endpoint(&self) -> (String, &'static str) {
        const OF_TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        const OF_ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
        if let Some(endpoint) = self.text(OF_TRACES) {
            return (endpoint, OF_TRACES);
        }
        let base = self.text(OF_ALL);
        let base = base.as_deref().unwrap_or("http://localhost:4318");
        (format!("{}/v1/traces", base.trim_end_matches('/')), OF_ALL)
    }

    fn gzip(&mut self) -> bool {
        let named = self.of_exporter("COMPRESSION");
        if let Some(other) = named.as_deref().filter(|named| !["gzip", "none"].contains(named)) {
            self.warnings.push(format!("OTEL_EXPORTER_OTLP_COMPRESSION: igor has `gzip` and `none`, not `{other}`"));
        }
        named.as_deref() == Some("gzip")
    }

    fn headers(&mut self) -> Vec<(String, String)> {
        let text = self.of_exporter("HEADERS").unwrap_or_default();
        self.pairs("OTEL_EXPORTER_OTLP_HEADERS", &text)
    }

    fn export_max(&mut self) -> Duration {
        let name = match self.text("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT") {
            Some(_) => "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
            None => "OTEL_EXPORTER_OTLP_TIMEOUT",
        };
        Duration::from_millis(self.number(name, TRACE_EXPORT_MS_DEFAULT, TRACE_MS_MAX))
    }

    fn resource(&mut self) -> Vec<(String, String)> {
        let text = self.text("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        let mut resource = self.pairs("OTEL_RESOURCE_ATTRIBUTES", &text);
        let mut set = |name: &str, value: String| {
            resource.retain(|(known, _)| known != name);
            resource.push((name.to_owned(), value));
        };
        if let Some(name) = self.text("OTEL_SERVICE_NAME") {
            set("service.name", name);
        }
        set("telemetry.sdk.name", "igor".to_owned());
        set("telemetry.sdk.language", "rust".to_owned());
        set("telemetry.sdk.version", env!("CARGO_PKG_VERSION").to_owned());
        set("process.pid", std::process::id().to_string());
        if resource.iter().all(|(name, _)| name != "service.name") {
            resource.push(("service.name".to_owned(), "igor".to_owned()));
        }
        resource
    }

    fn takes_over(&mut self) -> bool {
        let Some(names) = self.text("OTEL_PROPAGATORS") else { return true };
        let takes = names.split(',').any(|name| name.trim() == "tracecontext");
        if !takes && names != "none" {
            self.warnings.push("OTEL_PROPAGATORS: igor has `tracecontext` and `none`".to_owned());
        }
        takes
    }

    fn sampler(&mut self) -> Sampler {
        let name = self.text("OTEL_TRACES_SAMPLER").unwrap_or_else(|| "parentbased_always_on".to_owned());
        Sampler::named(&name, self.text("OTEL_TRACES_SAMPLER_ARG").as_deref()).unwrap_or_else(|warning| {
            self.warnings.push(warning);
            Sampler { follows_caller: true, share: 1.0 }
        })
    }

    fn number(&mut self, name: &str, default: u64, max: u64) -> u64 {
        let Some(text) = self.text(name) else { return default.min(max) };
        match text.parse::<u64>() {
            Ok(number) if (1..=max).contains(&number) => number,
            _ => {
                self.warnings.push(format!("{name} must be a number from 1 to {max}"));
                default.min(max)
            }
        }
    }

    /// `name=value,name=value`, with values as in URLs. A warning never shows a value.
    fn pairs(&mut self, variable: &str, text: &str) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
            match pair.split_once('=') {
                Some((name, value)) if !name.trim().is_empty() => {
                    let value = percent_decode_str(value.trim()).decode_utf8_lossy().into_owned();
                    pairs.push((name.trim().to_owned(), value));
                }
                _ => self.warnings.push(format!("{variable} must be of the form NAME=VALUE,NAME=VALUE")),
            }
        }
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> (Option<Settings>, Vec<String>) {
        Settings::read(|name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn the_defaults_are_those_of_the_specification() {
        let (settings, warnings) = read(&[("OTEL_SERVICE_NAME", "")]);
        let settings = settings.expect("it is on");
        assert_eq!(settings.endpoint, "http://localhost:4318/v1/traces");
        assert_eq!((settings.protocol, settings.gzip), (Protocol::Protobuf, false));
        assert_eq!((settings.delay, settings.export_max), (Duration::from_secs(5), Duration::from_secs(10)));
        assert_eq!((settings.batch_spans_max, settings.queue_spans_max), (512, 2048));
        assert!(settings.resource.contains(&pair("service.name", "igor")));
        assert!(settings.takes_over && warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn the_variables_of_traces_win() {
        let (settings, warnings) = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example/otlp/"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20s3cr3t, x-tenant=shop"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1000"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment=production"),
            ("OTEL_SERVICE_NAME", "shop"),
        ]);
        let settings = settings.expect("it is on");
        assert_eq!(settings.endpoint, "https://collector.example/otlp/v1/traces");
        assert_eq!(settings.headers, [pair("authorization", "Bearer s3cr3t"), pair("x-tenant", "shop")]);
        assert_eq!((settings.protocol, settings.gzip), (Protocol::Json, true));
        assert_eq!(settings.export_max, Duration::from_secs(1));
        assert_eq!(
            settings.resource[..2],
            [pair("deployment.environment", "production"), pair("service.name", "shop")]
        );
        assert!(warnings.is_empty(), "{warnings:?}");
        assert!(!format!("{settings:?}").contains("s3cr3t"));
        let (settings, _) = read(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://localhost:9/traces")]);
        assert_eq!(settings.expect("it is on").endpoint, "http://localhost:9/traces");
    }

    #[test]
    fn what_makes_no_sense_is_a_warning() {
        for (name, value, is_on) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", false),
            ("OTEL_TRACES_EXPORTER", "zipkin", false),
            ("OTEL_TRACES_SAMPLER", "some", true),
            ("OTEL_PROPAGATORS", "b3", true),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", true),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0", true),
            ("OTEL_BSP_SCHEDULE_DELAY", "soon", true),
            ("OTEL_EXPORTER_OTLP_HEADERS", "s3cr3t", true),
        ] {
            let (settings, warnings) = read(&[(name, value)]);
            assert_eq!((settings.is_some(), warnings.len()), (is_on, 1), "{name}: {warnings:?}");
            assert!(warnings[0].starts_with(name) && !warnings[0].contains("s3cr3t"), "{warnings:?}");
        }
        for (name, value) in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert_eq!(read(&[(name, value)]), (None, Vec::new()));
        }
    }
}
