#!/usr/bin/env bash
# Installs Debian's package in a fresh Debian, and looks at what an operator would: deb-test.sh BEFORE PACKAGE FOLDER
#
# BEFORE is a package of an older version. It is installed by apt, its service's command runs, and while requests run PACKAGE takes
# its place; last the purge must leave nothing. No systemd runs here: the command of the unit is started as its user. The network
# is used for Debian's packages alone. Needs root.
set -euo pipefail

SCRIPTS=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$SCRIPTS/lib/common.sh"

readonly SUITE=${DEB_TEST_SUITE:-bookworm}
readonly SECONDS_MAX=60

inside() { chroot "$CHROOT" "$@"; }

passed() { say "  passed: $*"; }

# make_root FOLDER: a fresh Debian; its archive is kept for the next time.
make_root() {
    local base=$1/$SUITE.tar
    if [[ ! -e $base ]]; then
        say "fetching Debian $SUITE"
        mmdebstrap --quiet --format=tar --variant=apt --include=ca-certificates "$SUITE" "$base.part"
        mv -- "$base.part" "$base"
    fi
    CHROOT=$(mktemp -d "$1/root.XXXXXX")
    tar -xf "$base" -C "$CHROOT" --exclude='./dev/*'
    cp -- "$BEFORE" "$CHROOT/root/before.deb"
    cp -- "$PACKAGE" "$CHROOT/root/package.deb"
    cp -L -- /etc/resolv.conf "$CHROOT/etc/resolv.conf"
    # As Debian's images do: no service starts at an installation in here.
    printf '#!/bin/sh\nexit 101\n' >"$CHROOT/usr/sbin/policy-rc.d"
    chmod 755 "$CHROOT/usr/sbin/policy-rc.d"
}

# files: the names of all files that a package or a service could have left; not what apt, dpkg and adduser keep for themselves.
files() {
    (cd -- "$CHROOT" && find . \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./tmp -o -path ./run -o -path ./var/cache \
        -o -path ./var/lib/apt -o -path ./var/lib/dpkg -o -path ./var/log/apt -o -path ./root -o -path './etc/*-' \
        -o -path ./var/log/dpkg.log \) -prune -o -print | sort)
}

apt() { inside env DEBIAN_FRONTEND=noninteractive apt-get --quiet --yes "$@" >>"$WORK/apt.log" 2>&1 || fail_with_log "$WORK/apt.log" "apt-get $*"; }

