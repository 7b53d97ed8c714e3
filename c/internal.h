/* Declarations that the files of the shim share. Rust sees only shim.h. */
#ifndef IGOR_INTERNAL_H
#define IGOR_INTERNAL_H

#ifndef _GNU_SOURCE
# define _GNU_SOURCE /* ppoll() */
#endif

#include "compat.h"
#include "shim.h"

#include <SAPI.h>
#include <zend.h>
#include <zend_API.h>
#include <zend_exceptions.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>

/* glibc has no public name for the member of SIGEV_THREAD_ID. */
#ifndef sigev_notify_thread_id
# define sigev_notify_thread_id _sigev_un._tid
#endif

/* An injected bailout where PHP could leave by a jump, only in builds for fault tests (src/faults.rs). */
#ifdef IGOR_FAULTS
# define IGOR_FAULT(point) do { if (host_fault(point, sizeof(point) - 1)) { zend_bailout(); } } while (0)
#else
# define IGOR_FAULT(point) ((void) 0)
#endif

#define IGOR_RESET_STATES 32 /* states of PHP that an HTTP worker's request can change, and that are restored (reset.c) */
#define IGOR_CACHE_SIZE 16 /* names in one script's reading cache; a power of two */

/* One name of the reading cache, with the result of its last read. A cache line each, which makes its address cheap. */
typedef struct {
	/* The name as it was last asked for; NULL: empty. The entry holds a reference, so nothing frees or changes the string,
	 * and the same address is the same name. An interned string has no references, and opcache may wipe it under a
	 * long-running script; so the hash is compared too, and the string itself is not read. */
	_Alignas(64) zend_string *name;
	zend_ulong hash;
	const igor_slot *slot;
	uint64_t version;
	zval value;
	bool counted; /* the name was not interned */
	bool copied;  /* the value is a whole copy: nothing in it points into an arena */
} igor_cache_entry;

#define IGOR_ELEMENTS_SIZE 32 /* elements of stores that one script reads often; a power of two */

/* One element of a store, with the result of its last read. Only for interned keys, as constants of a script are: the same
 * address with the same hash is the same key, and there is no reference to release. */
typedef struct {
	_Alignas(64) const zend_string *key; /* NULL: empty */
	zend_ulong hash;
	uint64_t store; /* its number in this PHP request */
	const uint64_t *version_at;
	uint64_t version;
	zval value;
} igor_known_element;

/* The body of a request, which php://input reads (body.c). */
typedef struct igor_body igor_body;

/* Numbers of processes. */
typedef struct {
	pid_t *list;
	size_t count, room;
} igor_pids;

/* A PHP thread: on the C stack of shim_thread_run(), or allocated by shim_thread_adopt(). Used by its own thread only,
 * except for `vm_interrupt` and `pthread`, which shim_thread_interrupt() uses under the interrupt slot's lock. */
