#!/usr/bin/env bash
# What encryption costs, beside others in the same run: full and resumed handshakes per second and memory per idle connection
# beside nginx; hello world by HTTP/2 beside hyper with rustls and nothing else, and beside nginx with php-fpm. Hello world is
# measured in rounds, each of which asks every server; the medians are compared. Prints ratios; nothing is said about one number
# alone.
#
#   scripts/bench-tls.sh IGOR PLAIN_HYPER FOLDER
#
# PLAIN_HYPER is the example plain-hyper-tls.
#
# Environment:
#   FPM                the php-fpm to compare with; default: the system's, whose version may differ
#   BENCH_ROUNDS       of hello world (5)
#   BENCH_SECONDS      of each measurement of handshakes (5)
#   BENCH_CONNECTIONS  how many connections rest (10000)
#   BENCH_REQUESTS     of each measurement of hello world (20000)
#   PHP                a PHP with the extension openssl
set -euo pipefail
# shellcheck source=scripts/lib/processes.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib/processes.sh"

IGOR=$(realpath -- "$1") PLAIN=$(realpath -- "$2")
mkdir -p -- "$3"
# The servers have working directories of their own.
FOLDER=$(realpath -- "$3")
readonly IGOR PLAIN FOLDER
readonly BENCH_ROUNDS=${BENCH_ROUNDS:-5}
readonly BENCH_SECONDS=${BENCH_SECONDS:-5} BENCH_CONNECTIONS=${BENCH_CONNECTIONS:-10000}
readonly BENCH_REQUESTS=${BENCH_REQUESTS:-20000}
readonly DEADLINE_SECONDS=30

fail() {
    say "bench-tls: $*" >&2
    tail --lines=10 "$FOLDER"/*.log >&2
    exit 1
}

# start NAME COMMAND…: runs a server whose output goes to NAME.log, and sets PROCESS.
start() {
    "${@:2}" >"$FOLDER/$1.log" 2>&1 &
    PROCESS=$!
    PROCESSES+=("$PROCESS")
}

# handshakes PORT OPTION: connections per second by TLS 1.2. (s_time never reads the tickets of TLS 1.3.)
handshakes() {
    openssl s_time -connect "127.0.0.1:$1" "$2" -tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256 -time "$BENCH_SECONDS" 2>/dev/null |
        sed -n 's/^\([0-9]*\) connections in \([0-9]*\) real seconds.*/\1 \2/p' | awk '{ printf "%.0f", $1 / $2 }'
}

# memory PROCESS: resident KiB of it and of its children.
memory() {
    local process total=0 size
    for process in "$1" $(pgrep --parent "$1" || true); do
        size=$(sed -n 's/^VmRSS:\s*\([0-9]*\).*/\1/p' "/proc/$process/status")
        total=$((total + size))
    done
    printf '%s\n' "$total"
}

