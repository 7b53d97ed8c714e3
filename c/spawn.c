/* Programs that scripts start: they inherit the environment of the script (environment.c). libc's posix_spawn() takes an
 * environment, its popen() does not. */
#include "internal.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

typedef int (*igor_spawn)(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
	const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[]);

int igor_spawn_call(const char *symbol, pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
	const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[])
{
	igor_spawn call = (igor_spawn) dlsym(RTLD_NEXT, symbol);
	size_t own = 0;
	char **list = NULL;
	pid_t child = 0;
	int error;

	/* proc_open() without variables passes on those of the process. */
	if (environment == environ && igor_environment_is_own()) {
		list = igor_environment_list(&own);
		if (list == NULL) {
			return ENOMEM;
		}
	}
	error = call(&child, path, actions, attributes, arguments, list != NULL ? list : environment);
	if (error == 0) {
		igor_child_started(child);
		if (pid != NULL) {
			*pid = child;
		}
	}
	if (list != NULL) {
		igor_environment_list_free(list, own);
	}
	return error;
}

/* A stream of igor_popen(), until its igor_pclose(). */
typedef struct igor_pipe {
	FILE *stream;
	pid_t pid;
	struct igor_pipe *next;
} igor_pipe;

static igor_pipe *igor_pipes;
static pthread_mutex_t igor_pipes_lock = PTHREAD_MUTEX_INITIALIZER; /* protects igor_pipes */

/* In a forked child: another thread of the parent may have held the lock. */
void igor_pipes_adopt(void)
{
	pthread_mutex_init(&igor_pipes_lock, NULL);
}

/* Starts a shell with `end` as its standard input or output. */
static int igor_shell(pid_t *pid, const char *command, int end, int standard)
{
	char *const arguments[] = {"sh", "-c", (char *) command, NULL};
	posix_spawn_file_actions_t actions;
	int error = posix_spawn_file_actions_init(&actions);

	if (error != 0) {
		return error;
	}
	error = posix_spawn_file_actions_adddup2(&actions, end, standard);
	if (error == 0) {
		error = igor_spawn_call("posix_spawn", pid, "/bin/sh", &actions, NULL, arguments, environ);
	}
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

static FILE *igor_popen_shell(const char *command, bool reads)
{
	igor_pipe *pipe = calloc(1, sizeof(igor_pipe));
	int ends[2], error;

	if (pipe == NULL || igor_opened_both(pipe2(ends, O_CLOEXEC), ends) != 0) {
		free(pipe);
		return NULL;
	}
	pipe->stream = fdopen(ends[reads ? 0 : 1], reads ? "r" : "w");
	error = pipe->stream == NULL ? errno
		: igor_shell(&pipe->pid, command, ends[reads ? 1 : 0], reads ? STDOUT_FILENO : STDIN_FILENO);
	close(ends[reads ? 1 : 0]);
	if (error != 0) {
		if (pipe->stream != NULL) {
			fclose(pipe->stream);
		} else {
			close(ends[reads ? 0 : 1]);
		}
		free(pipe);
		errno = error;
		return NULL;
	}
	igor_child_kept(pipe->pid);
	pthread_mutex_lock(&igor_pipes_lock);
	pipe->next = igor_pipes;
	igor_pipes = pipe;
	pthread_mutex_unlock(&igor_pipes_lock);
	return pipe->stream;
}

/* The process of a stream, removed from the list; 0 if igor_popen() did not open it. */
static pid_t igor_pipe_take(FILE *stream)
{
	igor_pipe **link, *found;
	pid_t pid = 0;

	pthread_mutex_lock(&igor_pipes_lock);
	for (link = &igor_pipes; *link != NULL; link = &(*link)->next) {
		if ((*link)->stream == stream) {
			found = *link;
			*link = found->next;
			pid = found->pid;
			free(found);
			break;
		}
	}
	pthread_mutex_unlock(&igor_pipes_lock);
	return pid;
}

/* libc's popen() takes no environment. */
FILE *igor_popen(const char *command, const char *mode)
{
	FILE *(*call)(const char *, const char *);

	if (igor_self != NULL && (mode[0] == 'r' || mode[0] == 'w')) {
		return igor_popen_shell(command, mode[0] == 'r');
	}
	call = (FILE *(*)(const char *, const char *)) dlsym(RTLD_NEXT, "popen");
	return call(command, mode);
}

int igor_pclose(FILE *stream)
{
	pid_t pid = igor_pipe_take(stream), ended;
	int (*call)(FILE *), status;

	if (pid == 0) {
		call = (int (*)(FILE *)) dlsym(RTLD_NEXT, "pclose");
		return call(stream);
	}
	fclose(stream);
	do {
		ended = waitpid(pid, &status, 0);
	} while (ended < 0 && errno == EINTR);
	return ended < 0 ? -1 : status;
}
