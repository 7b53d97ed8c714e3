#!/usr/bin/env bash
# Runs applications that nobody here wrote under igor: Debian's packages, unpacked and not installed. Each is asked a dozen
# things, is written to, and answers 500 requests over 16 connections, whose bodies are compared with one another and with
# those of PHP-FPM behind nginx.
#
#   scripts/applications.sh IGOR FOLDER [NAME…]
#
# IGOR is the program. FOLDER keeps the unpacked packages; the sites are made anew each time. NAME is: dokuwiki, which
# is the default too. WordPress has a script of its own.
set -euo pipefail

readonly SECONDS_MAX=60 REQUESTS=500 CONNECTIONS=16 FPM=php8.2

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# passed NAME: what was seen.
passed() { printf 'ok: %s: %s\n' "$APPLICATION" "$1"; }

# until_true WHAT COMMAND…: waits.
until_true() {
    local what=$1 until=$((SECONDS + SECONDS_MAX))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < until)) || fail "waited $SECONDS_MAX s for $what; the logs are in $SITE"
        sleep 0.2
    done
}

# closure PACKAGE…: the packages with the PHP and JavaScript libraries that they need, and without PHP or a web server.
closure() {
    apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$@" |
        grep -E '^[a-z0-9]' | grep -E "^(php-[a-z-]+|libphp-.*|libjs-.*|fonts-font-awesome|$(IFS='|' && echo "$*"))\$" |
        grep -vxE 'php-(common|cli|fpm|cgi|curl|gd|intl|xml|mbstring|json|sqlite3|mysql|pgsql|zip|bz2|ldap|soap|gmp|bcmath|apcu|amqp|redis|imagick|memcached|igbinary|msgpack)' |
        sort -u
}

# unpacked NAME PACKAGE…: the files of the packages in $FOLDER/NAME.
unpacked() {
    local into=$FOLDER/$1
    shift
    [[ ! -f $into/done ]] || return 0
    rm -rf -- "$into"
    mkdir -p -- "$into/debs" "$into/files"
    (cd -- "$into/debs" && closure "$@" | xargs apt-get --quiet download) >"$into/download.log" 2>&1 ||
        fail "downloading $*: see $into/download.log"
    for package in "$into"/debs/*.deb; do
        dpkg-deb --extract "$package" "$into/files"
    done
    touch -- "$into/done"
}

# relinked FOLDER FILES: links into the system lead into the unpacked files instead.
relinked() {
    local link target
    find "$1" -type l -lname '/*' -print0 | while IFS= read -r -d '' link; do
        target=$(readlink -- "$link")
        [[ ! -e $2$target ]] || ln -sfn -- "$2$target" "$link"
    done
}

# with_igor LINE…: serves $SITE/root. Sets IGOR_AT.
with_igor() {
    printf '{\n admin off\n frankenphp {\n  num_threads 8\n  php_ini include_path .:%s\n  php_ini date.timezone UTC\n }\n}\nhttp://127.0.0.1:0 {\n root %s/root\n%s\n}\n' \
        "$FILES/usr/share/php" "$SITE" "$1" >"$SITE/Caddyfile"
    "$IGOR" run --config "$SITE/Caddyfile" >"$SITE/igor.log" 2>&1 &
    SERVER=$!
    until_true 'igor' grep --quiet 'listening .*address=' "$SITE/igor.log"
    IGOR_AT=$(sed -n 's/.*listening.*address=\([^ ]*\).*/\1/p' "$SITE/igor.log" | head -n 1)
}

