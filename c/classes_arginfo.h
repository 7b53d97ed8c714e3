/* The signatures of classes.stub.php in the engine's form. */
#ifndef IGOR_CLASSES_ARGINFO_H
#define IGOR_CLASSES_ARGINFO_H

/* A constructor, or a method that returns a stream: neither has a type that PHP could check. */
ZEND_BEGIN_ARG_INFO_EX(arginfo_igor_untyped, 0, 0, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_igor_void, 0, 0, IS_VOID, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_igor_WorkerHandle_tick, 0, 0, _IS_BOOL, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_igor_WorkerHandle_setVars, 0, 1, IS_VOID, 0)
	ZEND_ARG_TYPE_INFO(0, vars, IS_ARRAY, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_OBJ_INFO_EX(arginfo_igor_WorkerHandle_receive, 0, 0, FrankenPHP\\ReceivedTaskHandle, 1)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_INFO_EX(arginfo_igor_SentTaskHandle___construct, 0, 0, 2)
	ZEND_ARG_TYPE_INFO(0, worker, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO(0, payload, IS_ARRAY, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, timeout, IS_DOUBLE, 1, "30.0")
ZEND_END_ARG_INFO()

/* As for frankenphp_get_vars(): no promise of a reference count. */
ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_igor_SentTaskHandle_read, 0, 0, IS_ARRAY, 1)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_igor_ReceivedTaskHandle_getPayload, 0, 0, IS_ARRAY, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_igor_ReceivedTaskHandle_update, 0, 1, IS_VOID, 0)
	ZEND_ARG_TYPE_INFO(0, data, IS_ARRAY, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_igor_ReceivedTaskHandle_complete, 0, 0, IS_VOID, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, data, IS_ARRAY, 1, "null")
ZEND_END_ARG_INFO()

#endif
