#!/usr/bin/env bash
# bench-cluster.sh [ENGINE…]: 1,000 followers (CLUSTER_FOLLOWERS) in one process that share a real engine on this machine: how
# long a publish needs until all have it, and what goes over the network meanwhile. In a network of its own, so that the
# packets are those of the engine alone. CARGO_ARGUMENTS are added to `cargo test` (`--release`).
set -euo pipefail
cd "$(dirname "$0")/.."
(($# > 0)) || set -- redis nats etcd
if [[ -z ${BENCH_CLUSTER_INSIDE:-} ]]; then
    # shellcheck disable=SC2086
    cargo test ${CARGO_ARGUMENTS:-} --lib --no-run
    own=(unshare --net)
    ((EUID == 0)) || own=(unshare --user --map-root-user --net)
    exec env BENCH_CLUSTER_INSIDE=1 "${own[@]}" "$0" "$@"
fi
ip link set lo up
ulimit -n "$(ulimit -Hn)"
folder=$(mktemp -d)
engine=
stop() {
    [[ -z $engine ]] || { kill "$engine" && wait "$engine"; } 2>/dev/null || true
    engine=
}
trap 'stop; rm -rf -- "$folder"' EXIT

start() {
    local address=127.0.0.1:$2 data=$folder/$1
    mkdir -p "$data"
    case $1 in
        redis)
            redis-server --port "$2" --bind 127.0.0.1 --save '' --appendonly yes --appendfsync everysec --dir "$data" \
                >/dev/null & ;;
        nats)
            nats-server --jetstream --store_dir "$data" --addr 127.0.0.1 --port "$2" 2>/dev/null & ;;
        etcd)
            etcd --data-dir "$data" --listen-client-urls "http://$address" --advertise-client-urls "http://$address" \
                --listen-peer-urls http://127.0.0.1:2380 >/dev/null 2>&1 & ;;
        *) echo "bench-cluster: there is no engine $1" >&2; exit 2 ;;
    esac
    engine=$!
    for _ in $(seq 100); do
        (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null && return
        sleep 0.1
    done
    echo "bench-cluster: $1 does not answer" >&2
    exit 1
}

echo "$(hostname), $(nproc) cores, $(date +%F)"
for name in "$@"; do
    start "$name" 7000
    echo "== $name"
    # shellcheck disable=SC2086
    CLUSTER_ENGINE=$name://127.0.0.1:7000 cargo test ${CARGO_ARGUMENTS:-} --quiet --offline --lib \
        cluster::simulation::many_followers -- --ignored --nocapture | grep -E '^\||followers|each has'
    stop
done
