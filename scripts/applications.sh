#!/usr/bin/env bash
# Runs applications that were not written for igor: Debian's packages and one of npm, unpacked into folders of their own.
# Each gets a dozen requests, is used in a browser, and answers 500 requests over 16 connections. Their bodies are compared
# with one another and with those of php-fpm behind nginx. Igor's log must hold no warning of its own.
#
#   scripts/applications.sh IGOR FOLDER [NAME…]
#
# IGOR is the program. FOLDER keeps the unpacked packages; sites and databases are created again each time. NAME is a file
# in scripts/applications; default: all of them.
#
# Environment:
#   PHP     the stock php of the same build; default: the one that `make php` built
#   SAMPLE  1: an application whose packages are only in an archive is skipped
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
readonly SECONDS_MAX=120 REQUESTS=500 CONNECTIONS=16
# shellcheck source=scripts/lib/application.sh
source "$ROOT/scripts/lib/application.sh"
# The system's; its version may differ from igor's PHP.
FPM_PROGRAM=$(compgen -G '/usr/sbin/php-fpm*' | sort -V | tail -n 1 || true)

# passed NAME: what was seen.
passed() {
    printf 'ok: %s: %s\n' "$APPLICATION" "$1" | tee -a "$SITE/checks"
}

# The settings that both servers have. Pages must not contain the deprecations of a newer PHP.
settings() {
    printf '%s\n' 'include_path .:/usr/share/php:/usr/share/pear' 'date.timezone UTC' 'display_errors Off' 'log_errors On' \
        "session.save_path $SITE/sessions" "error_log $SITE/php.log" 'memory_limit 256M'
}

