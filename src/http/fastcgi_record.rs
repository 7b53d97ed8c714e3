//! Records: the frames of FastCGI (pure), for both of its sides.

use bytes::{Buf, BytesMut};

use crate::limits;

/// The only version of the protocol.
const VERSION: u8 = 1;

/// The kinds of records.
pub(super) const BEGIN_REQUEST: u8 = 1;
pub(super) const ABORT_REQUEST: u8 = 2;
pub(super) const END_REQUEST: u8 = 3;
pub(super) const PARAMS: u8 = 4;
pub(super) const STDIN: u8 = 5;
pub(super) const STDOUT: u8 = 6;
pub(super) const STDERR: u8 = 7;
pub(super) const GET_VALUES: u8 = 9;
pub(super) const GET_VALUES_RESULT: u8 = 10;
pub(super) const UNKNOWN_TYPE: u8 = 11;

/// The role of a web application, the only supported one.
pub(super) const RESPONDER: u16 = 1;

/// The protocol's status at the end of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EndStatus {
    Complete = 0,
    /// A second request on the connection while one runs.
    CannotMultiplex = 1,
    UnknownRole = 3,
}

const HEADER_BYTES: usize = 8;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kind: u8,
    /// The request; 0: the connection.
    pub(super) id: u16,
    pub(super) content: Vec<u8>,
}

/// What is no record.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client does not speak FastCGI; set the web server to speak it to this address")]
pub(in crate::http) struct NotFastCgi;

/// Removes the first record from the bytes that were read; `None` if it is not complete yet. The other bytes stay in place:
/// moving them for each of many small records in one read would cost the square of their number.
pub(super) fn take(buffer: &mut BytesMut) -> Result<Option<Record>, NotFastCgi> {
    match buffer.first() {
        None => return Ok(None),
        Some(&VERSION) => {}
        Some(_) => return Err(NotFastCgi),
    }
    let Some(header) = buffer.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
    let [_, kind, id_high, id_low, length_high, length_low, padding, _] = *header;
    let length = usize::from(u16::from_be_bytes([length_high, length_low]));
    let end = HEADER_BYTES + length;
    if buffer.len() < end + usize::from(padding) {
        return Ok(None);
    }
    let content = buffer[HEADER_BYTES..end].to_vec();
    buffer.advance(end + usize::from(padding));
    Ok(Some(Record { kind, id: u16::from_be_bytes([id_high, id_low]), content }))
}

/// Appends records with this content; none when it is empty.
pub(super) fn put(into: &mut Vec<u8>, kind: u8, id: u16, content: &[u8]) {
    for piece in content.chunks(limits::FASTCGI_RECORD_BYTES_MAX) {
        put_one(into, kind, id, piece);
    }
}

/// Appends one record, which may be empty. The content has at most 65535 bytes.
pub(super) fn put_one(into: &mut Vec<u8>, kind: u8, id: u16, content: &[u8]) {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
    let ([id_high, id_low], [length_high, length_low]) = (id.to_be_bytes(), length.to_be_bytes());
    into.extend_from_slice(&[VERSION, kind, id_high, id_low, length_high, length_low, 0, 0]);
    into.extend_from_slice(&content[..usize::from(length)]);
}

/// Appends the end of a request.
pub(super) fn put_end(into: &mut Vec<u8>, id: u16, status: EndStatus) {
    put_one(into, END_REQUEST, id, &[0, 0, 0, 0, status as u8, 0, 0, 0]);
}

/// The names and values of a stream of parameters; `None` if it ends in the middle of one.
pub(super) fn pairs(mut bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut pairs = Vec::new();
    while !bytes.is_empty() {
        let name_length = length(&mut bytes)?;
        let value_length = length(&mut bytes)?;
        let (name, rest) = bytes.split_at_checked(name_length)?;
        let (value, rest) = rest.split_at_checked(value_length)?;
        pairs.push((name, value));
        bytes = rest;
    }
    Some(pairs)
}

