/* Ending a script from another thread: a flag that the VM looks at, and a signal that wakes a blocking call. */
#include "internal.h"

#include <signal.h>

/* The signal's only effect is EINTR. SIGRTMIN belongs to PHP's own timers. */
#define IGOR_WAKE_SIGNAL (SIGRTMIN + 3)

static void (*igor_previous_interrupt)(zend_execute_data *execute_data);

static void igor_wake(int signal)
{
	(void) signal;
}

/* Runs in the VM at loop heads and calls, where the engine itself may leave by a jump (zend_timeout() does). */
static void igor_interrupt(zend_execute_data *execute_data)
{
	if (igor_self != NULL && host_kill_requested(igor_self->host)) {
		zend_error_noreturn(E_ERROR, "The server stopped this script because it did not end within the grace period");
	}
	if (igor_previous_interrupt != NULL) {
		igor_previous_interrupt(execute_data);
	}
}

void igor_interrupt_install(void)
{
	struct sigaction action = {0};

	/* Without SA_RESTART: a blocked system call must return. */
	action.sa_handler = igor_wake;
	sigemptyset(&action.sa_mask);
	sigaction(IGOR_WAKE_SIGNAL, &action, NULL);

	igor_previous_interrupt = zend_interrupt_function;
	zend_interrupt_function = igor_interrupt;
}

void igor_thread_publish(igor_thread *self)
{
	host_interruptible(self->host, self);
}

void igor_thread_withdraw(igor_thread *self)
{
	host_interruptible(self->host, NULL);
}

void shim_thread_interrupt(void *thread)
{
	igor_thread *self = thread;

	zend_atomic_bool_store_ex(self->vm_interrupt, true);
	pthread_kill(self->pthread, IGOR_WAKE_SIGNAL);
}
