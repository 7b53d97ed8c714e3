//! Why tokens are refused.

use jsonwebtoken::errors::ErrorKind;

/// Why a token is refused. No message contains a part of the token or the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The hub has no key for this role.
    #[error("the hub has no key for such tokens")]
    NoKey,
    /// The configured key is no key of its algorithm.
    #[error("the key cannot be read: it is no public key in PEM for its algorithm")]
    Key,
    /// The set of keys does not have the token's.
    #[error("the key of the token is not in the hub's set of keys")]
    UnknownKey,
    /// It is no token, or its claims have the wrong form.
    #[error("the token cannot be read")]
    Malformed,
    /// It has details for a hub, but is no access token as Mercure 1.0 wants it.
    #[error("a token with `authorization_details` needs the type `at+jwt` and `exp`")]
    Profile,
    /// A detail for a hub cannot be read.
    #[error(
        "the `authorization_details` of the token cannot be read: each has `actions`, and `topics` with `match` and `match_type`"
    )]
    Details,
    /// Its claims cost too much to compare.
    #[error("the token has too many selectors, or too many variables in their templates")]
    TooLarge,
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

pub(super) fn reason(kind: &ErrorKind) -> TokenError {
    match kind {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => TokenError::Algorithm,
        ErrorKind::ExpiredSignature | ErrorKind::ImmatureSignature => TokenError::Time,
        _ => TokenError::Malformed,
    }
}
