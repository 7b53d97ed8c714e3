/* frankenphp_handle_request(): many HTTP requests inside the one PHP request of an HTTP worker script. For each job, this
 * file resets what php_request_startup() and php_request_shutdown() reset, in the same order. The state that the script set
 * before its loop stays. */
#include "internal.h"

#include <php_main.h>
#include <php_output.h>
#include <php_variables.h>
#include <ext/standard/basic_functions.h>
#include <ext/standard/php_filestat.h>
#include <ext/spl/spl_exceptions.h>

static void igor_free_value(zval *value)
{
	zend_string_release(Z_PTR_P(value));
}

/* ---- The files of the script -------------------------------------------------------------------------------- */

/* A worker restarts because files have changed. So PHP reads its script, and the files that it includes before its loop, as
 * they are now. It ignores opcache.revalidate_freq, and old targets of symbolic links. */
void igor_files_check_all(void)
{
	zend_string *name = ZSTR_INIT_LITERAL("opcache.revalidate_freq", 0);

	realpath_cache_clean();
	/* Not there without opcache. */
	zend_alter_ini_entry_chars(name, "0", 1, PHP_INI_USER, PHP_INI_STAGE_RUNTIME);
	zend_string_release(name);
}

/* From here on the configured value counts, or the script's own: requests must not check every file each time. */
void igor_files_check_as_configured(void)
{
	zend_string *name;

	if (zend_ini_long(ZEND_STRL("opcache.revalidate_freq"), 0) != 0) {
		return;
	}
	name = ZSTR_INIT_LITERAL("opcache.revalidate_freq", 0);
	zend_restore_ini_entry(name, PHP_INI_STAGE_RUNTIME);
	zend_string_release(name);
}

/* ---- What the script set up before its loop ---------------------------------------------------------------- */

static void igor_boot_ini_save(igor_thread *self)
{
	zend_string *name;
	zend_ini_entry *entry;

	IGOR_FAULT("boot_save");
	ALLOC_HASHTABLE(self->boot_ini);
	zend_hash_init(self->boot_ini, 8, NULL, igor_free_value, 0);
	if (EG(modified_ini_directives) == NULL) {
		return;
	}
	ZEND_HASH_MAP_FOREACH_STR_KEY_PTR(EG(modified_ini_directives), name, entry) {
		if (entry->value != NULL) {
			/* Copied, because the next ini_set() may free the entry's own value. */
			zend_hash_update_ptr(self->boot_ini, name, zend_string_init(ZSTR_VAL(entry->value), ZSTR_LEN(entry->value), 0));
		}
	} ZEND_HASH_FOREACH_END();
}

/* Settings of sessions are the run's: frameworks set them once, with the first session. */
static bool igor_ini_is_kept(const zend_string *name)
{
	return zend_string_starts_with_literal(name, "session.");
}

/* Resets every other ini_set() of the request: to the boot's value if the boot changed the directive, else to the
 * configured one. */
static void igor_boot_ini_restore(igor_thread *self)
{
	HashTable changed;
	zend_string *name, *value;
	zend_ini_entry *entry;

	/* The directives of the boot come first: a request may have removed them from the list of modified ones
	 * (ini_restore()). */
	ZEND_HASH_MAP_FOREACH_STR_KEY_PTR(self->boot_ini, name, value) {
		entry = zend_hash_find_ptr(EG(ini_directives), name);
		if (entry != NULL && !igor_ini_is_kept(name) && (entry->value == NULL || !zend_string_equals(entry->value, value))) {
			zend_alter_ini_entry_ex(name, value, PHP_INI_USER, PHP_INI_STAGE_RUNTIME, true);
		}
	} ZEND_HASH_FOREACH_END();
	if (EG(modified_ini_directives) == NULL || zend_hash_num_elements(EG(modified_ini_directives)) == 0) {
		return;
	}
	/* Restoring removes entries from the table that is iterated. */
	zend_hash_init(&changed, zend_hash_num_elements(EG(modified_ini_directives)), NULL, NULL, 0);
	zend_hash_copy(&changed, EG(modified_ini_directives), NULL);
	ZEND_HASH_MAP_FOREACH_STR_KEY(&changed, name) {
		if (!zend_hash_exists(self->boot_ini, name) && !igor_ini_is_kept(name)) {
			zend_restore_ini_entry(name, PHP_INI_STAGE_DEACTIVATE);
		}
	} ZEND_HASH_FOREACH_END();
	zend_hash_destroy(&changed);
}

