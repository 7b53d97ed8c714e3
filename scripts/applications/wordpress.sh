# shellcheck shell=bash disable=SC2034
# WordPress with a MariaDB of its own, served by the recipe of examples/recipes/wordpress: a login and a draft in the browser, a
# post over REST, an upload, an option that a worker changes. Sourced by scripts/applications.sh.

application_wordpress() {
    unpacked wordpress wordpress-theme-twentytwentythree php-getid3 libjs-cropper libjs-prototype libjs-scriptaculous libjs-underscore ||
        return 0
    database
    database_run 'CREATE DATABASE wordpress'
    wordpress_site
    wordpress_served
    wordpress_checks
    # Without the plugin, because php-fpm has no workers; and once, so that all see the same state of the page.
    rm -- "$SITE/root/wp-content/mu-plugins/live-options.php"
    ask '/?feed=rss2' >/dev/null
    compared /
}

# WordPress in its own folder. Some of its links lead to packages that are not needed here, so only the needed files are
# checked.
wordpress_site() {
    local root=$SITE/root
    cp -R --dereference -- "$FILES/usr/share/wordpress" "$root" 2>"$SITE/copy.log" || true
    [[ -f $root/wp-load.php && -f $root/wp-includes/js/underscore.min.js ]] || fail "$APPLICATION: copying: see $SITE/copy.log"
    mkdir -p -- "$root/wp-content/uploads" "$root/wp-content/mu-plugins"
    cp -- "$ROOT"/examples/recipes/wordpress/mu-plugins/* "$root/wp-content/mu-plugins/"
    # Jobs that it schedules itself would write while pages are compared.
    cat >"$root/wp-config.php" <<PHP
<?php
define('DB_NAME', 'wordpress');
define('DB_USER', 'root');
define('DB_PASSWORD', '');
define('DB_HOST', 'localhost:$SITE/db.sock');
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
define('DISABLE_WP_CRON', true);
\$table_prefix = 'wp_';
defined('ABSPATH') || define('ABSPATH', __DIR__ . '/');
require_once ABSPATH . 'wp-settings.php';
PHP
}

# The recipe's own Caddyfile.
wordpress_served() {
    cp -R -- "$ROOT/examples/recipes/wordpress/." "$SITE/recipe/"
    (cd -- "$SITE/recipe" && PORT=0 WORDPRESS_ROOT=$SITE/root exec "$IGOR" run --config Caddyfile) >"$SITE/igor.log" 2>&1 &
    SERVER=$!
    until_true 'igor' grep --quiet 'listening .*address=' "$SITE/igor.log"
    IGOR_AT=127.0.0.1:$(sed -n 's/.*listening.*address=[^ ]*:\([0-9]*\).*/\1/p' "$SITE/igor.log" | head -n 1)
}

wordpress_checks() {
    local nonce
    ask '/wp-admin/install.php?step=2' --data 'weblog_title=Igor&user_name=admin&admin_password=a-long-secret' \
        --data 'admin_password2=a-long-secret&pw_weak=1&admin_email=admin@example.com&blog_public=0' | has 'it installs' 'Success!'
    browser 'go /wp-login.php' 'type #user_login admin' 'type #user_pass a-long-secret' 'click #wp-submit' 'see Dashboard' \
        'type #title Drafted in a browser' 'type #content Some words.' 'click #save-post' 'see Drafted in a browser'
    passed 'a browser logs in, and writes a draft'
    ask /wp-login.php >/dev/null
    ask /wp-login.php --data 'log=admin&pwd=a-long-secret&testcookie=1' --data-urlencode "redirect_to=http://$IGOR_AT/wp-admin/" |
        has 'it logs in' 'Dashboard'
    ask '/wp-admin/edit.php' | has 'it lists posts' 'Drafted in a browser'
    nonce=$(ask /wp-admin/post-new.php | sed -n 's/.*createNonceMiddleware( "\([0-9a-f]*\)".*/\1/p')
    ask '/index.php?rest_route=/wp/v2/posts' --header "X-WP-Nonce: $nonce" --header 'Content-Type: application/json' \
        --data '{"title":"Written over REST","content":"text","status":"publish"}' | has 'it writes a post' '"id":'
    ask / | has 'the post is on the page' 'Written over REST'
    ask '/?s=REST' | has 'it searches' 'Written over REST'
    ask '/?feed=rss2' | has 'it makes a feed' '<rss'
    ask '/wp-admin/load-styles.php?load=dashicons,common' | has 'it makes its style sheet' 'dashicons'
    status 'a missing page is not found' '/?p=4711' 404
    wordpress_upload "$nonce"
    ask / | has 'an option comes from the worker' 'Changed without a request to the database'
    printf '{"blogdescription": "Changed while it runs"}' >"$SITE/recipe/options.json.new"
    mv -- "$SITE/recipe/options.json.new" "$SITE/recipe/options.json"
    until_true 'the changed option' wordpress_shows 'Changed while it runs'
    passed 'a change of the option is seen without a restart'
}

# wordpress_upload NONCE
wordpress_upload() {
    local image=$ROOT/docs/images/live-config.png
    ask '/index.php?rest_route=/wp/v2/media' --header "X-WP-Nonce: $1" --form "file=@$image" --output "$SITE/media.json"
    ask "$(sed 's/\\//g; s/.*"source_url":"[^"]*\(\/wp-content\/[^"]*\)".*/\1/' "$SITE/media.json")" --output "$SITE/image.png"
    cmp -- "$SITE/image.png" "$image" || fail "$APPLICATION: the uploaded picture is another one"
    passed 'it takes an upload, and serves it'
}

wordpress_shows() {
    local page
    page=$(ask /) && [[ $page == *"$1"* ]]
}
