/* The log of the system. libc has one lock for it, which every PHP request takes, because PHP closes the log at the end. A
 * child that was forked at that moment would wait for the lock in its own end. So a lock of ours comes first, which the
 * forking thread holds; and a log that no script has used is not closed. */
#include "internal.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>

static pthread_mutex_t igor_syslog_lock = PTHREAD_MUTEX_INITIALIZER;
static bool igor_syslog_used; /* atomic: since it was last closed */

void igor_openlog(const char *ident, int option, int facility)
{
	void (*call)(const char *, int, int) = (void (*)(const char *, int, int)) dlsym(RTLD_NEXT, "openlog");

	pthread_mutex_lock(&igor_syslog_lock);
	__atomic_store_n(&igor_syslog_used, true, __ATOMIC_RELAXED);
	call(ident, option, facility);
	pthread_mutex_unlock(&igor_syslog_lock);
}

void igor_vsyslog(int priority, const char *format, va_list arguments)
{
	void (*call)(int, const char *, va_list) = (void (*)(int, const char *, va_list)) dlsym(RTLD_NEXT, "vsyslog");

	pthread_mutex_lock(&igor_syslog_lock);
	__atomic_store_n(&igor_syslog_used, true, __ATOMIC_RELAXED);
	call(priority, format, arguments);
	pthread_mutex_unlock(&igor_syslog_lock);
}

void igor_closelog(void)
{
	void (*call)(void);

	if (!__atomic_load_n(&igor_syslog_used, __ATOMIC_RELAXED)) {
		return;
	}
	call = (void (*)(void)) dlsym(RTLD_NEXT, "closelog");
	pthread_mutex_lock(&igor_syslog_lock);
	__atomic_store_n(&igor_syslog_used, false, __ATOMIC_RELAXED);
	call();
	pthread_mutex_unlock(&igor_syslog_lock);
}

/* Around a fork. */
void igor_syslog_hold(void)
{
	pthread_mutex_lock(&igor_syslog_lock);
}

void igor_syslog_release(void)
{
	pthread_mutex_unlock(&igor_syslog_lock);
}
