# shellcheck shell=bash disable=SC2034
# The recipe of Symfony's runtime with Debian's framework: one kernel for each thread answers many requests, and its pages
# equal those of php-fpm, where each request boots a kernel. Sourced by scripts/applications.sh.

application_symfony() {
    recipe_served symfony-runtime
    symfony_checks
    compared /
}

symfony_checks() {
    local number states
    ask / | has 'the first page' 'Hello from Symfony'
    states=$(for number in {1..8}; do ask /state && echo; done)
    has 'a kernel takes several requests' '"requests of the kernel":3,' <<<"$states"
    [[ $(grep --count '"count":1}' <<<"$states") -eq 8 ]] || fail "$APPLICATION: a service was not reset: $states"
    passed 'its services are reset between two requests'
    ask /visits >/dev/null
    ask /visits | has 'a session lasts' 'visit 2'
    curl --silent --fail "http://$IGOR_AT/visits" | has "a session is its visitor's own" 'visit 1'
    ask /greet --data name=Igor | has 'a form arrives' 'Hello Igor'
    ask /greet --form name=Igor | has 'a form in parts arrives' 'Hello Igor'
    ask /stream | has 'a streamed answer' 'line 3'
    status 'a redirect' /old 302
    status 'a path without a route is not found' /missing 404
    status 'a page that fails is a 500' /fail 500
    ask / | has 'the kernel goes on afterwards' 'Hello from Symfony'
    [[ $(grep --count '^/fail$' "$SITE/recipe/var/ended") -eq 1 ]] || fail "$APPLICATION: the end of a request was not seen once"
    passed 'its listeners see the end of each request'
    [[ $(grep --count 'worker script ready' "$SITE/igor.log") -eq 2 ]] || fail "$APPLICATION: a worker was restarted; see $SITE/igor.log"
    passed 'no worker was restarted'
}
