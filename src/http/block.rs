//! Waits for an async event on a PHP thread.
//!
//! A PHP thread does not belong to the runtime, and outlives it at shutdown; then tokio's own `block_on` and timers
//! would panic. So the thread polls the future itself and parks in between. The waker of the future unparks it (hyper, a
//! channel), and so does an interrupt of the thread.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::exchange::Cancellation;

struct Unparker(Thread);

impl Wake for Unparker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    /// One waker per thread, created once: waiting must not allocate for each chunk of a body.
    static WAKER: Waker = Waker::from(Arc::new(Unparker(std::thread::current())));
}

/// Why a wait was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GivenUp {
    /// The future was not ready within the limit.
    TimedOut,
    /// The thread is being interrupted.
    Cancelled,
}

/// Polls `future` on this thread until it is ready, at most for `limit`. Must not be called from an async task: it
/// would block the runtime.
///
/// # Errors Why the wait ended early.
pub(super) fn block_on<F: Future>(
    future: F,
    limit: Duration,
    cancellation: &Cancellation,
) -> Result<F::Output, GivenUp> {
    let mut future = pin!(future);
    WAKER.with(|waker| {
        let mut context = Context::from_waker(waker);
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Ok(output);
        }
        let deadline = Instant::now() + limit;
        let _sleeper = cancellation.sleeper(waker.clone());
        loop {
            // Each check comes before a park, so no wake-up is lost: after one, the park returns at once.
            if cancellation.is_cancelled() {
                return Err(GivenUp::Cancelled);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(GivenUp::TimedOut);
            }
            std::thread::park_timeout(left);
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return Ok(output);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn is_woken_by_another_thread() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let other = std::thread::spawn(move || sender.send(7).expect("the receiver waits"));
        assert_eq!(block_on(receiver, LONG, &Cancellation::default()), Ok(Ok(7)));
        other.join().expect("the sender ends");
    }

    #[test]
    fn gives_up_at_the_limit() {
        let never = std::future::pending::<()>();
        assert_eq!(block_on(never, Duration::from_millis(1), &Cancellation::default()), Err(GivenUp::TimedOut));
    }

    #[test]
    fn ends_when_the_thread_is_interrupted_whenever_that_is() {
        for _ in 0..1000 {
            let cancellation = Cancellation::default();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    cancellation.cancel();
                    cancellation.wake();
                });
                let waited = block_on(std::future::pending::<()>(), LONG * 1000, &cancellation);
                assert_eq!(waited, Err(GivenUp::Cancelled));
            });
        }
    }

    #[test]
    fn takes_what_is_ready_also_when_the_thread_is_interrupted() {
        let cancellation = Cancellation::default();
        cancellation.cancel();
        assert_eq!(block_on(std::future::ready(1), LONG, &cancellation), Ok(1));
    }
}