typedef struct igor_thread {
	void *host; /* Rust's context of this thread */
	igor_mode mode;
	pthread_t pthread;
	sigset_t mask; /* the signals that the thread blocks */
	zend_atomic_bool *vm_interrupt;

	igor_request request; /* the current job or run */
	bool has_job;         /* `request` is a job, and its response is not finished */
	bool handled;         /* this script run has called frankenphp_handle_request() */
	bool in_callback;
	bool leavable;        /* the request's code runs, and may be ended without ending the script */
	bool leaving;         /* the client has disconnected: that code ends at the VM's next step */
	bool left;            /* and it was ended, by an exception that no script can catch */
	bool stopping;        /* the server asked this script to end */
	bool starting;        /* in php_request_startup(), where opcache restarts */
	bool alone;           /* no other thread runs PHP code: this one may restart opcache, in an empty PHP request */
	igor_restart restart; /* the result of opcache's restart in this start */
	igor_body *body;      /* php://input of the current job; NULL: PHP's own (body.c) */
	php_stream *no_body;  /* the empty body of php://input handles kept after their job; NULL: none is needed */
	bool body_aborted;    /* the body of the current job was aborted */
	bool finished;        /* fastcgi_finish_request() was called for the current job */
	char place_file[256]; /* where the script was when it was last woken; valid when place_line is not 0 */
	uint32_t place_line;
	bool place_wanted;    /* atomic: host_place() is called at the next step */
	uint32_t trace_depth; /* atomic: the lines of a backtrace to log at the next step; 0: none */
	int opening_fd;       /* a descriptor that no stream owns yet; -1: none */
	pid_t tid;
	igor_pids children;   /* started by this script, and not waited for yet */
	igor_pids of_jobs;    /* children that a job of a worker has started */

	/* signals.c. Bit n - 1 is signal n. */
	bool used_signals;    /* the script has set handlers, an alarm or a mask */
	bool in_pcntl;        /* sigaction() is about the thread */
	bool listens;         /* the thread is entry `listening_at` in the list of threads with handlers */
	uint32_t listening_at;
	uint64_t signals_handled;
	uint64_t signals_ignored; /* by SIG_IGN */
	uint64_t signals_blocked; /* by the script */
	uint64_t signals_held;    /* atomic: of these, what has come and waits (masks.c) */
	void (*signal_handlers[64])(int signo, siginfo_t *info, void *context);
	volatile sig_atomic_t should_end;   /* the script should end, and a handler must be called */
	uint64_t signals_asked;             /* of `signals_held`, what the server has asked by */
	bool end_handled;                   /* atomic: its C handler was called */
	uint32_t end_reminders;             /* atomic: how often shim_thread_remind() has found that the script has called its own */
	volatile sig_atomic_t fatal_signal; /* ends the script at its next step; 0: none */
	bool has_alarm;
	timer_t alarm;

	/* time_limit.c */
	struct igor_thread *limited_after; /* the next thread in the list of watched ones; under its lock */
	uint64_t limit_ns;             /* atomic: when the script should end, on CLOCK_BOOTTIME; 0: never */
	void *limit_value;             /* the value that PHP expects with the signal */
	zend_atomic_bool *timed_out;
	pid_t pid;

	bool shut_down;       /* our RSHUTDOWN has run: nothing may be cached any more */

	size_t memory_peak;   /* of the script that has ended; 0: it runs. PHP's shutdown forgets its own */

	bool raw_waits;       /* filter_input() does not know the variables of the current $_SERVER yet */

	/* The script's variables of putenv(): of this request, and of the boot of an HTTP worker. */
	HashTable *environment;
	HashTable *boot_environment;

	/* State that an HTTP worker script set up before its loop, restored after each request. */
	HashTable *boot_ini;       /* name => value of directives changed during the boot */
	HashTable *boot_shutdown;  /* shutdown functions registered outside of requests */
	bool boot_context;         /* the boot has made a default context for streams */

	/* The old values of the state outside of variables that the current request has changed (reset.c). */
	bool resets;               /* the boot is over: changes are recorded */
	uint32_t touched;          /* a bit for each state */
	zval before[IGOR_RESET_STATES];

	igor_cache_entry cache[IGOR_CACHE_SIZE];
	uint32_t cached;
	igor_known_element elements[IGOR_ELEMENTS_SIZE];
	uint32_t elements_held;
} igor_thread;

/* self.c. The thread that runs this code; NULL on threads that are not our PHP threads. One load in a program; the same
 * in a module that is loaded later: the C library reserves room for its eight bytes. */
extern __thread igor_thread *igor_self __attribute__((tls_model("initial-exec")));

extern bool igor_forked; /* this process is a forked child of one with our PHP threads */
bool igor_in_forked_server(void);
void igor_log(int level, const char *message, size_t len);

/* errors.c */
void igor_throw(igor_thread *self, igor_verdict verdict);
bool igor_done(igor_verdict verdict);
void igor_throw_outside(const char *function);

/* defaults.c */
void igor_opcache_fit(void);

/* engine.c */
void igor_errors_observe(void);

/* thread.c */
void igor_fork_install(void);
void igor_thread_globals_create(void);
void igor_thread_globals_install(void);

/* ini.c */
void igor_ini_apply(const igor_request *request);
bool igor_ini_report(const zend_string *message);

/* children.c */
void igor_children_install(void);
void igor_children_block(const igor_thread *self);

/* request.c */
void igor_body_broke_off(igor_thread *self);
void igor_body_open(void);
void igor_body_end(igor_thread *self);
void igor_body_leave(const php_stream *body);
void igor_request_info_fill(const igor_request *request);
bool igor_request_failed(void);

/* command.c */
void igor_define_standard_streams(void);

/* worker.c */
void igor_job_close(igor_thread *self);
void igor_boot_state_release(igor_thread *self);
void igor_files_check_all(void);
void igor_files_check_as_configured(void);
PHP_FUNCTION(frankenphp_handle_request);

/* vars.c */
void igor_cache_clear(igor_thread *self);
void igor_cache_forget(igor_thread *self);
PHP_FUNCTION(frankenphp_get_vars);
PHP_FUNCTION(frankenphp_set_vars);

/* copy.c */
bool igor_copy_root(zval *into, const igor_reading *reading, zend_array *old);

/* enums.c */
bool igor_enum_resolve(zval *into, const void *enum_case);

/* opcache.c */
void igor_opcache_preload(void);
void igor_opcache_install(void);
bool igor_opcache_is_guarded(void);
typedef int (*igor_fcntl)(int fd, int command, ...);
int igor_fcntl_call(igor_fcntl *next, const char *symbol, int fd, int command, void *argument);
void *igor_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset, const void *caller);
void igor_opcache_enter(igor_thread *self);
void igor_opcache_entered(igor_thread *self);
void igor_opcache_note(const zval *status);
void igor_opcache_look(void);

