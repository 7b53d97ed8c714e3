/* The contract between the C shim and Rust.
 *
 * Direction is in the name: shim_* is C that Rust calls, host_* is Rust that C calls.
 *
 * The three laws (ARCHITECTURE.md has them in full):
 *   1. No Rust frame under a jump. PHP leaves by longjmp. A host_* function is a leaf: it returns a verdict, and C
 *      throws, allocates in the request heap or calls user code after it has returned. shim_thread_run() is the one
 *      function that runs PHP above a Rust frame, and it catches every jump itself.
 *   2. One owner per PHP thread. An igor_thread belongs to the thread that runs it. Other threads reach it only
 *      through shim_thread_interrupt(), under the lock of the interrupt slot that published it.
 *   3. A snapshot owns all of itself. C never writes to one, and never keeps a pointer into one past the request.
 */
#ifndef IGOR_SHIM_H
#define IGOR_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The kind of work of a PHP thread, for its whole life. */
typedef enum {
	IGOR_CLASSIC = 0,     /* one PHP request per job */
	IGOR_HTTP_WORKER = 1, /* one PHP request per script run, many jobs in it */
	IGOR_BACKGROUND = 2,  /* one PHP request per script run, no jobs */
	IGOR_HOSTED = 3       /* of the program that has loaded the module: its requests are not ours */
} igor_mode;

/* What a PHP thread does next. */
typedef enum { IGOR_STOP = 0, IGOR_RUN = 1 } igor_next;

/* How a thread enters its next PHP request. */
typedef enum {
	IGOR_ENTER = 0,         /* beside the others */
	IGOR_ENTER_ALONE = 1,   /* no other thread runs PHP code before host_entered(): opcache may restart */
	IGOR_ENTER_TO_RESET = 2 /* the same, and opcache must be asked to restart */
} igor_admission;

/* Why a running script should end now. */
typedef enum {
	IGOR_KILL_NONE = 0,   /* it should not */
	IGOR_KILL_GRACE = 1,  /* it did not end within the grace period */
	IGOR_KILL_OVERDUE = 2 /* its request runs longer than request_terminate_timeout */
} igor_kill_reason;

/* The outcome of a restart of opcache at the start of a PHP request. */
typedef enum {
	IGOR_RESTART_NONE = 0,    /* none was pending */
	IGOR_RESTART_REFUSED = 1, /* a restart is pending, and other threads run PHP code */
	IGOR_RESTART_DONE = 2
} igor_restart;

/* The verdict of a host_* call, which C acts on. For the errors host_message() holds the text. */
typedef enum {
	IGOR_OK = 0,
	IGOR_RUNTIME_EXCEPTION = 1,
	IGOR_VALUE_ERROR = 2,
	IGOR_LOGIC_EXCEPTION = 3,
	IGOR_CLIENT_GONE = 4
} igor_verdict;

/* The phase of a script. Some functions depend on it (require). */
typedef enum {
	IGOR_PHASE_REQUEST = 0,  /* a classic request, or a background worker */
	IGOR_PHASE_BOOT = 1,     /* an HTTP worker before its first frankenphp_handle_request() */
	IGOR_PHASE_CALLBACK = 2  /* inside the callback of frankenphp_handle_request() */
} igor_phase;

typedef struct {
	const char *name;
	size_t name_len;
	const char *value;
	size_t value_len;
} igor_pair;

/* One request, or one run of a worker script. Rust owns every pointer and keeps it until host_job_end() or
 * host_end(). Strings end with NUL. */
