//! One worker of the cluster on one instance: leads or follows, ships what the own script publishes, and takes what the
//! engine has accepted.

use super::Member;
use super::engine::{Engine, EngineError, Fate, Lead, instance_name};
use crate::config::ClusterSettings;
use crate::limits::{CLUSTER_ABSTAIN_SECONDS, CLUSTER_LOOK_MS_MAX};
use crate::vars::{ArrayNode, Limits, Published, Slot, Snapshot, decode, encode};
use crate::worker::background::{ClusterState, Position};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, sleep_until};

/// How often a stopping task checks whether the script has ended.
const LOOK_FOR_END_EVERY: Duration = Duration::from_millis(20);

/// The time in which this instance leads.
struct Term {
    epoch: u64,
    /// The number of the last publish that was offered to the engine in this epoch.
    offered: u64,
    /// Where the script publishes.
    source: Arc<Slot>,
    /// The newest version of the source that was shipped.
    shipped: u64,
}

struct Task<E> {
    engine: E,
    member: Arc<dyn Member>,
    state: Arc<ClusterState>,
    lease: Duration,
    max_bytes: usize,
    known: Position,
    /// The highest epoch that was seen.
    epoch: u64,
    /// The last publish that was offered to the engine. One without an answer may have been accepted, so no two have the
    /// same position.
    offered: Position,
    term: Option<Term>,
    /// What the script of the last term published, and the engine did not answer to. `known` is from before that.
    unshipped: Option<(Position, Published)>,
    /// Until when the lease holds at least, by the clock of this instance.
    holds_until: Instant,
    /// No candidate before that, because the script has failed here.
    abstains_until: Instant,
}

/// What a task is connected with.
pub(super) struct Ties {
    pub(super) member: Arc<dyn Member>,
    pub(super) settings: watch::Receiver<ClusterSettings>,
    /// The task ends when it says so, or its sender is gone.
    pub(super) stopped: watch::Receiver<bool>,
    /// What ran before: the task begins when it has ended.
    pub(super) after: Option<watch::Receiver<()>>,
    /// What is there as long as the task.
    pub(super) held: watch::Receiver<()>,
}

/// Runs until it is stopped.
pub(super) async fn run<E: Engine>(engine: E, ties: Ties) {
    let Ties { member, mut settings, mut stopped, mut after, held: _held } = ties;
    if let Some(after) = &mut after {
        // Nothing is sent: it ends with the sender.
        let _ = after.changed().await;
    }
    let now = Instant::now();
    let ClusterSettings { lease, max_bytes, .. } = settings.borrow_and_update().clone();
    let mut task = Task {
        engine,
        state: member.state(),
        member,
        lease,
        max_bytes,
        known: Position::default(),
        epoch: 0,
        offered: Position::default(),
        term: None,
        unshipped: None,
        holds_until: now,
        abstains_until: now,
    };
    let mut look = looks(lease);
    loop {
        let due = task.engine.due().map(|due| due.max(task.abstains_until));
        let wants = task.term.as_ref().map(|term| Slot::changed(&term.source, term.shipped));
        let result = tokio::select! {
            biased;
            () = stop(&mut stopped) => break,
            Ok(()) = settings.changed() => {
                task.configure(&settings.borrow_and_update().clone());
                look = looks(task.lease);
                continue;
            }
            _ = look.tick() => task.look().await,
            () = at(due) => task.look().await,
            _ = async { match wants { Some(wants) => wants.await, None => std::future::pending().await } } => task.ship().await,
            () = task.engine.news() => task.read().await,
        };
        task.note(result);
    }
    task.leave().await;
}

