//! Which known name a misspelled one is most like (pure).

/// Longer words are not compared with names: that takes time, and none would be similar.
pub(super) const COMPARED_BYTES_MAX: usize = 1024;

/// The least similarity (Jaro-Winkler, 0 to 1) at which a name is suggested.
const SIMILARITY_MIN: f64 = 0.8;

/// The name that `text` probably means.
pub(crate) fn nearest<'a>(text: &str, known: &[&'a str]) -> Option<&'a str> {
    if text.len() > COMPARED_BYTES_MAX {
        return None;
    }
    let text = text.to_ascii_lowercase();
    known
        .iter()
        .map(|name| (strsim::jaro_winkler(&text, name), *name))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
