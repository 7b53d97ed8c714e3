# shellcheck shell=bash disable=SC2034
# CodeIgniter 4 from the registry of npm, which has a release from before its own worker mode: booted once for many
# requests, with pages that are those of php-fpm, where each request boots it. Sourced by scripts/applications.sh.

application_codeigniter() {
    codeigniter_files || return 0
    codeigniter_site
    local PHP_SERVER="worker $SITE/app/public/worker.php 2 {
			match *
		}"
    with_igor
    codeigniter_checks
    compared /notes
    [[ $(sort -u "$SITE/app/writable/boots") == web ]] || fail "$APPLICATION: it took a boot for the command line"
    passed 'its boot takes itself for a web request'
}

# codeigniter_files: the package in $FILES. Fails, with the reason printed, where there is no npm and only a sample was asked for.
codeigniter_files() {
    [[ ! -f $FILES/done ]] || return 0
    local package=codeigniter4-4.1.3.tgz
    rm -rf -- "$FILES"
    mkdir -p -- "$FILES/package"
    if ! (cd -- "$FILES" && npm pack --silent codeigniter4@4.1.3) >"$FILES/download.log" 2>&1; then
        [[ -n ${SAMPLE:-} ]] || fail "downloading $package: see $FILES/download.log"
        printf 'skipped: %s: npm cannot download it (%s/download.log)\n' "$APPLICATION" "$FILES"
        return 1
    fi
    sha512sum --check --quiet - >&2 <<<"$CODEIGNITER_SHA512  $FILES/$package" || fail "downloading $package: it is another than before"
    tar --extract --gzip --strip-components=1 --directory="$FILES/package" --file="$FILES/$package"
    touch -- "$FILES/done"
}

CODEIGNITER_SHA512=76c14e59a86a470182437d6db40d0295d1afd2db97e299f5431537d2ac02eda0db9ae886b707b5808b05a5d1a122aec39b1140bb5b9b10175d188e7962c94656

codeigniter_site() {
    local app=$SITE/app own=$ROOT/scripts/applications/codeigniter
    cp -R -- "$FILES/package" "$app"
    cp -- "$own/worker.php" "$app/public/"
    cp -- "$own/Notes.php" "$app/app/Controllers/"
    cp -- "$own/notes_view.php" "$app/app/Views/notes.php"
    ln -s -- "$app/public" "$SITE/root"
    cat >"$app/.env" <<ENV
database.default.DBDriver = SQLite3
database.default.hostname = ''
database.default.database = $SITE/notes.db
ENV
    "$IGOR" php-cli -r '(new PDO("sqlite:" . $argv[1]))->exec("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)");' \
        "$SITE/notes.db" || fail "$APPLICATION: its table is not made"
}

codeigniter_checks() {
    local number several=''
    browser 'go /notes' 'type input[name=text] Written in a browser' 'click button' 'see Written in a browser'
    passed 'a browser writes a note'
    ask / | has 'the first page' 'Welcome to CodeIgniter'
    for number in {1..8}; do several+=$(ask /notes --head | tr -d '\r' | grep -i '^requests:'); done
    has 'a boot takes several requests' 'equests: 3' <<<"$several"
    ask /notes/visits >/dev/null
    ask /notes/visits | has 'a session lasts' 'visit 2'
    curl --silent --fail "http://$IGOR_AT/notes/visits" | has "a session is its visitor's own" 'visit 1'
    ask /notes/greet --data name=Igor | has 'a form arrives' 'Hello Igor'
    ask /notes/greet --form name=Igor | has 'a form in parts arrives' 'Hello Igor'
    ask /notes/greet --header 'Content-Type: application/json' --data '{"name":"Igor"}' | has 'JSON arrives' 'Hello Igor'
    ask /notes/greet | has 'a request is no command line' '"command line":false'
    ask /notes/upload --form 'file=@-;filename=note.txt' <<<'!rogI' | has 'a file arrives' 'Igor!'
    [[ $(curl --silent --output /dev/null --write-out '%{http_code}' --data text= "http://$IGOR_AT/notes/write") == 422 ]] ||
        fail "$APPLICATION: an empty note is not refused"
    passed 'an empty note is refused'
    status 'a path without a route is not found' /missing 404
    status 'what is beside the document root is not served' /system/CodeIgniter.php 404
    status 'a page that fails is a 500' /notes/fail 500
    ask /notes | has 'it goes on afterwards' 'Written in a browser'
    ask /robots.txt | has 'its files' 'User-agent'
    "$IGOR" php-cli "$SITE/app/public/index.php" notes index 2>&1 | has 'its command line' 'Written in a browser'
}
