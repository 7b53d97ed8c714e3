#!/usr/bin/env bash
# Runs the suites of Symfony's components, which Debian's source package holds, under `igor php-cli`, `igor-php` and the stock
# php of the same build, and compares the outcome of each test.
#
#   scripts/component-suites.sh IGOR FOLDER [COMPONENT…]
#
# FOLDER keeps the source and the results. A difference is allowed if scripts/component-suites/differences.txt has its
# reason.
#
# Environment:
#   PHP  the stock php of the same build; default: the one that `make php` built
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
readonly COMPONENTS=(Yaml String EventDispatcher OptionsResolver Messenger Filesystem Finder HttpFoundation DependencyInjection Process)
readonly SECONDS_MAX=300

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# source_fetched: Symfony's source in $FOLDER/symfony. The user's apt sources may not list source packages.
source_fetched() {
    local uri
    local -a apt
    [[ ! -f $FOLDER/symfony/composer.json ]] || return 0
    mkdir -p -- "$FOLDER/apt/lists/partial" "$FOLDER/download"
    # apt-get expands the names itself.
    # shellcheck disable=SC2016
    uri=$(apt-get indextargets --format '$(LABEL) $(REPO_URI) $(SUITE) $(CODENAME)' 'Created-By: Packages' |
        awk '$1 == "Debian" && $4 !~ /-/ { print $2, $4; exit }')
    [[ -n $uri ]] || fail "finding Debian's archive: apt has none"
    printf 'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s main\n' "$uri" >"$FOLDER/apt/sources.list"
    apt=(apt-get --quiet -o "Dir::Etc::sourcelist=$FOLDER/apt/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$FOLDER/apt/lists"
        -o "APT::Sandbox::User=$(id -u -n)")
    { "${apt[@]}" update && cd -- "$FOLDER/download" && "${apt[@]}" --only-source --download-only --tar-only source symfony; } \
        >"$FOLDER/download.log" 2>&1 || fail "downloading Symfony: see $FOLDER/download.log"
    rm -rf -- "$FOLDER/symfony"
    mkdir -- "$FOLDER/symfony"
    tar --extract --strip-components=1 --directory="$FOLDER/symfony" --file="$(compgen -G "$FOLDER/download/symfony_*.orig.tar.*")"
}

# run NAME COMPONENT PROGRAM…: one suite; its results in $FOLDER/results. Each suite has its own folder for temporary files.
run() {
    local name=$1 component=$2 into=$FOLDER/results/$2.$1 status=0
    shift 2
    rm -rf -- "$FOLDER/tmp"
    mkdir -p -- "$FOLDER/tmp"
    (cd -- "$FOLDER/symfony/src/Symfony/Component/$component" &&
        TMPDIR=$FOLDER/tmp SYMFONY_SOURCE=$FOLDER/symfony SYMFONY_DEPRECATIONS_HELPER=disabled \
            timeout "$SECONDS_MAX" "$@" -d memory_limit=1G -d include_path=/usr/share/php -d date.timezone=UTC \
            "$FOLDER/phpunit" --bootstrap "$ROOT/scripts/component-suites/bootstrap.php" \
            --configuration phpunit.xml.dist --no-coverage --colors=never --log-junit "$into.xml" \
            --exclude-group network,benchmark) \
        >"$into.log" 2>&1 </dev/null || status=$?
    "$PHP" -n "$ROOT/scripts/component-suites/outcomes.php" "$into.xml" >"$into.txt" 2>>"$into.log" ||
        printf 'the suite did not come to its end\n' >"$into.txt"
    printf 'exit status\t%s\n' "$status" >>"$into.txt"
}

# compared COMPONENT NAME: differences to the stock php that the list has no reason for go to $FOLDER/differences.
compared() {
    local component=$1 name=$2 line test found=0
    while IFS= read -r line; do
        found=1
        # A suite with a difference exits with another status, too.
        [[ $line != ?' exit status'* ]] || continue
        test=$(cut -f 1 <<<"${line:2}")
        grep --quiet --fixed-strings --line-regexp -- "$component	${test%% with data set *}" <(cut -f 1,2 "$LIST") && continue
        printf '%s\t%s\t%s\n' "$component" "$name" "$line" >>"$FOLDER/differences"
    done < <(diff "$FOLDER/results/$component.stock.txt" "$FOLDER/results/$component.$name.txt" | grep '^[<>]' || true)
    printf 'ok: %s under %s: %s tests%s\n' "$component" "$name" "$(($(wc -l <"$FOLDER/results/$component.$name.txt") - 1))" \
        "$( ((found)) && echo ', with differences' || true)"
}

main() {
    (($# >= 2)) || fail 'usage: scripts/component-suites.sh IGOR FOLDER [COMPONENT…]'
    IGOR=$(realpath -- "$1")
    mkdir -p -- "$2/results"
    FOLDER=$(realpath -- "$2")
    PHP=${PHP:-$(dirname -- "$("$ROOT/scripts/php.sh" print)")/php}
    LIST=$ROOT/scripts/component-suites/differences.txt
    shift 2
    local components=("$@") component
    ((${#components[@]} > 0)) || components=("${COMPONENTS[@]}")
    source_fetched
    # Scripts that the tests start look for Composer's file above them.
    mkdir -p -- "$FOLDER/symfony/vendor"
    printf "<?php\nrequire_once '%s';\n" "$ROOT/scripts/component-suites/bootstrap.php" >"$FOLDER/symfony/vendor/autoload.php"
    # Igor behaves like php if it is called by this name. PHP resolves symbolic links in PHP_BINARY, which tests start.
    ln -f -- "$IGOR" "$FOLDER/igor-php" 2>/dev/null || cp -- "$IGOR" "$FOLDER/igor-php"
    cp -- "$(command -v phpunit)" "$FOLDER/phpunit"
    : >"$FOLDER/differences"
    for component in "${components[@]}"; do
        run stock "$component" "$PHP"
        run php-cli "$component" "$IGOR" php-cli
        compared "$component" php-cli
        run igor-php "$component" "$FOLDER/igor-php"
        compared "$component" igor-php
    done
    [[ ! -s $FOLDER/differences ]] || { cat -- "$FOLDER/differences"; fail "differences without a reason; the logs are in $FOLDER/results"; }
}

main "$@"; exit
