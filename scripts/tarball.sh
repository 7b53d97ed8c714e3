#!/usr/bin/env bash
# Makes a tarball that runs where it is unpacked: tarball.sh IGOR FOLDER, where IGOR is the built program. Prints its path.
#
# It needs glibc, as old as on the machine that it is made on or newer, and nothing else: PHP's libraries are in it. The same input
# makes the same tarball, byte for byte.
#
# Environment: scripts/lib/stage.sh
set -euo pipefail

SCRIPTS=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$SCRIPTS/lib/common.sh"
# shellcheck source=scripts/lib/stage.sh
source "$SCRIPTS/lib/stage.sh"

# Parts of glibc, which belong to the system.
readonly GLIBC='^(linux-vdso|ld-linux.*|lib(c|m|dl|rt|pthread|resolv|util|mvec|anl|nss_.*))\.so'

# stage_libraries FOLDER: what the binaries need and glibc does not have.
stage_libraries() {
    local lib=$1/lib/igor file
    ldd "$lib/libphp.so" "$lib/bin/php" "$lib"/extensions/*.so "$1/bin/igor" | awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }' | sort -u |
        while read -r name file; do
            [[ $name =~ $GLIBC || $name == libphp.so ]] || install -m 644 -- "$file" "$lib/$name"
        done
    # The loader looks for what a library needs by that library's own path.
    # shellcheck disable=SC2016 # The loader replaces it.
    for file in "$lib"/*.so*; do patchelf --set-rpath '$ORIGIN' "$file"; done
    # shellcheck disable=SC2016
    patchelf --set-rpath '$ORIGIN/..' "$lib/bin/php" "$lib"/extensions/*.so
}

main() {
    (($# == 2)) || fail 'usage: tarball.sh IGOR FOLDER'
    local igor=$1 to work name
    need patchelf strip ldd
    stage_time
    mkdir -p -- "$2"
    to=$(cd -- "$2" && pwd)
    name=igor-$(package_version)-linux-$(uname -m)
    work=$(mktemp -d "$to/work.XXXXXX")
    # shellcheck disable=SC2064 # The folder is known now.
    trap "rm -rf -- '$work'" EXIT
    stage_program "$igor" "$work/$name"
    stage_libraries "$work/$name"
    stage_share "$work/$name/share/igor"
    stage_words "$work/$name/bin/igor" "$work/$name/share"
    install -D -m 644 -- "$ROOT/packaging/php.d/10-igor.ini" "$work/$name/etc/igor/php.d/10-igor.ini"
    install -m 644 -- "$ROOT/packaging/igor.service" "$ROOT/README.md" "$ROOT/CHANGELOG.md" "$work/$name/"
    cp -R -- "$ROOT/docs" "$work/$name/"
    stage_licences "$work/$name/LICENCES"
    stage_settle "$work/$name"
    tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" --format=gnu -C "$work" "$name" |
        xz "-${IGOR_XZ_LEVEL:-6}" >"$to/$name.tar.xz"
    printf '%s\n' "$to/$name.tar.xz"
}

main "$@"; exit