# with_fpm: the same folder by PHP-FPM behind nginx, on the address that igor had, so that absolute links are the same.
with_fpm() {
    unpacked_fpm
    cat >"$SITE/fpm.conf" <<CONF
[global]
error_log = $SITE/fpm.log
daemonize = no
[www]
listen = $SITE/fpm.sock
pm = static
pm.max_children = 8
php_admin_value[include_path] = .:$FILES/usr/share/php
php_admin_value[date.timezone] = UTC
php_admin_value[session.save_path] = $SITE/sessions
CONF
    cat >"$SITE/nginx.conf" <<CONF
daemon off; pid $SITE/nginx.pid; error_log $SITE/nginx.log; worker_processes 1;
events { worker_connections 256; }
http {
  include /etc/nginx/mime.types; access_log off;
  client_body_temp_path $SITE/t1; proxy_temp_path $SITE/t2; fastcgi_temp_path $SITE/t3; uwsgi_temp_path $SITE/t4; scgi_temp_path $SITE/t5;
  server {
    listen $IGOR_AT; root $SITE/root; index index.php;
    location / { try_files \$uri \$uri/ /index.php\$is_args\$args; }
    location ~ ^(.+\.php)(/.*)?\$ {
      fastcgi_split_path_info ^(.+?\.php)(/.*)\$;
      include /etc/nginx/fastcgi_params; fastcgi_param SCRIPT_FILENAME \$document_root\$fastcgi_script_name;
      fastcgi_param PATH_INFO \$fastcgi_path_info; fastcgi_pass unix:$SITE/fpm.sock;
    }
  }
}
CONF
    mkdir -p -- "$SITE/sessions"
    "$FPM_PROGRAM" --allow-to-run-as-root --nodaemonize --fpm-config "$SITE/fpm.conf" "${FPM_SETTINGS[@]}" >>"$SITE/fpm.log" 2>&1 &
    FPM_SERVER=$!
    until_true 'PHP-FPM' test -S "$SITE/fpm.sock"
    chmod a+rw -- "$SITE/fpm.sock"
    nginx -c "$SITE/nginx.conf" >>"$SITE/nginx.log" 2>&1 &
    NGINX=$!
    until_true 'nginx' curl --silent --output /dev/null "http://$IGOR_AT/"
}

