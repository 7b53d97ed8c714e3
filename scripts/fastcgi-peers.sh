#!/usr/bin/env bash
# Web servers in front of igor, by FastCGI: nginx, Apache and Caddy, each over TCP and over a Unix socket. Pretty URLs, path info,
# large bodies, kept connections, the pages for monitoring, the environment, and settings of php.ini for one request. PHP-FPM
# beside it is the reference: where it is installed, nginx asks it the same questions, and the access logs are compared. Igor runs
# what `igor fpm --import` makes of the pool of PHP-FPM.
#
#   scripts/fastcgi-peers.sh IGOR FOLDER
set -euo pipefail
# shellcheck source=scripts/lib/processes.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib/processes.sh"

IGOR=$(realpath -- "$1")
mkdir -p -- "$2"
# The servers have working directories of their own.
FOLDER=$(realpath -- "$2")
readonly IGOR FOLDER
readonly DEADLINE_SECONDS=60

fail() {
    say "fastcgi-peers: $*" >&2
    tail --lines=20 "$FOLDER"/*.log >&2
    exit 1
}

# expect WHAT EXPECTED SEEN
expect() {
    [[ $2 == "$3" ]] || fail "$FRONT: $1: expected '$2', saw '$3'"
    say "ok: $FRONT: $1"
}

# start NAME COMMAND…: runs a server whose output goes to NAME.log.
start() {
    "${@:2}" >"$FOLDER/$1.log" 2>&1 &
    PROCESSES+=($!)
}

# status_of URL
status_of() { curl --silent --output /dev/null --write-out '%{http_code}' "$1"; }

rm -rf -- "$FOLDER"
mkdir -p -- "$FOLDER/www" "$FOLDER/temporary"
cat >"$FOLDER/www/app.php" <<'PHP'
<?php
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    echo strlen(file_get_contents('php://input'));
    return;
}
header('X-Own: answer');
if (isset($_GET['env'])) {
    echo json_encode([getenv('OF_PROCESS'), getenv()['OF_PROCESS'] ?? null, $_SERVER['OF_PROCESS'] ?? null, getenv('OWN'),
        $_SERVER['OWN'], trim(shell_exec('echo "$OF_PROCESS $OWN"'))]);
    return;
}
if (isset($_GET['ini'])) {
    echo ini_get('precision'), ' ', var_export(@ini_set('memory_limit', '1G'), true), ' ', ini_get('memory_limit');
    return;
}
echo $_SERVER['SCRIPT_NAME'], ' ', $_SERVER['PATH_INFO'] ?? '', ' ', $_SERVER['REQUEST_URI'], ' ', json_encode($_GET);
PHP
printf 'no script' >"$FOLDER/www/picture.jpg"
printf '<?php echo 1;' >"$FOLDER/www/quiet.php"

# pool NAME LISTEN: a pool of php-fpm. Of the values of its access log only those with a colon differ from request to request.
pool() {
    cat <<CONF
[$1]
listen = $2
listen.mode = 0666
pm = static
pm.max_children = 2
pm.status_path = /status
ping.path = /ping
access.log = $FOLDER/\$pool.access
access.format = "%R|%u|%m|%r|%Q%q|%s|%f|%l|%{SCRIPT_NAME}e|%{absent}e|%{X-Own}o|%{absent}o|%{%Y-%m-%d}t|%{%H %%}T|%%|:%{milli}d :%{micro}d :%d :%M :%{kilo}M :%{mega}M :%C :%{user}C :%{system}C :%p :%P :%t"
access.suppress_path[] = /ping
access.suppress_path[] = /quiet.php
env[OWN] = "of the pool"
php_admin_value[memory_limit] = 200M
CONF
    if ((EUID == 0)); then
        printf 'user = www-data\ngroup = www-data\n'
    fi
}

# A pool of igor at both kinds of sockets.
FASTCGI=$(free_port)
readonly FASTCGI SOCKET=$FOLDER/igor.sock
{
    pool tcp "127.0.0.1:$FASTCGI"
    pool unix "$SOCKET"
} >"$FOLDER/igor.conf"
"$IGOR" fpm --import "$FOLDER/igor.conf" | sed '0,/^{/s//{\n\tadmin off/' >"$FOLDER/Caddyfile"

# nginx_server PORT BACKEND: a server block in front of a FastCGI address.
nginx_server() {
    cat <<NGINX
    server {
        listen 127.0.0.1:$1;
        root $FOLDER/www;
        location / { try_files \$uri /app.php?\$query_string; }
        location ~ ^/(status|ping)\$ {
            include /etc/nginx/fastcgi_params;
            fastcgi_param SCRIPT_FILENAME \$fastcgi_script_name;
            fastcgi_pass $2;
        }
        location ~ \.php(/|\$) {
            include /etc/nginx/fastcgi_params;
            fastcgi_split_path_info ^(.+?\.php)(/.*)\$;
            fastcgi_param SCRIPT_FILENAME \$document_root\$fastcgi_script_name;
            fastcgi_param PATH_INFO \$fastcgi_path_info;
            fastcgi_param PHP_VALUE "precision=7";
            fastcgi_keep_conn on;
            fastcgi_pass $2;
        }
    }
NGINX
}

# apache_server PORT BACKEND: a host in front of a FastCGI address.
apache_server() {
    cat <<APACHE
Listen 127.0.0.1:$1
<VirtualHost 127.0.0.1:$1>
    DocumentRoot $FOLDER/www
    ProxyFCGISetEnvIf "true" PHP_VALUE "precision=7"
    ProxyPassMatch "^/(status|ping)\$" "$2/\$1"
    <Directory $FOLDER/www>
        Require all granted
        FallbackResource /app.php
    </Directory>
    <FilesMatch "\.php\$">
        SetHandler "proxy:$2"
    </FilesMatch>
</VirtualHost>
APACHE
}

# caddy_server PORT BACKEND: a site in front of a FastCGI address.
caddy_server() {
    cat <<CADDYFILE
http://127.0.0.1:$1 {
	root * $FOLDER/www
	@pages path /status /ping
	reverse_proxy @pages $2 {
		transport fastcgi {
			split .php
		}
	}
	php_fastcgi $2 {
		index app.php
		env PHP_VALUE precision=7
	}
	file_server
}
CADDYFILE
}

readonly APACHE_MODULES='mpm_event authz_core dir proxy proxy_fcgi'

# write_fronts: the configurations of the web servers, and FRONTS with their ports.
declare -A FRONTS=()
write_fronts() {
    local module
    FRONTS[nginx-tcp]=$(free_port) FRONTS[nginx-unix]=$(free_port)
    {
        printf 'daemon off;\npid %s/nginx.pid;\nerror_log %s/nginx.log info;\nevents {}\nhttp {\n' "$FOLDER" "$FOLDER"
        printf '    access_log off;\n    client_max_body_size 100m;\n    client_body_temp_path temporary/body;\n'
        printf '    fastcgi_temp_path temporary/fastcgi;\n    proxy_temp_path temporary/proxy;\n'
        printf '    uwsgi_temp_path temporary/uwsgi;\n    scgi_temp_path temporary/scgi;\n'
        printf '    upstream php_tcp { server 127.0.0.1:%s; keepalive 4; }\n' "$FASTCGI"
        printf '    upstream php_unix { server unix:%s; keepalive 4; }\n' "$SOCKET"
        nginx_server "${FRONTS[nginx-tcp]}" php_tcp
        nginx_server "${FRONTS[nginx-unix]}" php_unix
        if [[ -n $FPM ]]; then
            FRONTS[nginx-to-php-fpm]=$(free_port)
            nginx_server "${FRONTS[nginx-to-php-fpm]}" "unix:$FOLDER/fpm.sock"
        fi
        printf '}\n'
    } >"$FOLDER/nginx.conf"
    FRONTS[apache-tcp]=$(free_port) FRONTS[apache-unix]=$(free_port)
    {
        printf 'ServerRoot %s\nServerName localhost\nPidFile %s/apache.pid\nErrorLog %s/apache.log\n' "$FOLDER" "$FOLDER" "$FOLDER"
        for module in $APACHE_MODULES; do
            printf 'LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n' "$module" "$module"
        done
        ((EUID != 0)) || printf 'User www-data\nGroup www-data\n'
        apache_server "${FRONTS[apache-tcp]}" "fcgi://127.0.0.1:$FASTCGI"
        apache_server "${FRONTS[apache-unix]}" "unix:$SOCKET|fcgi://localhost"
    } >"$FOLDER/apache.conf"
    FRONTS[caddy-tcp]=$(free_port) FRONTS[caddy-unix]=$(free_port)
    {
        printf '{\n\tadmin off\n}\n'
        caddy_server "${FRONTS[caddy-tcp]}" "127.0.0.1:$FASTCGI"
        caddy_server "${FRONTS[caddy-unix]}" "unix/$SOCKET"
    } >"$FOLDER/caddy.Caddyfile"
}

# start_fpm: the reference, with the same pool. Not every machine has it.
start_fpm() {
    {
        printf '[global]\nerror_log = %s/fpm.log\ndaemonize = no\n' "$FOLDER"
        pool fpm "$FOLDER/fpm.sock"
    } >"$FOLDER/fpm.conf"
    start php-fpm "$FPM" --fpm-config "$FOLDER/fpm.conf"
}

# ask_front: the questions for one web server.
ask_front() {
    local url=http://127.0.0.1:${FRONTS[$FRONT]} end=$((SECONDS + DEADLINE_SECONDS))
    until [[ $(curl --silent "$url/app.php") == /app.php* ]]; do
        ((SECONDS < end)) || fail "$FRONT: waited $DEADLINE_SECONDS s for the first answer"
        sleep 0.1
    done
    expect 'path info' '/app.php /more/x /app.php/more/x?q=1 {"q":"1"}' "$(curl --silent "$url/app.php/more/x?q=1")"
    expect 'a pretty URL' '/app.php  /pretty/url?z=1 {"z":"1"}' "$(curl --silent "$url/pretty/url?z=1")"
    expect 'a large body' 20000000 "$(head --bytes=20000000 /dev/zero | curl --silent --data-binary @- "$url/app.php")"
    expect 'settings of php.ini' '7 false 200M' "$(curl --silent "$url/app.php?ini=1")"
    expect 'the environment' '[false,null,null,"of the pool","of the pool","of the pool"]' "$(curl --silent "$url/app.php?env=1")"
    expect 'the ping page' pong "$(curl --silent "$url/ping")"
    expect 'the status page' 'pool process_manager start_time start_since accepted_conn' \
        "$(curl --silent "$url/status" | sed 's/:.*//; s/ /_/g' | head --lines=5 | xargs)"
    expect 'fifty requests' '50 200' \
        "$(for _ in {1..50}; do status_of "$url/app.php" && echo; done | sort | uniq --count | xargs)"
}

