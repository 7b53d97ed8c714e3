# shellcheck shell=bash disable=SC2034
# The Redis port of a store with the extension `redis`, Debian's build in Debian's PHP. Sourced by scripts/applications.sh.

application_redis_extension() {
    local api folder
    [[ -x /usr/bin/php ]] || fail 'the php of the system is not installed'
    unpacked php-redis php-igbinary "$(apt-cache depends php-redis | sed -n 's/^ *Depends: \(php[0-9.]*-redis\)$/\1/p' | head -n 1)" \
        "$(apt-cache depends php-igbinary | sed -n 's/^ *Depends: \(php[0-9.]*-igbinary\)$/\1/p' | head -n 1)" || return 0
    api=$(/usr/bin/php -n -r 'echo basename(PHP_EXTENSION_DIR);')
    folder=$FILES/usr/lib/php/$api
    [[ -f $folder/redis.so ]] || fail "$APPLICATION: the extension is not for the PHP of the system; see $FILES"
    mkdir -p -- "$SITE/root"
    printf '%s\n' '<?php' '$store = new FrankenPHP\SharedArray("shared");' \
        'echo json_encode([$store->increment("count", 5), $store["text"] ?? null, $store["list"] = [1, ["a" => "b"]]]);' >"$SITE/root/index.php"
    printf '%s\n' '{' 'admin off' 'frankenphp {' 'store shared {' "listen unix/$SITE/shared.sock" 'password open-sesame' '}' '}' '}' \
        'http://127.0.0.1:0 {' "root \"$SITE/root\"" 'php_server' '}' >"$SITE/Caddyfile"
    "$IGOR" run --config "$SITE/Caddyfile" >"$SITE/igor.log" 2>&1 &
    SERVER=$!
    until_true 'igor' grep --quiet 'listening .*address=127' "$SITE/igor.log"
    IGOR_AT=$(sed -n 's/.*listening.*address=\(127[^ ]*\).*/\1/p' "$SITE/igor.log" | head -n 1)
    until_true 'the Redis port' test -S "$SITE/shared.sock"
    # Without Debian's own settings, which may load another build.
    /usr/bin/php -n -d "extension=$folder/igbinary.so" -d "extension=$folder/redis.so" \
        "$ROOT/scripts/applications/redis_extension.php" "$SITE/shared.sock" open-sesame "http://$IGOR_AT/" |
        while IFS= read -r line; do passed "$line"; done
    stop_igor
    (($(wc -l <"$SITE/checks") >= 9)) || fail "$APPLICATION: some checks are missing"
}
