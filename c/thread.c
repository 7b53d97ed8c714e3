/* The loop of one PHP thread. Everything that can jump runs below this file's catches. */
#include "internal.h"

#include <php_main.h>
#include <php_ini.h>
#include <TSRM.h>

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* A fork copies only the calling thread. The child continues in its script. It must not touch the connection, which is the
 * parent's, nor return to Rust's loop, because it does not have the other threads. */
static void igor_after_fork(void)
{
	igor_forked = true;
	igor_limits_forked();
	igor_syslog_release();
	tsrm_env_unlock();
	igor_environment_adopt();
	igor_pipes_adopt();
	igor_children_leave();
	if (igor_in_forked_server()) {
		igor_signals_leave();
		igor_descriptors_leave();
	}
}

/* If another thread held one of these locks, the child would wait for it forever. So the forking thread holds them, and
 * the child releases them. */
static void igor_before_fork(void)
{
	tsrm_env_lock();
	igor_syslog_hold();
}

static void igor_after_fork_in_parent(void)
{
	igor_syslog_release();
	tsrm_env_unlock();
}

void igor_fork_install(void)
{
	pthread_atfork(igor_before_fork, igor_after_fork_in_parent, igor_after_fork);
}

/* A forked child that needs a library's lock which another thread of the parent held would wait forever. */
static void igor_bound_shutdown_of_child(void)
{
	struct sigaction action = {0};

	if (igor_in_forked_server()) {
		action.sa_handler = SIG_DFL;
		sigemptyset(&action.sa_mask);
		sigaction(SIGALRM, &action, NULL);
		alarm(IGOR_CHILD_SHUTDOWN_SECONDS_MAX);
	}
}

static void (*igor_previous_error)(int type, zend_string *file, const uint32_t line, zend_string *message);
static __thread bool igor_copying_settings;

/* A new thread applies every setting once more, and PHP repeats its warnings, for example about deprecated ones. The
 * engine's start has already logged them. */
static void igor_report_error(int type, zend_string *file, const uint32_t line, zend_string *message)
{
	if ((type & E_FATAL_ERRORS) == 0 && igor_ini_report(message)) {
		return;
	}
	if (!igor_copying_settings || (type & E_FATAL_ERRORS) != 0) {
		igor_previous_error(type, file, line, message);
	}
}

void igor_thread_globals_create(void)
{
	igor_copying_settings = true;
	(void) ts_resource(0);
	igor_copying_settings = false;
	/* PHP does that only for the thread that starts the engine. For other threads the locale of basename() would be random.
	 */
	zend_update_current_locale();
	igor_replace_functions_of_thread();
}

void igor_thread_globals_install(void)
{
	igor_previous_error = zend_error_cb;
	zend_error_cb = igor_report_error;
}

/* A background worker has no time limit. Set for this PHP request only; the script may set one. */
static void igor_lift_time_limit(void)
{
	zend_string *name = ZSTR_INIT_LITERAL("max_execution_time", 0);

	zend_alter_ini_entry_chars(name, "0", 1, PHP_INI_USER, PHP_INI_STAGE_RUNTIME);
	zend_string_release(name);
	zend_unset_timeout();
}

/* PHP's command line opens its script without a stream, so that the first resource of the script has the number 4. If it
 * cannot be opened, PHP reports the error. */
static void igor_open_script(const igor_request *request, zend_file_handle *script)
{
	FILE *file;

	if (request->script[0] == '\0') {
		zend_stream_init_fp(script, stdin, "Standard input code");
	} else if (request->command_line && (file = fopen(request->script, "rbe")) != NULL) {
		zend_stream_init_fp(script, file, request->script);
	} else {
		zend_stream_init_filename(script, request->script);
	}
}

/* Settings that hold for this PHP request, as php_admin_value does in other SAPIs: the script cannot change them back. */
static void igor_apply_settings(const igor_request *request)
{
	size_t i;

	for (i = 0; i < request->settings_len; i++) {
		const igor_pair *setting = &request->settings[i];
		zend_string *name = zend_string_init(setting->name, setting->name_len, 0);

		if (zend_alter_ini_entry_chars(name, setting->value, setting->value_len, PHP_INI_SYSTEM, PHP_INI_STAGE_ACTIVATE)
			== FAILURE) {
			php_error_docref(NULL, E_WARNING, "The php.ini setting %s of the configuration cannot be set", setting->name);
		}
		zend_string_release(name);
	}
}

