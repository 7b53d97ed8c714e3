//! The tasks that wait for a thread of one worker: first in, first out, shared by the threads of a pool. When a reload
//! changes the worker, its successor keeps the queue.
//!
//! Each thread that holds a worker handle has a stream that wakes it (`Ear`). The stream is readable while its thread's
//! last check has left something. `tick()` consumes the wake-up and raises it again while tasks wait, so a script that
//! takes one task for each wake-up gets them all.

use super::parcel::Parcel;
use super::signal::Signal;
use super::task::{Taken, Task};
use super::wait::{Interruption, WaitGraph};
use super::worker::{TaskCounters, TaskWorker};
use crate::sync::{Mutex, MutexGuard};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// A thread of a worker: the address of the worker, which a successor does not share, and the thread's number.
pub type ThreadKey = (usize, usize);

/// Why a task was not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum SendError {
    /// No thread took it in time.
    TimedOut {
        /// Tasks that waited with it.
        queued: usize,
        /// Whether it had to wait for a place in the queue.
        full: bool,
    },
    /// The reason: the worker has ended, or no longer takes tasks.
    Refused(String),
    /// The sending script should end.
    Cut,
    /// The workers along a circle of waits.
    Circle(Vec<String>),
}

/// The tasks of one worker.
pub struct TaskQueue {
    worker: Arc<TaskWorker>,
    /// Protects the queue and its ears; held for a few instructions and a write of one byte.
    inner: Mutex<Inner>,
}

struct Inner {
    queued: VecDeque<Arc<Task>>,
    /// How many tasks may be queued. Further senders wait for a place, in order.
    max: usize,
    /// Why it accepts no more tasks.
    closed: Option<String>,
    ears: Vec<Ear>,
}

/// What one thread listens with.
struct Ear {
    key: ThreadKey,
    signal: Signal,
    /// It has checked, and found nothing.
    is_parked: bool,
}

/// A worker's tasks at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TaskCounts {
    /// Tasks that wait for a thread.
    pub queued: usize,
    /// The wait of the oldest of them.
    pub oldest: Option<Duration>,
    /// Tasks that threads have taken and not closed.
    pub running: usize,
    /// Tasks that were completed.
    pub completed: u64,
    /// Tasks whose worker ended, or dropped them, before they were complete.
    pub aborted: u64,
    /// Tasks that their senders gave up.
    pub abandoned: u64,
    /// Tasks that no thread took in time.
    pub timed_out: u64,
    /// The time that threads spent on tasks.
    pub time: Duration,
}

impl TaskQueue {
    /// The empty queue of a worker with this many threads. At most `max` tasks may wait.
    pub fn new(name: &str, threads: usize, max: usize) -> Arc<Self> {
        let inner = Inner { queued: VecDeque::new(), max, closed: None, ears: Vec::new() };
        Arc::new(Self { worker: TaskWorker::new(name, threads), inner: Mutex::new(inner) })
    }

    /// The worker's declaration has changed.
    pub fn redeclare(&self, threads: usize, max: usize) {
        self.worker.set_threads(threads);
        self.locked().max = max;
    }

    /// The worker.
    pub fn worker(&self) -> &Arc<TaskWorker> {
        &self.worker
    }

    /// Its state, for operators.
    pub fn counts(&self) -> TaskCounts {
        let (queued, oldest) = {
            let inner = self.locked();
            (inner.queued.len(), inner.queued.front().map(|task| task.age()))
        };
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let TaskCounters { running, completed, aborted, abandoned, timed_out, nanos } = self.worker.counters();
        TaskCounts {
            queued,
            oldest,
            running: running.load(Ordering::Relaxed),
            completed: read(completed),
            aborted: read(aborted),
            abandoned: read(abandoned),
            timed_out: read(timed_out),
            time: Duration::from_nanos(read(nanos)),
        }
    }

    // ---- The sender's side ----

