/* The functions of libc that the executable replaces. It exports them, so libphp and the libraries below it resolve to them
 * before libc's. This is all of them; build.rs names them to the linker, and a program that embeds the library must, too.
 *
 *   poll                              interrupt.c    lets a thread that should end leave a wait for a socket
 *   fcntl, fcntl64                    opcache.c      answers opcache's question about locks for the threads of this process
 *   mmap                              opcache.c      forked children get a copy of opcache's memory
 *   popen, pclose                     environment.c  child processes inherit what their thread put by putenv()
 *   posix_spawn, posix_spawnp         environment.c  the same; reap.c keeps the child
 *   open, creat, mkstemp, dup, pipe,  descriptors.c  programs that scripts start inherit none of these, and forked children
 *   socket, socketpair, accept,                      none of another script
 *   close, fclose
 *   fork, wait, wait3, wait4,         reap.c         children that no script waits for are reaped
 *   waitpid, waitid
 *   sigaction, alarm, kill            signals.c,     handlers, alarms and signals to itself are the thread's own
 *                                     alarm.c, kill.c
 *   sigtimedwait, sigwaitinfo         masks.c        and so are the signals that it waits for
 *   openlog, syslog, closelog         syslog.c       a forked child does not wait for the lock of the system's log
 *   timer_create, timer_settime,      time_limit.c   max_execution_time without timers of the system, and requests without
 *   timer_delete, sigprocmask, getpid                the system calls that PHP makes for them
 */
#include "internal.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define IGOR_EXPORT __attribute__((visibility("default")))

IGOR_EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	return igor_poll(fds, count, timeout_ms);
}

/* Every command takes one argument at most, which fits a pointer. */
#define IGOR_EXPORT_FCNTL(name) \
	IGOR_EXPORT int name(int fd, int command, ...) \
	{ \
		static igor_fcntl next; \
		va_list arguments; \
		void *argument; \
\
		va_start(arguments, command); \
		argument = va_arg(arguments, void *); \
		va_end(arguments); \
		return igor_fcntl_call(&next, #name, fd, command, argument); \
	}

IGOR_EXPORT_FCNTL(fcntl)
IGOR_EXPORT_FCNTL(fcntl64)

IGOR_EXPORT void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	return igor_mmap(address, length, protection, flags, fd, offset, __builtin_return_address(0));
}

IGOR_EXPORT FILE *popen(const char *command, const char *mode)
{
	return igor_popen(command, mode);
}

IGOR_EXPORT int pclose(FILE *stream)
{
	return igor_pclose(stream);
}

IGOR_EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
	const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[])
{
	return igor_spawn_call("posix_spawn", pid, path, actions, attributes, arguments, environment);
}

IGOR_EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
	const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[])
{
	return igor_spawn_call("posix_spawnp", pid, file, actions, attributes, arguments, environment);
}

IGOR_EXPORT int open(const char *path, int flags, ...)
{
	mode_t mode = 0;

	if ((flags & (O_CREAT | O_TMPFILE)) != 0) {
		va_list arguments;

		va_start(arguments, flags);
		mode = va_arg(arguments, mode_t);
		va_end(arguments);
	}
	return igor_open(path, flags, mode);
}

IGOR_EXPORT int creat(const char *path, mode_t mode)
{
	return igor_open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

IGOR_EXPORT int mkstemp(char *template)
{
	return igor_mkstemp(template);
}

IGOR_EXPORT int dup(int fd)
{
	return igor_dup(fd);
}

IGOR_EXPORT int close(int fd)
{
	return igor_close(fd);
}

IGOR_EXPORT int fclose(FILE *stream)
{
	return igor_fclose(stream);
}

IGOR_EXPORT int pipe(int ends[2])
{
	return igor_pipe_cloexec(ends);
}

IGOR_EXPORT int socket(int domain, int type, int protocol)
{
	return igor_socket(domain, type, protocol);
}

IGOR_EXPORT int socketpair(int domain, int type, int protocol, int ends[2])
{
	return igor_socketpair(domain, type, protocol, ends);
}

IGOR_EXPORT int accept(int fd, struct sockaddr *address, socklen_t *length)
{
	return igor_accept(fd, address, length);
}

IGOR_EXPORT pid_t fork(void)
{
	return igor_fork();
}

IGOR_EXPORT pid_t wait(int *status)
{
	return igor_wait4(-1, status, 0, NULL);
}

IGOR_EXPORT pid_t wait3(int *status, int options, struct rusage *usage)
{
	return igor_wait4(-1, status, options, usage);
}

IGOR_EXPORT pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
	return igor_wait4(pid, status, options, usage);
}

IGOR_EXPORT pid_t waitpid(pid_t pid, int *status, int options)
{
	return igor_wait4(pid, status, options, NULL);
}

IGOR_EXPORT int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	return igor_waitid(type, id, info, options);
}

IGOR_EXPORT int sigaction(int signo, const struct sigaction *action, struct sigaction *old)
{
	return igor_limit_sigaction(signo, action, old) ? 0 : igor_sigaction(signo, action, old);
}

IGOR_EXPORT int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
	return igor_sigtimedwait(set, info, timeout);
}

IGOR_EXPORT int sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
	return igor_sigtimedwait(set, info, NULL);
}

IGOR_EXPORT unsigned int alarm(unsigned int seconds)
{
	return igor_alarm(seconds);
}

IGOR_EXPORT int kill(pid_t pid, int signo)
{
	return igor_kill(pid, signo);
}

IGOR_EXPORT void openlog(const char *ident, int option, int facility)
{
	igor_openlog(ident, option, facility);
}

IGOR_EXPORT void syslog(int priority, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	igor_vsyslog(priority, format, arguments);
	va_end(arguments);
}

IGOR_EXPORT void closelog(void)
{
	igor_closelog();
}

IGOR_EXPORT int timer_create(clockid_t clock, struct sigevent *event, timer_t *timer)
{
	return igor_timer_create(clock, event, timer);
}

IGOR_EXPORT int timer_settime(timer_t timer, int flags, const struct itimerspec *set, struct itimerspec *before)
{
	return igor_timer_settime(timer, flags, set, before);
}

IGOR_EXPORT int timer_delete(timer_t timer)
{
	return igor_timer_delete(timer);
}

IGOR_EXPORT int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	return igor_sigprocmask(how, set, old);
}

IGOR_EXPORT pid_t getpid(void)
{
	return igor_getpid();
}