# with_igor [LINE…]: serves $SITE/root, with these lines in the site. Sets IGOR_AT. $PHP_SERVER are the lines of php_server.
with_igor() {
    mkdir -p -- "$SITE/sessions"
    {
        printf '{\n\tadmin off\n\tfrankenphp {\n\t\tnum_threads 8\n'
        settings | while read -r name value; do printf '\t\tphp_ini %s "%s"\n' "$name" "$value"; done
        printf '\t}\n}\nhttp://127.0.0.1:0 {\n\troot "%s/root"\n' "$SITE"
        (($# == 0)) || printf '\t%s\n' "$@"
        printf '\tphp_server {\n\t\t%s\n\t}\n}\n' "${PHP_SERVER-hide_sensitive}"
    } >"$SITE/Caddyfile"
    "$IGOR" run --config "$SITE/Caddyfile" >"$SITE/igor.log" 2>&1 &
    SERVER=$!
    until_true 'igor' grep --quiet 'listening .*address=' "$SITE/igor.log"
    IGOR_AT=$(sed -n 's/.*listening.*address=\([^ ]*\).*/\1/p' "$SITE/igor.log" | head -n 1)
}

# recipe_served RECIPE: a copy of the recipe in $SITE/recipe by its own Caddyfile; php-fpm serves its folder public, too.
# Sets IGOR_AT.
recipe_served() {
    cp -R -- "$ROOT/examples/recipes/$1/." "$SITE/recipe/"
    mkdir -p -- "$SITE/recipe/var" "$SITE/sessions"
    ln -s -- "$SITE/recipe/public" "$SITE/root"
    sed -i '1i {\n\tadmin off\n}' "$SITE/recipe/Caddyfile"
    (cd -- "$SITE/recipe" && PORT=0 exec "$IGOR" run --config Caddyfile) >"$SITE/igor.log" 2>&1 &
    SERVER=$!
    until_true 'igor' grep --quiet 'listening .*address=' "$SITE/igor.log"
    IGOR_AT=127.0.0.1:$(sed -n 's/.*listening.*address=[^ ]*:\([0-9]*\).*/\1/p' "$SITE/igor.log" | head -n 1)
}

# with_fpm: the same folder by php-fpm behind nginx, at the address that igor had, so that absolute links are the same.
with_fpm() {
    {
        printf '[global]\nerror_log = %s/fpm.log\ndaemonize = no\n[www]\nlisten = %s/fpm.sock\npm = static\npm.max_children = 8\n' \
            "$SITE" "$SITE"
        settings | while read -r name value; do printf 'php_value[%s] = "%s"\n' "$name" "$value"; done
    } >"$SITE/fpm.conf"
    sed -e "s|@SITE@|$SITE|g" -e "s|@ADDRESS@|$IGOR_AT|g" "$ROOT/scripts/applications/nginx.conf" >"$SITE/nginx.conf"
    rm -f -- "$SITE/fpm.sock"
    # As root, where the site's files are root's.
    "$FPM_PROGRAM" --allow-to-run-as-root --nodaemonize --fpm-config "$SITE/fpm.conf" >>"$SITE/fpm.log" 2>&1 &
    FPM_SERVER=$!
    until_true 'php-fpm' test -S "$SITE/fpm.sock"
    nginx -c "$SITE/nginx.conf" >>"$SITE/nginx.log" 2>&1 &
    NGINX=$!
    until_true 'nginx' curl --silent --output /dev/null "http://$IGOR_AT/"
}

# ask PATH ARGUMENT…: a request with the session's cookies; the answer must be a success.
ask() {
    local path=$1
    shift
    curl --silent --show-error --fail --location --max-time "$SECONDS_MAX" --cookie "$SITE/cookies" --cookie-jar "$SITE/cookies" \
        "$@" "http://$IGOR_AT$path"
}

# has NAME TEXT: the standard input holds the text.
has() {
    local answer
    answer=$(cat | tr -d '\0')
    [[ $answer == *"$2"* ]] || fail "$APPLICATION: $1: there is no \"$2\" in: ${answer:0:2000}"
    passed "$1"
}

# status NAME PATH STATUS
status() {
    local seen
    seen=$(curl --silent --output /dev/null --write-out '%{http_code}' "http://$IGOR_AT$2")
    [[ $seen == "$3" ]] || fail "$APPLICATION: $1: $2 is answered with $seen"
    passed "$1"
}

# browser STEP…: a headless Chromium does these steps; see scripts/applications/browser.php.
browser() {
    BROWSER_FOLDER=$SITE "$PHP" -n "$ROOT/scripts/applications/browser.php" "http://$IGOR_AT" "$@" ||
        fail "$APPLICATION: in the browser; see $SITE/browser.html"
}

# many NAME PATH: the requests, side by side. All bodies must be equal, except for what changes with time.
many() {
    local into=$SITE/many-$1 body
    rm -rf -- "$into"
    mkdir -p -- "$into"
    seq "$REQUESTS" | xargs -P "$CONNECTIONS" -I{} curl --silent --fail --max-time "$SECONDS_MAX" --output "$into/{}" \
        "http://$IGOR_AT$2" || fail "$APPLICATION: one of $REQUESTS requests by $1 failed"
    for body in "$into"/*; do
        steady <"$body" | sha256sum
    done | sort | uniq -c >"$into.sums"
    [[ $(wc -l <"$into.sums") -eq 1 ]] || fail "$APPLICATION: the bodies of one page differ under $1; see $into.sums"
    steady <"$into/1" >"$into.html"
    [[ -s $into.html ]] || fail "$APPLICATION: $1's page is empty"
}

# compared PATH: the page of both servers. Igor has ended afterwards.
compared() {
    ask "$1" >/dev/null
    many igor "$1"
    passed "$REQUESTS requests over $CONNECTIONS connections return one page"
    stop_igor
    with_fpm
    curl --silent --output /dev/null "http://$IGOR_AT$1"
    many fpm "$1"
    diff -- "$SITE/many-fpm.html" "$SITE/many-igor.html" >"$SITE/difference" ||
        fail "$APPLICATION: the page differs from that of php-fpm: $(head -n 20 "$SITE/difference")"
    passed 'the page is the one of php-fpm behind nginx'
    kill "$NGINX" "$FPM_SERVER"
    wait "$NGINX" "$FPM_SERVER" 2>/dev/null || true
    NGINX='' FPM_SERVER=''
    (($(wc -l <"$SITE/checks") >= 12)) || fail "$APPLICATION: there are less than a dozen checks"
}

stop_igor() {
    kill -s TERM "$SERVER"
    wait "$SERVER" || fail "$APPLICATION: igor ended with status $?"
    SERVER=''
    # The release of a newer PHP does not concern the application.
    ! grep -E ' (WARN|ERROR) ' "$SITE/igor.log" | grep -vE ' php: |this PHP is unsafe' || fail "$APPLICATION: igor warns in $SITE/igor.log"
    # grep exits with 2 if a file is missing, whatever the other one contains.
    touch -- "$SITE/php.log"
    ! grep -E 'PHP Fatal|panicked' "$SITE/igor.log" "$SITE/php.log" || fail "$APPLICATION: PHP failed; see $SITE"
    passed 'the log has no warning of igor'
}

# begin NAME: a folder for the site.
begin() {
    APPLICATION=$1 SITE=$FOLDER/site-$1 FILES=$FOLDER/$1
    rm -rf -- "$SITE"
    mkdir -p -- "$SITE"
    # What changes with time; an application's file may add to it.
    steady() { cat; }
}

# The processes that were started, besides the application's own.
OTHERS=()
finish() {
    for process in ${SERVER:-} ${NGINX:-} ${FPM_SERVER:-} ${DATABASE:-} "${OTHERS[@]}"; do
        kill "$process" 2>/dev/null || true
    done
    wait
}

main() {
    (($# >= 2)) || { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}" >&2; exit 2; }
    IGOR=$(realpath -- "$1")
    mkdir -p -- "$2"
    FOLDER=$(realpath -- "$2")
    PHP=${PHP:-$(dirname -- "$("$ROOT/scripts/php.sh" print)")/php}
    shift 2
    [[ -n $FPM_PROGRAM ]] || fail 'php-fpm is not installed; run scripts/php.sh install-packages applications'
    trap finish EXIT
    local names=("$@") name
    if ((${#names[@]} == 0)); then
        for name in "$ROOT"/scripts/applications/*.sh; do names+=("$(basename -- "$name" .sh)"); done
    fi
    for name in "${names[@]}"; do
        [[ -f $ROOT/scripts/applications/$name.sh ]] || fail "there is no application named $name"
        begin "$name"
        # shellcheck source=/dev/null
        source "$ROOT/scripts/applications/$name.sh"
        "application_$name"
        [[ -z ${DATABASE:-} ]] || { kill "$DATABASE" && wait "$DATABASE" || true; }
        DATABASE=''
    done
}

main "$@"; exit
