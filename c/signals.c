/* Signals that are the server's. A handler belongs to the process, so a script that sets one by pcntl_signal() would take
 * it from the server, which could not be stopped or reloaded by it any more. Console applications do that by themselves, to
 * end in good order; in a background worker the handle is for that. */
#include "internal.h"

#include <signal.h>
#include <syslog.h>

static zif_handler igor_original_signal;

static bool igor_is_signal_of_server(zend_long signal)
{
	switch (signal) {
		case SIGINT:
		case SIGTERM:
		case SIGQUIT:
		case SIGHUP:
			return true;
		default:
			/* Those with which scripts are interrupted and PHP's timers work. */
			return signal == IGOR_WAKE_SIGNAL || signal == SIGRTMIN;
	}
}

/* pcntl_signal(): what is asked for one of these signals has no effect, and is logged. Everything else goes to PHP's own
 * function, which also says what is wrong with the arguments; so do a script that has its process for itself, and a child
 * that a script has forked. */
static ZEND_NAMED_FUNCTION(igor_pcntl_signal)
{
	const zval *signal = ZEND_CALL_ARG(execute_data, 1);

	if (igor_self != NULL && !igor_self->request.own_process && !igor_in_forked_server() && ZEND_NUM_ARGS() >= 2
		&& Z_TYPE_P(signal) == IS_LONG && igor_is_signal_of_server(Z_LVAL_P(signal))) {
		char message[256];

		/* No PHP error: frameworks make exceptions of those, and the script does nothing wrong. */
		snprintf(message, sizeof(message), "pcntl_signal(): signal " ZEND_LONG_FMT " is the server's, so this handler is never "
			"called; the stream of frankenphp_get_worker_handle() tells a worker that it should end", Z_LVAL_P(signal));
		php_log_err_with_severity(message, LOG_NOTICE);
		RETURN_TRUE;
	}
	igor_original_signal(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

void igor_signals_install(void)
{
	igor_original_signal = igor_replace_function("pcntl_signal", igor_pcntl_signal);
}
