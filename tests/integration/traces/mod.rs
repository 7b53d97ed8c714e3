//! Spans of requests, scripts, publishes and tasks, as an OpenTelemetry collector gets them.

mod collector;

use crate::common::workers::{assert_holds, script, site};
use crate::common::{Igor, Request, wait_until};
use collector::{Answers, Collector, all, attribute, number};
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use std::fs;
use std::io::Read;
use std::time::{Duration, Instant};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A server that sends spans at once, in JSON.
fn traced(collector: &Collector, tracing: &str, workers: &str) -> Igor {
    Igor::new()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.address())
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
        .env("OTEL_BSP_SCHEDULE_DELAY", "20")
        .env("OTEL_SERVICE_NAME", "shop")
        .admin()
        .site(&format!("{tracing}\n{}", site(workers)))
}

/// What a script sees of its trace.
const SEEN: &str =
    "return [$_SERVER['HTTP_TRACEPARENT'] ?? null, $_SERVER['HTTP_TRACESTATE'] ?? null, getenv('TRACEPARENT')];";

#[test]
fn a_request_and_its_script_are_spans_of_the_caller_s_trace() {
    let collector = Collector::start();
    let tracing = "tracing {\nspan \"{method} {path}\"\nspan_attributes {\nshop.tenant {header.X-Tenant}\n\
                   shop.type {http.response.header.Content-Type}\n}\n}";
    let server =
        traced(&collector, tracing, "").env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hunter2").start();
    let request = Request::post("/eval.php?token=s3cr3t&page=2", SEEN)
        .header("traceparent", CALLER)
        .header("tracestate", "vendor=1")
        .header("x-tenant", "harbour")
        .header("user-agent", "probe/1");
    let seen = server.send(&request).json()["value"].clone();
    let (of_request, of_script) = (collector.span("POST /eval.php"), collector.span("php eval.php"));
    let id = of_request["spanId"].as_str().expect("a number");
    assert_eq!(seen, json!([format!("00-{TRACE}-{id}-01"), "vendor=1", format!("00-{TRACE}-{id}-01")]));
    assert_eq!((&of_request["traceId"], &of_request["parentSpanId"]), (&json!(TRACE), &json!("b7ad6b7169203331")));
    assert_eq!((&of_script["traceId"], &of_script["parentSpanId"]), (&json!(TRACE), &json!(id)));
    assert_eq!((&of_request["kind"], &of_request["traceState"]), (&json!(2), &json!("vendor=1")));
    for (name, value) in [
        ("http.request.method", "POST"),
        ("http.response.status_code", "200"),
        ("url.path", "/eval.php"),
        ("url.query", "token=REDACTED&page=2"),
        ("url.scheme", "http"),
        ("client.address", "127.0.0.1"),
        ("network.protocol.version", "1.1"),
        ("user_agent.original", "probe/1"),
        ("igor.handler", "php"),
        ("shop.tenant", "harbour"),
    ] {
        assert_eq!(attribute(&of_request, name), value, "{name}");
    }
    let kind = attribute(&of_request, "shop.type");
    assert!(
        kind.as_str().is_some_and(|kind| kind.starts_with("application/json") || kind.starts_with("text/")),
        "{kind}"
    );
    let script = attribute(&of_script, "code.file.path");
    assert!(script.as_str().is_some_and(|script| script.ends_with("/php-tests/eval.php")), "{script}");
    let time =
        |span: &Value, name: &str| span[name].as_str().and_then(|nanos| nanos.parse::<u64>().ok()).expect("a time");
    assert!(time(&of_request, "startTimeUnixNano") <= time(&of_script, "startTimeUnixNano"));
    let export = &collector.exports()[0];
    assert_eq!((export.path.as_str(), export.header("content-type")), ("/v1/traces", Some("application/json")));
    assert_eq!(export.header("authorization"), Some("Bearer hunter2"));
    let text = String::from_utf8_lossy(&export.body);
    assert!(
        text.contains(r#"{"key":"service.name","value":{"stringValue":"shop"}}"#) && !text.contains("s3cr3t"),
        "{text}"
    );
    let metrics = server.ask_admin(&Request::get("/metrics")).text();
    assert_holds(&metrics, &["igor_trace_spans_sent_total ", "igor_trace_spans_lost_total{reason=\"queue full\"} 0"]);
    assert!(!server.stop().log.contains("hunter2"));
}

/// A trace that begins here; a failed script; a worker; an invalid context of a caller.
#[test]
fn failures_are_marked_and_invalid_contexts_are_not_taken_over() {
    let collector = Collector::start();
    let server = traced(&collector, "tracing", "worker {$PHP_TESTS}/worker.php 1").start();
    let invalid = Request::post("/worker.php", SEEN).header("traceparent", "00-1-2-3").header("tracestate", "vendor=1");
    let seen = server.send(&invalid).json()["value"].clone();
    let of_script = collector.span("php worker.php");
    let trace = of_script["traceId"].as_str().expect("a number");
    assert_eq!(seen[0], format!("00-{trace}-{}-01", of_script["parentSpanId"].as_str().expect("a number")));
    assert_eq!(seen[1], Value::Null, "it belongs to the context of the caller");
    let of_request = collector.span("POST");
    assert_eq!(of_request["parentSpanId"], "");
    let handler = attribute(&of_request, "igor.handler");
    assert!(handler.as_str().is_some_and(|handler| handler.starts_with("worker:")), "{handler}");
    let failed = server.send(&Request::post("/eval.php?raw", "throw new LogicException('the password is hunter2');"));
    assert_eq!(failed.status, 500);
    let of_script = collector.span("php eval.php");
    let message = of_script["status"]["message"].as_str().expect("a message");
    assert!(of_script["status"]["code"] == 2 && !message.contains("hunter2"), "{of_script}");
    let is_failed = |span: &Value| attribute(span, "http.response.status_code") == "500";
    wait_until("the span of the request", || collector.spans().iter().any(is_failed));
    let span = collector.spans().into_iter().find(is_failed).expect("it was there");
    assert_eq!((&span["status"]["code"], attribute(&span, "error.type")), (&json!(2), json!("500")));
}

/// Takes tasks, and publishes what it sees of its trace.
const RECEIVER: &str = "<?php $h = new FrankenPHP\\WorkerHandle();
    while ($h->tick()) {
        $r = [$h->getStream()]; $n = null;
        stream_select($r, $n, $n, null);
        while ($task = $h->receive()) {
            $seen = ['in' => getenv('TRACEPARENT')];
            frankenphp_set_vars($seen);
            $task->complete($seen);
            unset($task);
            frankenphp_set_vars(['after' => getenv('TRACEPARENT')]);
        }
    }";

#[test]
fn a_task_and_its_publish_continue_the_trace_of_the_sender() {
    let collector = Collector::start();
    let server =
        traced(&collector, "tracing", &script("{$DIR}/receiver.php", "t", "")).file("receiver.php", RECEIVER).start();
    let code = "return (new FrankenPHP\\SentTaskHandle('t', ['do' => 1], 30))->read();";
    let answer = server.send(&Request::post("/eval.php", code).header("traceparent", CALLER)).json();
    let (of_request, of_task) = (collector.span("POST"), collector.span("task t"));
    assert_eq!((&of_task["traceId"], &of_task["parentSpanId"]), (&json!(TRACE), &of_request["spanId"]));
    let id = of_task["spanId"].as_str().expect("a number");
    assert_eq!(answer["value"]["in"], format!("00-{TRACE}-{id}-01"));
    assert_eq!(attribute(&of_task, "igor.task.end"), "completed");
    wait_until("both publishes", || collector.spans().iter().filter(|span| span["name"] == "publish t").count() == 2);
    let publishes: Vec<Value> = collector.spans().into_iter().filter(|span| span["name"] == "publish t").collect();
    assert_eq!((&publishes[0]["traceId"], &publishes[0]["parentSpanId"]), (&json!(TRACE), &json!(id)));
    assert_eq!(attribute(&publishes[0], "igor.version"), "1");
    assert_ne!(publishes[1]["traceId"], TRACE, "the task is over");
    let after = server.eval("return frankenphp_get_vars('t');").value();
    assert_eq!(after, json!({"after": false}));
}

/// The default form, compressed; what waits is sent when the server stops.
#[test]
fn a_stop_sends_what_waits_in_protobuf() {
    let collector = Collector::start();
    let server = traced(&collector, "tracing", "")
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        .env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        .env("OTEL_BSP_SCHEDULE_DELAY", "600000")
        .start();
    let request = Request::post("/eval.php", "return 1;").header("traceparent", CALLER);
    assert_eq!(server.send(&request).status, 200);
    assert_eq!(collector.exports().len(), 0, "they wait");
    server.stop();
    let [export] = collector.exports().try_into().unwrap_or_else(|_| panic!("one request"));
    let kind = (export.header("content-type"), export.header("content-encoding"));
    assert_eq!(kind, (Some("application/x-protobuf"), Some("gzip")));
    let mut body = Vec::new();
    GzDecoder::new(&export.body[..]).read_to_end(&mut body).expect("gzip");
    let resource_spans = all(&body, 1).remove(0);
    let attributes: Vec<Vec<u8>> = all(&all(&resource_spans, 1)[0], 1);
    let name = attributes.iter().find(|pair| all(pair, 1)[0] == b"service.name").expect("a name");
    assert_eq!(all(&all(name, 2)[0], 1)[0], b"shop");
    let scope_spans = all(&resource_spans, 2).remove(0);
    assert_eq!(all(&all(&scope_spans, 1)[0], 1)[0], b"igor");
    let spans = all(&scope_spans, 2);
    let texts: Vec<String> = spans.iter().map(|span| String::from_utf8_lossy(&all(span, 5)[0]).into_owned()).collect();
    assert_eq!(texts, ["php eval.php", "POST"]);
    let trace: Vec<u8> =
        (0..16).map(|at| u8::from_str_radix(&TRACE[at * 2..at * 2 + 2], 16).expect("digits")).collect();
    assert!(spans.iter().all(|span| all(span, 1)[0] == trace && number(span, 7) <= number(span, 8)));
    assert_eq!(all(&spans[0], 4)[0], all(&spans[1], 2)[0], "the script is below the request");
    assert_eq!((number(&spans[0], 6), number(&spans[1], 6)), (Some(1), Some(2)));
    let pairs = all(&spans[1], 9);
    let status = pairs.iter().find(|pair| all(pair, 1)[0] == b"http.response.status_code").expect("a status");
    assert_eq!(number(&all(status, 2)[0], 3), Some(200));
}

#[test]
fn a_collector_that_does_not_answer_costs_requests_nothing() {
    let collector = Collector::start();
    collector.answer(Answers::Never);
    let server = traced(&collector, "tracing", "")
        // With four attempts, the first spans wait for longer than all these requests take.
        .env("OTEL_EXPORTER_OTLP_TIMEOUT", "1000")
        .env("OTEL_BSP_MAX_QUEUE_SIZE", "4")
        .env("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
        .start();
    let mut connection = server.connect();
    for _ in 0..20 {
        assert_eq!(connection.send(&Request::post("/eval.php", "return 1;")).status, 200);
    }
    let lost = |reason: &str| {
        let metrics = server.ask_admin(&Request::get("/metrics")).text();
        let line = format!("igor_trace_spans_lost_total{{reason=\"{reason}\"}} ");
        let value = metrics.lines().find_map(|metric| metric.strip_prefix(line.as_str())?.parse::<f64>().ok());
        value.unwrap_or_default()
    };
    assert!(lost("queue full") >= 30.0, "of 40 spans, the queue and one request hold few: {}", lost("queue full"));
    collector.answer(Answers::Status(400));
    wait_until("a refusal", || lost("collector") >= 2.0);
    let refused =
        ["the collector does not take spans, and they are lost: status 400", "PROTOCOL chooses", "collector=\""];
    server.wait_log(&refused);
    collector.answer(Answers::Status(200));
    connection.send(&Request::post("/eval.php", "return 1;"));
    server.wait_log(&["the collector takes spans again"]);
    collector.answer(Answers::Never);
    connection.send(&Request::post("/eval.php", "return 1;"));
    let began = Instant::now();
    let log = server.stop().log;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // Once for each time that it fails: at the refusal, and at the stop.
    assert_eq!(log.matches("they are lost").count(), 2, "{log}");
}

/// The message names the variable, and nothing of its value, which may hold a password.
#[test]
fn an_address_that_is_none_is_named_by_its_variable() {
    for (variable, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "s3cr3t@collector"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://s3cr3t@collector"),
    ] {
        let server = Igor::new().env(variable, value).site("tracing\nrespond ok").start();
        let line = server.wait_log(&[variable, "write http://HOST:PORT"]);
        assert!(!line.contains("s3cr3t"), "{line}");
        assert_eq!(server.get("/").status, 200);
    }
}

/// Off by default; a reload switches it on and off.
#[test]
fn nothing_is_traced_without_the_directive() {
    let collector = Collector::start();
    let server = traced(&collector, "# off", "").start();
    let ask = || server.send(&Request::post("/eval.php", SEEN).header("traceparent", CALLER)).json()["value"].clone();
    let untouched = json!([CALLER, null, false]);
    assert_eq!(ask(), untouched);
    let load = |from: &str, to: &str| {
        let text = fs::read_to_string(server.path("Caddyfile")).expect("the Caddyfile can be read");
        let answer = server.ask_admin(&Request::post("/load", text.replace(from, to)));
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    load("# off", "tracing");
    assert_ne!(ask(), untouched);
    collector.span("POST");
    load("# off", "");
    assert_eq!(ask(), untouched);
    let (spans, exports) = (collector.spans().len(), collector.exports().len());
    assert_eq!((spans, exports > 0), (2, true), "those of the one request");
    server.stop();
    assert_eq!(collector.spans().len(), 2);
}

#[test]
fn variables_that_make_no_sense_are_reported() {
    let collector = Collector::start();
    let server = traced(&collector, "tracing", "").env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").start();
    server.wait_log(&["OTEL_EXPORTER_OTLP_PROTOCOL", "collectors take both at port 4318"]);
    assert_eq!(server.eval("return 1;").value(), 1);
}
