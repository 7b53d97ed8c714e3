#!/usr/bin/env bash
# Runs php-src's own tests with every constant string and array of their scripts sent through publish and get, in
# hardened mode, without opcache, with it, with its memory protected, and with both kinds of the JIT. See
# docs/testing-snapshots.md.
#
#   scripts/launder.sh BINARY [SUITE…]
#
# BINARY is the program igor, built with the feature `launder`. A SUITE is a folder or a .phpt file of php-src
# (default: the list below). Every test that does not pass runs again without laundering. The exit status is 0 if laundering
# crashed no test, and every other test that ends differently is listed in phpt/launder-differences.txt.
#
# Environment:
#   PHP_CONFIG    php-config of the PHP that BINARY was compiled against; default: the one that `make php` built
#   PHPT_JOBS     tests at a time (default 2)
#   MODES         which modes to run (default: plain opcache protected function tracing)
#   SAMPLE        N: only some N of the tests, spread evenly (1 means 300)
#   LAUNDER_KEEP  a folder that does not exist yet: tests, outputs and results stay there
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
readonly DIFFERENCES=$ROOT/phpt/launder-differences.txt
readonly SUITES=(Zend/tests tests/lang ext/standard/tests/array ext/standard/tests/strings ext/standard/tests/serialize
    ext/json/tests ext/pcre/tests ext/spl/tests)
readonly SAMPLE_TESTS=300
readonly OWN_TEST=launder/run.phpt
# The failure results of run-tests.php.
readonly FAILURES='FAILED|LEAKED|BORKED|WARNED'

# shellcheck source=scripts/lib/phpt.sh
source "$ROOT/scripts/lib/phpt.sh"

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# settings MODE: the php.ini settings of a mode, one a line.
settings() {
    case $1 in
        plain) printf '%s\n' opcache.enable=0 ;;
        opcache) printf '%s\n' opcache.enable=1 opcache.jit=disable opcache.protect_memory=0 ;;
        protected) printf '%s\n' opcache.enable=1 opcache.jit=disable opcache.protect_memory=1 ;;
        function | tracing) printf '%s\n' opcache.enable=1 "opcache.jit=$1" opcache.jit_buffer_size=64M \
            opcache.protect_memory=0 ;;
        *) fail "choosing the modes: there is no mode $1" ;;
    esac
}

# copy_suites SUITE…: copies them, because run-tests.php and the tests write into the tests' folders.
copy_suites() {
    local source suite
    source=$("$ROOT/scripts/php.sh" source)
    for suite in "$@"; do
        [[ -e $source/$suite ]] || fail "copying the tests: there is no $suite in $source"
        mkdir -p -- "$(dirname -- "$WORK/tests/$suite")"
        cp -R -- "$source/$suite" "$(dirname -- "$WORK/tests/$suite")/"
    done
    find "$WORK/tests" -name '*.phpt' -printf '%P\n' | LC_ALL=C sort >"$WORK/list.all"
}

# choose_tests: the list of all, or an even sample of it.
choose_tests() {
    local wanted=${SAMPLE:-0}
    ((wanted != 1)) || wanted=$SAMPLE_TESTS
    sample_of "$wanted" <"$WORK/list.all" >"$WORK/list"
    printf '%s\n' "$OWN_TEST" >>"$WORK/list"
}

# run MODE IGOR_LAUNDER LIST RESULTS: runs the listed tests and writes lines of result and test.
run() {
    local mode=$1 launder=$2 list=$3 results=$4 setting
    local options=()
    while read -r setting; do
        options+=(-d "$setting")
    done < <(settings "$mode")
    : >"$results.raw"
    # A test that prints its own folder takes it from the path that it was called by.
    sed "s|^|$WORK/tests/|" "$list" >"$results.paths"
    if [[ -s $list ]]; then
        # Its own exit status says only that something failed.
        (cd -- "$WORK/tests" && IGOR_LAUNDER=$launder TEST_PHP_EXECUTABLE=$WORK/igor-php NO_INTERACTION=1 \
            SKIP_ONLINE_TESTS=1 SKIP_SLOW_TESTS=1 \
            "$PHP" -n "$WORK/run-tests.php" -q -j"${PHPT_JOBS:-2}" --no-progress -W "$results.raw" "${options[@]}" \
            -r "$results.paths") >"$results.log" 2>&1 || true
    fi
    sed "s|\t$WORK/tests/|\t|" "$results.raw" | LC_ALL=C sort -t $'\t' -k 2 >"$results"
    (($(wc -l <"$results") == $(wc -l <"$list"))) ||
        fail "running the tests ($mode): run-tests.php did not come to its end; see $results.log"
}

# crashed LIST: the listed tests whose program was ended by a signal in the previous run.
crashed() {
    local test
    while read -r test; do
        if grep -q --text 'Termsig=' "$WORK/tests/${test%.phpt}.out" 2>/dev/null; then
            printf '%s\n' "$test"
        fi
    done <"$1"
}

# is_listed TEST MODE: whether the file of differences knows the test in this mode.
is_listed() {
    awk -v test="$1" -v mode="$2" '
        $1 == test { count = split($2, modes, ","); for (i = 1; i <= count; i++) if (modes[i] == mode || modes[i] == "*") found = 1 }
        END { exit !found }' "$DIFFERENCES"
}

