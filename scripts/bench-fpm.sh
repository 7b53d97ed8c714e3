#!/usr/bin/env bash
# One page of Debian's WordPress, with a MariaDB of its own, by nginx with igor and by nginx with php-fpm: both by FastCGI at a
# Unix socket, with as many threads as processes and the same settings of opcache. The servers take turns, every answer is
# compared with the page, and the medians of all rounds are compared as ratios.
#
#   scripts/bench-fpm.sh IGOR FOLDER
#
# Environment:
#   FPM            the php-fpm to compare with; default: the system's, whose version may differ
#   BENCH_ROUNDS   how often each server is measured (7)
#   BENCH_SECONDS  of each measurement (10)
#   BENCH_WORKERS  threads of igor, and processes of php-fpm (8)
#   BENCH_CLIENTS  connections that ask at once (16)
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
readonly SECONDS_MAX=120
readonly ROUNDS=${BENCH_ROUNDS:-7} ROUND_SECONDS=${BENCH_SECONDS:-10} WORKERS=${BENCH_WORKERS:-8} CLIENTS=${BENCH_CLIENTS:-16}
# The name in the links of the page. Both servers are asked for it, at ports of their own.
readonly HOST=wordpress.test
# shellcheck source=scripts/lib/processes.sh
source "$ROOT/scripts/lib/processes.sh"
# shellcheck source=scripts/lib/application.sh
source "$ROOT/scripts/lib/application.sh"

# stop_database: also if the script fails while it starts.
stop_database() {
    [[ -z ${DATABASE:-} ]] || kill "$DATABASE" 2>/dev/null || true
    stop_all
}
trap stop_database EXIT

# What the two PHPs read at their start.
readonly -a SETTINGS=(
    opcache.enable=1 opcache.memory_consumption=128 opcache.interned_strings_buffer=16 opcache.max_accelerated_files=10000
    opcache.validate_timestamps=1 opcache.revalidate_freq=2 opcache.jit=disable memory_limit=256M display_errors=Off
    date.timezone=UTC realpath_cache_size=4096K
)

# start NAME COMMAND…: runs a server whose output goes to NAME.log, and sets PROCESS.
start() {
    "${@:2}" >"$SITE/$1.log" 2>&1 &
    PROCESS=$!
    PROCESSES+=("$PROCESS")
}

wordpress() {
    local root=$SITE/root
    unpacked wordpress wordpress-theme-twentytwentythree php-getid3 libjs-cropper libjs-prototype libjs-scriptaculous libjs-underscore
    # Some links lead to packages that the page does not need.
    cp -R --dereference -- "$FILES/usr/share/wordpress" "$root" 2>"$SITE/copy.log" || true
    [[ -f $root/wp-load.php ]] || fail "copying WordPress: see $SITE/copy.log"
    mkdir -p -- "$root/wp-content/uploads"
    cat >"$root/wp-config.php" <<PHP
<?php
define('DB_NAME', 'wordpress');
define('DB_USER', 'root');
define('DB_PASSWORD', '');
define('DB_HOST', 'localhost:$SITE/db.sock');
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
define('WP_HOME', 'http://$HOST');
define('WP_SITEURL', 'http://$HOST');
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
define('DISABLE_WP_CRON', true);
\$table_prefix = 'wp_';
defined('ABSPATH') || define('ABSPATH', __DIR__ . '/');
require_once ABSPATH . 'wp-settings.php';
PHP
    database
    database_run 'CREATE DATABASE wordpress'
}

start_igor() {
    local setting
    {
        printf '{\n\tadmin off\n\tfrankenphp {\n\t\tnum_threads %s\n' "$WORKERS"
        for setting in "${SETTINGS[@]}"; do
            printf '\t\tphp_ini %s %s\n' "${setting%%=*}" "${setting#*=}"
        done
        printf '\t}\n}\nfastcgi://localhost {\n\tbind unix/%s/igor.sock|0666\n\tphp\n}\n' "$SITE"
    } >"$SITE/Caddyfile"
    start igor "$IGOR" run --config "$SITE/Caddyfile"
    IGOR_PROCESS=$PROCESS
    until_true igor test -S "$SITE/igor.sock"
}