    /// Sends a task and waits until a thread has taken it, for `timeout` at most (`None`: without an end).
    ///
    /// # Errors
    /// No thread has taken it, and none will.
    pub fn send(
        &self,
        parcel: Parcel,
        sender: Option<Arc<TaskWorker>>,
        graph: Arc<dyn WaitGraph>,
        timeout: Option<Duration>,
        interruption: &dyn Interruption,
    ) -> Result<Arc<Task>, SendError> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        if let Some(sender) = &sender {
            graph.enter(sender, &self.worker).map_err(SendError::Circle)?;
        }
        let task = Task::new(parcel, self.worker.clone(), sender.clone(), graph.clone());
        let sent = self.put(&task).and_then(|()| self.wait_taken(&task, deadline, interruption));
        if let Some(sender) = &sender {
            graph.leave(sender, &self.worker);
        }
        sent.map(|()| task)
    }

    fn put(&self, task: &Arc<Task>) -> Result<(), SendError> {
        let mut inner = self.locked();
        if let Some(reason) = &inner.closed {
            return Err(SendError::Refused(reason.clone()));
        }
        inner.queued.push_back(task.clone());
        inner.wake();
        Ok(())
    }

    fn wait_taken(
        &self,
        task: &Arc<Task>,
        deadline: Option<Instant>,
        interruption: &dyn Interruption,
    ) -> Result<(), SendError> {
        let taken = task.wait_taken(deadline, interruption);
        match taken {
            Taken::Yes => return Ok(()),
            Taken::Aborted(reason) => return Err(SendError::Refused(reason)),
            Taken::TimedOut | Taken::Cut => {}
        }
        let mut inner = self.locked();
        let Some(position) = inner.queued.iter().position(|other| Arc::ptr_eq(other, task)) else {
            // It was taken or refused between the end of the wait and this check.
            drop(inner);
            return match task.wait_taken(None, interruption) {
                Taken::Aborted(reason) => Err(SendError::Refused(reason)),
                Taken::Yes | Taken::TimedOut => Ok(()),
                Taken::Cut => Err(SendError::Cut),
            };
        };
        inner.queued.remove(position);
        let (queued, full) = (inner.queued.len(), position >= inner.max);
        drop(inner);
        if matches!(taken, Taken::Cut) {
            self.worker.counters().abandoned();
            return Err(SendError::Cut);
        }
        self.worker.counters().timed_out.fetch_add(1, Ordering::Relaxed);
        Err(SendError::TimedOut { queued, full })
    }

    // ---- The receivers' side ----

    /// Takes the oldest task, for this thread.
    pub fn take(&self, key: ThreadKey) -> Option<Arc<Task>> {
        let mut inner = self.locked();
        while let Some(task) = inner.queued.pop_front() {
            if task.take() {
                self.worker.counters().running.fetch_add(1, Ordering::Relaxed);
                return Some(task);
            }
        }
        if let Some(ear) = inner.ear(key) {
            ear.is_parked = true;
        }
        None
    }

    /// The thread's script waits for tasks and for its end; with `ended` it should already end. Its stream is readable at
    /// first.
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub fn listen(&self, key: ThreadKey, ended: bool) -> io::Result<()> {
        let mut inner = self.locked();
        if inner.ear(key).is_none() {
            let mut ear = Ear { key, signal: Signal::new()?, is_parked: true };
            if ended {
                ear.signal.hang_up();
            } else {
                // A script of an event loop calls `tick()` only once it is woken, and its first tick makes it ready.
                ear.call();
            }
            inner.ears.push(ear);
        }
        Ok(())
    }

    /// The stream for the thread's script.
    ///
    /// # Errors
    /// The process has no descriptor left, or the script does not listen.
    pub fn stream(&self, key: ThreadKey) -> io::Result<OwnedFd> {
        match self.locked().ear(key) {
            Some(ear) => ear.signal.descriptor(),
            None => Err(io::Error::other("no script listens")),
        }
    }

    /// Consumes the wake-up of a thread. `false`: its script should end.
    pub fn tick(&self, key: ThreadKey) -> bool {
        let mut inner = self.locked();
        let waiting = !inner.queued.is_empty();
        let Some(ear) = inner.ear(key) else { return false };
        ear.signal.lower();
        ear.is_parked = true;
        if waiting {
            ear.call();
        }
        !ear.signal.is_hung_up()
    }

    /// Asks the scripts of a worker (the first half of their keys) to end.
    pub fn hang_up(&self, worker: usize) {
        for ear in self.locked().ears.iter_mut().filter(|ear| ear.key.0 == worker) {
            ear.signal.hang_up();
            ear.is_parked = false;
        }
    }

    /// The thread's script has ended. Another thread may take the task that woke it.
    pub fn leave(&self, key: ThreadKey) {
        let mut inner = self.locked();
        inner.ears.retain(|ear| ear.key != key);
        if !inner.queued.is_empty() {
            inner.wake();
        }
    }

    /// No thread takes the queued tasks: the worker was given up. Later tasks are taken again.
    pub fn refuse(&self, reason: &str) {
        let queued = std::mem::take(&mut self.locked().queued);
        for task in queued {
            task.abort(reason);
        }
    }

    /// No thread will take another task.
    pub fn close(&self, reason: &str) {
        self.locked().closed.get_or_insert_with(|| reason.to_owned());
        self.refuse(reason);
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        // Every change under the lock is a single step, so a panic leaves a consistent state.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn ear(&mut self, key: ThreadKey) -> Option<&mut Ear> {
        self.ears.iter_mut().find(|ear| ear.key == key)
    }

    /// Wakes an idle thread. Without a waiting one, the next thread that checks finds the task.
    fn wake(&mut self) {
        match self.ears.iter_mut().find(|ear| ear.is_parked && !ear.signal.is_hung_up()) {
            Some(ear) => ear.call(),
            None => self.ears.iter_mut().for_each(Ear::call),
        }
    }
}

impl Ear {
    fn call(&mut self) {
        self.is_parked = false;
        self.signal.raise();
    }
}
