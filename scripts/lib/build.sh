# shellcheck shell=bash
# Configure, compile, install and check one build of PHP in the cache. Sourced
# by scripts/php.sh.

# build_find: the folder of the newest finished build that fits PHP_VERSION and
# PHP_BUILD and was made by the current recipe, if any.
build_find() {
    local recipe stamp
    recipe=$(recipe_key '' "$SERIES" "$KIND")
    for stamp in "$CACHE/php/$WANTED_VERSION$recipe/.complete" "$CACHE/php/$WANTED_VERSION".*"$recipe/.complete"; do
        [[ ! -f $stamp ]] || printf '%s\n' "${stamp%/.complete}"
    done | sort --version-sort | tail -n 1
}

# build_ensure: builds it if needed. Sets PREFIX.
build_ensure() {
    PREFIX=$(build_find)
    if [[ -n $PREFIX && -z ${PHP_TARBALL:-} ]] && build_runs; then
        build_wants_update || return 0
        build_find_newer
        [[ -n $SOURCE ]] || return 0
    else
        source_ensure
    fi
    local version key
    version=$(source_version "$SOURCE")
    key=$(recipe_key "$version" "$SERIES" "$KIND")
    PREFIX=$CACHE/php/$key
    ! build_runs || return 0
    take_lock "php-$key"
    # Another process may have finished it while this one waited for the lock.
    ! build_runs || return 0
    [[ ! -f $PREFIX/.complete ]] || say "the PHP in $PREFIX does not run any more and is built again"
    build_make "$version" "$CACHE/build/$key"
}

# build_wants_update: whether a newer release is asked for. An exact version has no newer release.
build_wants_update() {
    [[ ${PHP_UPDATE:-} == 1 && $WANTED_VERSION == "$SERIES" ]]
}

# build_find_newer: gets the source of a newer release than that in PREFIX, and leaves SOURCE empty when there is none.
build_find_newer() {
    NEWER_THAN=$(build_version)
    source_get
    [[ -n $SOURCE ]] || say "no release newer than PHP $NEWER_THAN can be had now; it stays in use"
}

# build_version: the version of the PHP in PREFIX.
build_version() {
    "$PREFIX/bin/php-config" --version
}

build_say_age() {
    local way_out='make php PHP_UPDATE=1 builds the newest release that can be had'
    ! build_wants_update || way_out="put a newer tarball into a folder and name it with IGOR_PHP_SOURCES"
    [[ $WANTED_VERSION == "$SERIES" ]] || way_out='PHP_VERSION names it'
    release_say_age "$(build_version)" "$way_out"
}

# build_runs: whether PREFIX holds a finished build that still runs. After a system upgrade it may lack a shared library;
# then it is built again.
build_runs() {
    [[ -f $PREFIX/.complete ]] && clean_env "$PREFIX/bin/php" -v >/dev/null 2>&1
}

# build_make VERSION BUILD_FOLDER
build_make() {
    local version=$1 build=$2 started=$SECONDS continued=''
    local missing
    missing=$(packages_missing build)
    [[ -z $missing ]] ||
        fail "building PHP $version: Debian packages are missing ($missing); run scripts/php.sh install-packages"
    build_last_time
    # The compiler can continue where it was stopped; configure cannot.
    if [[ -f $build/.configured ]]; then
        continued=yes
        LAST_COMPILE=''
        say "PHP $version ($KIND): continuing the build in $build"
    else
        build_configure "$version" "$build"
    fi
    if ! build_compile "$version" "$build"; then
        # A power failure may have left a partial file.
        [[ -n $continued ]] || fail_with_log "$build/make.log" "compiling PHP $version ($KIND)"
        say 'the continued build failed; starting it afresh'
        build_configure "$version" "$build"
        build_compile "$version" "$build" ||
            fail_with_log "$build/make.log" "compiling PHP $version ($KIND)"
    fi
    build_install "$version" "$build"
    [[ -n $continued ]] || build_keep_time $((SECONDS - started))
    say "PHP $version ($KIND) is ready after $((SECONDS - started)) s: $PREFIX"
}

# The file with the duration of the last whole build of this kind here: all its seconds, the seconds of compiling, and the
# jobs.
build_time_file() {
    printf '%s\n' "$CACHE/times/$SERIES-$KIND"
}

# build_keep_time SECONDS: saves it, so that the next build can show an estimate.
build_keep_time() {
    mkdir -p -- "$CACHE/times"
    printf '%d %d %d\n' "$1" "$COMPILE_SECONDS" "$JOBS" >"$(build_time_file)"
}

# build_last_time: the duration of a build in words, if known. Sets LAST_COMPILE.
build_last_time() {
    local file seconds compile jobs
    file=$(build_time_file)
    LAST_TIME='on two cores it takes 4 to 12 minutes'
    [[ $KIND != pgo ]] || LAST_TIME='each file is compiled twice'
    [[ -r $file ]] || return 0
    read -r seconds compile jobs <"$file"
    LAST_TIME="last time on this machine it took $(in_words "$seconds") with $jobs jobs"
    # Read by time_left in common.sh.
    # shellcheck disable=SC2034
    ((jobs != JOBS)) || LAST_COMPILE=$compile
}