typedef struct {
	const char *script;        /* absolute; empty: the standard input */
	const char *method;
	const char *uri;
	const char *query;
	const char *content_type;  /* NULL: none */
	int64_t content_length;    /* -1: unknown */
	int64_t body_length;       /* of a body that is there whole, for host_read_body_at(); -1: it is not */
	const char *cookie;        /* NULL: none */
	const char *authorization; /* NULL: none */
	int32_t protocol;          /* 1000, 1001, 2000 */
	/* The script sees these variables, and not those of the process. NULL: it sees those of the process. They stay valid
	 * until the next request or run of the thread. */
	const igor_pair *environment;
	size_t environment_len;
	const char *const *argv;   /* of a background worker or a command-line script; NULL: none */
	int32_t argc;
	const char *code;          /* PHP code that runs instead of the script (`php -r`); NULL: none */
	bool own_process;          /* the process is the request's: its environment is in $_SERVER, its output the answer */
	bool command_line;         /* own_process as of php, not of php-cgi: STDIN and its siblings, and no response head */
	bool no_headers;           /* own_process as of php-cgi -q: no response head */
	bool no_chdir;             /* the working directory stays, instead of becoming the script's folder */
	const igor_pair *settings; /* php.ini settings for this PHP request alone */
	size_t settings_len;
	/* Lines of php.ini for this PHP request: of the block, and of the request itself. The text of `admin` has what the
	 * script may not change. All of a pair are NULL, or none. */
	const char *ini_values;
	const char *ini_admin;
	const char *own_ini_values;
	const char *own_ini_admin;
	bool has_job;              /* false: the boot of an HTTP worker, or a background run */
} igor_request;

/* How a script ended. */
typedef struct {
	int exit_status;
	bool failed;    /* fatal error, uncaught exception, bailout or kill */
	bool handled;   /* HTTP worker: the script has called frankenphp_handle_request() */
} igor_outcome;

/* The head of a slot: all that the reading cache looks at. Rust's vars::Slot begins with exactly this. */
typedef struct {
	uint64_t version;  /* atomic; 0 until the first publish; grows by one with each */
	uint64_t name_hash;
	const char *name;
	size_t name_len;
} igor_slot;

/* The result of a read. */
typedef struct {
	const igor_slot *slot; /* valid until host_end() of this PHP request */
	uint64_t version;
	const void *root;      /* an immutable zend_array inside the snapshot's arena */
	bool copy;             /* deep-copy it into the request heap instead of exposing it */
	bool shared;           /* some sub-array is in more than one place */
	bool enums;            /* holds enum cases: copy the arrays that lead to them, and resolve them */
} igor_reading;

/* The kind of a store's value. */
typedef enum {
	IGOR_STORED_ABSENT = 0, /* none */
	IGOR_STORED_NULL = 1,
	IGOR_STORED_BOOL = 2,
	IGOR_STORED_INT = 3,
	IGOR_STORED_FLOAT = 4,
	IGOR_STORED_TEXT = 5,   /* bytes to copy */
	IGOR_STORED_ARRAY = 6,  /* the root of the reading */
	IGOR_STORED_ELEMENT = 7 /* the only element of the root */
} igor_stored_kind;

/* A value of a store, valid until the next host_* call of this thread. */
typedef struct {
	igor_stored_kind kind;
	int64_t integer; /* a bool is 0 or 1 */
	double real;
	const char *text;
	size_t len;
	igor_reading reading;
	/* As long as `*version_at` is `version`, a read of the same key has the same result. NULL: it is not known for how long.
	 * The address is valid until the end of this PHP request. */
	const uint64_t *version_at;
	uint64_t version;
} igor_stored;

/* The state of a store at one moment. */
typedef struct {
	uint64_t keys; /* including expired elements not removed yet, unless an exact count was requested */
	uint64_t keys_max;
	uint64_t bytes;
	uint64_t bytes_max;
	uint64_t version;
	uint64_t hits;
	uint64_t misses;
	uint64_t evicted;
	uint64_t expired;
} igor_store_counts;

/* An integer or a float. */
typedef struct {
	bool is_float;
	int64_t integer;
	double real;
} igor_number;

struct _sapi_module_struct;
struct _zval_struct;

/* ---- C that Rust calls ------------------------------------------------------------------------------------- */

/* What the calling thread has used since it began, and the most memory that its PHP has had at once. */
typedef struct {
	uint64_t user_us;
	uint64_t system_us;
	uint64_t memory_bytes;
	uint32_t thread; /* its number in the system */
} igor_usage;

igor_usage shim_usage(void);

