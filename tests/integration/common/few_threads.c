/*
 * Simulates a system without free threads. Preloaded, it makes pthread_create() fail once the number of PHP threads in the
 * file $DIR/php-threads was created. All other threads are created as usual, unless a file $DIR/no-others exists: then none
 * is created after the first PHP thread. PHP threads are recognised by their stack size.
 *
 * While a file $DIR/no-answer exists, reads of a Caddyfile hang.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PHP_THREAD_STACK_BYTES (16u << 20)

typedef int (*create_fn)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

static atomic_int made;

static int threads_max(void)
{
	char path[4096];
	int max = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/php-threads", getenv("DIR"));
	file = fopen(path, "r");
	if (file == NULL || fscanf(file, "%d", &max) != 1) {
		fprintf(stderr, "few_threads: reading %s: no number of threads\n", path);
		abort();
	}
	fclose(file);
	return max;
}

static int others_are_refused(void)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/no-others", getenv("DIR"));
	return atomic_load(&made) > 0 && access(path, F_OK) == 0;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *argument)
{
	create_fn create = (create_fn)dlsym(RTLD_NEXT, "pthread_create");
	size_t stack_bytes = 0;

	if (attr != NULL && pthread_attr_getstacksize(attr, &stack_bytes) == 0 && stack_bytes == PHP_THREAD_STACK_BYTES) {
		if (atomic_fetch_add(&made, 1) >= threads_max()) {
			atomic_fetch_sub(&made, 1);
			return EAGAIN;
		}
	} else if (others_are_refused()) {
		return EAGAIN;
	}
	return create(thread, attr, run, argument);
}

static int is_caddyfile(int fd)
{
	char link[64], path[4096];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	path[length > 0 ? length : 0] = '\0';
	return strstr(path, "/Caddyfile") != NULL;
}

ssize_t read(int fd, void *into, size_t size)
{
	ssize_t (*next)(int, void *, size_t) = (ssize_t (*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
	const char *directory = getenv("DIR");
	char path[4096];

	snprintf(path, sizeof(path), "%s/no-answer", directory != NULL ? directory : "");
	while (access(path, F_OK) == 0 && is_caddyfile(fd)) {
		usleep(1000);
	}
	return next(fd, into, size);
}
