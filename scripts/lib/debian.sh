# shellcheck shell=bash
# A private apt for Debian's source packages, with its own sources, lists and cache; it leaves the system's untouched.
# Sourced by scripts/php.sh.

# The Debian release that has a PHP series.
debian_suite_of() {
    case $1 in
        8.2) echo bookworm ;;
        8.4) echo trixie ;;
    esac
}

# apt_obstacle SUITE: why Debian's archive cannot be used, in words, or nothing. Call debian_archives_find first.
apt_obstacle() {
    if [[ -z $1 ]]; then
        echo "Debian has no source package of PHP $SERIES"
    elif ! command -v apt-get >/dev/null; then
        echo 'this system has no apt'
    elif [[ -z ${DEBIAN_ARCHIVE[Debian]:-} ]]; then
        echo "apt knows no archive of Debian (on Debian itself, run apt-get update first)"
    fi
}

# apt_prepare SUITE: writes the list of source archives for the suite. Their addresses are the ones that this machine takes
# its own packages from.
apt_prepare() {
    local suite=$1 keyring security=${DEBIAN_ARCHIVE[Debian-Security]:-}
    keyring=$(debian_keyring) || return 1
    mkdir -p -- "$CACHE/apt/lists/partial" "$CACHE/apt/cache/archives/partial"
    {
        apt_stanza "${DEBIAN_ARCHIVE[Debian]}" "$suite" "$keyring"
        [[ -z $security ]] || apt_stanza "$security" "$suite-security" "$keyring"
    } >"$CACHE/apt/php.sources"
}

apt_stanza() {
    printf 'Types: deb-src\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n\n' "$1" "$2" "$3"
}

# The addresses of Debian's archives by their labels (Debian, Debian-Security), without a slash at the end, as apt knows
# them from the signed Release files. Empty if the user has none.
declare -A DEBIAN_ARCHIVE=()

# debian_archives_find: fills DEBIAN_ARCHIVE, once.
debian_archives_find() {
    local label address
    if ((${#DEBIAN_ARCHIVE[@]} > 0)) || ! command -v apt-get >/dev/null; then
        return 0
    fi
    while IFS='|' read -r label address; do
        [[ -n ${DEBIAN_ARCHIVE[$label]:-} || $address == cdrom:* ]] || DEBIAN_ARCHIVE[$label]=${address%/}
    done < <(debian_archives_listed)
}

# debian_archives_listed: LABEL|ADDRESS, one a line.
debian_archives_listed() {
    # apt-get expands the names itself.
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        sed -n 's/^Debian|//p' | sort -u
}

debian_keyring() {
    local keyring
    for keyring in "${IGOR_DEBIAN_KEYRING:-}" /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
        if [[ -n $keyring && -r $keyring ]]; then
            printf '%s\n' "$keyring"
            return 0
        fi
    done
    say "the keys of Debian's archive are missing (/usr/share/keyrings/debian-archive-keyring.gpg); install debian-archive-keyring"
    return 1
}

# apt_versions: the versions of the source package that fit PHP_VERSION and are newer than NEWER_THAN, newest first, each
# with Debian's revision. An upstream version ends where the revision begins, at the hyphen.
apt_versions() {
    local known version
    known=$(apt_private apt-cache showsrc --only-source "php$SERIES" 2>/dev/null |
        awk '$1 == "Version:" { print $2 }' | sort -r -u -V) || true
    while read -r version; do
        grep -e "^$version-" <<<"$known" || true
    done < <(sed 's/-[^-]*$//' <<<"$known" | releases_fitting)
}

# apt_index: reads the package index of the archives in apt_prepare's list.
apt_index() {
    apt_private apt-get update
}

# apt_download FOLDER VERSION: fetches that source package into FOLDER.
apt_download() {
    cd -- "$1" && apt_private apt-get --only-source --download-only source "php$SERIES=$2"
}

# apt_fetch URI FILE SHA256: fetches one file, as apt would, with its proxies and passwords.
apt_fetch() {
    local helper
    for helper in /usr/lib/apt/apt-helper /usr/libexec/apt/apt-helper; do
        [[ -x $helper ]] && break
    done
    apt_private "$helper" download-file "$1" "$2" "SHA256:$3"
}

# apt_private PROGRAM ARGUMENT...: a program of apt with the private folders, and with timeouts.
apt_private() {
    local program=$1 method
    local -a patience=()
    shift
    for method in http https; do
        patience+=(-o "Acquire::$method::Timeout=$STALL_SECONDS")
    done
    # apt's sandbox user is this user, because the private folders belong to it.
    timeout --foreground --kill-after=5 "$DOWNLOAD_SECONDS_MAX" "$program" --quiet \
        -o "Dir::Etc::sourcelist=$CACHE/apt/php.sources" \
        -o 'Dir::Etc::sourceparts=-' \
        -o "Dir::State::lists=$CACHE/apt/lists" \
        -o "Dir::Cache=$CACHE/apt/cache" \
        -o "APT::Sandbox::User=$(id -u -n)" \
        -o 'APT::Update::Error-Mode=any' \
        -o 'Acquire::Retries=0' \
        "${patience[@]}" \
        "$@"
}

# only_file FOLDER PATTERN: the one file that matches; none or several are an error.
only_file() {
    local -a found
    mapfile -t found < <(find "$1" -maxdepth 1 -type f -name "$2")
    ((${#found[@]} == 1)) || fail "looking for $2 in $1: found ${#found[@]} files where one was expected"
    printf '%s\n' "${found[0]}"
}
