//! `encode`: the responses for a client that accepts compression.

use crate::common::{Igor, Request};
use flate2::read::GzDecoder;
use std::fs;
use std::io::Read;

/// Decodes the start of a compressed stream as far as possible.
fn decoded(format: &str, bytes: &[u8]) -> String {
    let mut decoder: Box<dyn Read + '_> = match format {
        "gzip" => Box::new(GzDecoder::new(bytes)),
        "br" => Box::new(brotli::Decompressor::new(bytes, 4096)),
        "zstd" => Box::new(zstd::stream::read::Decoder::new(bytes).expect("a decoder")),
        other => panic!("no decoder for {other}"),
    };
    let (mut plain, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = decoder.read(&mut buffer) {
        plain.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8(plain).expect("text")
}

#[test]
fn pages_and_files_are_compressed() {
    let text = "All work and no play.\n".repeat(100);
    let server = Igor::new()
        .file("page.php", "<?php header('ETag: \"p\"'); echo str_repeat('page ', 1000);")
        .file("file.txt", &text)
        .site("root {$DIR}\nencode br gzip\nphp_server")
        .start();
    let get = |target: &str| Request::get(target).header("Accept-Encoding", "gzip");
    let page = server.send(&get("/page.php"));
    assert_eq!((page.header("content-encoding"), page.header("etag")), (Some("gzip"), Some("\"p-gzip\"")));
    assert_eq!(decoded("gzip", &page.body), "page ".repeat(1000));
    assert_eq!(page.header("content-length"), Some(page.body.len().to_string().as_str()));
    let preferred = server.send(&Request::get("/page.php").header("Accept-Encoding", "gzip, br"));
    assert_eq!(preferred.header("content-encoding"), Some("br"));

    let file = server.send(&get("/file.txt"));
    assert_eq!((file.header("content-encoding"), file.header("vary")), (Some("gzip"), Some("Accept-Encoding")));
    assert_eq!(decoded("gzip", &file.body), text);
    if let Some(tag) = file.header("etag") {
        let again = server.send(&get("/file.txt").header("If-None-Match", tag));
        assert_eq!((again.status, again.header("etag")), (304, Some(tag)));
    }
    let part = server.send(&get("/file.txt").header("Range", "bytes=0-2"));
    assert_eq!((part.status, part.header("content-encoding"), part.text()), (206, None, "All".to_owned()));
    let parts = server.send(&get("/file.txt").header("Range", "bytes=0-2,4-7"));
    assert_eq!((parts.status, parts.header("content-encoding")), (206, None), "ranges are those of the file");
    assert!(parts.text().contains("All") && parts.text().contains("work"), "{}", parts.text());
    let plain = server.get("/file.txt");
    assert_eq!((plain.header("content-encoding"), plain.header("vary")), (None, Some("Accept-Encoding")));
    assert_eq!(plain.text(), text);
}

/// Waits for a file that the client writes when it has read an event. It ends with an event of its own, so a delayed
/// flush shows in the response.
const EVENTS: &str = r#"<?php
    header('Content-Type: text/event-stream');
    for ($event = 1; $event <= 5; $event++) {
        echo "data: event $event\n\n";
        flush();
        for ($wait = 0; $wait < 2000 && !file_exists(__DIR__ . "/$_GET[format]-$event"); $wait++) {
            usleep(5000);
            clearstatcache();
        }
        if ($wait === 2000) { echo "data: the client has not seen $event\n\n"; }
    }
"#;

/// Server-sent events: the script sends the next one only when the client has read the one before.
#[test]
fn each_event_arrives_before_the_next_is_sent() {
    let server = Igor::new().file("events.php", EVENTS).site("root {$DIR}\nencode zstd br gzip\nphp_server").start();
    for format in ["zstd", "br", "gzip"] {
        let mut connection = server.connect();
        let target = format!("/events.php?format={format}");
        connection.write(&Request::get(&target).header("Accept-Encoding", format));
        let head = connection.read_head();
        assert_eq!(head.header("content-encoding"), Some(format));
        let (mut sent, mut expected) = (Vec::new(), String::new());
        for event in 1..=5 {
            expected += &format!("data: event {event}\n\n");
            while decoded(format, &sent).len() < expected.len() {
                sent.extend(connection.read_chunk().expect("the response goes on").expect("it has not ended"));
            }
            assert_eq!(decoded(format, &sent), expected, "{format}");
            fs::write(server.path(&format!("{format}-{event}")), "").expect("files can be written");
        }
        while let Some(rest) = connection.read_chunk().expect("the response ends well") {
            sent.extend(rest);
        }
        assert_eq!(decoded(format, &sent), expected, "{format}: nothing else was sent");
    }
}