/* A background worker's output goes to the log, so its errors have no HTML, as on PHP's command line. */
static void igor_errors_are_text(void)
{
	zend_string *name = zend_string_init(ZEND_STRL("html_errors"), 0);

	zend_alter_ini_entry_chars(name, "0", 1, PHP_INI_USER, PHP_INI_STAGE_RUNTIME);
	zend_string_release(name);
}

static void igor_execute(igor_thread *self)
{
	zend_file_handle script;

	IGOR_FAULT("execute");
	igor_apply_settings(&self->request);
	if (self->request.command_line) {
		/* PHP's command line builds $_SERVER before the script uses it. */
		zend_is_auto_global(ZSTR_KNOWN(ZEND_STR_AUTOGLOBAL_SERVER));
		igor_define_standard_streams();
	}
	if (self->request.code != NULL) {
		zend_eval_string_ex(self->request.code, NULL, "Command line code", true);
		return;
	}
	igor_open_script(&self->request, &script);
	script.primary_script = 1;
	/* A worker may also be a program for the shell, which starts with "#!". */
	CG(skip_shebang) = true;
	if (self->mode == IGOR_BACKGROUND) {
		igor_lift_time_limit();
		igor_errors_are_text();
	}
	if (self->mode != IGOR_CLASSIC) {
		igor_files_check_all();
	}
	php_execute_script(&script);
	zend_destroy_file_handle(&script);
}

#define IGOR_NO_TIMER \
	"a script was not started: the system has no timer left for max_execution_time; raise the limit of pending signals (ulimit -i)"

/* * Creates the timer of max_execution_time before zend_max_execution_timer_init(), which then finds it. If the system has
 * no timer left, that function would end PHP's startup halfway, and the shutdown would free the memory of the previous
 * request a second time. */
static bool igor_timer_make(void)
{
#if defined(ZEND_MAX_EXECUTION_TIMERS) && defined(__linux__)
	struct sigevent event = {0};
	pid_t pid = getpid();

	if (EG(pid) == pid) {
		return true;
	}
	event.sigev_notify = SIGEV_THREAD_ID;
	event.sigev_value.sival_ptr = &EG(max_execution_timer_timer);
	event.sigev_signo = SIGRTMIN;
	event.sigev_notify_thread_id = igor_self->tid;
	if (timer_create(CLOCK_BOOTTIME, &event, &EG(max_execution_timer_timer)) != 0) {
		/* Not PHP's own log, because that formats dates, and no request heap exists. */
		igor_log(LOG_ERR, IGOR_NO_TIMER, sizeof(IGOR_NO_TIMER) - 1);
		return false;
	}
	EG(pid) = pid;
	sigaction(event.sigev_signo, NULL, &EG(oldact));
#endif
	return true;
}

/* Clears the state of an earlier PHP request. */
static void igor_serve_begin(igor_thread *self)
{
	self->memory_peak = 0;
	self->has_job = self->request.has_job;
	self->handled = false;
	self->in_callback = false;
	self->leavable = false;
	self->leaving = false;
	self->left = false;
	self->finished = false;
	self->body_aborted = false;
	self->stopping = false;
	self->opening_fd = -1;
	self->shut_down = false;
	if (self->mode == IGOR_BACKGROUND) {
		igor_children_block(self);
	}
	igor_request_info_fill(&self->request);
	if (self->request.no_chdir) {
		SG(options) |= SAPI_OPTION_NO_CHDIR;
	}
	self->starting = true;
}

/* The script, between PHP's startup and shutdown. */
static void igor_serve_script(igor_thread *self, igor_outcome *outcome)
{
	/* PHP's startup keeps the previous request's status. */
	EG(exit_status) = 0;
	if (self->request.no_headers) {
		SG(headers_sent) = 1;
		SG(request_info).no_headers = 1;
	}
	igor_thread_publish(self);
	/* PHP's startup has read the form. A script never gets an incomplete one. */
	if (!self->body_aborted) {
		zend_try {
			igor_execute(self);
		} zend_end_try();
	}
	self->memory_peak = zend_memory_peak_usage(true);
	outcome->failed = igor_request_failed();
	outcome->exit_status = CG(unclean_shutdown) && EG(exit_status) == 0 ? 255 : EG(exit_status);
}