/* Facts about the running engine. The strings live as long as the engine. */
typedef struct {
	const char *php_version;
	const char *loaded_ini;    /* NULL: none */
	bool zts;
	bool debug;
	bool opcache_loaded;
	bool opcache_enabled;
	bool opcache_guarded; /* it restarts only when no PHP thread uses it */
	bool jit_enabled;
} igor_engine_info;

/* Starts the engine for `sapi_module`, a sapi_module_struct that the caller keeps until shim_engine_stop(). `threads` is
 * the most PHP threads that will run. 0 on success. Must be called once, and stopped by the same thread. */
int shim_engine_start(void *sapi_module, int threads, igor_engine_info *info);
/* Stops the engine. Every PHP thread must have returned from shim_thread_run(). */
void shim_engine_stop(void);

/* Runs one PHP thread until host_next() says stop. Returns after the thread's PHP memory was freed. Catches every jump. */
void shim_thread_run(void *host, igor_mode mode);

/* Adopts the calling thread, which runs PHP already: until shim_thread_release(), on the same thread, its scripts may call
 * the functions. Returns the handle to pass to shim_thread_release(). */
void *shim_thread_adopt(void *host);
void shim_thread_release(void *thread);

/* A thread is woken by the signal SIGRTMIN + 3. SIGRTMIN itself belongs to PHP's timers. */
#define IGOR_WAKE_SIGNAL_AFTER_MIN 3

/* Asks a running script to end: sets its interrupt flag and wakes it from a blocking call. `thread` is what
 * host_interruptible() was given, and its slot's lock must be held. */
void shim_thread_interrupt(void *thread);
/* Asks a script that it should end: a handler that it has for SIGTERM or SIGINT is called on its thread. As for
 * shim_thread_interrupt(), the slot's lock must be held. */
void shim_thread_should_end(void *thread);
/* Wakes a script that has not yet run the handler that shim_thread_should_end() called, and three times one that has: it may
 * have started to wait since. The slot's lock must be held. */
void shim_thread_remind(void *thread);
/* Asks a script to log a backtrace of this many lines at its next step. As for shim_thread_interrupt(), the slot's lock must
 * be held. */
void shim_thread_trace(void *thread, uint32_t depth);
/* Asks a script to report its place by host_place() at its next step. As for shim_thread_interrupt(), the slot's lock must be
 * held. */
void shim_thread_look(void *thread);
/* The place of an interrupted thread's script: returns the line, and its file as a C string; 0: not known. The
 * slot's lock must be held, as for shim_thread_interrupt(). */
uint32_t shim_thread_place(void *thread, char *file, size_t size);

/* The process is the server's alone: its descriptors are closed for programs that scripts start, and a signal that no
 * script handles ends nothing. Must be called once, after the engine has started. */
void shim_process_own(void);
/* Whether this program replaces libc's timers, so that a PHP thread needs no system timer (time_limit.c).
 * Must be called before PHP's start. Then shim_time_limits_watch() must run on a thread of its own, started after PHP,
 * which ends some time after shim_time_limits_stop(). */
bool shim_time_limits_probe(void);
void shim_time_limits_watch(void);
void shim_time_limits_stop(void);
/* Called before and, with true, after the server opens descriptors that stay open for as long as the process lives. A forked
 * child closes them at once. No other thread may open any meanwhile. */
void shim_descriptors_own(bool opened);
/* The signals that reached no script since the last call; bit n - 1 is signal n. */
uint64_t shim_signals_ignored(void);
/* Waits, without blocking, for children of scripts that have ended. Returns how many still run. */
size_t shim_reap(void);

/* The lowest descriptor of the server's own sockets, where the limits of the process allow it: PHP's stream_select() takes
 * those below, which are left to scripts. FD_SETSIZE of the C library. */
