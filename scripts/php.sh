#!/usr/bin/env bash
# Obtains the PHP that this project is compiled against: a thread-safe build with
# the embed library. See docs/php-builds.md.
#
#   scripts/php.sh build                    build PHP, or check the one in PHP_CONFIG
#   scripts/php.sh print                    print the path of its php-config
#   scripts/php.sh source                   print the path of its source tree
#   scripts/php.sh apcu                     build APCu for it, for the benchmarks, and print its path
#   scripts/php.sh apcu-source              print the path of the source tree of APCu
#   scripts/php.sh fpm                      build php-fpm of the same release, for the benchmarks, and print its path
#   scripts/php.sh pasir                    build the server pasir for it, for the benchmarks, and print its path
#   scripts/php.sh packages [LIST]          print the Debian packages that are missing
#   scripts/php.sh install-packages [LIST]  install them; LIST is build (default), test, applications …; on another system
#                                           than Debian and Ubuntu, print the command that installs a build's packages
#
# Environment:
#   PHP_VERSION         8.4, 8.2, or an exact version such as 8.4.10; default: the
#                       version in the name of PHP_TARBALL, else 8.4
#   PHP_BUILD           release (default), pgo, debug or asan
#   PHP_CONFIG          php-config of your own ZTS build; nothing is built then
#   IGOR_MODULE_ONLY    set: that build needs no embed library
#   PHP_UPDATE          1: build the newest available release even if an older one is built
#   IGOR_PHP_SOURCES    folder of release tarballs, used before any archive is asked
#   IGOR_PHP_RELEASES   another list of releases than scripts/php-releases.txt
#   PHP_MIRROR          another server with PHP's releases than https://www.php.net/distributions
#   PHP_STALL_SECONDS   how long a download may stall before it is aborted; default: 20
#   IGOR_DEBIAN_KEYRING keys that sign the Debian archive, if they are not Debian's own
#   PHP_TARBALL         release tarball to build from, whether it is listed or not
#   PHP_TARBALL_SHA256  what that tarball must hash to
#   PHP_JOBS            parallel compiler jobs; default: one for each processor
#   IGOR_SYSTEM         debian, fedora, arch, alpine or macos: whose packages to name, where that is not recognised
#   IGOR_CACHE          where builds are kept; default: ~/.cache/igor
set -euo pipefail

# macOS has bash 3.2 of 2007, and no flock.
if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)) || ! command -v flock >/dev/null; then
    echo 'error: starting: this needs bash 4.4 or newer and flock; on macOS: brew install bash flock coreutils' >&2
    exit 1
fi

SCRIPTS=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$SCRIPTS/lib/common.sh"
# shellcheck source=scripts/lib/recipe.sh
source "$SCRIPTS/lib/recipe.sh"
# shellcheck source=scripts/lib/releases.sh
source "$SCRIPTS/lib/releases.sh"
# shellcheck source=scripts/lib/debian.sh
source "$SCRIPTS/lib/debian.sh"
# shellcheck source=scripts/lib/origins.sh
source "$SCRIPTS/lib/origins.sh"
# shellcheck source=scripts/lib/source.sh
source "$SCRIPTS/lib/source.sh"
# shellcheck source=scripts/lib/apcu.sh
source "$SCRIPTS/lib/apcu.sh"
# shellcheck source=scripts/lib/fpm.sh
source "$SCRIPTS/lib/fpm.sh"
# shellcheck source=scripts/lib/pasir.sh
source "$SCRIPTS/lib/pasir.sh"
# shellcheck source=scripts/lib/profile.sh
source "$SCRIPTS/lib/profile.sh"
# shellcheck source=scripts/lib/build.sh
source "$SCRIPTS/lib/build.sh"
# shellcheck source=scripts/lib/check.sh
source "$SCRIPTS/lib/check.sh"
# shellcheck source=scripts/packages.sh
source "$SCRIPTS/packages.sh"

usage() {
    # The description at the head of this file.
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}" >&2
    exit 2
}

read_settings() {
    WANTED_VERSION=${PHP_VERSION:-$(tarball_version)}
    WANTED_VERSION=${WANTED_VERSION:-8.4}
    [[ $WANTED_VERSION =~ ^8\.[2-6](\.[0-9][0-9A-Za-z-]*)?$ ]] ||
        fail "reading PHP_VERSION: $WANTED_VERSION is not a supported version; use 8.2 to 8.6"
    set_series
    KIND=${PHP_BUILD:-release}
    [[ $KIND == release || $KIND == pgo || $KIND == debug || $KIND == asan ]] ||
        fail "reading PHP_BUILD: there is no kind of build named $KIND; use release, pgo, debug or asan"
    STALL_SECONDS=${PHP_STALL_SECONDS:-20}
    [[ $STALL_SECONDS =~ ^[1-9][0-9]{0,2}$ ]] || fail "reading PHP_STALL_SECONDS: $STALL_SECONDS is no number of seconds from 1 to 999"
    [[ -r $RELEASES ]] || fail "reading IGOR_PHP_RELEASES: $RELEASES is no file that can be read"
    [[ ${PHP_UPDATE:-} =~ ^[01]?$ ]] || fail "reading PHP_UPDATE: $PHP_UPDATE is neither 1 nor 0"
    JOBS=${PHP_JOBS:-$(getconf _NPROCESSORS_ONLN)}
    [[ $JOBS =~ ^[1-9][0-9]{0,3}$ ]] || fail "reading PHP_JOBS: $JOBS is no number of jobs"
    if [[ -z ${IGOR_CACHE:-} && -z ${XDG_CACHE_HOME:-} && -z ${HOME:-} ]]; then
        fail 'finding the cache folder: HOME is not set; set IGOR_CACHE'
    fi
    CACHE=${IGOR_CACHE:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/igor}
    # PHP's own build scripts do not quote paths.
    [[ $CACHE =~ ^/[A-Za-z0-9_./+@%,=:~-]*$ ]] ||
        fail "finding the cache folder: $CACHE must be an absolute path without spaces; set IGOR_CACHE"
}