/// The looks at the engine. The first one is at once.
fn looks(lease: Duration) -> Interval {
    let mut looks = tokio::time::interval((lease / 3).min(Duration::from_millis(CLUSTER_LOOK_MS_MAX)));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

/// Returns at this moment, or never.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

/// Returns when the task should end: it is asked to, or its cluster is gone.
async fn stop(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

impl<E: Engine> Task<E> {
    /// Other settings take effect. A term continues: the look that follows at once renews its lease.
    fn configure(&mut self, settings: &ClusterSettings) {
        self.lease = settings.lease;
        self.max_bytes = settings.max_bytes;
        self.engine.configure(settings);
    }

    fn note(&mut self, result: Result<(), EngineError>) {
        let worker = self.member.key();
        match result {
            Ok(()) if self.state.answered() => tracing::info!(worker, "the cluster's engine is usable again"),
            Ok(()) => {}
            Err(error) if self.state.failed(&error.0) => {
                tracing::warn!(worker, "the cluster's engine is not usable, the newest snapshot stays: {error}");
            }
            Err(_) => {}
        }
        if self.term.is_some() && Instant::now() >= self.holds_until {
            self.step_down("its lease could not be renewed in time");
        }
    }

    /// Renews the lease, or tries to take it; then reads, in case that news were lost.
    async fn look(&mut self) -> Result<(), EngineError> {
        self.step_down_if_expired();
        if self.member.is_given_up() && self.term.is_some() {
            self.step_down("its script has failed too often in a row on this instance");
            self.abstains_until = Instant::now() + Duration::from_secs(CLUSTER_ABSTAIN_SECONDS);
            self.engine.release().await?;
        }
        if Instant::now() >= self.abstains_until {
            self.campaign().await?;
        }
        self.read().await
    }

    /// A process that was stopped for a while finds its lease expired before it does anything else.
    fn step_down_if_expired(&mut self) {
        if self.term.is_some() && Instant::now() >= self.holds_until {
            self.step_down("its lease expired before it was renewed");
        }
    }

    async fn campaign(&mut self) -> Result<(), EngineError> {
        let asked = Instant::now();
        match self.engine.lead(self.epoch).await? {
            Lead::Own(epoch) => {
                self.holds_until = asked + self.lease;
                if self.term.as_ref().is_some_and(|term| term.epoch == epoch) {
                    return Ok(());
                }
                self.step_down("its lease has expired meanwhile");
                self.epoch = self.epoch.max(epoch);
                self.begin(epoch).await
            }
            Lead::Other(leader) => {
                self.step_down("another instance leads");
                self.state.follows(&leader);
                Ok(())
            }
        }
    }

    /// This instance has become the leader.
    async fn begin(&mut self, epoch: u64) -> Result<(), EngineError> {
        // First what others have published, so that nothing older than that is offered.
        let received = self.receive().await;
        if received.is_err() {
            self.decline().await;
        }
        if let Some((position, unreadable)) = received? {
            let worker = self.member.key();
            tracing::warn!(worker, "leading the cluster worker without its last snapshot: {unreadable}");
            // The next publish replaces it. If all instances waited for one that can be read, none would ever lead.
            self.known = position;
        }
        let Some(source) = self.member.lead() else {
            self.decline().await;
            return Ok(());
        };
        self.state.led(instance_name());
        tracing::info!(worker = self.member.key(), epoch, "this instance leads the cluster worker");
        self.term = Some(Term { epoch, offered: self.used(epoch), source, shipped: 0 });
        match self.unshipped.take() {
            // No one has published since: it is the newest.
            Some((before, published)) if before == self.known => self.offer(&published.snapshot).await,
            _ => Ok(()),
        }
    }

    /// The script cannot run here, so other instances may try; they could not as long as this one renewed the lease.
    async fn decline(&mut self) {
        let worker = self.member.key();
        tracing::warn!(worker, "this instance has the lease of the cluster worker and cannot run it, so others may");
        self.abstains_until = Instant::now() + Duration::from_secs(CLUSTER_ABSTAIN_SECONDS);
        // It expires by itself otherwise.
        let _ = self.engine.release().await;
    }

    /// The highest number that is used in this epoch. A term may have ended here while the lease still held, because an
    /// answer was lost or the engine has lengthened it: the next term then has the same epoch, and counts on.
    fn used(&self, epoch: u64) -> u64 {
        let used = [self.known, self.offered].into_iter().filter(|position| position.epoch == epoch);
        used.map(|position| position.number).max().unwrap_or(0)
    }

    fn step_down(&mut self, why: &str) {
        let Some(term) = self.term.take() else { return };
        tracing::warn!(
            worker = self.member.key(),
            epoch = term.epoch,
            "this instance leads the cluster worker no more: {why}"
        );
        if let Some(published) = term.source.current().filter(|published| published.version > term.shipped) {
            self.unshipped = Some((self.known, published));
        }
        self.state.lost();
        self.member.follow();
    }

    /// Offers what the own script has published.
    async fn ship(&mut self) -> Result<(), EngineError> {
        self.step_down_if_expired();
        let Some(term) = &self.term else { return Ok(()) };
        let Some(published) = term.source.current() else { return Ok(()) };
        self.state.behind(published.version - term.shipped);
        let result = self.offer(&published.snapshot).await;
        match (&result, &mut self.term) {
            (Ok(()), Some(term)) => {
                term.shipped = published.version;
                self.state.behind(0);
            }
            // Not at once again.
            (Err(_), _) => tokio::time::sleep(LOOK_FOR_END_EVERY).await,
            (Ok(()), None) => {}
        }
        result
    }

    async fn offer(&mut self, snapshot: &Arc<Snapshot>) -> Result<(), EngineError> {
        let Some(term) = &mut self.term else { return Ok(()) };
        term.offered += 1;
        let position = Position { epoch: term.epoch, number: term.offered };
        self.offered = position;
        let bytes = encode(snapshot);
        match self.engine.publish(position, &bytes).await? {
            Fate::Accepted => self.take(position, snapshot.clone()),
            Fate::Lost => {
                self.state.refused();
                self.step_down("another instance leads, and the engine has refused a publish");
                self.unshipped = None;
            }
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<(), EngineError> {
        self.receive().await?.map_or(Ok(()), |(_, unreadable)| Err(unreadable))
    }

    /// Takes the newest snapshot of the engine. One that cannot be read is returned, with the reason.
    async fn receive(&mut self) -> Result<Option<(Position, EngineError)>, EngineError> {
        let Some((position, bytes)) = self.engine.read(self.known).await? else { return Ok(None) };
        self.epoch = self.epoch.max(position.epoch);
        if position <= self.known {
            return Ok(None);
        }
        match decode(&bytes).map_err(|error| error.to_string()).and_then(|array| self.snapshot(&array)) {
            Ok(snapshot) => self.take(position, Arc::new(snapshot)),
            Err(error) => {
                return Ok(Some((position, EngineError(format!("the snapshot {position} cannot be read: {error}")))));
            }
        }
        Ok(None)
    }

    fn snapshot(&self, array: &ArrayNode) -> Result<Snapshot, String> {
        let limits = Limits { bytes: self.max_bytes.saturating_mul(8), ..Limits::default() };
        array.snapshot(limits).map_err(|refusal| refusal.to_string())
    }

    /// The engine has accepted a snapshot.
    fn take(&mut self, position: Position, snapshot: Arc<Snapshot>) {
        self.known = position;
        self.state.at(position);
        self.member.arrived(snapshot);
    }

    /// Releases the lease when the script has ended. Until then it is renewed, so that no other instance starts.
    async fn leave(&mut self) {
        let led = self.term.is_some();
        self.member.follow();
        let mut renewed = Instant::now();
        while led && self.member.is_live() {
            tokio::time::sleep(LOOK_FOR_END_EVERY).await;
            if renewed.elapsed() > self.lease / 3 {
                renewed = Instant::now();
                let _ = self.engine.lead(self.epoch).await;
            }
        }
        self.state.lost();
        if led && self.engine.release().await.is_err() {
            tracing::info!(worker = self.member.key(), "the lease could not be given back; it expires by itself");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    type Stored = Result<Option<(Position, Vec<u8>)>, EngineError>;

    /// An engine that always grants the lease, and counts.
    #[derive(Default)]
    struct Willing {
        stored: VecDeque<Stored>,
        asked: u64,
        released: u64,
        /// Refuses every publish.
        refuses: bool,
    }

    impl Engine for Willing {
        async fn lead(&mut self, _known: u64) -> Result<Lead, EngineError> {
            self.asked += 1;
            Ok(Lead::Own(7))
        }

        async fn publish(&mut self, _position: Position, _bytes: &[u8]) -> Result<Fate, EngineError> {
            Ok(if self.refuses { Fate::Lost } else { Fate::Accepted })
        }

        async fn read(&mut self, _known: Position) -> Stored {
            self.stored.pop_front().unwrap_or(Ok(None))
        }

        async fn release(&mut self) -> Result<(), EngineError> {
            self.released += 1;
            Ok(())
        }

        fn configure(&mut self, _settings: &ClusterSettings) {}

        async fn news(&mut self) {
            std::future::pending().await
        }
    }

    struct Script {
        cannot_start: bool,
    }

    impl Member for Script {
        fn key(&self) -> String {
            "w".to_owned()
        }

        fn state(&self) -> Arc<ClusterState> {
            Arc::default()
        }

        fn lead(&self) -> Option<Arc<Slot>> {
            (!self.cannot_start).then(|| Slot::new(b"w"))
        }

        fn follow(&self) {}

        fn limit(&self, _bytes_max: usize) {}

        fn is_live(&self) -> bool {
            false
        }

        fn is_given_up(&self) -> bool {
            false
        }

        fn arrived(&self, _snapshot: Arc<Snapshot>) {}
    }

    /// A task after its first look.
    fn looked(stored: Stored, cannot_start: bool) -> Task<Willing> {
        let now = Instant::now();
        let member = Arc::new(Script { cannot_start });
        let mut task = Task {
            engine: Willing { stored: [stored].into(), ..Willing::default() },
            state: member.state(),
            member,
            lease: Duration::from_secs(60),
            max_bytes: 1 << 20,
            known: Position::default(),
            epoch: 0,
            offered: Position::default(),
            term: None,
            unshipped: None,
            holds_until: now,
            abstains_until: now,
        };
        look(&mut task);
        task
    }

    fn look(task: &mut Task<Willing>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let _ = runtime.block_on(task.look());
    }

    /// It was renewed for ever, and no instance ran the script.
    #[test]
    fn a_lease_that_is_of_no_use_is_given_back() {
        let fails = || Err(EngineError("not now".to_owned()));
        for (stored, cannot_start) in [(Ok(None), true), (fails(), false)] {
            let mut task = looked(stored, cannot_start);
            assert!(task.term.is_none());
            assert_eq!((task.engine.asked, task.engine.released), (1, 1));
            look(&mut task);
            assert_eq!(task.engine.asked, 1, "others may try");
        }
    }

    /// It abstained for a minute, as if its script could not be started.
    #[test]
    fn a_refused_publish_of_the_last_term_is_no_reason_to_abstain() {
        let mut task = looked(Ok(None), false);
        let array = decode(b"IGOR\x01\x07\x00").expect("an empty list");
        let slot = Slot::new(b"w");
        slot.publish_shared(Arc::new(task.snapshot(&array).expect("a small one")));
        task.step_down("its lease expired before it was renewed");
        task.unshipped = slot.current().map(|published| (task.known, published));
        task.engine.refuses = true;
        look(&mut task);
        assert_eq!((task.term.is_none(), task.engine.asked, task.engine.released), (true, 2, 0));
        task.engine.refuses = false;
        look(&mut task);
        assert!(task.term.is_some());
    }

    /// Each publish of the second term was refused, and it began again and again.
    #[test]
    fn a_second_term_in_one_epoch_counts_on() {
        let position = Position { epoch: 7, number: 9 };
        let mut task = looked(Ok(Some((position, b"rubbish".to_vec()))), false);
        assert_eq!(task.term.as_ref().map(|term| term.offered), Some(9));
        // One without an answer.
        task.offered = Position { epoch: 7, number: 11 };
        task.step_down("its lease expired before it was renewed");
        look(&mut task);
        assert_eq!(task.term.as_ref().map(|term| term.offered), Some(11));
    }

    /// No instance can read it, so waiting would not help.
    #[test]
    fn a_stored_snapshot_that_cannot_be_read_does_not_keep_the_script_from_starting() {
        let position = Position { epoch: 3, number: 9 };
        let task = looked(Ok(Some((position, b"rubbish".to_vec()))), false);
        assert_eq!(task.term.as_ref().map(|term| term.epoch), Some(7));
        assert_eq!((task.known, task.engine.released), (position, 0));
    }
}
