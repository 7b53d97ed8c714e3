# shellcheck shell=bash
# The Debian packages that are needed, and how to install the missing ones.
# Sourced by scripts/php.sh.

# packages_of LIST: `build` for compiling PHP and this project, `test` for what
# only the tests run, `wordpress` for `make wordpress`. The names are the same on Debian and on Ubuntu.
packages_of() {
    case $1 in
        build)
            # Compiling this project: the linker, and libclang for bindgen.
            printf '%s\n' build-essential clang libclang-dev pkg-config
            [[ -n ${PHP_CONFIG:-} ]] || packages_for_php
            ;;
        test)
            printf '%s\n' composer gdb inotify-tools php-amphp-amp php-symfony-console phpunit redis-sentinel redis-server \
                shellcheck valgrind wrk
            ;;
        wordpress)
            printf '%s\n' curl mariadb-client-core mariadb-server-core
            ;;
        *)
            fail "listing packages: there is no list named $1; the lists are build, test and wordpress"
            ;;
    esac
}

packages_for_php() {
    # Getting the source, and the generators that PHP's makefile may call.
    printf '%s\n' autoconf bison ca-certificates curl dpkg-dev re2c xz-utils
    # The libraries of the extensions that the recipe turns on.
    printf '%s\n' \
        libcurl4-openssl-dev \
        libedit-dev \
        libfreetype-dev \
        libicu-dev \
        libjpeg-dev \
        libonig-dev \
        libpng-dev \
        libpq-dev \
        libsodium-dev \
        libsqlite3-dev \
        libssl-dev \
        libwebp-dev \
        libxml2-dev \
        libzip-dev \
        zlib1g-dev
    # The debug build tells Valgrind about the stacks of fibers.
    [[ $KIND != debug ]] || printf '%s\n' valgrind
}

# packages_missing LIST: the missing ones on one line, nothing when all are there.
packages_missing() {
    local name names
    local -a missing=()
    names=$(packages_of "$1")
    if ! command -v dpkg-query >/dev/null; then
        say 'warning: this is no Debian or Ubuntu, so packages are not checked'
        return 0
    fi
    while read -r name; do
        [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$name" 2>/dev/null) == installed ]] ||
            missing+=("$name")
    done <<<"$names"
    ((${#missing[@]} == 0)) || printf '%s\n' "${missing[*]}"
}

# packages_install LIST: installs what is missing, without a question.
packages_install() {
    local list=$1 missing
    local -a as_root=() names
    missing=$(packages_missing "$list")
    [[ -n $missing ]] || return 0
    read -r -a names <<<"$missing"
    if ((EUID != 0)); then
        if ! sudo -n true 2>/dev/null; then
            say "sudo apt-get install --yes --no-install-recommends $missing"
            exit 1
        fi
        as_root=(sudo -n)
    fi
    mkdir -p -- "$CACHE/apt"
    say "installing ${#names[@]} packages: $missing"
    # Package lists older than the archive name files that are gone, so they are
    # renewed first. One unreachable source of the user's is no reason to stop.
    run_watched update "$CACHE/apt/update.log" 0 "${as_root[@]}" apt-get --quiet update ||
        say "warning: apt-get update failed (log: $CACHE/apt/update.log)"
    run_phase packages "$CACHE/apt/install.log" "installing packages" \
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get --quiet --yes --no-install-recommends install "${names[@]}"
}
