#!/usr/bin/env bash
# `igor trust` and `igor untrust`, seen by curl, on a copy of this machine: an overlay in a mount namespace of its own. The trust
# store of the machine itself is not changed. Only root can make the overlay.
#
#   scripts/trust.sh IGOR
set -euo pipefail
# shellcheck source=scripts/lib/processes.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib/processes.sh"

readonly IGOR=$1
readonly DEADLINE_SECONDS=30

if [[ -z ${IGOR_ON_COPY:-} ]]; then
    ((EUID == 0)) || { say 'trust: skipped, because only root can make a copy of the machine' && exit 0; }
    # shellcheck disable=SC2016  # expanded by the shell in the namespace
    exec unshare --mount --propagation private bash -c '
        mount -t tmpfs copy /mnt && mkdir /mnt/upper /mnt/work /mnt/root &&
            mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root &&
            mount --bind /proc /mnt/root/proc && mount --bind /dev /mnt/root/dev &&
            exec env IGOR_ON_COPY=1 chroot /mnt/root "$@"' bash "$(readlink -f "$0")" "$(readlink -f "$IGOR")"
fi

fail() {
    say "trust: $*" >&2
    exit 1
}

# expect WHAT EXPECTED SEEN
expect() {
    [[ $2 == "$3" ]] || fail "$1: expected '$2', saw '$3'"
    say "ok: $1"
}

# The status of curl: 0, or 60 when it does not trust the certificate.
curl_status() {
    local status=0
    curl --silent --output /dev/null "$URL" || status=$?
    printf '%s\n' "$status"
}

PORT=$(free_port)
readonly URL=https://localhost:$PORT/ STORE=/usr/local/share/ca-certificates/igor-local-authority.crt
mkdir -p /tmp/igor-trust
cat >/tmp/igor-trust/Caddyfile <<CADDYFILE
{
	admin off
	auto_https disable_redirects
	storage file_system /tmp/igor-trust/storage
}
https://localhost:$PORT {
	respond "hello"
}
CADDYFILE
"$IGOR" run --config /tmp/igor-trust/Caddyfile >/tmp/igor-trust/log 2>&1 &
PROCESSES+=($!)
end=$((SECONDS + DEADLINE_SECONDS))
until curl --silent --insecure --output /dev/null "$URL"; do
    ((SECONDS < end)) || fail "the server does not answer: $(tail /tmp/igor-trust/log)"
    sleep 0.1
done
[[ ! -e $STORE ]] || fail "the authority is in the store already"
expect 'at first curl does not trust it' 60 "$(curl_status)"
say "   $("$IGOR" trust --config /tmp/igor-trust/Caddyfile)"
expect 'after igor trust it does' 0 "$(curl_status)"
say "   $("$IGOR" untrust)"
expect 'after igor untrust it does not' 60 "$(curl_status)"
[[ ! -e $STORE ]] || fail "the authority is still in the store"
expect 'igor untrust again' "the system does not trust igor's own certificate authority" "$("$IGOR" untrust)"
