/* FrankenPHP\WorkerHandle; and the registration of all classes. */
#include "internal.h"
#include "classes_arginfo.h"

#include <ext/spl/spl_exceptions.h>

static zend_class_entry *igor_worker_handle_class;
static zend_object_handlers igor_worker_handle_handlers;

static zend_object *igor_worker_handle_create(zend_class_entry *class)
{
	return igor_handle_create(class, &igor_worker_handle_handlers);
}

static bool igor_is_background(const char *what)
{
	if (igor_self != NULL && igor_self->mode == IGOR_BACKGROUND) {
		return true;
	}
	zend_throw_exception_ex(spl_ce_RuntimeException, 0, "%s in a background worker", what);
	return false;
}

/* FRANKENPHP_WORKER_BACKGROUND in $_SERVER: scripts written for the object expect the worker's name, those written for the
 * functions expect true. */
static void igor_follow_convention(void)
{
	zval *server = zend_hash_str_find(&EG(symbol_table), ZEND_STRL("_SERVER"));
	zval name, *own;

	if (server == NULL) {
		return;
	}
	ZVAL_DEREF(server);
	if (Z_TYPE_P(server) != IS_ARRAY) {
		return;
	}
	own = zend_hash_str_find(Z_ARRVAL_P(server), ZEND_STRL("FRANKENPHP_WORKER_NAME"));
	if (own == NULL) {
		return;
	}
	ZVAL_COPY(&name, own);
	SEPARATE_ARRAY(server);
	zend_hash_str_update(Z_ARRVAL_P(server), ZEND_STRL("FRANKENPHP_WORKER_BACKGROUND"), &name);
}

ZEND_METHOD(FrankenPHP_WorkerHandle, __construct)
{
	igor_verdict verdict;

	ZEND_PARSE_PARAMETERS_NONE();
	if (!igor_is_background("FrankenPHP\\WorkerHandle can only be created")) {
		RETURN_THROWS();
	}
	IGOR_FAULT("worker handle");
	verdict = host_handle_open(igor_self->host);
	if (verdict != IGOR_OK) {
		igor_throw(igor_self, verdict);
		RETURN_THROWS();
	}
	zend_is_auto_global(ZSTR_KNOWN(ZEND_STR_AUTOGLOBAL_SERVER));
	igor_follow_convention();
}

ZEND_METHOD(FrankenPHP_WorkerHandle, tick)
{
	ZEND_PARSE_PARAMETERS_NONE();
	/* In a forked child the script ends, because the server is its parent. */
	RETURN_BOOL(!igor_in_forked_server() && host_tick(igor_self->host));
}

static igor_verdict igor_worker_stream(const igor_object *handle, int *fd)
{
	(void) handle;
	return host_handle_stream(igor_self->host, fd);
}

ZEND_METHOD(FrankenPHP_WorkerHandle, getStream)
{
	ZEND_PARSE_PARAMETERS_NONE();
	igor_handle_stream(igor_handle_of(Z_OBJ_P(ZEND_THIS)), igor_worker_stream, return_value);
}

ZEND_METHOD(FrankenPHP_WorkerHandle, setVars)
{
	PHP_FN(frankenphp_set_vars)(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

ZEND_METHOD(FrankenPHP_WorkerHandle, receive)
{
	uint64_t id;

	ZEND_PARSE_PARAMETERS_NONE();
	if (igor_in_forked_server()) {
		return;
	}
	/* Before the task is taken, because creating the object may leave by a jump. */
	object_init_ex(return_value, igor_received_task_class);
	IGOR_FAULT("receive");
	id = host_receive(igor_self->host);
	if (id == 0) {
		zval_ptr_dtor(return_value);
		RETURN_NULL();
	}
	igor_handle_of(Z_OBJ_P(return_value))->id = id;
}

static const zend_function_entry igor_worker_handle_methods[] = {
	ZEND_ME(FrankenPHP_WorkerHandle, __construct, arginfo_igor_untyped, ZEND_ACC_PUBLIC)
	ZEND_ME(FrankenPHP_WorkerHandle, tick, arginfo_igor_WorkerHandle_tick, ZEND_ACC_PUBLIC)
	ZEND_ME(FrankenPHP_WorkerHandle, getStream, arginfo_igor_untyped, ZEND_ACC_PUBLIC)
	ZEND_ME(FrankenPHP_WorkerHandle, setVars, arginfo_igor_WorkerHandle_setVars, ZEND_ACC_PUBLIC)
	ZEND_ME(FrankenPHP_WorkerHandle, receive, arginfo_igor_WorkerHandle_receive, ZEND_ACC_PUBLIC)
	PHP_FE_END
};

void igor_classes_register(void)
{
	igor_worker_handle_class = igor_handle_register(ZEND_STRL("FrankenPHP\\WorkerHandle"), igor_worker_handle_methods,
		igor_worker_handle_create, &igor_worker_handle_handlers, igor_handle_free);
	igor_task_classes_register();
	igor_store_class_register();
	IGOR_IMPLEMENT_POLL_HANDLE(igor_worker_handle_class);
}
