#!/usr/bin/env bash
# Runs php-src's own tests with the stock php and php-cgi, and with igor-php and igor-php-cgi, and reports the tests that
# pass only with the stock programs. See phpt/README.md.
#
#   scripts/phpt-php-src.sh BINARY [SUITE…]
#
# BINARY is the program igor. A SUITE is a folder or a .phpt file of php-src (default: the list below). The exit status is 0
# if every test that passes only with the stock programs is listed in phpt/php-src-differences.txt.
#
# The results of the stock programs are cached, because they change only with their build.
#
# Environment:
#   PHP_CONFIG    php-config of the PHP that BINARY was compiled against; default: the one that `make php` built
#   PHPT_JOBS     tests at a time (default 2)
#   SAMPLE        N: only some N of the tests, spread evenly (1 means 300), once as they are and once on 8 threads
#   RUNS          how Igor runs the tests: plain, threads (each script on 8 threads at once), or both (default: plain;
#                 both for a sample)
#   PHPT_KEEP     a folder that does not exist yet: tests, outputs and results stay there
#   IGOR_CACHE    where the stock results are kept; default: ~/.cache/igor
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
readonly DIFFERENCES=$ROOT/phpt/php-src-differences.txt
readonly SUITES=(tests Zend ext/standard ext/spl ext/pcre ext/json ext/date ext/mbstring ext/phar ext/reflection ext/session
    ext/opcache)
# Further files that tests of the suites read.
readonly SUPPORT=(Zend/tests ext/standard/tests sapi/cgi/tests sapi/cli/tests)
readonly SAMPLE_TESTS=300
readonly THREADS=8
readonly PASSES='PASSED|XFAILED'
# The failure results of run-tests.php.
readonly FAILURES='FAILED|LEAKED|BORKED|WARNED'
# Both sides run with opcache, as a server does. One thread would switch its memory protection while others run. Each thread
# gets the compiler's warnings, not only the thread that compiled. Root must name the user for preloading.
SETTINGS=(-d opcache.enable_cli=1 -d opcache.protect_memory=0 -d opcache.record_warnings=1
    -d "opcache.preload_user=$(id --user --name)")
readonly SETTINGS
# Tests that several threads cannot run at once. They create files of the same name, start programs, read standard input,
# show opcache's code (only the first thread sees it), or protect its memory (see above).
ONE_AT_A_TIME='--CLEAN--|opcache\.opt_debug_level|opcache\.protect_memory=1|--STDIN--|unlink|rmdir|mkdir|touch ?\(|tempnam|tmpfile|symlink|rename ?\(|create_files? ?\(|copy ?\(|file_put_contents|fopen ?\(.*["'"'"'][waxc]|fputcsv|SplFileObject|proc_open|popen|exec ?\(|pcntl_|STDIN|STDOUT|STDERR|php://std|TEST_PHP_|open_basedir|server\.inc|\.phar|stream_socket_server|socket_bind'

# shellcheck source=scripts/lib/phpt.sh
source "$ROOT/scripts/lib/phpt.sh"

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# copy_tests FOLDER SUITE…: each side gets its own copy, because tests write into their folders.
copy_tests() {
    local folder=$1 suite
    shift
    for suite in "$@" "${SUPPORT[@]}"; do
        [[ -e $SOURCE/$suite ]] || fail "copying the tests: there is no $suite in $SOURCE"
        [[ ! -e $folder/$suite ]] || continue
        mkdir -p -- "$(dirname -- "$folder/$suite")"
        cp -R -- "$SOURCE/$suite" "$(dirname -- "$folder/$suite")/"
    done
}

# list_tests SUITE…: the tests of the suites, by their paths in php-src.
list_tests() {
    (cd -- "$SOURCE" && find "$@" -name '*.phpt') | LC_ALL=C sort -u
}

