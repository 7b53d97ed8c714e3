//! The cryptography of tokens: ring, which TLS uses too. The hub only verifies.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::{hmac, signature as public};
use signature::Verifier;

/// Makes ring the cryptography of tokens. If the process has another one already, that one stays.
pub(super) fn install() {
    // An error means that there is one.
    let _ = PROVIDER.install_default();
}

static PROVIDER: CryptoProvider =
    CryptoProvider { signer_factory: no_signer, verifier_factory: verifier, key_utils: KeyUtils::new_unimplemented() };

fn no_signer(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    Err(ErrorKind::InvalidAlgorithm.into())
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    let bytes = match key.kind() {
        DecodingKeyKind::SecretOrDer(bytes) => bytes,
        DecodingKeyKind::RsaModulusExponent { n, e } => return by_numbers(algorithm, n, e),
    };
    let shared = |kind| Key::Shared(hmac::Key::new(kind, bytes));
    let public = |kind| Key::Public(public::UnparsedPublicKey::new(kind, bytes.to_vec()));
    let key = match algorithm {
        Algorithm::HS256 => shared(hmac::HMAC_SHA256),
        Algorithm::HS384 => shared(hmac::HMAC_SHA384),
        Algorithm::HS512 => shared(hmac::HMAC_SHA512),
        Algorithm::RS256 => public(&public::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => public(&public::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => public(&public::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => public(&public::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => public(&public::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => public(&public::RSA_PSS_2048_8192_SHA512),
        Algorithm::ES256 => public(&public::ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => public(&public::ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => public(&public::ED25519),
        _ => return Err(ErrorKind::InvalidAlgorithm.into()),
    };
    Ok(Box::new(TokenKey { key, algorithm: *algorithm }))
}

/// A key of a set: the numbers of RSA without an encoding around them.
fn by_numbers(algorithm: &Algorithm, n: &[u8], e: &[u8]) -> Result<Box<dyn JwtVerifier>, Error> {
    let kind = match algorithm {
        Algorithm::RS256 => &public::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &public::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &public::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &public::RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &public::RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &public::RSA_PSS_2048_8192_SHA512,
        _ => return Err(ErrorKind::InvalidAlgorithm.into()),
    };
    // Some issuers write a zero in front, as in ASN.1.
    let number = |bytes: &[u8]| bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    let numbers = public::RsaPublicKeyComponents { n: number(n), e: number(e) };
    Ok(Box::new(TokenKey { key: Key::Numbers(numbers, kind), algorithm: *algorithm }))
}

struct TokenKey {
    key: Key,
    algorithm: Algorithm,
}

enum Key {
    Shared(hmac::Key),
    Public(public::UnparsedPublicKey<Vec<u8>>),
    Numbers(public::RsaPublicKeyComponents<Vec<u8>>, &'static public::RsaParameters),
}

impl Verifier<Vec<u8>> for TokenKey {
    /// Compares in constant time.
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let verified = match &self.key {
            Key::Shared(key) => hmac::verify(key, message, signature),
            Key::Public(key) => key.verify(message, signature),
            Key::Numbers(key, kind) => key.verify(kind, message, signature),
        };
        verified.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for TokenKey {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
