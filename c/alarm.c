/* alarm() of a script: a timer of its thread, because the process has one alarm for all. */
#include "internal.h"

#include <dlfcn.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

/* In place of libc's alarm(): a timer whose signal comes to the calling thread. Returns the seconds that were left. */
unsigned int igor_alarm(unsigned int seconds)
{
	struct itimerspec set = {{0, 0}, {seconds, 0}}, before = {{0, 0}, {0, 0}};
	struct sigevent event = {0};
	igor_thread *self = igor_self;

	if (!igor_is_script_of_server()) {
		unsigned int (*call)(unsigned int) = (unsigned int (*)(unsigned int)) dlsym(RTLD_NEXT, "alarm");

		return call(seconds);
	}
	igor_signal_take(SIGALRM);
	self->used_signals = true;
	if (!self->has_alarm) {
		event.sigev_notify = SIGEV_THREAD_ID;
		event.sigev_signo = SIGALRM;
		event.sigev_notify_thread_id = self->tid;
		if (seconds == 0 || timer_create(CLOCK_BOOTTIME, &event, &self->alarm) != 0) {
			return 0;
		}
		self->has_alarm = true;
	}
	timer_settime(self->alarm, 0, &set, &before);
	return (unsigned int) before.it_value.tv_sec + (before.it_value.tv_nsec > 0);
}

/* Cancels the alarm of a script, or of one request of a worker. */
void igor_alarm_cancel(igor_thread *self)
{
	if (self->has_alarm) {
		timer_delete(self->alarm);
		self->has_alarm = false;
	}
}