# access_log URL FILE: asks for what a log may have to show, and prints the lines, without what differs between two requests.
access_log() {
    local url=$1 before lines end=$((SECONDS + DEADLINE_SECONDS))
    # Lines of the requests before may still be on their way.
    curl --silent --output /dev/null "$url/app.php?begin"
    until grep --quiet --fixed-strings '|?begin|' "$2"; do
        ((SECONDS < end)) || fail "$FRONT: the access log has no lines"
        sleep 0.1
    done
    before=$(wc --lines <"$2")
    curl --silent "$url/app.php/more/x?q=1" "$url/pretty/url?z=1" "$url/quiet.php" "$url/ping" "$url/ping?a=1" \
        "$url/quiet.php?a=1" "$url/missing.php" "$url/status?json" >/dev/null
    curl --silent --output /dev/null --head "$url/app.php"
    curl --silent --output /dev/null --head "$url/quiet.php"
    curl --silent --output /dev/null --data 12345 "$url/app.php"
    curl --silent --output /dev/null --data 12345 "$url/quiet.php"
    curl --silent --output /dev/null --user joe:secret "$url/app.php"
    until lines=$(($(wc --lines <"$2") - before)) && ((lines >= ACCESS_LINES)); do
        ((SECONDS < end)) || fail "$FRONT: the access log has $lines lines instead of $ACCESS_LINES"
        sleep 0.1
    done
    # A line is written when its response has left, which two connections may do in any order.
    tail --lines="$lines" -- "$2" | LC_ALL=C sort | sed -E 's/:[0-9]+(\.[0-9]+)?/:N/g; s/:N\/[A-Z][a-z]+\/20[0-9:N +]+$/:T/'
}

