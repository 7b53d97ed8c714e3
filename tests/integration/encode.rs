//! `encode`: the responses for a client that accepts compression.

use crate::common::{Igor, Request};
use flate2::read::GzDecoder;
use std::fs;
use std::io::Read;

/// Decodes the start of a gzip stream as far as possible.
fn decoded(bytes: &[u8]) -> String {
    let (mut plain, mut buffer) = (Vec::new(), [0; 4096]);
    let mut decoder = GzDecoder::new(bytes);
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
    assert_eq!(decoded(&page.body), "page ".repeat(1000));
    assert_eq!(page.header("content-length"), Some(page.body.len().to_string().as_str()));
    let preferred = server.send(&Request::get("/page.php").header("Accept-Encoding", "gzip, br"));
    assert_eq!(preferred.header("content-encoding"), Some("br"));

    let file = server.send(&get("/file.txt"));
    assert_eq!((file.header("content-encoding"), file.header("vary")), (Some("gzip"), Some("Accept-Encoding")));
    assert_eq!(decoded(&file.body), text);
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

/// Server-sent events: the script sends the next one only when the client has read the one before.
#[test]
fn each_event_arrives_before_the_next_is_sent() {
    let script = r#"<?php
        header('Content-Type: text/event-stream');
        for ($event = 1; $event <= 3; $event++) {
            echo "data: event $event\n\n";
            flush();
            for ($wait = 0; $wait < 1000 && !file_exists(__DIR__ . "/seen-$event"); $wait++) {
                usleep(10000);
                clearstatcache();
            }
            if ($wait === 1000) { echo "data: the client has not seen $event\n\n"; }
        }
    "#;
    let server = Igor::new().file("events.php", script).site("root {$DIR}\nencode gzip\nphp_server").start();
    let mut connection = server.connect();
    connection.write(&Request::get("/events.php").header("Accept-Encoding", "gzip"));
    let head = connection.read_head();
    assert_eq!(head.header("content-encoding"), Some("gzip"));
    let mut sent = Vec::new();
    for event in 1..=3 {
        while !decoded(&sent).contains(&format!("data: event {event}\n\n")) {
            sent.extend(connection.read_chunk().expect("the response goes on").expect("it has not ended"));
        }
        fs::write(server.path(&format!("seen-{event}")), "").expect("files can be written");
    }
    while let Some(rest) = connection.read_chunk().expect("the response ends well") {
        sent.extend(rest);
    }
    assert_eq!(decoded(&sent), "data: event 1\n\ndata: event 2\n\ndata: event 3\n\n");
}
