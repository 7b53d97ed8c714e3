#!/usr/bin/env bash
# ACME against pebble, the test server of Let's Encrypt: both challenges, a restart that uses what is kept, an authority
# that is down and comes back, one that refuses a name, and hosts on demand. No traffic leaves this machine.
#
#   scripts/acme.sh IGOR FOLDER
set -euo pipefail
# shellcheck source=scripts/lib/processes.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib/processes.sh"

readonly IGOR=$1 FOLDER=$2
readonly DEADLINE_SECONDS=60

fail() {
    say "acme: $*" >&2
    for log in "$FOLDER"/*.log; do
        say "--- $log" >&2
        tail --lines=40 "$log" >&2
    done
    exit 1
}

# until_true WHAT COMMAND…: waits until the command succeeds.
until_true() {
    local what=$1 end=$((SECONDS + DEADLINE_SECONDS))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || fail "waited $DEADLINE_SECONDS s for $what"
        sleep 0.1
    done
}

rm -rf -- "$FOLDER"
mkdir -p -- "$FOLDER"
ACME=$(free_port) MANAGEMENT=$(free_port) PLAIN=$(free_port) TLS=$(free_port) ASK=$(free_port) DNS=$(free_port) DNS_MANAGEMENT=$(free_port)

make_authority_certificate() {
    local key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
    openssl req -x509 "${key[@]}" -keyout "$FOLDER/ca.key" -out "$FOLDER/ca.crt" -days 2 -subj /CN=test \
        -addext basicConstraints=critical,CA:TRUE 2>/dev/null
    openssl req "${key[@]}" -keyout "$FOLDER/pebble.key" -out "$FOLDER/pebble.csr" -subj /CN=localhost 2>/dev/null
    printf 'subjectAltName=DNS:localhost\n' >"$FOLDER/names"
    openssl x509 -req -in "$FOLDER/pebble.csr" -CA "$FOLDER/ca.crt" -CAkey "$FOLDER/ca.key" -CAcreateserial -days 2 \
        -extfile "$FOLDER/names" -out "$FOLDER/pebble.crt" 2>/dev/null
}

start_pebble() {
    PEBBLE_VA_NOSLEEP=1 pebble -config "$FOLDER/pebble.json" -dnsserver "127.0.0.1:$DNS" >>"$FOLDER/pebble.log" 2>&1 &
    PEBBLE=$!
    PROCESSES+=("$PEBBLE")
    until_true pebble curl --silent --insecure "https://localhost:$ACME/dir"
}

start_igor() {
    "$IGOR" run --config "$FOLDER/Caddyfile" >>"$FOLDER/igor.log" 2>&1 &
    RUNNING=$!
    PROCESSES+=("$RUNNING")
    until_true igor curl --silent "http://127.0.0.1:$PLAIN/"
}

# answers HOST: whether the site responds, with a certificate that pebble has signed.
answers() {
    [[ $(curl --silent --max-time 10 --cacert "$FOLDER/root.pem" --resolve "$1:$TLS:127.0.0.1" "https://$1:$TLS/") == "$1" ]]
}

make_authority_certificate
cat >"$FOLDER/pebble.json" <<JSON
{"pebble": {"listenAddress": "127.0.0.1:$ACME", "managementListenAddress": "127.0.0.1:$MANAGEMENT",
"certificate": "$FOLDER/pebble.crt", "privateKey": "$FOLDER/pebble.key", "httpPort": $PLAIN, "tlsPort": $TLS,
"domainBlocklist": ["refused.example.com"]}}
JSON
cat >"$FOLDER/Caddyfile" <<CADDYFILE
{
	admin off
	http_port $PLAIN
	https_port $TLS
	storage file_system $FOLDER/data
	email somebody@example.com
	acme_ca https://localhost:$ACME/dir
	acme_ca_root $FOLDER/ca.crt
	on_demand_tls {
		ask http://127.0.0.1:$ASK/
	}
}
http://127.0.0.1:$ASK {
	@customer query domain=customer.example.com
	respond @customer 200
	respond 404
}
https:// {
	tls {
		on_demand
	}
	respond {host}
}
http.example.com {
	tls {
		issuer acme {
			disable_tlsalpn_challenge
		}
	}
	respond http.example.com
}
tls.example.com {
	tls {
		issuer acme {
			disable_http_challenge
		}
	}
	respond tls.example.com
}
refused.example.com {
	respond refused.example.com
}
CADDYFILE

pebble-challtestsrv -defaultIPv4 127.0.0.1 -defaultIPv6 '' -dns01 "127.0.0.1:$DNS" -http01 '' -https01 '' -tlsalpn01 '' \
    -management "127.0.0.1:$DNS_MANAGEMENT" >"$FOLDER/dns.log" 2>&1 &
PROCESSES+=($!)

say '1. the authority is down: the sites start, the log says why'
start_igor
until_true 'the message' grep --quiet 'obtaining a certificate: .*igor asks again' "$FOLDER/igor.log"

say '2. it comes back: both challenges'
start_pebble
curl --silent --insecure "https://localhost:$MANAGEMENT/roots/0" >"$FOLDER/root.pem"
for host in http.example.com tls.example.com; do
    until_true "the certificate of $host" answers "$host"
done

say '3. a refused name: its site has no certificate, the log says why, the others go on'
until_true 'the refusal' grep --quiet 'refused.example.com.*failures=\|rejectedIdentifier' "$FOLDER/igor.log"
answers http.example.com || fail 'http.example.com no longer answers'
! answers refused.example.com || fail 'refused.example.com has a certificate'

say '4. on demand: a permitted host, and one that is not'
until_true 'the certificate of customer.example.com' answers customer.example.com
! answers stranger.example.com || fail 'stranger.example.com has a certificate'
[[ ! -e $(find "$FOLDER/data" -name 'stranger*' -print -quit) ]] || fail 'the storage has something of stranger.example.com'

say '5. keys are for their owner alone, and in no log'
[[ -z $(find "$FOLDER/data" -type f ! -perm 600) ]] || fail 'a file of the storage has another mode than 0600'
! grep --quiet 'PRIVATE KEY' "$FOLDER/igor.log" || fail 'a key is in the log'

say '6. a restart without the authority serves what was kept'
kill "$PEBBLE"
kill "$RUNNING"
wait "$RUNNING" || fail 'igor did not end well'
start_igor
for host in http.example.com tls.example.com customer.example.com; do
    until_true "the kept certificate of $host" answers "$host"
done
say 'acme: all is well'
