# shellcheck shell=bash
# Where a release's tarball comes from if the user names none: a chain of origins, tried one after the other. A tarball is
# used only if a hash in scripts/php-releases.txt or Debian's signature proves it. Sourced by scripts/php.sh.
#
#   folder   IGOR_PHP_SOURCES, a folder of release tarballs
#   index    Debian's signed index of source packages
#   pool     listed releases by their path in Debian's archive and in its security archive
#   site     listed releases from PHP's own site
#
# pool and site are tried twice: first for releases that are not below the floor of their series.

# How long one download may take: 14 MB at 25 KB a second.
readonly DOWNLOAD_SECONDS_MAX=600

# A release is 12 to 14 MB; a much larger file is something else.
readonly TARBALL_BYTES_MAX=67108864

# The failures, one a line: shown again if no origin has the release.
ORIGIN_FAILURES=()

# Origins that did not respond at all. They are not tried a second time.
declare -A ORIGIN_IS_SILENT=()

# origins_get FOLDER: puts a proven tarball into FOLDER. Sets TARBALL and TARBALL_ORIGIN, or returns 1.
origins_get() {
    local downloads=$1
    TRIES_LOG=$CACHE/log/source-$SERIES.log
    mkdir -p -- "$CACHE/log"
    : >"$TRIES_LOG"
    rm -rf -- "$downloads"
    mkdir -p -- "$downloads"
    say "looking for the source of PHP $WANTED_VERSION${NEWER_THAN:+, newer than $NEWER_THAN}"
    debian_archives_find
    origin_folder || origin_index "$downloads" ||
        origin_listed "$downloads" release_is_safe || origin_listed "$downloads" release_is_unsafe
}

release_is_unsafe() { ! release_is_safe "$1"; }

# origins_failed: prints what was tried, and what to do.
origins_failed() {
    local listed what=$WANTED_VERSION
    listed=$(WANTED_VERSION=$SERIES NEWER_THAN='' releases_known | paste -s -d ' ' -)
    if [[ $WANTED_VERSION != "$SERIES" && -z $(release_hash "$WANTED_VERSION") ]]; then
        fail "looking for the source of PHP $what: it is not listed in ${RELEASES##*/} (which has ${listed:-no $SERIES}) nor in a Debian index that can be had; choose another PHP_VERSION, or name its release tarball with PHP_TARBALL=/path/to/php-$what.tar.xz"
    fi
    local failure
    say 'what was tried:'
    for failure in "${ORIGIN_FAILURES[@]}"; do say "  $failure"; done
    fail "looking for the source of PHP $what: no origin has it; put one of the listed tarballs (${listed:-none of $SERIES}) into a folder and name it with IGOR_PHP_SOURCES, or name any release tarball with PHP_TARBALL (log: $TRIES_LOG)"
}

# origin_failed WHAT WHY: reports a failure in one line, and remembers it.
origin_failed() {
    ORIGIN_FAILURES+=("$1: $2")
    say "  $1: $2"
    printf -- '--- %s: %s\n' "$1" "$2" >>"$TRIES_LOG"
}

# origin_try WHAT COMMAND...: runs one try and keeps its output in the log. On failure prints why and returns 1.
origin_try() {
    local what=$1 output=$CACHE/log/try-$SERIES.log status=0 why
    shift
    run_watched download "$output" 0 "$@" || status=$?
    {
        printf -- '--- %s (status %d)\n' "$what" "$status"
        cat -- "$output"
    } >>"$TRIES_LOG"
    if ((status != 0)); then
        why=$(origin_reason "$output" "$status")
        rm -f -- "$output"
        origin_failed "$what" "$why"
        return 1
    fi
    rm -f -- "$output"
}

# origin_reason OUTPUT STATUS: why a download failed, in one line, from its program's output.
origin_reason() {
    local line
    # The cause, not the list of what was missing; apt's first error is the cause.
    line=$(sed -n -e 's/^E: Failed to fetch [^ ]*  *//p' -e 's/^E: //p' -e 's/^curl: ([0-9]*) //p' "$1" | head -n 1)
    [[ -n $line ]] || line=$(tail -n 1 -- "$1")
    ((STATUS_OF_TIMEOUT != $2)) || line="no end after $DOWNLOAD_SECONDS_MAX s"
    printf '%s\n' "${line:-status $2}" | cut -c 1-200
}

