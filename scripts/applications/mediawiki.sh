# shellcheck shell=bash disable=SC2034
# MediaWiki with SQLite: installed by its own script under igor, an edit in the browser, its API. Sourced by
# scripts/applications.sh.

application_mediawiki() {
    unpacked mediawiki mediawiki-classes || return 0
    mediawiki_site
    with_igor
    mediawiki_installed
    mediawiki_checks
    compared '/index.php?title=Igor'
}

mediawiki_site() {
    local root=$SITE/root
    # It changes none of its files.
    cp --recursive --no-dereference --link -- "$FILES/usr/share/mediawiki" "$root"
    # Debian's links into /var/lib and /etc.
    rm -f -- "$root"/{extensions,images,config,LocalSettings.php}
    mv -- "$root/extensions-core" "$root/extensions"
    mkdir -p -- "$root/images" "$SITE/data"
}

mediawiki_installed() {
    local log=$SITE/install.log
    "$IGOR" php-cli -d error_reporting=0 "$SITE/root/maintenance/install.php" --dbtype=sqlite --dbpath="$SITE/data" --scriptpath= \
        --server="http://$IGOR_AT" --pass=a-long-secret-of-10 --confpath="$SITE/root" --skins=Vector Wiki Admin >"$log" 2>&1 ||
        fail "$APPLICATION: it does not install; see $log"
    # Jobs at the end of a page write to the single file that 16 requests read. Because of the SAPI name in php-fpm, it
    # assumes that it is a CGI script without path info.
    printf '$wgJobRunRate = 0;\n$wgMainCacheType = CACHE_DB;\n$wgUsePathInfo = true;\n' >>"$SITE/root/LocalSettings.php"
    passed 'its installer runs under igor php-cli'
}

# api NAME=VALUE…: the answer of its API to a POST.
api() {
    local parameter
    local -a data=()
    for parameter in "$@"; do data+=(--data-urlencode "$parameter"); done
    ask '/api.php?format=json' "${data[@]}"
}

# token TYPE: from the API's response, whose JSON has one backslash too many.
token() { api action=query meta=tokens type="$1" | sed -n 's/.*token":"\([^"\\]*\)\\\\"}.*/\1\\/p'; }

mediawiki_checks() {
    browser 'go /index.php?title=Special:UserLogin' 'type #wpName1 Admin' 'type #wpPassword1 a-long-secret-of-10' \
        'click #wpLoginAttempt' 'see Log out' 'go /index.php?title=Igor&action=edit' \
        "type #wpTextbox1 Written in a '''browser'''." 'click #wpSave' 'see Written in a browser.'
    passed 'a browser logs in, and writes a page'
    ask /index.php | has 'the first page' 'MediaWiki has been installed'
    ask /index.php/Igor | has 'a page by the path behind the script' '<b>browser</b>'
    ask '/index.php?title=Igor&action=history' | has 'it lists the versions' 'mw-changeslist-date'
    ask '/index.php?title=Special:RecentChanges' | has 'it lists recent changes' 'Igor'
    ask '/index.php?title=Special:Version' | has 'it knows its PHP' "$("$PHP" -n -r 'echo PHP_VERSION;') ("
    ask '/index.php?search=written&fulltext=1' | has 'it searches' 'Search results'
    ask '/load.php?modules=skins.vector.styles.legacy&only=styles&skin=vector' | has 'it makes its style sheet' '{'
    ask '/load.php?modules=startup&only=scripts&raw=1' | has 'it makes its scripts' 'mw.loader'
    api action=login lgname=Admin lgpassword=a-long-secret-of-10 "lgtoken=$(token login)" | has 'its API logs in' '"Success"'
    api action=edit title=Api text=Written "token=$(token csrf)" | has 'its API writes a page' '"result":"Success"'
    ask '/rest.php/v1/page/Igor' | has 'it serves REST' '"source":"Written in a'
    ask '/index.php?title=Api&action=raw' | has 'it serves the source of a page' 'Written'
    status 'a missing page is not found' '/index.php?title=Missing' 404
}

# Times, and names of requests.
steady() {
    sed -E 's/"wgBackendResponseTime":[0-9]+/TIME/g; s/"wgRequestId":"[^"]*"/REQUEST/g; s/[0-9]{14}/TIME/g' |
        grep -vE 'NewPP|[Cc]ache(d| expiry)|time usage|Transclusion|^ *[0-9.]+% +[0-9.]+ |Saved in parser cache'
}
