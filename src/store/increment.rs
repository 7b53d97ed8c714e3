//! Counting: elements that are numbers.

use super::entry::{Entry, Used};
use super::map::Expiry;
use super::number::{Number, NumberError};
use super::shared::{Condition, Full, Store};
use super::watch::Change;
use crate::sync::Ordering;

impl Store {
    /// Adds to a number; a missing element counts as 0. An existing element keeps its expiry.
    ///
    /// # Errors The inner one: the element is not a number, or the sum does not fit.
    pub fn increment(&self, key: &[u8], by: Number, expiry: Expiry) -> Result<Result<Number, NumberError>, Full> {
        self.increment_if(key, by, expiry, |_| true)
    }

    /// The same for integers alone: a float is no number.
    ///
    /// # Errors As above.
    pub fn increment_integer(&self, key: &[u8], by: i64) -> Result<Result<i64, NumberError>, Full> {
        let is_integer = |number: &Number| matches!(number, Number::Int(_));
        let sum = self.increment_if(key, Number::Int(by), Expiry::Never, is_integer)?;
        Ok(sum.and_then(|sum| match sum {
            Number::Int(sum) => Ok(sum),
            Number::Float(_) => Err(NumberError::NotANumber),
        }))
    }

    fn increment_if(
        &self,
        key: &[u8],
        by: Number,
        expiry: Expiry,
        fits: impl Fn(&Number) -> bool,
    ) -> Result<Result<Number, NumberError>, Full> {
        loop {
            if let Some(result) = self.increment_there(key, by, &fits) {
                return Ok(result);
            }
            let stored = self.set_as("incrby", key, by.into(), expiry, Condition::Absent)?;
            if stored.is_stored {
                return Ok(Ok(by));
            }
        }
    }

    /// The same for an existing element.
    fn increment_there(
        &self,
        bytes: &[u8],
        by: Number,
        fits: impl Fn(&Number) -> bool,
    ) -> Option<Result<Number, NumberError>> {
        let key = self.key(bytes);
        let mut shard = self.shard(key);
        let entry = shard.get(key, || self.now_ms())?;
        let number = Number::of(&entry.value).filter(fits).ok_or(NumberError::NotANumber);
        let sum = match number.and_then(|number| number.plus(by)) {
            Ok(sum) => sum,
            Err(error) => return Some(Err(error)),
        };
        // A number needs no more room than the text of one.
        let less = entry.value.bytes();
        let entry = Entry {
            value: sum.into(),
            bytes: entry.bytes - less,
            revision: self.changed(),
            expires_ms: entry.expires_ms,
            stale_ms: entry.stale_ms,
            used: Used::at(shard.head.tick()),
        };
        let before = shard.put(&self.readers, key, entry);
        drop(shard);
        self.bytes.fetch_sub(less, Ordering::Relaxed);
        drop(before);
        self.listeners.tell(Change { event: "incrby", key: bytes });
        Some(Ok(sum))
    }
}
