//! The bounded queue between the async side and a group of PHP threads.

use crate::exchange::{Job, JobSender};
use crate::php::Scope;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, never, select_biased};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A job and the scope of the block that it came from.
struct Queued {
    job: Job,
    scope: Arc<dyn Scope>,
}

/// A queue with a stop signal. Threads take jobs from it; senders add them.
pub struct JobQueue {
    /// Kept here too, so that the queue is never disconnected by it.
    sender: Sender<Queued>,
    receiver: Receiver<Queued>,
    /// The most jobs that wait; one more is refused.
    capacity: usize,
    /// Dropping the sender is the signal; protects the `Option` alone.
    stop: Mutex<Option<Sender<Infallible>>>,
    /// Disconnected when `stop` is dropped.
    stopped: Receiver<Infallible>,
    /// New jobs are refused: for good after `close`, or until `reopen` after `refuse`.
    closed: AtomicBool,
    /// Only displayed, so it is `Relaxed`.
    waiting_threads: AtomicUsize,
}

/// Jobs that no thread will take. Their requests are answered with 503 when this is dropped, which the caller does
/// without holding a lock.
#[must_use]
#[derive(Default)]
pub(crate) struct Refused(#[expect(dead_code, reason = "held to be dropped")] Vec<Queued>);

/// The result of a thread's wait.
pub(crate) enum Taken {
    /// A job that was not withdrawn, and the scope of its block.
    Job(Box<dyn crate::exchange::Exchange>, Arc<dyn Scope>),
    /// The queue was closed, or another signal said so.
    Stop,
    /// The thread was idle for as long as it may be.
    Idle,
}

impl JobQueue {
    /// A queue for this many waiting jobs.
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

    /// How many jobs may wait.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many threads wait for a job.
    pub fn idle_threads(&self) -> usize {
        self.waiting_threads.load(Ordering::Relaxed)
    }

    /// Asks the threads to end once the queue is empty, and refuses new jobs.
    pub fn close(&self) {
        let mut stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        self.closed.store(true, Ordering::Release);
        drop(stop.take());
    }

    /// Refuses new jobs while there are no threads. Returns the waiting jobs; dropping them refuses them too.
    pub(crate) fn refuse(&self) -> Refused {
        let _stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        self.closed.store(true, Ordering::Release);
        self.empty()
    }

    /// Accepts jobs again after `refuse`, unless the queue was closed.
    pub fn reopen(&self) {
        let stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        if stop.is_some() {
            self.closed.store(false, Ordering::Release);
        }
    }

    /// Jobs that an offer put in after the last thread had ended, because it had found the queue open. The second of
    /// the two, [`refuse`](Self::refuse) or the offer, takes the job out: each of them writes before it reads the
    /// other's write.
    fn late(&self) -> Refused {
        fence(Ordering::SeqCst);
        if !self.closed.load(Ordering::Acquire) {
            return Refused::default();
        }
        // Under the lock, so that no job is taken from restarted threads.
        let _stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        if self.closed.load(Ordering::Acquire) { self.empty() } else { Refused::default() }
    }

    /// Takes all waiting jobs out.
    fn empty(&self) -> Refused {
        fence(Ordering::SeqCst);
        Refused(self.receiver.try_iter().collect())
    }

    /// Blocks until there is a job, the queue is closed, one of `also_stop` is disconnected, or the thread has been
    /// idle for `idle`.
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

    /// Jobs come first: a queue that is closed is still emptied.
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

    /// The gate through which one block offers jobs. `on_offer` is called for each one that was queued; it must not
    /// block.
    pub fn sender(
        self: &Arc<Self>,
        scope: Arc<dyn Scope>,
        on_offer: Option<Arc<dyn Fn() + Send + Sync>>,
    ) -> Arc<dyn JobSender> {
        Arc::new(QueueSender { queue: self.clone(), scope, on_offer })
    }
}

/// The end of the queue for one block.
struct QueueSender {
    queue: Arc<JobQueue>,
    /// Travels with each job, so that its script sees the workers of the block.
    scope: Arc<dyn Scope>,
    /// Called after each queued job.
    on_offer: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl JobSender for QueueSender {
    fn capacity(&self) -> usize {
        self.queue.capacity
    }

    fn offer(&self, job: Job) -> Result<(), Job> {
        if self.queue.closed.load(Ordering::Acquire) {
            return Err(job);
        }
        let queued = Queued { job, scope: self.scope.clone() };
        self.queue.sender.try_send(queued).map_err(|refused| refused.into_inner().job)?;
        drop(self.queue.late());
        if let Some(on_offer) = &self.on_offer {
            on_offer();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{BodyAborted, Exchange, Flow, RequestHead, ResponseHead};
    use crate::php::{Failure, Wait};
    use crate::vars::Slot;

    /// Its drop means that no thread will run it.
    struct Request(#[expect(dead_code, reason = "dropped as the sign")] Sender<Infallible>, RequestHead);

    impl Exchange for Request {
        fn head(&self) -> &RequestHead {
            &self.1
        }
        fn read_body(&mut self, _into: &mut [u8]) -> Result<usize, BodyAborted> {
            Ok(0)
        }
        fn respond(&mut self, _head: ResponseHead) -> Flow {
            Flow::Continue
        }
        fn inform(&mut self, _head: ResponseHead) -> Flow {
            Flow::Continue
        }
        fn write(&mut self, _bytes: &[u8]) -> Flow {
            Flow::Continue
        }
        fn flush(&mut self) -> Flow {
            Flow::Continue
        }
        fn finish(&mut self) {}
        fn client_gone(&self) -> bool {
            false
        }
        fn ended(&mut self, _failed: bool) {}
    }

    struct Nothing;

    impl Scope for Nothing {
        fn slot(&self, _name: &[u8]) -> Result<Arc<Slot>, Failure> {
            Err(Failure::runtime(String::new()))
        }
        fn nothing_published(&self, _name: &[u8]) -> Failure {
            Failure::runtime(String::new())
        }
        fn require(&self, _name: &[u8], _wait: Wait, _caller: Option<&[u8]>) -> Result<(), Failure> {
            Ok(())
        }
        fn ensure(&self, _names: &[Vec<u8>], _wait: Wait, _caller: Option<&[u8]>) -> Result<(), Failure> {
            Ok(())
        }
        fn send(
            &self,
            _name: &[u8],
            _payload: crate::tasks::Parcel,
            _timeout: Option<std::time::Duration>,
            _cutoff: &crate::php::Cutoff<'_>,
            _caller: Option<&[u8]>,
        ) -> Result<Arc<crate::tasks::Task>, crate::php::SendRefused> {
            Err(crate::php::SendRefused::Failure(Failure::runtime(String::new())))
        }
    }

    #[test]
    fn an_offer_beside_a_refusal_is_refused_too() {
        for _ in 0..2000 {
            let queue = JobQueue::new(1);
            let gate = queue.sender(Arc::new(Nothing), None);
            let (sign, gone) = bounded(0);
            let job = Job::new(Box::new(Request(sign, RequestHead::default())), None);
            std::thread::scope(|scope| {
                scope.spawn(|| drop(gate.offer(job)));
                drop(queue.refuse());
            });
            assert!(gone.is_empty() && gone.try_recv().is_err_and(|error| error.is_disconnected()));
            assert_eq!(queue.depth(), 0);
        }
    }

    #[test]
    fn a_queue_that_is_open_again_keeps_its_jobs() {
        let queue = JobQueue::new(1);
        let gate = queue.sender(Arc::new(Nothing), None);
        let job = || Job::new(Box::new(Request(bounded(0).0, RequestHead::default())), None);
        drop(queue.refuse());
        assert!(gate.offer(job()).is_err());
        queue.reopen();
        assert!(gate.offer(job()).is_ok());
        assert_eq!(queue.depth(), 1);
    }
}
