#!/usr/bin/env bash
# Drives the status page in a headless Chromium: status-page.sh IGOR FOLDER
#
# A worker fails, is given up and is revived; a snapshot changes while the page shows it; a request hangs; there are MANY (500)
# workers; and pages of others cannot change anything. FOLDER gets pictures to look at.
set -euo pipefail

SCRIPTS=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$SCRIPTS/lib/common.sh"

readonly MANY=${MANY:-500} SECONDS_MAX=120

passed() { say "  passed: $*"; }

write_configuration() {
    local number
    {
        printf '{\n\tadmin localhost:0\n\tgrace_period 2s\n\tfrankenphp {\n\t\tnum_threads 4\n'
        printf '\t\tworker crash.php {\n\t\t\tbackground\n\t\t\tname mailer\n\t\t\tnum 1\n\t\t\tmax_consecutive_failures 2\n\t\t}\n'
        printf '\t\tworker news.php {\n\t\t\tbackground\n\t\t\tname news\n\t\t\tnum 1\n\t\t}\n'
        for ((number = 1; number <= MANY; number++)); do
            printf '\t\tworker many.php {\n\t\t\tbackground\n\t\t\tname tenant-%03d\n\t\t\tnum 1\n\t\t}\n' "$number"
        done
        printf '\t\tstore carts\n\t}\n}\nhttp://127.0.0.1:0 {\n\troot .\n\tphp_server\n}\n'
    } >Caddyfile
}

# from_log PATTERN: the first match of the group in the log, as soon as it is there.
from_log() {
    local end=$((SECONDS + SECONDS_MAX)) found
    until found=$(sed -n "s/.*$1.*/\\1/p" igor.log | head -n 1) && [[ -n $found ]]; do
        kill -0 "$IGOR_PID" 2>/dev/null || fail_with_log igor.log 'the server ended'
        ((SECONDS < end)) || fail_with_log igor.log "the log does not say: $1"
        sleep 0.1
    done
    printf '%s\n' "$found"
}

# refused WHAT CURL-ARGUMENTS...: the interface answers with 403.
refused() {
    local what=$1 status
    shift
    status=$(curl --silent --output refusal --write-out '%{http_code}' "$@")
    [[ $status == 403 ]] || fail "$what: the status is $status: $(cat refusal)"
    passed "$what: $(cat refusal)"
}

forge() {
    refused 'a page of another origin' --request POST --header 'Origin: http://evil.example' "$ADMIN/frankenphp/workers/restart"
    refused 'a name of another' --header 'Host: evil.example' "$ADMIN/"
    refused 'a page without the token' --request POST --header "Origin: $ADMIN" "$ADMIN/stop"
    refused 'a page with a wrong token' --request POST --header "Origin: $ADMIN" --header 'X-Igor-Token: 0' "$ADMIN/load"
    # By a browser: a form and a fetch of the site, whose answers the page cannot read, must not have an effect.
    printf '<!doctype html><title>forge</title><script>fetch("%s/stop", {method: "POST", mode: "no-cors"}).finally(() => document.title = "sent")</script>' \
        "$ADMIN" >forge.html
    browser "$SITE" 'go /forge.html' 'see sent'
    kill -0 "$IGOR_PID" || fail 'a page of another origin has stopped the server'
    ! grep -q 'stopping' igor.log || fail 'a page of another origin has stopped the server'
    passed 'a page of another origin in the browser has no effect'
}

# Requests of different lengths, for the picture of how long they take.
traffic() {
    local number=0
    while kill -0 "$IGOR_PID" 2>/dev/null; do
        curl --silent --output /dev/null "$SITE/work.php?ms=$((number % 7 * number % 90))" || true
        ((number % 20 > 0)) || curl --silent --output /dev/null "$SITE/work.php?ms=0&log=$number" || true
        number=$((number + 1))
    done
}

browser() { BROWSER_FOLDER=$PWD "$PHP" "$SCRIPTS/applications/browser.php" "$@"; }