/* environment.c */
void igor_environment_install(void);
void igor_environment_keep(igor_thread *self);
void igor_environment_renew(igor_thread *self);
void igor_environment_release(igor_thread *self);
void igor_environment_adopt(void);
bool igor_environment_is_cleared(void);
bool igor_environment_is_own(void);
char **igor_environment_list(size_t *own);
void igor_environment_list_free(char **list, size_t own);

/* spawn.c */
void igor_pipes_adopt(void);
int igor_spawn_call(const char *symbol, pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
	const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[]);
FILE *igor_popen(const char *command, const char *mode);
int igor_pclose(FILE *stream);

/* server_variables.c */
void igor_server_variables_install(void);
void igor_filter_watch(void);
void igor_server_variables_share(void);

/* replace.c */
zif_handler igor_replace_function(const char *name, zif_handler handler);
void igor_replace_functions_of_thread(void);

/* reset.c */
void igor_reset_install(void);
void igor_reset_begin(igor_thread *self);
void igor_reset(igor_thread *self);
void igor_reset_end(igor_thread *self);

/* session.c */
void igor_session_end(void);
void igor_session_start(void);
void igor_session_limit_progress(void);

/* signals.c */
#define IGOR_BIT(signo) (UINT64_C(1) << ((signo) - 1))
void igor_signals_install(void);
void igor_signals_block(igor_thread *self, uint64_t blocked);
void igor_signal_raise(igor_thread *self, int signo);
bool igor_signal_was_asked(igor_thread *self, int signo);
void igor_info_of_own(siginfo_t *info, int signo);
bool igor_info_restore(siginfo_t *info);
bool igor_is_of_server(int signo);
void igor_signals_end(igor_thread *self);
void igor_signals_restore(igor_thread *self);
void igor_signals_wake(igor_thread *self);
void igor_signals_fail(igor_thread *self);
void igor_signals_leave(void);
int igor_sigaction(int signo, const struct sigaction *action, struct sigaction *old);
/* Makes igor_deliver() the handler of the signal in the process. */
void igor_signal_take(int signo);
/* Whether the calling thread runs a script of a server, which shares the process with others. */
bool igor_is_script_of_server(void);

/* kill.c */
void igor_kill_install(void);
int igor_kill(pid_t pid, int signo);

/* masks.c */
void igor_masks_install(void);
int igor_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout);

/* alarm.c */
unsigned int igor_alarm(unsigned int seconds);
void igor_alarm_cancel(igor_thread *self);

int igor_libc_sigaction(int signo, const struct sigaction *action, struct sigaction *old);

/* time_limit.c */
void igor_limits_join(igor_thread *self);
void igor_limits_leave(igor_thread *self);
void igor_limits_forked(void);
bool igor_limit_sigaction(int signo, const struct sigaction *action, struct sigaction *old);
int igor_timer_create(clockid_t clock, struct sigevent *event, timer_t *timer);
int igor_timer_settime(timer_t timer, int flags, const struct itimerspec *set, struct itimerspec *before);
int igor_timer_delete(timer_t timer);
int igor_sigprocmask(int how, const sigset_t *set, sigset_t *old);
pid_t igor_getpid(void);

/* states.c */
void igor_module_start(const char *name);
int igor_error_handler_hide(void);
void igor_error_handler_show(int depth);

/* descriptors.c */
struct sockaddr;
void igor_descriptors_own(void);
void igor_descriptors_leave(void);
int igor_open(const char *path, int flags, mode_t mode);
int igor_mkstemp(char *template);
int igor_dup(int fd);
int igor_close(int fd);
int igor_fclose(FILE *stream);
int igor_opened_both(int result, const int ends[2]);
int igor_pipe_cloexec(int ends[2]);
int igor_socket(int domain, int type, int protocol);
int igor_socketpair(int domain, int type, int protocol, int ends[2]);
int igor_accept(int fd, struct sockaddr *address, socklen_t *length);

/* reap.c */
struct rusage;
void igor_child_started(pid_t pid);
void igor_children_leave(void);
void igor_children_abandon(igor_thread *self);
void igor_children_signal(const igor_thread *self, int signo);
void igor_children_of_job_abandon(igor_thread *self);
void igor_child_kept(pid_t pid);
pid_t igor_fork(void);
pid_t igor_wait4(pid_t pid, int *status, int options, struct rusage *usage);
int igor_waitid(int type, id_t id, siginfo_t *info, int options);

/* syslog.c */
void igor_openlog(const char *ident, int option, int facility);
void igor_vsyslog(int priority, const char *format, va_list arguments);
void igor_closelog(void);
void igor_syslog_hold(void);
void igor_syslog_release(void);

