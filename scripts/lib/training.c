/* Runs scripts as a server runs them, one PHP request after the other in one process, so that a PHP that counts its branches
 * learns which ones a server takes. Compiled and run by scripts/php.sh.
 *
 *   training PHP_INI COUNT SCRIPT [COUNT SCRIPT]... */
#include <sapi/embed/php_embed.h>

/* Returns whether the script has ended normally each time. */
static int run(const char *script, int count)
{
	for (; count > 0; count--) {
		zend_file_handle file;
		zend_stream_init_filename(&file, script);
		bool passed = php_execute_script(&file);
		zend_destroy_file_handle(&file);
		php_request_shutdown(NULL);
		if (php_request_startup() == FAILURE || !passed) {
			fprintf(stderr, "running %s failed\n", script);
			return 0;
		}
	}
	return 1;
}

int main(int argc, char **argv)
{
	int passed = 1;

	/* opcache works for servers only. */
	php_embed_module.name = "cli-server";
	php_embed_module.php_ini_path_override = argv[1];
	if (argc < 2 || php_embed_init(1, argv) == FAILURE) {
		return 1;
	}
	for (int i = 2; passed && i + 1 < argc; i += 2) {
		passed = run(argv[i + 1], atoi(argv[i]));
	}
	php_embed_shutdown();
	return passed ? 0 : 1;
}
