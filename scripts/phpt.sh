#!/usr/bin/env bash
# Runs .phpt suites under this SAPI, or with the module in a stock php, by PHP's own run-tests.php. See phpt/README.md.
#
#   scripts/phpt.sh BINARY [OPTION…] [PATH…]
#
# BINARY is the program igor, the module igor.so, or a php that has the module compiled in. Options, which begin with a dash, go to run-tests.php; a path is a
# .phpt file or a folder of them (default: those of phpt for this SAPI, or for the module). The last line has the numbers of
# passed and failed tests; the exit status is 0 if none failed.
#
# Environment:
#   PHP_CONFIG  php-config of the PHP that BINARY was compiled against; default: the one that `make php` built
#   PHPT_JOBS   tests at a time (default 2)
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# Options of run-tests.php that take a value.
readonly VALUE_OPTIONS='^-[cdFgluwrW]$|^--(context|set-timeout|temp-source|temp-target|file-cache-use|diff)$'

# shellcheck source=scripts/lib/phpt.sh
source "$ROOT/scripts/lib/phpt.sh"

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# read_arguments ARGUMENT…: fills OPTIONS and PATHS.
read_arguments() {
    OPTIONS=() PATHS=()
    while (($# > 0)); do
        if [[ $1 =~ $VALUE_OPTIONS ]]; then
            (($# > 1)) || fail "reading the arguments: $1 needs a value"
            OPTIONS+=("$1" "$2")
            shift
        elif [[ $1 == -* ]]; then
            OPTIONS+=("$1")
        elif [[ -e $1 ]]; then
            PATHS+=("$(realpath -- "$1")")
        else
            fail "finding tests: there is no $1"
        fi
        shift
    done
}

# count RESULT…: how many tests have one of these results.
count() {
    local pattern
    pattern=$(IFS='|' && printf '%s' "$*")
    cut -f 1 -- "$WORK/results" | grep --count --extended-regexp "^($pattern)$" || true
}

# prepare_program BINARY: igor as the PHP under test.
prepare_program() {
    [[ -x $1 ]] || fail "finding the program: $1 is no program; run make build"
    TESTED=$WORK/igor-php
    TESTED_CGI=$WORK/igor-php-cgi
    link_program "$1" "$TESTED"
    link_program "$1" "$TESTED_CGI"
    ((${#PATHS[@]} > 0)) || PATHS=("$ROOT"/phpt/{cgi,functions,handle,store,tasks,vars,workers})
}

# prepare_host PHP: a stock php with the module as the PHP under test. Its log would mix with the output of tests; a test
# that needs it asks for it in its section ENV.
prepare_host() {
    TESTED=$1
    TESTED_CGI=''
    export IGOR_LOG=${IGOR_LOG:-off}
    # Scripts see their workers, stores and tasks the same way in both, so the same tests apply. Two do not: the module has
    # no apcu_* functions (store/apcu), and without a configuration it has no classes either (handle/wrong_place).
    ((${#PATHS[@]} > 0)) || PATHS=("$ROOT"/phpt/{module,tasks,vars,workers} "$ROOT"/phpt/handle/{handle,ready}.phpt
        "$ROOT"/phpt/store/{errors,methods,repeated_reads,threads,values}.phpt "$ROOT/phpt/functions/signals.phpt")
}

main() {
    (($# > 0)) || fail 'usage: scripts/phpt.sh BINARY [OPTION…] [PATH…]'
    local binary=$1 php run_tests status=0 passed failed
    shift
    [[ -f $binary ]] || fail "finding the program: there is no $binary; run make build"
    PHP_CONFIG=${PHP_CONFIG:-$("$ROOT/scripts/php.sh" print)}
    php=$(dirname -- "$PHP_CONFIG")/php
    [[ -x $php ]] || fail "finding the php that runs run-tests.php: there is no $php beside php-config"
    run_tests=$(find_run_tests)
    read_arguments "$@"

    WORK=$(mktemp -d -- "$(dirname -- "$(readlink -f -- "$binary")")/phpt.XXXXXX")
    trap 'rm -rf -- "$WORK"' EXIT
    if [[ $binary == *.so ]]; then
        OPTIONS+=(-d "extension=$(realpath -- "$binary")")
        prepare_host "$php"
    elif [[ $(basename -- "$binary") == php ]]; then
        prepare_host "$(realpath -- "$binary")"
    else
        prepare_program "$binary"
    fi
    # It writes beside itself.
    cp -- "$run_tests" "$WORK/run-tests.php"
    touch -- "$WORK/results"

    cd -- "$ROOT"
    # One thread would switch the write protection of opcache's memory while others run.
    TEST_PHP_EXECUTABLE=$TESTED TEST_PHP_CGI_EXECUTABLE=$TESTED_CGI \
        NO_INTERACTION=1 SKIP_ONLINE_TESTS=1 \
        "$php" -n "$WORK/run-tests.php" -q -j"${PHPT_JOBS:-2}" --show-diff --no-progress -W "$WORK/results" \
        -d opcache.protect_memory=0 ${OPTIONS[@]+"${OPTIONS[@]}"} "${PATHS[@]}" || status=$?

    passed=$(count PASSED XFAILED)
    failed=$(count FAILED LEAKED BORKED WARNED)
    printf '%d passed, %d failed\n' "$passed" "$failed"
    ((status == 0 && failed == 0 && passed > 0))
}

main "$@"
