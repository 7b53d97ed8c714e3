/* Proves that a program can be linked with the embed library of a new PHP and
 * that a script runs in it. Compiled and run by scripts/php.sh. */
#include <sapi/embed/php_embed.h>

int main(int argc, char **argv)
{
	zval answer;
	int passed = 0;

	if (php_embed_init(argc, argv) == FAILURE) {
		return 1;
	}
	if (zend_eval_string("PHP_ZTS + strlen(implode(['a', 'b']))", &answer, "embed check") == SUCCESS) {
		passed = Z_TYPE(answer) == IS_LONG && Z_LVAL(answer) == 3;
	}
	php_embed_shutdown();
	return passed ? 0 : 1;
}
