/* The functions of libc that the executable replaces. It exports them, so libphp and the libraries below it resolve to them
 * before libc's. This is all of them; build.rs names them to the linker, and a program that embeds the library must, too.
 *
 *   poll                              interrupt.c    lets a thread that should end leave a wait for a socket
 *   fcntl, fcntl64                    opcache.c      answers opcache's question about locks for the threads of this process
 *   popen, pclose                     environment.c  child processes inherit what their thread put by putenv()
 *   posix_spawn, posix_spawnp         environment.c  the same
 */
#include "internal.h"

#include <stdarg.h>

#define IGOR_EXPORT __attribute__((visibility("default")))

IGOR_EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	return igor_poll(fds, count, timeout_ms);
}

/* Every command takes one argument at most, which fits a pointer. */
IGOR_EXPORT int fcntl(int fd, int command, ...)
{
	static igor_fcntl next;
	va_list arguments;
	void *argument;

	va_start(arguments, command);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	return igor_fcntl_call(&next, "fcntl", fd, command, argument);
}

IGOR_EXPORT int fcntl64(int fd, int command, ...)
{
	static igor_fcntl next;
	va_list arguments;
	void *argument;

	va_start(arguments, command);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	return igor_fcntl_call(&next, "fcntl64", fd, command, argument);
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