# The exit status of timeout when the time is over.
readonly STATUS_OF_TIMEOUT=124

# origin_is_silent: whether the last failure means that the server does not respond at all.
origin_is_silent() {
    [[ ${ORIGIN_FAILURES[-1],,} =~ (could\ not|failed\ to|unable\ to)\ (connect|resolve)|connection\ failed|timed\ out|too\ slow|no\ end\ after|unreachable ]]
}

# origin_accept FILE VERSION ORIGIN: accepts the file if it has the listed hash; otherwise removes it and returns 1.
origin_accept() {
    local file=$1 version=$2 origin=$3 hash
    hash=$(sha256_of "$file")
    if [[ $hash != "$(release_hash "$version")" ]]; then
        origin_failed "PHP $version from $origin" "refused, its hash is $hash and not the listed one$(looks_like_html "$file")"
        return 1
    fi
    TARBALL=$file
    TARBALL_ORIGIN="$origin ${file##*/} sha256 $hash"
}

# looks_like_html FILE: words to add to a message if the file is a web page.
looks_like_html() {
    ! head -c 512 -- "$1" | tr -d '\0' | grep -q -i -e '<!doctype html' -e '<html' || printf ' (it is an HTML page)'
}

# origin_folder: the newest listed tarball in the folder that the user names.
origin_folder() {
    local folder=${IGOR_PHP_SOURCES:-} version file
    [[ -n $folder ]] || return 1
    while read -r version; do
        for file in "$folder/php-$version.tar.xz" "$folder/php${SERIES}_$version.orig.tar.xz"; do
            if [[ -f $file ]] && origin_accept "$file" "$version" "$folder"; then
                return 0
            fi
        done
    done < <(releases_known)
    origin_failed "folder $folder" "no listed tarball of PHP $WANTED_VERSION${NEWER_THAN:+ newer than $NEWER_THAN} in it"
    return 1
}

# origin_folder_check: an unusable folder is an error before anything is tried.
origin_folder_check() {
    local folder=${IGOR_PHP_SOURCES:-}
    [[ -n $folder ]] || return 0
    [[ -d $folder ]] || fail "reading IGOR_PHP_SOURCES: $folder is no folder; name one that holds release tarballs, or unset it"
    compgen -G "$folder/php*.tar.xz" >/dev/null ||
        fail "reading IGOR_PHP_SOURCES: $folder holds no release tarball of PHP; put php-$SERIES.x.tar.xz there, or unset it"
}