# start_service: the unit's command, as its user, with its capability.
start_service() {
    local command
    command=$(sed -n 's/^ExecStart=//p' "$CHROOT/usr/lib/systemd/system/igor.service")
    [[ $(sed -n 's/^User=//p' "$CHROOT/usr/lib/systemd/system/igor.service") == igor ]] || fail 'the unit names another user'
    # shellcheck disable=SC2086 # The words of the command.
    chroot "$CHROOT" setpriv --reuid igor --regid igor --clear-groups --no-new-privs --inh-caps=-all,+net_bind_service \
        --ambient-caps=-all,+net_bind_service env HOME=/var/lib/igor $command >>"$WORK/igor.log" 2>&1 &
    SERVICE=$!
    local end=$((SECONDS + SECONDS_MAX))
    until [[ $(status http://127.0.0.1:2019/readyz) == 200 ]]; do
        kill -0 "$SERVICE" 2>/dev/null || fail_with_log "$WORK/igor.log" 'the service ended'
        ((SECONDS < end)) || fail_with_log "$WORK/igor.log" "the service was not ready within $SECONDS_MAX s"
        sleep 0.2
    done
}

stop_service() {
    kill -TERM "$SERVICE"
    wait "$SERVICE" || fail_with_log "$WORK/igor.log" 'the service ended with another status than 0'
}

status() { curl --silent --output /dev/null --write-out '%{http_code}' "$1" || true; }

# holds WHAT TEXT COMMAND...: the output of a command has this text.
holds() {
    local what=$1 text=$2 output
    shift 2
    output=$("$@" 2>&1) || fail "$what: $* failed: $output"
    [[ $output == *"$text"* ]] || fail "$what: the output of $* has no \"$text\": ${output:0:2000}"
    passed "$what"
}

# until_holds WHAT TEXT COMMAND...: the same, within some seconds.
until_holds() {
    local end=$((SECONDS + SECONDS_MAX))
    until [[ $("${@:3}" 2>&1) == *"$2"* ]]; do
        ((SECONDS < end)) || holds "$@"
        sleep 0.1
    done
    passed "$1"
}

# ask_on FILE: a request every 20 ms until FILE exists; the statuses go to a list.
ask_on() {
    while [[ ! -e $1 ]]; do
        status http://127.0.0.1/api >>"$WORK/statuses"
        printf '\n' >>"$WORK/statuses"
        sleep 0.02
    done
}

look_at_installed() {
    holds 'the program is linked with its own PHP' '/usr/lib/igor' inside igor version
    holds 'opcache runs' 'opcache: on' inside igor version
    holds 'the command line of PHP' '(cli)' inside igor php-cli -v
    holds 'a configuration that is valid' 'valid' inside igor validate --config /etc/igor/Caddyfile
    start_service
    holds 'the page' 'settings.json' curl --silent --fail http://127.0.0.1/
    sed -i 's/Harbour Books/Books by the Sea/' "$CHROOT/etc/igor/settings.json"
    until_holds 'a change in /etc/igor/settings.json is seen' 'Books by the Sea' curl --silent --fail http://127.0.0.1/api
    holds 'the workers' 'ready' inside igor workers
    holds 'the service runs as its user' "$(inside id -u igor)" awk '/^Uid:/ { print $2 }' "$CHROOT/proc/$SERVICE/status"
}

upgrade_under_requests() {
    local asking
    printf '\n# A line of the administrator.\n' >>"$CHROOT/etc/igor/Caddyfile"
    : >"$WORK/statuses"
    ask_on "$WORK/upgraded" &
    asking=$!
    apt install /root/package.deb
    inside igor reload >/dev/null || fail 'reloading after the upgrade'
    touch "$WORK/upgraded"
    wait "$asking"
    [[ $(sort -u "$WORK/statuses") == 200 ]] || fail "answers during the upgrade: $(sort "$WORK/statuses" | uniq -c)"
    passed "$(wc -l <"$WORK/statuses") requests during the upgrade, all answered with 200"
    holds 'the change of the administrator is still there' 'of the administrator' cat "$CHROOT/etc/igor/Caddyfile"
    stop_service
    start_service
    holds 'the page after the restart' 'settings.json' curl --silent --fail http://127.0.0.1/
    holds 'the version of the package' "$(dpkg-deb --field "$PACKAGE" Version)" inside dpkg-query --show igor-php
    stop_service
}

# at_work: without a network but the loopback interface of its own.
at_work() {
    ip link set lo up
    look_at_installed
    upgrade_under_requests
}

# whole: in namespaces of its own, so that nothing of what runs or is mounted here outlives the script.
whole() {
    mount --rbind /dev "$CHROOT/dev"
    mount -t proc proc "$CHROOT/proc"
    apt update
    files >"$WORK/before"
    apt install /root/before.deb
    holds 'a user of its own' 'igor' inside getent passwd igor
    unshare --net "$0" --at-work "$WORK" "$CHROOT"
    apt purge --auto-remove igor-php
    files >"$WORK/after"
    diff -- "$WORK/before" "$WORK/after" >&2 || fail 'the purge has left files'
    ! inside getent passwd igor >/dev/null || fail 'the purge has left the user'
    passed 'the purge leaves nothing'
}

main() {
    (($# == 3)) || fail 'usage: deb-test.sh BEFORE PACKAGE FOLDER'
    if [[ $1 == --* ]]; then
        WORK=$2 CHROOT=$3
        PACKAGE=$CHROOT/root/package.deb
        if [[ $1 == --whole ]]; then whole; else at_work; fi
        return
    fi
    ((EUID == 0)) || fail 'deb-test: only root can make a Debian to install in'
    BEFORE=$1 PACKAGE=$2
    mkdir -p -- "$3"
    local folder
    folder=$(cd -- "$3" && pwd)
    WORK=$(mktemp -d "$folder/work.XXXXXX")
    make_root "$folder"
    # shellcheck disable=SC2064 # The folders are known now.
    trap "rm -rf --one-file-system -- '$CHROOT' '$WORK'" EXIT
    unshare --mount --pid --fork --kill-child "$0" --whole "$WORK" "$CHROOT"
    say 'deb-test: everything passed'
}

main "$@"; exit
