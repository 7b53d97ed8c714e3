/* Signals. A handler, an alarm and the default action of a signal belong to the process, and a script of the server has no
 * process of its own. So each thread keeps the settings of its script:
 *
 * - pcntl_signal() stores the handler here (igor_sigaction()). The process has one handler for every such signal,
 *   igor_deliver(), which calls those of the threads that have one.
 * - pcntl_alarm() is a timer of the thread (alarm.c).
 * - posix_kill() of the own process reaches the calling script, and ends that script where it has no handler.
 * - SIGINT, SIGTERM, SIGQUIT and SIGHUP of the process stay the server's. A script that installs a handler for SIGTERM or
 *   SIGINT has it called, on its own thread, when the server wants the script to end.
 *
 * A signal that would end the process by default and that no script handles is recorded, and the server logs it. */
#include "internal.h"
#include "states.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* The threads with handlers, for the handler of the process, which may run on any of them. An entry is its thread's own
 * while `tid` is not 0. A signal for a thread that has just left reaches no one. */
static struct {
	pid_t tid;        /* atomic */
	uint64_t handled; /* atomic: the signals with a handler */
} igor_listening[IGOR_LISTENING_MAX];
static uint32_t igor_listening_end; /* atomic: no entry at or after it was ever used */
static uint64_t igor_ignored;       /* atomic: signals that reached no script since the last check */
static uint64_t igor_taken;         /* atomic: signals of which igor_deliver() is the handler */

static zif_handler igor_original_signal, igor_original_exec;

bool igor_is_script_of_server(void)
{
	return igor_self != NULL && !igor_self->request.own_process && !igor_forked;
}

bool igor_is_of_server(int signo)
{
	return signo == SIGINT || signo == SIGTERM || signo == SIGQUIT || signo == SIGHUP;
}

/* By these the server asks a script to end. */
#define IGOR_ASKED_BY (IGOR_BIT(SIGTERM) | IGOR_BIT(SIGINT) | IGOR_BIT(SIGQUIT))

/* The signals that interrupt scripts and drive PHP's timers; and SIGPIPE, because the write itself reports the error. */
static bool igor_is_reserved(int signo)
{
	return signo == IGOR_WAKE_SIGNAL || signo == SIGRTMIN || signo == SIGPIPE;
}

/* Whether the default action of a signal leaves the process as it is. */
static bool igor_is_harmless(int signo)
{
	return signo == SIGCHLD || signo == SIGCONT || signo == SIGURG || signo == SIGWINCH || signo == IGOR_WAKE_SIGNAL
		|| signo == SIGRTMIN || signo == SIGPIPE;
}

int igor_libc_sigaction(int signo, const struct sigaction *action, struct sigaction *old)
{
	static int (*call)(int, const struct sigaction *, struct sigaction *);

	if (call == NULL) {
		call = (int (*)(int, const struct sigaction *, struct sigaction *)) dlsym(RTLD_NEXT, "sigaction");
	}
	return call(signo, action, old);
}

/* ---- Delivery ------------------------------------------------------------------------------------------------ */

/* The script has no handler for a signal that ends a process by default: the interrupt handler ends the script. */
static void igor_end_script(igor_thread *self, int signo)
{
	self->fatal_signal = signo;
	zend_atomic_bool_store_ex(self->vm_interrupt, true);
}

/* In `si_errno` of a signal that is passed on, with what its code was. The receiver must not pass it on again, and the kernel
 * lets no thread but the receiver send another code than this one. */
#define IGOR_PASSED_ON 0x49670000

/* Whether the signal was passed on; its code is what it was. */
bool igor_info_restore(siginfo_t *info)
{
	if (info->si_code != SI_QUEUE || (info->si_errno & ~0xff) != IGOR_PASSED_ON) {
		return false;
	}
	info->si_code = (signed char) (info->si_errno & 0xff);
	info->si_errno = 0;
	return true;
}