static void igor_boot_save(igor_thread *self)
{
	igor_files_check_as_configured();
	igor_boot_ini_save(self);
	IGOR_FAULT("boot_save half");
	igor_environment_keep(self);
	self->boot_shutdown = BG(user_shutdown_function_names);
	BG(user_shutdown_function_names) = NULL;
	igor_reset_begin(self);
}

/* Returns the shutdown functions of the boot to PHP, before those of a request that never ended. So php_request_shutdown()
 * runs all of them in the order of their registration. */
static void igor_boot_shutdown_restore(igor_thread *self)
{
	HashTable *of_request = BG(user_shutdown_function_names);
	php_shutdown_function_entry *entry;

	if (self->boot_shutdown == NULL) {
		return;
	}
	if (of_request != NULL) {
		ZEND_HASH_FOREACH_PTR(of_request, entry) {
			zend_hash_next_index_insert_mem(self->boot_shutdown, entry, sizeof(*entry));
		} ZEND_HASH_FOREACH_END();
	}
	BG(user_shutdown_function_names) = self->boot_shutdown;
	self->boot_shutdown = NULL;
}

/* Called when the script has ended, before php_request_shutdown(). */
void igor_boot_state_release(igor_thread *self)
{
	if (!self->handled) {
		return;
	}
	IGOR_FAULT("boot_release");
	igor_boot_shutdown_restore(self);
	IGOR_FAULT("boot_release half");
	if (self->boot_ini != NULL) {
		zend_hash_destroy(self->boot_ini);
		FREE_HASHTABLE(self->boot_ini);
		self->boot_ini = NULL;
	}
	igor_reset_end(self);
}

/* ---- A client that disconnects -------------------------------------------------------------------------------------- */

/* The request's code has returned. If it was ended because the client has disconnected, the script does not exit. */
static void igor_left(igor_thread *self)
{
	self->leavable = false;
	self->leaving = false;
	if (self->left && EG(exception) != NULL && zend_is_unwind_exit(EG(exception))) {
		zend_clear_exception();
	}
	self->left = false;
}

/* ---- One job ----------------------------------------------------------------------------------------------- */

/* The script's own output between jobs goes to the log, through an output layer without a job. */
static void igor_output_renew(void)
{
	php_output_end_all();
	php_output_deactivate();
	php_output_activate();
}

static void igor_output_start(void)
{
	const char *name = IGOR_OUTPUT_HANDLER();

	if (name != NULL) {
		zval handler;

		ZVAL_STRING(&handler, name);
		php_output_start_user(&handler, 0, PHP_OUTPUT_HANDLER_STDFLAGS);
		zval_ptr_dtor(&handler);
	} else if (PG(output_buffering)) {
		php_output_start_user(NULL, PG(output_buffering) > 1 ? PG(output_buffering) : 0, PHP_OUTPUT_HANDLER_STDFLAGS);
	} else if (PG(implicit_flush)) {
		php_output_set_implicit_flush(1);
	}
}

static void igor_forget_last_error(void)
{
	if (PG(last_error_message) != NULL) {
		zend_string_release(PG(last_error_message));
		PG(last_error_message) = NULL;
	}
	if (PG(last_error_file) != NULL) {
		zend_string_release(PG(last_error_file));
		PG(last_error_file) = NULL;
	}
	IGOR_FATAL_BACKTRACE_RELEASE();
}

/* The filter extension keeps copies of the raw input, which the next sapi_activate() would leak. */
static void igor_filter_forget(void)
{
	zend_module_entry *filter = zend_hash_str_find_ptr(&module_registry, ZEND_STRL("filter"));

	if (filter != NULL) {
		filter->request_shutdown_func(filter->type, filter->module_number);
	}
}

/* Whether code that names this superglobal was compiled or loaded since the superglobals were made: PHP then fills it. */
static bool igor_superglobal_is_used(zend_string *name)
{
	const zend_auto_global *superglobal = zend_hash_find_ptr(CG(auto_globals), name);

	return superglobal != NULL && !superglobal->armed;
}

/* Makes the superglobals again. PHP fills some of them when it first compiles their name ("just in time"). These are filled
 * again only if the script has used them, because its code is compiled already. */
