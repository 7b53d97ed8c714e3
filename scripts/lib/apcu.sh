# shellcheck shell=bash
# APCu for the PHP in use, from Debian's source package: the benchmarks compare a read with it. It stays in the cache
# and is loaded by its path; the PHP itself is not changed. Sourced by scripts/php.sh.

# The oldest version that builds with each supported PHP is in trixie.
readonly APCU_SUITE=trixie

# apcu_key PHP_CONFIG: identifies the PHP of a build by its version, place and switches.
apcu_key() {
    local config=$1 hash
    hash=$({ "$config" --version && "$config" --prefix && "$config" --configure-options; } | sha256sum)
    printf 'apcu-%s-%s\n' "$("$config" --version)" "${hash:0:12}"
}

# apcu_ensure PHP_CONFIG: builds it if needed. Sets APCU, the path of apcu.so.
apcu_ensure() {
    local config=$1 folder
    folder=$CACHE/apcu/$(apcu_key "$config")
    APCU=$folder/apcu.so
    ! apcu_loads "$config" || return 0
    take_lock apcu
    # Another process may have finished it while this one waited for the lock.
    if ! apcu_loads "$config"; then
        apcu_source
        apcu_build "$config" "$folder"
    fi
    release_lock
}

apcu_loads() {
    [[ -f $APCU ]] && clean_env "$("$1" --prefix)/bin/php" -n -d "extension=$APCU" -d apc.enable_cli=1 \
        -r 'exit(apcu_enabled() ? 0 : 1);' >/dev/null 2>&1
}

# apcu_source: unpacks the source unless it is there. Sets SOURCE.
apcu_source() {
    local log=$CACHE/apt/apt.log downloads=$CACHE/apt/download/apcu tarball hash obstacle
    SOURCE=$CACHE/src/apcu
    [[ ! -f $SOURCE/config.m4 ]] || return 0
    debian_archives_find
    obstacle=$(apt_obstacle "$APCU_SUITE")
    [[ -z $obstacle ]] || fail "getting the source of APCu: $obstacle"
    apt_prepare "$APCU_SUITE"
    say "source of APCu from Debian $APCU_SUITE"
    run_phase index "$log" "reading the package index of Debian $APCU_SUITE" apt_private apt-get update
    rm -rf -- "$downloads"
    mkdir -p -- "$downloads"
    run_phase download "$log" 'downloading the source package php-apcu' apcu_download "$downloads"
    tarball=$(only_file "$downloads" '*.orig.tar.*z')
    hash=$(sha256sum -- "$tarball")
    apcu_unpack "$tarball" "debian ${tarball##*/} sha256 ${hash%% *}"
    rm -rf -- "$downloads"
}

# Only the upstream tarball is used; apt compares it with the hash in the signed index.
apcu_download() {
    cd -- "$1" && apt_private apt-get --only-source --download-only --tar-only source php-apcu
}

# apcu_unpack TARBALL ORIGIN: unpacks beside the final place and renames, so that a partial tree is never used.
apcu_unpack() {
    local tarball=$1 origin=$2 fresh=$CACHE/src/unpacking-apcu
    local -a found
    rm -rf -- "$fresh"
    UNFINISHED_FOLDER=$fresh
    mkdir -p -- "$fresh"
    tar --extract --no-same-owner --file "$tarball" --directory "$fresh" || fail "unpacking $tarball: tar failed"
    # PECL's tarballs hold a package.xml beside the folder.
    mapfile -t found < <(find "$fresh" -maxdepth 3 -type f -name config.m4)
    ((${#found[@]} == 1)) || fail "unpacking $tarball: it holds ${#found[@]} extensions where one was expected"
    printf '%s\n' "$origin" >"$SOURCE.origin"
    rm -rf -- "$SOURCE"
    mv -- "${found[0]%/config.m4}" "$SOURCE"
    rm -rf -- "$fresh"
    # Read by on_exit in common.sh.
    # shellcheck disable=SC2034
    UNFINISHED_FOLDER=''
}

# apcu_build PHP_CONFIG FOLDER: phpize, configure and make in a copy of the source.
apcu_build() {
    local config=$1 folder=$2 build log
    build=$CACHE/build/${folder##*/}
    log=$build.log
    say "APCu for PHP $("$config" --version): $JOBS jobs, log in $log"
    rm -rf -- "$build" "$folder"
    cp -R -- "$SOURCE" "$build"
    run_phase configure "$log" 'configuring APCu' apcu_configure "$config" "$build"
    run_phase compile "$log" 'compiling APCu' in_folder "$build" clean_env make "--jobs=$JOBS"
    mkdir -p -- "$folder"
    cp -- "$build/modules/apcu.so" "$folder/"
    rm -rf -- "$build"
    apcu_loads "$config" || fail "checking the new APCu: PHP does not load $APCU; run it with -d extension=$APCU to see why"
}

apcu_configure() {
    local config=$1 build=$2
    cd -- "$build" || return 1
    clean_env "$("$config" --prefix)/bin/phpize" &&
        clean_env CFLAGS='-O2 -g1' ./configure "--with-php-config=$config" --enable-apcu
}
