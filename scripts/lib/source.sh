# shellcheck shell=bash
# PHP's source: from Debian's signed source packages, or from a tarball that the
# user names. Sourced by scripts/php.sh.
#
# Only the upstream tarball is unpacked. Most of Debian's patches fit PHP to
# Debian's own paths and habits, which a private build does not want.

# The Debian release whose archive carries a PHP series.
debian_suite_of() {
    case $1 in
        8.2) echo bookworm ;;
        8.4) echo trixie ;;
    esac
}

# source_find: the newest unpacked source that fits PHP_VERSION, if any.
source_find() {
    local folder
    for folder in "$CACHE/src/php-$WANTED_VERSION" "$CACHE/src/php-$WANTED_VERSION".*; do
        [[ ! -f $folder/main/php_version.h ]] || printf '%s\n' "$folder"
    done | sort --version-sort | tail -n 1
}

# source_version FOLDER: the exact version that a source tree says it is.
source_version() {
    sed -n 's/^#define PHP_VERSION "\(.*\)"$/\1/p' "$1/main/php_version.h"
}

# source_ensure: unpacks the source unless it is there. Sets SOURCE.
source_ensure() {
    SOURCE=$(source_find)
    [[ -z $SOURCE || -n ${PHP_TARBALL:-} ]] || return 0
    take_lock "source-$SERIES"
    # Another process may have unpacked it while this one waited for the lock.
    SOURCE=$(source_find)
    if [[ -n ${PHP_TARBALL:-} ]]; then
        source_from_tarball
    elif [[ -z $SOURCE ]]; then
        source_from_debian
    fi
    release_lock
}

source_from_tarball() {
    [[ -f $PHP_TARBALL ]] || fail "reading PHP_TARBALL: $PHP_TARBALL is no file"
    local hash origin
    hash=$(sha256sum -- "$PHP_TARBALL")
    hash=${hash%% *}
    if [[ -n ${PHP_TARBALL_SHA256:-} && ${PHP_TARBALL_SHA256,,} != "$hash" ]]; then
        fail "checking PHP_TARBALL: $PHP_TARBALL has the SHA-256 $hash, not $PHP_TARBALL_SHA256"
    fi
    for origin in "$CACHE"/src/php-*.origin; do
        # The same tarball again: nothing to do.
        if [[ -d ${origin%.origin} ]] && grep --quiet -e "$hash" -- "$origin"; then
            SOURCE=${origin%.origin}
            return 0
        fi
    done
    source_unpack "$PHP_TARBALL" "tarball ${PHP_TARBALL##*/} sha256 $hash"
}

source_from_debian() {
    local suite log=$CACHE/apt/apt.log downloads=$CACHE/apt/download/$SERIES
    suite=$(debian_suite_of "$SERIES")
    [[ -n $suite ]] ||
        fail "looking for the source of PHP $SERIES: Debian has no source package of it; name a release tarball with PHP_TARBALL=/path/to/php-$SERIES.x.tar.xz"
    command -v dpkg-source >/dev/null ||
        fail "looking for the source of PHP $SERIES: dpkg-source is missing; run scripts/php.sh install-packages"
    apt_prepare "$suite"
    say "source of PHP $SERIES from Debian $suite"
    run_phase index "$log" "reading the package index of Debian $suite" apt_private apt-get update
    source_download "$downloads" "$log"
    local description tarball hash
    description=$(only_file "$downloads" '*.dsc')
    tarball=$(only_file "$downloads" '*.orig.tar.*z')
    hash=$(source_check_against_description "$description" "$tarball")
    source_unpack "$tarball" "debian ${description##*/} sha256 $hash"
    rm -rf -- "$downloads"
}

