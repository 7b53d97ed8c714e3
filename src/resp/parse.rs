//! Reads requests: an array of strings, or a line of words. Our own parser because of its bounds: it allocates nothing
//! for bytes that a client has only announced.

use std::str::from_utf8;

/// What one client may send.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) arguments_max: usize,
    pub(super) argument_bytes_max: usize,
}

/// How many bytes a request takes; `None`: it is incomplete. An error is for the client.
type Read = Result<Option<usize>, &'static str>;

/// The longest line: the head of an array or a string, or a request in words.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Puts the words of the first request of the buffer into `arguments`, which the requests of one read share, and returns how
/// many bytes it takes; `None`: it is incomplete.
///
/// # Errors It is not a request; the text is for the client.
pub(super) fn request<'b>(buffer: &'b [u8], bounds: Bounds, arguments: &mut Vec<&'b [u8]>) -> Read {
    arguments.clear();
    if buffer.first().is_none_or(|first| *first != b'*') {
        return words(buffer, arguments);
    }
    let Some((count, mut at)) = number(buffer, 1, "ERR Protocol error: invalid multibulk length")? else {
        return Ok(None);
    };
    if count > bounds.arguments_max as i64 {
        return Err("ERR Protocol error: invalid multibulk length");
    }
    for _ in 0..count {
        match buffer.get(at) {
            None => return Ok(None),
            Some(b'$') => {}
            Some(_) => return Err("ERR Protocol error: expected '$'"),
        }
        let Some((len, start)) = number(buffer, at + 1, "ERR Protocol error: invalid bulk length")? else {
            return Ok(None);
        };
        let len = usize::try_from(len).map_err(|_| "ERR Protocol error: invalid bulk length")?;
        if len > bounds.argument_bytes_max {
            return Err("ERR Protocol error: invalid bulk length");
        }
        let Some(bytes) = buffer.get(start..start + len + 2) else { return Ok(None) };
        if &bytes[len..] != b"\r\n" {
            return Err("ERR Protocol error: a string does not end where it should");
        }
        arguments.push(&bytes[..len]);
        at = start + len + 2;
    }
    Ok(Some(at))
}

/// A request as a person types it.
fn words<'b>(buffer: &'b [u8], arguments: &mut Vec<&'b [u8]>) -> Read {
    let Some(end) = buffer.iter().take(LINE_BYTES_MAX).position(|byte| *byte == b'\n') else {
        return if buffer.len() >= LINE_BYTES_MAX {
            Err("ERR Protocol error: too big inline request")
        } else {
            Ok(None)
        };
    };
    arguments.extend(buffer[..end].split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()));
    Ok(Some(end + 1))
}

/// A number up to the end of its line, and the start of the next line.
fn number(buffer: &[u8], start: usize, error: &'static str) -> Result<Option<(i64, usize)>, &'static str> {
    /// Digits, a sign and the end of the line.
    const BYTES_MAX: usize = 24;
    let line = &buffer[start.min(buffer.len())..];
    let Some(end) = line.iter().take(BYTES_MAX).position(|byte| *byte == b'\n') else {
        return if line.len() >= BYTES_MAX { Err(error) } else { Ok(None) };
    };
    let digits = line[..end].strip_suffix(b"\r").ok_or(error)?;
    let number = from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or(error)?;
    Ok(Some((number, start + end + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { arguments_max: 3, argument_bytes_max: 5 };

    /// The words of a request, and how many bytes it takes.
    type Words<'b> = (Vec<&'b [u8]>, usize);

    /// The first request.
    fn request(buffer: &[u8]) -> Result<Option<Words<'_>>, &'static str> {
        let mut arguments = vec![&b"of the request before"[..]];
        Ok(super::request(buffer, BOUNDS, &mut arguments)?.map(|len| (arguments, len)))
    }

    #[test]
    fn a_request_is_read_once_it_is_whole() {
        let whole = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n";
        let first = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".len();
        for end in 0..first {
            assert_eq!(request(&whole[..end]), Ok(None), "{end} bytes");
        }
        assert_eq!(request(whole), Ok(Some((vec![&b"GET"[..], b"k"], first))));
        assert_eq!(request(&whole[first..]), Ok(Some((vec![&b"PING"[..]], 6))));
    }

    #[test]
    fn what_is_too_much_is_refused_before_it_arrives() {
        for wrong in [
            &b"*4\r\n"[..],
            b"*1\r\n$6\r\n",
            b"*1\r\n$-1\r\n",
            b"*x\r\n",
            b"*1\r\n+OK\r\n",
            b"*9999999999999999999999999",
        ] {
            assert!(request(wrong).is_err(), "{}", String::from_utf8_lossy(wrong));
        }
        assert!(request(b"*1\r\n$1\r\nkkk").is_err());
        assert!(request(&vec![b'x'; LINE_BYTES_MAX]).is_err());
    }
}
