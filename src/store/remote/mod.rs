//! A store of the cluster, as this instance has it. Its elements are in the engine that all instances share; here are
//! copies of those that were read, and the way to ask for others.
//!
//! A copy is removed when the engine says that its element has changed. What makes that safe is in `copies`. This module
//! knows no engine: [`Link`] hands a [`Call`] over to the one who does, and the calling thread waits for its [`Answer`],
//! outside of every lock.

mod codec;
mod copies;
mod wait;

use crate::limits::CLUSTER_CALL_MS_MAX;
use crate::tasks::Interruption;
use crate::vars::{Limits, Refusal, Value, WireError};
pub use copies::{Copies, CopyCounts};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
pub use wait::Reply;

/// What a store asks its engine to do with one element, in one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Read it.
    Get,
    /// Write it, for a time or for ever; with `absent` only if there is none.
    Set {
        /// The encoded value.
        bytes: Vec<u8>,
        /// When it expires; `None`: never.
        ttl: Option<Duration>,
        /// Whether an element that is there stays.
        absent: bool,
    },
    /// Write it if it has exactly these bytes.
    Swap {
        /// What it must have.
        expected: Vec<u8>,
        /// The encoded value.
        bytes: Vec<u8>,
        /// When it expires; `None`: as before.
        ttl: Option<Duration>,
    },
    /// Add to an integer; a missing one is 0 and gets the time.
    Add {
        /// How much.
        by: i64,
        /// When a new one expires.
        ttl: Option<Duration>,
    },
    /// Remove it, and return it if `is_read`.
    Remove {
        /// Whether the value is wanted.
        is_read: bool,
    },
    /// Write many elements: keys and encoded values. None of them expires.
    SetAll(Vec<(Vec<u8>, Vec<u8>)>),
}

/// The answer to a [`Command`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// What is there, and when it expires, counted from before the question.
    Element {
        /// `None`: there is none.
        bytes: Option<Vec<u8>>,
        /// `None`: it stays as it is until it is changed.
        expires: Option<Instant>,
    },
    /// Whether something was changed.
    Done(bool),
    /// The sum.
    Sum(i64),
}

/// Why a store of the cluster has not done what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteError {
    /// There is no connection to the engine, and why.
    Away(String),
    /// No answer came in time. The engine may have done it, or may still do it.
    Late,
    /// The script should end. The engine may have done it.
    Cut,
    /// Too many calls wait.
    Busy,
    /// The engine has refused it, in its words.
    Refused(String),
    /// The element is no integer.
    NotAnInteger,
    /// The sum would not fit.
    Overflow,
    /// The element is not in a known format.
    Format(WireError),
    /// The element is too large for this instance.
    TooLarge(Refusal),
}

/// A call on its way to the engine.
pub struct Call {
    /// Of the element; empty for commands of many.
    pub key: Vec<u8>,
    /// What to do.
    pub command: Command,
    /// Who waits.
    pub reply: Reply,
}

/// The way to the engine.
pub trait Link: Send + Sync {
    /// Takes a call. Returns at once.
    ///
    /// # Errors It cannot take it.
    fn send(&self, call: Call) -> Result<(), RemoteError>;
}

/// A store of the cluster on this instance.
pub struct Remote {
    copies: Arc<Copies>,
    /// Missing until the cluster has started.
    link: OnceLock<Box<dyn Link>>,
}

impl Remote {
    pub(super) fn new(bytes_max: usize, keys_max: usize) -> Self {
        Self { copies: Arc::new(Copies::new(bytes_max, keys_max)), link: OnceLock::new() }
    }

    /// Joins the cluster, once. When the store is dropped, so is the link.
    pub fn join(&self, link: Box<dyn Link>) {
        // A second one would be a defect of the caller, and is dropped.
        let _ = self.link.set(link);
    }

    /// Whether it has joined.
    pub fn has_joined(&self) -> bool {
        self.link.get().is_some()
    }

    /// What the link changes.
    pub fn copies(&self) -> &Arc<Copies> {
        &self.copies
    }

    /// The value of a key: of its copy, if there is one.
    ///
    /// # Errors The engine did not answer, or has what cannot be read here.
    pub fn get(
        &self,
        key: &[u8],
        limits: Limits,
        interruption: &dyn Interruption,
    ) -> Result<Option<Value>, RemoteError> {
        if let Some(copy) = self.copies.get(key) {
            return Ok(copy);
        }
        let place = self.copies.expect(key);
        let read = self.ask(key.to_vec(), Command::Get, interruption).and_then(|answer| {
            let (bytes, expires) = element(answer)?;
            let value = bytes.map(|bytes| codec::decode(&bytes, limits)).transpose()?;
            Ok((value, expires))
        });
        match read {
            Ok((value, expires)) => {
                self.copies.fill(key, place, value.clone(), expires);
                Ok(value)
            }
            Err(error) => {
                self.copies.give_up(key, place);
                Err(error)
            }
        }
    }

