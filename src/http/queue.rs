//! The async side of a queue of PHP threads: places, waiting, and giving up.
//!
//! A request holds a *place* from before it is offered until a PHP thread has taken it, so the queue itself never
//! overflows. A request that waits too long, or loses its client, withdraws its job. One compare-and-swap in the job's
//! [`Claim`] decides between it and a PHP thread.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use super::body::Reply;
use super::interim::InterimSlot;
use crate::exchange::{Claim, Exchange, Job, JobSender};
use crate::limits;

/// Why a request was not run. All of them answer 503.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// The queue was full for as long as the request may wait.
    #[error("every place in the queue stayed taken")]
    Full,
    /// No PHP thread took the job in time.
    #[error("no thread became free in time")]
    TimedOut,
    /// The client closed its sending side and no PHP thread has taken the job since.
    #[error("the client has closed its side of the connection")]
    HungUp,
    /// The PHP threads of the sender have ended, or are ending.
    #[error("the threads are stopping")]
    Stopped,
}

/// A [`JobSender`] with its waiting room. There is one for each sender, shared by all requests that it sends.
pub struct RequestQueue {
    sender: Arc<dyn JobSender>,
    /// As many as the queue holds. A request has one from its arrival until a thread takes it.
    places: Arc<Semaphore>,
    /// For the metrics: the semaphore only knows the free places.
    capacity: usize,
    /// How long a request waits for a thread in all; see [`Self::new`] for `None`.
    max_wait: Option<Duration>,
    /// For the metrics.
    refused: AtomicU64,
}

impl RequestQueue {
    /// A waiting room for `sender`. A request waits at most `max_wait` in all for a thread. With `None` it waits for a
    /// thread without limit, once it has a place; for the place it waits [`limits::PLACE_WAIT_SECONDS_MAX`].
    pub fn new(sender: Arc<dyn JobSender>, max_wait: Option<Duration>) -> Arc<Self> {
        let capacity = sender.capacity().clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Self {
            places: Arc::new(Semaphore::new(capacity)),
            sender,
            capacity,
            max_wait,
            refused: AtomicU64::new(0),
        })
    }

    /// The waiting room of another sender to the same PHP threads. The two share their places, because their jobs share
    /// one queue.
    pub fn sharing(&self, sender: Arc<dyn JobSender>) -> Arc<Self> {
        Arc::new(Self {
            sender,
            places: Arc::clone(&self.places),
            capacity: self.capacity,
            max_wait: self.max_wait,
            refused: AtomicU64::new(0),
        })
    }

    /// How many jobs wait for a PHP thread now, withdrawn ones included until a thread has skipped them.
    pub fn depth(&self) -> usize {
        self.capacity - self.places.available_permits()
    }

    /// How many requests for this sender were refused with 503 since the start.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Runs the exchange that `open` makes once there is a place for it, and waits for its reply. `open` also returns
    /// what to do when no PHP thread will ever see it: after waiting too long, or because this future was dropped (the
    /// client hung up).
    #[expect(clippy::manual_async_fn, reason = "an async fn would hold `open`, and so the request, twice")]
    pub(super) fn run<E, W>(
        &self,
        open: impl FnOnce() -> (E, oneshot::Receiver<Reply>, W),
        connection: Option<&InterimSlot>,
    ) -> impl Future<Output = Result<Reply, Refusal>>
    where
        E: Exchange + 'static,
        W: FnOnce(),
    {
        async move {
            let outcome = match self.place().await {
                Ok(place) => {
                    let (exchange, reply, on_withdrawn) = open();
                    self.offer(place, Box::new(exchange), Answer { reply, connection }, on_withdrawn).await
                }
                Err(refusal) => Err(refusal),
            };
            if let Err(refusal) = &outcome {
                self.refused.fetch_add(1, Ordering::Relaxed);
                tracing::debug!("queueing a request for PHP: {refusal}; answered 503");
            }
            outcome
        }
    }

    /// Waits for a place.
    async fn place(&self) -> Result<Place, Refusal> {
        // The usual case needs neither a clock nor a timer.
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(Place { permit, deadline: self.max_wait.map(|limit| Instant::now() + limit) });
        }
        let started = Instant::now();
        let limit = self.max_wait.unwrap_or(Duration::from_secs(limits::PLACE_WAIT_SECONDS_MAX));
        match tokio::time::timeout_at(started + limit, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Place { permit, deadline: self.max_wait.map(|limit| started + limit) }),
            Ok(Err(_)) => Err(Refusal::Stopped),
            Err(_) => Err(Refusal::Full),
        }
    }

    /// Queues the job, and waits for its answer. A job that no thread has taken is withdrawn when its time in the queue is
    /// over, and when its client hangs up.
    async fn offer(
        &self,
        place: Place,
        exchange: Box<dyn Exchange>,
        mut answer: Answer<'_>,
        on_withdrawn: impl FnOnce(),
    ) -> Result<Reply, Refusal> {
        let Place { permit, deadline } = place;
        let job = Job::new(exchange, Some(Box::new(move || drop(permit))));
        let waiting = Waiting { claim: job.claim(), on_withdrawn: Some(on_withdrawn) };
        if let Err(job) = self.sender.offer(job) {
            drop(job);
            return Err(Refusal::Stopped);
        }
        if let Some(deadline) = deadline {
            match tokio::time::timeout_at(deadline, answer.wait()).await {
                Ok(Some(reply)) => return waiting.conclude(reply),
                Ok(None) if waiting.claim.withdraw() => {
                    waiting.withdrawn();
                    return Err(Refusal::HungUp);
                }
                Err(_) if waiting.claim.withdraw() => {
                    waiting.withdrawn();
                    return Err(Refusal::TimedOut);
                }
                // A thread has it: from here on the script's own time limit counts.
                _ => {}
            }
        }
        match answer.wait().await {
            Some(reply) => waiting.conclude(reply),
            None if waiting.claim.withdraw() => {
                waiting.withdrawn();
                Err(Refusal::HungUp)
            }
            None => waiting.conclude(answer.reply.await.ok()),
        }
    }
}