static void igor_superglobals_renew(void)
{
	zend_string *just_in_time[] = {
		ZSTR_KNOWN(ZEND_STR_AUTOGLOBAL_SERVER), ZSTR_KNOWN(ZEND_STR_AUTOGLOBAL_ENV), ZSTR_KNOWN(ZEND_STR_AUTOGLOBAL_REQUEST)};
	bool used[sizeof(just_in_time) / sizeof(just_in_time[0])];
	size_t i;

	for (i = 0; i < sizeof(used) / sizeof(used[0]); i++) {
		used[i] = igor_superglobal_is_used(just_in_time[i]);
	}
	for (i = 0; i < NUM_TRACK_VARS; i++) {
		zval_ptr_dtor(&PG(http_globals)[i]);
	}
	php_hash_environment();
	for (i = 0; i < sizeof(used) / sizeof(used[0]); i++) {
		if (used[i]) {
			zend_is_auto_global(just_in_time[i]);
		}
	}
}

/* PHP's own work at the start of a request, before the script's code. The script's error handler does not see its errors. */
static void igor_request_startup(igor_thread *self)
{
	igor_output_start();
	PG(header_is_being_sent) = 0;
	zend_memory_reset_peak_usage();
	PG(connection_status) = PHP_CONNECTION_NORMAL;
	EG(exit_status) = 0;
	igor_forget_last_error();
	php_clear_stat_cache(0, NULL, 0);

	/* sapi_activate() frees nothing: headers of the boot, or of output between jobs, go before it. There is no server
	 * context yet, so the new job's body is left alone. */
	igor_filter_forget();
	sapi_deactivate();
	igor_request_info_fill(&self->request);
	sapi_activate();
	IGOR_FAULT("job_open half");
	if (PG(expose_php)) {
		sapi_add_header(SAPI_PHP_VERSION_HEADER, sizeof(SAPI_PHP_VERSION_HEADER) - 1, 1);
	}
	igor_session_limit_progress();
	igor_superglobals_renew();
	igor_module_start("zlib");
	igor_session_start();
}

/* Code of the script can run in PHP's work at the start: the handler of a session that starts by itself, the classes of what
 * it holds. If that throws, the request ends with a 500, and the run continues. */
static bool igor_start_failed(void)
{
	if (EG(exception) == NULL) {
		return false;
	}
	if (zend_is_unwind_exit(EG(exception))) {
		zend_clear_exception();
	} else {
		zend_exception_error(EG(exception), E_WARNING);
		SG(sapi_headers).http_response_code = 500;
	}
	return true;
}

/* False: the script's code must not see this request. */
static bool igor_job_open(igor_thread *self)
{
	bool failed;
	int handlers;

	self->has_job = true;
	self->finished = false;
	self->body_aborted = false;
	__atomic_store_n(&self->trace_depth, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&self->place_wanted, false, __ATOMIC_RELAXED);
	IGOR_FAULT("job_open");
	/* Buffers that the script opened outside of requests end with its own code. */
	igor_output_renew();
	handlers = igor_error_handler_hide();
	igor_request_startup(self);
	failed = igor_start_failed();
	if (!failed) {
		igor_opcache_look();
	}
	igor_error_handler_show(handlers);
	IGOR_FAULT("job_open done");
	zend_set_timeout(zend_ini_long(ZEND_STRL("max_execution_time"), 0), 0);
	/* A script must not process an incomplete form. */
	return !failed && !self->body_aborted;
}

/* Ends output, session, body and SAPI of the current job. If a part bails out, the next parts still run; the caller sees
 * the bailout in CG(unclean_shutdown). */
static void igor_job_layers_end(igor_thread *self)
{
	zend_try {
		IGOR_FAULT("job_close output");
		php_output_end_all();
	} zend_end_try();
	zend_unset_timeout();
	zend_try {
		IGOR_FAULT("job_close session");
		igor_session_end();
	} zend_end_try();
	zend_try {
		IGOR_FAULT("job_close layers");
		php_output_deactivate();
	} zend_end_try();

	igor_body_end(self);
	/* The body is a stream, which only the end of the script would free. */
	if (SG(request_info).request_body != NULL) {
		zend_try {
			igor_body_leave(SG(request_info).request_body);
			zend_list_delete(SG(request_info).request_body->res);
		} zend_end_try();
	}
	zend_try {
		IGOR_FAULT("job_close sapi");
		/* Otherwise PHP reads the rest of the body, and the response waits for it. */
		SG(post_read) = 1;
		sapi_deactivate();
	} zend_end_try();
}

