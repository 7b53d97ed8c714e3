#!/usr/bin/env bash
# System calls per request, which repeat where times do not: `strace -c` of the whole server under 16 connections of wrk.
# How often a thread sleeps and is woken depends on the load of the machine, so those calls are counted apart.
# Usage: scripts/bench-syscalls.sh IGOR [SECONDS]; exit status 1 if a kind of request makes more of the other calls than
# allowed, 3 if this system does not let strace attach.
set -euo pipefail

igor=${1:?usage: scripts/bench-syscalls.sh IGOR [SECONDS]}
seconds=${2:-4}
folder=$(mktemp -d)
server=
tracer=
clean_up() {
    [[ -z $tracer ]] || kill -INT "$tracer" 2>/dev/null || true
    [[ -z $server ]] || { kill -INT "$server" 2>/dev/null && wait "$server"; } || true
    rm -rf -- "$folder"
}
trap clean_up EXIT

for tool in strace wrk; do
    command -v "$tool" >/dev/null || { echo "bench-syscalls: $tool is missing; install it (make test-packages)" >&2; exit 2; }
done

mkdir "$folder/www"
printf '<?php echo "hello";' > "$folder/www/index.php"
printf '<?php while (frankenphp_handle_request(function () { echo "hello"; }));' > "$folder/www/worker.php"
head -c 65536 /dev/zero > "$folder/www/file.bin"
head -c 4096 /dev/zero > "$folder/www/small.bin"
cat > "$folder/Caddyfile" <<EOF
{
	admin off
	frankenphp {
		num_threads 4
	}
}
http://php.localhost:0 {
	bind 127.0.0.1
	root $folder/www
	php_server {
		file_server off
		worker {
			file $folder/www/worker.php
			match /worker/*
			num 2
		}
	}
}
http://files.localhost:0 {
	bind 127.0.0.1
	root $folder/www
	file_server
}
EOF

"$igor" run --config "$folder/Caddyfile" > "$folder/log" 2>&1 &
server=$!
for _ in $(seq 100); do
    address=$(grep -o 'address=127.0.0.1:[0-9]*' "$folder/log" | head -n 1 | cut -d = -f 2 || true)
    [[ -z $address ]] || break
    sleep 0.1
done
[[ -n $address ]] || { echo "bench-syscalls: the server did not start:" >&2; cat "$folder/log" >&2; exit 2; }

failed=0
connections=16
# measure NAME HOST PATH BOUND TARGET
measure() {
    local name=$1 host="Host: $2.localhost" url=http://$address$3 bound=$4 target=$5 duration=${6:-$seconds} requests
    curl --silent --fail --output /dev/null --header "$host" "$url"
    # Costs that occur once, such as opcache's copy of the script and the connections, are not part of a request.
    wrk --threads 1 --connections "$connections" --duration 1s --header "$host" "$url" > /dev/null
    strace --quiet=all --summary-only --follow-forks --attach "$server" --output "$folder/calls" 2> "$folder/strace" &
    tracer=$!
    sleep 1
    kill -0 "$tracer" 2> /dev/null || { tracer=; cat "$folder/strace" >&2; exit 3; }
    wrk --threads 1 --connections "$connections" --duration "${seconds}s" --header "$host" "$url" > "$folder/wrk"
    kill -INT "$tracer"
    wait "$tracer" 2> /dev/null || true
    tracer=
    if grep -q 'Non-2xx\|Socket errors' "$folder/wrk"; then
        echo "bench-syscalls: $name: not all requests were answered" >&2
        cat "$folder/wrk" >&2
        exit 2
    fi
    requests=$(awk '/requests in/ { print $1 }' "$folder/wrk")
    # On a busy machine the calls of the connections themselves would be too large a part.
    if ((requests < 40 * connections && duration < 8 * seconds)); then
        measure "$1" "$2" "$3" "$4" "$5" $((2 * duration))
        return
    fi
    # strace omits the errors column when there are none.
    awk -v name="$name" -v requests="$requests" -v bound="$bound" -v target="$target" '
        NR > 2 && $NF != "total" && $4 ~ /^[0-9]+$/ {
            all += $4
            # Rounded, because a connection costs some calls too, when it is opened and closed.
            if ($NF !~ /^(futex|epoll_wait|epoll_pwait|epoll_ctl|write|sched_yield)$/) own += int($4 / requests + 0.5)
            if ($4 > requests / 20) calls = calls sprintf(" %s %.2f", $NF, $4 / requests)
        }
        END {
            printf "%-8s %2d of at most %d, with wake-ups %5.2f (target %d), %d requests:%s\n", name, own, bound, all / requests, target, requests, calls
            exit own > bound
        }' "$folder/calls" || failed=1
}

measure worker php /worker/x 2 4
measure classic php /index.php 7 12
measure static files /file.bin 5 6
measure small files /small.bin 4 6
exit "$failed"
