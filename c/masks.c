/* Signals that a script blocks by pcntl_sigprocmask(), and waits for by pcntl_sigwaitinfo() and pcntl_sigtimedwait().
 *
 * The system keeps a signal of the process until any thread takes it, and the other threads of the server would take it at
 * once. So what a script blocks counts as handled by its thread: igor_deliver() passes it on, and there it waits. Signals of
 * which the system knows nothing, which the script sends to itself or by which the server asks it to end, wait in
 * `signals_held`. */
#include "internal.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

typedef int (*igor_wait)(const sigset_t *set, siginfo_t *info, const struct timespec *timeout);

static zif_handler igor_original_mask;

static void igor_note_blocked(igor_thread *self)
{
	uint64_t blocked = 0;
	sigset_t now;
	int signo;

	pthread_sigmask(SIG_BLOCK, NULL, &now);
	for (signo = 1; signo <= 64; signo++) {
		if (sigismember(&now, signo) == 1 && sigismember(&self->mask, signo) != 1) {
			blocked |= IGOR_BIT(signo);
		}
	}
	igor_signals_block(self, blocked);
}

/* The signals that wait and that the script no longer blocks. */
static void igor_release(igor_thread *self)
{
	uint64_t open = ~self->signals_blocked;
	uint64_t due = __atomic_fetch_and(&self->signals_held, ~open, __ATOMIC_RELAXED) & open;
	int signo;

	for (signo = 1; signo <= 64; signo++) {
		if ((due & IGOR_BIT(signo)) != 0) {
			igor_signal_raise(self, signo);
		}
	}
}

/* The signals that interrupt scripts stay unblocked. */
static ZEND_NAMED_FUNCTION(igor_pcntl_sigprocmask)
{
	sigset_t open;

	igor_original_mask(INTERNAL_FUNCTION_PARAM_PASSTHRU);
	if (igor_is_script_of_server()) {
		igor_self->used_signals = true;
		sigemptyset(&open);
		sigaddset(&open, IGOR_WAKE_SIGNAL);
		sigaddset(&open, SIGRTMIN);
		pthread_sigmask(SIG_UNBLOCK, &open, NULL);
		igor_note_blocked(igor_self);
		igor_release(igor_self);
		igor_signals_fail(igor_self);
	}
}

/* A signal of the set that has waited; 0: there is none. */
static int igor_take_held(igor_thread *self, const sigset_t *set, siginfo_t *info)
{
	int signo;

	for (signo = 1; signo <= 64; signo++) {
		uint64_t bit = IGOR_BIT(signo);

		if (sigismember(set, signo) == 1 && (__atomic_fetch_and(&self->signals_held, ~bit, __ATOMIC_RELAXED) & bit) != 0) {
			if (info != NULL) {
				igor_info_of_own(info, signo);
			}
			(void) igor_signal_was_asked(self, signo);
			return signo;
		}
	}
	return 0;
}

/* Computes the time until a deadline; zero if it has passed. */
static void igor_wait_left(const struct timespec *until, struct timespec *left)
{
	struct timespec now;
	int64_t nanoseconds;

	clock_gettime(CLOCK_MONOTONIC, &now);
	nanoseconds = (int64_t) (until->tv_sec - now.tv_sec) * 1000000000 + (until->tv_nsec - now.tv_nsec);
	nanoseconds = nanoseconds > 0 ? nanoseconds : 0;
	left->tv_sec = (time_t) (nanoseconds / 1000000000);
	left->tv_nsec = (long) (nanoseconds % 1000000000);
}

/* Waits until a signal of the set comes, or the wake signal brings something: it is one of those that are waited for, because
 * one that came just before the wait would be missed. A reminder (shim_thread_remind()) brings nothing. */
static int igor_wait_for_any(igor_thread *self, igor_wait call, const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
	struct timespec until, left;
	sigset_t wanted = *set;
	int signo;

	sigaddset(&wanted, IGOR_WAKE_SIGNAL);
	if (timeout != NULL) {
		left = *timeout;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += timeout->tv_sec;
		until.tv_nsec += timeout->tv_nsec;
	}
	for (;;) {
		signo = igor_take_held(self, set, info);
		if (signo == 0) {
			signo = call(&wanted, info, timeout != NULL ? &left : NULL);
		}
		if (signo != IGOR_WAKE_SIGNAL) {
			return signo;
		}
		igor_signals_wake(self);
		signo = igor_take_held(self, set, info);
		if (signo != 0) {
			return signo;
		}
		if (zend_atomic_bool_load_ex(self->vm_interrupt)) {
			errno = EINTR;
			return -1;
		}
		if (timeout != NULL) {
			igor_wait_left(&until, &left);
		}
	}
}

static int igor_wait_for_signal(igor_thread *self, igor_wait call, const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
	sigset_t wake;
	int signo, error;

	sigemptyset(&wake);
	sigaddset(&wake, IGOR_WAKE_SIGNAL);
	pthread_sigmask(SIG_BLOCK, &wake, NULL);
	signo = igor_wait_for_any(self, call, set, info, timeout);
	error = errno;
	pthread_sigmask(SIG_UNBLOCK, &wake, NULL);
	errno = error;
	return signo;
}

/* Replaces libc's sigtimedwait(); sigwaitinfo() has no timeout. */
int igor_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
	igor_wait call = (igor_wait) dlsym(RTLD_NEXT, "sigtimedwait");
	siginfo_t own;
	int signo;

	if (!igor_is_script_of_server()) {
		return call(set, info, timeout);
	}
	if (info == NULL) {
		info = &own;
	}
	signo = igor_wait_for_signal(igor_self, call, set, info, timeout);
	if (signo > 0) {
		(void) igor_info_restore(info);
	}
	return signo;
}

void igor_masks_install(void)
{
	igor_original_mask = igor_replace_function("pcntl_sigprocmask", igor_pcntl_sigprocmask);
}
