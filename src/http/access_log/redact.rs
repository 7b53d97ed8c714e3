//! Masks secrets in access records (pure): values of queries and header fields that would let a reader act as the user.

use std::borrow::Cow;

use http::HeaderName;

pub use crate::secrets::{REDACTED, redact_uri};

/// The fields whose whole value is secret: those that Caddy masks, and common ones for keys.
const SECRET_FIELDS: [&str; 7] =
    ["authorization", "cookie", "set-cookie", "proxy-authorization", "x-api-key", "x-auth-token", "x-csrf-token"];

/// The fields whose value is an address, which may have a query.
const URI_FIELDS: [&str; 5] = ["referer", "location", "content-location", "x-original-uri", "x-forwarded-uri"];

/// The value of a header field, masked for a log.
pub fn redact_field<'v>(name: &HeaderName, value: &'v str) -> Cow<'v, str> {
    let name = name.as_str();
    if SECRET_FIELDS.contains(&name) {
        Cow::Borrowed(REDACTED)
    } else if URI_FIELDS.contains(&name) {
        redact_uri(value)
    } else {
        Cow::Borrowed(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_fields_are_masked() {
        for (name, value, expected) in [
            ("authorization", "Bearer s", REDACTED),
            ("cookie", "a=b", REDACTED),
            ("set-cookie", "a=b", REDACTED),
            ("referer", "http://a/?token=s", "http://a/?token=REDACTED"),
            ("user-agent", "curl", "curl"),
        ] {
            assert_eq!(redact_field(&HeaderName::from_static(name), value), expected, "{name}");
        }
    }
}
