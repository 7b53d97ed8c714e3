/* Restarts of opcache under threads.
 *
 * opcache empties its memory (after opcache_reset(), or when it is full) at the start of a request, once nothing uses that
 * memory. It asks the kernel about locks to learn that. But processes hold such locks, not threads, so for the threads of
 * one process the answer is always "no one". Without help, opcache would wipe the memory under every running script.
 *
 * So the threads pass a gate between two PHP requests (host_enter()), where Rust can stop them all. This file corrects the
 * kernel's answer: only a thread that runs alone gets "no one". That makes every restart safe, whatever its cause, in every
 * version of PHP. */
#include "internal.h"

#include <php_main.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

/* The bytes of opcache's lock file that represent its memory. */
#define IGOR_MEMORY_LOCK_START 1
#define IGOR_MEMORY_LOCK_BYTES 1

/* PHP's heap grows by at least this much. */
#define IGOR_HEAP_STEP (2 * 1024 * 1024)

static zif_handler igor_original_reset;
/* Set once opcache has locked its memory through our fcntl(). */
static bool igor_saw_opcache_lock;

/* PHP loads its modules so that they find libc's functions before ours. A module that is already loaded keeps its symbols.
 * The file of a package is in the folder that src/cli/installation.rs has found. */
void igor_opcache_preload(void)
{
#if IGOR_OPCACHE_IS_A_FILE
	const char *installed = getenv("IGOR_LIB");
	char path[MAXPATHLEN];

	if (installed == NULL) {
		(void) dlopen(PHP_EXTENSION_DIR "/opcache.so", RTLD_LAZY | RTLD_GLOBAL);
	} else if (snprintf(path, sizeof(path), "%s/extensions/opcache.so", installed) < (int) sizeof(path)) {
		(void) dlopen(path, RTLD_LAZY | RTLD_GLOBAL);
	}
#endif
}

/* Valid after opcache has started, because its start takes the first lock. */
bool igor_opcache_is_guarded(void)
{
	return igor_saw_opcache_lock;
}

/* ---- Asking for a restart ------------------------------------------------------------------------------------ */

/* Whether PHP's own opcache_reset() would accept the call, as far as this side can check. */
static bool igor_opcache_is_on(void)
{
	return zend_ini_long(ZEND_STRL("opcache.enable"), 0) != 0;
}

/* Only opcache knows how it compares paths with this directive. */
static bool igor_opcache_is_restricted(void)
{
	const char *path = zend_ini_string(ZEND_STRL("opcache.restrict_api"), 0);

	return path != NULL && path[0] != '\0';
}

/* opcache_reset(): like PHP's own, it only records the request. opcache itself learns of it when the threads have stopped,
 * because it serves no request from its memory from then on. */
static ZEND_NAMED_FUNCTION(igor_opcache_reset)
{
	const char *file;

	if (igor_self == NULL || igor_in_forked_server() || igor_opcache_is_restricted()) {
		igor_original_reset(INTERNAL_FUNCTION_PARAM_PASSTHRU);
		return;
	}
	ZEND_PARSE_PARAMETERS_NONE();
	if (!igor_opcache_is_on()) {
		RETURN_FALSE;
	}
	file = zend_get_executed_filename();
	if (!host_opcache_reset(igor_self->host, file, strlen(file), zend_get_executed_lineno())) {
		igor_original_reset(INTERNAL_FUNCTION_PARAM_PASSTHRU);
		return;
	}
	RETURN_TRUE;
}

/* The original checks its number of arguments and opcache's own state, and needs no request. */
static void igor_opcache_schedule(void)
{
	zend_execute_data call;
	zval result;

	memset(&call, 0, sizeof(call));
	ZVAL_UNDEF(&result);
	zend_try {
		igor_original_reset(&call, &result);
	} zend_end_try();
}

/* opcache is about to schedule a restart and holds its lock, so nothing here may wait. A reset by a thread that runs alone
 * also comes here, and is already recorded. */
static void igor_opcache_restart_scheduled(int reason)
{
	if (igor_self != NULL && !igor_self->alone && !igor_in_forked_server()) {
		host_opcache_full(igor_self->host, reason);
	}
}

void igor_opcache_install(void)
{
	igor_original_reset = igor_replace_function("opcache_reset", igor_opcache_reset);
	IGOR_SET_RESTART_HOOK(igor_opcache_restart_scheduled);
}

/* ---- How full it is ------------------------------------------------------------------------------------------ */

/* The newest answer of opcache, and whether an observer wants another. Atomic, each on its own: they are shown to people. */
static igor_opcache_usage igor_last_usage;
static bool igor_usage_is_known, igor_usage_wanted;

