# shellcheck shell=bash
# PHP's source, unpacked once for each version: from the chain of origins (origins.sh), or from a tarball that the user
# names. Sourced by scripts/php.sh.
#
# Only the upstream tarball is unpacked. Most of Debian's patches adapt PHP to Debian's paths and conventions, which a
# private build does not need.

# source_find: the newest unpacked source that fits PHP_VERSION and is newer than NEWER_THAN, if any.
source_find() {
    local folder version
    version=$(
        for folder in "$CACHE/src/php-$SERIES".*; do
            [[ ! -f $folder/main/php_version.h ]] || printf '%s\n' "${folder##*/php-}"
        done | releases_fitting | head -n 1
    )
    [[ -z $version ]] || printf '%s\n' "$CACHE/src/php-$version"
}

# source_version FOLDER: the exact version in the source tree.
source_version() {
    sed -n 's/^#define PHP_VERSION "\(.*\)"$/\1/p' "$1/main/php_version.h"
}

# source_ensure: unpacks the source if needed. Sets SOURCE.
source_ensure() {
    source_get
    [[ -n $SOURCE ]] || origins_failed
}

# source_get: as source_ensure, but leaves SOURCE empty when no origin has the release.
source_get() {
    SOURCE=$(source_find)
    [[ -z $SOURCE || -n ${PHP_TARBALL:-} ]] || return 0
    [[ -n ${PHP_TARBALL:-} ]] || origin_folder_check
    take_lock "source-$SERIES"
    # Another process may have unpacked it while this one waited for the lock.
    SOURCE=$(source_find)
    if [[ -n ${PHP_TARBALL:-} ]]; then
        source_from_tarball
    elif [[ -z $SOURCE ]]; then
        source_from_origins
    fi
    release_lock
}

source_from_origins() {
    local downloads=$CACHE/download/$SERIES
    if ! origins_get "$downloads"; then
        rm -rf -- "$downloads"
        return 0
    fi
    source_unpack "$TARBALL" "$TARBALL_ORIGIN"
    rm -rf -- "$downloads"
    say "  source of PHP $(source_version "$SOURCE"): $TARBALL_ORIGIN"
}

source_from_tarball() {
    [[ -f $PHP_TARBALL ]] || fail "reading PHP_TARBALL: $PHP_TARBALL is no file"
    local hash origin
    hash=$(sha256_of "$PHP_TARBALL")
    if [[ -n ${PHP_TARBALL_SHA256:-} && ${PHP_TARBALL_SHA256,,} != "$hash" ]]; then
        fail "checking PHP_TARBALL: $PHP_TARBALL has the SHA-256 $hash, not $PHP_TARBALL_SHA256$(looks_like_html "$PHP_TARBALL")"
    fi
    for origin in "$CACHE"/src/php-*.origin; do
        # The same tarball again: nothing to do.
        if [[ -d ${origin%.origin} ]] && grep -q -e "$hash" -- "$origin"; then
            SOURCE=${origin%.origin}
            return 0
        fi
    done
    source_unpack "$PHP_TARBALL" "tarball ${PHP_TARBALL##*/} sha256 $hash"
}

# source_unpack TARBALL ORIGIN: unpacks beside the final place and renames, so that a partial tree is never used. Sets
# SOURCE.
source_unpack() {
    local tarball=$1 origin=$2 started=$SECONDS fresh=$CACHE/src/unpacking-$SERIES version
    local -a entries
    rm -rf -- "$fresh"
    UNFINISHED_FOLDER=$fresh
    mkdir -p -- "$fresh"
    tar -x --no-same-owner -f "$tarball" -C "$fresh" 2>"$fresh.log" ||
        fail "unpacking $tarball: it is no whole tarball$(looks_like_html "$tarball") ($(head -n 1 "$fresh.log")); download it again"
    rm -f -- "$fresh.log"
    entries=("$fresh"/*)
    [[ ${#entries[@]} -eq 1 && -f ${entries[0]}/main/php_version.h && -x ${entries[0]}/configure ]] ||
        fail "unpacking $tarball: it holds no PHP release (one folder with main/php_version.h and configure)"
    version=$(source_version "${entries[0]}")
    [[ $version == "$WANTED_VERSION" || $version == "$WANTED_VERSION".* ]] ||
        fail "unpacking $tarball: it holds PHP $version, but PHP $WANTED_VERSION was asked for; set PHP_VERSION to match"
    SOURCE=$CACHE/src/php-$version
    [[ ! -e $SOURCE ]] ||
        fail "unpacking $tarball: $SOURCE was unpacked from another file (see $SOURCE.origin); remove both and run this again"
    printf '%s\n' "$origin" >"$SOURCE.origin"
    mv -- "${entries[0]}" "$SOURCE"
    rm -rf -- "$fresh"
    # Read by on_exit in common.sh.
    # shellcheck disable=SC2034
    UNFINISHED_FOLDER=''
    phase_done unpack "$started"
}
