//! The tokens of publishers and subscribers: JSON Web Tokens (RFC 7519) with the claim `mercure`.

use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;

use super::update::is_topic;
use super::{Selector, seconds_now, signature};
use crate::config::{JwtAlgorithm, JwtKey};
use crate::limits;

/// Verifies tokens of one role.
pub(super) struct Verifier {
    /// `None`: the configured key cannot be read.
    key: Option<DecodingKey>,
    rules: Validation,
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

/// Why a token is refused. No message contains a part of the token or the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The hub has no key for this role.
    #[error("the hub has no key for such tokens")]
    NoKey,
    /// The configured key is no key of its algorithm.
    #[error("the key cannot be read: it is no public key in PEM for its algorithm")]
    Key,
    /// It is no token, or its claims have the wrong form.
    #[error("the token cannot be read")]
    Malformed,
    /// Another algorithm, `none` among them.
    #[error("the token has another algorithm than the hub's")]
    Algorithm,
    /// The signature is wrong.
    #[error("the signature of the token is wrong")]
    Signature,
    /// It has expired, or is not valid yet.
    #[error("the token has expired, or is not valid yet")]
    Time,
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
    pub(super) fn new(key: &JwtKey) -> Self {
        signature::install();
        let (algorithm, bytes) = (algorithm(key.algorithm), key.key.as_bytes());
        let read = match key.algorithm {
            JwtAlgorithm::HS256 | JwtAlgorithm::HS384 | JwtAlgorithm::HS512 => DecodingKey::from_secret(bytes),
            JwtAlgorithm::ES256 | JwtAlgorithm::ES384 => DecodingKey::from_ec_pem(bytes),
            JwtAlgorithm::EdDSA => DecodingKey::from_ed_pem(bytes),
            _ => DecodingKey::from_rsa_pem(bytes),
        };
        let mut rules = Validation::new(algorithm);
        rules.required_spec_claims.clear();
        rules.leeway = 0;
        rules.validate_nbf = true;
        rules.validate_aud = false;
        Self { key: read.ok(), rules }
    }

    pub(super) fn check(&self) -> Result<(), TokenError> {
        self.key.as_ref().map(|_| ()).ok_or(TokenError::Key)
    }

    pub(super) fn verify(&self, token: &str) -> Result<Grants, TokenError> {
        if token.len() > limits::MERCURE_TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let claims = jsonwebtoken::decode::<Claims>(token, self.key.as_ref().ok_or(TokenError::Key)?, &self.rules);
        let claims = claims.map_err(|error| reason(error.kind()))?.claims;
        let mercure = claims.namespaced.or(claims.mercure).unwrap_or_default();
        let expires_in =
            claims.exp.map(|at| Duration::try_from_secs_f64(at - seconds_now() as f64).unwrap_or_default());
        let (publish, subscribe) = (selectors(mercure.publish)?, selectors(mercure.subscribe)?);
        Ok(Grants { publish, subscribe, payload: mercure.payload, expires_in })
    }
}

fn reason(kind: &ErrorKind) -> TokenError {
    match kind {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => TokenError::Algorithm,
        ErrorKind::ExpiredSignature | ErrorKind::ImmatureSignature => TokenError::Time,
        _ => TokenError::Malformed,
    }
}

fn selectors(texts: Option<Vec<String>>) -> Result<Option<Vec<Selector>>, TokenError> {
    let Some(texts) = texts else { return Ok(None) };
    if texts.len() > limits::MERCURE_CLAIMS_MAX || !texts.iter().all(|text| is_topic(text)) {
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
