#!/usr/bin/env bash
# run.sh IGOR [PORT [KIND]]: a Redis (or what KIND says: nats, etcd) and three instances of Igor, at PORT, PORT + 1 and PORT + 2
# of this machine. Ctrl-C ends them.
set -euo pipefail
(($# >= 1)) || { echo "usage: run.sh IGOR [PORT [redis|nats|etcd]]" >&2; exit 2; }
igor=$(realpath "$1")
port=${2:-8080}
kind=${3:-redis}
cd "$(dirname "$0")"
case $kind in
    redis | nats) program=$kind-server scheme=$kind ;;
    etcd) program=etcd scheme=http ;;
    *) echo "there is no engine $kind" >&2; exit 2 ;;
esac
command -v "$program" >/dev/null || { echo "install $program first" >&2; exit 1; }

folder=$(mktemp -d)
started=()
stop() {
    for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
    wait
    rm -r "$folder"
}
trap stop EXIT
trap 'exit 0' INT TERM

engine=$((port + 10))
address=http://127.0.0.1:$engine
case $kind in
    etcd)
        etcd --data-dir "$folder" --listen-client-urls "$address" --advertise-client-urls "$address" \
            --listen-peer-urls "http://127.0.0.1:$((port + 11))" >/dev/null 2>&1 & ;;
    nats) nats-server --addr 127.0.0.1 --port "$engine" --jetstream --store_dir "$folder" 2>/dev/null & ;;
    *) redis-server --port "$engine" --bind 127.0.0.1 --save '' --appendonly yes --dir "$folder" >/dev/null & ;;
esac
started+=($!)
for number in 0 1 2; do
    PORT=$((port + number)) ADMIN=$((port + 20 + number)) KIND=$kind SCHEME=$scheme ENGINE=127.0.0.1:$engine "$igor" run --config Caddyfile &
    started+=($!)
    echo "process $!: http://127.0.0.1:$((port + number))/, igor workers --address localhost:$((port + 20 + number))"
done
echo "kill -9 the process that leads, and watch the other pages"
wait
