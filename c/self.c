/* Which PHP thread runs this code, and what every file asks about it. Calls nothing else of the shim. */
#include "internal.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

__thread igor_thread *igor_self __attribute__((tls_model("initial-exec"))) = NULL;
bool igor_forked = false;

/* A script with a process of its own owns its output, also in a child. */
bool igor_in_forked_server(void)
{
	return igor_forked && igor_self != NULL && !igor_self->request.own_process;
}

/* Levels are those of syslog(). */
void igor_log(int level, const char *message, size_t len)
{
	/* The log's locks may have been held by a thread that a forked child does not have. */
	if (igor_in_forked_server()) {
		dprintf(STDERR_FILENO, "%.*s\n", (int) len, message);
		return;
	}
	host_log(igor_self != NULL ? igor_self->host : NULL, level, message, len);
}

static uint64_t igor_microseconds(struct timeval time)
{
	return (uint64_t) time.tv_sec * 1000000 + (uint64_t) time.tv_usec;
}

igor_usage shim_usage(void)
{
	igor_usage used = {0};
	struct rusage times;

	if (getrusage(RUSAGE_THREAD, &times) == 0) {
		used.user_us = igor_microseconds(times.ru_utime);
		used.system_us = igor_microseconds(times.ru_stime);
	}
	if (igor_self != NULL) {
		used.memory_bytes = MAX(igor_self->memory_peak, zend_memory_peak_usage(true));
		used.thread = (uint32_t) igor_self->tid;
	}
	return used;
}
