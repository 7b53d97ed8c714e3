//! The updates of one hub, in a stream of JetStream with those of all hubs of the prefix.
//!
//! The stream is `UPDATES_PREFIX`, and the subject of a hub `PREFIX.updates.HUB`. Igor makes the stream when it is missing, and
//! takes one that is there as it is. A message is also what wakes the readers; they then ask for what is behind their place, so a
//! message that was lost on its way is read all the same.

use super::Subscription;
use super::bucket::{NO_MESSAGE, NO_STREAM, Presence, call_stream, defect, described, escaped, make_sure, verdict};
use super::client::{Answer, Client};
use crate::cluster::engine::{EngineError, Entries, News, Place};
use crate::config::{ClusterSettings, EngineSettings};
use crate::limits::{
    CLUSTER_CALL_MS_MAX, CLUSTER_NATS_ROOM_BYTES, CLUSTER_NATS_UPDATE_PAYLOAD_MIN, CLUSTER_UPDATE_BYTES_MAX,
    CLUSTER_UPDATES_AGE, CLUSTER_UPDATES_AT_ONCE_MAX, CLUSTER_UPDATES_BYTES_MAX, CLUSTER_UPDATES_CALL_MS_MAX,
    CLUSTER_UPDATES_MAX, CLUSTER_UPDATES_WAIT_MS,
};
use crate::mercure::Outgoing;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

pub(in crate::cluster) struct Updates {
    client: Client,
    settings: EngineSettings,
    stream: String,
    /// What the stream has the messages of.
    subjects: String,
    subject: String,
    news: Option<News>,
    /// Whether the stream is there.
    is_made: bool,
    /// What both tasks of the hub have seen of it: one that only sends may never have asked.
    presence: Arc<Presence>,
    /// When the stream was made. Another one counts its messages from 1.
    made: String,
}

impl Updates {
    pub(in crate::cluster) fn new(settings: &ClusterSettings, hub: &str, presence: &Arc<Presence>) -> Self {
        let prefix = escaped(&settings.prefix);
        Self {
            client: Client::new(&settings.engine),
            settings: settings.engine.clone(),
            stream: format!("UPDATES_{prefix}"),
            subjects: format!("{prefix}.updates.>"),
            subject: format!("{prefix}.updates.{}", escaped(hub)),
            news: None,
            is_made: false,
            presence: presence.clone(),
            made: String::new(),
        }
    }

    /// The bytes of the largest update that the server takes.
    pub(in crate::cluster) async fn bytes_max(&mut self) -> Result<usize, EngineError> {
        let payload_max = self.client.payload_max().await?;
        if payload_max < CLUSTER_NATS_UPDATE_PAYLOAD_MIN {
            return Err(EngineError(format!(
                "the server takes messages of at most {payload_max} bytes; its `max_payload` must be at least \
                 {CLUSTER_NATS_UPDATE_PAYLOAD_MIN} for updates of hubs"
            )));
        }
        Ok(payload_max.saturating_sub(CLUSTER_NATS_ROOM_BYTES))
    }

    pub(in crate::cluster) async fn append(&mut self, updates: &[Outgoing]) -> Result<(), EngineError> {
        if !self.is_made {
            self.make_sure().await?;
        }
        for update in updates {
            // The server drops one that it has already got, when its answer was lost.
            let header = format!("Nats-Msg-Id: {:016x}.{}", update.sender, update.number);
            let bound = Duration::from_millis(CLUSTER_UPDATES_CALL_MS_MAX);
            let sent = timeout(bound, self.client.request(&self.subject, Some(&header), &update.bytes)).await;
            let answer = match sent {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => return self.left(error),
                Err(_) => return self.left(EngineError(format!("no answer within {CLUSTER_UPDATES_CALL_MS_MAX} ms"))),
            };
            let (answer, failure) = verdict(&answer)?;
            if failure != 0 {
                return Err(described(&answer));
            }
        }
        Ok(())
    }

    /// The place of the newest one. The default one, if there is another stream than before: it is read from its beginning.
    pub(in crate::cluster) async fn last(&mut self) -> Result<Place, EngineError> {
        let before = self.made.clone();
        self.make_sure().await?;
        if !before.is_empty() && self.made != before {
            let subject = &self.subject;
            tracing::warn!(
                subject,
                "mercure: NATS has another stream than before; what was only in the old one is lost"
            );
            return Ok(Place::default());
        }
        let (answer, failure) = self.call("MSG.GET", &json!({ "last_by_subj": self.subject })).await?;
        match failure {
            0 => Ok(Place(sequence(&answer)?, 0)),
            NO_MESSAGE => Ok(Place::default()),
            NO_STREAM => {
                self.make_sure().await?;
                Ok(Place::default())
            }
            _ => Err(described(&answer)),
        }
    }