/* Ends the current job, with the part of PHP's request shutdown that belongs to the job. User code runs in it
 * (shutdown functions, output callbacks, session handlers). If that bails out, the rest still runs, and then the bailout
 * ends the script. */
void igor_job_close(igor_thread *self)
{
	bool failed, threw;

	if (!self->has_job) {
		return;
	}
	self->leavable = true;
	php_call_shutdown_functions();
	igor_left(self);
	php_free_shutdown_functions();
	/* Their exception is saved: while one is pending, no user code would run in the steps below. */
	threw = EG(exception) != NULL;
	zend_exception_save();
	igor_job_layers_end(self);
	failed = CG(unclean_shutdown);
	/* The callback of header_register_callback(), if the head was already sent. */
	IGOR_HEADER_CALLBACK_RELEASE();
	self->has_job = false;
	igor_alarm_cancel(self);
	igor_environment_renew(self);
	SG(server_context) = NULL;
	memset(&SG(request_info), 0, sizeof(SG(request_info)));
	/* The job belongs to the parent, which answers it. */
	if (!igor_in_forked_server()) {
		host_job_end(self->host, failed || threw);
	}
	if (failed) {
		zend_bailout();
	}
	IGOR_FAULT("job_close ini");
	igor_boot_ini_restore(self);
	IGOR_FAULT("job_close reset");
	igor_reset(self);
	igor_children_of_job_abandon(self);
	php_output_activate();
	zend_exception_restore();
}

/* Throws if the function must not be called. */
static bool igor_handle_request_allowed(const igor_thread *self)
{
	if (self == NULL || self->mode != IGOR_HTTP_WORKER) {
		zend_throw_exception(spl_ce_RuntimeException, self != NULL && self->mode == IGOR_BACKGROUND
			? "frankenphp_handle_request() cannot be called in a background worker: it serves no HTTP requests"
			: "frankenphp_handle_request() can only be called in an HTTP worker script", 0);
		return false;
	}
	if (self->in_callback) {
		zend_throw_exception(spl_ce_RuntimeException,
			"frankenphp_handle_request() cannot be called inside its own callback", 0);
		return false;
	}
	return true;
}

/* The script's first call: its boot is over. */
static void igor_boot_end(igor_thread *self)
{
	igor_boot_save(self);
	zend_unset_timeout();
	self->handled = true;
	igor_output_renew();
}

/* Calls the script's function for a job. Without zend_try: after a bailout the VM stack is freed and the script has to end. */
static void igor_job_call(igor_thread *self, zend_fcall_info *fci, zend_fcall_info_cache *fcc)
{
	zval result;

	self->in_callback = true;
	ZVAL_UNDEF(&result);
	fci->size = sizeof(*fci);
	fci->retval = &result;
	self->leavable = true;
	zend_call_function(fci, fcc);
	igor_left(self);
	zval_ptr_dtor(&result);
	self->in_callback = false;
}

PHP_FUNCTION(frankenphp_handle_request)
{
	igor_thread *self = igor_self;
	zend_fcall_info fci;
	zend_fcall_info_cache fcc;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_FUNC(fci, fcc)
	ZEND_PARSE_PARAMETERS_END();

	if (!igor_handle_request_allowed(self)) {
		RETURN_THROWS();
	}
	if (!self->handled) {
		igor_boot_end(self);
	}
	/* A forked child serves no requests: its script ends, and the process with it. */
	if (igor_in_forked_server()) {
		RETURN_FALSE;
	}
	/* A callback that threw left its job open, so that the exception's handler could still answer. */
	igor_job_close(self);
	if (EG(exception) != NULL) {
		RETURN_THROWS();
	}

	IGOR_FAULT("handle_request");
	if (host_next_job(self->host, &self->request) == IGOR_STOP) {
		self->stopping = true;
		RETURN_FALSE;
	}
	if (!igor_job_open(self)) {
		igor_job_close(self);
		if (EG(exception) != NULL) {
			RETURN_THROWS();
		}
		RETURN_TRUE;
	}

	igor_job_call(self, &fci, &fcc);
	if (EG(exception) != NULL) {
		RETURN_THROWS();
	}
	igor_job_close(self);
	if (EG(exception) != NULL) {
		RETURN_THROWS();
	}
	RETURN_TRUE;
}
