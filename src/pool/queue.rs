//! The bounded queue between the async side and a group of PHP threads.

use crate::exchange::{Gate, Job};
use crate::php::Scope;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, never, select_biased};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A job and the scope of the block that it came from.
struct Queued {
    job: Job,
    scope: Arc<dyn Scope>,
}

/// A queue with a stop signal. Threads take from it; gates put into it.
pub struct JobQueue {
    sender: Sender<Queued>,
    receiver: Receiver<Queued>,
    capacity: usize,
    /// Dropping the sender is the signal; protects the `Option` alone.
    stop: Mutex<Option<Sender<Infallible>>>,
    stopped: Receiver<Infallible>,
    closed: AtomicBool,
    waiting_threads: AtomicUsize,
}

/// What a thread gets from the queue.
pub(crate) enum Taken {
    Job(Box<dyn crate::exchange::Exchange>, Arc<dyn Scope>),
    Stop,
    Idle,
}

impl JobQueue {
    /// A queue in which this many jobs may wait.
    pub fn new(capacity: usize) -> Arc<Self> {
        let (sender, receiver) = bounded(capacity);
        let (stop, stopped) = bounded(0);
        Arc::new(Self {
            sender,
            receiver,
            capacity,
            stop: Mutex::new(Some(stop)),
            stopped,
            closed: AtomicBool::new(false),
            waiting_threads: AtomicUsize::new(0),
        })
    }

    /// How many jobs wait.
    pub fn depth(&self) -> usize {
        self.receiver.len()
    }

    /// How many threads wait for a job.
    pub fn idle_threads(&self) -> usize {
        self.waiting_threads.load(Ordering::Relaxed)
    }

    /// Tells the threads to end once the queue is empty, and refuses new jobs.
    pub fn close(&self) {
        let mut stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        self.closed.store(true, Ordering::Release);
        drop(stop.take());
    }

    /// Refuses new jobs while there are no threads.
    pub fn refuse(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Takes jobs again after [`refuse`](Self::refuse), unless the queue was closed.
    pub fn reopen(&self) {
        let stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        if stop.is_some() {
            self.closed.store(false, Ordering::Release);
        }
    }

    /// Blocks until there is a job, the queue is closed, one of `also_stop` is disconnected, or the thread has been idle for
    /// `idle`.
    pub(crate) fn take(&self, idle: Option<Duration>, also_stop: [&Receiver<Infallible>; 2]) -> Taken {
        loop {
            self.waiting_threads.fetch_add(1, Ordering::Relaxed);
            let taken = self.wait(idle, also_stop);
            self.waiting_threads.fetch_sub(1, Ordering::Relaxed);
            match taken {
                Ok(queued) => {
                    // A job that its waiter withdrew is dropped here.
                    if let Some(exchange) = queued.job.take() {
                        return Taken::Job(exchange, queued.scope);
                    }
                }
                Err(RecvTimeoutError::Timeout) => return Taken::Idle,
                Err(RecvTimeoutError::Disconnected) => return Taken::Stop,
            }
        }
    }

    fn wait(&self, idle: Option<Duration>, also_stop: [&Receiver<Infallible>; 2]) -> Result<Queued, RecvTimeoutError> {
        let timeout = idle.map_or_else(never, crossbeam_channel::after);
        select_biased! {
            recv(self.receiver) -> queued => queued.map_err(|_| RecvTimeoutError::Disconnected),
            recv(self.stopped) -> _ => Err(RecvTimeoutError::Disconnected),
            recv(also_stop[0]) -> _ => Err(RecvTimeoutError::Disconnected),
            recv(also_stop[1]) -> _ => Err(RecvTimeoutError::Disconnected),
            recv(timeout) -> _ => Err(RecvTimeoutError::Timeout),
        }
    }

    /// The gate through which one block offers jobs. `on_offer` is told of each one that was queued; it must not block.
    pub fn gate(
        self: &Arc<Self>,
        scope: Arc<dyn Scope>,
        on_offer: Option<Arc<dyn Fn() + Send + Sync>>,
    ) -> Arc<dyn Gate> {
        Arc::new(QueueGate { queue: self.clone(), scope, on_offer })
    }
}

struct QueueGate {
    queue: Arc<JobQueue>,
    scope: Arc<dyn Scope>,
    on_offer: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Gate for QueueGate {
    fn capacity(&self) -> usize {
        self.queue.capacity
    }

    fn offer(&self, job: Job) -> Result<(), Job> {
        if self.queue.closed.load(Ordering::Acquire) {
            return Err(job);
        }
        let queued = Queued { job, scope: self.scope.clone() };
        self.queue.sender.try_send(queued).map_err(|refused| refused.into_inner().job)?;
        if let Some(on_offer) = &self.on_offer {
            on_offer();
        }
        Ok(())
    }
}
