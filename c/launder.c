/* Laundering, for tests only (cargo feature `launder`, switched on by the environment variable IGOR_LAUNDER): every
 * constant string and array that a script uses as a value goes through publish and get first. A value position of the
 * syntax tree that holds a constant is wrapped into a call of igor_launder_string(), igor_launder_array() or, where only
 * its name is known, igor_launder_constant(), before the engine compiles it. So the engine, opcache and the JIT see the
 * same as with frankenphp_get_vars(): the result of an internal function with a declared type, which points into an arena.
 * docs/testing-snapshots.md says what this covers. */
#include "internal.h"

#include <zend_ast.h>
#include <zend_compile.h>

#include <stdlib.h>
#include <string.h>

/* Numbers the places of all scripts of the process, so that each has a slot of its own. */
static uint64_t igor_launder_sites = 0;

/* ---- Which constants are wrapped ----------------------------------------------------------------------------- */

static bool igor_is_constant_array(zend_ast *ast);

/* The allowed elements of a constant array. */
static bool igor_is_constant_element(zend_ast *ast)
{
	switch (ast->kind) {
		case ZEND_AST_ZVAL:
		case ZEND_AST_CONST:
		case ZEND_AST_CLASS_CONST:
			return true;
		case ZEND_AST_UNARY_PLUS:
		case ZEND_AST_UNARY_MINUS:
			return ast->child[0]->kind == ZEND_AST_ZVAL;
		default:
			return igor_is_constant_array(ast);
	}
}

static bool igor_is_constant_array(zend_ast *ast)
{
	zend_ast_list *list = (zend_ast_list *) ast;
	uint32_t i;

	if (ast->kind != ZEND_AST_ARRAY || ast->attr == ZEND_ARRAY_SYNTAX_LIST) {
		return false;
	}
	for (i = 0; i < list->children; i++) {
		zend_ast *element = list->child[i];

		/* No hole, no spread, no reference. */
		if (element == NULL || element->kind != ZEND_AST_ARRAY_ELEM || element->attr != 0
			|| !igor_is_constant_element(element->child[0])
			|| (element->child[1] != NULL && !igor_is_constant_element(element->child[1]))) {
			return false;
		}
	}
	return true;
}

static bool igor_is_constant_string(zend_ast *ast)
{
	return ast->kind == ZEND_AST_ZVAL && Z_TYPE_P(zend_ast_get_zval(ast)) == IS_STRING;
}

/* A constant of a class, or a global one that is no keyword. */
static bool igor_is_named_constant(zend_ast *ast)
{
	const zend_string *name;

	if (ast->kind == ZEND_AST_CLASS_CONST) {
		return true;
	}
	if (ast->kind != ZEND_AST_CONST) {
		return false;
	}
	name = zend_ast_get_str(ast->child[0]);
	return !zend_string_equals_literal_ci(name, "null") && !zend_string_equals_literal_ci(name, "true")
		&& !zend_string_equals_literal_ci(name, "false");
}

/* The function that launders this node; NULL: it is no constant. */
static const char *igor_launder_function(zend_ast *ast)
{
	if (igor_is_constant_string(ast)) {
		return "igor_launder_string";
	}
	if (igor_is_constant_array(ast)) {
		return "igor_launder_array";
	}
	return igor_is_named_constant(ast) ? "igor_launder_constant" : NULL;
}

/* A place that accepts any expression and only reads its value. A place that takes a name (of a function, class, variable
 * or property), a constant expression or a target of a write is not one. */