# The installed PHP-FPM, or the one of the package; its other modules are those of the installed command line.
unpacked_fpm() {
    FPM_SETTINGS=()
    FPM_PROGRAM=$(command -v "php-fpm${FPM#php}" || true)
    [[ -z $FPM_PROGRAM ]] || return 0
    FPM_PROGRAM=$FOLDER/fpm/usr/sbin/php-fpm${FPM#php}
    [[ ! -x $FPM_PROGRAM ]] || return 0
    mkdir -p -- "$FOLDER/fpm/debs"
    (cd -- "$FOLDER/fpm/debs" && apt-get --quiet download "$FPM-fpm") >"$FOLDER/fpm/download.log" 2>&1 ||
        fail "downloading PHP-FPM: see $FOLDER/fpm/download.log"
    dpkg-deb --extract "$FOLDER"/fpm/debs/"$FPM"-fpm_*.deb "$FOLDER/fpm"
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
    answer=$(cat)
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

# many NAME PATH: the requests, side by side; gives one body, without what differs from one moment to the next.
many() {
    local into=$SITE/many-$1
    rm -rf -- "$into"
    mkdir -p -- "$into"
    seq "$REQUESTS" | xargs -P "$CONNECTIONS" -I{} curl --silent --fail --max-time "$SECONDS_MAX" --output "$into/{}" "http://$IGOR_AT$2" ||
        fail "$APPLICATION: one of $REQUESTS requests to $1 failed"
    for body in "$into"/*; do
        steady <"$body" | sha256sum
    done | sort | uniq -c >"$into.sums"
    [[ $(wc -l <"$into.sums") -eq 1 ]] || fail "$APPLICATION: the bodies of one page differ; see $into"
    steady <"$into/1" >"$into.html"
}

# What differs from one moment to the next: times, tokens and names of sessions.
steady() { sed -E 's/[0-9a-f]{32,}\+?\\*/TOKEN/g; s/"wgBackendResponseTime":[0-9]+/TIME/g; s/[0-9]{10}/TIME/g; s/"wgRequestId":"[^"]*"/REQUEST/g; s/Time: .* -->/TIME -->/; s/[0-9.]+ (secs|ms|msecs|seconds)/TIME/g' | grep -vE 'NewPP|CPU time|Real time|Cached time|Transclusion|^ *[0-9.]+% +[0-9.]+ '; }

# compared PATH: the page of both servers.
compared() {
    many igor "$1"
    passed "$REQUESTS requests over $CONNECTIONS connections give one page"
    stop_igor
    with_fpm
    many fpm "$1"
    diff -- "$SITE/many-fpm.html" "$SITE/many-igor.html" >"$SITE/difference" ||
        fail "$APPLICATION: the page differs from that of PHP-FPM: $(head -n 20 "$SITE/difference")"
    passed 'the page is that of PHP-FPM behind nginx'
    kill "$NGINX" "$FPM_SERVER" && wait "$NGINX" "$FPM_SERVER" 2>/dev/null || true
    NGINX='' FPM_SERVER=''
}

stop_igor() {
    kill -s TERM "$SERVER"
    wait "$SERVER" || fail "$APPLICATION: igor ended with status $?"
    SERVER=''
    ! grep -E ' (WARN|ERROR) igor_php' "$SITE/igor.log" | grep -v 'this PHP is unsafe' || fail "$APPLICATION: igor warns in $SITE/igor.log"
    passed 'the log has no warning of igor'
}

# begin NAME: a folder for the site.
begin() {
    APPLICATION=$1 SITE=$FOLDER/site-$1 FILES=$FOLDER/$1/files
    rm -rf -- "$SITE"
    mkdir -p -- "$SITE"
}

dokuwiki() {
    begin dokuwiki
    unpacked dokuwiki dokuwiki
    cp -R -- "$FILES/usr/share/dokuwiki" "$SITE/root"
    rm -rf -- "$SITE/root/conf" "$SITE/root/data"
    cp -R -- "$FILES/etc/dokuwiki" "$SITE/root/conf"
    cp -R -- "$FILES/var/lib/dokuwiki/data" "$SITE/root/data"
    relinked "$SITE/root" "$FILES"
    mkdir -p -- "$SITE/root/data"/{pages,attic,media,media_attic,media_meta,meta,cache,index,locks,tmp,log}
    rm -f -- "$SITE/root/install.php" "$SITE"/root/conf/{local,users.auth,acl.auth}.php
    # The password is "a-long-secret".
    printf '<?php\n$conf["title"] = "Wiki"; $conf["useacl"] = 1; $conf["superuser"] = "@admin"; $conf["authtype"] = "authplain";\n$conf["savedir"] = "%s"; $conf["passcrypt"] = "sha1"; $conf["disableactions"] = "";\n' "$SITE/root/data" >"$SITE/root/conf/local.php"
    printf 'admin:%s:Admin:admin@example.com:admin,user\n' "$(printf a-long-secret | sha1sum | cut -d' ' -f1)" >"$SITE/root/conf/users.auth.php"
    printf '*\t@ALL\t1\n*\t@user\t8\n' >"$SITE/root/conf/acl.auth.php"
    chmod -R a+rwX -- "$SITE"
    with_igor ' respond /data/* 403
 respond /conf/* 403
 php_server {
  hide_sensitive
 }'
    dokuwiki_checks
    compared '/doku.php?id=playground:igor'
}

dokuwiki_checks() {
    local page token
    ask '/doku.php' | has 'the first page' 'Wiki'
    page=$(ask '/doku.php?id=start&do=login' --data 'u=admin&p=a-long-secret&do=login&id=start')
    [[ $page == *'do=logout'* ]] || fail "$APPLICATION: it does not log in: ${page:0:1500}"
    passed 'it logs in'
    token=$(ask '/doku.php?id=playground:igor&do=edit' | sed -n 's/.*name="sectok" value="\([0-9a-f]*\)".*/\1/p' | head -n 1)
    ask '/doku.php?id=playground:igor' --data "sectok=$token&id=playground:igor&prefix=.&suffix=&do[save]=1&summary=x" \
        --data-urlencode 'wikitext====== Written over HTTP ======' >/dev/null
    ask '/doku.php?id=playground:igor' | has 'it saves a page' 'Written over HTTP'
    ask '/doku.php?id=playground:igor&do=edit' | has 'it shows the source of the page' 'Written over HTTP'
    ask '/doku.php?id=playground:igor&do=revisions' | has 'it lists the versions' 'Old Revisions'
    ask '/doku.php?do=search&q=wiki' | has 'it searches' 'Search'
    ask '/doku.php?do=recent' | has 'it lists recent changes' 'playground:igor'
    ask '/lib/exe/css.php?t=dokuwiki' | has 'it makes its style sheet' 'dokuwiki'
    ask '/lib/exe/js.php?t=dokuwiki' | has 'it makes its scripts' 'function'
    ask '/feed.php' | has 'it makes a feed' '<rdf'
    status 'its pages are not served as files' /data/pages/playground/igor.txt 403
    status 'nor is what Apache hides' /.htaccess 404
}

# Of the processes that were started.
finish() {
    for process in ${SERVER:-} ${NGINX:-} ${FPM_SERVER:-}; do
        kill "$process" 2>/dev/null || true
    done
}

main() {
    (($# >= 2)) || { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}" >&2; exit 2; }
    IGOR=$(realpath -- "$1")
    mkdir -p -- "$2"
    FOLDER=$(realpath -- "$2")
    shift 2
    trap finish EXIT
    local names=("$@")
    ((${#names[@]} > 0)) || names=(dokuwiki)
    for name in "${names[@]}"; do
        case $name in
            dokuwiki) "$name" ;;
            *) fail "there is no application named $name" ;;
        esac
    done
}

main "$@"
