//! `basic_auth`: a request continues only with a name and a password (RFC 7617).
//!
//! Checking a password takes tenths of a second on purpose. So it runs on tokio's blocking threads. The numbers of
//! concurrent checks and of waiting requests are bounded. The digest of a correct password is cached, because browsers
//! send the password with each request.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use argon2::{Argon2, PasswordHash as Argon2Hash, PasswordVerifier};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::config::{BasicAuth, PasswordAlgorithm, PasswordHash};
use crate::limits;

/// The outcome of a check.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Access<'a> {
    /// Name and password are correct, for this account.
    Granted(&'a str),
    /// They are missing or wrong.
    Denied,
    /// Too many other passwords are being checked.
    Busy,
}

/// The challenge for the client.
pub(super) fn challenge(auth: &BasicAuth) -> HeaderValue {
    let realm = auth.realm.replace('\\', "\\\\").replace('"', "\\\"");
    HeaderValue::try_from(format!("Basic realm=\"{realm}\"")).unwrap_or(HeaderValue::from_static("Basic"))
}

/// Checks the name and the password of a request.
pub(super) async fn check<'a>(auth: &'a BasicAuth, headers: &HeaderMap) -> Access<'a> {
    let Some((name, password)) = credentials(headers) else { return Access::Denied };
    let account = auth.accounts.iter().find(|(known, _)| *known == name);
    // An unknown name takes as long as a known one, so clients cannot find out names by timing.
    let Some((_, hash)) = account.or(auth.accounts.first()) else { return Access::Denied };
    let is_right = is_known(hash, &password) || {
        let Some(_waiting) = Waiting::enter() else { return Access::Busy };
        // Its drop lets the next check start. It moves into the work, which cannot be cancelled.
        let Ok(place) = places().acquire().await else { return Access::Busy };
        let (hash, is_account) = (hash.clone(), account.is_some());
        let work = tokio::task::spawn_blocking(move || verify_in_place(&hash, &password, is_account, place));
        work.await.unwrap_or(false)
    };
    match account {
        Some((name, _)) if is_right => Access::Granted(name),
        _ => Access::Denied,
    }
}

/// The name and password of a request.
fn credentials(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    Some((String::from_utf8(decoded[..colon].to_vec()).ok()?, decoded[colon + 1..].to_vec()))
}

/// Slow on purpose: that is what makes a stolen hash hard to try out.
fn verify(hash: &PasswordHash, password: &[u8]) -> bool {
    match hash.algorithm() {
        PasswordAlgorithm::Bcrypt => bcrypt::verify(password, hash.as_str()).unwrap_or(false),
        PasswordAlgorithm::Argon2id => {
            Argon2Hash::new(hash.as_str()).is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
        }
    }
}

/// Computes the hash, and frees the place before anything else, because it bounds only the computing.
fn verify_in_place(hash: &PasswordHash, password: &[u8], is_account: bool, place: SemaphorePermit<'_>) -> bool {
    let is_right = verify(hash, password);
    drop(place);
    if is_right && is_account {
        remember(hash, password);
    }
    is_right
}

/// The number of concurrent checks: half of the processors, so that the others serve requests.
fn places() -> &'static Semaphore {
    static PLACES: OnceLock<Semaphore> = OnceLock::new();
    PLACES.get_or_init(|| {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Semaphore::new((processors / 2).clamp(1, limits::PASSWORD_CHECKS_MAX))
    })
}

/// Counts a request that waits for its password check, until dropped.
struct Waiting;

static WAITING: AtomicUsize = AtomicUsize::new(0);

fn one_more(waiting: usize) -> Option<usize> {
    (waiting < limits::PASSWORD_WAITERS_MAX).then_some(waiting + 1)
}

impl Waiting {
    /// `None`: as many requests wait as may.
    fn enter() -> Option<Self> {
        WAITING.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok().map(|_| Self)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The digests of correct passwords, each computed together with its hash. The hash includes a salt, so the digest is
/// salted too.
static KNOWN: Mutex<Option<HashSet<[u8; 32]>>> = Mutex::new(None);

/// Of the hash and the password together, so a changed password is not known any more.
fn digest(hash: &PasswordHash, password: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(hash.as_str()).chain_update([0]).chain_update(password).finalize().into()
}

/// Saves the slow computing for a password that was right before.
fn is_known(hash: &PasswordHash, password: &[u8]) -> bool {
    let digest = digest(hash, password);
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.as_ref().is_some_and(|known| known.contains(&digest))
}

/// Forgets all when there are too many: they are checked once more.
fn remember(hash: &PasswordHash, password: &[u8]) {
    let digest = digest(hash, password);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if known.len() >= limits::PASSWORDS_KNOWN_MAX {
        known.clear();
    }
    known.insert(digest);
}