static bool igor_is_value_position(const zend_ast *parent, uint32_t child)
{
	switch (parent->kind) {
		case ZEND_AST_ARG_LIST:
		case ZEND_AST_ENCAPS_LIST:
		case ZEND_AST_ARRAY_ELEM:
		case ZEND_AST_BINARY_OP:
		case ZEND_AST_GREATER:
		case ZEND_AST_GREATER_EQUAL:
		case ZEND_AST_AND:
		case ZEND_AST_OR:
		case ZEND_AST_CONDITIONAL:
		case ZEND_AST_UNARY_OP:
		case ZEND_AST_CAST:
		case ZEND_AST_SILENCE:
		case ZEND_AST_PRINT:
		case ZEND_AST_ECHO:
		case ZEND_AST_RETURN:
		case ZEND_AST_YIELD:
		case ZEND_AST_YIELD_FROM:
		case ZEND_AST_UNPACK:
		case ZEND_AST_INCLUDE_OR_EVAL:
			return true;
		case ZEND_AST_FOREACH:
			return child == 0 && parent->child[1]->kind != ZEND_AST_REF;
		case ZEND_AST_SWITCH:
		case ZEND_AST_MATCH:
			return child == 0;
		case ZEND_AST_ASSIGN:
		case ZEND_AST_ASSIGN_OP:
		case ZEND_AST_ASSIGN_COALESCE:
		case ZEND_AST_COALESCE:
		case ZEND_AST_DIM:
		case ZEND_AST_NAMED_ARG:
		case ZEND_AST_MATCH_ARM:
			return child == 1;
		default:
			return false;
	}
}

/* There a call differs from a constant: it could be passed, returned, yielded or destructured by reference. */
static bool igor_may_be_by_reference(const zend_ast *parent)
{
	switch (parent->kind) {
		case ZEND_AST_ARG_LIST:
		case ZEND_AST_NAMED_ARG:
		case ZEND_AST_RETURN:
		case ZEND_AST_YIELD:
			return true;
		case ZEND_AST_ASSIGN:
			return parent->child[0]->kind == ZEND_AST_ARRAY;
		default:
			return false;
	}
}

/* ---- The wrapping -------------------------------------------------------------------------------------------- */

static zend_ast *igor_launder_call(zend_ast *constant, const char *function)
{
	uint32_t line = zend_ast_get_lineno(constant);
	zend_ast *name, *site, *arguments, *call;
	zval value;

	ZVAL_STR(&value, zend_string_init(function, strlen(function), 0));
	name = zend_ast_create_zval_with_lineno(&value, line);
	name->attr = ZEND_NAME_FQ;
	ZVAL_LONG(&value, (zend_long) __atomic_add_fetch(&igor_launder_sites, 1, __ATOMIC_RELAXED));
	site = zend_ast_create_zval_with_lineno(&value, line);
	arguments = zend_ast_create_list(2, ZEND_AST_ARG_LIST, constant, site);
	((zend_ast_list *) arguments)->lineno = line;
	call = zend_ast_create(ZEND_AST_CALL, name, arguments);
	call->lineno = line;
	return call;
}

static zend_ast *igor_launder_wrap(zend_ast *constant, const char *function, const zend_ast *parent)
{
	zend_ast *call = igor_launder_call(constant, function);

	if (igor_may_be_by_reference(parent)) {
		zend_ast *none, *value;
		zval null;

		/* `call() ?? null` is a temporary, as the constant was, and not the result of a call. */
		ZVAL_NULL(&null);
		none = zend_ast_create_zval_with_lineno(&null, call->lineno);
		value = zend_ast_create(ZEND_AST_COALESCE, call, none);
		value->lineno = call->lineno;
		return value;
	}
	return call;
}

/* ---- The walk ------------------------------------------------------------------------------------------------ */

static void igor_launder_ast(zend_ast *ast);

static void igor_launder_child(zend_ast *parent, zend_ast **children, uint32_t i)
{
	zend_ast *child = children[i];
	const char *function;

	if (child == NULL) {
		return;
	}
	function = igor_is_value_position(parent, i) ? igor_launder_function(child) : NULL;
	if (function != NULL) {
		children[i] = igor_launder_wrap(child, function, parent);
	} else {
		igor_launder_ast(child);
	}
}

/* Whether the child is written as an array and means list(): its keys are compiled into the destructuring. */
static bool igor_is_destructured(const zend_ast *parent, uint32_t i)
{
	const zend_ast *child = parent->child[i];

	switch (parent->kind) {
		case ZEND_AST_ASSIGN:
			return i == 0 && child->kind == ZEND_AST_ARRAY;
		case ZEND_AST_FOREACH:
			return i == 1 && (child->kind == ZEND_AST_ARRAY
				|| (child->kind == ZEND_AST_REF && child->child[0]->kind == ZEND_AST_ARRAY));
		default:
			return false;
	}
}

