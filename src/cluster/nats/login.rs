//! What a client says first: who it is. With a file of credentials it signs what the server has sent, so the key itself
//! never leaves the machine.

use crate::cluster::engine::EngineError;
use crate::cluster::secrets;
use crate::config::{EngineAddress, EngineSettings};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::Ed25519KeyPair;
use serde_json::{Value, json};
use std::fs;

/// The bytes of a seed in its text form: two that say what it is for, the seed, and two of a checksum.
const SEED_BYTES: usize = 2 + 32 + 2;

/// The JSON of `CONNECT`. `nonce` is what the server wants signed.
pub(super) fn hello(settings: &EngineSettings, nonce: Option<&str>) -> Result<Value, EngineError> {
    let mut hello = json!({
        "verbose": false, "pedantic": false, "headers": true, "no_responders": true, "protocol": 1, "lang": "rust",
        "name": "igor", "version": env!("CARGO_PKG_VERSION"),
    });
    let EngineAddress::Nats { credentials, .. } = &settings.address else { return Ok(hello) };
    if let Some(path) = &settings.credentials_file {
        let text = fs::read_to_string(path).map_err(|error| EngineError(format!("{}: {error}", path.display())))?;
        let signed = signed(&text, nonce.unwrap_or_default());
        let (token, signature) =
            signed.ok_or_else(|| EngineError(format!("{}: these are no credentials of NATS", path.display())))?;
        hello["jwt"] = token.into();
        hello["sig"] = signature.into();
        return Ok(hello);
    }
    let password = secrets::password(settings, credentials)?;
    match (&credentials.user, password) {
        (Some(user), Some(password)) => {
            hello["user"] = user.as_str().into();
            hello["pass"] = password.into();
        }
        // A lone word before the `@`, or a password without a user, is a token.
        (Some(token), None) => hello["auth_token"] = token.as_str().into(),
        (None, Some(token)) => hello["auth_token"] = token.into(),
        (None, None) => {}
    }
    Ok(hello)
}

/// The token of a file of credentials, and the signature of `nonce` by its seed.
fn signed(text: &str, nonce: &str) -> Option<(String, String)> {
    let mut blocks = text.split("-----BEGIN ").skip(1).filter_map(|block| {
        // The line after the one that names the block.
        block.lines().skip(1).map(str::trim).find(|line| !line.is_empty())
    });
    let (token, seed) = (blocks.next()?, blocks.next()?);
    let seed = base32(seed).filter(|bytes| bytes.len() == SEED_BYTES)?;
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed[2..34]).ok()?;
    let signature = URL_SAFE_NO_PAD.encode(pair.sign(nonce.as_bytes()));
    Some((token.to_owned(), signature))
}

/// The bytes of text in base 32, without padding.
fn base32(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let digit = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => return None,
        };
        bits = ((bits << 5) | u32::from(digit)) & 0xffff;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push(((bits >> count) & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ED25519, KeyPair, UnparsedPublicKey};

    /// A seed of its own for this test: 32 bytes of 1 behind the two that mean a user.
    #[test]
    fn a_file_of_credentials_signs_what_the_server_sends() {
        let seed = "SUAACAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIAAA";
        assert_eq!(base32(seed).map(|bytes| bytes[2..34].to_vec()), Some(vec![1; 32]));
        let text = format!(
            "-----BEGIN NATS USER JWT-----\nhead.body.end\n------END NATS USER JWT------\n\nkeep this\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        let (token, signature) = signed(&text, "once").expect("these are credentials");
        assert_eq!(token, "head.body.end");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("it is base64");
        let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).expect("a seed");
        let key = UnparsedPublicKey::new(&ED25519, pair.public_key());
        assert!(key.verify(b"once", &signature).is_ok());
        assert_eq!(signed("", "once"), None);
        assert_eq!(signed(&text.replace(seed, "SUA"), "once"), None);
    }
}
