#!/usr/bin/env bash
# Runs Debian's WordPress under igor, with a MariaDB of its own and the recipe's plugin: installs it, logs in, writes, uploads,
# changes an option while it runs, and compares a page with the one that PHP's own server sends.
#
#   scripts/wordpress.sh IGOR FOLDER
#
# IGOR is the program. FOLDER keeps the unpacked packages; database and site are made again each time.
#
# Environment:
#   PHP  the stock php of the same build; default: the one that `make php` built
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
readonly PACKAGES=(wordpress wordpress-theme-twentytwentythree php-getid3 libjs-cropper libjs-prototype libjs-scriptaculous
    libjs-underscore)
readonly SECONDS_MAX=60

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# passed NAME: what was seen.
passed() { printf 'ok: %s\n' "$1"; }

# until_true WHAT COMMAND…: waits.
until_true() {
    local what=$1 until=$((SECONDS + SECONDS_MAX))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < until)) || fail "waited $SECONDS_MAX s for $what; the logs are in $FOLDER"
        sleep 0.2
    done
}

# unpacked: the packages' files, without installing them: they would bring a web server.
unpacked() {
    [[ ! -f $FOLDER/packages/done ]] || return 0
    rm -rf -- "$FOLDER/packages" "$FOLDER/files"
    mkdir -p -- "$FOLDER/packages" "$FOLDER/files"
    (cd -- "$FOLDER/packages" && apt-get --quiet download "${PACKAGES[@]}") >"$FOLDER/download.log" 2>&1 ||
        fail "downloading WordPress: see $FOLDER/download.log"
    for package in "$FOLDER"/packages/*.deb; do
        dpkg-deb --extract "$package" "$FOLDER/files"
    done
    touch -- "$FOLDER/packages/done"
}

# site: WordPress as a folder of its own, whose links into other packages lead where those were unpacked.
site() {
    rm -rf -- "$SITE"
    # Some links lead to packages that are not needed here; what is needed is looked for afterwards.
    cp -R --dereference -- "$FOLDER/files/usr/share/wordpress" "$SITE" 2>"$FOLDER/site.log" || true
    [[ -f $SITE/wp-load.php && -f $SITE/wp-includes/js/underscore.min.js ]] || fail "copying WordPress: see $FOLDER/site.log"
    mkdir -p -- "$SITE/wp-content/uploads" "$SITE/wp-content/mu-plugins"
    cp -- "$ROOT"/examples/recipes/wordpress/mu-plugins/* "$SITE/wp-content/mu-plugins/"
    cat >"$SITE/wp-config.php" <<'PHP'
<?php
define('DB_NAME', 'wordpress');
define('DB_USER', 'root');
define('DB_PASSWORD', '');
define('DB_HOST', 'localhost:' . dirname(__DIR__) . '/db.sock');
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
$table_prefix = 'wp_';
defined('ABSPATH') || define('ABSPATH', __DIR__ . '/');
require_once ABSPATH . 'wp-settings.php';
PHP
}

database() {
    rm -rf -- "$FOLDER/db"
    mysql_install_db --no-defaults --datadir="$FOLDER/db" --auth-root-authentication-method=normal \
        >"$FOLDER/db.log" 2>&1 || fail "making a database: see $FOLDER/db.log"
    mariadbd --no-defaults --user="$(id -un)" --datadir="$FOLDER/db" --socket="$FOLDER/db.sock" --skip-networking \
        >>"$FOLDER/db.log" 2>&1 &
    until_true 'MariaDB' mariadb --no-defaults --user=root --socket="$FOLDER/db.sock" --execute='CREATE DATABASE wordpress'
}

# served: starts igor on a free port. Sets BASE.
served() {
    cp -R -- "$ROOT/examples/recipes/wordpress/." "$FOLDER/recipe/"
    PORT=0 WORDPRESS_ROOT=$SITE "$IGOR" run --config "$FOLDER/recipe/Caddyfile" >"$FOLDER/igor.log" 2>&1 &
    SERVER=$!
    until_true 'igor' grep --quiet 'address=' "$FOLDER/igor.log"
    BASE=http://localhost:$(sed -n 's/.*address=[^ ]*:\([0-9]*\).*/\1/p' "$FOLDER/igor.log" | head -n 1)
}

# ask PATH ARGUMENT…: a request with the session's cookies; the answer must be a success.
ask() {
    local path=$1
    shift
    curl --silent --show-error --fail --max-time "$SECONDS_MAX" --cookie "$FOLDER/cookies" --cookie-jar "$FOLDER/cookies" \
        "$@" "$BASE$path"
}

