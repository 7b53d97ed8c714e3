# shellcheck shell=bash disable=SC2034
# phpMyAdmin with a MariaDB of its own: a login and SQL in the browser. Sourced by scripts/applications.sh.

application_phpmyadmin() {
    unpacked phpmyadmin || return 0
    database
    database_run "CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50));
        INSERT INTO shop.item (name) VALUES ('first'), ('second');
        CREATE USER admin@localhost IDENTIFIED BY 'a-long-secret'; GRANT ALL ON *.* TO admin@localhost"
    phpmyadmin_site
    # Its pages load scripts from js/vendor.
    PHP_SERVER='hide *.sql .git' with_igor
    phpmyadmin_checks
    compared '/index.php?route=/&lang=en'
}

phpmyadmin_site() {
    local root=$SITE/root
    cp -R -- "$FILES/usr/share/phpmyadmin" "$root"
    mkdir -p -- "$SITE/tmp"
    sed -i -e "s|'/var/lib/phpmyadmin/tmp/'|'$SITE/tmp/'|; s|'/etc/phpmyadmin/config.inc.php'|'$SITE/config.inc.php'|" \
        "$root/libraries/vendor_config.php"
    cat >"$SITE/config.inc.php" <<PHP
<?php
\$cfg['blowfish_secret'] = '0123456789abcdef0123456789abcdef';
\$cfg['Servers'][1] = ['auth_type' => 'cookie', 'host' => 'localhost', 'socket' => '$SITE/db.sock', 'compress' => false];
\$cfg['SendErrorReports'] = 'never';
PHP
}

# token: the token of the page on the standard input.
token() { sed -n 's/.*name="token" value="\([^"]*\)".*/\1/p' | head -n 1; }

phpmyadmin_checks() {
    local page
    browser 'go /index.php?route=/&lang=en' 'type #input_username admin' 'type #input_password a-long-secret' 'click #input_go' \
        'see Database server' 'go /index.php?route=/sql&db=shop&table=item&pos=0' 'see second'
    passed 'a browser logs in, and looks at a table'
    page=$(ask '/index.php?route=/&lang=en')
    has 'the first page' 'phpMyAdmin' <<<"$page"
    ask '/index.php?route=/&lang=en' --data-urlencode "token=$(token <<<"$page")" --data-urlencode "set_session=$(
        sed -n 's/.*name="set_session" value="\([^"]*\)".*/\1/p' <<<"$page" | head -n 1)" \
        --data 'pma_username=admin&pma_password=a-long-secret&server=1&lang=en' | has 'it logs in' 'Database server'
    page=$(ask '/index.php?route=/server/databases&lang=en')
    has 'it lists databases' 'shop' <<<"$page"
    ask '/index.php?route=/database/structure&db=shop' | has 'it lists tables' 'item'
    ask '/index.php?route=/sql&db=shop&table=item&pos=0' | has 'it shows rows' 'second'
    ask '/index.php?route=/import' --data-urlencode "token=$(token <<<"$page")" \
        --data 'db=shop&table=item&is_js_confirmed=1&ajax_request=true' \
        --data-urlencode "sql_query=INSERT INTO item (name) VALUES ('third')" | has 'it runs SQL' '"success":true'
    [[ $(database_run 'SELECT COUNT(*) FROM shop.item') == 3 ]] || fail "$APPLICATION: the row is not in the database"
    passed 'the row is in the database'
    ask '/index.php?route=/table/structure&db=shop&table=item' | has 'it shows a structure' 'varchar(50)'
    ask '/index.php?route=/server/variables' | has 'it shows variables' 'auto increment increment'
    ask '/index.php?route=/export' --data-urlencode "token=$(token <<<"$page")" \
        --data 'db=shop&table=item&export_type=table&export_method=quick&quick_or_custom=quick&what=sql&output_format=sendit&filename_template=export&compression=none&charset=utf-8&sql_structure_or_data=structure_and_data&sql_compatibility=NONE&sql_insert_syntax=both&sql_type=INSERT&sql_create_table=something&sql_include_comments=something&table_structure%5B%5D=item&table_data%5B%5D=item' |
        has 'it exports' 'INSERT INTO'
    ask '/js/messages.php?l=en' | has 'it makes its scripts' 'Messages'
}

# Tokens, and names of sessions and the versions of scripts.
steady() { sed -E 's/[0-9a-f]{32,}/TOKEN/g; s/(token|set_session)(" value="|":"|=)[^"&]*/\1/g; s/"commonQuery?":"[^"]*"//g'; }
