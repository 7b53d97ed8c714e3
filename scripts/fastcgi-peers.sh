#!/usr/bin/env bash
# nginx in front of igor, by FastCGI: pretty URLs, path info, large bodies, kept connections, static files.
#
#   scripts/fastcgi-peers.sh IGOR FOLDER
set -euo pipefail
# shellcheck source=scripts/lib/processes.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib/processes.sh"

readonly IGOR=$1 FOLDER=$2
readonly DEADLINE_SECONDS=60

fail() {
    say "fastcgi-peers: $*" >&2
    tail --lines=20 "$FOLDER"/*.log >&2
    exit 1
}

# expect WHAT EXPECTED SEEN
expect() {
    [[ $2 == "$3" ]] || fail "$1: expected '$2', saw '$3'"
    say "ok: $1"
}

rm -rf -- "$FOLDER"
mkdir -p -- "$FOLDER/www" "$FOLDER/temporary"
FASTCGI=$(free_port) HTTP=$(free_port)
cat >"$FOLDER/www/app.php" <<'PHP'
<?php
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    echo strlen(file_get_contents('php://input'));
    return;
}
echo $_SERVER['SCRIPT_NAME'], ' ', $_SERVER['PATH_INFO'] ?? '', ' ', $_SERVER['REQUEST_URI'], ' ', json_encode($_GET);
PHP
printf 'no script' >"$FOLDER/www/picture.jpg"
printf '{\n\tadmin off\n}\nfastcgi://127.0.0.1:%s {\n\tphp\n}\n' "$FASTCGI" >"$FOLDER/Caddyfile"
cat >"$FOLDER/nginx.conf" <<NGINX
daemon off;
pid $FOLDER/nginx.pid;
error_log $FOLDER/nginx.log info;
events {}
http {
    access_log off;
    client_max_body_size 100m;
    client_body_temp_path temporary/body;
    fastcgi_temp_path temporary/fastcgi;
    proxy_temp_path temporary/proxy;
    uwsgi_temp_path temporary/uwsgi;
    scgi_temp_path temporary/scgi;
    upstream php { server 127.0.0.1:$FASTCGI; keepalive 4; }
    server {
        listen 127.0.0.1:$HTTP;
        root $FOLDER/www;
        location / { try_files \$uri /app.php?\$query_string; }
        location ~ \.php(/|\$) {
            include /etc/nginx/fastcgi_params;
            fastcgi_split_path_info ^(.+?\.php)(/.*)\$;
            fastcgi_param SCRIPT_FILENAME \$document_root\$fastcgi_script_name;
            fastcgi_param PATH_INFO \$fastcgi_path_info;
            fastcgi_keep_conn on;
            fastcgi_pass php;
        }
    }
}
NGINX
"$IGOR" run --config "$FOLDER/Caddyfile" >"$FOLDER/igor.log" 2>&1 &
PROCESSES+=($!)
nginx -p "$FOLDER" -c "$FOLDER/nginx.conf" >"$FOLDER/start.log" 2>&1 &
PROCESSES+=($!)
URL=http://127.0.0.1:$HTTP
end=$((SECONDS + DEADLINE_SECONDS))
until [[ $(curl --silent "$URL/app.php") == /app.php* ]]; do
    ((SECONDS < end)) || fail "waited $DEADLINE_SECONDS s for the first answer"
    sleep 0.1
done

expect 'path info' '/app.php /more/x /app.php/more/x?q=1 {"q":"1"}' "$(curl --silent "$URL/app.php/more/x?q=1")"
expect 'a pretty URL' '/app.php  /pretty/url?z=1 {"z":"1"}' "$(curl --silent "$URL/pretty/url?z=1")"
expect 'a large body' 20000000 "$(head --bytes=20000000 /dev/zero | curl --silent --data-binary @- "$URL/app.php")"
expect 'a missing script' 404 "$(curl --silent --output /dev/null --write-out '%{http_code}' "$URL/missing.php")"
expect 'a picture that is called as a script' 403 \
    "$(curl --silent --output /dev/null --write-out '%{http_code}' "$URL/picture.jpg/x.php")"
expect 'a hundred requests over kept connections' '100 200' \
    "$(for _ in {1..100}; do curl --silent --output /dev/null --write-out '%{http_code}\n' "$URL/app.php"; done |
        sort | uniq --count | xargs)"
say 'fastcgi-peers: all is well'
