//! Sets of public keys (JWK Sets, RFC 7517), as identity providers publish them. `http` fetches them; what they are and when they
//! are too old is decided here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::token_error::{TokenError, reason};
use crate::config::{JwkSetPlace, JwkSetUrl};
use crate::limits;

/// The keys at one URL, as they were when it was last read.
pub struct KeySet {
    url: JwkSetUrl,
    state: Mutex<State>,
    /// Held while the keys are read, so that many requests cause one reading.
    pub turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    keys: Arc<[PublicKey]>,
    tried_at: Option<Instant>,
    read_at: Option<Instant>,
}

/// A key, and the algorithms that it may be used for.
pub(super) struct PublicKey {
    id: Option<String>,
    algorithms: &'static [Algorithm],
    /// If the set names one for the key.
    algorithm: Option<Algorithm>,
    key: DecodingKey,
}

/// Whether a set should be read before a token is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It has what the token needs.
    None,
    /// It has, but it is old: a key may have been withdrawn.
    Soon,
    /// The token's key is not in it.
    Now,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// What a token says about its key.
struct TokenHead {
    algorithm: Algorithm,
    key_id: Option<String>,
}

impl TokenHead {
    fn read(token: &str) -> Result<Self, TokenError> {
        let head = jsonwebtoken::decode_header(token).map_err(|error| reason(error.kind()))?;
        Ok(Self { algorithm: head.alg, key_id: head.kid })
    }
}

impl KeySet {
    pub(super) fn new(url: &JwkSetUrl) -> Arc<Self> {
        Arc::new(Self { url: url.clone(), state: Mutex::default(), turn: tokio::sync::Mutex::default() })
    }

    /// Where it is.
    pub fn url(&self) -> &JwkSetUrl {
        &self.url
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether to read it before this token is verified. A token is not verified yet, so it can ask for that only now and then.
    pub fn need(&self, token: &str) -> Need {
        let state = self.lock();
        let (pause, age_max) = match self.url.place() {
            JwkSetPlace::File(_) => (limits::MERCURE_KEYS_FILE_PAUSE, limits::MERCURE_KEYS_FILE_PAUSE),
            JwkSetPlace::Web { .. } => (limits::MERCURE_KEYS_PAUSE, limits::MERCURE_KEYS_AGE_MAX),
        };
        let is_past = |at: Option<Instant>, time: Duration| at.is_none_or(|at| at.elapsed() >= time);
        if !is_past(state.tried_at, pause) {
            return Need::None;
        }
        let Ok(head) = TokenHead::read(token) else { return Need::None };
        match state.find(&head) {
            None => Need::Now,
            Some(_) if is_past(state.read_at, age_max) => Need::Soon,
            Some(_) => Need::None,
        }
    }

    /// Takes what was read. If it cannot be used, the keys stay as they were.
    ///
    /// # Errors It is no set of keys.
    pub fn take(&self, read: Result<Vec<u8>, String>) -> Result<(), String> {
        let keys = read.and_then(|json| keys(&json));
        let mut state = self.lock();
        let now = Instant::now();
        state.tried_at = Some(now);
        state.keys = keys?.into();
        state.read_at = Some(now);
        Ok(())
    }

    /// The key of this token with its algorithm.
    pub(super) fn key(&self, token: &str) -> Result<(DecodingKey, Algorithm), TokenError> {
        let head = TokenHead::read(token)?;
        let state = self.lock();
        let key = state.find(&head).map(|key| key.key.clone()).ok_or(TokenError::UnknownKey)?;
        Ok((key, head.algorithm))
    }
}

impl State {
    /// A token that names no key needs a set in which only one fits.
    fn find(&self, head: &TokenHead) -> Option<&PublicKey> {
        let fits = |key: &&PublicKey| {
            key.algorithms.contains(&head.algorithm)
                && key.algorithm.is_none_or(|algorithm| algorithm == head.algorithm)
                && (head.key_id.is_none() || key.id == head.key_id)
        };
        let mut fitting = self.keys.iter().filter(fits);
        let first = fitting.next()?;
        (head.key_id.is_some() || fitting.next().is_none()).then_some(first)
    }
}

/// The keys in this text that can verify tokens; others are left out, as the standard asks for.
pub(super) fn keys(json: &[u8]) -> Result<Vec<PublicKey>, String> {
    let document: Document = serde_json::from_slice(json).map_err(|error| format!("it is no set of keys: {error}"))?;
    let (count, max) = (document.keys.len(), limits::MERCURE_KEYS_MAX);
    if count > max {
        return Err(format!("it has {count} keys, more than {max}"));
    }
    let keys: Vec<PublicKey> = document.keys.into_iter().filter_map(public_key).collect();
    if keys.is_empty() { Err("it has no public key that can verify tokens".to_owned()) } else { Ok(keys) }
}

/// A shared secret is no key for a set that is published.
fn public_key(value: Value) -> Option<PublicKey> {
    const RSA: &[Algorithm] =
        &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let algorithms = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => RSA,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => &[Algorithm::ES256],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => &[Algorithm::ES384],
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => &[Algorithm::EdDSA],
        _ => return None,
    };
    if jwk.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
        return None;
    }
    let algorithm = match jwk.common.key_algorithm {
        // A key for something else, such as encryption.
        Some(algorithm) => Some(Algorithm::try_from(algorithm).ok()?),
        None => None,
    };
    Some(PublicKey { key: DecodingKey::from_jwk(&jwk).ok()?, id: jwk.common.key_id, algorithms, algorithm })
}
