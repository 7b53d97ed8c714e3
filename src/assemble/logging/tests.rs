use std::path::Path;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use serde_json::Value;

use super::*;
use crate::http::connection::ConnectionInfo;
use crate::http::service::HttpService;
use crate::http::site::SiteSettings;

fn config(text: &str, directory: &Path) -> Config {
    // Paths of later files are relative to the working directory.
    let text = &text.replace("output file ", &format!("output file {}/", directory.display()));
    match crate::config::parse(text, &directory.join("Caddyfile"), &|_| None) {
        Ok(config) => config,
        Err(errors) => panic!("{errors:?}"),
    }
}

/// Sends one request to each site of a configuration, which answers 404.
fn request_each(config: &Config, request: impl Fn() -> http::request::Builder) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for site in &config.sites {
        let access_log = access_log(site, &config.global).expect("the files can be opened");
        let settings = SiteSettings {
            label: site.addresses[0].to_string(),
            hosts: Vec::new(),
            routes: Default::default(),
            error_routes: Default::default(),
            trusted_proxies: Default::default(),
            body_read_max: None,
            access_log,
        };
        let connection = ConnectionInfo {
            remote: "[::ffff:192.0.2.7]:1234".parse().expect("an address"),
            ..ConnectionInfo::default()
        };
        let request = request().body(Empty::<Bytes>::new()).expect("a request");
        runtime.block_on(async {
            let response = HttpService::new(vec![settings]).handle(connection, request).await;
            response.into_body().collect().await.expect("a whole body");
        });
    }
}

fn lines(directory: &Path, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(directory.join(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).expect("a JSON record")
}

#[test]
fn records_go_where_their_site_says() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let text = "{\nlog {\noutput file process.log\n}\n}\n\
        :81 {\nlog\nrespond 200\n}\n\
        :82 {\nlog {\noutput file own.log\nformat json\n}\nlog second {\noutput file second.log\nhostnames other.test\n}\nrespond 200\n}\n\
        :83 {\nlog {\noutput file errors.log\nlevel error\n}\nrespond 200\n}\n\
        :84 {\nrespond 200\n}\n";
    let config = config(text, directory.path());
    let layer = layer(&config.global.log, EnvFilter::new("info")).expect("the file can be opened");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        request_each(&config, || Request::get("/a").header("host", "a.test"));
        tracing::info!(site = ":82", "no record of a request");
        tracing::debug!("below the level");
    });
    let process = lines(directory.path(), "process.log");
    assert_eq!(process.len(), 2, "{process:?}");
    let record = r#" INFO access: site=":81" remote=192.0.2.7:1234 method=GET host="a.test" uri="/a" protocol=HTTP/1.1 status=404"#;
    assert!(process[0].contains(record), "{process:?}");
    assert!(process[1].contains("no record of a request"), "{process:?}");
    let own = lines(directory.path(), "own.log");
    assert_eq!(own.len(), 1, "{own:?}");
    let own = json(&own[0]);
    assert_eq!((&own["site"], &own["status"], &own["logger"]), (&":82".into(), &404.into(), &"http.log.access".into()));
    assert!(lines(directory.path(), "second.log").is_empty() && lines(directory.path(), "errors.log").is_empty());
}

#[test]
fn no_secret_is_in_any_format() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let text = ":81 {\nlog {\noutput file a.json\nformat json\n}\nlog {\noutput file a.txt\nformat console {\ntime_format wall\n}\n}\n\
        log {\noutput file all.json\nformat json\nlog_credentials\n}\nrespond 200\n}\n";
    let config = config(text, directory.path());
    request_each(&config, || {
        Request::get("/a?token=SECRET-1&b=2")
            .header("host", "a.test")
            .header("authorization", "Bearer SECRET-2")
            .header("cookie", "session=SECRET-3")
            .header("referer", "http://a.test/?access_token=SECRET-4")
            .header("user-agent", "probe/1.0 \u{9b}31m")
    });
    let masked = lines(directory.path(), "a.json").join("\n");
    let plain = lines(directory.path(), "a.txt").join("\n");
    for text in [&masked, &plain] {
        assert!(!text.contains("SECRET") && !text.contains('\u{9b}'), "{text}");
        assert!(text.contains("token=REDACTED&b=2") && text.contains("probe/1.0"), "{text}");
    }
    let record = json(&masked);
    assert_eq!(record["request"]["headers"]["Authorization"][0], "REDACTED");
    assert_eq!(record["request"]["headers"]["User-Agent"][0], "probe/1.0 \u{9b}31m");
    assert_eq!(record["request"]["remote_ip"], "192.0.2.7");
    let all = lines(directory.path(), "all.json").join("\n");
    for number in 1..=4 {
        assert!(all.contains(&format!("SECRET-{number}")), "{all}");
    }
}

#[test]
fn a_kit_masks_by_a_filter_as_it_is_used_to() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let text = ":81 {\nlog {\nlevel\noutput file a.json\nformat filter {\nwrap json\nfields {\n\
        request>uri query {\nreplace search REDACTED\n}\nrequest>remote_ip ip_mask 16 32\n\
        request>headers>X-Id delete\nduration rename took\n}\n}\n}\nrespond 200\n}\n";
    let config = config(text, directory.path());
    request_each(&config, || Request::get("/a?search=s&b=2").header("host", "a.test").header("x-id", "7"));
    let record = json(&lines(directory.path(), "a.json").join("\n"));
    assert_eq!(record["request"]["uri"], "/a?search=REDACTED&b=2");
    assert_eq!(record["request"]["remote_ip"], "192.0.0.0");
    assert!(record["request"]["headers"].get("X-Id").is_none() && record["took"].is_number());
}
