//! HTTP/2 (RFC 9113) without encryption: clients that send any frames.

use super::CONNECTION_MAX;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::ops::Range;
use std::time::{Duration, Instant};

/// The silence after which the server has presumably sent all answers: only then the client closes its side, which ends
/// running requests.
const QUIET: Duration = Duration::from_millis(40);

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEAD_BYTES: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn put(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let mut frame = (content.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(content);
    frame
}

/// A field that goes into no table (RFC 7541, 6.2.2).
fn field(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    for text in [name, value] {
        let length = u8::try_from(text.len()).ok().filter(|&length| length < 127).expect("a short text");
        block.push(length);
        block.extend_from_slice(text.as_bytes());
    }
}

fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    fields.iter().for_each(|(name, value)| field(&mut block, name, value));
    block
}

fn request(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "localhost")];
    fields(&[&pseudo, more].concat())
}

/// A frame that is valid or nearly valid.
pub(super) fn frame(random: &mut fastrand::Rng) -> Vec<u8> {
    let stream = *random.choice(&[0, 1, 1, 3, 3, 5, 2, 7, 0x8000_0001, 0x7fff_ffff]).expect("there are some");
    let flags =
        *random.choice(&[0, END_STREAM, END_HEADERS, END_STREAM | END_HEADERS, 8, 0x20, 0x2d, 0xff]).expect("some");
    let path = *random
        .choice(&[
            "/fuzz.php",
            "/worker/fuzz.php",
            "/streamed/fuzz.php",
            "/static.txt",
            "/respond",
            "/redirect",
            "*",
            "",
            "/%00",
            "//",
        ])
        .expect("there are some");
    let method = *random.choice(&["GET", "POST", "HEAD", "OPTIONS", "CONNECT", "TRACE", "", "G T"]).expect("some");
    let more: &[(&str, &str)] = random
        .choice(&[
            &[] as &[(&str, &str)],
            &[("content-length", "3")],
            &[("content-length", "3"), ("content-length", "5")],
            &[("content-length", "18446744073709551616")],
            &[("transfer-encoding", "chunked")],
            &[("connection", "keep-alive")],
            &[("host", "b.test")],
            &[("expect", "100-continue")],
            &[("te", "trailers"), ("cookie", "a=b"), ("cookie", "c=d")],
            &[("range", "bytes=0-0,2-3")],
            &[("Upper", "case")],
            &[("x", "a\r\nb: c")],
            &[("x\0", "\0")],
            &[(":protocol", "websocket")],
            &[(":path", "/respond")],
            &[("content-type", "multipart/form-data; boundary=x")],
        ])
        .expect("there are some");
    match random.u8(..14) {
        0..=2 => put(HEADERS, flags, stream, &request(method, path, more)),
        3 => put(HEADERS, END_HEADERS, stream, &request("POST", path, more)),
        4 => put(DATA, flags, stream, random.choice(&[&b""[..], b"a=1", b"\x05abc", &[b'x'; 1000]]).expect("some")),
        5 => put(CONTINUATION, flags, stream, &fields(more)),
        6 => put(HEADERS, END_STREAM, stream, &request(method, path, more)),
        7 => put(RST_STREAM, 0, stream, &random.u32(..16).to_be_bytes()),
        8 => put(
            WINDOW_UPDATE,
            0,
            stream,
            &random.choice(&[0, 1, 65535, 0x7fff_ffff]).map_or(0u32, |&size| size).to_be_bytes(),
        ),
        9 => {
            let (name, value) = (random.u16(..9), *random.choice(&[0, 1, 16384, 0xffff_ffff]).unwrap_or(&0u32));
            put(SETTINGS, flags & END_STREAM, 0, &[&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
        }
        10 => put(PING, flags & END_STREAM, 0, &[7; 8]),
        11 => put(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, random.u8(..16)]),
        12 => put(PUSH_PROMISE, END_HEADERS, stream, &request(method, path, more)),
        _ => put(random.u8(..), flags, stream, &[0; 5]),
    }
}

/// Where the frames of a client are, as far as their lengths lead.
pub(super) fn frames(bytes: &[u8]) -> Vec<Range<usize>> {
    let (mut frames, mut at) = (Vec::new(), if bytes.starts_with(PREFACE) { PREFACE.len() } else { 0 });
    while let Some([high, middle, low]) = bytes.get(at..at + 3) {
        let length = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
        let end = at + HEAD_BYTES + length;
        if end > bytes.len() {
            break;
        }
        frames.push(at..end);
        at = end;
    }
    frames
}

/// Changes whole frames, or their heads.
pub(super) fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut fastrand::Rng) {
    let own = frames(bytes);
    let Some(chosen) = random.choice(&own).cloned() else {
        return bytes.extend_from_slice(&frame(random));
    };
    match random.u8(..8) {
        0 => drop(bytes.drain(chosen)),
        1 => {
            let copy = bytes[chosen.clone()].to_vec();
            bytes.splice(chosen.start..chosen.start, copy);
        }
        // A wrong length moves all that follows.
        2 => bytes[chosen.start + random.usize(..3)] = random.u8(..),
        3 => bytes[chosen.start + 3] = random.u8(..11),
        4 => bytes[chosen.start + 4] ^= 1 << random.u8(..8),
        5 => bytes[chosen.start + 8] = random.u8(..9),
        6 => {
            let theirs = frames(other);
            let copy = random.choice(&theirs).map_or_else(Vec::new, |range| other[range.clone()].to_vec());
            bytes.splice(chosen.end..chosen.end, copy);
        }
        _ => {
            bytes.splice(chosen.end..chosen.end, frame(random));
        }
    }
    bytes.truncate(super::BYTES_MAX);
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server accepts");
    stream.set_nodelay(true).expect("TCP_NODELAY can be set");
    stream
}

