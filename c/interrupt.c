/* Ends a script from another thread: by a flag that the VM checks, and a signal that wakes a blocking call. */
#include "internal.h"

#include <php_main.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>

static void (*igor_previous_interrupt)(zend_execute_data *execute_data);
static struct sigaction igor_previous_wake;

/* The line that a frame of PHP code runs. The VM keeps the instruction pointer in a register, and only saves it where it may
 * be needed. Until the first such place the frame holds an old pointer, which must not be followed. */
static uint32_t igor_line(const zend_execute_data *frame)
{
	const zend_op_array *code = &frame->func->op_array;

	return frame->opline >= code->opcodes && frame->opline < code->opcodes + code->last ? frame->opline->lineno : code->line_start;
}

/* The innermost frame of PHP code; NULL: none. */
static const zend_execute_data *igor_user_frame(void)
{
	const zend_execute_data *frame = EG(current_execute_data);

	while (frame != NULL && (frame->func == NULL || !ZEND_USER_CODE(frame->func->type))) {
		frame = frame->prev_execute_data;
	}
	return frame;
}

/* Notes where the script is. It only reads, on the thread that runs the script, so it works even if the VM is stuck inside
 * a C function. It copies the file name, which may be freed with the request. */
static void igor_note_place(igor_thread *self)
{
	const zend_execute_data *frame = igor_user_frame();
	const zend_string *file;
	size_t len;

	if (frame == NULL) {
		return;
	}
	file = frame->func->op_array.filename;
	len = ZSTR_LEN(file) < sizeof(self->place_file) ? ZSTR_LEN(file) : sizeof(self->place_file) - 1;
	memcpy(self->place_file, ZSTR_VAL(file), len);
	self->place_file[len] = '\0';
	__atomic_store_n(&self->place_line, igor_line(frame), __ATOMIC_RELEASE);
}

/* Reports the place to an observer. igor_note_place() has a buffer that another thread may be reading. */
static void igor_report_place(igor_thread *self)
{
	const zend_execute_data *frame = igor_user_frame();

	if (frame != NULL) {
		host_place(self->host, ZSTR_VAL(frame->func->op_array.filename), ZSTR_LEN(frame->func->op_array.filename), igor_line(frame));
	}
}

/* The backtrace of a slow request, in the form of PHP's exceptions. It reads the frames and allocates nothing, so that it
 * cannot exceed the script's memory limit. */
typedef struct {
	char text[IGOR_TRACE_BYTES_MAX];
	size_t len;
} igor_backtrace;

static void igor_trace_add(igor_backtrace *trace, const char *format, ...)
{
	size_t room = sizeof(trace->text) - trace->len;
	va_list arguments;
	int len;

	va_start(arguments, format);
	len = vsnprintf(trace->text + trace->len, room, format, arguments);
	va_end(arguments);
	if (len > 0) {
		trace->len += (size_t) len < room ? (size_t) len : room - 1;
	}
}

/* The call of a function or file, as seen from the frame before. */
static void igor_trace_call(igor_backtrace *trace, const zend_function *callee)
{
	const zend_string *class_name = callee->common.scope != NULL ? callee->common.scope->name : NULL;

	if (callee->common.function_name == NULL) {
		igor_trace_add(trace, ": include");
	} else {
		igor_trace_add(trace, ": %s%s%s()", class_name != NULL ? ZSTR_VAL(class_name) : "", class_name != NULL ? "::" : "",
			ZSTR_VAL(callee->common.function_name));
	}
}

static void igor_trace(igor_thread *self, uint32_t depth)
{
	const zend_execute_data *frame = EG(current_execute_data);
	const zend_function *callee = NULL;
	igor_backtrace trace;
	uint32_t number = 0;

	trace.len = 0;
	igor_trace_add(&trace, "backtrace of a slow request, %s %s",
		SG(request_info).request_method != NULL ? SG(request_info).request_method : "",
		self->request.script != NULL ? self->request.script : "");
	for (; frame != NULL && number < depth; frame = frame->prev_execute_data) {
		if (frame->func == NULL) {
			continue;
		}
		if (ZEND_USER_CODE(frame->func->type)) {
			igor_trace_add(&trace, "\n#%u %s(%u)", number++, ZSTR_VAL(frame->func->op_array.filename), igor_line(frame));
			if (callee != NULL) {
				igor_trace_call(&trace, callee);
			}
		}
		callee = frame->func;
	}
	igor_log(LOG_WARNING, trace.text, trace.len);
}

static void igor_ignore(int signal)
{
	(void) signal;
}

static void igor_wake(int signal)
{
	(void) signal;
	if (igor_self != NULL) {
		igor_note_place(igor_self);
		igor_signals_wake(igor_self);
	}
}

/* The client no longer reads the response. php_handle_aborted_connection() would end the script by a jump, and with it the
 * worker's run. Here only the request ends. */
