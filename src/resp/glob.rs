//! The patterns of Redis: `*`, `?`, `[a-z]`, `[^x]`, and `\` before a sign that is meant.

/// Whether a pattern matches a whole text. The number of steps is at most the product of their lengths.
pub(super) fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut position) = (0, 0);
    // The place of the last star, and the length of text that it matches.
    let mut star: Option<(usize, usize)> = None;
    while position < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, position));
            at += 1;
            continue;
        }
        if let Some(next) = one(pattern, at, text[position]) {
            (at, position) = (next, position + 1);
            continue;
        }
        let Some((place, taken)) = star else { return false };
        star = Some((place, taken + 1));
        (at, position) = (place + 1, taken + 1);
    }
    pattern[at..].iter().all(|sign| *sign == b'*')
}

/// The rest of the pattern, if the part at `at` matches the byte.
fn one(pattern: &[u8], at: usize, byte: u8) -> Option<usize> {
    match pattern.get(at)? {
        b'?' => Some(at + 1),
        b'\\' if at + 1 < pattern.len() => (pattern[at + 1] == byte).then_some(at + 2),
        b'[' => class(pattern, at + 1, byte),
        sign => (*sign == byte).then_some(at + 1),
    }
}

fn class(pattern: &[u8], start: usize, byte: u8) -> Option<usize> {
    let is_negated = pattern.get(start) == Some(&b'^');
    let mut at = start + usize::from(is_negated);
    let mut found = false;
    while at < pattern.len() && pattern[at] != b']' {
        if pattern[at] == b'\\' && at + 1 < pattern.len() {
            at += 1;
        }
        if pattern.get(at + 1) == Some(&b'-') && pattern.get(at + 2).is_some_and(|end| *end != b']') {
            let (low, high) = (pattern[at].min(pattern[at + 2]), pattern[at].max(pattern[at + 2]));
            found |= (low..=high).contains(&byte);
            at += 3;
        } else {
            found |= pattern[at] == byte;
            at += 1;
        }
    }
    (found != is_negated).then_some((at + 1).min(pattern.len()))
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns_fit_as_in_redis() {
        for (pattern, text) in [
            ("*", ""),
            ("h?llo", "hello"),
            ("h*llo", "heeello"),
            ("h[ae]llo", "hallo"),
            ("h[^e]llo", "hallo"),
            ("h[a-c]llo", "hbllo"),
            ("a\\*b", "a*b"),
            ("*a*b*", "xxaxxbxx"),
            ("k:*:n", "k:1:2:n"),
            ("[", "x]"),
        ] {
            assert_eq!(fits(pattern.as_bytes(), text.as_bytes()), pattern != "[", "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("h?llo", "hllo"), ("h[^e]llo", "hello"), ("a\\*b", "axb"), ("a*b", "ac")] {
            assert!(!fits(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
    }
}
