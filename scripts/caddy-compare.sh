#!/usr/bin/env bash
# Caddy with php-fpm, and igor: one Caddyfile for both, some hundred requests, and what each of them answers. A difference needs
# a reason in scripts/caddy-compare/differences.txt; one that is listed there and does not exist is reported, too.
#
#   scripts/caddy-compare.sh IGOR FOLDER
#
# FOLDER holds the site and the logs, and is made again each time. Environment:
#   PHP     the stock php of the same build
#   SAMPLE  1: without Caddy or php-fpm, the comparison is skipped
#   CASES   the names of some cases, between spaces
set -euo pipefail
ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
readonly SOURCES=$ROOT/scripts/caddy-compare DEADLINE_SECONDS=60
# shellcheck source=scripts/lib/processes.sh
source "$ROOT/scripts/lib/processes.sh"
# shellcheck source=scripts/caddy-compare/site.sh
source "$SOURCES/site.sh"

fail() {
    say "caddy-compare: $*" >&2
    tail --quiet --lines=20 "$FOLDER"/*.log >&2
    exit 1
}

# listening PORT
listening() {
    local end=$((SECONDS + DEADLINE_SECONDS))
    until (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do
        ((SECONDS < end)) || fail "waited $DEADLINE_SECONDS s for the port $1"
        sleep 0.05
    done
}

# php-fpm of the system; its version may be another than that of igor's PHP.
php_fpm() {
    local program=$1
    printf '[global]\nerror_log = %s/fpm.log\ndaemonize = no\n[www]\nlisten = %s\npm = static\npm.max_children = 2\n' "$FOLDER" "$FPM" \
        >"$FOLDER/fpm.conf"
    printf 'security.limit_extensions = .php .inc\n' >>"$FOLDER/fpm.conf"
    "$program" --nodaemonize --allow-to-run-as-root --fpm-config "$FOLDER/fpm.conf" -c "$FOLDER/ini" >"$FOLDER/fpm.out.log" 2>&1 &
    PROCESSES+=($!)
    local end=$((SECONDS + DEADLINE_SECONDS))
    until [[ -S $FPM ]]; do
        ((SECONDS < end)) || fail 'waited for php-fpm'
        sleep 0.05
    done
}

main() {
    (($# == 2)) || { say 'usage: scripts/caddy-compare.sh IGOR FOLDER' >&2; exit 2; }
    local igor fpm_program caddy_port igor_port
    igor=$(realpath -- "$1")
    fpm_program=$(compgen -G '/usr/sbin/php-fpm*' | sort -V | tail -n 1 || true)
    if ! command -v caddy >/dev/null || [[ -z $fpm_program ]]; then
        [[ -n ${SAMPLE:-} ]] || { say 'error: caddy or php-fpm is missing; install them by: scripts/php.sh install-packages caddy-compare' >&2; exit 1; }
        say 'skipped: caddy-compare: caddy and php-fpm are not installed, and no archive can be reached'
        return
    fi
    rm -rf -- "$2"
    mkdir -p -- "$2/home" "$2/ini"
    FOLDER=$(realpath -- "$2")
    site_made "$FOLDER/www"
    printf 'expose_php = Off\ndisplay_errors = Off\nlog_errors = On\nvariables_order = EGPCS\n' >"$FOLDER/ini/php.ini"
    # The path of a socket is at most 107 bytes.
    SOCKETS=$(mktemp --directory)
    trap 'stop_all; rm -rf -- "$SOCKETS"' EXIT
    caddy_port=$(free_port) igor_port=$(free_port)
    export WWW=$FOLDER/www FPM=$SOCKETS/fpm FPM_THERE=$SOCKETS/fpm UPSTREAM CADDY_COMPARE='of the environment'
    UPSTREAM=$(free_port)
    "$PHP" "$SOURCES/compare.php" configuration "$SOURCES/cases" >"$FOLDER/Caddyfile"
    php_fpm "$fpm_program"
    "$PHP" -n -S "127.0.0.1:$UPSTREAM" "$SOURCES/upstream.php" >"$FOLDER/upstream.log" 2>&1 &
    PROCESSES+=($!)
    cd -- "$FOLDER"
    PORT=$caddy_port HOME=$FOLDER/home caddy run --config "$FOLDER/Caddyfile" --adapter caddyfile >"$FOLDER/caddy.log" 2>&1 &
    PROCESSES+=($!)
    # At this address no PHP answers, so igor runs the scripts of `php_fastcgi` itself; at FPM_THERE one does.
    FPM=$SOCKETS/none PORT=$igor_port HOME=$FOLDER/home PHPRC=$FOLDER/ini PHP_INI_SCAN_DIR='' "$igor" run --config "$FOLDER/Caddyfile" >"$FOLDER/igor.log" 2>&1 &
    PROCESSES+=($!)
    listening "$UPSTREAM"
    listening "$caddy_port"
    listening "$igor_port"
    "$PHP" "$SOURCES/compare.php" ask "$SOURCES/cases" "$SOURCES/differences.txt" "$caddy_port" "$igor_port" | tee "$FOLDER/result"
}

main "$@"
