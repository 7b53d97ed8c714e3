//! Waiting for an async event on a PHP thread.
//!
//! A PHP thread is no thread of the runtime, and it outlives the runtime at shutdown; tokio's own `block_on` and timers
//! panic then. So the thread polls the future itself and parks in between. Whatever wakes the future (hyper, a channel)
//! unparks it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

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
    /// One waker a thread, made once: waiting must not allocate for each chunk of a body.
    static WAKER: Waker = Waker::from(Arc::new(Unparker(std::thread::current())));
}

/// Polls `future` on this thread until it is ready; `None` when it was not within `limit`. Must not be called from an
/// async task: it would block the runtime.
pub(super) fn block_on<F: Future>(future: F, limit: Duration) -> Option<F::Output> {
    let mut future = pin!(future);
    let deadline = Instant::now() + limit;
    WAKER.with(|waker| {
        let mut context = Context::from_waker(waker);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return Some(output);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            std::thread::park_timeout(left);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_woken_by_another_thread() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let other = std::thread::spawn(move || sender.send(7).expect("the receiver waits"));
        assert_eq!(block_on(receiver, Duration::from_secs(30)), Some(Ok(7)));
        other.join().expect("the sender ends");
    }

    #[test]
    fn gives_up_at_the_limit() {
        assert_eq!(block_on(std::future::pending::<()>(), Duration::from_millis(1)), None);
    }
}