/* Passes a signal that came for the process on to each thread that handles it. False: none does. */
static bool igor_pass_on(int signo, const siginfo_t *info, pid_t except)
{
	uint32_t i, end = __atomic_load_n(&igor_listening_end, __ATOMIC_ACQUIRE);
	siginfo_t directed = *info;
	bool found = false;

	directed.si_code = SI_QUEUE;
	directed.si_errno = IGOR_PASSED_ON | (info->si_code & 0xff);
	for (i = 0; i < end; i++) {
		pid_t tid = __atomic_load_n(&igor_listening[i].tid, __ATOMIC_ACQUIRE);

		if (tid != 0 && tid != except && (__atomic_load_n(&igor_listening[i].handled, __ATOMIC_ACQUIRE) & IGOR_BIT(signo)) != 0) {
			found |= syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, signo, &directed) == 0;
		}
	}
	return found;
}

/* The process's handler of every signal that scripts may have. Calls only functions that are safe in a signal handler. */
static void igor_deliver(int signo, siginfo_t *info, void *context)
{
	igor_thread *self = igor_self;
	bool directed = info->si_code == SI_TKILL || info->si_code == SI_TIMER || igor_info_restore(info);
	bool handled = self != NULL && (self->signals_handled & IGOR_BIT(signo)) != 0;
	int error = errno;

	if (handled) {
		self->signal_handlers[signo - 1](signo, info, context);
	}
	if (directed && self != NULL && !handled && (self->signals_ignored & IGOR_BIT(signo)) == 0 && signo == SIGALRM) {
		igor_end_script(self, signo);
		pthread_kill(self->pthread, IGOR_WAKE_SIGNAL);
	}
	if (!directed && !igor_pass_on(signo, info, handled ? self->tid : 0) && !handled && !igor_is_harmless(signo)) {
		__atomic_fetch_or(&igor_ignored, IGOR_BIT(signo), __ATOMIC_RELAXED);
	}
	errno = error;
}

void igor_signal_take(int signo)
{
	struct sigaction action = {0};

	if ((__atomic_fetch_or(&igor_taken, IGOR_BIT(signo), __ATOMIC_RELAXED) & IGOR_BIT(signo)) != 0) {
		return;
	}
	action.sa_sigaction = igor_deliver;
	action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
	sigemptyset(&action.sa_mask);
	igor_libc_sigaction(signo, &action, NULL);
}

