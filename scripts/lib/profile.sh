# shellcheck shell=bash
# Profile-guided optimisation of PHP (PHP_BUILD=pgo) by PHP's own targets: a build that counts its branches, a run that fills
# the counters, and the build proper. Sourced by scripts/php.sh.

# How often the training runs each script: php-src's benchmarks take seconds, a page milliseconds.
readonly TRAINING_BENCHMARKS=2 TRAINING_PAGES=400 TRAINING_HELLOS=4000

# profile_collect BUILD TOTAL: leaves the counts of a training run in the build folder, and no other result. TOTAL is the
# number of files to compile.
profile_collect() {
    local build=$1 total=$2 started=$SECONDS
    [[ ! -f $build/.profiled ]] || return 0
    run_watched counting "$build/counting.log" "$total" in_folder "$build" clean_env make "--jobs=$JOBS" prof-gen || return 1
    phase_done counting "$started"
    run_phase training "$build/training.log" 'training the PHP that counts its branches' profile_train "$build"
    in_folder "$build" clean_env make prof-clean >"$build/clean.log" 2>&1 || return 1
    touch -- "$build/.profiled"
}

# profile_train BUILD: runs the scripts in the library that programs embed. The programs have objects of their own, so counts
# of the command line would be of no use.
profile_train() {
    local build=$1 folder
    local -a includes=()
    for folder in '' /main /Zend /TSRM; do
        includes+=("-I$build$folder" "-I$SOURCE$folder")
    done
    clean_env cc "${includes[@]}" -o "$build/training" "$SCRIPTS/lib/training.c" "-L$build/libs" "-Wl,-rpath,$build/libs" -lphp ||
        return 1
    {
        version_at_least 8.5 "$SERIES" || printf 'zend_extension=%s/modules/opcache.so\n' "$build"
        # It would not cache files that are new.
        printf 'opcache.file_update_protection=0\nerror_log=/dev/stderr\ndisplay_errors=0\n'
    } >"$build/training.ini"
    clean_env "$build/training" "$build/training.ini" \
        "$TRAINING_BENCHMARKS" "$SOURCE/Zend/bench.php" \
        "$TRAINING_BENCHMARKS" "$SOURCE/Zend/micro_bench.php" \
        "$TRAINING_PAGES" "$SCRIPTS/lib/training/page.php" \
        "$TRAINING_HELLOS" "$SCRIPTS/lib/training/hello.php" >"$build/training.out" || return 1
    profile_check "$build"
}

# profile_check BUILD: the counts are those of the library's own objects, and of opcache.
profile_check() {
    local object
    for object in Zend/.libs/zend_execute main/.libs/main; do
        [[ -s $1/$object.gcda ]] || {
            say "the training has counted nothing in $object"
            return 1
        }
    done
}
