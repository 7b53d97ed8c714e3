//! What looks like a secret, by its name (pure): values of queries, members of arrays, passwords in URLs. Logs, the admin
//! interface and the status pages mask these.

use std::borrow::Cow;

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

/// Parts of keys that name secrets, wherever they are in the key, in small letters.
const SECRET_PARTS: [&str; 17] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "private",
    "credential",
    "authorization",
    "connectionstring",
    "connection_string",
    "cookie",
    "session",
    "signature",
    "dsn",
];

/// Words that name secrets if a key has them as a word of its own: `db_pass` and `dbPass`, but not `passenger`.
const SECRET_WORDS: [&str; 10] = ["pass", "pwd", "pw", "jwt", "bearer", "auth", "oauth", "otp", "sig", "salt"];

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

/// Whether a member of an array with this key is secret.
pub fn is_secret_key(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    let words = words(key);
    SECRET_PARTS.iter().any(|part| lower.contains(part))
        || words.last().is_some_and(|last| last == "key")
        || words.iter().any(|word| SECRET_WORDS.contains(&word.as_str()))
}

/// The words of a key such as `DB_PASS`, `db-pass`, `dbPass` or `DBPass2`, in small letters.
fn words(key: &str) -> Vec<String> {
    let letters: Vec<char> = key.chars().collect();
    let mut apart = String::new();
    for (at, &letter) in letters.iter().enumerate() {
        let follows_small = at > 0 && letters[at - 1].is_lowercase();
        let precedes_small = letters.get(at + 1).is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && (follows_small || precedes_small) {
            apart.push(' ');
        }
        apart.push(if letter.is_alphabetic() { letter } else { ' ' });
    }
    apart.to_lowercase().split_whitespace().map(str::to_owned).collect()
}

/// The text with the passwords of URLs in it masked (`redis://user:REDACTED@host`), and the values of secret parameters.
pub fn redact_text(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find(SCHEME_END) else { return Cow::Borrowed(text) };
    let (before, mut rest) = text.split_at(first + SCHEME_END.len());
    let mut redacted = before.to_owned();
    loop {
        let end = rest.find(|letter: char| "/?#\"'<>".contains(letter) || letter.is_whitespace()).unwrap_or(rest.len());
        if let Some((credentials, _)) = rest[..end].rsplit_once('@') {
            if let Some((name, _)) = credentials.split_once(':') {
                redacted.push_str(name);
                redacted.push(':');
            }
            // A name alone is often a token.
            redacted.push_str(REDACTED);
            rest = &rest[credentials.len()..];
        }
        let next = rest.find(SCHEME_END).map_or(rest.len(), |at| at + SCHEME_END.len());
        redacted.push_str(&rest[..next]);
        rest = &rest[next..];
        if rest.is_empty() {
            break;
        }
    }
    Cow::Owned(redact_uri(&redacted).into_owned())
}

/// Behind the scheme of a URL.
const SCHEME_END: &str = "://";

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
    fn keys_of_secrets_are_found_word_by_word() {
        for key in "DB_PASSWORD db_pass dbPass DBPass DB-PASS pass pwd PWD2 smtp.pw jwt bearer auth basicAuth \
            oauth2 otp sig salt key api_key apiKey APIKey accessKeyId csrfToken session.id DATABASE_DSN \
            AWS_SECRET_ACCESS_KEY connectionString"
            .split_whitespace()
        {
            assert!(is_secret_key(key), "{key}");
        }
        for key in "title monkey keyboard passenger bypass author Authors signal keys 1 basalt".split_whitespace() {
            assert!(!is_secret_key(key), "{key}");
        }
    }

    #[test]
    fn passwords_in_urls_are_masked() {
        for (text, expected) in [
            ("redis://user:pw@host:6379/0", "redis://user:REDACTED@host:6379/0"),
            ("redis://:pw@host", "redis://:REDACTED@host"),
            ("mysql://u:p@ss@host/db?charset=utf8", "mysql://u:REDACTED@host/db?charset=utf8"),
            ("https://ghp_x@github.com/a", "https://REDACTED@github.com/a"),
            ("amqp://a:b@one,amqp://c:d@two", "amqp://a:REDACTED@one,amqp://c:REDACTED@two"),
            ("see amqp://a:b@one and amqp://c:d@two", "see amqp://a:REDACTED@one and amqp://c:REDACTED@two"),
            ("https://host/a?token=s&b=1", "https://host/a?token=REDACTED&b=1"),
            ("https://host:8080/@user", "https://host:8080/@user"),
            ("https://host", "https://host"),
            ("a:b@c", "a:b@c"),
            ("://", "://"),
            ("", ""),
        ] {
            assert_eq!(redact_text(text), expected, "{text}");
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
