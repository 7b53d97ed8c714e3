//! The calls of JetStream for one bucket. It is made when it is missing; one that is there is taken as it is, so an
//! operator may make it with more replicas.

use super::client::Client;
use crate::cluster::engine::EngineError;
use crate::config::EngineSettings;
use crate::limits::{CLUSTER_NATS_GONE_MS, CLUSTER_NATS_NEW_MS, CLUSTER_NATS_PART_BYTES, CLUSTER_NATS_ROOM_BYTES};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What JetStream calls its failures.
pub(super) const NO_STREAM: u64 = 10059;
pub(super) const NO_MESSAGE: u64 = 10037;
/// A limit of the account, or of the server, for what streams store.
const NO_ROOM: [u64; 4] = [10002, 10023, 10028, 10047];
/// The revision of the key is another one; the second number is of servers from 2.11 on.
const WRONG_REVISION: [u64; 2] = [10071, 10164];

/// A key with its value.
pub(super) struct Found {
    pub(super) revision: u64,
    pub(super) bytes: Vec<u8>,
}

pub(super) struct Bucket {
    client: Client,
    name: String,
    /// The connection by which the bucket was seen to be there. `None`: not yet.
    ready_by: Option<u64>,
    presence: Presence,
}

/// Whether a stream was there, and when it was first missed after that. See [`CLUSTER_NATS_GONE_MS`].
#[derive(Default)]
pub(in crate::cluster) struct Presence {
    /// Protects the value alone.
    inner: Mutex<Seen>,
}

#[derive(Clone, Copy, Default)]
enum Seen {
    #[default]
    Never,
    There,
    GoneSince(Instant),
}

impl Presence {
    /// Resets the state when the settings name another stream.
    pub(in crate::cluster) fn forget(&self) {
        *self.locked() = Seen::Never;
    }

    fn is_there(&self) {
        *self.locked() = Seen::There;
    }

    /// The stream is missing. Returns whether it may be made now.
    fn may_be_made(&self) -> bool {
        let mut seen = self.locked();
        let since = match *seen {
            Seen::Never => return true,
            Seen::There => Instant::now(),
            Seen::GoneSince(since) => since,
        };
        *seen = Seen::GoneSince(since);
        since.elapsed() >= Duration::from_millis(CLUSTER_NATS_GONE_MS)
    }

    fn locked(&self) -> MutexGuard<'_, Seen> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name as one word of a subject: letters, digits, `-`, `_` and `/` stay, other bytes become `=` and two digits.
pub(super) fn escaped(name: &str) -> String {
    let mut word = String::new();
    for byte in name.bytes() {
        match byte {
            b'-' | b'_' | b'/' => word.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => word.push(char::from(byte)),
            byte => write!(word, "={byte:02X}").unwrap_or_default(),
        }
    }
    word
}

impl Bucket {
    pub(super) fn new(settings: &EngineSettings, prefix: &str) -> Self {
        Self { client: Client::new(settings), name: escaped(prefix), ready_by: None, presence: Presence::default() }
    }

    /// The connection of the last call; each has another number.
    pub(super) fn connection(&self) -> u64 {
        self.client.connections()
    }

    pub(super) fn next_server(&mut self) {
        self.client.next_server();
    }

    fn subject(&self, key: &str) -> String {
        format!("$KV.{}.{key}", self.name)
    }

    /// Calls the interface of JetStream. The second value is the number of a failure; 0: none.
    async fn call(&mut self, call: &str, body: &Value) -> Result<(Value, u64), EngineError> {
        call_stream(&mut self.client, call, &format!("KV_{}", self.name), body).await
    }

    async fn make_sure(&mut self) -> Result<(), EngineError> {
        let name = format!("KV_{}", self.name);
        let body = json!({
            "name": name, "subjects": [self.subject(">")], "max_msgs_per_subject": 1, "allow_rollup_hdrs": true,
            "deny_delete": true, "allow_direct": true, "retention": "limits", "discard": "new", "storage": "file",
            "num_replicas": 1, "max_msgs": -1, "max_bytes": -1, "max_msg_size": -1, "max_consumers": -1, "max_age": 0,
        });
        make_sure(&mut self.client, &name, &body, &self.presence).await?;
        self.ready_by = Some(self.client.connections());
        Ok(())
    }

    /// The value of a key, if its revision is greater than `after`.
    pub(super) async fn get(&mut self, key: &str, after: Option<u64>) -> Result<Option<Found>, EngineError> {
        let subject = self.subject(key);
        let body = match after {
            None => json!({ "last_by_subj": subject }),
            Some(after) => json!({ "seq": after + 1, "next_by_subj": subject }),
        };
        if self.ready_by != Some(self.client.connections()) {
            self.make_sure().await?;
        }
        let (answer, failure) = self.call("MSG.GET", &body).await?;
        match failure {
            0 => {}
            NO_MESSAGE => return Ok(None),
            NO_STREAM => return self.make_sure().await.map(|()| None),
            _ => return Err(described(&answer)),
        }
        let message = &answer["message"];
        let revision = message["seq"].as_u64().ok_or_else(|| defect("revision"))?;
        let bytes = STANDARD.decode(message["data"].as_str().unwrap_or_default()).map_err(|_| defect("value"))?;
        Ok(Some(Found { revision, bytes }))
    }