# tarball_version: the version in the name of PHP_TARBALL, if it has one.
tarball_version() {
    [[ ! ${PHP_TARBALL:-} =~ [-_](8\.[0-9]+\.[0-9A-Za-z]+)(\.orig)?\.tar\.[a-z0-9]+$ ]] ||
        printf '%s\n' "${BASH_REMATCH[1]}"
}

# set_series: 8.4 for 8.4.10.
set_series() {
    SERIES=$(cut -d . -f 1,2 <<<"$WANTED_VERSION")
}

command_build() {
    if [[ -n ${PHP_CONFIG:-} ]]; then
        php_config_check "$PHP_CONFIG" || exit 1
        WANTED_VERSION=$("$PHP_CONFIG" --version)
        set_series
        say "using PHP $WANTED_VERSION of $(php_config_path "$PHP_CONFIG")"
        release_say_age "$WANTED_VERSION" 'PHP_CONFIG names it'
        return
    fi
    mkdir -p -- "$CACHE/php" "$CACHE/build" "$CACHE/src" "$CACHE/apt"
    build_ensure
    build_say_age
}

command_print() {
    if [[ -n ${PHP_CONFIG:-} ]]; then
        command -v "$PHP_CONFIG" >/dev/null ||
            fail "finding PHP: PHP_CONFIG names $PHP_CONFIG, which is no program; unset it and run make php"
        php_config_path "$PHP_CONFIG"
        return
    fi
    local prefix
    prefix=$(build_find)
    [[ -n $prefix ]] ||
        fail "finding PHP: there is no $KIND build of PHP $WANTED_VERSION yet; run make php with the same PHP_VERSION and PHP_BUILD"
    printf '%s\n' "$prefix/bin/php-config"
}

# The source must be of the PHP in use, because its tests belong to its version.
command_source() {
    local prefix
    if [[ -n ${PHP_CONFIG:-} ]]; then
        php_config_check "$PHP_CONFIG" || exit 1
        WANTED_VERSION=$("$PHP_CONFIG" --version)
        set_series
    else
        prefix=$(build_find)
        [[ -z $prefix ]] || WANTED_VERSION=$("$prefix/bin/php-config" --version)
    fi
    mkdir -p -- "$CACHE/src" "$CACHE/apt"
    source_ensure
    printf '%s\n' "$SOURCE"
}

# The extension must be built for the PHP in use.
command_apcu() {
    local config
    config=$(command_print)
    php_config_check "$config" || exit 1
    WANTED_VERSION=$("$config" --version)
    set_series
    mkdir -p -- "$CACHE/apcu" "$CACHE/build" "$CACHE/src" "$CACHE/apt"
    apcu_ensure "$config"
    printf '%s\n' "$APCU"
}

command_apcu_source() {
    mkdir -p -- "$CACHE/src" "$CACHE/apt"
    take_lock apcu
    apcu_source
    release_lock
    printf '%s\n' "$SOURCE"
}

# The release must be that of the PHP in use.
command_fpm() {
    local config
    config=$(command_print)
    WANTED_VERSION=$("$config" --version)
    set_series
    mkdir -p -- "$CACHE/fpm" "$CACHE/build" "$CACHE/src" "$CACHE/apt"
    fpm_ensure
    printf '%s\n' "$FPM"
}

# The program loads the library of the PHP in use.
command_pasir() {
    local config
    config=$(command_print)
    php_config_check "$config" || exit 1
    mkdir -p -- "$CACHE/pasir" "$CACHE/build" "$CACHE/locks"
    pasir_ensure "$config"
    printf '%s\n' "$PASIR"
}

main() {
    (($# >= 1)) || usage
    local command=$1
    shift
    install_traps
    read_settings
    case $command in
        packages | install-packages) (($# <= 1)) || usage ;;
        *) (($# == 0)) || usage ;;
    esac
    case $command in
        build) command_build ;;
        print) command_print ;;
        source) command_source ;;
        apcu) command_apcu ;;
        apcu-source) command_apcu_source ;;
        fpm) command_fpm ;;
        pasir) command_pasir ;;
        packages) packages_missing "${1:-build}" ;;
        install-packages) packages_install "${1:-build}" ;;
        *) usage ;;
    esac
}

# The shell reads a script while running it; with `exit` on the same line the file may be replaced meanwhile.
main "$@"; exit
