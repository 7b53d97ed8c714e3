# shellcheck shell=bash disable=SC2034
# DokuWiki: pages in files, an own login, an edit in the browser. Sourced by scripts/applications.sh.

application_dokuwiki() {
    unpacked dokuwiki || return 0
    dokuwiki_site
    with_igor 'respond /data/* 403' 'respond /conf/* 403'
    dokuwiki_checks
    until_true 'a cache that is younger than the page' dokuwiki_cached
    compared '/doku.php?id=playground:igor'
}

# The site without what Debian's configuration of Apache needs. The password is "a-long-secret".
dokuwiki_site() {
    local root=$SITE/root
    cp -R -- "$FILES/usr/share/dokuwiki" "$root"
    rm -rf -- "$root/conf" "$root/data"
    cp -R -- "$FILES/etc/dokuwiki" "$root/conf"
    cp -R -- "$FILES/var/lib/dokuwiki/data" "$root/data"
    mkdir -p -- "$root"/data/{pages,attic,media,media_attic,media_meta,meta,cache,index,locks,tmp,log}
    # Debian's leads to the system's configuration.
    rm -f -- "$root/inc/preload.php" "$root/install.php" "$root"/conf/{local,users.auth,acl.auth}.php "$root/.htaccess"
    cat >"$root/conf/local.php" <<PHP
<?php
\$conf['title'] = 'Wiki';
\$conf['useacl'] = 1;
\$conf['superuser'] = '@admin';
\$conf['authtype'] = 'authplain';
\$conf['passcrypt'] = 'sha1';
\$conf['disableactions'] = '';
\$conf['savedir'] = '$root/data';
PHP
    printf 'admin:%s:Admin:admin@example.com:admin,user\n' "$(printf a-long-secret | sha1sum | cut -d' ' -f1)" \
        >"$root/conf/users.auth.php"
    printf '*\t@ALL\t1\n*\t@user\t8\n' >"$root/conf/acl.auth.php"
    cp -- "$root/.htaccess.dist" "$root/.htaccess"
}

dokuwiki_checks() {
    browser 'go /doku.php?id=playground:igor&do=login' 'type input[name=u] admin' 'type input[name=p] a-long-secret' \
        'click #dw__login button[type=submit]' 'see Admin' \
        'go /doku.php?id=playground:igor&do=edit' 'type #wiki__text ====== Written in a browser ======' \
        'click #edbtn__save' 'see Written in a browser'
    passed 'a browser logs in, and writes a page'
    ask '/doku.php' | has 'the first page' 'Wiki'
    ask '/doku.php?id=start&do=login' --data 'u=admin&p=a-long-secret&do=login&id=start' | has 'it logs in' 'do=logout'
    ask '/doku.php?id=playground:igor&do=edit' | has 'it shows the source of the page' '====== Written in a browser'
    ask '/doku.php?id=playground:igor&do=revisions' | has 'it lists the versions' 'Old Revisions'
    ask '/doku.php?do=search&q=wiki' | has 'it searches' 'Search'
    ask '/doku.php?do=recent' | has 'it lists recent changes' 'playground:igor'
    ask '/lib/exe/css.php?t=dokuwiki' | has 'it makes its style sheet' 'dokuwiki'
    ask '/lib/exe/js.php?t=dokuwiki' | has 'it makes its scripts' 'function'
    ask '/feed.php' | has 'it makes a feed' '<rdf'
    status 'its pages are not served as files' /data/pages/playground/igor.txt 403
    status 'nor is what Apache hides' /.htaccess 404
}

# While page and cache file have the same second, DokuWiki renders the page again and truncates the cache file while others
# read it. So concurrent requests in the second of an edit get pages without their text.
dokuwiki_cached() {
    local written kind times
    written=$(stat --format %Y -- "$SITE/root/data/pages/playground/igor.txt")
    ask '/doku.php?id=playground:igor' >/dev/null
    for kind in i xhtml; do
        times=$(grep --recursive --files-with-matches --include="*.$kind" 'Written in a browser' "$SITE/root/data/cache" |
            xargs stat --format %Y --) || return 1
        grep --quiet --invert-match --line-regexp "$written" <<<"$times" || return 1
    done
}

# Tokens and times.
steady() { sed -E 's/[0-9a-f]{32,}/TOKEN/g; s/[0-9]{10}/TIME/g'; }