# compare MODE: the differences between the two runs, without crashes; fills MODE.different.
compare() {
    local at=$WORK/$1
    # Passed without laundering, and not with it: failed, or skipped by a condition that laundering changed.
    LC_ALL=C comm -13 <(tests_with 'PASSED|XFAILED' "$at.laundered") <(tests_with 'PASSED|XFAILED' "$at.bare") >"$at.suspects"
    # Once more, so that a flaky test is not taken for a difference.
    run "$1" 1 "$at.suspects" "$at.again"
    LC_ALL=C comm -23 <(tests_with "$FAILURES|SKIPPED" "$at.again") "$at.crashes" >"$at.different"
}

# report MODE: prints the differences and returns how many of them are not listed.
report() {
    local at=$WORK/$1 test unknown=0
    while read -r test; do
        printf '  crash: %s\n' "$test"
        unknown=$((unknown + 1))
    done <"$at.crashes"
    while read -r test; do
        is_listed "$test" "$1" || { printf '  different: %s\n' "$test" && unknown=$((unknown + 1)); }
    done <"$at.different"
    UNKNOWN=$((UNKNOWN + unknown))
    printf '%-10s %5d tests: %d passed, %d skipped, %d failed; %d differ, %d crashed with laundering alone; %d not listed\n' \
        "$1" "$(wc -l <"$WORK/list")" "$(tests_with 'PASSED|XFAILED' "$at.laundered" | wc -l)" \
        "$(tests_with SKIPPED "$at.laundered" | wc -l)" "$(tests_with "$FAILURES" "$at.laundered" | wc -l)" \
        "$(wc -l <"$at.different")" "$(wc -l <"$at.crashes")" "$unknown"
}

# run_mode MODE
run_mode() {
    local at=$WORK/$1
    write_own_test "$1"
    # What an earlier mode left behind must not be taken for a crash of this one.
    find "$WORK/tests" -name '*.out' -delete
    run "$1" 1 "$WORK/list" "$at.laundered"
    grep -q "^PASSED"$'\t'"$OWN_TEST\$" "$at.laundered" ||
        fail "running the tests ($1): they were not run as they should be: $(cat -- "$WORK/tests/${OWN_TEST%.phpt}.out" 2>&1)"
    tests_with "$FAILURES" "$at.laundered" >"$at.failed"
    crashed "$at.failed" >"$at.crashes.laundered"
    LC_ALL=C sort "$at.failed" <(tests_with SKIPPED "$at.laundered") >"$at.list"
    run "$1" 0 "$at.list" "$at.bare"
    crashed "$at.crashes.laundered" >"$at.crashes.bare"
    LC_ALL=C comm -23 "$at.crashes.laundered" "$at.crashes.bare" >"$at.crashes"
    compare "$1"
    report "$1"
}

# A run that launders nothing would pass for no reason; so a program without the feature is refused, and a test without the
# variable. Without opcache the array of this script is reference-counted, unless it comes from a snapshot.
check_laundering() {
    local counted laundered
    local options=(-n -d opcache.enable=0 -r 'debug_zval_dump([1]);')
    counted=$(IGOR_LAUNDER=0 "$WORK/igor-php" "${options[@]}")
    laundered=$(IGOR_LAUNDER=1 "$WORK/igor-php" "${options[@]}")
    [[ $counted == *refcount* && $laundered == *interned* ]] ||
        fail "checking the program: $1 does not launder; build it with --features launder"
}

# write_own_test MODE: a test that passes only when run-tests.php passes the variable and the mode's settings.
write_own_test() {
    local expected
    case $1 in
        plain) expected='laundered, opcache off, jit off' ;;
        opcache | protected) expected='laundered, opcache on, jit off' ;;
        *) expected='laundered, opcache on, jit on' ;;
    esac
    mkdir -p -- "$(dirname -- "$WORK/tests/$OWN_TEST")"
    cat >"$WORK/tests/$OWN_TEST" <<END
--TEST--
The run is what it claims to be
--FILE--
<?php
\$opcache = function_exists('opcache_get_status') ? opcache_get_status(false) : false;
printf('%s, opcache %s, jit %s', getenv('IGOR_LAUNDER') === '1' ? 'laundered' : 'bare',
    \$opcache['opcache_enabled'] ?? false ? 'on' : 'off', \$opcache['jit']['on'] ?? false ? 'on' : 'off');
--EXPECT--
$expected
END
}

main() {
    (($# > 0)) || fail 'usage: scripts/launder.sh BINARY [SUITE…]'
    local binary=$1 mode modes
    shift
    [[ -x $binary && -f $binary ]] || fail "finding the program: $binary is no program; run make launder"
    (($# > 0)) || set -- "${SUITES[@]}"
    read -ra modes <<<"${MODES:-plain opcache protected function tracing}"
    for mode in "${modes[@]}"; do
        settings "$mode" >/dev/null
    done
    PHP_CONFIG=${PHP_CONFIG:-$("$ROOT/scripts/php.sh" print)}
    PHP=$(dirname -- "$PHP_CONFIG")/php
    [[ -x $PHP ]] || fail "finding the php that runs run-tests.php: there is no $PHP beside php-config"

    work_folder "${LAUNDER_KEEP:-}" "$binary" launder
    link_program "$binary" "$WORK/igor-php"
    check_laundering "$binary"
    cp -- "$(find_run_tests)" "$WORK/run-tests.php"
    copy_suites "$@"
    choose_tests

    UNKNOWN=0
    for mode in "${modes[@]}"; do
        run_mode "$mode"
    done
    printf '%d differences that are not listed\n' "$UNKNOWN"
    ((UNKNOWN == 0))
}

main "$@"
