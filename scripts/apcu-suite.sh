#!/usr/bin/env bash
# Runs the .phpt suite of the extension apcu, of Debian's source package, against `apcu STORE`. A test may fail if
# scripts/apcu-suite/differences.txt has the reason; a listed test that passes is reported, too.
#
#   scripts/apcu-suite.sh IGOR FOLDER
#
# FOLDER keeps a copy of the suite and the results. PHP_CONFIG is as for scripts/phpt.sh.
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
readonly LIST=$ROOT/scripts/apcu-suite/differences.txt

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# prepared SOURCE FOLDER: a copy of the suite that asks for the functions and not for the extension, and a configuration.
prepared() {
    rm -rf -- "$2/tests"
    cp -R -- "$1/tests" "$2/tests"
    printf '%s\n' '<?php' "function_exists('apcu_fetch') or die('skip the functions are not there');" >"$2/tests/skipif.inc"
    printf '%s\n' '{' 'frankenphp {' 'store cache' 'apcu cache' '}' '}' ':0 {' 'php_server' '}' >"$2/Caddyfile"
}

main() {
    (($# == 2)) || fail 'usage: scripts/apcu-suite.sh IGOR FOLDER'
    local igor source folder failed passed
    igor=$(realpath -- "$1")
    mkdir -p -- "$2"
    folder=$(realpath -- "$2")
    source=$("$ROOT/scripts/php.sh" apcu-source)
    prepared "$source" "$folder"
    "$ROOT/scripts/phpt.sh" "$igor" -d "igor.config=$folder/Caddyfile" "$folder/tests" >"$folder/log" 2>&1 || true
    sed --in-place 's/\x1b\[[0-9;]*m//g' "$folder/log"
    # A run without the last line, which counts them, did not finish.
    tail --lines=1 -- "$folder/log" | grep --extended-regexp '^[0-9]+ passed, [0-9]+ failed$' || fail "running the suite: see $folder/log"
    failed=$(sed -n 's/^FAIL .*\/\([^/]*\.phpt\)\].*/\1/p' "$folder/log" | LC_ALL=C sort)
    passed=$(sed -n 's/^PASS .*\/\([^/]*\.phpt\)\].*/\1/p' "$folder/log" | LC_ALL=C sort)
    comm -23 <(printf '%s\n' "$failed") <(cut -f 1 -- "$LIST" | LC_ALL=C sort) | sed '/^$/d' >"$folder/unexpected"
    comm -12 <(printf '%s\n' "$passed") <(cut -f 1 -- "$LIST" | LC_ALL=C sort) | sed '/^$/d' >"$folder/outdated"
    [[ ! -s $folder/outdated ]] || fail "$LIST has tests that pass: $(paste -sd ' ' "$folder/outdated")"
    [[ ! -s $folder/unexpected ]] || fail "tests that fail without a reason: $(paste -sd ' ' "$folder/unexpected"); see $folder/log"
    printf 'ok: no test fails without a reason in %s\n' "${LIST#"$ROOT"/}"
}

main "$@"
