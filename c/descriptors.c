/* Descriptors of scripts. A program that a script starts inherits every descriptor without close-on-exec, including the
 * files and sockets of all other requests. PHP sets the flag on few of them. On the thread of a script of the server the
 * functions below set it in the same system call (interpose.c calls them in place of libc's). A descriptor that a script
 * passes to a child on purpose is duplicated in the child by dup2(), which clears the flag. */
#include "internal.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The thread of a script that has opened a descriptor, or IGOR_OPENED_BY_SERVER; 0: not known, such as what libc opens for
 * itself. A descriptor that libc closes itself keeps its entry until the number is used again. A fork copies the table
 * while other threads write it: each entry is atomic, so it only lacks descriptors that another thread is just opening. */
static pid_t igor_openers[IGOR_SERVER_DESCRIPTORS_MIN];
#define IGOR_OPENED_BY_SERVER (-1)

static void igor_note_opener(int fd, pid_t opener)
{
	if (fd > STDERR_FILENO && fd < IGOR_SERVER_DESCRIPTORS_MIN) {
		__atomic_store_n(&igor_openers[fd], opener, __ATOMIC_RELAXED);
	}
}

static int igor_opened(int fd)
{
	igor_note_opener(fd, igor_self != NULL ? igor_self->tid : 0);
	return fd;
}

/* `result` of a call that opens two. */
int igor_opened_both(int result, const int ends[2])
{
	if (result == 0) {
		igor_opened(ends[0]);
		igor_opened(ends[1]);
	}
	return result;
}

/* `flag`; 0 on threads without scripts, and if the script has its own process. */
static int igor_closing(int flag)
{
	return igor_self != NULL && !igor_self->request.own_process ? flag : 0;
}

int igor_open(const char *path, int flags, mode_t mode)
{
	return igor_opened(openat(AT_FDCWD, path, flags | igor_closing(O_CLOEXEC), mode));
}

int igor_mkstemp(char *template)
{
	return igor_opened(mkostemp(template, igor_closing(O_CLOEXEC)));
}

int igor_dup(int fd)
{
	return igor_opened((int) (igor_closing(1) ? syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0) : syscall(SYS_dup, fd)));
}

int igor_pipe_cloexec(int ends[2])
{
	return igor_opened_both(pipe2(ends, igor_closing(O_CLOEXEC)), ends);
}

int igor_socket(int domain, int type, int protocol)
{
	int fd = (int) syscall(SYS_socket, domain, type | igor_closing(SOCK_CLOEXEC), protocol);

	/* For example a connection to an upstream. */
	igor_note_opener(fd, igor_self != NULL ? igor_self->tid : IGOR_OPENED_BY_SERVER);
	return fd;
}

int igor_socketpair(int domain, int type, int protocol, int ends[2])
{
	return igor_opened_both((int) syscall(SYS_socketpair, domain, type | igor_closing(SOCK_CLOEXEC), protocol, ends), ends);
}

int igor_accept(int fd, struct sockaddr *address, socklen_t *length)
{
	return igor_opened(accept4(fd, address, length, igor_closing(SOCK_CLOEXEC)));
}

int igor_close(int fd)
{
	/* Before the close: after it another thread may reuse the number. */
	igor_note_opener(fd, 0);
	return (int) syscall(SYS_close, fd);
}

int igor_fclose(FILE *stream)
{
	static int (*call)(FILE *);

	/* Looked up once, because the loader has a lock that a forked child must not wait for. */
	if (call == NULL) {
		call = (int (*)(FILE *)) dlsym(RTLD_NEXT, "fclose");
	}
	igor_note_opener(fileno(stream), 0);
	return call(stream);
}

/* Inherited descriptors are for the server only. */
void igor_descriptors_own(void)
{
#ifdef SYS_close_range
	/* 4: CLOSE_RANGE_CLOEXEC. Kernels before 5.11 lack it; then programs inherit these, as the server did. */
	(void) syscall(SYS_close_range, 3U, ~0U, 4U);
#endif
}

/* Below IGOR_SERVER_DESCRIPTORS_MIN: the server's permanent descriptors. */
static bool igor_of_server[IGOR_SERVER_DESCRIPTORS_MIN];

void shim_descriptors_own(bool opened)
{
	int fd;

	for (fd = STDERR_FILENO + 1; fd < IGOR_SERVER_DESCRIPTORS_MIN; fd++) {
		bool is_open = syscall(SYS_fcntl, fd, F_GETFD) != -1;

		igor_of_server[fd] = opened ? is_open && !igor_of_server[fd] : is_open;
	}
}

static bool igor_is_of_another(int fd)
{
	pid_t opener = __atomic_load_n(&igor_openers[fd], __ATOMIC_RELAXED);

	return igor_of_server[fd] || (opener != 0 && opener != igor_self->tid);
}

/* Closes, in the forked child of a request, the descriptors of the server, its clients and other scripts. An inherited lock
 * of a file would otherwise last as long as the child. The server keeps its sockets at and above
 * IGOR_SERVER_DESCRIPTORS_MIN where the limits of the process allow it, and leaves the lower ones to scripts. */
void igor_descriptors_leave(void)
{
	int fd;

	for (fd = STDERR_FILENO + 1; fd < IGOR_SERVER_DESCRIPTORS_MIN; fd++) {
		if (igor_is_of_another(fd)) {
			(void) syscall(SYS_close, fd);
		}
	}
#ifdef SYS_close_range
	(void) syscall(SYS_close_range, (unsigned) IGOR_SERVER_DESCRIPTORS_MIN, ~0U, 0U);
#endif
}
