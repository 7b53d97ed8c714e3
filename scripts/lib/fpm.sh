# shellcheck shell=bash
# php-fpm of the PHP in use, as the reference of benchmarks: same release, same extensions, same compiler flags. It stays in
# the cache beside the PHP, which is not changed. Sourced by scripts/php.sh.
#
# It is compiled without thread safety and without the embed library, because that is the php-fpm that people run: each of
# the two makes PHP slower. So it is a compile of its own, and not a program that links the library of the PHP in use.

# fpm_configure_flags: the recipe's flags with another program, and without what only threads need. PHP's own default for
# signals is back.
fpm_configure_flags() {
    recipe_configure_flags "$SERIES" "$KIND" |
        grep -v -x -e --enable-zts -e '--enable-embed=.*' -e --disable-zend-signals -e --enable-zend-max-execution-timers \
            -e --enable-cli -e --enable-cgi -e '--enable-zend-test=.*'
    printf '%s\n' --enable-fpm --disable-cli --disable-cgi
}

# fpm_compiler_flags: those of the PHP in use, without what only a library needs. A profile is of that PHP alone, so beside one
# the flags are those of a release.
fpm_compiler_flags() {
    local kind=$KIND flags
    [[ $kind != pgo ]] || kind=release
    flags=$(recipe_compiler_flags "$kind")
    printf '%s\n' "${flags% -fno-semantic-interposition}"
}

# fpm_key: identifies a build by the release and its flags.
fpm_key() {
    local hash
    hash=$({ fpm_compiler_flags && fpm_configure_flags; } | sha256sum)
    printf 'fpm-%s-%s-%s\n' "$WANTED_VERSION" "$KIND" "${hash:0:12}"
}

# fpm_ensure: builds it if needed. Sets FPM, the path of the program.
fpm_ensure() {
    local key
    key=$(fpm_key)
    FPM=$CACHE/fpm/$key/php-fpm
    ! fpm_runs || return 0
    take_lock "$key"
    # Another process may have finished it while this one waited for the lock.
    if ! fpm_runs; then
        source_ensure
        fpm_build "${FPM%/php-fpm}" "$CACHE/build/$key"
    fi
    release_lock
}

# fpm_runs: whether it starts, and has opcache as the PHP in use has. Without a pipe: a reader that ends early would end the
# program by SIGPIPE, which counts under pipefail.
fpm_runs() {
    [[ -x $FPM && $(clean_env "$FPM" -m 2>/dev/null) == *'Zend OPcache'* ]]
}

# fpm_build FOLDER BUILD_FOLDER: configure and make; of what they make only the program and opcache are kept.
fpm_build() {
    local folder=$1 build=$2 started=$SECONDS total status=0
    # The compiler can continue where it was stopped; configure cannot.
    if [[ ! -f $build/.configured ]]; then
        say "php-fpm $WANTED_VERSION ($KIND): $JOBS jobs, logs in $build; it takes about as long as the PHP itself"
        rm -rf -- "$build"
        mkdir -p -- "$build"
        run_phase configure "$build/configure.log" "configuring php-fpm $WANTED_VERSION" fpm_configure "$folder" "$build"
        touch -- "$build/.configured"
    fi
    in_folder "$build" clean_env make --dry-run fpm build-modules >"$build/dry-run.log" 2>"$build/make.log" || status=$?
    total=$(count_compiled "$build/dry-run.log")
    local compile_started=$SECONDS
    ((status != 0)) || run_watched compile "$build/make.log" "$total" \
        in_folder "$build" clean_env make "--jobs=$JOBS" fpm build-modules || status=$?
    ((status == 0)) ||
        fail_with_log "$build/make.log" "compiling php-fpm $WANTED_VERSION ($KIND); remove $build to start it afresh"
    phase_done compile "$compile_started"
    rm -rf -- "$folder"
    mkdir -p -- "$folder/etc/conf.d"
    cp -- "$build/sapi/fpm/php-fpm" "$folder/php-fpm"
    # From 8.5 on opcache is a part of the program.
    if [[ -f $build/modules/opcache.so ]]; then
        cp -- "$build/modules/opcache.so" "$folder/"
        printf 'zend_extension=%s/opcache.so\n' "$folder" >"$folder/etc/conf.d/opcache.ini"
    fi
    fpm_runs || fail "checking the new php-fpm: $FPM does not start with opcache; run it with -m to see why"
    rm -rf -- "$build"
    say "php-fpm $WANTED_VERSION ($KIND) is ready after $((SECONDS - started)) s: $FPM"
}

fpm_configure() {
    local folder=$1 build=$2 compiler_flags
    local -a flags
    compiler_flags=$(fpm_compiler_flags)
    mapfile -t flags < <(fpm_configure_flags)
    in_folder "$build" clean_env CFLAGS="$compiler_flags" CXXFLAGS="$compiler_flags" \
        "$SOURCE/configure" \
        --enable-option-checking=fatal \
        "--prefix=$folder" \
        "--with-config-file-path=$folder/etc" \
        "--with-config-file-scan-dir=$folder/etc/conf.d" \
        "${flags[@]}"
}
