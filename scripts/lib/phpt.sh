# shellcheck shell=bash
# Shared by the scripts that drive PHP's run-tests.php. Expects ROOT and PHP_CONFIG.

# The place of run-tests.php: beside phpize if PHP was installed with it, otherwise in the source tree.
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

# tests_with PATTERN RESULTS: the tests with one of these results, of lines of result and test.
tests_with() {
    awk -F '\t' -v pattern="^($1)\$" '$1 ~ pattern { print $2 }' "$2" | LC_ALL=C sort
}

# sample_of N: N of the lines of standard input, spread evenly; all of them if there are not more, or if N is 0.
sample_of() {
    awk -v wanted="$1" '{ line[NR] = $0 }
        END { for (i = 1; i <= NR; i++)
            if (wanted == 0 || wanted >= NR || int(i * wanted / NR) != int((i - 1) * wanted / NR)) print line[i] }'
}

# work_folder FOLDER BINARY NAME: fills WORK: FOLDER if it is not empty, which is kept; otherwise a folder beside BINARY,
# removed when the script ends.
work_folder() {
    if [[ -n $1 ]]; then
        mkdir -- "$1"
        WORK=$(realpath -- "$1")
    else
        WORK=$(mktemp -d -- "$(dirname -- "$(readlink -f -- "$2")")/$3.XXXXXX")
        trap 'rm -rf -- "$WORK"' EXIT
    fi
}