# run SIDE LIST RESULTS: runs the listed tests with the programs of a side (stock, igor) and writes lines of result and
# test.
run() {
    local tests=$WORK/$1/tests list=$2 results=$3 php=$WORK/igor-php cgi=$WORK/igor-php-cgi
    if [[ $1 == stock ]]; then
        php=$PHP cgi=$PHP_CGI
    fi
    : >"$results.raw"
    # A test that prints its own folder takes it from the path that it was called by.
    sed "s|^|$tests/|" "$list" >"$results.paths"
    if [[ -s $list ]]; then
        # Its own exit status says only that something failed.
        (cd -- "$tests" && TEST_PHP_EXECUTABLE=$php TEST_PHP_CGI_EXECUTABLE=$cgi NO_INTERACTION=1 \
            SKIP_ONLINE_TESTS=1 SKIP_SLOW_TESTS=1 \
            "$PHP" -n "$WORK/run-tests.php" -q -j"${PHPT_JOBS:-2}" --no-progress -W "$results.raw" "${SETTINGS[@]}" \
            -r "$results.paths") >"$results.log" 2>&1 </dev/null || true
    fi
    sed "s|\t$tests/|\t|" "$results.raw" | LC_ALL=C sort -t $'\t' -k 2 >"$results"
    (($(wc -l <"$results") == $(wc -l <"$list"))) ||
        fail "running the tests ($1): run-tests.php did not come to its end; see $results.log"
}

# stock_results SUITE…: fills $WORK/stock.results with the stock programs' results for the tests in $WORK/list.
stock_results() {
    local suite kept
    : >"$WORK/stock.all"
    for suite in "$@"; do
        kept=$KEPT/${suite//\//-}
        if [[ ! -f $kept ]]; then
            # A sample does not justify a run of all tests.
            if ((${SAMPLE:-0} != 0)); then
                copy_tests "$WORK/stock/tests" "$@"
                run stock "$WORK/list" "$WORK/stock.results"
                return
            fi
            printf 'stock php: %s\n' "$suite"
            copy_tests "$WORK/stock/tests" "$@"
            list_tests "$suite" >"$WORK/stock.list"
            run stock "$WORK/stock.list" "$WORK/stock.suite"
            mkdir -p -- "$KEPT"
            mv -- "$WORK/stock.suite" "$kept"
        fi
        cat -- "$kept" >>"$WORK/stock.all"
    done
    awk -F '\t' 'NR == FNR { wanted[$1] = 1; next } $2 in wanted' "$WORK/list" "$WORK/stock.all" >"$WORK/stock.results"
}

# is_listed TEST RUN: whether the file of differences knows the test in this kind of run.
is_listed() {
    awk -v test="$1" -v run="$2" '$1 == test && ($2 == run || $2 == "*") { found = 1 } END { exit !found }' "$DIFFERENCES"
}

# choose RUN: fills RUN.list and RUN.stock with the tests that this kind of run can take, and their stock results.
choose() {
    local at=$WORK/$1
    cp -- "$WORK/list" "$at.list"
    if [[ $1 == threads ]]; then
        (cd -- "$SOURCE" && xargs --delimiter='\n' grep --files-without-match --text -E -e "$ONE_AT_A_TIME" -- <"$WORK/list") |
            LC_ALL=C sort >"$at.list" || true
    fi
    awk -F '\t' 'NR == FNR { wanted[$1] = 1; next } $2 in wanted' "$at.list" "$WORK/stock.results" >"$at.stock"
}

# compare RUN: the tests that pass only with the stock programs; fills RUN.different and RUN.skipped.
compare() {
    local at=$WORK/$1
    LC_ALL=C comm -13 <(tests_with "$PASSES" "$at.results") <(tests_with "$PASSES" "$at.stock") >"$at.suspects"
    # Once more, so that a flaky test is not taken for a difference.
    run igor "$at.suspects" "$at.again"
    tests_with "$FAILURES" "$at.again" >"$at.different"
    tests_with SKIPPED "$at.again" >"$at.skipped"
}

# report RUN: prints the differences and counts those that are not listed in UNKNOWN.
report() {
    local at=$WORK/$1 test unknown=0
    while read -r test; do
        is_listed "$test" "$1" || { printf '  different: %s\n' "$test" && unknown=$((unknown + 1)); }
    done <"$at.different"
    while read -r test; do
        if is_listed "$test" "$1"; then
            printf '  listed, and passes now: %s\n' "$test"
        fi
    done < <(LC_ALL=C comm -12 <(tests_with "$PASSES" "$at.results") <(awk '!/^#/ { print $1 }' "$DIFFERENCES" | LC_ALL=C sort -u))
    UNKNOWN=$((UNKNOWN + unknown))
    printf '%-7s %5d tests: stock %d passed, %d skipped, %d failed; igor %d passed, %d skipped, %d failed; ' \
        "$1" "$(wc -l <"$at.list")" \
        "$(tests_with "$PASSES" "$at.stock" | wc -l)" "$(tests_with SKIPPED "$at.stock" | wc -l)" \
        "$(tests_with "$FAILURES" "$at.stock" | wc -l)" \
        "$(tests_with "$PASSES" "$at.results" | wc -l)" "$(tests_with SKIPPED "$at.results" | wc -l)" \
        "$(tests_with "$FAILURES" "$at.results" | wc -l)"
    printf '%d fail and %d are skipped with igor alone; %d not listed\n' \
        "$(wc -l <"$at.different")" "$(wc -l <"$at.skipped")" "$unknown"
}

# count_of SUITE: how many of the tests on the standard input are of the suite.
count_of() {
    awk -v suite="$1" '$0 == suite || index($0, suite "/") == 1 { count++ } END { print count + 0 }'
}

# report_suites RUN SUITE…: how many tests of each suite there are, and how many pass.
report_suites() {
    local at=$WORK/$1 suite
    shift
    for suite in "$@"; do
        printf '  %-16s %5d tests: stock %5d passed, igor %5d passed\n' "$suite" \
            "$(count_of "$suite" <"$at.list")" "$(tests_with "$PASSES" "$at.stock" | count_of "$suite")" \
            "$(tests_with "$PASSES" "$at.results" | count_of "$suite")"
    done
}

# perform RUN SUITE…
perform() {
    case $1 in
        plain) unset IGOR_PHP_THREADS ;;
        threads) export IGOR_PHP_THREADS=$THREADS ;;
        *) fail "choosing the runs: there is no run $1; use plain or threads" ;;
    esac
    choose "$1"
    run igor "$WORK/$1.list" "$WORK/$1.results"
    compare "$1"
    report_suites "$@"
    report "$1"
}