#define IGOR_SERVER_DESCRIPTORS_MIN 1024
/* The most bytes of the backtrace of a slow request. */
#define IGOR_TRACE_BYTES_MAX 8192
/* How many PHP threads may have signal handlers at one time; those beyond get an error from pcntl_signal(). */
#define IGOR_LISTENING_MAX 4096
/* How long the shutdown functions and destructors of a forked child of a request may take before it is ended. */
#define IGOR_CHILD_SHUTDOWN_SECONDS_MAX 60
/* The interval of the thread that checks all time limits: setting a longer limit need not wake it.
 */
#define IGOR_TIME_LIMITS_LOOK_SECONDS 10

/* The module, a zend_module_entry, as a PHP that loads it sees it. */
const void *shim_extension_entry(void);

/* The names of an enum case; false: the object is not one. Both live as long as the object. */
bool shim_enum_case(const void *object, const void **class_name, const void **case_name);
/* The object's class name, a zend_string. */
const void *shim_class_name(const void *object);

/* The callbacks of the SAPI module, for the description that Rust makes. */
int shim_sapi_startup(struct _sapi_module_struct *module);
void shim_sapi_ini_defaults(void *configuration);
int shim_sapi_activate(void);
size_t shim_sapi_write(const char *bytes, size_t len);
void shim_sapi_flush(void *server_context);
int shim_sapi_send_headers(void *headers);
size_t shim_sapi_read_post(char *into, size_t len);
char *shim_sapi_read_cookies(void);
char *shim_sapi_getenv(const char *name, size_t len);
void shim_sapi_server_variables(struct _zval_struct *into);
void shim_sapi_log(const char *message, int level);
void shim_sapi_error(int type, const char *format, ...);
void shim_sapi_default_post_reader(void);
void shim_sapi_treat_data(int arg, char *str, struct _zval_struct *into);
unsigned int shim_sapi_input_filter(int arg, const char *name, char **value, size_t len, size_t *new_len);

/* ---- Rust that C calls: leaves, which never jump and never unwind ------------------------------------------- */

/* Blocks until there is work. Fills `request` with the job, the boot of a worker script, or a background run. */
igor_next host_next(void *host, igor_request *request);
/* In an HTTP worker: blocks for the next job. IGOR_STOP: the script should end. */
igor_next host_next_job(void *host, igor_request *request);
/* The current job has ended: its response is completed and the exchange dropped. */
void host_job_end(void *host, bool failed);
/* Blocks while PHP threads are stopped; then the PHP request may start. */
igor_admission host_enter(void *host);
/* php_request_startup() has returned. */
void host_entered(void *host, igor_restart restart);
/* How full opcache is, as it said at the start of a recent request; it is asked again at the start of the next one. False: it
 * does not run, or has not been asked. */
typedef struct {
	uint64_t used_bytes;
	uint64_t free_bytes;
	uint64_t wasted_bytes; /* of scripts that have changed */
	uint64_t scripts;
	uint64_t scripts_max;
	uint64_t hits;
	uint64_t misses;
} igor_opcache_usage;
bool shim_opcache_usage(igor_opcache_usage *usage);

/* opcache_reset() was called at this place. False: the threads cannot be stopped. */
bool host_opcache_reset(void *host, const char *file, size_t len, uint32_t line);
/* opcache wants a restart. The reason is opcache's own number: 0 memory, 1 hash table, 2 a script. */
void host_opcache_full(void *host, int reason);
/* The PHP request has ended, and php_request_shutdown() has returned: releases pins, slots and the exchange. */
void host_end(void *host, const igor_outcome *outcome);
/* Publishes (thread != NULL) or clears the thread that shim_thread_interrupt() may be given. */
void host_interruptible(void *host, void *thread);
/* Whether the running script should end. Takes a lock: must not be called from a signal handler. */
bool host_should_end(void *host);
/* Asked by the interrupt handler: should the running script end now? The message says why. */
igor_kill_reason host_kill_requested(void *host);
/* The answer to shim_thread_look(): the script is at this line. */
void host_place(void *host, const char *file, size_t len, uint32_t line);

igor_verdict host_write(void *host, const char *bytes, size_t len);
igor_verdict host_flush(void *host);
void host_header(void *host, const char *line, size_t len);
igor_verdict host_head(void *host, int status);
igor_verdict host_inform(void *host, int status);
void host_finish(void *host);
/* Fills the buffer unless the body ends before. `aborted`: it is incomplete, and the client gets no response of the script.
 * */