/* Releases the memory that the PHP request held outside of its heap. The heap is gone. */
static void igor_serve_end(igor_thread *self)
{
	/* They point to freed memory. The next startup resets them late: if it bailed out before, its shutdown would
	 * free them again. */
	memset(&PG(http_globals), 0, sizeof(PG(http_globals)));
	IGOR_FATAL_BACKTRACE_FORGET();
	igor_thread_withdraw(self);
	igor_signals_restore(self);
	igor_children_abandon(self);
	if (self->opening_fd >= 0) {
		close(self->opening_fd);
	}
	igor_environment_release(self);
	igor_cache_forget(self);
	igor_elements_forget(self);
	/* They were in the request heap, which was freed even if their release was interrupted. */
	self->boot_ini = NULL;
	self->boot_shutdown = NULL;
	self->resets = false;
	self->touched = 0;
	self->has_job = false;
	self->no_body = NULL;
	SG(server_context) = NULL;
}

/* One PHP request from startup to shutdown: a classic request, or a whole run of a worker script. */
static void igor_serve(igor_thread *self)
{
	igor_outcome outcome = {0};
	bool has_timer, started;

	igor_opcache_enter(self);
	igor_serve_begin(self);
	has_timer = igor_timer_make();
	if (has_timer) {
		igor_ini_apply(&self->request);
	}
	started = has_timer && php_request_startup() == SUCCESS;
	igor_opcache_entered(self);
	if (started) {
		igor_opcache_look();
		igor_serve_script(self, &outcome);
	} else {
		outcome.failed = true;
		outcome.exit_status = 255;
	}
	outcome.handled = self->handled;
	/* Allocates, and may free values with destructors. Both can bail out, and no code of PHP catches that here. */
	zend_try {
		igor_boot_state_release(self);
	} zend_catch {
		outcome.failed = true;
	} zend_end_try();

	igor_alarm_cancel(self);
	igor_signals_end(self);
	igor_bound_shutdown_of_child();
	/* Shutdown functions and destructors run user code, which may be killed or may bail out. */
	if (has_timer) {
		zend_try {
			php_request_shutdown(NULL);
		} zend_catch {
			outcome.failed = true;
		} zend_end_try();
	}
	if (igor_in_forked_server()) {
		_exit(outcome.exit_status);
	}
	igor_serve_end(self);
	host_end(self->host, &outcome);
}

/* umask() and the working directory belong to the process; after this call they are the calling thread's own. A sandbox may
 * refuse it: then they stay shared, as in other threaded servers. */
static void igor_thread_own_file_system(void)
{
#ifdef __linux__
	(void) unshare(CLONE_FS);
#endif
}

/* Persistent connections of the thread, which ts_free_thread() leaves open. Their destructors may report errors. */
static void igor_persistent_close(void)
{
	zend_try {
		zend_hash_graceful_reverse_destroy(&EG(persistent_list));
	} zend_end_try();
	/* Some versions destroy the list again with the thread's globals. */
	zend_hash_init(&EG(persistent_list), 8, NULL, NULL, 1);
}

void shim_thread_run(void *host, igor_mode mode)
{
	igor_thread self = {0};

	igor_thread_own_file_system();
	self.host = host;
	self.mode = mode;
	self.pthread = pthread_self();
	self.tid = (pid_t) syscall(SYS_gettid);
	self.pid = getpid();
	igor_limits_join(&self);
	igor_thread_globals_create();
	pthread_sigmask(SIG_SETMASK, NULL, &self.mask);
	self.vm_interrupt = &EG(vm_interrupt);
	self.timed_out = &EG(timed_out);
	igor_self = &self;
	while (host_next(host, &self.request) == IGOR_RUN) {
		igor_serve(&self);
	}
	igor_persistent_close();
	igor_self = NULL;
	ts_free_thread();
	igor_limits_leave(&self);
}

/* The program that has loaded the module runs PHP on this thread. Its scripts own their output, also in a forked child. */
void *shim_thread_adopt(void *host)
{
	igor_thread *self = calloc(1, sizeof(igor_thread));

	if (self == NULL) {
		return NULL;
	}
	self->host = host;
	self->mode = IGOR_HOSTED;
	self->pthread = pthread_self();
	self->vm_interrupt = &EG(vm_interrupt);
	self->request.own_process = true;
	igor_self = self;
	return self;
}

void shim_thread_release(void *thread)
{
	igor_self = NULL;
	free(thread);
}
