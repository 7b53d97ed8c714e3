use super::*;
use std::sync::atomic::AtomicUsize;
use std::thread;

const MOMENT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(30);

fn member(safepoint: &Safepoint, mode: Mode) -> Arc<Member> {
    safepoint.join(mode, &Arc::default())
}

fn await_left(safepoint: &Safepoint, which: DrainStep) -> Vec<(String, Option<String>)> {
    safepoint.await_left(which, Instant::now() + LONG, Duration::ZERO)
}

fn coordinated() -> Safepoint {
    let safepoint = Safepoint::new(Duration::ZERO);
    safepoint.coordinate();
    safepoint
}

#[test]
fn a_drain_ends_runs_then_all_and_lets_one_in_alone() {
    let safepoint = &coordinated();
    let (run, classic) = (&member(safepoint, Mode::Background), &member(safepoint, Mode::Classic));
    assert_eq!((safepoint.enter(run), safepoint.enter(classic)), (Admission::Beside, Admission::Beside));
    assert!(safepoint.reset(classic, "a.php:1") && safepoint.reset(run, "b.php:2"));
    let request = safepoint.next_request().expect("a restart is request");
    assert_eq!((request.reason, request.asked, request.reset), (Reason::Reset, 2, true));
    safepoint.leave(run);
    assert!(await_left(safepoint, DrainStep::Runs).is_empty());
    safepoint.leave(classic);
    assert_eq!(safepoint.enter(classic), Admission::Beside, "requests go on while runs end");
    let (entered, next) = (&AtomicUsize::new(0), &AtomicBool::new(false));
    thread::scope(|scope| {
        for waiting in [run, &member(safepoint, Mode::HttpWorker)] {
            let waiting = waiting.clone();
            scope.spawn(move || {
                let admission = safepoint.enter(&waiting);
                if admission != Admission::Beside {
                    assert_eq!(admission, Admission::Alone { reset: true });
                    assert_eq!(entered.load(Ordering::SeqCst), 0, "nobody entered before");
                    thread::sleep(MOMENT);
                    assert_eq!(entered.load(Ordering::SeqCst), 0, "nobody enters beside");
                    next.store(true, Ordering::SeqCst);
                }
                safepoint.entered(&waiting, admission, Started::Restarted);
                entered.fetch_add(1, Ordering::SeqCst);
                safepoint.leave(&waiting);
            });
        }
        safepoint.close();
        thread::sleep(MOMENT);
        assert_eq!(entered.load(Ordering::SeqCst), 0, "a request still runs");
        safepoint.leave(classic);
    });
    assert!(next.load(Ordering::SeqCst));
    assert_eq!(safepoint.restarts(), Restarts { reset: 1, full: 0, given_up: 0 });
    assert_eq!(safepoint.enter(classic), Admission::Beside);
}

#[test]
fn a_drain_that_was_given_up_is_tried_again_when_the_stuck_have_left() {
    let safepoint = &coordinated();
    let (stuck, other) = (&member(safepoint, Mode::Classic), &member(safepoint, Mode::Classic));
    safepoint.enter(stuck);
    safepoint.full(stuck, Reason::Memory);
    assert_eq!(safepoint.next_request().map(|request| request.reset), Some(false));
    safepoint.close();
    assert_eq!(safepoint.await_left(DrainStep::All, Instant::now(), Duration::ZERO).len(), 1);
    safepoint.give_up();
    assert_eq!(safepoint.enter(other), Admission::Beside);
    safepoint.full(other, Reason::Full);
    thread::scope(|scope| {
        let again = scope.spawn(|| safepoint.next_request().map(|request| request.asked));
        thread::sleep(MOMENT);
        assert!(!again.is_finished(), "not while the thread is stuck");
        safepoint.leave(stuck);
        assert_eq!(again.join().expect("no panic"), Some(2));
    });
    assert_eq!(safepoint.restarts().given_up, 1);
}

#[test]
fn nobody_waits_without_a_coordinator_or_after_the_stop() {
    let safepoint = Safepoint::new(Duration::ZERO);
    let thread = member(&safepoint, Mode::Classic);
    assert!(!safepoint.reset(&thread, "a.php:1"));
    safepoint.full(&thread, Reason::Full);
    assert_eq!(safepoint.enter(&thread), Admission::Beside);
    safepoint.coordinate();
    assert!(safepoint.reset(&thread, "a.php:1"));
    assert!(safepoint.next_request().is_some());
    safepoint.close();
    safepoint.stop();
    assert!(await_left(&safepoint, DrainStep::All).is_empty());
    assert_eq!(safepoint.enter(&thread), Admission::Beside);
    assert_eq!(safepoint.next_request(), None);
}

/// Threads enter and leave as fast as they can; a thread that enters alone must really be alone.
#[test]
fn alone_is_alone_under_load() {
    const RESTARTS: u64 = 200;
    let safepoint = &coordinated();
    let inside = &AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..6 {
            let mode = [Mode::Classic, Mode::HttpWorker, Mode::Background][number % 3];
            scope.spawn(move || {
                let member = member(safepoint, mode);
                while safepoint.restarts().reset < RESTARTS {
                    let admission = safepoint.enter(&member);
                    let before = inside.fetch_add(1, Ordering::SeqCst);
                    if admission != Admission::Beside {
                        assert_eq!(before, 0);
                        thread::yield_now();
                        assert_eq!(inside.load(Ordering::SeqCst), 1);
                    }
                    safepoint.entered(&member, admission, Started::Restarted);
                    safepoint.reset(&member, "a.php:1");
                    inside.fetch_sub(1, Ordering::SeqCst);
                    safepoint.leave(&member);
                }
                safepoint.resign(&member);
            });
        }
        for _ in 0..RESTARTS {
            assert!(safepoint.next_request().is_some());
            assert!(await_left(safepoint, DrainStep::Runs).is_empty());
            safepoint.close();
            assert!(await_left(safepoint, DrainStep::All).is_empty());
        }
    });
    assert_eq!(safepoint.restarts().reset, RESTARTS);
}

#[test]
fn a_script_waits_in_vain_from_when_the_workers_have_been_told_to_end() {
    let safepoint = &coordinated();
    let (run, classic) = (&member(safepoint, Mode::HttpWorker), &member(safepoint, Mode::Classic));
    let in_vain = || [run, classic].map(|member| safepoint.holds_back(member));
    for _ in 0..2 {
        safepoint.enter(run);
        safepoint.enter(classic);
        safepoint.full(classic, Reason::Memory);
        assert_eq!(in_vain(), [false, false]);
        safepoint.next_request().expect("a restart is request");
        assert_eq!(in_vain(), [false, false], "a script that is not to end must not fail");
        let there = || safepoint.await_left(DrainStep::Runs, Instant::now(), Duration::ZERO).len();
        assert_eq!((there(), in_vain()), (1, [true, false]));
        safepoint.leave(run);
        assert_eq!((there(), in_vain()), (0, [true, false]));
        safepoint.close();
        assert_eq!(in_vain(), [true, true]);
        safepoint.leave(classic);
        let alone = safepoint.enter(classic);
        assert_eq!(alone, Admission::Alone { reset: false });
        safepoint.entered(classic, alone, Started::Restarted);
        assert_eq!(in_vain(), [false, false]);
        safepoint.leave(classic);
    }
}