# has NAME TEXT: the standard input holds the text.
has() {
    local answer
    answer=$(cat)
    [[ $answer == *"$2"* ]] || fail "$1: there is no \"$2\" in: ${answer:0:2000}"
    passed "$1"
}

checks() {
    local nonce here there
    ask '/wp-admin/install.php?step=2' --data 'weblog_title=Igor&user_name=admin&admin_password=a-long-secret' \
        --data 'admin_password2=a-long-secret&pw_weak=1&admin_email=admin@example.com&blog_public=0' | has 'it installs' 'Success!'
    ask /wp-login.php >/dev/null
    ask /wp-login.php --location --data 'log=admin&pwd=a-long-secret&testcookie=1' \
        --data-urlencode "redirect_to=$BASE/wp-admin/" | has 'it logs in' 'Dashboard'
    nonce=$(ask /wp-admin/post-new.php | sed -n 's/.*createNonceMiddleware( "\([0-9a-f]*\)".*/\1/p')
    ask '/index.php?rest_route=/wp/v2/posts' --header "X-WP-Nonce: $nonce" --header 'Content-Type: application/json' \
        --data '{"title":"Written over REST","content":"text","status":"publish"}' | has 'it writes a post' '"id":'
    ask / | has 'the post is on the page' 'Written over REST'
    ask '/index.php?rest_route=/wp/v2/media' --header "X-WP-Nonce: $nonce" \
        --form "file=@$ROOT/docs/images/live-config.png" --output "$FOLDER/media.json"
    ask "$(sed 's/\\//g; s/.*"source_url":"[^"]*\(\/wp-content\/[^"]*\)".*/\1/' "$FOLDER/media.json")" --output "$FOLDER/image.png"
    cmp -- "$FOLDER/image.png" "$ROOT/docs/images/live-config.png" || fail 'the uploaded picture is another one'
    passed 'it takes an upload, and serves it'

    ask / | has 'an option comes from the worker' 'Changed without a request to the database'
    printf '{"blogdescription": "Changed while it runs"}' >"$FOLDER/recipe/options.json.new"
    mv -- "$FOLDER/recipe/options.json.new" "$FOLDER/recipe/options.json"
    until_true 'the changed option' shows 'Changed while it runs'
    passed 'a change of the option is seen without a restart'

    # The same page from PHP's own server, which has no workers: the plugin leaves the database's option.
    rm -- "$SITE/wp-content/mu-plugins/live-options.php"
    here=$(curl --silent --fail "$BASE/")
    (cd -- "$SITE" && exec "$PHP" -S localhost:0 >"$FOLDER/php.log" 2>&1) &
    until_true "PHP's own server" grep --quiet 'started' "$FOLDER/php.log"
    there=$(curl --silent --fail --header "Host: ${BASE#http://}" \
        "$(sed -n 's/.*(\(http:[^)]*\)).*/\1/p' "$FOLDER/php.log" | head -n 1)/")
    [[ -n $here ]] || fail 'a page is empty'
    printf '%s' "$here" >"$FOLDER/here.html"
    printf '%s' "$there" >"$FOLDER/there.html"
    diff -- "$FOLDER/here.html" "$FOLDER/there.html" || fail "a page differs from that of PHP's own server"
    passed "a page is that of PHP's own server, byte for byte"

    kill -s TERM "$SERVER"
    wait "$SERVER" || fail "igor ended with status $?"
    passed 'the server ends in order'
    ! grep --quiet 'PHP Fatal\|panicked' "$FOLDER/igor.log" || fail "there are errors in $FOLDER/igor.log"
}

shows() { ask / | grep --quiet --fixed-strings -- "$1"; }

main() {
    (($# == 2)) || fail 'usage: scripts/wordpress.sh IGOR FOLDER'
    [[ -x $1 ]] || fail "finding igor: $1 is no program; run make build"
    IGOR=$(realpath -- "$1")
    mkdir -p -- "$2/recipe"
    FOLDER=$(realpath -- "$2")
    SITE=$FOLDER/site
    PHP=${PHP:-$(dirname -- "$("$ROOT/scripts/php.sh" print)")/php}
    # Of an earlier run.
    rm -f -- "$FOLDER/cookies" "$FOLDER"/*.log
    # Everything that is started here ends with it.
    trap 'jobs -p | xargs --no-run-if-empty kill 2>/dev/null || true; wait' EXIT
    unpacked
    site
    database
    served
    checks
}

main "$@"
