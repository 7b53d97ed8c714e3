#!/usr/bin/env bash
# Symfony's component and a browser use the Mercure hub: mercure-peers.sh IGOR FOLDER
#
# The configuration is the shape of symfony-docker's (tests/archetypes), whole. Symfony's component publishes and authorizes, and
# Chromium's EventSource subscribes: private updates by cookie, types of events, who is subscribed, a restart of the server with the
# history in a file, and a page that loads again. Then the page of docs/mercure.md applies merge patches of a worker's array.
set -euo pipefail

SCRIPTS=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$SCRIPTS/lib/common.sh"

readonly SECONDS_MAX=120
export MERCURE_PUBLISHER_JWT_KEY='!ChangeThisMercureHubJWTSecretKey!' MERCURE_SUBSCRIBER_JWT_KEY='!ChangeThisMercureHubJWTSecretKey!'

passed() { say "  passed: $*"; }

# start CADDYFILE: the server, whose address is then in SITE.
start() {
    local end=$((SECONDS + SECONDS_MAX)) address=
    "$IGOR" run --config "$1" >igor.log 2>&1 &
    IGOR_PID=$!
    echo "$IGOR_PID" >pid
    until address=$(sed -n 's/.*listening listener=.* address=\([0-9.:]*\).*/\1/p' igor.log | head -n 1) && [[ -n $address ]]; do
        kill -0 "$IGOR_PID" 2>/dev/null || fail_with_log igor.log 'the server ended'
        ((SECONDS < end)) || fail_with_log igor.log 'the server does not listen'
        sleep 0.1
    done
    SITE=http://$address
}

stop() {
    kill -TERM "$IGOR_PID"
    wait "$IGOR_PID" || fail_with_log igor.log 'the server ended with another status than 0'
}

browser() { BROWSER_FOLDER=$PWD "$PHP" "$SCRIPTS/applications/browser.php" "$@"; }

# As the browser step `shell` runs them.
write_helpers() {
    printf '#!/bin/sh\nexec curl --silent --show-error --fail --get "%s/publish" "$@"\n' "$SITE" >publish
    # The new server has the same port, and no updates in its memory.
    cat >restart <<-END
		#!/bin/sh
		kill -TERM "\$(cat pid)"
		while kill -0 "\$(cat pid)" 2>/dev/null; do sleep 0.1; done
		SERVER_NAME='$SITE' '$IGOR' run --config Caddyfile >>again.log 2>&1 &
		echo \$! >pid
		curl --silent --output /dev/null --retry 100 --retry-delay 1 --retry-connrefused '$SITE/'
	END
    chmod +x publish restart
}

# symfony: the shape of symfony-docker, with Symfony's component as the publisher.
symfony() {
    local once='for (const text of ["first é", "secret", "sale: half", "missed"]) if (count(text) !== 1) throw new Error(text + " is there " + count(text) + " times")'
    mkdir -p public
    cp -- "$SCRIPTS/mercure-peers/index.php" public/
    cp -- "$SCRIPTS/../tests/archetypes/symfony.Caddyfile" Caddyfile
    export SERVER_NAME=http://127.0.0.1:0 CADDY_GLOBAL_OPTIONS=$'admin off\n\tgrace_period 5s' MERCURE_TRANSPORT_URL=bolt://$PWD/mercure.db
    export FRANKENPHP_CONFIG='php_ini include_path .:/usr/share/php'
    export FRANKENPHP_SITE_CONFIG='hot_reload public/*.php' FRANKENPHP_WORKER_CONFIG=$'num 1\n\t\t\twatch public/*.php'
    start Caddyfile
    write_helpers
    browser "$SITE" 'go /' 'see open 1' \
        'see subscriptions{/topic}{/subscriber} true Ann' \
        'shell ./publish --data-urlencode topic=/news/1 --data-urlencode "data=first é" >/dev/null' 'see first é' \
        'shell ./publish --data topic=/news/2 --data data=secret --data private=on >/dev/null' 'see secret' \
        'shell ./publish --data topic=/news/3 --data data=half --data type=sale >/dev/null' 'see sale: half' \
        'script stream.close()' \
        'shell ./publish --data topic=/news/4 --data data=missed >/dev/null' \
        'shell ./restart' "script connect('&lastEventID=' + encodeURIComponent(last))" 'see missed' 'see open 2' \
        'shell ./restart' 'see open 3' \
        'shell ./publish --data topic=/news/4 --data data=after >/dev/null' 'see after' "script $once" \
        'gone undefined' 'picture page.png' \
        'go /' 'see open 1' \
        'shell sed -i s/Welcome/Changed/ public/index.php' 'see Changed'
    kill -TERM "$(cat pid)"
    passed "Symfony's component and the browser, over a restart, with a page that loads again"
}

# live: the page of docs/mercure.md gets the changes of a worker's array.
live() {
    rm -f -- stop
    cp -- "$SCRIPTS"/mercure-peers/{counter,whole}.php .
    printf 'http://127.0.0.1:0 {\n\tmercure {\n\t\tanonymous\n\t}\n\tphp_server {\n\t\tworker counter.php {\n\t\t\tbackground\n\t\t\tname settings\n\t\t\tnum 1\n\t\t\tmercure settings merge-patch\n\t\t}\n\t}\n}\n' >Livefile
    {
        printf '<!doctype html><title>live</title><p></p><script>\n'
        awk '/^```javascript$/ {code = ""; inside = 1; next} /^```$/ {if (inside && code ~ /merge-patch/) printf "%s", code; inside = 0} inside {code = code $0 "\n"}' \
            "$SCRIPTS/../docs/mercure.md"
        printf 'setInterval(() => document.querySelector("p").textContent = state?.count.value > 150 ? "far" : "near", 50);\n</script>\n'
    } >live.html
    grep -q patched live.html || fail 'docs/mercure.md has no page for merge patches any more'
    start Livefile
    browser "$SITE" 'go /live.html' 'see far' 'shell touch stop' \
        'script window.whole = () => { const asked = new XMLHttpRequest(); asked.open("GET", "/whole.php", false); asked.send(); return asked.responseText; }' \
        'script setInterval(() => document.title = whole() === JSON.stringify(state) ? "the same" : "another", 100)' 'see the same'
    stop
    passed 'the page of docs/mercure.md has the state of the worker'
}

main() {
    (($# == 2)) || fail 'usage: mercure-peers.sh IGOR FOLDER'
    IGOR=$(realpath -- "$1")
    rm -rf -- "$2"
    mkdir -p -- "$2"
    cd -- "$2"
    trap 'kill -KILL "$(cat pid)" 2>/dev/null || true' EXIT
    symfony
    live
    say 'mercure-peers: everything passed'
}

main "$@"; exit