static uint64_t igor_member(const zval *status, const char *part, const char *name)
{
	const zval *numbers = zend_hash_str_find(Z_ARRVAL_P(status), part, strlen(part));
	const zval *number = numbers && Z_TYPE_P(numbers) == IS_ARRAY ? zend_hash_str_find(Z_ARRVAL_P(numbers), name, strlen(name)) : NULL;

	return number && Z_TYPE_P(number) == IS_LONG ? (uint64_t) Z_LVAL_P(number) : 0;
}

/* `status` is what opcache_get_status() has returned. */
void igor_opcache_note(const zval *status)
{
#define IGOR_NOTE(field, part, name) \
	__atomic_store_n(&igor_last_usage.field, igor_member(status, part, name), __ATOMIC_RELAXED)
	IGOR_NOTE(used_bytes, "memory_usage", "used_memory");
	IGOR_NOTE(free_bytes, "memory_usage", "free_memory");
	IGOR_NOTE(wasted_bytes, "memory_usage", "wasted_memory");
	IGOR_NOTE(scripts, "opcache_statistics", "num_cached_scripts");
	IGOR_NOTE(scripts_max, "opcache_statistics", "max_cached_keys");
	IGOR_NOTE(hits, "opcache_statistics", "hits");
	IGOR_NOTE(misses, "opcache_statistics", "misses");
#undef IGOR_NOTE
	__atomic_store_n(&igor_usage_is_known, true, __ATOMIC_RELEASE);
}

/* Whether the answer fits the request's memory limit, even if the heap must grow for it. */
static bool igor_has_room(void)
{
	return PG(memory_limit) <= 0 || zend_memory_usage(true) + IGOR_HEAP_STEP < (size_t) PG(memory_limit);
}

/* Asks opcache for an observer, at the start of a request: only a thread in a request can. */
void igor_opcache_look(void)
{
	zval status, *function, argument;

	if (!__atomic_load_n(&igor_usage_wanted, __ATOMIC_RELAXED) || igor_opcache_is_restricted() || !igor_has_room()) {
		return;
	}
	__atomic_store_n(&igor_usage_wanted, false, __ATOMIC_RELAXED);
	function = zend_hash_str_find(CG(function_table), ZEND_STRL("opcache_get_status"));
	if (function == NULL) {
		return;
	}
	ZVAL_UNDEF(&status);
	ZVAL_FALSE(&argument);
	zend_try {
		zend_call_known_function(Z_FUNC_P(function), NULL, NULL, &status, 1, &argument, NULL);
		if (Z_TYPE(status) == IS_ARRAY) {
			igor_opcache_note(&status);
		}
		zval_ptr_dtor(&status);
	} zend_end_try();
}

bool shim_opcache_usage(igor_opcache_usage *usage)
{
	__atomic_store_n(&igor_usage_wanted, true, __ATOMIC_RELAXED);
	if (!__atomic_load_n(&igor_usage_is_known, __ATOMIC_ACQUIRE)) {
		return false;
	}
	usage->used_bytes = __atomic_load_n(&igor_last_usage.used_bytes, __ATOMIC_RELAXED);
	usage->free_bytes = __atomic_load_n(&igor_last_usage.free_bytes, __ATOMIC_RELAXED);
	usage->wasted_bytes = __atomic_load_n(&igor_last_usage.wasted_bytes, __ATOMIC_RELAXED);
	usage->scripts = __atomic_load_n(&igor_last_usage.scripts, __ATOMIC_RELAXED);
	usage->scripts_max = __atomic_load_n(&igor_last_usage.scripts_max, __ATOMIC_RELAXED);
	usage->hits = __atomic_load_n(&igor_last_usage.hits, __ATOMIC_RELAXED);
	usage->misses = __atomic_load_n(&igor_last_usage.misses, __ATOMIC_RELAXED);
	return true;
}

/* ---- The gate between two PHP requests ----------------------------------------------------------------------- */

/* An empty PHP request; opcache restarts at its start. The start of a real request would read the body from the client,
 * while every other thread waits. */
static void igor_opcache_restart(igor_thread *self)
{
	self->alone = true;
	self->has_job = false;
	self->starting = true;
	/* It belonged to the previous request, and is freed. */
	SG(server_context) = NULL;
	memset(&SG(request_info), 0, sizeof(SG(request_info)));
	zend_try {
		(void) php_request_startup();
	} zend_end_try();
	self->starting = false;
	zend_try {
		php_request_shutdown(NULL);
	} zend_end_try();
	/* See igor_serve(). */
	memset(&PG(http_globals), 0, sizeof(PG(http_globals)));
	self->alone = false;
}

