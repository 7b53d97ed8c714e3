/* Signals that scripts send. A script that sends one to its process means itself, and not the server. */
#include "internal.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

static zif_handler igor_original_kill;

static bool igor_stops(int signo)
{
	return signo == SIGSTOP || signo == SIGTSTP || signo == SIGTTIN || signo == SIGTTOU;
}

static bool igor_is_own_group(pid_t pid)
{
	return pid == 0 || pid == -getpgrp();
}

/* For the system the number of any thread means the process. */
static bool igor_is_own_process(pid_t pid)
{
	return pid == getpid() || (pid > 0 && syscall(SYS_tgkill, getpid(), pid, 0) == 0);
}

/* In the forked child of a script: its parent is the server, and so is its process group as long as it makes none of its
 * own. A signal to the group is for the child alone, and none stops the server. */
static int igor_kill_in_child(pid_t server, pid_t pid, int signo)
{
	if (pid == server && (igor_is_of_server(signo) || signo == SIGKILL || igor_stops(signo))) {
		errno = EPERM;
		return -1;
	}
	return (int) syscall(SYS_kill, igor_is_own_group(pid) && getpgid(server) == getpgrp() ? getpid() : pid, signo);
}

/* Replaces libc's kill(). A script that sends a signal to its process targets itself. */
int igor_kill(pid_t pid, int signo)
{
	igor_thread *self = igor_self;

	if (igor_in_forked_server()) {
		return igor_kill_in_child(self->pid, pid, signo);
	}
	if (!igor_is_script_of_server() || signo == 0 || (!igor_is_own_group(pid) && !igor_is_own_process(pid))) {
		return (int) syscall(SYS_kill, pid, signo);
	}
	if (signo < 0 || signo > 64) {
		errno = EINVAL;
		return -1;
	}
	if (igor_stops(signo)) {
		errno = EPERM;
		return -1;
	}
	if (igor_is_own_group(pid)) {
		igor_children_signal(self, signo);
	}
	igor_signal_raise(self, signo);
	return 0;
}

static ZEND_NAMED_FUNCTION(igor_posix_kill)
{
	igor_original_kill(INTERNAL_FUNCTION_PARAM_PASSTHRU);
	if (igor_self != NULL) {
		igor_signals_fail(igor_self);
	}
}

void igor_kill_install(void)
{
	igor_original_kill = igor_replace_function("posix_kill", igor_posix_kill);
}