build_configure() {
    local version=$1 build=$2
    local compiler_flags linker_flags
    local -a flags
    [[ $KIND != pgo ]] || profile_check_compiler
    compiler_flags=$(recipe_compiler_flags "$KIND")
    linker_flags=$(recipe_linker_flags "$KIND")
    mapfile -t flags < <(recipe_configure_flags "$SERIES" "$KIND")
    say "PHP $version ($KIND): $JOBS jobs, logs in $build; $LAST_TIME"
    rm -rf -- "$build"
    mkdir -p -- "$build"
    run_phase configure "$build/configure.log" "configuring PHP $version ($KIND)" \
        in_folder "$build" clean_env CFLAGS="$compiler_flags" CXXFLAGS="$compiler_flags" LDFLAGS="$linker_flags" \
        "$SOURCE/configure" \
        --enable-option-checking=fatal \
        "--prefix=$PREFIX" \
        "--with-config-file-path=$PREFIX/etc" \
        "--with-config-file-scan-dir=$PREFIX/etc/conf.d" \
        "${flags[@]}"
    [[ $KIND != pgo ]] || profile_configured "$build"
    touch -- "$build/.configured"
}

# build_run_make BUILD ARGUMENT...
build_run_make() {
    if [[ $KIND == pgo ]]; then
        profile_make "$@"
    else
        local build=$1
        shift
        in_folder "$build" clean_env make "$@"
    fi
}

build_compile() {
    local build=$2 started=$SECONDS total target=all
    build_run_make "$build" --dry-run >"$build/dry-run.log" 2>"$build/make.log" || return 1
    total=$(count_compiled "$build/dry-run.log")
    rm -f -- "$build/dry-run.log"
    if [[ $KIND == pgo ]]; then
        profile_collect "$build" "$total" || return 1
        target=prof-use
        started=$SECONDS
    fi
    run_watched compile "$build/make.log" "$total" build_run_make "$build" "--jobs=$JOBS" "$target" || return 1
    COMPILE_SECONDS=$((SECONDS - started))
    phase_done compile "$started"
}

build_install() {
    local version=$1 build=$2
    local -a optimised=()
    # Without it, make would see other flags if it had to compile something again.
    [[ $KIND != pgo ]] || optimised=(PROF_FLAGS=-fprofile-use)
    rm -rf -- "$PREFIX"
    mkdir -p -- "$PREFIX/etc/conf.d"
    run_phase install "$build/install.log" "installing PHP $version ($KIND)" \
        build_run_make "$build" "${optimised[@]}" install
    build_write_ini
    run_phase check "$build/check.log" "checking the new PHP $version ($KIND)" build_check "$build"
    mkdir -p -- "$PREFIX/log"
    cp -- "$build"/*.log "$PREFIX/log/"
    {
        printf 'php %s %s\n' "$version" "$KIND"
        cat -- "$SOURCE.origin"
    } >"$PREFIX/.complete.new"
    mv -- "$PREFIX/.complete.new" "$PREFIX/.complete"
    # Object files take ten times the space of the installed files.
    rm -rf -- "$build"
}

# Before 8.5 opcache is a shared object that an ini file must load.
build_write_ini() {
    version_at_least 8.5 "$SERIES" ||
        printf 'zend_extension=opcache\n' >"$PREFIX/etc/conf.d/opcache.ini"
}

# build_check BUILD_FOLDER: checks that the installed PHP runs, is thread-safe and has opcache, and that a program links
# with its library.
build_check() {
    local build=$1 program
    local -a includes sanitizer=()
    php_config_check "$PREFIX/bin/php-config" || return 1
    for program in php php-cgi; do
        clean_env "$PREFIX/bin/$program" -v || return 1
    done
    # The variables are PHP's.
    # shellcheck disable=SC2016
    clean_env "$PREFIX/bin/php" -r '
        exit(PHP_ZTS && extension_loaded("Zend OPcache") ? 0 : 1);
    ' || {
        say 'php runs, but without thread safety or without opcache'
        return 1
    }
    # A program that loads a sanitized library must link the sanitizer.
    [[ $KIND != asan ]] || sanitizer=(-fsanitize=address)
    read -r -a includes < <("$PREFIX/bin/php-config" --includes)
    clean_env cc "${sanitizer[@]}" "${includes[@]}" -o "$build/embed-check" \
        "$SCRIPTS/lib/embed-check.c" "-L$PREFIX/lib" "-Wl,-rpath,$PREFIX/lib" -lphp || return 1
    clean_env "$build/embed-check" || {
        say "the embed library was linked, but does not run"
        return 1
    }
}

# in_folder FOLDER COMMAND...: this shell stays where it is, because the folder may be removed later.
in_folder() (
    cd -- "$1" && shift && "$@"
)