# idle PORT PROCESS: bytes of memory per connection that rests after its handshake.
idle() {
    local before after
    before=$(memory "$2")
    # shellcheck disable=SC2016  # PHP's own variables
    exec 4> >(exec "$PHP" -n -r '
        $context = stream_context_create(["ssl" => ["verify_peer" => false, "verify_peer_name" => false]]);
        for ($open = []; count($open) < $argv[2]; $open[] = $stream) {
            $stream = stream_socket_client("ssl://127.0.0.1:$argv[1]", $code, $error, 30, STREAM_CLIENT_CONNECT, $context)
                or exit("no connection: $error\n");
        }
        touch($argv[3]);
        fgets(STDIN);' "$1" "$BENCH_CONNECTIONS" "$FOLDER/open")
    local end=$((SECONDS + DEADLINE_SECONDS + BENCH_CONNECTIONS / 50))
    until [[ -e $FOLDER/open ]]; do
        ((SECONDS < end)) || fail "the connections were not opened in time"
        sleep 0.2
    done
    after=$(memory "$2")
    rm -- "$FOLDER/open"
    exec 4>&-
    printf '%s\n' $(((after - before) * 1024 / BENCH_CONNECTIONS))
}

# hello PORT: requests per second of hello world by HTTP/2.
hello() {
    h2load --requests="$BENCH_REQUESTS" --clients=10 --max-concurrent-streams=10 "https://127.0.0.1:$1/hello.php" \
        >"$FOLDER/h2load.log" 2>&1 || fail "h2load failed"
    grep --quiet "status codes: $BENCH_REQUESTS 2xx" "$FOLDER/h2load.log" || fail "not every request was answered"
    awk '/^finished in/ { printf "%.0f", $4 }' "$FOLDER/h2load.log"
}

# median NUMBER…
median() { printf '%s\n' "$@" | sort --numeric-sort | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'; }

# row WHAT OWN OTHER: one line of the table.
row() {
    awk -v what="$1" -v own="$2" -v other="$3" 'BEGIN { printf "%-52s %10s %10s %8.2f\n", what, own, other, other ? own / other : 0 }'
}

rm -rf -- "$FOLDER"
mkdir -p -- "$FOLDER/www" "$FOLDER/temporary"
chmod 755 "$FOLDER" "$FOLDER/www"
printf '<?php echo "hello world";\n' >"$FOLDER/www/hello.php"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
    -addext 'subjectAltName=IP:127.0.0.1' -keyout "$FOLDER/key.pem" -out "$FOLDER/cert.pem" 2>"$FOLDER/openssl.log"
OWN=$(free_port) NGINX=$(free_port) BEHIND=$(free_port) HYPER=$(free_port)
cat >"$FOLDER/Caddyfile" <<CADDYFILE
{
	admin off
	auto_https disable_redirects
}
https://127.0.0.1:$OWN {
	tls $FOLDER/cert.pem $FOLDER/key.pem
	root $FOLDER/www
	php_server
}
fastcgi://localhost {
	bind unix/$FOLDER/igor.sock|0666
	php
}
CADDYFILE
cat >"$FOLDER/fpm.conf" <<CONF
[global]
error_log = $FOLDER/fpm.log
daemonize = no
[www]
listen = $FOLDER/fpm.sock
listen.mode = 0666
pm = static
pm.max_children = 8
CONF
((EUID != 0)) || printf 'user = www-data\ngroup = www-data\n' >>"$FOLDER/fpm.conf"
# nginx_server PORT SOCKET
nginx_server() {
    printf 'server { listen 127.0.0.1:%s ssl http2; root %s/www; location / { include /etc/nginx/fastcgi_params; ' "$1" "$FOLDER"
    # shellcheck disable=SC2016  # nginx's own variables
    printf 'fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name; fastcgi_pass unix:%s; } }\n' "$2"
}
{
    printf 'daemon off;\nworker_processes auto;\nworker_rlimit_nofile %s;\npid %s/nginx.pid;\nerror_log %s/nginx.log;\n' \
        "$(ulimit -H -n)" "$FOLDER" "$FOLDER"
    printf 'events { worker_connections 20000; }\nhttp {\naccess_log off;\nkeepalive_timeout 600s;\nkeepalive_requests 1000000;\nclient_header_timeout 600s;\n'
    for name in client_body fastcgi proxy uwsgi scgi; do
        printf '%s_temp_path temporary/%s;\n' "$name" "$name"
    done
    printf 'ssl_certificate %s/cert.pem;\nssl_certificate_key %s/key.pem;\nssl_protocols TLSv1.2 TLSv1.3;\n' "$FOLDER" "$FOLDER"
    printf 'ssl_session_cache shared:tls:10m;\n'
    # Without kept connections: each of them would hold a process of php-fpm.
    nginx_server "$NGINX" "$FOLDER/fpm.sock"
    nginx_server "$BEHIND" "$FOLDER/igor.sock"
    printf '}\n'
} >"$FOLDER/nginx.conf"
ulimit -n "$(ulimit -H -n)"
FPM=${FPM:-$(compgen -c php-fpm | sort --version-sort | tail --lines=1)}
start php-fpm "$FPM" --fpm-config "$FOLDER/fpm.conf"
start igor "$IGOR" run --config "$FOLDER/Caddyfile"
IGOR_PROCESS=$PROCESS
start nginx nginx -p "$FOLDER" -c "$FOLDER/nginx.conf"
NGINX_PROCESS=$PROCESS
start plain-hyper "$PLAIN" "127.0.0.1:$HYPER" "$FOLDER/cert.pem" "$FOLDER/key.pem"
for port in "$OWN" "$NGINX" "$BEHIND" "$HYPER"; do
    end=$((SECONDS + DEADLINE_SECONDS))
    until [[ $(curl --silent --insecure "https://127.0.0.1:$port/hello.php") == 'hello world' ]]; do
        ((SECONDS < end)) || fail "port $port does not answer"
        sleep 0.1
    done
done

say "php-fpm: $("$FPM" -v | head --lines=1)"
say "host: $(nproc) processors, $(uname --machine); load before: $(cut -d ' ' -f 1-3 /proc/loadavg); $(date --iso-8601)"
printf '%-52s %10s %10s %8s\n' '' own other ratio
row 'full handshakes per second (TLS 1.2, P-256): nginx' "$(handshakes "$OWN" -new)" "$(handshakes "$NGINX" -new)"
row 'resumed handshakes per second: nginx' "$(handshakes "$OWN" -reuse)" "$(handshakes "$NGINX" -reuse)"
declare -a OWN_HELLO=() FPM_HELLO=() BEHIND_HELLO=() HYPER_HELLO=()
for ((round = 0; round < BENCH_ROUNDS; round++)); do
    OWN_HELLO+=("$(hello "$OWN")") HYPER_HELLO+=("$(hello "$HYPER")")
    FPM_HELLO+=("$(hello "$NGINX")") BEHIND_HELLO+=("$(hello "$BEHIND")")
done
own=$(median "${OWN_HELLO[@]}") fpm=$(median "${FPM_HELLO[@]}")
row 'hello world, HTTP/2: igor; hyper with rustls' "$own" "$(median "${HYPER_HELLO[@]}")"
row 'the same: igor; nginx with php-fpm' "$own" "$fpm"
row 'the same: nginx with igor; nginx with php-fpm' "$(median "${BEHIND_HELLO[@]}")" "$fpm"
row "bytes per idle connection, of $BENCH_CONNECTIONS: nginx" "$(idle "$OWN" "$IGOR_PROCESS")" "$(idle "$NGINX" "$NGINX_PROCESS")"
