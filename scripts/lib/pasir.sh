# shellcheck shell=bash
# The server pasir on the library of the PHP in use, as a peer in benchmarks: its crate, of one version and with the versions of its
# own lock file. It stays in the cache. Sourced by scripts/php.sh.

readonly PASIR_VERSION=0.5.4

# pasir_key PHP_CONFIG: identifies a build by its version, and by the PHP that it loads.
pasir_key() {
    local config=$1 hash
    hash=$({ "$config" --version && "$config" --prefix && "$config" --configure-options; } | sha256sum)
    printf 'pasir-%s-%s\n' "$PASIR_VERSION" "${hash:0:12}"
}

# pasir_ensure PHP_CONFIG: builds it if needed. Sets PASIR, the path of the program.
pasir_ensure() {
    local config=$1 key
    key=$(pasir_key "$config")
    PASIR=$CACHE/pasir/$key/bin/pasir
    ! pasir_runs "$config" || return 0
    take_lock "$key"
    # Another process may have finished it while this one waited for the lock.
    pasir_runs "$config" || pasir_build "$config" "$CACHE/pasir/$key" "$CACHE/build/$key"
    release_lock
}

# pasir_runs PHP_CONFIG: whether it starts with this PHP. It has no path to the library in itself.
pasir_runs() {
    [[ -x $PASIR ]] && clean_env LD_LIBRARY_PATH="$("$1" --prefix)/lib" "$PASIR" --version >/dev/null 2>&1
}

# pasir_build PHP_CONFIG FOLDER BUILD_FOLDER
pasir_build() {
    local config=$1 folder=$2 build=$3 started=$SECONDS
    command -v cargo >/dev/null || fail 'building pasir: there is no cargo'
    mkdir -p -- "$build"
    say "pasir $PASIR_VERSION for PHP $("$config" --version): log in $build.log"
    run_phase compile "$build.log" "building pasir $PASIR_VERSION" pasir_install "$config" "$folder" "$build"
    pasir_runs "$config" || fail "checking the new pasir: $PASIR does not start; run it with --version to see why"
    rm -rf -- "$build"
    say "pasir $PASIR_VERSION is ready after $((SECONDS - started)) s: $PASIR"
}

# pasir_install PHP_CONFIG FOLDER BUILD_FOLDER
pasir_install() {
    local config=$1 folder=$2 build=$3 prefix
    prefix=$("$config" --prefix)
    PHP_CONFIG=$config PHP=$prefix/bin/php LIBRARY_PATH=$prefix/lib CARGO_TARGET_DIR=$build \
        cargo install pasir --version "$PASIR_VERSION" --locked --force --jobs "$JOBS" --root "$folder"
}
