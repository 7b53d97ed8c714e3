/* Programs that scripts start.
 *
 * Where the signals of the process belong to a script of its own (ThreadOptions in php/thread.rs), the threads of workers
 * block them. A program inherits the blocked signals of the thread that starts it. SIGTERM or the terminal could then not
 * end it, and a shell would wait for its own children for ever. So what starts programs is called with the signals as the
 * process had them at its start. */
#include "internal.h"

#include <signal.h>
#include <string.h>

static const char *const igor_starting_functions[] = {
	"exec", "mail", "passthru", "pcntl_exec", "pcntl_fork", "popen", "proc_open", "shell_exec", "system",
};
#define IGOR_STARTING_FUNCTIONS (sizeof(igor_starting_functions) / sizeof(*igor_starting_functions))

static zif_handler igor_starting[IGOR_STARTING_FUNCTIONS];
static sigset_t igor_mask_of_process;

void igor_children_block(const igor_thread *self)
{
	pthread_sigmask(SIG_SETMASK, &self->mask, NULL);
}

/* In place of each of the functions. A jump out of it leaves the signals unblocked until the next run of the script. */
static void igor_start_program(INTERNAL_FUNCTION_PARAMETERS)
{
	/* By the text: opcache puts the names of all functions elsewhere, and a closure over the function is a copy of it. */
	const zend_string *name = EX(func)->common.function_name;
	bool blocks = igor_self != NULL && igor_self->mode == IGOR_BACKGROUND;
	size_t i = 0;

	while (i < IGOR_STARTING_FUNCTIONS && strcmp(igor_starting_functions[i], ZSTR_VAL(name)) != 0) {
		i++;
	}
	if (i == IGOR_STARTING_FUNCTIONS || igor_starting[i] == NULL) {
		zend_throw_error(NULL, "%s(): the function has been renamed, which Igor does not support", ZSTR_VAL(name));
		return;
	}
	if (blocks) {
		pthread_sigmask(SIG_SETMASK, &igor_mask_of_process, NULL);
	}
	igor_starting[i](INTERNAL_FUNCTION_PARAM_PASSTHRU);
	if (blocks && !igor_forked) {
		igor_children_block(igor_self);
	}
}

void igor_children_install(void)
{
	size_t i;

	pthread_sigmask(SIG_SETMASK, NULL, &igor_mask_of_process);
	for (i = 0; i < IGOR_STARTING_FUNCTIONS; i++) {
		igor_starting[i] = igor_replace_function(igor_starting_functions[i], igor_start_program);
	}
}
