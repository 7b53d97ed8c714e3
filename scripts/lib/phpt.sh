# shellcheck shell=bash
# What the scripts that drive PHP's run-tests.php share. Expects ROOT and PHP_CONFIG.

# Where run-tests.php lies: beside phpize where PHP was installed with it, else in the source tree.
find_run_tests() {
    local installed
    installed=$("$PHP_CONFIG" --prefix)/lib/php/build/run-tests.php
    if [[ -f $installed ]]; then
        printf '%s\n' "$installed"
    else
        printf '%s/run-tests.php\n' "$("$ROOT/scripts/php.sh" source)"
    fi
}

# A hard link, not a symbolic one: PHP_BINARY is the resolved path, and tests call it.
link_program() {
    ln -- "$(readlink -f -- "$1")" "$2" 2>/dev/null || cp -- "$1" "$2"
}
