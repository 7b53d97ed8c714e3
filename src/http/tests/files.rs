//! Static files on plain HTTP/1, which the kernel sends: every byte comes, in order, whatever happens to the file.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::SystemTime;

use super::*;
use crate::limits;

/// Bytes whose period fits no size of a buffer, so that none is taken for another one.
fn content(length: usize) -> Vec<u8> {
    let period: Vec<u8> = (0..8191u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut content = period.repeat(length / period.len() + 1);
    content.truncate(length);
    content
}

/// A server with files of these lengths, named after them.
fn serving(lengths: &[usize]) -> Server {
    let server = Server::running(|exchange| {
        let _ = exchange.write(b"a script");
    });
    for length in lengths {
        fs::write(server.root.path().join(length.to_string()), content(*length)).expect("a file can be written");
    }
    server
}

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

#[test]
fn files_and_parts_of_all_sizes_arrive_whole_and_in_order() {
    let (whole, piece, look) =
        (limits::FILE_WHOLE_BYTES_MAX, limits::FILE_PIECE_BYTES_MAX, limits::FILE_LOOK_EVERY_BYTES);
    let lengths = [0, 1, whole, whole + 1, look, look + 1, piece, piece + 1, 3 * piece + 7];
    let server = serving(&lengths);
    let mut client = server.client();
    // All at once: places of files, bytes of small ones and of a script follow each other in hyper's buffers.
    let mut requests = String::new();
    for length in lengths {
        requests += &(get(&format!("/{length}"), "") + &get("/script", ""));
    }
    let sender = client.reader.get_ref().try_clone().expect("a second handle");
    std::thread::scope(|scope| {
        scope.spawn(move || (&sender).write_all(requests.as_bytes()).expect("the server takes them"));
        for length in lengths {
            let answer = client.answer();
            assert_eq!((answer.status, answer.body.len()), (200, length));
            assert!(answer.body == content(length), "{length} bytes");
            assert_eq!(client.answer().text(), "a script");
        }
    });
    let (length, last) = (3 * piece + 7, 3 * piece + 6);
    let all = content(length);
    for (first, last) in [(0, 0), (5, piece + 4), (piece - 1, 2 * piece), (1, last), (last, last)] {
        client.send(&get(&format!("/{length}"), &format!("Range: bytes={first}-{last}\r\n")));
        let answer = client.answer();
        assert_eq!((answer.status, answer.body.len()), (206, last - first + 1));
        assert!(answer.body == all[first..=last], "{first} to {last}");
    }
    client.send(&get(&format!("/{length}"), &format!("Range: bytes=0-{piece},{}-{last}\r\n", piece + 2)));
    let parts = client.answer().body;
    for part in [&all[..=piece], &all[piece + 2..]] {
        assert!(parts.windows(64).any(|window| window == &part[..64]) && parts.len() >= all.len());
    }
    client.send(&format!("HEAD /{length} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let head = client.answer_to("HEAD").expect("a head");
    assert_eq!(head.header("content-length"), Some(length.to_string().as_str()));
    client.send("GET /script HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().text(), "a script", "a head has no body");
}

#[test]
fn a_repeated_request_sees_what_the_file_has_become() {
    let server = serving(&[100_000]);
    let path = server.root.path().join("100000");
    let mut client = server.client();
    let mut tags = Vec::new();
    for round in 0..4u8 {
        // The same length and another content, in place. The clock of the file system may be coarse.
        let file = File::options().write(true).open(&path).expect("it can be opened");
        file.write_all_at(&[round; 3], 7).expect("it can be written");
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + u64::from(round)))
            .expect("it can be set");
        let mut expected = content(100_000);
        expected[7..10].fill(round);
        for _ in 0..3 {
            client.send(&get("/100000", ""));
            let answer = client.answer();
            assert!(answer.body == expected, "round {round}");
            tags.push(answer.header("etag").expect("a tag").to_owned());
        }
        assert!(tags[tags.len() - 3..].iter().all(|tag| tag == tags.last().expect("one")));
        let tag = tags.last().expect("one");
        client.send(&get("/100000", &format!("If-None-Match: {tag}\r\n")));
        assert_eq!(client.answer().status, 304);
    }
    tags.dedup();
    assert_eq!(tags.len(), 4, "each version has its tag");
    fs::write(&path, "short").expect("written");
    client.send(&get("/100000", ""));
    assert_eq!(client.answer().text(), "short");
    fs::remove_file(&path).expect("removed");
    client.send(&get("/100000", ""));
    assert_eq!(client.answer().text(), "a script", "the front controller answers");
}

#[test]
fn a_file_that_changes_while_it_is_sent_does_no_harm() {
    const LENGTH: usize = 16 << 20;
    let server = serving(&[LENGTH]);
    let (name, all) = (LENGTH.to_string(), content(LENGTH));
    let path = server.root.path().join(&name);
    let begun = || {
        let mut client = server.client();
        client.send(&get(&format!("/{name}"), ""));
        let answer = client.head().expect("a head");
        assert_eq!((answer.status, answer.header("content-length")), (200, Some(name.as_str())));
        client
    };

    // Replaced: the response has the file that it began with.
    let mut client = begun();
    fs::write(server.root.path().join("new"), "new").expect("written");
    fs::rename(server.root.path().join("new"), &path).expect("moved");
    let mut body = vec![0; LENGTH];
    client.reader.read_exact(&mut body).expect("all of it");
    assert!(body == all);

    // Removed.
    fs::write(&path, &all).expect("written");
    let mut client = begun();
    fs::remove_file(&path).expect("removed");
    client.reader.read_exact(&mut body).expect("all of it");
    assert!(body == all);

    // Cut off: the response breaks off too, so that the client does not take it for a whole one.
    fs::write(&path, &all).expect("written");
    let mut client = begun();
    File::options().write(true).open(&path).and_then(|file| file.set_len(1000)).expect("cut off");
    let mut taken = Vec::new();
    let _ = client.reader.read_to_end(&mut taken);
    assert!(taken.len() < LENGTH, "{} bytes", taken.len());
    assert_eq!(server.get(&format!("/{name}")).body.len(), 1000);
}