look() {
    local dark='scheme dark' wide='size 1280 900' script open named
    # What a screen reader says for each control and table, and that the keyboard reaches all controls.
    named='const name = part => (part.getAttribute("aria-label") || (part.getAttribute("aria-labelledby") || "").split(" ").map(id => id && document.getElementById(id).textContent).join(" ")
        || [...(part.labels || [])].map(label => label.textContent).join(" ") || part.textContent).trim();
        for (const part of document.querySelectorAll("button, input, table, section, dialog, [role=log]")) if (!name(part)) throw new Error("without a name: " + part.outerHTML);
        for (const part of document.querySelectorAll("button, input, #log")) if (part.tabIndex !== 0) throw new Error("out of reach: " + part.outerHTML);
        for (const image of document.querySelectorAll("svg")) if (image.getAttribute("aria-hidden") !== "true") throw new Error("an image without words")'
    open='document.querySelectorAll(".tree details").forEach(part => part.open = true)'
    script='if (!document.querySelector(".tree .changed")) throw new Error("nothing is marked as changed")'
    browser "$ADMIN" "$wide" 'go /' \
        'see mailer' 'see given up' 'see Uncaught RuntimeException: the disk is full' 'see crash.php:4' 'see GET /hang.php' 'see GET /busy.php' 'see busy.php:3' 'see carts' \
        'see % full' 'see of them below' 'see background worker ready' 'type #log-filter traffic COME' 'see the traffic has come to request' \
        'gone background worker ready' "script $named" 'picture load.png' 'type #log-filter nothing-has-this' 'see 0 of' \
        "see $((MANY + 2)) of $((MANY + 2))" \
        'type #filter tenant-' "see $MANY of $((MANY + 2))" 'type #filter global' "see $((MANY + 2)) of" 'picture given-up.png' \
        'shell touch mended' 'focus button[data-verb=revive]' 'keys ⏎' 'see Its script starts' 'picture question.png' 'keys ⎋' 'gone Its script starts' \
        'focus button[data-verb=revive]' 'keys ⏎' 'see Its script starts' 'keys ⏎' \
        'see mailer starts again' 'gone given up' \
        'click button[data-verb=show][data-name=news]' 'see title: "first" (string, 5)' "script $open" 'see password: hidden (string)' 'gone hunter2' \
        'shell echo second >title' 'see title: "second" (string, 6)' "script $script" \
        'type #filter news' 'script scrollTo(0, 0)' \
        'picture snapshot.png' 'clear #log-filter' "$dark" 'picture dark.png' 'size 390 1600' 'picture narrow.png' \
        'script if (document.documentElement.scrollWidth > innerWidth) throw new Error("wider than the screen")' \
        'script document.getElementById("latency").scrollIntoView()' 'picture narrow-load.png' 'scheme light'
    ! grep -q 'background worker failed.*worker="\(news\|tenant\)' igor.log || fail 'a worker failed that should not'
    passed 'the page in the browser'
}

main() {
    (($# == 2)) || fail 'usage: status-page.sh IGOR FOLDER'
    local igor
    igor=$(realpath -- "$1")
    mkdir -p -- "$2"
    cd -- "$2"
    rm -f -- mended igor.log
    cp -- "$SCRIPTS"/status-page/*.php .
    echo first >title
    write_configuration
    "$igor" run --config Caddyfile >igor.log 2>&1 &
    IGOR_PID=$!
    # shellcheck disable=SC2064 # The number is known now.
    trap "kill -KILL $IGOR_PID 2>/dev/null || true" EXIT
    SITE=http://$(from_log 'listening listener=.* address=\([0-9.:]*\)')
    ADMIN=http://$(from_log 'admin listening address=\([0-9.:]*\)')
    curl --silent --max-time 120 --output /dev/null "$SITE/hang.php" &
    curl --silent --max-time 120 --output /dev/null "$SITE/busy.php" &
    traffic &
    TRAFFIC_PID=$!
    look
    forge
    kill "$TRAFFIC_PID"
    # An open page must not delay the stop.
    curl --silent --no-buffer "$ADMIN/frankenphp/events" >events &
    "$igor" stop --address "${ADMIN#http://}" >/dev/null
    wait "$IGOR_PID" || fail_with_log igor.log 'the server ended with another status than 0'
    passed 'the server stops while a page is open'
    say 'status-page: everything passed'
}

main "$@"; exit