start_fpm() {
    local setting
    local -a arguments=()
    for setting in "${SETTINGS[@]}"; do
        arguments+=(-d "$setting")
    done
    {
        printf '[global]\nerror_log = %s/fpm.log\ndaemonize = no\n[www]\nlisten = %s/fpm.sock\nlisten.mode = 0666\n' "$SITE" "$SITE"
        printf 'pm = static\npm.max_children = %s\n' "$WORKERS"
        ((EUID != 0)) || printf 'user = root\ngroup = root\n'
    } >"$SITE/fpm.conf"
    if ((EUID == 0)); then
        # As root, where the site's files are root's.
        arguments+=(--allow-to-run-as-root)
    fi
    start fpm "$FPM" "${arguments[@]}" --nodaemonize --fpm-config "$SITE/fpm.conf"
    FPM_PROCESS=$PROCESS
    until_true php-fpm test -S "$SITE/fpm.sock"
}

# start_nginx: the same server block for both, apart from the socket.
start_nginx() {
    local name
    {
        printf 'daemon off;\nworker_processes auto;\npid %s/nginx.pid;\nerror_log %s/nginx.log;\n' "$SITE" "$SITE"
        ((EUID != 0)) || printf 'user root;\n'
        printf 'events { worker_connections 1024; }\nhttp {\naccess_log off;\nkeepalive_requests 1000000;\n'
        for name in client_body fastcgi proxy uwsgi scgi; do
            printf '%s_temp_path %s/temporary-%s;\n' "$name" "$SITE" "$name"
        done
        for name in igor fpm; do
            printf 'server {\nlisten 127.0.0.1:%s;\nroot %s/root;\nindex index.php;\n' "${PORTS[$name]}" "$SITE"
            # shellcheck disable=SC2016  # nginx's own variables
            printf 'location / { try_files $uri $uri/ /index.php$is_args$args; }\nlocation ~ \.php$ {\n'
            # shellcheck disable=SC2016
            printf 'include /etc/nginx/fastcgi_params;\nfastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;\n'
            printf 'fastcgi_pass unix:%s/%s.sock;\n}\n}\n' "$SITE" "$name"
        done
        printf '}\n'
    } >"$SITE/nginx.conf"
    start nginx nginx -c "$SITE/nginx.conf"
    until_true nginx curl --silent --output /dev/null "http://127.0.0.1:${PORTS[fpm]}/"
}

# page NAME: the page, by one of the servers.
page() { curl --silent --show-error --fail --max-time "$SECONDS_MAX" --header "Host: $HOST" "http://127.0.0.1:${PORTS[$1]}/"; }

# The client: counts the answers that are not the page, and prints one line.
write_client() {
    cat >"$SITE/client.lua" <<'LUA'
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init(arguments)
    wrong = 0
    local file = io.open(arguments[1], "rb")
    page = file:read("*a")
    file:close()
end
function response(status, _, body)
    if status ~= 200 or body ~= page then wrong = wrong + 1 end
end
function done(summary, latency)
    local bad = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
    for _, thread in ipairs(threads) do bad = bad + thread:get("wrong") end
    io.write(string.format("RESULT %.2f %.2f %.2f %d\n", summary.requests / summary.duration * 1e6,
        latency:percentile(50) / 1000, latency:percentile(99) / 1000, bad))
end
LUA
}

# load NAME SECONDS: requests per second, the median and the 99th percentile in milliseconds.
load() {
    local result
    result=$(wrk --threads 2 --connections "$CLIENTS" --duration "$2s" --timeout 30s --header "Host: $HOST" --script "$SITE/client.lua" \
        "http://127.0.0.1:${PORTS[$1]}/" -- "$SITE/page.html" | sed -n 's/^RESULT //p')
    [[ $result == *' 0' ]] || fail "$1: not every answer was the page: $result"
    printf '%s\n' "${result% 0}"
}

