use std::future::poll_fn;
use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::{Bytes, BytesMut};
use http::Request;
use http_body::Body;
use http_body_util::BodyExt;
use tokio::sync::mpsc;

use super::*;
use crate::http::body::Chunks;

const FORMATS: [EncodeFormat; 3] = [EncodeFormat::GZIP, EncodeFormat::BROTLI, EncodeFormat::ZSTD];

fn settings(format: EncodeFormat) -> Encode {
    Encode { formats: vec![format], ..Encode::default() }
}

fn decoded(format: &str, bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match format {
        "gzip" => drop(flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).expect("whole gzip")),
        "br" => drop(brotli::Decompressor::new(bytes, 4096).read_to_end(&mut plain).expect("whole brotli")),
        _ => plain = zstd::decode_all(bytes).expect("whole zstd"),
    }
    plain
}

fn parts(method: &str, headers: &[(&str, &str)]) -> request::Parts {
    let mut request = Request::builder().method(method);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a valid request").into_parts().0
}

fn response(status: u16, headers: &[(&str, &str)], body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body).expect("a valid response")
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

fn field<'r>(response: &'r Response<ResponseBody>, name: &str) -> Option<&'r str> {
    response.headers().get(name).map(|value| value.to_str().expect("text"))
}

#[test]
fn small_and_large_bodies_come_back_as_they_were() {
    for format in FORMATS {
        for length in [512, limits_whole(), limits_whole() + 1, 1 << 20] {
            let plain: Vec<u8> =
                (0..length).map(|at| b"compressible "[at % 13].wrapping_add((at / 5000) as u8)).collect();
            let mut request = parts("GET", &[("accept-encoding", format.name())]);
            let settings = settings(format);
            let encoding = Encoding::begin(&settings, &mut request);
            let body = ResponseBody::from(Bytes::from(plain.clone()));
            let head = [("content-type", "text/html"), ("etag", "\"a\""), ("accept-ranges", "bytes")];
            let response = encoding.apply(response(200, &head, body));
            let name = format.name();
            assert_eq!(field(&response, "content-encoding"), Some(name));
            assert_eq!(field(&response, "etag"), Some(format!("\"a-{name}\"").as_str()));
            assert_eq!(field(&response, "vary"), Some("Accept-Encoding"));
            assert_eq!(field(&response, "accept-ranges"), None);
            assert_eq!(response.body().size_hint().exact().is_some(), length <= limits_whole(), "{name} {length}");
            let sent = run(response.into_body().collect()).expect("a whole body").to_bytes();
            assert!(sent.len() < length, "{name} {length}: {} bytes", sent.len());
            assert!(decoded(name, &sent) == plain, "{name} {length}");
        }
    }
}

fn limits_whole() -> usize {
    crate::limits::ENCODE_WHOLE_BYTES_MAX
}

#[test]
fn what_was_flushed_can_be_read_before_more_is_written() {
    for format in FORMATS {
        run(async {
            let (sender, receiver) = mpsc::channel(8);
            let chunks = Chunks { receiver, truncated: Arc::new(AtomicBool::new(false)) };
            let mut request = parts("GET", &[("accept-encoding", format.name())]);
            let settings = settings(format);
            let encoding = Encoding::begin(&settings, &mut request);
            let body = ResponseBody::new(Source::Stream(chunks));
            let mut body = encoding.apply(response(200, &[("content-type", "text/event-stream")], body)).into_body();
            let mut sent = BytesMut::new();
            for event in ["data: one\n\n", "data: two\n\n", "data: three\n\n"] {
                sender.send(Bytes::from_static(event.as_bytes())).await.expect("the body reads");
                let frame = body.frame().await.expect("a frame").expect("no error").into_data().expect("data");
                sent.extend_from_slice(&frame);
                let seen = partly_decoded(format.name(), &sent);
                assert!(seen.ends_with(event.as_bytes()), "{}: {:?}", format.name(), String::from_utf8_lossy(&seen));
            }
            // No bytes follow while the script is silent.
            assert!(
                poll_fn(|context| std::task::Poll::Ready(Pin::new(&mut body).poll_frame(context).is_pending())).await
            );
            drop(sender);
            sent.extend_from_slice(&body.collect().await.expect("the rest").to_bytes());
            assert_eq!(decoded(format.name(), &sent), b"data: one\n\ndata: two\n\ndata: three\n\n");
        });
    }
}

