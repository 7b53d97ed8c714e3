//! Paths and patterns as bytes (pure): a request path is not text, and a file name on Unix is not either.

/// Why a path cannot be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadPath;

/// The path that the client means: percent-decoded, without empty, `.` and `..` segments, always beginning with a
/// slash. A slash at the end is kept. `..` at the top is dropped, so the result never leaves the root.
///
/// # Errors
/// For a broken percent sequence and for a NUL byte, which no file name can hold.
pub(super) fn normalize(raw: &str) -> Result<Vec<u8>, BadPath> {
    let decoded = decode(raw.as_bytes())?;
    let mut clean: Vec<u8> = Vec::with_capacity(decoded.len() + 1);
    let mut is_directory = true;
    for segment in decoded.split(|&byte| byte == b'/') {
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
    Ok(clean)
}

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

fn hex(digit: u8) -> Result<u8, BadPath> {
    char::from(digit).to_digit(16).map(|value| value as u8).ok_or(BadPath)
}

/// Where `path` is split into script and path info: after the first of `extensions` that ends a segment.
pub(super) fn split_script<'p>(path: &'p [u8], extensions: &[String]) -> Option<(&'p [u8], &'p [u8])> {
    let ends = path.iter().enumerate().filter(|&(_, &byte)| byte == b'/').map(|(at, _)| at).skip(1);
    ends.chain([path.len()])
        .find(|&end| extensions.iter().any(|extension| ends_with_ignoring_case(&path[..end], extension.as_bytes())))
        .map(|end| path.split_at(end))
}

/// Whether `text` ends with `suffix`, compared without regard to case.
pub(super) fn ends_with_ignoring_case(text: &[u8], suffix: &[u8]) -> bool {
    text.len() >= suffix.len() && text[text.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
}

/// Whether a path pattern of a matcher covers `path`. `*` at the start, the end or both stands for anything; in the
/// middle for anything within one segment. Case does not count.
pub(super) fn path_matches(pattern: &str, path: &[u8]) -> bool {
    let pattern = pattern.as_bytes();
    let (open_start, core) = pattern.strip_prefix(b"*").map_or((false, pattern), |core| (true, core));
    let (open_end, core) = core.strip_suffix(b"*").map_or((false, core), |core| (true, core));
    if core.is_empty() {
        return open_start || open_end || path.is_empty();
    }
    if !core.contains(&b'*') {
        return ends_match(open_start, core, open_end, path);
    }
    // A star in the middle: every end of the core is tried where the pattern leaves the ends open.
    let starts = if open_start { 0..path.len() + 1 } else { 0..1 };
    starts.into_iter().any(|start| segment_glob(core, &path[start..], open_end))
}

/// Whether `text` is `pattern`, where a `*` at the start or end stands for anything.
pub(super) fn ends_glob(pattern: &[u8], text: &[u8]) -> bool {
    let (open_start, core) = pattern.strip_prefix(b"*").map_or((false, pattern), |core| (true, core));
    let (open_end, core) = core.strip_suffix(b"*").map_or((false, core), |core| (true, core));
    ends_match(open_start, core, open_end, text)
}

fn ends_match(open_start: bool, core: &[u8], open_end: bool, text: &[u8]) -> bool {
    if core.len() > text.len() {
        return false;
    }
    match (open_start, open_end) {
        (false, false) => text.eq_ignore_ascii_case(core),
        (false, true) => text[..core.len()].eq_ignore_ascii_case(core),
        (true, false) => ends_with_ignoring_case(text, core),
        (true, true) => core.is_empty() || text.windows(core.len()).any(|window| window.eq_ignore_ascii_case(core)),
    }
}

/// Matches a pattern whose stars stay within a segment, against all of `text` or, with `open_end`, its beginning.
/// One position to come back to is enough, because a later star can always do what an earlier one could, except across
/// a slash, where coming back is useless.
fn segment_glob(pattern: &[u8], text: &[u8], open_end: bool) -> bool {
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let matched = match (pattern.get(at_pattern), text.get(at_text)) {
            (None, None) => return true,
            (None, Some(_)) if open_end => return true,
            (Some(b'*'), _) => {
                retry = Some((at_pattern + 1, at_text));
                at_pattern += 1;
                continue;
            }
            (Some(wanted), Some(byte)) => wanted.eq_ignore_ascii_case(byte),
            _ => false,
        };
        if matched {
            at_pattern += 1;
            at_text += 1;
            continue;
        }
        match retry {
            Some((after_star, from)) if text.get(from).is_some_and(|&byte| byte != b'/') => {
                retry = Some((after_star, from + 1));
                (at_pattern, at_text) = (after_star, from + 1);
            }
            _ => return false,
        }
    }
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

    #[test]
    fn patterns() {
        let cases: &[(&str, &str, bool)] = &[
            ("*", "/any", true),
            ("/a", "/a", true),
            ("/a", "/A", true),
            ("/a", "/a/", false),
            ("/a/*", "/a/b/c", true),
            ("/a/*", "/a", false),
            ("/a*", "/abc", true),
            ("*.php", "/x/y.PHP", true),
            ("*.php", "/x.php/y", false),
            ("*/api/*", "/v1/api/x", true),
            ("*/api/*", "/api", false),
            ("/a/*/c", "/a/b/c", true),
            ("/a/*/c", "/a/b/b/c", false),
            ("/a/*/c/*", "/a/b/c/d/e", true),
            ("/a/*b*/c", "/a/xbybz/c", true),
            ("*x*y*", "/aax1y2", true),
            ("*x*y*", "/x/y", false),
            ("", "/", false),
        ];
        for &(pattern, path, expected) in cases {
            assert_eq!(path_matches(pattern, path.as_bytes()), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn globs_on_header_values() {
        let cases: &[(&str, &str, bool)] = &[
            ("*", "", true),
            ("*", "x", true),
            ("", "", true),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("*b*", "abc", true),
            ("ab", "abc", false),
            ("abc", "ab", false),
        ];
        for &(pattern, text, expected) in cases {
            assert_eq!(ends_glob(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
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
            }
        }
    }
}
