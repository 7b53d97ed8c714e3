//! Accounts of `basic_auth`: names, and hashes of passwords that can be checked in bounded time.

use super::limits;

/// The `basic_auth` directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasicAuth {
    /// The name that the client shows when it asks for the password.
    pub realm: String,
    /// Each account with the hash of its password.
    pub accounts: Vec<(String, PasswordHash)>,
}

/// The hash of a password, in the text form of its algorithm.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

/// Hashes are secrets, because a hash allows an offline search for the password.
impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PasswordHash(…)")
    }
}

/// How a password was hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordAlgorithm {
    /// bcrypt: `$2a$`, `$2b$`, `$2x$` or `$2y$`.
    Bcrypt,
    /// Argon2id: `$argon2id$`.
    Argon2id,
}

impl PasswordHash {
    /// Reads a hash.
    ///
    /// # Errors Why the hash cannot be checked here.
    pub fn parse(text: &str) -> Result<Self, String> {
        let check = if text.starts_with("$argon2id$") { check_argon2id } else { check_bcrypt };
        check(text)?;
        Ok(Self(text.to_owned()))
    }

    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How the password was hashed.
    #[must_use]
    pub fn algorithm(&self) -> PasswordAlgorithm {
        if self.0.starts_with("$argon2id$") { PasswordAlgorithm::Argon2id } else { PasswordAlgorithm::Bcrypt }
    }
}

/// The alphabet of bcrypt's base64.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/')
}

/// `$2a$14$` and 53 letters of salt and hash.
fn check_bcrypt(text: &str) -> Result<(), String> {
    const BYTES: usize = 60;
    const COST_MIN: u32 = 4;
    let (Some(version), Some(cost), Some(rest)) = (text.get(..4), text.get(4..6), text.get(6..)) else {
        return Err("it is no hash of bcrypt or argon2id".to_owned());
    };
    let is_known = matches!(version, "$2a$" | "$2b$" | "$2x$" | "$2y$");
    if !is_known || text.len() != BYTES || !rest.starts_with('$') || !rest.bytes().skip(1).all(is_letter) {
        return Err("it is no hash of bcrypt or argon2id".to_owned());
    }
    match cost.parse::<u32>() {
        Ok(cost) if (COST_MIN..=limits::BCRYPT_COST_MAX).contains(&cost) => Ok(()),
        _ => Err(format!("its cost is not from {COST_MIN} to {}", limits::BCRYPT_COST_MAX)),
    }
}

/// `$argon2id$v=19$m=47104,t=1,p=1$SALT$HASH`.
fn check_argon2id(text: &str) -> Result<(), String> {
    let parts: Vec<&str> = text.split('$').collect();
    let ["", "argon2id", "v=19", costs, salt, hash] = parts.as_slice() else {
        return Err("it is no hash of argon2id in its text form, version 19".to_owned());
    };
    let is_base64 =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte));
    if !is_base64(salt) || !is_base64(hash) {
        return Err("the salt or the hash in it is not in base 64".to_owned());
    }
    for (name, max) in
        [("m", limits::ARGON2_MEMORY_KIB_MAX), ("t", limits::ARGON2_ITERATIONS_MAX), ("p", limits::ARGON2_LANES_MAX)]
    {
        let value = costs.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('=')?.parse::<u32>().ok());
        if !value.is_some_and(|value| (1..=max).contains(&value)) {
            return Err(format!("its cost `{name}` is not from 1 to {max}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_that_can_be_checked_in_bounded_time() {
        let bcrypt = |start: &str| format!("{start}{}", "a".repeat(53));
        for (text, expected) in [
            (bcrypt("$2a$14$"), true),
            (bcrypt("$2y$04$"), true),
            (bcrypt("$2a$31$"), false),
            (bcrypt("$2a$03$"), false),
            (bcrypt("$1a$10$"), false),
            (bcrypt("$2a$10a"), false),
            ("$2a$14$short".to_owned(), false),
            (String::new(), false),
            ("password".to_owned(), false),
            ("é".repeat(30), false),
            ("$argon2id$v=19$m=47104,t=1,p=1$c2FsdHNhbHQ$aGFzaA".to_owned(), true),
            ("$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$aGFzaA".to_owned(), false),
            ("$argon2id$v=19$m=47104,t=0,p=1$c2FsdHNhbHQ$aGFzaA".to_owned(), false),
            ("$argon2id$v=19$m=47104,t=1$c2FsdHNhbHQ$aGFzaA".to_owned(), false),
            ("$argon2id$v=16$m=47104,t=1,p=1$c2FsdHNhbHQ$aGFzaA".to_owned(), false),
            ("$argon2i$v=19$m=47104,t=1,p=1$c2FsdHNhbHQ$aGFzaA".to_owned(), false),
        ] {
            assert_eq!(PasswordHash::parse(&text).is_ok(), expected, "{text}");
        }
        assert!(!format!("{:?}", PasswordHash::parse(&bcrypt("$2a$14$"))).contains("aaa"), "hashes are not printed");
    }
}