# Of these 13 requests two are suppressed, and /ping.
readonly ACCESS_LINES=10

FPM=$(compgen -c php-fpm | sort --version-sort | tail --lines=1 || true)
readonly FPM
chmod 755 "$FOLDER" "$FOLDER/www"
write_fronts
export OF_PROCESS=hidden
start igor "$IGOR" run --config "$FOLDER/Caddyfile"
[[ -z $FPM ]] || start_fpm
start nginx nginx -p "$FOLDER" -c "$FOLDER/nginx.conf"
start apache apache2 -d "$FOLDER" -f "$FOLDER/apache.conf" -DFOREGROUND
start caddy env HOME="$FOLDER" caddy run --config "$FOLDER/caddy.Caddyfile" --adapter caddyfile
for FRONT in "${!FRONTS[@]}"; do
    ask_front
done
FRONT=nginx-tcp
URL=http://127.0.0.1:${FRONTS[$FRONT]}
expect 'a missing script' 404 "$(status_of "$URL/missing.php")"
expect 'a picture that is called as a script' 403 "$(status_of "$URL/picture.jpg/x.php")"
if [[ -n $FPM ]]; then
    expected=$(access_log "http://127.0.0.1:${FRONTS[nginx-to-php-fpm]}" "$FOLDER/fpm.access")
    FRONT=nginx-unix
    expect 'the access log is the one of php-fpm' "$expected" "$(access_log "http://127.0.0.1:${FRONTS[nginx-unix]}" "$FOLDER/unix.access")"
    say "$expected" | sed 's/^/    /'
fi
say 'fastcgi-peers: all is well'