# memory PROCESS: the proportional set size of it and of all processes below it, in KiB: shared pages are counted once.
memory() {
    local process total=0 size
    for process in "$1" $(pgrep --parent "$1" || true); do
        size=$(sed -n 's/^Pss:\s*\([0-9]*\).*/\1/p' "/proc/$process/smaps_rollup")
        total=$((total + size))
    done
    printf '%s\n' "$total"
}

# column NUMBER FILE: the median of a column.
column() { awk -v column="$1" '{ print $column }' "$2" | sort --general-numeric-sort | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'; }

# row WHAT OWN OTHER: one line of the table.
row() {
    awk -v what="$1" -v own="$2" -v other="$3" 'BEGIN { printf "%-36s %12s %12s %8.2f\n", what, own, other, other ? own / other : 0 }'
}

measure() {
    local round name
    for name in igor fpm; do
        load "$name" 3 >/dev/null
    done
    for ((round = 0; round < ROUNDS; round++)); do
        # The one that comes second may find a warmer database.
        for name in $( ((round % 2 == 0)) && echo igor fpm || echo fpm igor); do
            load "$name" "$ROUND_SECONDS" >>"$SITE/rounds-$name"
        done
    done
}

report() {
    say "host: $(nproc) processors, $(uname --machine); load before: $LOAD_BEFORE; $(date --iso-8601)"
    say "igor: $("$IGOR" version | head --lines=1)"
    say "php-fpm: $("$FPM" -v | head --lines=1)"
    say "$ROUNDS rounds of $ROUND_SECONDS s, $CLIENTS connections, $WORKERS threads or processes; a page of $(wc --bytes <"$SITE/page.html") bytes"
    printf '%-36s %12s %12s %8s\n' '' 'igor' 'php-fpm' 'ratio'
    row 'requests per second' "$(column 1 "$SITE/rounds-igor")" "$(column 1 "$SITE/rounds-fpm")"
    row 'median, ms' "$(column 2 "$SITE/rounds-igor")" "$(column 2 "$SITE/rounds-fpm")"
    row '99th percentile, ms' "$(column 3 "$SITE/rounds-igor")" "$(column 3 "$SITE/rounds-fpm")"
    row 'memory (PSS of all processes), KiB' "$MEMORY_IGOR" "$MEMORY_FPM"
    say 'requests per second, round by round:'
    for name in igor fpm; do
        say "  $name: $(awk '{ printf "%s ", $1 }' "$SITE/rounds-$name")"
    done
}

(($# == 2)) || { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}" >&2; exit 2; }
IGOR=$(realpath -- "$1")
mkdir -p -- "$2"
FOLDER=$(realpath -- "$2")
FPM=${FPM:-$(compgen -G '/usr/sbin/php-fpm*' | sort --version-sort | tail --lines=1)}
APPLICATION=wordpress SITE=$FOLDER/site FILES=$FOLDER/files
LOAD_BEFORE=$(cut -d ' ' -f 1-3 /proc/loadavg)
rm -rf -- "$SITE"
mkdir -p -- "$SITE"
declare -A PORTS=([igor]=$(free_port) [fpm]=$(free_port))
wordpress
start_igor
start_fpm
start_nginx
write_client
curl --silent --fail --header "Host: $HOST" "http://127.0.0.1:${PORTS[fpm]}/wp-admin/install.php?step=2" \
    --data 'weblog_title=Igor&user_name=admin&admin_password=a-long-secret&admin_password2=a-long-secret&pw_weak=1' \
    --data 'admin_email=admin@example.com&blog_public=0' --output "$SITE/install.html" || fail 'WordPress does not install'
grep --quiet 'Success!' "$SITE/install.html" || fail "WordPress does not install: see $SITE/install.html"
# The first requests write what the later ones read.
for name in igor fpm igor fpm; do
    page "$name" >"$SITE/page.html"
done
[[ $(page igor | sha256sum) == $(page fpm | sha256sum) ]] || fail 'the two servers have different pages'
grep --quiet 'Hello world!' "$SITE/page.html" || fail 'the page is not the one of WordPress'
measure
MEMORY_IGOR=$(memory "$IGOR_PROCESS") MEMORY_FPM=$(memory "$FPM_PROCESS")
report