/// Reads until the server ends the connection (`true`), or says nothing for so long.
fn read(stream: &mut TcpStream, answer: &mut Vec<u8>, quiet: Duration) -> bool {
    stream.set_read_timeout(Some(quiet)).expect("a timeout can be set");
    let mut buffer = [0; 8192];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return false,
            Err(_) => return true,
        }
    }
}

/// One connection: the bytes are sent in up to three pieces, and the client waits for answers; then it closes its
/// sending side, or disconnects. Returns everything that the server sends.
pub(super) fn exchange(address: SocketAddr, bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut stream = connect(address);
    let mut cuts = [random.usize(..=bytes.len()), random.usize(..=bytes.len())];
    cuts.sort_unstable();
    for piece in [&bytes[..cuts[0]], &bytes[cuts[0]..cuts[1]], &bytes[cuts[1]..]] {
        // The server may have refused the rest.
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    if random.u8(..32) == 1 || read(&mut stream, &mut answer, QUIET) {
        return answer;
    }
    let _ = stream.shutdown(Shutdown::Write);
    let has_ended = read(&mut stream, &mut answer, CONNECTION_MAX);
    assert!(has_ended, "the connection has not ended: seed {seed}, \"{}\"", bytes.escape_ascii());
    answer
}

/// The kinds of the frames, the first byte of a head (the status, where it is a usual one), and the code of an error.
pub(super) fn way(answer: &[u8]) -> String {
    // Input that does not start as HTTP/2 is read as HTTP/1.
    if answer.starts_with(b"HTTP/1.") {
        return super::way_of_http(answer);
    }
    let mut way = String::new();
    for (number, frame) in frames(answer).into_iter().enumerate() {
        let frame = &answer[frame];
        let (kind, flags, content) = (frame[3], frame[4], &frame[HEAD_BYTES..]);
        assert!(number > 0 || kind == SETTINGS, "no HTTP/2: {}", answer.escape_ascii());
        assert!(kind <= CONTINUATION && kind != PUSH_PROMISE, "frame {kind}: {}", answer.escape_ascii());
        match kind {
            // When they come depends on the server's threads.
            SETTINGS | WINDOW_UPDATE | PING => continue,
            HEADERS => way += &format!("h{:x}", content.first().copied().unwrap_or_default()),
            RST_STREAM => way += &format!("r{:?}", content.last()),
            GOAWAY => way += &format!("g{:?}", content.get(7)),
            _ => way += &kind.to_string(),
        }
        if flags & END_STREAM != 0 {
            way += "e";
        }
        if way.len() > 40 {
            break;
        }
    }
    way
}

/// The body of the answer to a request.
pub(super) fn answer(address: SocketAddr, method: &str, path: &str, body: &[u8]) -> String {
    let mut stream = connect(address);
    let head = put(HEADERS, END_HEADERS, 1, &request(method, path, &[]));
    let bytes = [PREFACE, &put(SETTINGS, 0, 0, &[]), &head, &put(DATA, END_STREAM, 1, body)].concat();
    stream.write_all(&bytes).expect("the server takes the request");
    let (mut answer, until) = (Vec::new(), Instant::now() + CONNECTION_MAX);
    while Instant::now() < until {
        let has_ended = read(&mut stream, &mut answer, QUIET);
        let data = frames(&answer).into_iter().filter(|frame| answer[frame.start + 3] == DATA);
        let data: Vec<u8> = data.flat_map(|frame| answer[frame.start + HEAD_BYTES..frame.end].to_vec()).collect();
        let is_whole = frames(&answer).into_iter().any(|frame| {
            matches!(answer[frame.start + 3], DATA | HEADERS) && answer[frame.start + 4] & END_STREAM != 0
        });
        if is_whole || has_ended {
            return String::from_utf8_lossy(&data).into_owned();
        }
    }
    panic!("no answer: {}", answer.escape_ascii());
}