    /// Those behind a place. Waits a while for one.
    pub(in crate::cluster) async fn read(&mut self, after: Place) -> Result<Entries, EngineError> {
        let mut entries = Entries { updates: Vec::new(), end: after };
        self.read_more(&mut entries).await?;
        if entries.updates.is_empty() {
            let news = self.news.get_or_insert_with(|| {
                News::of(Subscription { client: Client::new(&self.settings), subject: self.subject.clone() })
            });
            // Without news it looks all the same: a message may be lost.
            let _ = timeout(Duration::from_millis(CLUSTER_UPDATES_WAIT_MS), news.next()).await;
        }
        Ok(entries)
    }

    async fn read_more(&mut self, entries: &mut Entries) -> Result<(), EngineError> {
        while entries.updates.len() < CLUSTER_UPDATES_AT_ONCE_MAX {
            let (answer, failure) = match self.next(entries.end.0.saturating_add(1)).await? {
                Answer::Whole(answer) => verdict(&answer)?,
                Answer::Beginning(answer) => {
                    entries.end = Place(sequence_in(&answer).ok_or_else(|| defect("number"))?, 0);
                    entries.updates.push((entries.end, None));
                    continue;
                }
            };
            match failure {
                0 => {}
                NO_MESSAGE => return Ok(()),
                // Another one counts from the beginning.
                NO_STREAM => return Err(EngineError("the stream of the updates is gone".to_owned())),
                _ => return Err(described(&answer)),
            }
            let data = answer["message"]["data"].as_str().unwrap_or_default();
            entries.end = Place(sequence(&answer)?, 0);
            entries.updates.push((entries.end, Some(STANDARD.decode(data).map_err(|_| defect("value"))?)));
        }
        Ok(())
    }

    /// The first message of the hub from this number on, which another program may have made larger than any update.
    async fn next(&mut self, number: u64) -> Result<Answer, EngineError> {
        let body = json!({ "seq": number, "next_by_subj": self.subject }).to_string();
        let subject = format!("$JS.API.STREAM.MSG.GET.{}", self.stream);
        let bound = Duration::from_millis(CLUSTER_UPDATES_CALL_MS_MAX);
        match timeout(bound, self.client.request_any(&subject, None, body.as_bytes())).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => self.left(error),
            Err(_) => self.left(EngineError(format!("no answer within {CLUSTER_UPDATES_CALL_MS_MAX} ms"))),
        }
    }

    async fn make_sure(&mut self) -> Result<(), EngineError> {
        let age = u64::try_from(CLUSTER_UPDATES_AGE.as_nanos()).unwrap_or(u64::MAX);
        let settings = json!({
            "name": self.stream, "subjects": [self.subjects], "max_msgs_per_subject": CLUSTER_UPDATES_MAX,
            "max_bytes": 4 * CLUSTER_UPDATES_BYTES_MAX, "max_age": age, "retention": "limits", "discard": "old",
            "storage": "file", "num_replicas": 1, "max_msgs": -1, "max_consumers": -1,
            "max_msg_size": CLUSTER_UPDATE_BYTES_MAX + CLUSTER_NATS_ROOM_BYTES,
        });
        let bound = Duration::from_millis(CLUSTER_CALL_MS_MAX);
        match timeout(bound, make_sure(&mut self.client, &self.stream, &settings, &self.presence)).await {
            Ok(Ok(made)) => {
                (self.is_made, self.made) = (true, made);
                Ok(())
            }
            Ok(Err(error)) => self.left(error),
            Err(_) => self.left(EngineError(format!("no answer within {CLUSTER_CALL_MS_MAX} ms"))),
        }
    }

    async fn call(&mut self, call: &str, body: &Value) -> Result<(Value, u64), EngineError> {
        let bound = Duration::from_millis(CLUSTER_CALL_MS_MAX);
        match timeout(bound, call_stream(&mut self.client, call, &self.stream, body)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => self.left(error),
            Err(_) => self.left(EngineError(format!("no answer within {CLUSTER_CALL_MS_MAX} ms"))),
        }
    }

    /// The next call asks another server. The stream may be gone: no one answers for it then.
    fn left<T>(&mut self, error: EngineError) -> Result<T, EngineError> {
        self.client.next_server();
        self.is_made = false;
        Err(error)
    }
}

fn sequence(answer: &Value) -> Result<u64, EngineError> {
    answer["message"]["seq"].as_u64().ok_or_else(|| defect("number"))
}

/// The number in the beginning of an answer: before it there is nothing but the subject, which is one of ours.
fn sequence_in(answer: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"\"seq\":";
    let place = answer.windows(NAME.len()).position(|window| window == NAME)? + NAME.len();
    let digits = answer[place..].iter().take_while(|byte| byte.is_ascii_digit()).map(|byte| char::from(*byte));
    digits.collect::<String>().parse().ok()
}