    /// Writes a key, if its revision is `seen`; 0: if it is not there. Returns its new revision. `None`: it is another one.
    pub(super) async fn put(&mut self, key: &str, seen: Option<u64>, bytes: &[u8]) -> Result<Option<u64>, EngineError> {
        let header = seen.map(|seen| format!("Nats-Expected-Last-Subject-Sequence: {seen}"));
        let answer = self.client.request(&self.subject(key), header.as_deref(), bytes).await?;
        let (answer, failure) = verdict(&answer)?;
        if WRONG_REVISION.contains(&failure) {
            return Ok(None);
        }
        let written = answer["seq"].as_u64().filter(|_| failure == 0);
        written.map(Some).ok_or_else(|| described(&answer))
    }

    /// The keys that match, as `WORKER.part.>` does.
    pub(super) async fn keys(&mut self, pattern: &str) -> Result<Vec<String>, EngineError> {
        let body = json!({ "subjects_filter": self.subject(pattern) });
        let (answer, failure) = self.call("INFO", &body).await?;
        if failure != 0 {
            return Err(described(&answer));
        }
        let before = self.subject("");
        let subjects = answer["state"]["subjects"].as_object().into_iter().flat_map(|subjects| subjects.keys());
        Ok(subjects.filter_map(|subject| subject.strip_prefix(&before)).map(str::to_owned).collect())
    }

    /// Deletes the keys that match.
    pub(super) async fn purge(&mut self, pattern: &str) -> Result<(), EngineError> {
        let (answer, failure) = self.call("PURGE", &json!({ "filter": self.subject(pattern) })).await?;
        if failure == 0 { Ok(()) } else { Err(described(&answer)) }
    }

    /// The bytes of a snapshot that one message takes.
    pub(super) async fn room(&mut self) -> Result<usize, EngineError> {
        let payload = self.client.payload_max().await?;
        match payload.saturating_sub(CLUSTER_NATS_ROOM_BYTES).min(CLUSTER_NATS_PART_BYTES) {
            0 => Err(EngineError(format!(
                "NATS takes messages of at most {payload} bytes, and a cluster needs more than {CLUSTER_NATS_ROOM_BYTES}"
            ))),
            room => Ok(room),
        }
    }

    /// The subject of the messages about accepted publishes. No stream keeps them.
    pub(super) fn announcements(&self, worker: &str) -> String {
        format!("{}.news.{worker}", self.name)
    }

    pub(super) async fn announce(&mut self, worker: &str) -> Result<(), EngineError> {
        let subject = self.announcements(worker);
        self.client.publish(&subject).await
    }
}

/// Calls the interface of JetStream for a stream. The second value is the number of a failure; 0: none.
pub(super) async fn call_stream(
    client: &mut Client,
    call: &str,
    stream: &str,
    body: &Value,
) -> Result<(Value, u64), EngineError> {
    let subject = format!("$JS.API.STREAM.{call}.{stream}");
    verdict(&client.request(&subject, None, body.to_string().as_bytes()).await?)
}

/// Makes a stream with these settings, if it is not there, but not at once after it has gone. Returns when it was made, as text.
///
/// Nothing may be read from it before: a server of 2.9 crashes when a message is asked for while another client makes the stream.
/// An empty one may be that new, so it gets a moment.
pub(super) async fn make_sure(
    client: &mut Client,
    stream: &str,
    settings: &Value,
    presence: &Presence,
) -> Result<String, EngineError> {
    let made = |answer: &Value| answer["created"].as_str().unwrap_or_default().to_owned();
    let (mut answer, failure) = call_stream(client, "INFO", stream, &json!({})).await?;
    match failure {
        0 if answer["state"]["last_seq"].as_u64().unwrap_or(0) > 0 => {
            presence.is_there();
            return Ok(made(&answer));
        }
        0 => {}
        NO_STREAM if !presence.may_be_made() => {
            return Err(EngineError(format!("the stream {stream} is gone, and will be made again")));
        }
        NO_STREAM => {
            let failure;
            (answer, failure) = call_stream(client, "CREATE", stream, settings).await?;
            match (failure, settings["max_bytes"].as_i64()) {
                (0, _) => {}
                (failure, Some(bytes @ 1..)) if NO_ROOM.contains(&failure) => {
                    return Err(EngineError(format!(
                        "{}: the stream {stream} needs {bytes} bytes; give the account so many, or make the stream with fewer",
                        described(&answer)
                    )));
                }
                _ => return Err(described(&answer)),
            }
        }
        _ => return Err(described(&answer)),
    }
    presence.is_there();
    tokio::time::sleep(Duration::from_millis(CLUSTER_NATS_NEW_MS)).await;
    Ok(made(&answer))
}

pub(super) fn verdict(answer: &[u8]) -> Result<(Value, u64), EngineError> {
    let answer: Value = serde_json::from_slice(answer).map_err(|_| defect("JSON"))?;
    let failure = match &answer["error"] {
        Value::Null => 0,
        // One without a number of its own has that of HTTP.
        error => error["err_code"].as_u64().or(error["code"].as_u64()).unwrap_or(1),
    };
    Ok((answer, failure))
}

pub(super) fn described(answer: &Value) -> EngineError {
    EngineError(answer["error"]["description"].as_str().unwrap_or("JetStream has refused a call").to_owned())
}

pub(super) fn defect(what: &str) -> EngineError {
    EngineError(format!("the answer of NATS has no {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_of_a_subject() {
        assert_eq!(escaped("global/rates-2_b"), "global/rates-2_b");
        assert_eq!(escaped("a.b *>é="), "a=2Eb=20=2A=3E=C3=A9=3D");
    }
}