/// The text that a client can decode from these bytes.
fn partly_decoded(format: &str, bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut buffer = [0; 256];
    let mut reader: Box<dyn Read> = match format {
        "gzip" => Box::new(flate2::read::GzDecoder::new(bytes)),
        "br" => Box::new(brotli::Decompressor::new(bytes, 4096)),
        _ => Box::new(zstd::stream::read::Decoder::new(bytes).expect("a decoder")),
    };
    while let Ok(count @ 1..) = reader.read(&mut buffer) {
        plain.extend_from_slice(&buffer[..count]);
    }
    plain
}

#[test]
fn what_is_not_worth_it_or_not_ours_stays() {
    let long = "x".repeat(600);
    type Fields<'a> = &'a [(&'a str, &'a str)];
    type Case<'a> = (&'a str, Fields<'a>, u16, Fields<'a>, &'a str, Option<&'a str>);
    let gzip: Fields<'_> = &[("accept-encoding", "gzip")];
    let html: Fields<'_> = &[("content-type", "text/html")];
    let cases: &[Case<'_>] = &[
        ("no coding is taken", &[], 200, html, &long, Some("Accept-Encoding")),
        ("short", gzip, 200, html, "short", None),
        ("an image", gzip, 200, &[("content-type", "image/png")], &long, None),
        ("no type", gzip, 200, &[], &long, None),
        ("encoded by the script", gzip, 200, &[("content-type", "text/html"), ("content-encoding", "br")], &long, None),
        ("a part", gzip, 206, &[("content-type", "text/html"), ("content-range", "bytes 0-599/900")], &long, None),
        (
            "forbidden",
            gzip,
            200,
            &[("content-type", "text/html"), ("cache-control", "public, No-Transform")],
            &long,
            None,
        ),
        ("no content", gzip, 204, html, "", None),
        (
            "an upgrade",
            &[("accept-encoding", "gzip"), ("upgrade", "websocket")],
            200,
            html,
            &long,
            Some("Accept-Encoding"),
        ),
    ];
    for (case, request, status, head, body, vary) in cases {
        let settings = Encode::default();
        let encoding = Encoding::begin(&settings, &mut parts("GET", request));
        let body_before = Bytes::copy_from_slice(body.as_bytes());
        let response = encoding.apply(response(*status, head, ResponseBody::from(body_before.clone())));
        assert_eq!(field(&response, "vary"), *vary, "{case}");
        let sent = run(response.into_body().collect()).expect("a body").to_bytes();
        assert_eq!(sent, body_before, "{case}");
    }
}

#[test]
fn the_tag_of_a_compressed_page_revalidates() {
    let settings = Encode::default();
    for (sent, seen, tag) in [
        ("\"a-gzip\"", "\"a\"", "\"a-gzip\""),
        ("\"b\", \"a-gzip\"", "\"b\", \"a\"", "\"a-gzip\""),
        ("\"a\"", "\"a\"", "\"a\""),
        ("W/\"a-gzip\"", "W/\"a-gzip\"", "\"a-gzip\""),
    ] {
        let mut request = parts("GET", &[("accept-encoding", "gzip"), ("if-none-match", sent)]);
        let encoding = Encoding::begin(&settings, &mut request);
        assert_eq!(request.headers["if-none-match"], seen, "{sent}");
        let response = encoding.apply(response(304, &[("etag", "\"a\"")], ResponseBody::new(Source::Empty)));
        assert_eq!(field(&response, "etag"), Some(tag), "{sent}");
    }
}

#[test]
fn an_answer_to_head_has_the_head_of_the_page() {
    let settings = Encode::default();
    let encoding = Encoding::begin(&settings, &mut parts("HEAD", &[("accept-encoding", "gzip")]));
    let head = [("content-type", "text/html"), ("content-length", "600"), ("vary", "Cookie")];
    let response = encoding.apply(response(200, &head, ResponseBody::new(Source::Empty)));
    assert_eq!(field(&response, "content-encoding"), Some("gzip"));
    assert_eq!(field(&response, "content-length"), None);
    assert_eq!(response.headers().get_all("vary").iter().count(), 2);
    assert!(response.body().is_end_stream());
}