main() {
    (($# > 0)) || fail 'usage: scripts/phpt-php-src.sh BINARY [SUITE…]'
    local binary=$1 sample=${SAMPLE:-0} runs=${RUNS:-plain} kind
    shift
    [[ -x $binary && -f $binary ]] || fail "finding the program: $binary is no program; run make phpt-php-src"
    (($# > 0)) || set -- "${SUITES[@]}"
    ((sample == 0)) || runs=${RUNS:-plain threads}
    ((sample != 1)) || sample=$SAMPLE_TESTS
    PHP_CONFIG=${PHP_CONFIG:-$("$ROOT/scripts/php.sh" print)}
    PHP=$(dirname -- "$PHP_CONFIG")/php
    PHP_CGI=$(dirname -- "$PHP_CONFIG")/php-cgi
    [[ -x $PHP && -x $PHP_CGI ]] || fail "finding the stock programs: there is no php or no php-cgi beside $PHP_CONFIG"
    # What the JIT of 8.2 compiles calls functions of the thread that compiled it, whose end frees them (docs/php-builds.md).
    [[ $("$PHP_CONFIG" --version) != 8.2.* ]] || ONE_AT_A_TIME+='|opcache\.jit'
    SOURCE=$("$ROOT/scripts/php.sh" source)
    KEPT=${IGOR_CACHE:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/igor}/php-src-results/$("$PHP_CONFIG" --version)-$(sha256sum "$PHP" | cut -c 1-12)

    work_folder "${PHPT_KEEP:-}" "$binary" php-src
    link_program "$binary" "$WORK/igor-php"
    link_program "$binary" "$WORK/igor-php-cgi"
    cp -- "$(find_run_tests)" "$WORK/run-tests.php"
    list_tests "$@" | sample_of "$sample" >"$WORK/list"
    stock_results "$@"
    copy_tests "$WORK/igor/tests" "$@"

    UNKNOWN=0
    for kind in $runs; do
        perform "$kind" "$@"
    done
    printf '%d differences that are not listed\n' "$UNKNOWN"
    ((UNKNOWN == 0))
}

main "$@"
