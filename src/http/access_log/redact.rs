//! Masks secrets in access records (pure): values of queries and header fields that would let a reader act as the user.

use std::borrow::Cow;

use http::HeaderName;
use percent_encoding::percent_decode_str;

/// Replaces a secret. The word that Caddy uses.
pub const REDACTED: &str = "REDACTED";

/// The names of secret query values, in lower case.
const SECRET_PARAMETERS: [&str; 33] = [
    "access_key",
    "access_token",
    "accesstoken",
    "api_key",
    "api_token",
    "apikey",
    "auth",
    "auth_token",
    "authorization",
    "authtoken",
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "credentials",
    "id_token",
    "jwt",
    "key",
    "otp",
    "pass",
    "passwd",
    "password",
    "phpsessid",
    "pwd",
    "refresh_token",
    "secret",
    "session_id",
    "sessionid",
    "sig",
    "signature",
    "token",
    "x-amz-security-token",
    "x-amz-signature",
];

/// The fields whose whole value is secret: those that Caddy masks, and common ones for keys.
const SECRET_FIELDS: [&str; 7] =
    ["authorization", "cookie", "set-cookie", "proxy-authorization", "x-api-key", "x-auth-token", "x-csrf-token"];

/// The fields whose value is an address, which may have a query.
const URI_FIELDS: [&str; 5] = ["referer", "location", "content-location", "x-original-uri", "x-forwarded-uri"];

/// Whether a query value of this name is secret. The name may be percent-encoded, and name an element of an array
/// (`user[password]`, `token[]`): then its parts count one by one.
fn is_secret_parameter(name: &str) -> bool {
    let decoded = percent_decode_str(name).decode_utf8_lossy().replace('+', " ").to_ascii_lowercase();
    let mut parts = decoded.split(['[', ']', '.']).map(str::trim);
    parts.any(|part| SECRET_PARAMETERS.contains(&part))
}

/// A piece of a query, and the separator at its end, which the last piece does not have.
fn without_separator(piece: &str) -> (&str, &str) {
    match piece.char_indices().next_back() {
        Some((last, character)) if SEPARATORS.contains(&character) => piece.split_at(last),
        _ => (piece, ""),
    }
}

/// Whether the value of a pair `NAME=VALUE` must not reach a log.
fn is_secret(pair: &str) -> bool {
    pair.split_once('=').is_some_and(|(name, _)| is_secret_parameter(name))
}

/// The address with the values of secret parameters masked, in its query and in its fragment.
pub fn redact_uri(uri: &str) -> Cow<'_, str> {
    let Some(at) = uri.find(['?', '#']) else { return Cow::Borrowed(uri) };
    let (before, query) = uri.split_at(at + 1);
    if !query.split(SEPARATORS).any(is_secret) {
        return Cow::Borrowed(uri);
    }
    let mut redacted = before.to_owned();
    for piece in query.split_inclusive(SEPARATORS) {
        let (pair, separator) = without_separator(piece);
        match pair.split_once('=') {
            Some((name, _)) if is_secret_parameter(name) => {
                redacted.push_str(name);
                redacted.push('=');
                redacted.push_str(REDACTED);
            }
            _ => redacted.push_str(pair),
        }
        redacted.push_str(separator);
    }
    Cow::Owned(redacted)
}

/// The bytes between two parameters. PHP and others can be configured to split at `;`. A second `?` has no meaning, but
/// often starts the query of a nested address.
const SEPARATORS: [char; 4] = ['&', ';', '?', '#'];

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
    fn secret_values_are_masked_and_nothing_else() {
        for (uri, expected) in [
            ("/", "/"),
            ("/a?b=1", "/a?b=1"),
            ("/token=1", "/token=1"),
            ("/?token", "/?token"),
            ("/?token=", "/?token=REDACTED"),
            ("/?a=1&token=s&b=2", "/?a=1&token=REDACTED&b=2"),
            ("/?Access_Token=s", "/?Access_Token=REDACTED"),
            ("/?%74oken=s", "/?%74oken=REDACTED"),
            ("/?token%5B%5D=s", "/?token%5B%5D=REDACTED"),
            ("/?user[password]=s", "/?user[password]=REDACTED"),
            ("/?user[name]=n", "/?user[name]=n"),
            ("/?a=1;code=s;b=2", "/?a=1;code=REDACTED;b=2"),
            ("/?url=/b?token=s&c=1", "/?url=/b?token=REDACTED&c=1"),
            ("/?token=a=b&c=d", "/?token=REDACTED&c=d"),
            ("/cb#id_token=s&state=1", "/cb#id_token=REDACTED&state=1"),
            ("/?tokens=1&postcode=2", "/?tokens=1&postcode=2"),
            ("/?&&token=s&", "/?&&token=REDACTED&"),
            ("/?ü=1&token=s", "/?ü=1&token=REDACTED"),
        ] {
            assert_eq!(redact_uri(uri), expected, "{uri}");
        }
    }

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

    proptest::proptest! {
        #[test]
        fn no_value_of_a_token_is_left(before in "[a-z=&;?#%\\[\\]é]{0,12}", value in "SECRET[0-9a-z.=]{0,8}") {
            let uri = format!("/?{before}&token={value}&after=1");
            let redacted = redact_uri(&uri);
            assert!(!redacted.contains("SECRET"), "{uri} gave {redacted}");
            assert!(redacted.ends_with("&after=1"));
        }
    }
}