/// The events that the waiter of a job waits for.
struct Answer<'c> {
    /// Resolves when the script's response begins.
    reply: oneshot::Receiver<Reply>,
    /// Knows whether the client has closed its side; `None`: that cannot be seen.
    connection: Option<&'c InterimSlot>,
}

impl Answer<'_> {
    /// The reply, which is missing when the job was dropped. `None`: the client closed its sending side a while ago, so
    /// it is most likely gone.
    async fn wait(&mut self) -> Option<Option<Reply>> {
        let mut patience = None;
        poll_fn(|context| {
            if let Poll::Ready(reply) = Pin::new(&mut self.reply).poll(context) {
                return Poll::Ready(Some(reply.ok()));
            }
            // The connection reads on the task of this waiter, so there is no need to be woken for it.
            if !self.connection.is_some_and(InterimSlot::is_half_closed) {
                return Poll::Pending;
            }
            let limit = Duration::from_secs(limits::HALF_CLOSED_QUEUE_SECONDS_MAX);
            let patience = patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
            patience.as_mut().poll(context).map(|()| None)
        })
        .await
    }
}

/// A place in the queue.
struct Place {
    /// Released when a thread takes the job.
    permit: OwnedSemaphorePermit,
    /// The end of the time in the queue, which includes the wait for the place.
    deadline: Option<Instant>,
}

/// A job in the queue, as its waiter sees it. Dropped with the waiter, it takes the job back.
struct Waiting<F: FnOnce()> {
    /// Decides between the waiter and a thread.
    claim: Claim,
    /// Called once, if the job was taken back.
    on_withdrawn: Option<F>,
}

impl<F: FnOnce()> Waiting<F> {
    /// The waiter has taken the job back.
    fn withdrawn(mut self) {
        if let Some(on_withdrawn) = self.on_withdrawn.take() {
            on_withdrawn();
        }
    }

    /// A job that ends without a PHP thread having taken it was dropped with its queue.
    fn conclude(mut self, reply: Option<Reply>) -> Result<Reply, Refusal> {
        self.on_withdrawn = None;
        reply.filter(|_| self.claim.is_taken()).ok_or(Refusal::Stopped)
    }
}

impl<F: FnOnce()> Drop for Waiting<F> {
    fn drop(&mut self) {
        let on_withdrawn = self.on_withdrawn.take().filter(|_| self.claim.withdraw());
        if let Some(on_withdrawn) = on_withdrawn {
            on_withdrawn();
        }
    }
}
