//! Paths as bytes (pure): a request path is not text, and a file name on Unix is not either.

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

/// Why a path cannot be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadPath;

/// The normalized path: percent-decoded, without empty, `.` and `..` segments, always with a leading slash. A trailing
/// slash is kept. `..` at the top is dropped, so the result never leaves the root.
///
/// # Errors An invalid percent sequence, or a NUL byte, which no file name can contain.
pub(super) fn normalize(raw: &str) -> Result<Vec<u8>, BadPath> {
    if is_normal(raw.as_bytes()) {
        return Ok(raw.into());
    }
    decode(raw.as_bytes()).map(|decoded| clean(&decoded))
}

/// Whether a path has nothing that the slow way would change. Most have not; where in doubt, the answer is no.
fn is_normal(raw: &[u8]) -> bool {
    raw.starts_with(b"/")
        && !raw.iter().any(|byte| matches!(byte, b'%' | 0))
        && !raw.windows(2).any(|pair| matches!(pair, b"//" | b"/."))
}

/// The same for a path that needs no decoding.
pub(super) fn clean(path: &[u8]) -> Vec<u8> {
    let mut clean: Vec<u8> = Vec::with_capacity(path.len() + 1);
    let mut is_directory = true;
    for segment in path.split(|&byte| byte == b'/') {
        is_directory = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => clean.truncate(clean.iter().rposition(|&byte| byte == b'/').unwrap_or(0)),
            _ => {
                clean.push(b'/');
                clean.extend_from_slice(segment);
            }
        }
    }
    if clean.is_empty() || is_directory {
        clean.push(b'/');
    }
    clean
}

/// Percent signs only: a `+` in a path is a plus.
fn decode(raw: &[u8]) -> Result<Vec<u8>, BadPath> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let byte = if byte == b'%' {
            let (digits, tail) = rest.split_at_checked(2).ok_or(BadPath)?;
            rest = tail;
            hex(digits[0])? << 4 | hex(digits[1])?
        } else {
            byte
        };
        if byte == 0 {
            return Err(BadPath);
        }
        decoded.push(byte);
    }
    Ok(decoded)
}

/// The value of a digit.
fn hex(digit: u8) -> Result<u8, BadPath> {
    char::from(digit).to_digit(16).map(|value| value as u8).ok_or(BadPath)
}

/// A decoded path, encoded for a URI.
pub(super) fn encode(path: &[u8]) -> String {
    percent_encode(path, NOT_IN_PATHS).to_string()
}

/// The bytes that a path in a URI must escape.
const NOT_IN_PATHS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// The place where `path` splits into script and path info: after the first of `extensions` that ends a segment.
pub(super) fn split_script<'p>(path: &'p [u8], extensions: &[String]) -> Option<(&'p [u8], &'p [u8])> {
    let ends = path.iter().enumerate().filter(|&(_, &byte)| byte == b'/').map(|(at, _)| at).skip(1);
    ends.chain([path.len()])
        .find(|&end| extensions.iter().any(|extension| ends_with_ignoring_case(&path[..end], extension.as_bytes())))
        .map(|end| path.split_at(end))
}

/// Whether `text` ends with `suffix`, ignoring ASCII case.
pub(super) fn ends_with_ignoring_case(text: &[u8], suffix: &[u8]) -> bool {
    text.len() >= suffix.len() && text[text.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalizing() {
        let cases: &[(&str, Result<&str, BadPath>)] = &[
            ("/", Ok("/")),
            ("", Ok("/")),
            ("*", Ok("/*")),
            ("/a/b", Ok("/a/b")),
            ("/a/b/", Ok("/a/b/")),
            ("//a///b//", Ok("/a/b/")),
            ("/a/./b/.", Ok("/a/b/")),
            ("/a/../b", Ok("/b")),
            ("/a/..", Ok("/")),
            ("/../../etc/passwd", Ok("/etc/passwd")),
            ("/%2e%2e/%2E%2e/etc/passwd", Ok("/etc/passwd")),
            ("/..%2f..%2fetc", Ok("/etc")),
            ("/a%20b", Ok("/a b")),
            ("/a+b", Ok("/a+b")),
            ("/%25%32%65", Ok("/%2e")),
            ("/...", Ok("/...")),
            ("/.env", Ok("/.env")),
            ("/a%00b", Err(BadPath)),
            ("/a%", Err(BadPath)),
            ("/a%2", Err(BadPath)),
            ("/a%zz", Err(BadPath)),
            ("/a%+1", Err(BadPath)),
        ];
        for &(raw, expected) in cases {
            assert_eq!(normalize(raw), expected.map(|path| path.as_bytes().to_vec()), "{raw}");
        }
        assert_eq!(normalize("/%ff"), Ok(b"/\xff".to_vec()));
    }

    #[test]
    fn splitting() {
        let extensions = [".php".to_owned()];
        let cases: &[(&str, Option<(&str, &str)>)] = &[
            ("/index.php", Some(("/index.php", ""))),
            ("/index.php/", Some(("/index.php", "/"))),
            ("/index.php/a/b.php", Some(("/index.php", "/a/b.php"))),
            ("/INDEX.PHP/a", Some(("/INDEX.PHP", "/a"))),
            ("/a.phpx/b.php", Some(("/a.phpx/b.php", ""))),
            ("/a.php.bak", None),
            ("/a", None),
            ("/", None),
        ];
        for &(path, expected) in cases {
            let expected = expected.map(|(script, info)| (script.as_bytes(), info.as_bytes()));
            assert_eq!(split_script(path.as_bytes(), &extensions), expected, "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_normal_path_is_absolute_and_has_no_dots(raw in "(/|\\.|%2e|%2f|%2F|a|%41|\\\\|%5c|[^\0])*") {
            if let Ok(path) = normalize(&raw) {
                assert_eq!(path.first(), Some(&b'/'));
                assert!(!path.contains(&0));
                let inner = path.strip_suffix(b"/").unwrap_or(&path);
                for segment in inner.split(|&byte| byte == b'/').skip(1) {
                    assert!(!matches!(segment, b"" | b"." | b".."), "{raw:?} gave {}", path.escape_ascii());
                }
                assert!(!is_normal(raw.as_bytes()) || raw.as_bytes() == clean(&path), "{raw:?} is not normal");
            }
        }
    }
}
