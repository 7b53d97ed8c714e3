# shellcheck shell=bash disable=SC2034
# The recipe that boots Debian's Laravel once for many requests, in the manner of Octane, which Debian does not have. Its
# pages equal those of php-fpm, where each request boots an application. Sourced by scripts/applications.sh.

application_laravel_worker() {
    recipe_served laravel-worker
    laravel_worker_checks
    # So that both threads restart while pages are compared.
    sed -i 's/MAX_REQUESTS 500/MAX_REQUESTS 100/' "$SITE/recipe/Caddyfile"
    kill -s HUP "$SERVER"
    until_true 'the reload' grep --quiet 'reloaded' "$SITE/igor.log"
    compared /
    grep --quiet 'worker script ready .*run=2' "$SITE/igor.log" || fail "$APPLICATION: no worker began again after MAX_REQUESTS"
    passed 'workers that have answered MAX_REQUESTS begin again, and no request is lost'
}

laravel_worker_checks() {
    local number states
    ask / | has 'the first page' 'Hello from Laravel'
    states=$(for number in {1..8}; do ask /state && echo; done)
    has 'an application takes several requests' '"requests of the thread":3,' <<<"$states"
    [[ $(grep --count '"mark of another request":false' <<<"$states") -eq 8 ]] || fail "$APPLICATION: a request left its mark: $states"
    passed 'each request has an application of its own'
    ask /visits >/dev/null
    ask /visits | has 'a session lasts' 'visit 2'
    curl --silent --fail "http://$IGOR_AT/visits" | has "a session is its visitor's own" 'visit 1'
    ask /greet --data name=Igor | has 'a form arrives' 'Hello Igor'
    ask /greet --form name=Igor | has 'a form in parts arrives' 'Hello Igor'
    ask /greet --header 'Content-Type: application/json' --data '{"name":"Igor"}' | has 'JSON arrives' 'Hello Igor'
    ask /stream | has 'a streamed answer' 'line 3'
    status 'a redirect' /old 302
    status 'a path without a route is not found' /missing 404
    status 'a page that fails is a 500' /fail 500
    ask / | has 'the application goes on afterwards' 'Hello from Laravel'
}
