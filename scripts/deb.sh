#!/usr/bin/env bash
# Makes Debian's package: deb.sh IGOR FOLDER, where IGOR is the built program. Prints the path of the package.
#
# It is for the release of Debian (or Ubuntu) that it is made on: PHP's libraries come from there. The same input makes the same
# package, byte for byte.
#
# Environment: scripts/lib/stage.sh, and
#   IGOR_PACKAGE_VERSION   another version than that of Cargo.toml
#   IGOR_XZ_LEVEL         how much xz tries, 0 to 9; default: 6
set -euo pipefail

SCRIPTS=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$SCRIPTS/lib/common.sh"
# shellcheck source=scripts/lib/stage.sh
source "$SCRIPTS/lib/stage.sh"

# The name `igor` is taken in Debian, by a tool of immunologists whose program has the same path.
readonly NAME=igor-php

# stage_service ROOT: the unit for Debian's paths. Type=notify-reload needs a newer systemd than Debian 12 has.
stage_service() {
    local unit=$1/usr/lib/systemd/system/igor.service
    mkdir -p -- "${unit%/*}"
    {
        printf '# Igor as a service. systemctl reload igor: the Caddyfile is checked and read again.\n\n'
        sed -e '/^#/d' -e 's|/usr/local/bin/|/usr/bin/|' -e 's|^User=.*|User=igor|' \
            -e 's|^Type=.*|Type=notify|' -e 's|^Documentation=.*|Documentation=file:/usr/share/doc/igor-php|' \
            -e 's|^\(ExecStart=.*\)|\1\nExecReload=/usr/bin/igor validate --config /etc/igor/Caddyfile\nExecReload=/bin/kill -HUP $MAINPID|' \
            -- "$ROOT/packaging/igor.service"
    } | cat -s | sed '/^PrivateTmp/a StateDirectory=igor\nLogsDirectory=igor' >"$unit"
}

stage_settings() {
    install -D -m 644 -- "$ROOT/packaging/debian/Caddyfile" "$1/etc/igor/Caddyfile"
    install -D -m 644 -- "$ROOT/packaging/php.d/10-igor.ini" "$1/etc/igor/php.d/10-igor.ini"
    install -D -m 644 -- "$ROOT/examples/live-config/settings.json" "$1/etc/igor/settings.json"
    install -D -m 644 -- "$ROOT/packaging/debian/igor.logrotate" "$1/etc/logrotate.d/igor"
}

stage_documents() {
    local doc=$1/usr/share/doc/$NAME
    mkdir -p -- "$doc"
    stage_licences "$doc/copyright"
    gzip -9n <"$ROOT/CHANGELOG.md" >"$doc/changelog.gz"
    cp -R -- "$ROOT/README.md" "$ROOT/docs" "$doc/"
    stage_words "$1/usr/bin/igor" "$1/usr/share"
    find "$1/usr/share" -path '*/man/man1/*.1' -exec gzip -9n {} +
}

# depends WORK: the packages of the libraries that the binaries name, in versions that are new enough.
depends() {
    local work=$1
    mkdir -p -- "$work/debian"
    printf 'Source: %s\n\nPackage: %s\nArchitecture: any\n' "$NAME" "$NAME" >"$work/debian/control"
    (
        cd -- "$work"
        dpkg-shlibdeps -O --ignore-missing-info -l"$work/root/usr/lib/igor" \
            root/usr/bin/igor root/usr/lib/igor/libphp.so root/usr/lib/igor/bin/php root/usr/lib/igor/extensions/*.so 2>"$work/shlibdeps.log"
    ) | sed -n 's/^shlibs:Depends=//p'
}

write_control() {
    local work=$1 version=$2 needs size control=$1/root/DEBIAN
    needs=$(depends "$work")
    [[ $needs == *libc6* ]] || fail_with_log "$work/shlibdeps.log" 'finding the libraries that the package needs'
    size=$(du -sk --apparent-size -- "$work/root" | cut -f 1)
    mkdir -p -- "$control"
    cat >"$control/control" <<END
Package: $NAME
Version: $version
Architecture: $(dpkg --print-architecture)
Maintainer: the Igor project <igor@localhost>
Installed-Size: $size
Depends: $needs, adduser, init-system-helpers (>= 1.54~)
Recommends: ca-certificates
Suggests: logrotate
Conflicts: igor
Section: httpd
Priority: optional
Description: PHP server with shared, live state
 A web server for PHP in one process: HTTP workers, background workers that
 publish arrays to every request, tasks and stores, HTTPS by itself. It reads
 a Caddyfile. Its own thread-safe PHP comes with it, in /usr/lib/igor.
END
    (cd -- "$work/root" && find etc -type f -printf '/%p\n' | sort) >"$control/conffiles"
    install -m 755 -- "$ROOT"/packaging/debian/{postinst,prerm,postrm} "$control/"
    (cd -- "$work/root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$control/md5sums"
}

main() {
    (($# == 2)) || fail 'usage: deb.sh IGOR FOLDER'
    local igor=$1 to version work
    need dpkg-deb dpkg-shlibdeps patchelf strip
    stage_time
    mkdir -p -- "$2"
    to=$(cd -- "$2" && pwd)
    version=$(package_version)
    work=$(mktemp -d "$to/work.XXXXXX")
    # shellcheck disable=SC2064 # The folder is known now.
    trap "rm -rf -- '$work'" EXIT
    stage_program "$igor" "$work/root/usr"
    stage_share "$work/root/usr/share/igor"
    stage_settings "$work/root"
    stage_service "$work/root"
    stage_documents "$work/root"
    write_control "$work" "$version"
    stage_settle "$work/root"
    local package
    package=$to/${NAME}_${version}_$(dpkg --print-architecture).deb
    dpkg-deb --root-owner-group -Zxz "-z${IGOR_XZ_LEVEL:-6}" --build "$work/root" "$package" >/dev/null
    printf '%s\n' "$package"
}

main "$@"; exit
