# shellcheck shell=bash
# The recipe of a build: the configure and compiler flags of each PHP version and kind of build, and the result's key in the
# cache. Sourced by scripts/php.sh.

# Raise this when the way of building changes but the flags do not, so that builds by an older script are not taken for
# current ones.
readonly RECIPE_LEVEL=1

# recipe_configure_flags SERIES KIND: one flag per line, without the prefix.
recipe_configure_flags() {
    local series=$1 kind=$2

    # The engine, as a library that many threads share. A force-kill needs its
    # own signals and one timer per thread, so PHP's deferred signals are off.
    printf '%s\n' \
        --enable-zts \
        --enable-embed=shared \
        --disable-zend-signals \
        --enable-zend-max-execution-timers

    # The programs: the tests compare with cli and cgi.
    printf '%s\n' \
        --enable-cli \
        --enable-cgi \
        --disable-phpdbg \
        --without-pear

    # From 8.5 on opcache is a fixed part of PHP and the switch is gone.
    if version_at_least 8.5 "$series"; then
        :
    else
        printf '%s\n' --enable-opcache
    fi

    # What frameworks ask for. libedit and not readline, whose licence (GPL) does not allow distributing PHP linked with it.
    printf '%s\n' \
        --enable-bcmath \
        --enable-calendar \
        --enable-exif \
        --enable-ftp \
        --enable-gd \
        --enable-intl \
        --enable-mbstring \
        --enable-pcntl \
        --enable-sockets \
        --with-curl \
        --with-freetype \
        --with-jpeg \
        --with-libedit \
        --with-mysqli=mysqlnd \
        --with-openssl \
        --with-pdo-mysql=mysqlnd \
        --with-pdo-pgsql \
        --with-pdo-sqlite \
        --with-pgsql \
        --with-sodium \
        --with-webp \
        --with-zip \
        --with-zlib

    # zend_test is a shared object that only php-src's own tests load. Valgrind support registers the stacks of fibers with
    # Valgrind.
    case $kind in
        debug) printf '%s\n' --enable-debug --enable-zend-test=shared --with-valgrind ;;
        asan) printf '%s\n' --enable-debug --enable-zend-test=shared --enable-address-sanitizer ;;
    esac
}

# recipe_compiler_flags KIND: the value of CFLAGS and CXXFLAGS.
recipe_compiler_flags() {
    case $1 in
        # Line tables cost nothing at run time; perf and Valgrind take names from them. Nothing replaces a function of the library,
        # so its calls of its own functions need no detour: see recipe_linker_flags.
        release) printf '%s\n' '-O2 -g1 -fno-semantic-interposition' ;;
        # What the training has not reached is optimised as if there was no profile; it would be made small instead of fast.
        pgo) printf '%s\n' '-O3 -g1 -fprofile-partial-training -Wno-missing-profile -fno-semantic-interposition' ;;
        # PHP's --enable-debug turns optimisation off by itself.
        *) printf '%s\n' '-g -fno-omit-frame-pointer' ;;
    esac
}

# recipe_linker_flags KIND: the value of LDFLAGS. A shared library calls its exported functions through a table, so that a
# program can replace them. The linker leaves the table out for functions that the library itself has. What a program does
# replace are functions of libc, which are not the library's.
recipe_linker_flags() {
    case $1 in
        # Apple's linker has no such table, and refuses the flag.
        release | pgo) [[ $(uname) == Darwin ]] || printf '%s\n' '-Wl,-Bsymbolic-functions' ;;
    esac
}

# recipe_key VERSION SERIES KIND: the name of the build's folder in the cache.
recipe_key() {
    local version=$1 series=$2 kind=$3 hash
    hash=$(
        {
            printf 'level %s\n' "$RECIPE_LEVEL"
            recipe_compiler_flags "$kind"
            recipe_linker_flags "$kind"
            recipe_configure_flags "$series" "$kind"
            [[ $kind != pgo ]] || cat -- "$SCRIPTS/lib/training"/*.php "$SCRIPTS/lib/training"/*/*.php
        } | sha256sum
    )
    printf '%s-%s-%s\n' "$version" "$kind" "${hash:0:12}"
}
