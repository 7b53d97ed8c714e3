# shellcheck shell=bash
# Reads scripts/php-releases.txt: hashes of releases, and the floor of each series. Sourced by scripts/php.sh.

# People who keep their own tarballs can use another list.
readonly RELEASES=${IGOR_PHP_RELEASES:-$SCRIPTS/php-releases.txt}

# releases_known: the listed releases that fit PHP_VERSION and are newer than NEWER_THAN, newest first.
releases_known() {
    releases_fitting < <(awk '$1 == "release" { print $2 }' "$RELEASES")
}

# Set by an update: only newer releases than this are considered.
NEWER_THAN=''

# releases_fitting: the versions on standard input that fit PHP_VERSION and are newer than NEWER_THAN, newest first. A
# pre-release sorts before its release.
releases_fitting() {
    local version
    while read -r version; do
        [[ $version == "$WANTED_VERSION" || $version == "$WANTED_VERSION".* ]] || continue
        [[ -z $NEWER_THAN ]] || version_newer "$version" "$NEWER_THAN" || continue
        printf '%s\n' "$version"
    done | sed 's/^\([0-9.]*\)\([A-Za-z]\)/\1~\2/' | sort -r -u -V | tr -d '~'
}

# release_hash VERSION: the SHA-256 of its tarball, or nothing if it is not listed.
release_hash() {
    awk -v version="$1" '$1 == "release" && $2 == version { print $3; exit }' "$RELEASES"
}

# release_floor: the floor of the series as "VERSION DATE REASON", or nothing.
release_floor() {
    awk -v series="$SERIES" '$1 == "floor" && $2 == series { $1 = $2 = ""; sub(/^ +/, ""); print; exit }' "$RELEASES"
}

# release_is_safe VERSION: whether it is not below the floor of its series.
release_is_safe() {
    local floor
    floor=$(release_floor)
    floor=${floor%% *}
    [[ -z $floor ]] || version_at_least "$floor" "$1"
}

# release_say_age VERSION WAY-OUT: prints one line if this release is unsafe, or if a newer one is known. Says nothing else.
release_say_age() {
    local version=$1 way_out=$2 newest date reason
    if ! release_is_safe "$version"; then
        read -r newest date reason < <(release_floor)
        say "warning: PHP $version is older than $newest, and public since $date is: $reason; $way_out"
        return 0
    fi
    newest=$(WANTED_VERSION=$SERIES NEWER_THAN=$version releases_known | head -n 1)
    [[ -z $newest ]] || say "PHP $version is older than $newest, the newest that is known here; $way_out"
}

# version_newer LEFT RIGHT: whether LEFT is newer than RIGHT.
version_newer() {
    [[ $1 != "$2" ]] && version_at_least "$2" "$1"
}
