/* max_execution_time and set_time_limit() without system timers. PHP makes, arms and deletes a POSIX timer for each
 * request, which costs a system call each, and exits the process if the system has none left. Here a PHP thread writes its
 * deadline into its own memory, and one thread of the process checks them all (shim_time_limits_watch()). PHP sees no
 * difference: its handler of SIGRTMIN runs on the thread, and a blocking call ends early.
 *
 * Other threads, forked children and programs that do not export our functions (interpose.c) use the system's timers. */
#include "internal.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define IGOR_REACHED 1 /* instead of a deadline: the signal was sent */
#define IGOR_NS_PER_SECOND UINT64_C(1000000000)

/* Held while the list is changed or read, never while PHP code runs. */
static pthread_mutex_t igor_limits_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t igor_limits_changed = PTHREAD_COND_INITIALIZER;
static igor_thread *igor_limited;                /* the PHP threads */
static bool igor_limits_stop;
static uint64_t igor_limits_next = UINT64_MAX;   /* atomic: the latest time of the next check */
static struct sigaction igor_limit_handler;      /* PHP's; set once */
static bool igor_limit_handled;                  /* atomic: it is set, and ours is the process's */
static char igor_no_timer;                       /* its address represents a timer that never expires */
static struct sigevent igor_probe;               /* tests whether a call of timer_create() comes here */
static bool igor_limits_ours;                    /* it does */

/* Wall time that includes system sleep, like PHP's timers. */
static uint64_t igor_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t) now.tv_sec * IGOR_NS_PER_SECOND + (uint64_t) now.tv_nsec;
}

/* The calling thread, if it is watched. PHP makes the first timer of a thread before the thread is known to scripts. */
static __thread igor_thread *igor_limited_thread;

static igor_thread *igor_limited_self(void)
{
	return igor_forked ? NULL : igor_limited_thread;
}

