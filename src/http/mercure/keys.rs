//! Reads the sets of keys that a hub verifies tokens with.

use std::sync::Arc;

use http::{Method, request};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::token;
use crate::config::JwkSetPlace;
use crate::http::proxy::fetch;
use crate::limits;
use crate::mercure::{Hub, KeySet, Need};

/// Reads the keys for the token of this request, if they are missing or old.
pub(super) async fn prepare(hub: &Hub, parts: &request::Parts) {
    let keys = match parts.method {
        Method::POST => hub.publisher_keys(),
        _ => hub.subscriber_keys(),
    };
    let Some((keys, (token, _))) = keys.zip(token(hub, parts)) else { return };
    let need = keys.need(&token);
    if need != Need::None {
        // A task of its own: a client that leaves must not leave the next one with the same work.
        let keys = Arc::clone(keys);
        let reading = tokio::spawn(async move { refresh(&keys, &token).await });
        if need == Need::Now {
            // An error is a panic, which the log has.
            let _ = reading.await;
        }
    }
}

async fn refresh(keys: &KeySet, token: &str) {
    let turn = keys.turn.lock().await;
    // The one before may have read what this token needs.
    if keys.need(token) == Need::None {
        return;
    }
    if let Err(error) = keys.take(read(keys.url().place()).await) {
        tracing::warn!(url = %keys.url(), "mercure: reading the keys of tokens: {error}");
    }
    drop(turn);
}

async fn read(place: &JwkSetPlace) -> Result<Vec<u8>, String> {
    let bytes_max = limits::MERCURE_KEYS_BYTES_MAX;
    match place {
        JwkSetPlace::File(path) => {
            let mut json = Vec::new();
            let file = File::open(path).await.map_err(|error| error.to_string())?;
            file.take(bytes_max as u64 + 1).read_to_end(&mut json).await.map_err(|error| error.to_string())?;
            if json.len() > bytes_max { Err(format!("it has more than {bytes_max} bytes")) } else { Ok(json) }
        }
        JwkSetPlace::Web { address, is_encrypted, target } => {
            let fetched = fetch(address, *is_encrypted, target, bytes_max, limits::MERCURE_KEYS_FETCH_MAX).await;
            fetched.map(Vec::from).map_err(|error| error.to_string())
        }
    }
}
