//! The tokens of publishers and subscribers: JSON Web Tokens (RFC 7519) with the claim `mercure`.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;

use super::token_error::{TokenError, reason};
use super::update::is_topic;
use super::{KeySet, Selector, keys, seconds_now, signature};
use crate::config::{JwkSetPlace, JwtAlgorithm, TokenKeys};
use crate::limits;

/// Verifies tokens of one role.
pub(super) enum Verifier {
    /// `None`: the configured key cannot be read.
    Key(Option<DecodingKey>, Algorithm),
    Set(Arc<KeySet>),
}

/// What a token allows.
#[derive(Debug, Clone, Default)]
pub struct Grants {
    /// The topics that it may publish to; `None`: it is no publisher's token.
    pub publish: Option<Vec<Selector>>,
    /// The topics whose private updates it may get.
    pub subscribe: Option<Vec<Selector>>,
    /// What the token says about its owner to those who may see who is subscribed.
    pub payload: Option<Value>,
    /// The time until the token expires, counted from its check.
    pub expires_in: Option<Duration>,
}

impl Grants {
    /// Whether all the topics may be published to.
    #[must_use]
    pub fn may_publish(&self, topics: &[String]) -> bool {
        let selectors = self.publish.as_deref().unwrap_or_default();
        topics.iter().all(|topic| selectors.iter().any(|selector| selector.matches(topic)))
    }
}

#[derive(Deserialize)]
struct Claims {
    exp: Option<f64>,
    mercure: Option<MercureClaim>,
    /// The name of the claim for issuers that add a namespace to each.
    #[serde(rename = "https://mercure.rocks/")]
    namespaced: Option<MercureClaim>,
}

#[derive(Default, Deserialize)]
struct MercureClaim {
    publish: Option<Vec<String>>,
    subscribe: Option<Vec<String>>,
    payload: Option<Value>,
}

impl Verifier {
    pub(super) fn new(keys: &TokenKeys) -> Self {
        signature::install();
        let key = match keys {
            TokenKeys::Key(key) => key,
            TokenKeys::Set(url) => return Self::Set(KeySet::new(url)),
        };
        let (algorithm, bytes) = (algorithm(key.algorithm), key.key.as_bytes());
        let read = match key.algorithm {
            JwtAlgorithm::HS256 | JwtAlgorithm::HS384 | JwtAlgorithm::HS512 => DecodingKey::from_secret(bytes),
            JwtAlgorithm::ES256 | JwtAlgorithm::ES384 => DecodingKey::from_ec_pem(bytes),
            JwtAlgorithm::EdDSA => DecodingKey::from_ed_pem(bytes),
            _ => DecodingKey::from_rsa_pem(bytes),
        };
        Self::Key(read.ok(), algorithm)
    }

    /// Whether there are keys. A URL may have none now and some later; a file should have them.
    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Self::Key(Some(_), _) => Ok(()),
            Self::Key(None, _) => Err(TokenError::Key.to_string()),
            Self::Set(set) => match set.url().place() {
                JwkSetPlace::File(path) => {
                    let json = fs::read(path).map_err(|error| error.to_string());
                    let keys = json.and_then(|json| keys::keys(&json));
                    keys.map(drop).map_err(|error| format!("reading the keys in {}: {error}", path.display()))
                }
                JwkSetPlace::Web { .. } => Ok(()),
            },
        }
    }

    pub(super) fn key_set(&self) -> Option<&Arc<KeySet>> {
        match self {
            Self::Key(..) => None,
            Self::Set(set) => Some(set),
        }
    }

    pub(super) fn verify(&self, token: &str) -> Result<Grants, TokenError> {
        if token.len() > limits::MERCURE_TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let (key, algorithm) = match self {
            Self::Key(key, algorithm) => (key.clone().ok_or(TokenError::Key)?, *algorithm),
            Self::Set(set) => set.key(token)?,
        };
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &rules(algorithm));
        let claims = claims.map_err(|error| reason(error.kind()))?.claims;
        let mercure = claims.namespaced.or(claims.mercure).unwrap_or_default();
        let (publish, subscribe) = (selectors(mercure.publish)?, selectors(mercure.subscribe)?);
        let both = || publish.iter().chain(&subscribe).flatten();
        let variables: usize = both().map(Selector::variables).sum();
        if both().count() > limits::MERCURE_CLAIMS_MAX || variables > limits::MERCURE_CLAIM_VARIABLES_MAX {
            return Err(TokenError::TooLarge);
        }
        let expires_in = claims.exp.and_then(time_until);
        Ok(Grants { publish, subscribe, payload: mercure.payload, expires_in })
    }
}

/// The time until then; `None`: longer than any stream.
fn time_until(at: f64) -> Option<Duration> {
    Duration::try_from_secs_f64((at - seconds_now() as f64).max(0.0)).ok()
}

fn rules(algorithm: Algorithm) -> Validation {
    let mut rules = Validation::new(algorithm);
    rules.required_spec_claims.clear();
    rules.leeway = 0;
    rules.validate_nbf = true;
    rules.validate_aud = false;
    rules
}

fn selectors(texts: Option<Vec<String>>) -> Result<Option<Vec<Selector>>, TokenError> {
    let Some(texts) = texts else { return Ok(None) };
    if !texts.iter().all(|text| is_topic(text)) {
        return Err(TokenError::Malformed);
    }
    Ok(Some(texts.iter().map(|text| Selector::new(text)).collect()))
}

fn algorithm(algorithm: JwtAlgorithm) -> Algorithm {
    match algorithm {
        JwtAlgorithm::HS256 => Algorithm::HS256,
        JwtAlgorithm::HS384 => Algorithm::HS384,
        JwtAlgorithm::HS512 => Algorithm::HS512,
        JwtAlgorithm::RS256 => Algorithm::RS256,
        JwtAlgorithm::RS384 => Algorithm::RS384,
        JwtAlgorithm::RS512 => Algorithm::RS512,
        JwtAlgorithm::PS256 => Algorithm::PS256,
        JwtAlgorithm::PS384 => Algorithm::PS384,
        JwtAlgorithm::PS512 => Algorithm::PS512,
        JwtAlgorithm::ES256 => Algorithm::ES256,
        JwtAlgorithm::ES384 => Algorithm::ES384,
        JwtAlgorithm::EdDSA => Algorithm::EdDSA,
    }
}
