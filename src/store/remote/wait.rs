//! How a PHP thread waits for an answer that another thread gets.

use super::{Answer, RemoteError};
use crate::tasks::Interruption;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::time::Instant;

/// Who answers. Dropped without an answer, it says that the connection was lost.
pub struct Reply(Arc<Cell>);

/// Who waits.
pub(super) struct Wait(Arc<Cell>);

#[derive(Default)]
struct Cell {
    /// Protects the answer alone.
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    answer: Option<Result<Answer, RemoteError>>,
    is_given_up: bool,
}

impl Reply {
    pub(super) fn new() -> (Self, Wait) {
        let cell = Arc::new(Cell::default());
        (Self(cell.clone()), Wait(cell))
    }

    /// Whether someone still waits.
    pub fn is_awaited(&self) -> bool {
        !self.0.locked().is_given_up
    }

    /// Answers.
    pub fn set(self, answer: Result<Answer, RemoteError>) {
        self.0.answer(answer);
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        // The first answer counts.
        self.0.answer(Err(RemoteError::Away("the connection was lost before it has answered".to_owned())));
    }
}

impl Wait {
    /// Waits for the answer, at most until then.
    pub(super) fn wait(self, until: Instant, interruption: &dyn Interruption) -> Result<Answer, RemoteError> {
        let _sleeper = interruption.sleeper(Waker::from(self.0.clone()));
        let mut state = self.0.locked();
        loop {
            if let Some(answer) = state.answer.take() {
                return answer;
            }
            let left = until.saturating_duration_since(Instant::now());
            let is_cut = interruption.is_cut();
            if is_cut || left.is_zero() {
                state.is_given_up = true;
                return Err(if is_cut { RemoteError::Cut } else { RemoteError::Late });
            }
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Cell {
    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, answer: Result<Answer, RemoteError>) {
        let mut state = self.locked();
        // An answer that was taken may be followed by the drop of its sender.
        if state.answer.is_none() {
            state.answer = Some(answer);
        }
        drop(state);
        self.changed.notify_all();
    }
}

/// Wakes the waiter, so that it checks whether it may still wait.
impl Wake for Cell {
    fn wake(self: Arc<Self>) {
        // Under the lock the waiter is not between a check and the sleep after it.
        drop(self.locked());
        self.changed.notify_all();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::exchange::{Cancellation, Sleeper};
    use std::time::Duration;

    /// A script, which another thread may end.
    #[derive(Default)]
    struct Script(Cancellation);

    impl Interruption for Script {
        fn sleeper(&self, waker: Waker) -> Sleeper<'_> {
            self.0.sleeper(waker)
        }

        fn is_cut(&self) -> bool {
            self.0.is_cancelled()
        }
    }

    #[test]
    fn a_wait_ends_by_an_answer_an_interrupt_or_its_time() {
        let far = Instant::now() + Duration::from_secs(600);
        let script = Script::default();
        let (reply, wait) = Reply::new();
        let waited = std::thread::scope(|scope| {
            let waiter = scope.spawn(|| wait.wait(far, &script));
            reply.set(Ok(Answer::Sum(7)));
            waiter.join().expect("it ends")
        });
        assert_eq!(waited, Ok(Answer::Sum(7)));

        let (reply, wait) = Reply::new();
        assert!(reply.is_awaited());
        let waited = std::thread::scope(|scope| {
            let waiter = scope.spawn(|| wait.wait(far, &script));
            script.0.cancel();
            script.0.wake();
            waiter.join().expect("it ends")
        });
        assert_eq!(waited, Err(RemoteError::Cut));
        assert!(!reply.is_awaited());

        script.0.reset();
        let (reply, wait) = Reply::new();
        assert_eq!(wait.wait(Instant::now(), &script), Err(RemoteError::Late));
        drop(reply);
        let (reply, wait) = Reply::new();
        drop(reply);
        assert!(matches!(wait.wait(far, &script), Err(RemoteError::Away(_))));
    }
}
