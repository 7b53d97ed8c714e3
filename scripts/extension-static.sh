#!/usr/bin/env bash
# Builds a small PHP from its source with igor compiled in, and runs the .phpt suite of the module in it.
#
#   scripts/extension-static.sh LIBIGOR FOLDER
#
# LIBIGOR is libigor.a (`make extension-debug`). The source is copied to FOLDER and built there; it is kept, so a second run
# compiles only what has changed.
#
# Environment:
#   PHP_CONFIG  php-config of the PHP that libigor.a was compiled against; default: the one that `make php` built
#   PHP_JOBS    parallel compiler jobs; default: one for each processor
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# logged LOG MESSAGE COMMAND…: runs a command with its output in LOG, and shows the end of LOG if the command fails.
logged() {
    local log=$1 message=$2
    shift 2
    printf '%s (log: %s)\n' "$message" "$log" >&2
    "$@" >"$log" 2>&1 || {
        tail -n 30 -- "$log" >&2
        fail "$message: failed; the log is $log"
    }
}

# flags: the options that must equal those of the PHP that libigor.a was compiled against, because the engine's structures
# depend on them.
flags() {
    local options
    options=$("$PHP_CONFIG" --configure-options)
    for flag in --enable-debug --disable-zend-signals --enable-zend-max-execution-timers; do
        [[ " $options " != *" $flag "* ]] || printf '%s\n' "$flag"
    done
}

prepare() {
    local source=$1 tree=$2
    if [[ ! -d $tree ]]; then
        rm -rf -- "$tree.new"
        cp -R -- "$source" "$tree.new"
        mv -- "$tree.new" "$tree"
    fi
    mkdir -p -- "$tree/ext/igor"
    install -m 644 -- "$ROOT"/php-ext/* "$ROOT/include/igor.h" "$tree/ext/igor/"
    # A link, because the library has hundreds of megabytes with its debugging information.
    ln -sf -- "$LIBIGOR" "$tree/ext/igor/libigor.a"
}

main() {
    (($# == 2)) || fail 'usage: scripts/extension-static.sh LIBIGOR FOLDER'
    local source tree
    [[ -f $1 ]] || fail "finding the library: there is no $1; run make extension-debug"
    LIBIGOR=$(realpath -- "$1")
    mkdir -p -- "$2"
    FOLDER=$(realpath -- "$2")
    PHP_CONFIG=${PHP_CONFIG:-$("$ROOT/scripts/php.sh" print)}
    export PHP_CONFIG
    source=$("$ROOT/scripts/php.sh" source)
    tree=$FOLDER/$(basename -- "$source")
    prepare "$source" "$tree"

    cd -- "$tree"
    mapfile -t same < <(flags)
    logged "$FOLDER/buildconf.log" 'making configure' ./buildconf --force
    # Not optimized: this only checks that it links and works, and compiling takes most of the time.
    logged "$FOLDER/configure.log" 'configuring PHP' ./configure --disable-all --disable-cgi --disable-phpdbg --enable-cli \
        --enable-zts --enable-pcntl --enable-posix --enable-igor ${same[@]+"${same[@]}"} CFLAGS='-O0 -g'
    # make does not know the library as a prerequisite.
    rm -f -- sapi/cli/php
    logged "$FOLDER/make.log" 'building PHP' make -j"${PHP_JOBS:-$(nproc)}" cli
    ./sapi/cli/php --ri igor
    "$ROOT/scripts/phpt.sh" "$tree/sapi/cli/php" "$ROOT/phpt/module"
}

main "$@"
