//! Words of a Caddyfile (pure).

/// `$NAME` is a variable of the server's environment.
pub(super) fn variable(value: &str) -> String {
    match value.strip_prefix('$') {
        Some(name) if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => format!("{{${name}}}"),
        _ => value.to_owned(),
    }
}

/// A word of a Caddyfile; in quotes where it needs them.
pub(super) fn word(text: &str) -> String {
    let is_plain = !text.is_empty() && !text.contains(|char: char| char.is_whitespace() || "\"`#\\".contains(char));
    if is_plain { text.to_owned() } else { quoted(text) }
}

/// Between quotes. Only a backslash before a quote has a meaning there, and none between backquotes.
pub(super) fn quoted(text: &str) -> String {
    if text.contains('\\') && !text.contains('`') {
        return format!("`{text}`");
    }
    format!("\"{}\"", text.replace('"', "\\\""))
}
