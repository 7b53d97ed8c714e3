# shellcheck shell=bash
# Profile-guided optimisation of PHP (PHP_BUILD=pgo) by PHP's own targets: a build that counts its branches, a run that fills
# the counters, and the build proper. Sourced by scripts/php.sh.
#
# gcc keeps the counts by object file. PHP compiles each file twice, for the library and for its programs, and the counts of
# one are of no use to the other. So here the programs are linked from the library's objects: each file is compiled once,
# and php-cgi can train what becomes the library. A program with the counting library itself would be no way: gcc's counting
# code makes it crash.

# How often the training runs each page. php-src's own benchmarks are not in it: they have nearly all of the counts then, and what
# pages call is not taken for hot.
readonly TRAINING_PAGES=400 TRAINING_HELLOS=4000

# profile_check_compiler: clang has other flags and other files for counts.
profile_check_compiler() {
    local version
    version=$(cc --version)
    [[ ${version%%$'\n'*} =~ ^cc\ |[Gg][Cc][Cc] ]] ||
        fail 'building PHP with a profile: cc is not gcc; use PHP_BUILD=release'
}

# profile_configured BUILD: makes the programs use the library's objects.
profile_configured() {
    sed -i 's/:\.lo=\.o)/)/g' "$1/Makefile"
}

# profile_make BUILD ARGUMENT...: make, with one object of each file.
profile_make() {
    local build=$1
    shift
    # The variables are those of make.
    # shellcheck disable=SC2016
    in_folder "$build" clean_env make 'LIBTOOL=$(SHELL) $(top_builddir)/libtool --silent --preserve-dup-deps --tag=disable-static' "$@"
}

# profile_collect BUILD TOTAL: leaves the counts of a training run in the build folder, and no other result. TOTAL is the
# number of files to compile.
profile_collect() {
    local build=$1 total=$2 started=$SECONDS
    [[ ! -f $build/.profiled ]] || return 0
    run_watched counting "$build/counting.log" "$total" profile_make "$build" "--jobs=$JOBS" prof-gen ||
        fail_with_log "$build/counting.log" "compiling the PHP that counts its branches"
    phase_done counting "$started"
    run_phase training "$build/training.log" 'training the PHP that counts its branches' profile_train "$build"
    profile_make "$build" prof-clean >"$build/clean.log" 2>&1 || return 1
    touch -- "$build/.profiled"
}

# profile_train BUILD: php-cgi runs each page many times in one process, with opcache, as a server does. The pages are younger than
# opcache likes if they have just been checked out.
profile_train() {
    local build=$1 opcache='' page count
    version_at_least 8.5 "$SERIES" || opcache="zend_extension=$build/modules/opcache.so"
    printf '%s\n' "$opcache" opcache.file_update_protection=0 display_errors=0 >"$build/training.ini"
    for page in "$SCRIPTS"/lib/training/*.php; do
        count=$TRAINING_PAGES
        [[ $page != */hello.php ]] || count=$TRAINING_HELLOS
        clean_env QUERY_STRING=name=igor "$build/sapi/cgi/php-cgi" -c "$build/training.ini" -q -T "$count" "$page" \
            >"$build/training.out" || {
            say "$page has failed"
            return 1
        }
    done
    profile_check "$build"
}

# profile_check BUILD: the counts are those of the library's own objects.
profile_check() {
    local object
    for object in Zend/.libs/zend_execute main/.libs/main; do
        [[ -s $1/$object.gcda ]] || {
            say "the training has counted nothing in $object"
            return 1
        }
    done
}