/* On the thread. If the deadline was changed after the signal was sent, the new deadline will have its own signal. */
static void igor_limit_reached(int signo, siginfo_t *info, void *context)
{
	igor_thread *self = igor_limited_thread;
	uint64_t reached = IGOR_REACHED;
	siginfo_t of_timer = *info;

	if (self != NULL && __atomic_compare_exchange_n(&self->limit_ns, &reached, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
		of_timer.si_value.sival_ptr = self->limit_value;
		igor_limit_handler.sa_sigaction(signo, &of_timer, context);
	}
}

/* ---- In place of libc's --------------------------------------------------------------------------------------- */

int igor_timer_create(clockid_t clock, struct sigevent *event, timer_t *timer)
{
	static int (*next)(clockid_t, struct sigevent *, timer_t *);
	igor_thread *self = igor_limited_self();
	int result;

	if (event == &igor_probe) {
		igor_limits_ours = true;
		return -1;
	}
	if (self != NULL && event != NULL && event->sigev_notify == SIGEV_THREAD_ID && event->sigev_signo == SIGRTMIN) {
		self->limit_value = event->sigev_value.sival_ptr;
		*timer = (timer_t) &self->limit_ns;
		return 0;
	}
	if (next == NULL) {
		next = (int (*)(clockid_t, struct sigevent *, timer_t *)) dlsym(RTLD_NEXT, "timer_create");
	}
	result = next(clock, event, timer);
	/* The start of the engine needs a timer of PHP's own kind, for a request that runs no script. */
	if (result != 0 && igor_limited_thread == NULL && event != NULL && event->sigev_signo == SIGRTMIN && igor_limits_ours) {
		*timer = (timer_t) &igor_no_timer;
		return 0;
	}
	return result;
}

static void igor_limit_set(igor_thread *self, const struct itimerspec *set)
{
	uint64_t after = (uint64_t) set->it_value.tv_sec * IGOR_NS_PER_SECOND + (uint64_t) set->it_value.tv_nsec;
	uint64_t at = after == 0 ? 0 : igor_now_ns() + after;

	__atomic_store_n(&self->limit_ns, at, __ATOMIC_SEQ_CST);
	/* Rare: the limits of most scripts are longer than the time between two checks. */
	if (at != 0 && at < __atomic_load_n(&igor_limits_next, __ATOMIC_SEQ_CST)) {
		pthread_mutex_lock(&igor_limits_lock);
		pthread_cond_signal(&igor_limits_changed);
		pthread_mutex_unlock(&igor_limits_lock);
	}
}

int igor_timer_settime(timer_t timer, int flags, const struct itimerspec *set, struct itimerspec *before)
{
	static int (*next)(timer_t, int, const struct itimerspec *, struct itimerspec *);
	igor_thread *self = igor_limited_self();

	if (timer == (timer_t) &igor_no_timer) {
		return 0;
	}
	if (self != NULL && timer == (timer_t) &self->limit_ns) {
		igor_limit_set(self, set);
		return 0;
	}
	if (next == NULL) {
		next = (int (*)(timer_t, int, const struct itimerspec *, struct itimerspec *)) dlsym(RTLD_NEXT, "timer_settime");
	}
	return next(timer, flags, set, before);
}

int igor_timer_delete(timer_t timer)
{
	static int (*next)(timer_t);
	igor_thread *self = igor_limited_self();

	if (timer == (timer_t) &igor_no_timer) {
		return 0;
	}
	if (self != NULL && timer == (timer_t) &self->limit_ns) {
		__atomic_store_n(&self->limit_ns, 0, __ATOMIC_SEQ_CST);
		return 0;
	}
	if (next == NULL) {
		next = (int (*)(timer_t)) dlsym(RTLD_NEXT, "timer_delete");
	}
	return next(timer);
}

/* PHP sets its handler of SIGRTMIN, and queries the previous one, in each request. It is the same for all threads. True:
 * done. */
bool igor_limit_sigaction(int signo, const struct sigaction *action, struct sigaction *old)
{
	struct sigaction ours;

	if (signo != SIGRTMIN || igor_limited_self() == NULL) {
		return false;
	}
	if (old != NULL) {
		memset(old, 0, sizeof(*old));
	}
	if (action == NULL || __atomic_load_n(&igor_limit_handled, __ATOMIC_ACQUIRE)) {
		return true;
	}
	pthread_mutex_lock(&igor_limits_lock);
	if (!igor_limit_handled) {
		igor_limit_handler = ours = *action;
		ours.sa_sigaction = igor_limit_reached;
		igor_libc_sigaction(SIGRTMIN, &ours, NULL);
		__atomic_store_n(&igor_limit_handled, true, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&igor_limits_lock);
	return true;
}

/* SIGRTMIN is never blocked on a PHP thread, so there is nothing to do where PHP unblocks it alone. */
int igor_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	sigset_t timers;

	if (how == SIG_UNBLOCK && set != NULL && old == NULL && igor_limited_self() != NULL) {
		sigemptyset(&timers);
		sigaddset(&timers, SIGRTMIN);
		/* The C library clears and reads this much of a set. */
		if (memcmp(set, &timers, _NSIG / 8) == 0) {
			return 0;
		}
	}
	errno = pthread_sigmask(how, set, old);
	return errno == 0 ? 0 : -1;
}

/* PHP calls it four times per request. A forked child is another process. */
pid_t igor_getpid(void)
{
	const igor_thread *self = igor_limited_self();

	return self != NULL ? self->pid : (pid_t) syscall(SYS_getpid);
}

/* ---- The watching thread ------------------------------------------------------------------------------------ */

bool shim_time_limits_probe(void)
{
	int (*call)(clockid_t, struct sigevent *, timer_t *) =
		(int (*)(clockid_t, struct sigevent *, timer_t *)) dlsym(RTLD_DEFAULT, "timer_create");
	timer_t none;

	/* No such clock exists, so libc's function fails. */
	if (call != NULL) {
		(void) call((clockid_t) INT_MAX, &igor_probe, &none);
	}
	return igor_limits_ours;
}

void igor_limits_join(igor_thread *self)
{
	if (!igor_limits_ours) {
		return;
	}
	pthread_mutex_lock(&igor_limits_lock);
	self->limited_after = igor_limited;
	igor_limited = self;
	pthread_mutex_unlock(&igor_limits_lock);
	igor_limited_thread = self;
}

void igor_limits_leave(igor_thread *self)
{
	igor_thread **at;

	/* In a forked child the watching thread does not exist, and it may have held the lock. */
	if (igor_limited_self() == NULL) {
		return;
	}
	igor_limited_thread = NULL;
	pthread_mutex_lock(&igor_limits_lock);
	for (at = &igor_limited; *at != self; at = &(*at)->limited_after) {
	}
	*at = self->limited_after;
	pthread_mutex_unlock(&igor_limits_lock);
}

/* In a forked child, which has the system's timers: PHP's own handler takes their signals. */
void igor_limits_forked(void)
{
	if (igor_limit_handled) {
		igor_libc_sigaction(SIGRTMIN, &igor_limit_handler, NULL);
	}
}

/* Under the lock, so the thread still exists. It has a deadline, so it runs PHP code. */
static void igor_limit_reach(igor_thread *thread, uint64_t at)
{
	if (!__atomic_compare_exchange_n(&thread->limit_ns, &at, IGOR_REACHED, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
		return;
	}
	if (pthread_kill(thread->pthread, SIGRTMIN) != 0) {
		/* The system's queue of signals is full. This does the same as PHP's handler, except that a blocking call
		 * continues. */
		zend_atomic_bool_store_ex(thread->timed_out, true);
		zend_atomic_bool_store_ex(thread->vm_interrupt, true);
	}
}

/* Returns when the next deadline is reached, or `next`. */
static uint64_t igor_limits_look(uint64_t now, uint64_t next)
{
	igor_thread *thread;

	for (thread = igor_limited; thread != NULL; thread = thread->limited_after) {
		uint64_t at = __atomic_load_n(&thread->limit_ns, __ATOMIC_SEQ_CST);

		if (at <= IGOR_REACHED) {
			continue;
		}
		if (at <= now) {
			igor_limit_reach(thread, at);
		} else if (at < next) {
			next = at;
		}
	}
	return next;
}

static void igor_limits_sleep(uint64_t ns)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	ns += (uint64_t) until.tv_nsec;
	until.tv_sec += (time_t) (ns / IGOR_NS_PER_SECOND);
	until.tv_nsec = (long) (ns % IGOR_NS_PER_SECOND);
	pthread_cond_clockwait(&igor_limits_changed, &igor_limits_lock, CLOCK_MONOTONIC, &until);
}

void shim_time_limits_watch(void)
{
	pthread_mutex_lock(&igor_limits_lock);
	while (!igor_limits_stop) {
		uint64_t now = igor_now_ns(), next = now + IGOR_TIME_LIMITS_LOOK_SECONDS * IGOR_NS_PER_SECOND;

		/* Before the check: a thread that sets a deadline meanwhile compares it with this one. */
		__atomic_store_n(&igor_limits_next, next, __ATOMIC_SEQ_CST);
		next = igor_limits_look(now, next);
		__atomic_store_n(&igor_limits_next, next, __ATOMIC_SEQ_CST);
		igor_limits_sleep(next - now);
	}
	pthread_mutex_unlock(&igor_limits_lock);
}

void shim_time_limits_stop(void)
{
	pthread_mutex_lock(&igor_limits_lock);
	igor_limits_stop = true;
	pthread_cond_signal(&igor_limits_changed);
	pthread_mutex_unlock(&igor_limits_lock);
}