/* The message of a failed assertion is its source, and assertions hold whole closures at times. */
static bool igor_is_assertion(const zend_ast *ast)
{
	zval *name;

	if (ast->kind != ZEND_AST_CALL || ast->child[0]->kind != ZEND_AST_ZVAL) {
		return false;
	}
	name = zend_ast_get_zval(ast->child[0]);
	return Z_TYPE_P(name) == IS_STRING && zend_string_equals_literal_ci(Z_STR_P(name), "assert");
}

/* Depth: the parser and the compiler recurse over the same tree. */
static void igor_launder_ast(zend_ast *ast)
{
	uint32_t i;

	if (ast == NULL || igor_is_assertion(ast)) {
		return;
	}
	switch (ast->kind) {
		case ZEND_AST_FUNC_DECL:
		case ZEND_AST_CLOSURE:
		case ZEND_AST_METHOD:
		case ZEND_AST_CLASS:
		case ZEND_AST_ARROW_FUNC:
			/* The body; the rest is constant expressions, types and names. */
			igor_launder_ast(((zend_ast_decl *) ast)->child[2]);
			return;
		/* Constant expressions take no calls. */
		case ZEND_AST_PARAM_LIST:
		case ZEND_AST_PROP_GROUP:
		case ZEND_AST_CLASS_CONST_GROUP:
		case ZEND_AST_CONST_DECL:
		case ZEND_AST_ATTRIBUTE_LIST:
		case ZEND_AST_ENUM_CASE:
		case ZEND_AST_STATIC:
			return;
		case ZEND_AST_DECLARE:
			igor_launder_ast(ast->child[1]);
			return;
		default:
			break;
	}
	if (zend_ast_is_special(ast)) {
		return;
	}
	if (zend_ast_is_list(ast)) {
		zend_ast_list *list = (zend_ast_list *) ast;

		for (i = 0; i < list->children; i++) {
			igor_launder_child(ast, list->child, i);
		}
		return;
	}
	for (i = 0; i < zend_ast_get_num_children(ast); i++) {
		if (!igor_is_destructured(ast, i)) {
			igor_launder_child(ast, ast->child, i);
		}
	}
}

/* ---- What the wrapped constants call --------------------------------------------------------------------------- */

static void igor_launder(INTERNAL_FUNCTION_PARAMETERS)
{
	igor_reading reading;
	zval *value, holder;
	zend_long site;
	bool laundered;

	ZEND_PARSE_PARAMETERS_START(2, 2)
		Z_PARAM_ZVAL(value)
		Z_PARAM_LONG(site)
	ZEND_PARSE_PARAMETERS_END();

	if (igor_self == NULL || (Z_TYPE_P(value) != IS_STRING && Z_TYPE_P(value) != IS_ARRAY)) {
		RETURN_COPY(value);
	}
	/* Only arrays are published. */
	array_init_size(&holder, 1);
	Z_TRY_ADDREF_P(value);
	add_next_index_zval(&holder, value);
	laundered = host_launder(igor_self->host, (uint64_t) site, Z_ARRVAL(holder), &reading);
	zval_ptr_dtor(&holder);
	if (!laundered) {
		/* Refused, because a constant may be an object. */
		RETURN_COPY(value);
	}
	if (reading.copy || reading.enums) {
		bool copied = igor_copy_root(&holder, &reading, NULL);

		host_read_done(igor_self->host, reading.root);
		if (copied) {
			RETVAL_COPY(zend_hash_index_find(Z_ARRVAL(holder), 0));
			zval_ptr_dtor(&holder);
		}
		return;
	}
	RETVAL_COPY_VALUE(zend_hash_index_find((zend_array *) reading.root, 0));
}

PHP_FUNCTION(igor_launder_string)
{
	igor_launder(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

PHP_FUNCTION(igor_launder_array)
{
	igor_launder(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

PHP_FUNCTION(igor_launder_constant)
{
	igor_launder(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

/* Before the engine starts, because the set of hooks is part of the identity of files in opcache. */
void igor_launder_install(void)
{
	const char *wanted = getenv("IGOR_LAUNDER");

	if (wanted != NULL && strcmp(wanted, "1") == 0) {
		zend_ast_process = igor_launder_ast;
	}
}
