/* Waits for the programs and children that scripts start.
 *
 * A child that has ended is a zombie until its process waits for it, and a script that ends without waiting leaves that to
 * the process. So each PHP thread keeps the numbers of the children that its script has started. The script's own waits
 * remove them from the list. When the script ends, shim_reap() waits for the rest. A wait for "any child", or any of a process
 * group, is a wait for the children of the calling thread alone: others belong to other scripts. */
#include "internal.h"

#include <ext/standard/proc_open.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __WNOTHREAD
# define __WNOTHREAD 0
#endif

/* Children of scripts that have ended. */
static struct {
	pthread_mutex_t lock; /* protects the others; not held across blocking waits */
	igor_pids pids;
} igor_orphans = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool igor_watches(void)
{
	return igor_self != NULL && !igor_self->request.own_process && !igor_forked;
}

/* If memory runs out, the child is not on the list, and stays a zombie unless its script waits for it. */
static void igor_pids_add(igor_pids *pids, pid_t pid)
{
	if (pids->count == pids->room) {
		size_t room = pids->room == 0 ? 8 : pids->room * 2;
		pid_t *list = realloc(pids->list, room * sizeof(pid_t));

		if (list == NULL) {
			return;
		}
		pids->list = list;
		pids->room = room;
	}
	pids->list[pids->count++] = pid;
}

static void igor_pids_remove(igor_pids *pids, pid_t pid)
{
	size_t i;

	for (i = 0; i < pids->count; i++) {
		if (pids->list[i] == pid) {
			pids->list[i] = pids->list[--pids->count];
			return;
		}
	}
}

static void igor_pids_free(igor_pids *pids)
{
	free(pids->list);
	*pids = (igor_pids) {0};
}

static void igor_child_ended(igor_thread *self, pid_t pid)
{
	igor_pids_remove(&self->children, pid);
	igor_pids_remove(&self->of_jobs, pid);
}

void igor_child_started(pid_t pid)
{
	if (pid > 0 && igor_watches()) {
		igor_pids_add(igor_self->has_job && igor_self->handled ? &igor_self->of_jobs : &igor_self->children, pid);
	}
}

/* It belongs to a stream, which waits for it when it is closed. */
void igor_child_kept(pid_t pid)
{
	if (pid > 0 && igor_watches()) {
		igor_pids_remove(&igor_self->of_jobs, pid);
		igor_pids_add(&igor_self->children, pid);
	}
}

/* In the child: the parent's children are not its own. The list's memory stays, like all that the fork has copied. */
void igor_children_leave(void)
{
	if (igor_self != NULL) {
		igor_self->children = igor_self->of_jobs = (igor_pids) {0};
	}
}

pid_t igor_fork(void)
{
	pid_t (*call)(void) = (pid_t (*)(void)) dlsym(RTLD_NEXT, "fork");
	pid_t pid = call();

	igor_child_started(pid);
	return pid;
}

pid_t igor_wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
	int ended = 0;
	pid_t found;

	if (pid <= 0 && igor_watches()) {
		options |= __WNOTHREAD;
	}
	found = (pid_t) syscall(SYS_wait4, pid, &ended, options, usage);
	if (found > 0) {
		if (status != NULL) {
			*status = ended;
		}
		if (igor_self != NULL && (WIFEXITED(ended) || WIFSIGNALED(ended))) {
			igor_child_ended(igor_self, found);
		}
	}
	return found;
}

int igor_waitid(int type, id_t id, siginfo_t *info, int options)
{
	siginfo_t own = {0};
	int result;

	if (type != P_PID && igor_watches()) {
		options |= __WNOTHREAD;
	}
	result = (int) syscall(SYS_waitid, type, id, info != NULL ? info : &own, options, NULL);
	if (info == NULL) {
		info = &own;
	}
	if (result == 0 && igor_self != NULL && (options & WNOWAIT) == 0 && info->si_pid > 0
		&& (info->si_code == CLD_EXITED || info->si_code == CLD_KILLED || info->si_code == CLD_DUMPED)) {
		igor_child_ended(igor_self, info->si_pid);
	}
	return result;
}

static void igor_pids_signal(const igor_pids *pids, pid_t group, int signo)
{
	size_t i;

	for (i = 0; i < pids->count; i++) {
		if (getpgid(pids->list[i]) == group) {
			(void) syscall(SYS_kill, pids->list[i], signo);
		}
	}
}

/* The script means its process group: those of its children that are in the server's. */
void igor_children_signal(const igor_thread *self, int signo)
{
	pid_t group = getpgrp();

	igor_pids_signal(&self->children, group, signo);
	igor_pids_signal(&self->of_jobs, group, signo);
}

static void igor_abandon(pid_t pid)
{
	pthread_mutex_lock(&igor_orphans.lock);
	igor_pids_add(&igor_orphans.pids, pid);
	pthread_mutex_unlock(&igor_orphans.lock);
}

static void igor_abandon_all(igor_pids *pids)
{
	size_t i;

	for (i = 0; i < pids->count; i++) {
		igor_abandon(pids->list[i]);
	}
	igor_pids_free(pids);
}

/* Whether the worker keeps the resource of a program, by which it may still wait for it. */
static bool igor_is_kept(pid_t pid)
{
	int type = zend_fetch_list_dtor_id("process");
	zend_resource *resource;

	ZEND_HASH_FOREACH_PTR(&EG(regular_list), resource) {
		if (resource->type == type && resource->ptr != NULL && ((const php_process_handle *) resource->ptr)->child == pid) {
			return true;
		}
	} ZEND_HASH_FOREACH_END();
	return false;
}

/* A job of a worker has ended. PHP does not wait for a program that the script leaves without proc_close(), nor for the
 * forked children of the job. */
void igor_children_of_job_abandon(igor_thread *self)
{
	size_t i = 0;

	while (i < self->of_jobs.count) {
		pid_t pid = self->of_jobs.list[i];

		if (igor_is_kept(pid)) {
			i++;
		} else {
			igor_pids_remove(&self->of_jobs, pid);
			igor_abandon(pid);
		}
	}
}

/* The script has ended, so no one else will wait for these. */
void igor_children_abandon(igor_thread *self)
{
	igor_abandon_all(&self->children);
	igor_abandon_all(&self->of_jobs);
}

size_t shim_reap(void)
{
	size_t i = 0, left;

	pthread_mutex_lock(&igor_orphans.lock);
	while (i < igor_orphans.pids.count) {
		pid_t pid = igor_orphans.pids.list[i];

		if (syscall(SYS_wait4, pid, NULL, WNOHANG, NULL) == 0) {
			i++;
		} else {
			igor_pids_remove(&igor_orphans.pids, pid);
		}
	}
	left = igor_orphans.pids.count;
	pthread_mutex_unlock(&igor_orphans.lock);
	return left;
}
