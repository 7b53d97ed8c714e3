# shellcheck shell=bash
# An application of Debian in folders of its own: $FILES has what its packages hold, $SITE everything that it writes, with the
# database and the logs. APPLICATION is its name, SECONDS_MAX the longest wait. Sourced by scripts/applications.sh and
# scripts/bench-fpm.sh.

# fail MESSAGE…: prints it with the end of each log of the site, which a machine for tests may not keep.
fail() {
    printf 'error: %s\n' "$*" >&2
    [[ ! -d ${SITE:-} ]] || find "$SITE" -maxdepth 1 -name '*.log' -size +0 -exec tail --verbose --lines=10 -- {} + >&2
    exit 1
}

# until_true WHAT COMMAND…: waits.
until_true() {
    local what=$1 until=$((SECONDS + SECONDS_MAX))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < until)) || fail "waited $SECONDS_MAX s for $what; the logs are in $SITE"
        sleep 0.1
    done
}

# unpacked PACKAGE…: the packages' files in $FILES, without installing them: they would configure a web server. Fails with a
# printed reason if no archive can be reached and only a sample was asked for.
unpacked() {
    [[ ! -f $FILES/done ]] || return 0
    local package
    rm -rf -- "$FILES"
    mkdir -p -- "$FILES/debs"
    if ! (cd -- "$FILES/debs" && apt-get --quiet download "$@") >"$FILES/download.log" 2>&1; then
        if [[ -n ${SAMPLE:-} ]] && grep --quiet --extended-regexp 'Could not (connect|resolve)|Temporary failure' "$FILES/download.log"; then
            printf 'skipped: %s: no archive can be reached for %s (%s/download.log)\n' "$APPLICATION" "$*" "$FILES"
            return 1
        fi
        fail "downloading $*: see $FILES/download.log"
    fi
    for package in "$FILES"/debs/*.deb; do
        dpkg-deb --extract "$package" "$FILES" || fail "unpacking $package"
    done
    relinked
    touch -- "$FILES/done"
}

# relinked: links that lead out of the unpacked packages lead to other unpacked files, or to what is installed.
relinked() {
    local link target
    find "$FILES" -type l \( -lname '/*' -o -xtype l \) -print0 | while IFS= read -r -d '' link; do
        target=$(cd -- / && realpath --canonicalize-missing --no-symlinks -- "$(dirname -- "${link#"$FILES"}")/$(readlink -- "$link")")
        [[ $(readlink -- "$link") != /* ]] || target=$(readlink -- "$link")
        if [[ -e $FILES$target ]]; then
            ln -sfn -- "$FILES$target" "$link"
        elif [[ -e $target ]]; then
            ln -sfn -- "$target" "$link"
        fi
    done
}

# database: a MariaDB in $SITE/db with a socket beside it, and no network.
database() {
    mysql_install_db --no-defaults --user="$(id -un)" --datadir="$SITE/db" --auth-root-authentication-method=normal \
        >"$SITE/db.log" 2>&1 || fail "$APPLICATION: making a database: see $SITE/db.log"
    mariadbd --no-defaults --user="$(id -un)" --datadir="$SITE/db" --socket="$SITE/db.sock" --skip-networking >>"$SITE/db.log" 2>&1 &
    DATABASE=$!
    until_true 'MariaDB' database_run 'SELECT 1'
}

# database_run SQL: its rows.
database_run() { mariadb --no-defaults --user=root --socket="$SITE/db.sock" --skip-column-names --batch --execute="$1"; }