size_t host_read_body(void *host, char *into, size_t len, bool *aborted);
/* The same for a body that is there whole, from this position, as often as it is wanted. */
size_t host_read_body_at(void *host, uint64_t position, char *into, size_t len, bool *aborted);
/* The index-th request header; false when there is none. */
bool host_request_header(void *host, size_t index, igor_pair *pair);
/* What the current request or run has for $_SERVER. Valid until it ends, or until the next call. */
size_t host_server_vars(void *host, const igor_pair **list);
/* The value of `name` in the running script's own environment, NULL when it has none; valid until the next host_*
 * call of this thread. */
const char *host_getenv(void *host, const char *name, size_t len);

/* A PHP message for the log. `host` may be NULL (module startup). Level: a syslog number. */
void host_log(void *host, int level, const char *message, size_t len);
/* The last error that can end a script, kept to explain a failed run. */
void host_script_error(void *host, int type, const char *file, size_t file_len, uint32_t line, const char *message,
	size_t len);

/* Text of the last verdict that was an error; valid until the next host_* call of this thread. */
const char *host_message(void *host, size_t *len);

igor_verdict host_worker_handle(void *host, int *fd);
igor_verdict host_require(void *host, const char *name, size_t len, double timeout_s, igor_phase phase);
/* One call per name, then host_ensure(): names are checked first and started together. */
igor_verdict host_ensure_name(void *host, const char *name, size_t len);
igor_verdict host_ensure(void *host, double timeout_s, igor_phase phase);
void host_ensure_clear(void *host);

/* An update for a Mercure hub. A text that is NULL is not there. */
typedef struct {
	const char *data;
	size_t data_len;
	const char *id;
	size_t id_len;
	const char *type;
	size_t type_len;
	uint64_t retry_ms; /* 0: none */
	bool is_private;
} igor_update;
/* host_ensure_clear(), one host_ensure_name() for each topic, then this. The identifier is the message, see host_message(). */
igor_verdict host_send_update(void *host, const igor_update *update);

/* `array` is a zend_array of the calling thread. */
igor_verdict host_publish(void *host, const void *array);
igor_verdict host_read(void *host, const char *name, size_t len, igor_reading *reading);
/* The same for a slot of an earlier reading in this PHP request, without looking for its name. */
igor_verdict host_read_slot(void *host, const igor_slot *slot, igor_reading *reading);
/* The copy of the reading with this root has ended, successfully or not: its pin is released. */
void host_read_done(void *host, const void *root);

/* FrankenPHP\WorkerHandle. Opened once or more in a run; the others come after it. */
igor_verdict host_handle_open(void *host);
igor_verdict host_handle_stream(void *host, int *fd);
/* Consumes a wake-up. False: the script should end. */
bool host_tick(void *host);
/* Takes the oldest waiting task, and returns its number in this PHP request; 0: none waits. */
uint64_t host_receive(void *host);

/* Tasks, of both sides. A negative timeout: no limit. Numbers of freed tasks are refused. */
igor_verdict host_task_send(void *host, const char *name, size_t len, const void *payload, double timeout_s,
	uint64_t *id);
igor_verdict host_task_payload(void *host, uint64_t id, igor_reading *reading);
/* `more` is false when the task is complete. */
igor_verdict host_task_read(void *host, uint64_t id, double timeout_s, igor_reading *reading, bool *more);
igor_verdict host_task_update(void *host, uint64_t id, const void *array);
igor_verdict host_task_complete(void *host, uint64_t id, const void *array);
void host_task_abandon(void *host, uint64_t id);
/* The script has released the handle; with the pending exception. */
void host_task_drop(void *host, uint64_t id, const char *class_name, size_t class_name_len, const char *message,
	size_t message_len);
igor_verdict host_task_stream(void *host, uint64_t id, int *fd);
/* The script has closed the stream of a task: its sender abandons it, its receiver completes it. */
void host_task_stream_closed(void *host, uint64_t id);