void igor_opcache_enter(igor_thread *self)
{
	igor_admission admission = host_enter(self->host);

	self->restart = IGOR_RESTART_NONE;
	if (admission == IGOR_ENTER) {
		return;
	}
	if (admission == IGOR_ENTER_TO_RESET && igor_original_reset != NULL) {
		igor_opcache_schedule();
	}
	igor_opcache_restart(self);
	host_entered(self->host, self->restart);
	self->restart = IGOR_RESTART_NONE;
}

void igor_opcache_entered(igor_thread *self)
{
	self->starting = false;
	host_entered(self->host, self->restart);
}

/* Whether this is one of opcache's locks: on its memory, or on the byte before, which writers lock. */
static bool igor_is_lock_of_opcache(int command, const struct flock *lock)
{
	return (command == F_SETLK || command == F_SETLKW || command == F_GETLK) && lock->l_whence == SEEK_SET
		&& lock->l_start <= IGOR_MEMORY_LOCK_START && lock->l_len == IGOR_MEMORY_LOCK_BYTES;
}

static bool igor_is_memory_lock(const struct flock *lock)
{
	return lock->l_whence == SEEK_SET && lock->l_start == IGOR_MEMORY_LOCK_START && lock->l_len == IGOR_MEMORY_LOCK_BYTES;
}

/* opcache asks at the start of a request, when a restart is pending, whether a process holds a lock on its memory. */
static void igor_opcache_answer(struct flock *answer)
{
	if (answer->l_type != F_UNLCK) {
		return;
	}
	if (igor_self->alone) {
		igor_self->restart = IGOR_RESTART_DONE;
		return;
	}
	igor_self->restart = IGOR_RESTART_REFUSED;
	answer->l_type = F_RDLCK;
	/* No process: opcache.force_restart_timeout would let opcache kill the process that holds the lock. */
	answer->l_pid = -1;
}

/* fcntl(), or fcntl64() by that `symbol`; `next` keeps the address of libc's own. */
int igor_fcntl_call(igor_fcntl *next, const char *symbol, int fd, int command, void *argument)
{
	igor_fcntl call = __atomic_load_n(next, __ATOMIC_RELAXED);
	bool of_memory = (command == F_GETLK || command == F_SETLK) && igor_is_memory_lock(argument);
	bool is_question = of_memory && command == F_GETLK && ((const struct flock *) argument)->l_type == F_WRLCK;
	int result;

	if (call == NULL) {
		call = (igor_fcntl) dlsym(RTLD_NEXT, symbol);
		__atomic_store_n(next, call, __ATOMIC_RELAXED);
	}
	if (igor_is_lock_of_opcache(command, argument)) {
		__atomic_store_n(&igor_saw_opcache_lock, true, __ATOMIC_RELAXED);
	}
	result = call(fd, command, argument);
	if (is_question && result == 0 && igor_self != NULL && igor_self->starting) {
		igor_opcache_answer(argument);
	}
	return result;
}

/* ---- Its memory in forked children --------------------------------------------------------------------------- */

/* Whether the caller is opcache, which is a file of its own or a part of libphp. Nothing else of PHP asks for shared memory
 * without a file. */
static bool igor_is_of_opcache(const void *caller)
{
	Dl_info by, php;
	const char *name;

	if (dladdr(caller, &by) == 0 || by.dli_fname == NULL) {
		return false;
	}
	name = strrchr(by.dli_fname, '/');
	return strncmp(name == NULL ? by.dli_fname : name + 1, "opcache", strlen("opcache")) == 0
		|| (dladdr((const void *) &zend_ini_long, &php) != 0 && php.dli_fbase == by.dli_fbase);
}

/* mmap(). opcache asks for memory that forked children share, for servers of many processes. The server has one, so a child
 * gets a copy: it may outlive a restart of opcache, and would then write to strings of other scripts. Preloading as another
 * user fills the memory in a child, and keeps it shared. */
void *igor_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset, const void *caller)
{
	typedef void *(*function)(void *, size_t, int, int, int, off_t);
	static function next;
	function call = __atomic_load_n(&next, __ATOMIC_RELAXED);

	if (call == NULL) {
		call = (function) dlsym(RTLD_NEXT, "mmap");
		__atomic_store_n(&next, call, __ATOMIC_RELAXED);
	}
	if ((flags & MAP_TYPE) == MAP_SHARED && (flags & MAP_ANONYMOUS) != 0 && igor_is_of_opcache(caller)) {
		const char *preload_user = zend_ini_string("opcache.preload_user", strlen("opcache.preload_user"), 0);

		if (preload_user == NULL || *preload_user == '\0') {
			flags = (flags & ~MAP_TYPE) | MAP_PRIVATE;
		}
	}
	return call(address, length, protection, flags, fd, offset);
}
