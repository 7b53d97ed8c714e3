//! The tokens of publishers and subscribers: JSON Web Tokens (RFC 7519).

use std::fs;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use super::claims::{Claims, Grants};
use super::hub_url::HubUrl;
use super::token_error::{TokenError, reason};
use super::{KeySet, keys, signature};
use crate::config::{JwkSetPlace, JwtAlgorithm, TokenKeys};
use crate::limits;

/// Verifies tokens of one role.
pub(super) enum Verifier {
    /// `None`: the configured key cannot be read.
    Key(Option<DecodingKey>, Algorithm),
    Set(Arc<KeySet>),
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

    pub(super) fn verify(&self, token: &str, hub: &HubUrl) -> Result<Grants, TokenError> {
        if token.len() > limits::MERCURE_TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let (key, algorithm) = match self {
            Self::Key(key, algorithm) => (key.clone().ok_or(TokenError::Key)?, *algorithm),
            Self::Set(set) => set.key(token)?,
        };
        let token = jsonwebtoken::decode::<Claims>(token, &key, &rules(algorithm));
        let token = token.map_err(|error| reason(error.kind()))?;
        token.claims.grants(token.header.typ.as_deref(), hub)
    }
}

fn rules(algorithm: Algorithm) -> Validation {
    let mut rules = Validation::new(algorithm);
    rules.required_spec_claims.clear();
    rules.leeway = 0;
    rules.validate_nbf = true;
    rules.validate_aud = false;
    rules
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
