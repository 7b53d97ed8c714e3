/* Descriptors of scripts. A program that a script starts inherits every descriptor of the process without close-on-exec,
 * so also the files and sockets of all other requests. PHP sets the flag on few of them. On the thread of a script of the
 * server the functions below set it in the same system call (interpose.c calls them in place of libc's). What a script
 * hands to a child on purpose is duplicated in the child by dup2(), which clears the flag. */
#include "internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* `flag`; 0 on threads that run no scripts, and where the script has the process for itself. */
static int igor_closing(int flag)
{
	return igor_self != NULL && !igor_self->request.own_process ? flag : 0;
}

int igor_open(const char *path, int flags, mode_t mode)
{
	return openat(AT_FDCWD, path, flags | igor_closing(O_CLOEXEC), mode);
}

int igor_mkstemp(char *template)
{
	return mkostemp(template, igor_closing(O_CLOEXEC));
}

int igor_dup(int fd)
{
	return (int) (igor_closing(1) ? syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0) : syscall(SYS_dup, fd));
}

int igor_pipe_cloexec(int ends[2])
{
	return pipe2(ends, igor_closing(O_CLOEXEC));
}

int igor_socket(int domain, int type, int protocol)
{
	return (int) syscall(SYS_socket, domain, type | igor_closing(SOCK_CLOEXEC), protocol);
}

int igor_socketpair(int domain, int type, int protocol, int ends[2])
{
	return (int) syscall(SYS_socketpair, domain, type | igor_closing(SOCK_CLOEXEC), protocol, ends);
}

int igor_accept(int fd, struct sockaddr *address, socklen_t *length)
{
	return accept4(fd, address, length, igor_closing(SOCK_CLOEXEC));
}

/* Descriptors that the server inherited are for the server alone. */
void igor_descriptors_own(void)
{
#ifdef SYS_close_range
	/* 4: CLOSE_RANGE_CLOEXEC. Kernels before 5.11 do not know it; then programs inherit these, as the server did. */
	(void) syscall(SYS_close_range, 3U, ~0U, 4U);
#endif
}

/* Below IGOR_SERVER_DESCRIPTORS_MIN: those of the server that stay open for as long as the process lives. */
static bool igor_of_server[IGOR_SERVER_DESCRIPTORS_MIN];

void shim_descriptors_own(bool opened)
{
	int fd;

	for (fd = STDERR_FILENO + 1; fd < IGOR_SERVER_DESCRIPTORS_MIN; fd++) {
		bool is_open = syscall(SYS_fcntl, fd, F_GETFD) != -1;

		igor_of_server[fd] = opened ? is_open && !igor_of_server[fd] : is_open;
	}
}

/* In the forked child of a request: what belongs to the server and its clients. The server keeps its sockets at and above
 * IGOR_SERVER_DESCRIPTORS_MIN where the limits of the process allow it, and leaves the lower ones to scripts. */
void igor_descriptors_leave(void)
{
	int fd;

	for (fd = STDERR_FILENO + 1; fd < IGOR_SERVER_DESCRIPTORS_MIN; fd++) {
		if (igor_of_server[fd]) {
			(void) syscall(SYS_close, fd);
		}
	}
#ifdef SYS_close_range
	(void) syscall(SYS_close_range, (unsigned) IGOR_SERVER_DESCRIPTORS_MIN, ~0U, 0U);
#endif
}