/* The signal that wakes a thread from a blocking call. Its only effect is EINTR. */
#define IGOR_WAKE_SIGNAL (SIGRTMIN + IGOR_WAKE_SIGNAL_AFTER_MIN)

/* module.c */
extern zend_module_entry igor_module_entry;
/* The functions that need no server: what the loadable module registers. */
extern const zend_function_entry igor_background_functions[];
PHP_RSHUTDOWN_FUNCTION(igor);

/* background.c */
PHP_FUNCTION(frankenphp_get_worker_handle);
PHP_FUNCTION(frankenphp_require_background_worker);
PHP_FUNCTION(frankenphp_ensure_background_worker);

/* mercure.c */
PHP_FUNCTION(mercure_publish);

/* handle.c. An object that refers to a Rust object. */
typedef struct {
	uint64_t id; /* 0: nothing */
	zval stream; /* the last result of getStream() */
	zend_object std;
} igor_object;

static inline igor_object *igor_handle_of(zend_object *object)
{
	return (igor_object *) ((char *) object - XtOffsetOf(igor_object, std));
}

zend_object *igor_handle_create(zend_class_entry *class, const zend_object_handlers *handlers);
void igor_handle_free(zend_object *object);
zend_class_entry *igor_handle_register(const char *name, size_t name_len, const zend_function_entry *methods,
	zend_object *(*create)(zend_class_entry *), zend_object_handlers *handlers, void (*free_object)(zend_object *));
void igor_handle_stream(igor_object *handle, igor_verdict (*open)(const igor_object *, int *), zval *return_value);

/* worker_handle.c */
void igor_classes_register(void);

/* tasks.c */
extern zend_class_entry *igor_received_task_class;
void igor_task_classes_register(void);

/* store.c */
/* A key as bytes. An integer is written into the structure itself. */
typedef struct {
	const char *bytes;
	size_t len;
	char digits[MAX_LENGTH_OF_LONG + 1];
} igor_key;

igor_object *igor_store_of(zend_object *object);
void igor_key_of(igor_key *key, zend_string *name, zend_long number);
bool igor_key_of_offset(igor_key *key, zval *offset);
bool igor_store_get(igor_object *handle, const igor_key *key, bool is_read, igor_stored *stored);
bool igor_store_set(igor_object *handle, const igor_key *key, zval *value, double ttl, bool absent, bool *done);
bool igor_store_value(const igor_stored *stored, zval *into);
void igor_store_skip(const igor_stored *stored);
bool igor_element_read(zend_object *object, const zval *key, zval *into);
void igor_element_keep(const igor_object *handle, const zend_string *key, const igor_stored *stored, zval *value);
void igor_elements_clear(igor_thread *self);
void igor_elements_forget(igor_thread *self);
bool igor_ttl(double *ttl, bool is_null, uint32_t argument);
bool igor_store_remove(igor_object *handle, const igor_key *key, bool is_read, igor_stored *stored);
bool igor_store_numbers(zend_object *object, bool exact, igor_store_counts *counts);
zval *igor_shared_array_read(zend_object *object, zval *offset, int type, zval *rv);
void igor_shared_array_write(zend_object *object, zval *offset, zval *value);
int igor_shared_array_has(zend_object *object, zval *offset, int check_empty);
void igor_shared_array_unset(zend_object *object, zval *offset);
zend_result igor_shared_array_count(zend_object *object, zend_long *count);

/* store_list.c: the keys, or all elements, as an array. False: an exception was thrown. */
bool igor_store_list(zend_object *object, bool with_values, zval *into);

/* store_class.c */
void igor_store_class_register(void);

/* apcu_list.c */
void igor_apcu_register(int type, int module_number);

/* response.c */
PHP_FUNCTION(frankenphp_finish_request);
PHP_FUNCTION(headers_send);
PHP_FUNCTION(frankenphp_request_headers);
PHP_FUNCTION(frankenphp_response_headers);

#ifdef IGOR_BENCH
/* bench.c */
PHP_FUNCTION(igor_bench_array_dup);
PHP_FUNCTION(igor_bench_counted);
PHP_FUNCTION(igor_bench_nothing);
PHP_FUNCTION(igor_bench_snapshot_bytes);
#endif

#ifdef IGOR_LAUNDER
/* launder.c */
void igor_launder_install(void);
PHP_FUNCTION(igor_launder_array);
PHP_FUNCTION(igor_launder_constant);
PHP_FUNCTION(igor_launder_string);
#endif

/* interrupt.c */
void igor_interrupt_install(void);
void igor_interrupt_remove(void);
void igor_client_gone(igor_thread *self);
int igor_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
void igor_signal_ignore(int signal);
void igor_thread_publish(igor_thread *self);
void igor_thread_withdraw(igor_thread *self);

#endif
