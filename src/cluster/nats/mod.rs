//! NATS, by a key-value bucket of JetStream. The bucket is a stream of NATS, and each key is a subject of it.
//!
//! | key | holds |
//! |---|---|
//! | `WORKER.lease` | the epoch, the length of the lease, and who holds it; written again at each renewal |
//! | `WORKER.head` | the epoch of the leader, the position of the snapshot, the number of its parts; if that is 0, the bytes |
//! | `WORKER.part.EPOCH.NUMBER.PART` | a part of a snapshot that one message does not take |
//!
//! NATS has no transaction over two keys, but compares the revision of one key with the one that a writer has seen. So a
//! new leader first takes the lease, and then writes its epoch into the head. After that each write of an older leader has
//! seen an older revision of the head, and is refused. A leader that has no answer to a write reads the head again: the
//! epoch in it says whether it still leads.
//!
//! A key cannot expire by itself before NATS 2.11, and a bucket whose keys do lets each server count for itself. So nothing
//! expires: an instance that has seen one revision of the lease for the length of the lease takes it, if the revision is
//! still the same. Its clock decides when it tries, and never who publishes.

mod bucket;
mod client;
mod login;
mod updates;

use super::engine::{Base, EngineError, Fate, Lead, Source, Steps, name_of};
use crate::config::ClusterSettings;
use crate::limits::config::CLUSTER_NATS_BYTES_MAX;
use crate::worker::background::Position;
pub(super) use bucket::Presence;
use bucket::{Bucket, Found, escaped};
use client::Client;
use std::time::{Duration, Instant};
pub(super) use updates::Updates;

/// What another instance has disturbed is tried so often in one call.
const TRIES: usize = 4;

/// The engine of one worker.
pub(super) struct Nats {
    base: Base,
    bucket: Bucket,
    /// The first part of every key of the worker.
    worker: String,
    /// The lease of this instance, as its last write has left it.
    held: Option<Held>,
    /// The newest revision of another's lease, and when it was first seen.
    other: Option<(u64, Instant)>,
    due: Option<Instant>,
    /// The head as the last write of this instance has left it. `None`: not known, or written by another instance.
    own: Option<Held>,
    /// What the head held when this instance wrote its epoch into it.
    fenced: Option<Head>,
    read: Option<Read>,
}

/// The revision of a key that this instance has written in an epoch.
#[derive(Debug, Clone, Copy)]
struct Held {
    epoch: u64,
    revision: u64,
}

/// The newest head that was read or written. Nothing up to its revision is newer than its position.
#[derive(Debug, Clone, Copy)]
struct Read {
    revision: u64,
    position: Position,
    /// The connection that it came by: another one may lead to a NATS that has lost its state.
    connection: u64,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Lease {
    epoch: u64,
    length: Duration,
    /// Empty: it was released.
    holder: String,
}

impl Lease {
    fn to_bytes(&self) -> Vec<u8> {
        format!("{} {} {}", self.epoch, self.length.as_millis(), self.holder).into_bytes()
    }

