//! How HTTP/1.1 writes the names of header fields (pure).

use http::HeaderName;

/// A field's name in the customary spelling of HTTP/1.1, which scripts expect: `Content-Type`. The client's own
/// spelling is not known, and in HTTP/2 all names are in lower case.
pub(super) fn append_canonical(to: &mut Vec<u8>, name: &HeaderName) {
    let mut starts = true;
    to.extend(name.as_str().bytes().map(|byte| {
        let upper = std::mem::replace(&mut starts, byte == b'-');
        if upper { byte.to_ascii_uppercase() } else { byte }
    }));
}
