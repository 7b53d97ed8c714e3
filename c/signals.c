/* Signals that are the server's. A handler belongs to the process, so a script that sets one by pcntl_signal() would take
 * it from the server, which could not be stopped or reloaded by it any more. Console applications do that by themselves, to
 * end in good order; in a background worker the handle is for that. What a script changes of the others ends with it. */
#include "internal.h"

#include <signal.h>
#include <syslog.h>
#include <unistd.h>

static zif_handler igor_original_signal, igor_original_alarm, igor_original_mask;

static bool igor_is_signal_of_server(zend_long signal)
{
	switch (signal) {
		case SIGINT:
		case SIGTERM:
		case SIGQUIT:
		case SIGHUP:
		/* Ignored for all threads (interrupt.c); pcntl would set it back to its default, which ends the process. */
		case SIGPIPE:
			return true;
		default:
			/* Those with which scripts are interrupted and PHP's timers work. */
			return signal == IGOR_WAKE_SIGNAL || signal == SIGRTMIN;
	}
}

static bool igor_is_script_of_server(void)
{
	return igor_self != NULL && !igor_self->request.own_process && !igor_in_forked_server();
}

/* The number of a signal as PHP takes it: a numeric string is one too, unless the script's types are strict. 0: what is
 * wrong with it is PHP's to say. */
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

/* pcntl_signal(): what is asked for one of these signals has no effect, and is logged. Everything else goes to PHP's own
 * function, which also says what is wrong with the arguments; so do a script that has its process for itself, and a child
 * that a script has forked. */
static ZEND_NAMED_FUNCTION(igor_pcntl_signal)
{
	if (igor_is_script_of_server() && ZEND_NUM_ARGS() >= 2) {
		zend_long signal = igor_signal_number(execute_data);

		if (igor_is_signal_of_server(signal)) {
			char message[256];

			/* No PHP error: frameworks make exceptions of those, and the script does nothing wrong. */
			snprintf(message, sizeof(message), "pcntl_signal(): signal " ZEND_LONG_FMT " is the server's, so this handler is "
				"never called; %s", signal, signal == SIGPIPE ? "writing to a closed pipe is an error of the write alone"
				: "the stream of frankenphp_get_worker_handle() tells a worker that it should end");
			php_log_err_with_severity(message, LOG_NOTICE);
			RETURN_TRUE;
		}
		igor_self->used_signals = true;
	}
	igor_original_signal(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

static ZEND_NAMED_FUNCTION(igor_pcntl_alarm)
{
	if (igor_is_script_of_server()) {
		igor_self->used_signals = igor_self->set_alarm = true;
	}
	igor_original_alarm(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

static ZEND_NAMED_FUNCTION(igor_pcntl_sigprocmask)
{
	if (igor_is_script_of_server()) {
		igor_self->used_signals = true;
	}
	igor_original_mask(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

/* The script is over. An alarm that it left behind would find no handler any more, and end the process. */
void igor_signals_end(igor_thread *self)
{
	if (self->set_alarm) {
		alarm(0);
		self->set_alarm = false;
	}
}

/* And so is its PHP request, whose end has set the signals of its handlers back to their defaults. An alarm of another
 * script must not end the process either; it is lost, as there is one alarm in a process. What the script has blocked, the
 * next one has not. */
void igor_signals_restore(igor_thread *self)
{
	if (!self->used_signals) {
		return;
	}
	self->used_signals = false;
	igor_signals_end(self);
	igor_signal_ignore(SIGALRM);
	pthread_sigmask(SIG_SETMASK, &self->mask, NULL);
}

void igor_signals_install(void)
{
	igor_original_signal = igor_replace_function("pcntl_signal", igor_pcntl_signal);
	igor_original_alarm = igor_replace_function("pcntl_alarm", igor_pcntl_alarm);
	igor_original_mask = igor_replace_function("pcntl_sigprocmask", igor_pcntl_sigprocmask);
}