/* Stores. A store has a number in this PHP request; keys are bytes. `value` is a zval of the calling thread, of no
 * reference. Times to live are seconds; negative: for ever. */
igor_verdict host_store_open(void *host, const char *name, size_t len, uint64_t *id);
/* Without `is_read` only the kind of the value is returned: nothing is pinned. */
igor_verdict host_store_get(void *host, uint64_t id, const char *key, size_t len, bool is_read, igor_stored *stored);
/* `absent`: only if the key does not exist. `done` is false if it does. */
igor_verdict host_store_set(void *host, uint64_t id, const char *key, size_t len, const void *value, double ttl_s,
	bool absent, bool *done);
igor_verdict host_store_increment(void *host, uint64_t id, const char *key, size_t len, const igor_number *by,
	double ttl_s, igor_number *sum);
/* With a negative time to live, the element keeps its own. */
igor_verdict host_store_cas(void *host, uint64_t id, const char *key, size_t len, const void *expected,
	const void *value, double ttl_s, bool *done);
/* `stored` is the removed element. */
igor_verdict host_store_remove(void *host, uint64_t id, const char *key, size_t len, bool is_read, igor_stored *stored);
igor_verdict host_store_clear(void *host, uint64_t id);
igor_verdict host_store_merge(void *host, uint64_t id, const void *array, bool replaces);
/* An exact number of elements takes longer. */
igor_verdict host_store_numbers(void *host, uint64_t id, bool exact, igor_store_counts *counts);
/* A list of the elements as they are now, by a number, until host_store_list_end(). */
igor_verdict host_store_list(void *host, uint64_t id, bool with_values, uint64_t *list);
/* The index-th element; false after the last. The key lives as long as the list. */
bool host_store_listed(void *host, uint64_t list, size_t index, const char **key, size_t *len, igor_stored *stored);
void host_store_list_end(void *host, uint64_t list);
/* Waits while another thread computes the element. IGOR_STORED_ABSENT: the caller computes it, and then calls
 * host_store_computed(), with NULL when it has failed. */
igor_verdict host_store_compute(void *host, uint64_t id, const char *key, size_t len, igor_stored *stored);
igor_verdict host_store_computed(void *host, uint64_t id, const char *key, size_t len, const void *value, double ttl_s);
igor_verdict host_store_watch(void *host, uint64_t id, int *fd);

#ifdef IGOR_FAULTS
/* Tests only: whether a fault that a script armed on this thread happens at this point; and what arms one. */
bool host_fault(const char *point, size_t len);
bool host_fault_arm(const char *point, size_t len, uint64_t nth);
#endif

#ifdef IGOR_BENCH
/* Benchmarks only (bench.c): the bytes of the newest snapshot of a worker; 0 when there is none. */
size_t host_bench_snapshot_bytes(void *host, const char *name, size_t len);
#endif
/* The loadable module (extension.c). `extension` is the result of host_extension_load(), used on the main thread only; it
 * is NULL only after a bug of Igor's. */
void *host_extension_load(const char *path);
void host_extension_free(void *extension);
/* The error of the load or the last start; NULL: nothing. Valid until the next call. */
const char *host_extension_error(void *extension);
/* Starts the background workers and adopts the calling thread. False: none runs. */
bool host_extension_start(void *extension);
/* Ends the background workers within their grace period. False: a thread could not be stopped. */
bool host_extension_stop(void *extension);
/* The script has ended: releases the snapshots that it had read, and the thread. */
void host_extension_end(void *extension);
/* The index-th row about the configuration, for phpinfo(); false after the last. */
bool host_extension_describe(void *extension, size_t index, igor_pair *pair);

#ifdef IGOR_LAUNDER
/* Tests only (launder.c): publishes `array`, a zend_array of the calling thread, into the slot of a place in a script,
 * and reads it again. False: it cannot be published. */
bool host_launder(void *host, uint64_t site, const void *array, igor_reading *reading);
#endif

#endif