# source_download FOLDER LOG: fetches the newest source package that fits
# PHP_VERSION. Some mirrors list the security archive's sources without having
# them; then the next older version is taken, with a warning.
source_download() {
    local downloads=$1 log=$2 version started=$SECONDS
    local -a versions
    mapfile -t versions < <(apt_versions)
    ((${#versions[@]} > 0)) ||
        fail "looking for the source of PHP $WANTED_VERSION: Debian's archive does not have it (but: $(WANTED_VERSION=$SERIES apt_versions | paste -s -d ' ')); choose another PHP_VERSION or name a release tarball with PHP_TARBALL"
    for version in "${versions[@]}"; do
        rm -rf -- "$downloads"
        mkdir -p -- "$downloads"
        if run_watched download "$log" 0 apt_download "$downloads" "$version"; then
            phase_done download "$started"
            return 0
        fi
        say "warning: downloading the source package php$SERIES $version failed; trying an older one if there is one"
    done
    fail_with_log "$log" "downloading the source package php$SERIES"
}

# only_file FOLDER PATTERN: the one file that fits; anything else is an error.
only_file() {
    local -a found
    mapfile -t found < <(find "$1" -maxdepth 1 -type f -name "$2")
    ((${#found[@]} == 1)) || fail "looking for $2 in $1: found ${#found[@]} files where one was expected"
    printf '%s\n' "${found[0]}"
}

# source_check_against_description DSC TARBALL: prints the tarball's SHA-256.
# apt has checked both against the signed index; this holds the tarball against
# its description once more, as it lies on the disk now.
source_check_against_description() {
    local description=$1 tarball=$2 hash
    hash=$(sha256sum -- "$tarball")
    hash=${hash%% *}
    awk -v hash="$hash" -v name="${tarball##*/}" '
        /^[^ ]/ { inside = ($1 == "Checksums-Sha256:") }
        inside && $1 == hash && $3 == name { found = 1 }
        END { exit !found }
    ' "$description" || fail "checking $tarball: its SHA-256 $hash is not the one in ${description##*/}"
    printf '%s\n' "$hash"
}

# source_unpack TARBALL ORIGIN: unpacks beside the final place and renames, so
# that a half unpacked tree is never taken for a whole one. Sets SOURCE.
source_unpack() {
    local tarball=$1 origin=$2 started=$SECONDS fresh=$CACHE/src/unpacking-$SERIES version
    local -a entries
    rm -rf -- "$fresh"
    UNFINISHED_FOLDER=$fresh
    mkdir -p -- "$fresh"
    tar --extract --no-same-owner --file "$tarball" --directory "$fresh" ||
        fail "unpacking $tarball: tar failed; is it a whole release tarball of PHP?"
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

# --- A private apt: own sources, lists and cache; the system's stay untouched.

# apt_prepare SUITE: writes the list of source archives for the suite. Their
# addresses are those from which this machine takes its own packages.
apt_prepare() {
    local suite=$1 keyring archive security
    archive=$(debian_archive Debian)
    [[ -n $archive ]] ||
        fail "looking for the source of PHP $SERIES: apt knows no Debian archive (on Debian run apt-get update first; elsewhere name a release tarball with PHP_TARBALL=/path/to/php-$SERIES.x.tar.xz)"
    keyring=$(debian_keyring)
    security=$(debian_archive Debian-Security)
    mkdir -p -- "$CACHE/apt/lists/partial" "$CACHE/apt/cache/archives/partial"
    {
        apt_stanza "$archive" "$suite" "$keyring"
        [[ -z $security ]] || apt_stanza "$security" "$suite-security" "$keyring"
    } >"$CACHE/apt/php.sources"
}

apt_stanza() {
    printf 'Types: deb-src\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n\n' "$1" "$2" "$3"
}

# debian_archive LABEL: the address of the archive with that label, as apt knows
# it from the signed Release files; empty when the user has none.
debian_archive() {
    # apt-get expands the names itself.
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        awk -F'|' -v label="$1" '$1 == "Debian" && $2 == label && $3 !~ /^cdrom:/ && !found { print $3; found = 1 }' || true
}

debian_keyring() {
    local keyring
    for keyring in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
        if [[ -r $keyring ]]; then
            printf '%s\n' "$keyring"
            return 0
        fi
    done
    fail "looking for the keys of Debian's archive: /usr/share/keyrings/debian-archive-keyring.gpg is missing; install the package debian-archive-keyring, or name a release tarball with PHP_TARBALL"
}

# apt_versions: the versions of the source package that fit PHP_VERSION, newest
# first. An upstream version ends where Debian's revision begins, at the hyphen.
apt_versions() {
    apt_private apt-cache showsrc --only-source "php$SERIES" 2>/dev/null |
        awk -v wanted="$WANTED_VERSION" '
            $1 == "Version:" && (index($2, wanted ".") == 1 || index($2, wanted "-") == 1) { print $2 }
        ' | sort --version-sort --reverse --unique || true
}

# apt_download FOLDER VERSION: fetches that source package into FOLDER.
apt_download() {
    cd -- "$1" && apt_private apt-get --only-source --download-only source "php$SERIES=$2"
}

# apt_private PROGRAM ARGUMENT...: apt-get or apt-cache with the private folders.
apt_private() {
    local program=$1
    shift
    # The sandbox user is this user, because the private folders belong to it.
    "$program" --quiet \
        -o "Dir::Etc::sourcelist=$CACHE/apt/php.sources" \
        -o 'Dir::Etc::sourceparts=-' \
        -o "Dir::State::lists=$CACHE/apt/lists" \
        -o "Dir::Cache=$CACHE/apt/cache" \
        -o "APT::Sandbox::User=$(id --user --name)" \
        -o 'APT::Update::Error-Mode=any' \
        "$@"
}
