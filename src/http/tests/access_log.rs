//! The access log.

use std::sync::Mutex;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::http::access_log::{AccessLog, AccessRecord};
use crate::http::connection::ConnectionInfo;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn records(&self) -> Vec<serde_json::Value> {
        let bytes = self.0.lock().expect("no writer panicked").clone();
        bytes
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).expect("a JSON record"))
            .collect()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panicked").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Captured {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

fn request(method: &str, path: &str) -> Request<Empty<Bytes>> {
    let request = Request::builder().method(method).uri(path).header("host", "example.com");
    request.body(Empty::new()).expect("a valid request")
}

fn service() -> HttpService {
    let failing = (Matcher::paths(vec![config::PathPattern::new("/fails")]), text(500, ""));
    let routes = vec![failing, route(text(201, "hello"))];
    HttpService::new(vec![SiteSettings { access_log: AccessLog::Tracing, ..site(&["example.com"], routes) }])
}

#[test]
fn one_record_for_each_request_when_its_response_ends() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt().json().with_writer(captured.clone()).finish();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(async {
            let response = service().handle(ConnectionInfo::default(), request("GET", "/a?b=1")).await;
            assert!(captured.records().is_empty(), "the response has not ended");
            response.into_body().collect().await.expect("a whole body");
            drop(service().handle(ConnectionInfo::default(), request("GET", "/dropped")).await);
            drop(service().handle(ConnectionInfo::default(), request("HEAD", "/head")).await);
            drop(service().handle(ConnectionInfo::default(), request("GET", "/fails")).await);
        });
    });
    let records = captured.records();
    let field = |index: usize, name: &str| records[index]["fields"][name].clone();
    assert_eq!(records.len(), 4);
    assert!(records.iter().all(|record| record["target"] == "access"));
    for (name, expected) in [
        ("method", serde_json::json!("GET")),
        ("uri", serde_json::json!("/a?b=1")),
        ("host", serde_json::json!("example.com")),
        ("site", serde_json::json!("example.com")),
        ("status", serde_json::json!(201)),
        ("bytes", serde_json::json!(5)),
        ("handler", serde_json::json!("respond")),
        ("complete", serde_json::json!(true)),
        ("remote", serde_json::json!("0.0.0.0:0")),
    ] {
        assert_eq!(field(0, name), expected, "{name}");
    }
    assert_eq!((field(1, "complete"), field(1, "bytes")), (false.into(), 0.into()));
    assert_eq!(field(2, "complete"), true);
    assert_eq!((&records[2]["level"], &records[3]["level"]), (&"INFO".into(), &"ERROR".into()));
}

#[test]
fn without_a_listener_no_record_is_made() {
    let (parts, _) = request("GET", "/").into_parts();
    tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::default(), || {
        assert!(AccessRecord::start(&parts, &ConnectionInfo::default(), &AccessLog::Tracing, "site").is_none());
    });
}

/// With HTTP/2 the record had `https://example.com/path`, where Caddy's has `/path`.
#[test]
fn the_uri_is_the_path_in_all_versions() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt().json().with_writer(captured.clone()).finish();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let _default = tracing::subscriber::set_default(subscriber);
    for (version, uri) in [
        (http::Version::HTTP_11, "/path?x=1"),
        (http::Version::HTTP_2, "https://example.com/path?x=1"),
        (http::Version::HTTP_3, "https://example.com/path?x=1"),
    ] {
        let mut request = request("GET", uri);
        *request.version_mut() = version;
        drop(runtime.block_on(service().handle(ConnectionInfo::default(), request)));
    }
    let uris: Vec<_> = captured.records().iter().map(|record| record["fields"]["uri"].clone()).collect();
    assert_eq!(uris, ["/path?x=1"; 3]);
}