    /// Writes an element; with `absent` only if there is none. Returns whether it was written.
    ///
    /// # Errors The engine did not answer, or has refused it.
    pub fn set(
        &self,
        key: &[u8],
        value: &Value,
        ttl: Option<Duration>,
        absent: bool,
        interruption: &dyn Interruption,
    ) -> Result<bool, RemoteError> {
        let bytes = codec::encode(value);
        self.change(key, Command::Set { bytes, ttl, absent }, interruption).and_then(done)
    }

    /// Adds to an integer, and returns the sum.
    ///
    /// # Errors As above, or it is no integer, or the sum would not fit.
    pub fn add(
        &self,
        key: &[u8],
        by: i64,
        ttl: Option<Duration>,
        interruption: &dyn Interruption,
    ) -> Result<i64, RemoteError> {
        match self.change(key, Command::Add { by, ttl }, interruption)? {
            Answer::Sum(sum) => Ok(sum),
            _ => Err(unexpected()),
        }
    }

    /// The element in the engine, without its copy: what [`swap`](Self::swap) compares.
    ///
    /// # Errors As for [`get`](Self::get).
    pub fn find(
        &self,
        key: &[u8],
        limits: Limits,
        interruption: &dyn Interruption,
    ) -> Result<Option<(Vec<u8>, Value)>, RemoteError> {
        let (bytes, _) = element(self.ask(key.to_vec(), Command::Get, interruption)?)?;
        bytes.map(|bytes| codec::decode(&bytes, limits).map(|value| (bytes, value))).transpose()
    }

    /// Writes an element that has these bytes. Without a time it keeps its own.
    ///
    /// # Errors The engine did not answer, or has refused it.
    pub fn swap(
        &self,
        key: &[u8],
        expected: Vec<u8>,
        value: &Value,
        ttl: Option<Duration>,
        interruption: &dyn Interruption,
    ) -> Result<bool, RemoteError> {
        let bytes = codec::encode(value);
        self.change(key, Command::Swap { expected, bytes, ttl }, interruption).and_then(done)
    }

    /// Removes an element. Returns its value.
    ///
    /// # Errors As for [`get`](Self::get).
    pub fn pull(
        &self,
        key: &[u8],
        limits: Limits,
        interruption: &dyn Interruption,
    ) -> Result<Option<Value>, RemoteError> {
        let (bytes, _) = element(self.change(key, Command::Remove { is_read: true }, interruption)?)?;
        bytes.map(|bytes| codec::decode(&bytes, limits)).transpose()
    }

    /// Removes an element. Returns whether it was there.
    ///
    /// # Errors The engine did not answer.
    pub fn remove(&self, key: &[u8], interruption: &dyn Interruption) -> Result<bool, RemoteError> {
        self.change(key, Command::Remove { is_read: false }, interruption).and_then(done)
    }

    /// Writes all of these elements in one step.
    ///
    /// # Errors The engine did not answer, or has refused it.
    pub fn set_all(&self, elements: &[(Vec<u8>, Value)], interruption: &dyn Interruption) -> Result<(), RemoteError> {
        if elements.is_empty() {
            return Ok(());
        }
        let encoded = elements.iter().map(|(key, value)| (key.clone(), codec::encode(value))).collect();
        let written = self.ask(Vec::new(), Command::SetAll(encoded), interruption);
        elements.iter().for_each(|(key, _)| self.copies.remove(key));
        written.and_then(done).map(drop)
    }

    /// Asks for a change. Whatever became of it, no thread of this instance reads the copy from before it afterwards.
    fn change(&self, key: &[u8], command: Command, interruption: &dyn Interruption) -> Result<Answer, RemoteError> {
        let answer = self.ask(key.to_vec(), command, interruption);
        self.copies.remove(key);
        answer
    }

    /// Hands the command over and waits: on the calling thread, for a bounded time, without a lock.
    fn ask(&self, key: Vec<u8>, command: Command, interruption: &dyn Interruption) -> Result<Answer, RemoteError> {
        let until = Instant::now() + Duration::from_millis(CLUSTER_CALL_MS_MAX);
        let (reply, wait) = Reply::new();
        let sent = match self.link.get() {
            Some(link) => link.send(Call { key, command, reply }),
            None => Err(RemoteError::Away("this process has not joined the cluster".to_owned())),
        };
        let answer = sent.and_then(|()| wait.wait(until, interruption));
        if answer.as_ref().is_err_and(RemoteError::is_of_engine) {
            self.copies.count_error();
        }
        answer
    }
}

impl RemoteError {
    /// Whether the engine, or the way to it, is the reason.
    fn is_of_engine(&self) -> bool {
        matches!(self, Self::Away(_) | Self::Late | Self::Busy | Self::Refused(_))
    }
}

fn element(answer: Answer) -> Result<(Option<Vec<u8>>, Option<Instant>), RemoteError> {
    match answer {
        Answer::Element { bytes, expires } => Ok((bytes, expires)),
        _ => Err(unexpected()),
    }
}

fn done(answer: Answer) -> Result<bool, RemoteError> {
    match answer {
        Answer::Done(is_done) => Ok(is_done),
        _ => Err(unexpected()),
    }
}

fn unexpected() -> RemoteError {
    RemoteError::Refused("an answer of another kind".to_owned())
}