void igor_client_gone(igor_thread *self)
{
	if (self->mode != IGOR_HTTP_WORKER) {
		php_handle_aborted_connection();
		return;
	}
	PG(connection_status) = PHP_CONNECTION_ABORTED;
	php_output_set_status(PHP_OUTPUT_DISABLED);
	if (!PG(ignore_user_abort)) {
		self->leaving = true;
		zend_atomic_bool_store_ex(&EG(vm_interrupt), true);
	}
}

/* Called by the VM between two instructions: ends the request's code as exit() would, which no script can catch. */
static void igor_leave(igor_thread *self)
{
	self->leaving = false;
	if (self->leavable && EG(exception) == NULL && EG(current_execute_data) != NULL) {
		self->left = true;
		zend_throw_unwind_exit();
	}
}

static void igor_end_killed(igor_kill_reason kill)
{
	switch (kill) {
		case IGOR_KILL_NONE:
			break;
		case IGOR_KILL_GRACE:
			zend_error_noreturn(E_ERROR, "The server stopped this script because it did not end within the grace period");
		case IGOR_KILL_OVERDUE:
			zend_error_noreturn(E_ERROR, "The server stopped this script because its request exceeded request_terminate_timeout");
	}
}

/* Runs in the VM at loop heads and calls, where the engine itself may leave by a jump (zend_timeout() does). */
static void igor_interrupt(zend_execute_data *execute_data)
{
	if (igor_self != NULL) {
		/* First, because it also orders the reads: see Interrupt::kill_requested(). */
		igor_kill_reason kill = host_kill_requested(igor_self->host);
		uint32_t depth = __atomic_exchange_n(&igor_self->trace_depth, 0, __ATOMIC_ACQ_REL);

		if (depth != 0) {
			igor_trace(igor_self, depth);
		}
		if (__atomic_exchange_n(&igor_self->place_wanted, false, __ATOMIC_ACQ_REL)) {
			igor_report_place(igor_self);
		}
		igor_end_killed(kill);
	}
	if (igor_self != NULL && igor_self->leaving) {
		igor_leave(igor_self);
	}
	if (igor_self != NULL) {
		igor_signals_fail(igor_self);
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
	sigaction(IGOR_WAKE_SIGNAL, &action, &igor_previous_wake);

	igor_previous_interrupt = zend_interrupt_function;
	zend_interrupt_function = igor_interrupt;
}

/* For a program that continues without Igor. None of our threads still runs. */
void igor_interrupt_remove(void)
{
	sigaction(IGOR_WAKE_SIGNAL, &igor_previous_wake, NULL);
	/* Otherwise a later hook chains to ours; leave it, ours forwards to the previous one. */
	if (zend_interrupt_function == igor_interrupt) {
		zend_interrupt_function = igor_previous_interrupt;
	}
}

/* A handler has the effect of ignoring, but programs that scripts start do not inherit it. */
void igor_signal_ignore(int signal)
{
	struct sigaction action = {0};

	action.sa_handler = igor_ignore;
	action.sa_flags = SA_RESTART;
	sigemptyset(&action.sa_mask);
	sigaction(signal, &action, NULL);
}

void igor_thread_publish(igor_thread *self)
{
	self->place_line = 0;
	__atomic_store_n(&self->place_wanted, false, __ATOMIC_RELAXED);
	__atomic_store_n(&self->trace_depth, 0, __ATOMIC_RELAXED);
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

void shim_thread_trace(void *thread, uint32_t depth)
{
	igor_thread *self = thread;

	__atomic_store_n(&self->trace_depth, depth, __ATOMIC_RELEASE);
	zend_atomic_bool_store_ex(self->vm_interrupt, true);
}

void shim_thread_look(void *thread)
{
	igor_thread *self = thread;

	__atomic_store_n(&self->place_wanted, true, __ATOMIC_RELEASE);
	zend_atomic_bool_store_ex(self->vm_interrupt, true);
}

uint32_t shim_thread_place(void *thread, char *file, size_t size)
{
	igor_thread *self = thread;
	uint32_t line = __atomic_load_n(&self->place_line, __ATOMIC_ACQUIRE);

	if (line != 0 && size > 0) {
		strncpy(file, self->place_file, size - 1);
		file[size - 1] = '\0';
	}
	return line;
}

/* PHP's streams, and most C libraries, wait for a socket with poll() and call it again after EINTR, so the signal alone
 * ends no wait for good. Our poll() (interpose.c) replaces libc's. Once its thread should leave, it shuts down the sockets
 * that it waits for, and the caller reads an end of file. */
int igor_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	struct timespec timeout = {timeout_ms / 1000, (long) (timeout_ms % 1000) * 1000000L};
	int ready = ppoll(fds, count, timeout_ms < 0 ? NULL : &timeout, NULL);
	nfds_t i;

	if (ready < 0 && errno == EINTR && igor_self != NULL && host_kill_requested(igor_self->host) != IGOR_KILL_NONE) {
		for (i = 0; i < count; i++) {
			if (fds[i].fd >= 0) {
				shutdown(fds[i].fd, SHUT_RDWR); /* fails for anything but sockets, and other waits are not repeated */
			}
		}
		errno = EINTR;
	}
	return ready;
}
