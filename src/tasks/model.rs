//! Models of tasks that loom runs in every interleaving (`make model`): each task is taken once, has one end, and no
//! sender or receiver misses what wakes it.

use super::{Interruption, Read, SendError, Task, TaskQueue, TaskWorker, UpdateError, WaitGraph};
use crate::exchange::{Cancellation, Sleeper};
use crate::limits::TASK_UPDATES_MAX;
use crate::vars::numbered;
use loom::thread;
use std::sync::Arc;
use std::task::Waker;

/// Requests wait for no worker that waits for them.
struct NoCircles;

impl WaitGraph for NoCircles {
    fn enter(&self, _from: &Arc<TaskWorker>, _to: &Arc<TaskWorker>) -> Result<(), Vec<String>> {
        Ok(())
    }

    fn leave(&self, _from: &Arc<TaskWorker>, _to: &Arc<TaskWorker>) {}
}

/// A script, which another thread may end.
#[derive(Clone, Default)]
struct Script(Arc<Cancellation>);

impl Script {
    fn end(&self) {
        self.0.cancel();
        self.0.wake();
    }
}

impl Interruption for Script {
    fn sleeper(&self, waker: Waker) -> Sleeper<'_> {
        self.0.sleeper(waker)
    }

    fn is_cut(&self) -> bool {
        self.0.is_cancelled()
    }
}

fn queue() -> Arc<TaskQueue> {
    TaskQueue::new("w", 1, 10)
}

fn send(queue: &TaskQueue, script: &Script) -> Result<Arc<Task>, SendError> {
    queue.send(numbered(1).into(), None, Arc::new(NoCircles), None, script)
}

/// Takes a task as a script does that calls `tick()` and `receive()` without waiting.
fn take(queue: &TaskQueue, thread: usize) -> Arc<Task> {
    loop {
        if let Some(task) = queue.take((0, thread)) {
            return task;
        }
        thread::yield_now();
    }
}

/// The sender sleeps until its task is taken, and then until it is complete.
#[test]
fn a_task_there_and_back() {
    loom::model(|| {
        let queue = queue();
        let receiver = thread::spawn({
            let queue = queue.clone();
            move || take(&queue, 0).complete(Some(numbered(2)))
        });
        let script = Script::default();
        let task = send(&queue, &script).expect("it is taken");
        assert!(matches!(task.read(None, &script), Read::Update(_)));
        assert!(matches!(task.read(None, &script), Read::Complete));
        assert_eq!(receiver.join().expect("it ends"), Ok(()));
        let counts = queue.counts();
        assert_eq!((counts.queued, counts.running, counts.completed), (0, 0, 1));
    });
}

/// The sender gives up while the receiver completes: the first end wins, and both know of it.
#[test]
fn a_task_has_one_end() {
    loom::model(|| {
        let queue = queue();
        let receiver = thread::spawn({
            let queue = queue.clone();
            move || take(&queue, 0).complete(Some(numbered(2)))
        });
        let task = send(&queue, &Script::default()).expect("it is taken");
        let is_abandoned = task.abandon();
        let completed = receiver.join().expect("it ends");
        assert_eq!(completed, if is_abandoned { Err(UpdateError::Abandoned) } else { Ok(()) });
        let counts = queue.counts();
        let ends = (usize::from(!is_abandoned) as u64, usize::from(is_abandoned) as u64);
        assert_eq!((counts.running, (counts.completed, counts.abandoned)), (0, ends));
    });
}

/// The end of a sending script takes its task out of the queue, or the receiver has it.
#[test]
fn a_sender_that_ends_while_its_task_is_taken() {
    loom::model(|| {
        let (queue, script) = (queue(), Script::default());
        let sender = thread::spawn({
            let (queue, script) = (queue.clone(), script.clone());
            move || send(&queue, &script).map(|task| task.abandon())
        });
        script.end();
        let taken = queue.take((0, 0));
        let sent = sender.join().expect("it ends");
        let left = queue.take((0, 0));
        match (&sent, &taken) {
            (Err(SendError::Cut), None) => assert!(left.is_none()),
            // It was taken before the end was seen, or while the sender looked.
            (Ok(_) | Err(SendError::Cut), Some(task)) => _ = task.complete(None),
            _ => panic!("{:?} {}", sent.map(|_| ()), taken.is_some()),
        }
        assert_eq!((queue.counts().queued, queue.counts().running), (0, 0));
    });
}

/// A worker that is taken out answers a sender in every moment.
#[test]
fn a_worker_that_closes_while_a_task_is_sent() {
    loom::model(|| {
        let queue = queue();
        let sender = thread::spawn({
            let queue = queue.clone();
            move || send(&queue, &Script::default()).map(|_| ())
        });
        queue.close("it is gone");
        assert_eq!(sender.join().expect("it ends"), Err(SendError::Refused("it is gone".to_owned())));
        assert_eq!(queue.counts().queued, 0);
    });
}

/// Two threads of a pool take from one queue: each has the task, or the other one does.
#[test]
fn two_threads_and_one_task() {
    loom::model(|| {
        let queue = queue();
        let sender = thread::spawn({
            let queue = queue.clone();
            move || send(&queue, &Script::default()).map(|_| ())
        });
        let other = thread::spawn({
            let queue = queue.clone();
            move || queue.take((0, 1))
        });
        let taken = [queue.take((0, 0)), other.join().expect("it ends")];
        let taken: Vec<_> = taken.into_iter().flatten().collect();
        assert!(taken.len() <= 1, "one task is taken twice");
        let task = taken.into_iter().next().unwrap_or_else(|| take(&queue, 0));
        assert_eq!(task.complete(None), Ok(()));
        assert_eq!(sender.join().expect("it ends"), Ok(()));
        assert_eq!((queue.counts().queued, queue.counts().completed), (0, 1));
    });
}

/// A receiver that waits for a place among the updates continues when the sender reads one. It fails when the
/// sender abandons the task, or when its own script is ended.
#[test]
fn an_update_that_waits_for_its_place() {
    for way in 0..3 {
        loom::model(move || {
            let queue = queue();
            let receiver_script = Script::default();
            let receiver = thread::spawn({
                let (queue, script) = (queue.clone(), receiver_script.clone());
                move || {
                    let task = take(&queue, 0);
                    let numbers = 0..=TASK_UPDATES_MAX as u64;
                    let last = numbers.map(|number| task.update(numbered(number), &script)).last();
                    task.abort("the script has ended");
                    last
                }
            });
            let script = Script::default();
            let task = send(&queue, &script).expect("it is taken");
            match way {
                0 => assert!(matches!(task.read(None, &script), Read::Update(_))),
                1 => assert!(task.abandon()),
                _ => receiver_script.end(),
            }
            let last = receiver.join().expect("it ends");
            match way {
                0 => assert_eq!(last, Some(Ok(()))),
                1 => assert_eq!(last, Some(Err(UpdateError::Abandoned))),
                _ => assert!(matches!(last, Some(Err(UpdateError::Cut))), "{last:?}"),
            }
            assert_eq!(queue.counts().running, 0);
        });
    }
}