# origin_index FOLDER: the newest version in Debian's signed index that the archive really has.
origin_index() {
    local downloads=$1 suite obstacle version
    local -a versions
    suite=$(debian_suite_of "$SERIES")
    obstacle=$(apt_obstacle "$suite")
    command -v dpkg-source >/dev/null || obstacle=${obstacle:-dpkg-source is missing}
    if [[ -n $obstacle ]]; then
        origin_failed "Debian's index" "$obstacle"
        return 1
    fi
    origin_try "Debian's index of $suite" apt_prepare "$suite" || return 1
    origin_try "Debian's index of $suite" apt_index || return 1
    mapfile -t versions < <(apt_versions)
    if ((${#versions[@]} == 0)); then
        origin_failed "Debian's index of $suite" "no PHP $WANTED_VERSION${NEWER_THAN:+ newer than $NEWER_THAN} in it"
        return 1
    fi
    for version in "${versions[@]}"; do
        rm -rf -- "$downloads"
        mkdir -p -- "$downloads"
        if origin_try "PHP $version from Debian's index" apt_download "$downloads" "$version" &&
            origin_index_accept "$downloads" "$version"; then
            return 0
        fi
    done
    return 1
}

# origin_index_accept FOLDER VERSION: apt has checked both files against the signed index. This checks the tarball on disk
# once more, against its description and, if it is listed, against the list.
origin_index_accept() {
    local description tarball hash version=${2%-*} listed
    description=$(only_file "$1" '*.dsc')
    tarball=$(only_file "$1" '*.orig.tar.*z')
    hash=$(sha256_of "$tarball")
    listed=$(release_hash "$version")
    if [[ -n $listed && $listed != "$hash" ]] || ! described_by "$description" "$tarball" "$hash"; then
        origin_failed "PHP $2 from Debian's index" "refused, its hash is $hash and not the listed one"
        return 1
    fi
    TARBALL=$tarball
    TARBALL_ORIGIN="debian ${description##*/} sha256 $hash"
}

# described_by DSC TARBALL SHA256: whether the source package's description has this hash for the tarball.
described_by() {
    awk -v hash="$3" -v name="${2##*/}" '
        /^[^ ]/ { inside = ($1 == "Checksums-Sha256:") }
        inside && $1 == hash && $3 == name { found = 1 }
        END { exit !found }
    ' "$1"
}

# origin_listed FOLDER FILTER: the newest listed release for which FILTER holds, from the pool, else from PHP's own site.
origin_listed() {
    local downloads=$1 filter=$2 version
    local -a versions=()
    while read -r version; do
        ! "$filter" "$version" || versions+=("$version")
    done < <(releases_known)
    ((${#versions[@]} > 0)) || return 1
    for version in "${versions[@]}"; do
        ! origin_pool "$downloads" "$version" || return 0
    done
    for version in "${versions[@]}"; do
        ! origin_site "$downloads" "$version" || return 0
    done
    return 1
}

# origin_pool FOLDER VERSION: a release by its path in the pool of both archives, which may still have releases that the
# index no longer lists.
origin_pool() {
    local downloads=$1 version=$2 label archive path file hash name="php${SERIES}_$2.orig.tar.xz"
    [[ -z $(apt_obstacle "$(debian_suite_of "$SERIES")") ]] || return 1
    file=$downloads/$name
    hash=$(release_hash "$version")
    for label in Debian-Security Debian; do
        [[ -z ${ORIGIN_IS_SILENT[$label]:-} ]] || continue
        archive=${DEBIAN_ARCHIVE[$label]:-}
        [[ -n $archive ]] || continue
        path=pool/main
        [[ $label == Debian ]] || path=pool/updates/main
        if origin_try "PHP $version from the pool of $label" \
            apt_fetch "$archive/$path/p/php$SERIES/$name" "$file" "$hash"; then
            ! origin_accept "$file" "$version" "pool of $label" || return 0
        elif origin_is_silent; then
            ORIGIN_IS_SILENT[$label]=yes
        fi
        rm -f -- "$file" "$file.FAILED"
    done
    return 1
}

# origin_site FOLDER VERSION: a release from PHP's own site, or from a mirror of it.
origin_site() {
    local downloads=$1 version=$2 file site=${PHP_MIRROR:-https://www.php.net/distributions}
    [[ -z ${ORIGIN_IS_SILENT[site]:-} ]] || return 1
    if ! command -v curl >/dev/null; then
        origin_failed "${site%/}" 'curl is missing'
        ORIGIN_IS_SILENT[site]=yes
        return 1
    fi
    file=$downloads/php-$version.tar.xz
    if origin_try "PHP $version from ${site%/}" site_fetch "${site%/}/php-$version.tar.xz" "$file"; then
        ! origin_accept "$file" "$version" "${site%/}" || return 0
    elif origin_is_silent; then
        ORIGIN_IS_SILENT[site]=yes
    fi
    rm -f -- "$file"
    return 1
}

# site_fetch URL FILE: gives up when no data has arrived for STALL_SECONDS.
site_fetch() {
    curl --fail --silent --show-error --location --proto '=http,https' --connect-timeout "$STALL_SECONDS" \
        --speed-limit 1 --speed-time "$STALL_SECONDS" --max-time "$DOWNLOAD_SECONDS_MAX" \
        --max-filesize "$TARBALL_BYTES_MAX" --output "$2" -- "$1"
}