    /// What is no lease, as after the key was deleted by hand, is held by no instance.
    fn of(bytes: &[u8]) -> Self {
        let parsed = || {
            let mut words = std::str::from_utf8(bytes).ok()?.splitn(3, ' ');
            let epoch = words.next()?.parse().ok()?;
            let length = Duration::from_millis(words.next()?.parse().ok()?);
            // What an instance writes is one line; a head begins in the same way.
            let holder = words.next().filter(|holder| !holder.contains('\n'))?.to_owned();
            Some(Self { epoch, length, holder })
        };
        parsed().unwrap_or_default()
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Head {
    /// The epoch of the instance that may publish.
    leader: u64,
    position: Position,
    parts: usize,
    bytes: Vec<u8>,
}

impl Head {
    fn to_bytes(&self) -> Vec<u8> {
        let Position { epoch, number } = self.position;
        let mut bytes = format!("{} {epoch} {number} {}\n", self.leader, self.parts).into_bytes();
        bytes.extend_from_slice(&self.bytes);
        bytes
    }

    /// What is no head holds no snapshot.
    fn of(bytes: &[u8]) -> Self {
        let parsed = || {
            let end = bytes.iter().position(|byte| *byte == b'\n')?;
            let mut numbers = std::str::from_utf8(&bytes[..end]).ok()?.split(' ').map(str::parse::<u64>);
            let mut number = || numbers.next()?.ok();
            let leader = number()?;
            let position = Position { epoch: number()?, number: number()? };
            let parts = usize::try_from(number()?).ok()?;
            Some(Self { leader, position, parts, bytes: bytes[end + 1..].to_vec() })
        };
        parsed().unwrap_or_default()
    }
}

impl Nats {
    pub(super) fn new(settings: &ClusterSettings, worker: &str) -> Self {
        Self {
            base: Base::new(settings),
            bucket: Bucket::new(&settings.engine, &settings.prefix),
            worker: escaped(worker),
            held: None,
            other: None,
            due: None,
            own: None,
            fenced: None,
            read: None,
        }
    }

    fn name(&self, part: &str) -> String {
        format!("{}.{part}", self.worker)
    }

    fn part(&self, position: Position, number: usize) -> String {
        self.name(&format!("part.{}.{}.{number}", position.epoch, position.number))
    }

    /// The lease with its revision; 0 for none.
    async fn lease(&mut self) -> Result<(u64, Lease), EngineError> {
        let found = self.bucket.get(&self.name("lease"), None).await?;
        Ok(found.map_or_else(Default::default, |Found { revision, bytes }| (revision, Lease::of(&bytes))))
    }

    async fn head(&mut self) -> Result<(u64, Head), EngineError> {
        let found = self.bucket.get(&self.name("head"), None).await?;
        Ok(found.map_or_else(Default::default, |Found { revision, bytes }| (revision, Head::of(&bytes))))
    }

    async fn write_lease(&mut self, epoch: u64, holder: &str, seen: u64) -> Result<Option<Held>, EngineError> {
        let lease = Lease { epoch, length: self.base.settings.lease, holder: holder.to_owned() };
        let written = self.bucket.put(&self.name("lease"), Some(seen), &lease.to_bytes()).await?;
        Ok(written.map(|revision| Held { epoch, revision }))
    }

    /// When this revision of another's lease was first seen.
    fn seen(&mut self, revision: u64) -> Instant {
        match self.other {
            Some((seen, since)) if seen == revision => since,
            before => {
                if before.is_some_and(|(seen, _)| seen > revision) {
                    self.read = None;
                }
                let now = Instant::now();
                self.other = Some((revision, now));
                now
            }
        }
    }

    /// Writes the epoch into the head, so that no older leader can publish.
    async fn fence(&mut self, epoch: u64) -> Result<(), EngineError> {
        if self.own.is_some_and(|own| own.epoch == epoch) {
            return Ok(());
        }
        for _ in 0..TRIES {
            let (mut revision, mut head) = self.head().await?;
            if head.leader > epoch {
                self.held = None;
                return Err(EngineError("a newer leader has published".to_owned()));
            }
            if head.leader < epoch {
                head.leader = epoch;
                match self.bucket.put(&self.name("head"), Some(revision), &head.to_bytes()).await? {
                    Some(written) => revision = written,
                    None => continue,
                }
            }
            self.own = Some(Held { epoch, revision });
            self.fenced = Some(head);
            return Ok(());
        }
        Err(EngineError("older leaders have published in each moment".to_owned()))
    }

    /// Deletes the parts of other snapshots.
    async fn sweep(&mut self, newest: Position) -> Result<(), EngineError> {
        let mut older: Vec<String> = Vec::new();
        for key in self.bucket.keys(&self.name("part.>")).await? {
            let Some((position, _)) = key.rsplit_once('.') else { continue };
            let is_newest = position == self.name(&format!("part.{}.{}", newest.epoch, newest.number));
            if !is_newest && !older.iter().any(|known| known == position) {
                older.push(position.to_owned());
            }
        }
        for position in older {
            self.bucket.purge(&format!("{position}.>")).await?;
        }
        Ok(())
    }

    /// All bytes of a snapshot. `None`: a newer one has replaced its parts.
    async fn whole(&mut self, at: Position, parts: usize, head: Vec<u8>) -> Result<Option<Vec<u8>>, EngineError> {
        let mut bytes = head;
        for number in 0..parts {
            let Some(part) = self.bucket.get(&self.part(at, number), None).await? else { return Ok(None) };
            if bytes.len() + part.bytes.len() > CLUSTER_NATS_BYTES_MAX {
                return Err(EngineError(format!("the stored snapshot has more than {CLUSTER_NATS_BYTES_MAX} bytes")));
            }
            bytes.extend(part.bytes);
        }
        Ok(Some(bytes))
    }
}

impl Steps for Nats {
    type News = Subscription;

    fn base(&mut self) -> &mut Base {
        &mut self.base
    }

    async fn campaign(&mut self, known: u64) -> Result<Lead, EngineError> {
        self.due = None;
        for _ in 0..TRIES {
            // Without an answer its revision is not known.
            if let Some(held) = self.held.take().filter(|held| held.epoch >= known) {
                let holder = self.base.holder.clone();
                if let Some(renewed) = self.write_lease(held.epoch, &holder, held.revision).await? {
                    if renewed.revision < held.revision {
                        // The bucket is another one.
                        self.read = None;
                    }
                    self.held = Some(renewed);
                    self.fence(renewed.epoch).await?;
                    return Ok(Lead::Own(renewed.epoch));
                }
            }
            let (revision, lease) = self.lease().await?;
            if lease.holder == self.base.holder && lease.epoch >= known {
                self.held = Some(Held { epoch: lease.epoch, revision });
                continue;
            }
            if !lease.holder.is_empty() && lease.epoch >= known {
                let end = self.seen(revision) + lease.length;
                if Instant::now() < end {
                    self.due = Some(end);
                    self.own = None;
                    return Ok(Lead::Other(name_of(&lease.holder)));
                }
            }
            let (_, head) = self.head().await?;
            let epoch = lease.epoch.max(known).max(head.leader) + 1;
            let holder = self.base.holder.clone();
            if let Some(taken) = self.write_lease(epoch, &holder, revision).await? {
                self.held = Some(taken);
                self.fence(epoch).await?;
                return Ok(Lead::Own(epoch));
            }
        }
        Err(EngineError("other instances have disturbed each election".to_owned()))
    }

    async fn store(&mut self, position: Position, bytes: &[u8]) -> Result<Fate, EngineError> {
        if bytes.len() > CLUSTER_NATS_BYTES_MAX {
            let length = bytes.len();
            return Err(EngineError(format!(
                "the snapshot has {length} bytes as it is sent, and at most {CLUSTER_NATS_BYTES_MAX} go through NATS"
            )));
        }
        let room = self.bucket.room().await?;
        let parts = if bytes.len() <= room { 0 } else { bytes.len().div_ceil(room) };
        for (number, part) in bytes.chunks(room).enumerate().take(parts) {
            self.bucket.put(&self.part(position, number), None, part).await?;
        }
        let bytes = if parts == 0 { bytes.to_vec() } else { Vec::new() };
        let head = Head { leader: position.epoch, position, parts, bytes }.to_bytes();
        for _ in 0..TRIES {
            // Without an answer its revision is not known.
            let revision = match self.own.take().filter(|own| own.epoch == position.epoch) {
                Some(own) => own.revision,
                None => {
                    let (revision, head) = self.head().await?;
                    if head.leader != position.epoch || head.position >= position {
                        return Ok(Fate::Lost);
                    }
                    revision
                }
            };
            if let Some(revision) = self.bucket.put(&self.name("head"), Some(revision), &head).await? {
                self.own = Some(Held { epoch: position.epoch, revision });
                self.read = Some(Read { revision, position, connection: self.bucket.connection() });
                self.fenced = None;
                // What fails from here on is no failure of the publish: followers look, and the next publish sweeps.
                let _ = self.bucket.announce(&self.worker).await;
                if parts > 0 {
                    let _ = self.sweep(position).await;
                }
                return Ok(Fate::Accepted);
            }
        }
        Err(EngineError("the newest snapshot has changed at each try to replace it".to_owned()))
    }

    async fn load(&mut self, known: Position) -> Result<Option<(Position, Vec<u8>)>, EngineError> {
        if let Some(head) = self.fenced.take().filter(|head| head.position > known)
            && let Some(bytes) = self.whole(head.position, head.parts, head.bytes).await?
        {
            return Ok(Some((head.position, bytes)));
        }
        for _ in 0..TRIES {
            let connection = self.bucket.connection();
            let read = self.read.filter(|read| read.position == known && read.connection == connection);
            let after = read.map(|read| read.revision);
            let Some(found) = self.bucket.get(&self.name("head"), after).await? else { return Ok(None) };
            let head = Head::of(&found.bytes);
            if head.position <= known {
                if head.position == known {
                    self.read = Some(Read { revision: found.revision, position: known, connection });
                }
                return Ok(None);
            }
            if let Some(bytes) = self.whole(head.position, head.parts, head.bytes).await? {
                self.read = Some(Read { revision: found.revision, position: head.position, connection });
                return Ok(Some((head.position, bytes)));
            }
        }
        Err(EngineError("each snapshot was replaced while it was read".to_owned()))
    }

    async fn give_back(&mut self) -> Result<(), EngineError> {
        self.own = None;
        for _ in 0..TRIES {
            let held = match self.held.take() {
                Some(held) => held,
                None => {
                    let (revision, lease) = self.lease().await?;
                    if lease.holder != self.base.holder {
                        return Ok(());
                    }
                    Held { epoch: lease.epoch, revision }
                }
            };
            if self.write_lease(held.epoch, "", held.revision).await?.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn next_server(&mut self) {
        self.bucket.next_server();
    }

    fn lead_to(&mut self, settings: &ClusterSettings) {
        self.bucket = Bucket::new(&settings.engine, &settings.prefix);
        self.read = None;
    }

    fn topic(&self) -> String {
        self.bucket.announcements(&self.worker)
    }

    fn news_of(settings: &ClusterSettings, subject: String) -> Subscription {
        Subscription { client: Client::new(&settings.engine), subject }
    }

    fn expiry(&self) -> Option<Instant> {
        self.due
    }
}

/// The messages of one subject.
pub(super) struct Subscription {
    client: Client,
    subject: String,
}

impl Source for Subscription {
    async fn listen(&mut self, heard: impl Fn() + Send + Sync) {
        let _ = self.client.subscribe(&self.subject, heard).await;
        self.client.next_server();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_and_a_head_are_read_as_they_were_written() {
        let lease = Lease { epoch: 7, length: Duration::from_secs(2), holder: "host:1 00ff".to_owned() };
        assert_eq!(Lease::of(&lease.to_bytes()), lease);
        let position = Position { epoch: 6, number: u64::MAX };
        let head = Head { leader: 7, position, parts: 0, bytes: b"a\nb".to_vec() };
        assert_eq!(Head::of(&head.to_bytes()), head);
        for rubbish in [&b""[..], b"1 2", b"\n", b"1 2 3\n", b"1 2 3 x\nbytes", b"\xff 2 3 4\n"] {
            assert_eq!((Lease::of(rubbish), Head::of(rubbish)), (Lease::default(), Head::default()), "{rubbish:?}");
        }
    }
}
