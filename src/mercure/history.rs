//! The updates that a client gets when it comes back, within two bounds.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::Update;
use crate::limits;

/// The name of the time before the first update (the Mercure specification, "Reconciliation").
pub(super) const EARLIEST: &str = "earliest";

pub(super) struct History {
    updates: VecDeque<Arc<Update>>,
    /// The number of the newest update with this identifier: whoever names one must not cost a walk over all.
    numbers: HashMap<Arc<str>, u64>,
    updates_max: usize,
    bytes: usize,
    /// How many updates it has had. They are numbered in their order, from 0.
    had: u64,
    /// The update before the oldest one here. Of a private one the name is not kept: it is shown to clients that may not get
    /// the update.
    before: Option<Arc<str>>,
}

impl History {
    pub(super) fn new(updates_max: usize) -> Self {
        Self { updates: VecDeque::new(), numbers: HashMap::new(), updates_max, bytes: 0, had: 0, before: None }
    }

    pub(super) fn add(&mut self, update: &Arc<Update>) {
        self.numbers.insert(Arc::clone(&update.id), self.had);
        self.had += 1;
        self.bytes += update.frame.len();
        self.updates.push_back(Arc::clone(update));
        while self.updates.len() > self.updates_max || self.bytes > limits::MERCURE_HISTORY_BYTES_MAX {
            let number = self.first();
            let Some(oldest) = self.updates.pop_front() else { break };
            if self.numbers.get(&oldest.id) == Some(&number) {
                self.numbers.remove(&oldest.id);
            }
            self.bytes -= oldest.frame.len();
            self.before = (!oldest.is_private).then(|| Arc::clone(&oldest.id));
        }
    }

    /// How many updates it has had.
    pub(super) fn had(&self) -> u64 {
        self.had
    }

    /// Those that came after the first `had` ones and are still here, and how many it has had now.
    pub(super) fn since(&self, had: u64) -> (Vec<Arc<Update>>, u64) {
        let new = usize::try_from(self.had - had).unwrap_or(usize::MAX);
        let known = self.updates.len().saturating_sub(new);
        (self.updates.iter().skip(known).cloned().collect(), self.had)
    }

    /// The newest update.
    pub(super) fn last(&self) -> &str {
        self.updates.back().map(|update| &*update.id).or(self.before.as_deref()).unwrap_or(EARLIEST)
    }

    /// The number of the update after this one, and the identifier of the one before that. If it is not here any more, that is
    /// the oldest.
    pub(super) fn after(&self, id: &str) -> (&str, u64) {
        match self.numbers.get_key_value(id) {
            Some((id, number)) => (id, number + 1),
            None => (self.before.as_deref().unwrap_or(EARLIEST), self.first()),
        }
    }

    /// The number of the oldest update here.
    fn first(&self) -> u64 {
        self.had - self.updates.len() as u64
    }

    /// The updates from this number on; `None`: that one is not here any more.
    pub(super) fn from(&self, number: u64) -> Option<impl Iterator<Item = &Arc<Update>>> {
        let skipped = usize::try_from(number.checked_sub(self.first())?).ok()?;
        Some(self.updates.range(skipped.min(self.updates.len())..))
    }
}