void shim_process_own(void)
{
	static const int ending[] = {SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGXCPU, SIGXFSZ,
#ifdef SIGPWR
		SIGPWR,
#endif
#ifdef SIGSTKFLT
		SIGSTKFLT,
#endif
	};
	struct sigaction now;
	size_t i;
	int signo;

	igor_descriptors_own();
	for (i = 0; i < sizeof(ending) / sizeof(*ending); i++) {
		if (igor_libc_sigaction(ending[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL) {
			igor_signal_take(ending[i]);
		}
	}
	for (signo = SIGRTMIN + 1; signo <= SIGRTMAX; signo++) {
		if (signo != IGOR_WAKE_SIGNAL) {
			igor_signal_take(signo);
		}
	}
}

uint64_t shim_signals_ignored(void)
{
	return __atomic_exchange_n(&igor_ignored, 0, __ATOMIC_RELAXED);
}

/* ---- Calls of scripts ------------------------------------------------------------------------------------ */

/* Enters the thread into the list. False: the list is full. */
static bool igor_listen(igor_thread *self)
{
	uint32_t i, end;

	if (self->listens) {
		return true;
	}
	for (i = 0; i < IGOR_LISTENING_MAX; i++) {
		pid_t none = 0;

		if (__atomic_compare_exchange_n(&igor_listening[i].tid, &none, self->tid, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
			break;
		}
	}
	if (i == IGOR_LISTENING_MAX) {
		return false;
	}
	for (end = __atomic_load_n(&igor_listening_end, __ATOMIC_ACQUIRE);
		end <= i && !__atomic_compare_exchange_n(&igor_listening_end, &end, i + 1, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);) {
	}
	self->listening_at = i;
	self->listens = true;
	return true;
}

void igor_info_of_own(siginfo_t *info, int signo)
{
	memset(info, 0, sizeof(*info));
	info->si_signo = signo;
	info->si_code = SI_USER;
	info->si_pid = getpid();
	info->si_uid = getuid();
}

/* Keeps a signal that the script blocks until it opens or takes it. Also on its own thread in a signal handler. */
static bool igor_hold(igor_thread *self, int signo)
{
	bool blocks = (self->signals_blocked & IGOR_BIT(signo)) != 0;

	if (blocks) {
		__atomic_fetch_or(&self->signals_held, IGOR_BIT(signo), __ATOMIC_RELAXED);
	}
	return blocks;
}

/* False: the script has no handler. */
static bool igor_call_handler(igor_thread *self, int signo)
{
	siginfo_t info;

	if ((self->signals_handled & IGOR_BIT(signo)) == 0) {
		return false;
	}
	igor_info_of_own(&info, signo);
	self->signal_handlers[signo - 1](signo, &info, NULL);
	return true;
}

static void igor_call_end_handler(igor_thread *self)
{
	static const int asked[] = {SIGTERM, SIGINT, SIGQUIT};
	size_t i = 0;

	while (i < sizeof(asked) / sizeof(*asked) && !igor_hold(self, asked[i]) && !igor_call_handler(self, asked[i])) {
		i++;
	}
	if (i < sizeof(asked) / sizeof(*asked) && (self->signals_blocked & IGOR_BIT(asked[i])) != 0) {
		self->signals_asked |= IGOR_BIT(asked[i]);
	}
	__atomic_store_n(&self->end_handled, true, __ATOMIC_RELEASE);
}

/* On its own thread, in the handler of the wake signal. */
void igor_signals_wake(igor_thread *self)
{
	if (self->should_end) {
		self->should_end = false;
		/* A script that has asked host_should_end() itself has had its signal. */
		if (!self->end_handled) {
			igor_call_end_handler(self);
		}
	}
}

void shim_thread_should_end(void *thread)
{
	igor_thread *self = thread;

	/* Without a handler the signal would only shorten a sleep. What is handled or blocked from now on asks host_should_end(). */
	if (((__atomic_load_n(&self->signals_handled, __ATOMIC_ACQUIRE) | __atomic_load_n(&self->signals_blocked, __ATOMIC_ACQUIRE))
			& IGOR_ASKED_BY) == 0) {
		return;
	}
	self->should_end = true;
	pthread_kill(self->pthread, IGOR_WAKE_SIGNAL);
}

/* pcntl's C handler has run, but the VM calls the script's function later. A signal that arrives just before a call blocks
 * does not shorten it, so the script would sleep on.
 *
 * The VM may also have called that function between the condition of `while (!$ends) { sleep(10); }` and the sleep. The script
 * is woken from that, too, but not all the time, because it may still finish its work: at the first reminder after the call,
 * and for a thread that gets little processor time at the tenth and the hundredth. */
void shim_thread_remind(void *thread)
{
	igor_thread *self = thread;
	uint32_t reminders;

	if (!__atomic_load_n(&self->end_handled, __ATOMIC_ACQUIRE)) {
		return;
	}
	if (!zend_atomic_bool_load_ex(self->vm_interrupt)) {
		reminders = __atomic_add_fetch(&self->end_reminders, 1, __ATOMIC_RELAXED);
		if (reminders != 1 && reminders != 10 && reminders != 100) {
			return;
		}
	}
	pthread_kill(self->pthread, IGOR_WAKE_SIGNAL);
}

/* What the script handles or blocks is passed on to its thread. */
static void igor_listen_to_all(const igor_thread *self)
{
	if (self->listens) {
		__atomic_store_n(&igor_listening[self->listening_at].handled, self->signals_handled | self->signals_blocked, __ATOMIC_RELEASE);
	}
}

/* The script blocks these and no others. If the list is full, those of the process are lost to it. */
void igor_signals_block(igor_thread *self, uint64_t blocked)
{
	/* The system drops these at once where no one handles them. */
	static const int dropped[] = {SIGCHLD, SIGCONT, SIGURG, SIGWINCH};
	size_t i;

	for (i = 0; i < sizeof(dropped) / sizeof(*dropped); i++) {
		if ((blocked & IGOR_BIT(dropped[i])) != 0) {
			igor_signal_take(dropped[i]);
		}
	}
	if (blocked != 0) {
		(void) igor_listen(self);
	}
	__atomic_store_n(&self->signals_blocked, blocked, __ATOMIC_RELEASE);
	igor_listen_to_all(self);
	/* The server may have asked before the script blocked what it will wait for. */
	if ((blocked & IGOR_ASKED_BY) != 0 && !self->end_handled && host_should_end(self->host)) {
		igor_call_end_handler(self);
	}
}

/* A handler of the thread. For the process only one thing changes: it now handles the signal. */
static int igor_handle(igor_thread *self, int signo, const struct sigaction *action)
{
	uint64_t bit = IGOR_BIT(signo);
	sigset_t all, before;
	bool handles = action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN;

	if (handles && !igor_listen(self)) {
		errno = EAGAIN;
		return -1;
	}
	if (!igor_is_of_server(signo) && (handles || action->sa_handler == SIG_IGN)) {
		igor_signal_take(signo);
	}
	/* The handler of the process must not see half of it on this thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	self->signal_handlers[signo - 1] = handles ? action->sa_sigaction : NULL;
	__atomic_store_n(&self->signals_handled, handles ? self->signals_handled | bit : self->signals_handled & ~bit, __ATOMIC_RELEASE);
	self->signals_ignored = action->sa_handler == SIG_IGN ? self->signals_ignored | bit : self->signals_ignored & ~bit;
	igor_listen_to_all(self);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return 0;
}

/* Replaces libc's. Calls of PHP's pcntl functions change the handlers of the thread, and so does the removal of these
 * handlers at the end of the PHP request. */
int igor_sigaction(int signo, const struct sigaction *action, struct sigaction *old)
{
	igor_thread *self = igor_self;

	if (self == NULL || !self->in_pcntl || igor_forked || action == NULL || signo < 1 || signo > 64
		|| signo == SIGKILL || signo == SIGSTOP) {
		return igor_libc_sigaction(signo, action, old);
	}
	if (old != NULL) {
		memset(old, 0, sizeof(*old));
	}
	return igor_is_reserved(signo) ? 0 : igor_handle(self, signo, action);
}

/* The number of a signal in the forms that PHP accepts: also a numeric string, unless the script's types are strict. 0: it
 * is invalid, and PHP reports the error. */
static zend_long igor_signal_number(zend_execute_data *execute_data)
{
	const zval *argument = ZEND_CALL_ARG(execute_data, 1);
	zend_long number = 0;

	if (Z_TYPE_P(argument) == IS_LONG) {
		return Z_LVAL_P(argument);
	}
	if (ZEND_ARG_USES_STRICT_TYPES()) {
		return 0;
	}
	if (Z_TYPE_P(argument) == IS_DOUBLE) {
		return zend_dval_to_lval(Z_DVAL_P(argument));
	}
	return Z_TYPE_P(argument) == IS_STRING
		&& is_numeric_string(Z_STRVAL_P(argument), Z_STRLEN_P(argument), &number, NULL, false) == IS_LONG ? number : 0;
}

static ZEND_NAMED_FUNCTION(igor_pcntl_signal)
{
	zend_long signal;

	if (!igor_is_script_of_server() || ZEND_NUM_ARGS() < 2) {
		igor_original_signal(INTERNAL_FUNCTION_PARAM_PASSTHRU);
		return;
	}
	signal = igor_signal_number(execute_data);
	if (igor_is_reserved((int) signal)) {
		char message[256];

		/* Not a PHP error: frameworks turn errors into exceptions, and the script does nothing wrong. */
		snprintf(message, sizeof(message), "pcntl_signal(): signal " ZEND_LONG_FMT " is the server's, so this handler is "
			"never called%s", signal, signal == SIGPIPE ? "; writing to a closed pipe is an error of the write alone" : "");
		php_log_err_with_severity(message, LOG_NOTICE);
		RETURN_TRUE;
	}
	igor_self->used_signals = true;
	igor_self->in_pcntl = true;
	igor_original_signal(INTERNAL_FUNCTION_PARAM_PASSTHRU);
	igor_self->in_pcntl = false;
	/* The server may have asked before there was a handler. */
	if ((signal == SIGTERM || signal == SIGINT) && !igor_self->end_handled && !EG(exception) && host_should_end(igor_self->host)) {
		igor_call_end_handler(igor_self);
	}
}

/* Whether the server has asked the script to end by this signal, which has waited. Not any more. */
bool igor_signal_was_asked(igor_thread *self, int signo)
{
	bool asked = (self->signals_asked & IGOR_BIT(signo)) != 0;

	self->signals_asked &= ~IGOR_BIT(signo);
	return asked;
}

/* A signal of the script to itself, or one that has waited. */
void igor_signal_raise(igor_thread *self, int signo)
{
	bool asked;

	if (igor_hold(self, signo)) {
		return;
	}
	asked = igor_signal_was_asked(self, signo);
	if (igor_call_handler(self, signo) || igor_is_harmless(signo) || (self->signals_ignored & IGOR_BIT(signo)) != 0) {
		return;
	}
	if (asked) {
		/* To a script that has not blocked it, the server would have sent nothing. A handler that comes later is called. */
		__atomic_store_n(&self->end_handled, false, __ATOMIC_RELEASE);
		return;
	}
	igor_end_script(self, signo);
}

static const char *igor_signal_name(int signo)
{
	const char *name = sigabbrev_np(signo);

	return name != NULL ? name : "a real-time signal";
}

void igor_signals_fail(igor_thread *self)
{
	int signo = self->fatal_signal;

	if (signo != 0) {
		self->fatal_signal = 0;
		zend_error_noreturn(E_ERROR, "Signal %d (%s) ended this script, which has no handler for it; the server continues",
			signo, igor_signal_name(signo));
	}
}

/* The program would replace the server. In a forked child it replaces the child. */
static ZEND_NAMED_FUNCTION(igor_pcntl_exec)
{
	if (igor_is_script_of_server()) {
		zend_throw_error(NULL, "pcntl_exec() would replace the whole server; call it in a child of pcntl_fork(), or use proc_open()");
		return;
	}
	igor_original_exec(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

/* ---- The ends of a script and of a process ------------------------------------------------------------------- */

/* The script has ended, so its handlers must not run any more; the PHP request's shutdown removes them. */
void igor_signals_end(igor_thread *self)
{
	self->in_pcntl = self->used_signals;
}

/* Its PHP request has ended, too. The next script must not inherit the blocked signals. */
void igor_signals_restore(igor_thread *self)
{
	self->in_pcntl = false;
	self->should_end = false;
	__atomic_store_n(&self->end_handled, false, __ATOMIC_RELAXED);
	__atomic_store_n(&self->end_reminders, 0, __ATOMIC_RELAXED);
	if (!self->used_signals) {
		self->fatal_signal = 0;
		return;
	}
	self->used_signals = false;
	self->signals_handled = self->signals_ignored = 0;
	self->signals_blocked = self->signals_held = self->signals_asked = 0;
	if (self->listens) {
		__atomic_store_n(&igor_listening[self->listening_at].handled, 0, __ATOMIC_RELEASE);
		__atomic_store_n(&igor_listening[self->listening_at].tid, 0, __ATOMIC_RELEASE);
		self->listens = false;
	}
	pthread_sigmask(SIG_SETMASK, &self->mask, NULL);
	/* After that: an alarm that the script has blocked comes now. */
	self->fatal_signal = 0;
	/* A script that ends inside a handler leaves pcntl's queue in use, and PHP's request startup does not reset that: the
	 * next script's handlers would never be called. */
	igor_module_renew("pcntl");
}

/* In the forked child of a script of the server: a process of its own, with the script's handlers and without the server's.
 */
void igor_signals_leave(void)
{
	igor_thread *self = igor_self;
	struct sigaction action = {0};
	int signo;

	sigemptyset(&action.sa_mask);
	for (signo = 1; signo <= 64; signo++) {
		bool handled = (self->signals_handled & IGOR_BIT(signo)) != 0;

		if (!handled && !igor_is_of_server(signo) && (igor_taken & IGOR_BIT(signo)) == 0) {
			continue;
		}
		action.sa_flags = handled ? SA_SIGINFO | SA_RESTART | SA_ONSTACK : 0;
		if (handled) {
			action.sa_sigaction = self->signal_handlers[signo - 1];
		} else {
			action.sa_handler = (self->signals_ignored & IGOR_BIT(signo)) != 0 ? SIG_IGN : SIG_DFL;
		}
		igor_libc_sigaction(signo, &action, NULL);
	}
}

void igor_signals_install(void)
{
	igor_original_signal = igor_replace_function("pcntl_signal", igor_pcntl_signal);
	igor_original_exec = igor_replace_function("pcntl_exec", igor_pcntl_exec);
}