/// A length in one byte, or in four if the first has its highest bit set.
fn length(bytes: &mut &[u8]) -> Option<usize> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        *bytes = rest;
        return Some(usize::from(first));
    }
    let (four, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    Some((u32::from_be_bytes(*four) & 0x7fff_ffff) as usize)
}

/// Appends a parameter.
pub(super) fn put_pair(into: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for length in [name.len(), value.len()] {
        match u8::try_from(length) {
            Ok(short) if short < 0x80 => into.push(short),
            _ => into.extend_from_slice(&(u32::try_from(length).unwrap_or(0x7fff_ffff) | 0x8000_0000).to_be_bytes()),
        }
    }
    into.extend_from_slice(name);
    into.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_taken_whole_and_in_order() {
        let mut wire = Vec::new();
        put_one(&mut wire, PARAMS, 258, b"abc");
        put_one(&mut wire, STDIN, 1, b"");
        // With padding.
        wire.extend_from_slice(&[1, STDIN, 0, 7, 0, 2, 3, 0, b'x', b'y', 9, 9, 9]);
        let mut buffer = BytesMut::new();
        let mut taken = Vec::new();
        for byte in wire {
            buffer.extend([byte]);
            taken.extend(take(&mut buffer).expect("FastCGI"));
        }
        let expected = [(PARAMS, 258, &b"abc"[..]), (STDIN, 1, b""), (STDIN, 7, b"xy")];
        let seen: Vec<(u8, u16, &[u8])> =
            taken.iter().map(|record| (record.kind, record.id, record.content.as_slice())).collect();
        assert_eq!((seen.as_slice(), buffer.len()), (&expected[..], 0));
        assert_eq!(take(&mut BytesMut::from("GET / HTTP/1.1\r\n")), Err(NotFastCgi));
    }

    #[test]
    fn large_content_becomes_several_records_and_none_is_empty() {
        let mut wire = Vec::new();
        put(&mut wire, STDOUT, 1, &vec![b'x'; 2 * limits::FASTCGI_RECORD_BYTES_MAX + 1]);
        let mut lengths = Vec::new();
        let mut buffer = BytesMut::from(wire.as_slice());
        while let Some(record) = take(&mut buffer).expect("FastCGI") {
            lengths.push(record.content.len());
        }
        assert_eq!(lengths, [limits::FASTCGI_RECORD_BYTES_MAX, limits::FASTCGI_RECORD_BYTES_MAX, 1]);
        wire.clear();
        put(&mut wire, STDOUT, 1, b"");
        assert!(wire.is_empty());
    }

    #[test]
    fn the_bytes_behind_a_record_are_not_moved() {
        let mut wire = Vec::new();
        for _ in 0..1000 {
            put_one(&mut wire, STDIN, 1, b"x");
        }
        let mut buffer = BytesMut::from(wire.as_slice());
        let first = buffer.as_ptr() as usize;
        for count in 1..1000 {
            take(&mut buffer).expect("FastCGI").expect("a record");
            assert_eq!(buffer.as_ptr() as usize - first, count * (HEADER_BYTES + 1));
        }
    }

    #[test]
    fn pairs_have_short_and_long_lengths_and_are_never_cut() {
        let mut bytes = Vec::new();
        put_pair(&mut bytes, b"A", b"");
        put_pair(&mut bytes, b"B", &[b'v'; 256]);
        assert_eq!(bytes[3..8], [1, 0x80, 0, 1, 0]);
        let read = pairs(&bytes).expect("whole pairs");
        assert_eq!((read[0], read[1].0, read[1].1.len()), ((&b"A"[..], &b""[..]), &b"B"[..], 256));
        for cut in 1..bytes.len() {
            assert!(cut == 3 || pairs(&bytes[..cut]).is_none(), "{cut}");
        }
        assert_eq!(pairs(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]), None);
    }
}
