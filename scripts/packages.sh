# shellcheck shell=bash
# The required packages: on Debian and Ubuntu the missing ones are found and installed; on other systems their names and the
# command are printed. Sourced by scripts/php.sh.

# system_name: debian (also Ubuntu), fedora, arch, alpine, macos or unknown. IGOR_SYSTEM names a system that is not
# recognised.
system_name() {
    if [[ -n ${IGOR_SYSTEM:-} ]]; then
        printf '%s\n' "$IGOR_SYSTEM"
    elif command -v dpkg-query >/dev/null; then
        echo debian
    elif command -v dnf >/dev/null; then
        echo fedora
    elif command -v pacman >/dev/null; then
        echo arch
    elif command -v apk >/dev/null; then
        echo alpine
    elif command -v brew >/dev/null; then
        echo macos
    else
        echo unknown
    fi
}

# packages_elsewhere SYSTEM: the command that installs a build's packages there. None of these systems has been tested.
packages_elsewhere() {
    case $1 in
        fedora)
            echo 'sudo dnf install bash gcc gcc-c++ make clang clang-devel pkgconf-pkg-config autoconf bison re2c curl xz' \
                'util-linux libcurl-devel libedit-devel freetype-devel libicu-devel libjpeg-turbo-devel oniguruma-devel' \
                'libpng-devel libpq-devel libsodium-devel sqlite-devel openssl-devel libwebp-devel libxml2-devel' \
                'libzip-devel zlib-devel'
            ;;
        arch)
            echo 'sudo pacman -S --needed bash base-devel clang pkgconf autoconf bison re2c curl xz util-linux libedit' \
                'freetype2 icu libjpeg-turbo oniguruma libpng postgresql-libs libsodium sqlite openssl libwebp libxml2' \
                'libzip zlib'
            ;;
        alpine)
            echo 'sudo apk add bash build-base coreutils findutils clang clang-dev pkgconf autoconf bison re2c curl xz flock' \
                'curl-dev libedit-dev freetype-dev icu-dev libjpeg-turbo-dev oniguruma-dev libpng-dev libpq-dev' \
                'libsodium-dev sqlite-dev openssl-dev libwebp-dev libxml2-dev libzip-dev zlib-dev linux-headers'
            ;;
        macos)
            echo 'brew install bash coreutils flock llvm pkgconf autoconf bison re2c curl xz libedit freetype icu4c jpeg-turbo' \
                'oniguruma libpng libpq libsodium sqlite openssl webp libxml2 libzip zlib'
            ;;
    esac
}

# packages_say_elsewhere: prints this system's packages and the command of its package manager; whether they are installed
# is not checked.
packages_say_elsewhere() {
    local system command
    system=$(system_name)
    command=$(packages_elsewhere "$system")
    if [[ -n $command ]]; then
        say "packages are not checked on $system, which has not been tested; a build needs: $command"
    else
        say 'packages are not checked on this system; docs/php-builds.md lists what a build needs'
    fi
}

# packages_of LIST: `build` for compiling PHP and this project, `test` for what only the tests need, `applications` for
# `make applications`, and so on. The names are the same on Debian and on Ubuntu.
packages_of() {
    case $1 in
        build)
            # Compiling this project: the linker, and libclang for bindgen.
            printf '%s\n' build-essential clang libclang-dev pkg-config
            [[ -n ${PHP_CONFIG:-} ]] || packages_for_php
            ;;
        test)
            printf '%s\n' caddy composer curl gdb gnupg haproxy inotify-tools nginx openssl php-amphp-amp php-symfony-cache php-symfony-console \
                etcd-client etcd-server nats-server php-symfony-var-exporter phpunit python3-yaml redis-sentinel redis-server shellcheck strace valgrind wrk
            ;;
        applications)
            # The servers to compare with, a browser, and the libraries of the applications. The applications themselves are
            # unpacked, not installed.
            printf '%s\n' chromium chromium-driver curl nginx php-curl php-fpm php-intl php-mbstring php-sqlite3 \
                php-xml
            printf '%s\n' libjs-jquery libjs-jquery-cookie libjs-jquery-ui libphp-simplepie php-constant-time php-doctrine-dbal \
                php-geshi php-laravel-framework php-phpseclib php-random-compat php-symfony-console php-symfony-dependency-injection \
                php-symfony-doctrine-messenger php-symfony-event-dispatcher php-symfony-framework-bundle php-symfony-messenger \
                php-symfony-runtime
            # Of phpMyAdmin, with a database.
            printf '%s\n' libjs-codemirror libjs-jquery-mousewheel libjs-jquery-tablesorter libjs-jquery-timepicker mariadb-client-core \
                mariadb-server-core php-composer-ca-bundle php-google-recaptcha php-mariadb-mysql-kbs php-mysql php-nikic-fast-route \
                php-phpmyadmin-motranslator php-phpmyadmin-shapefile php-phpmyadmin-sql-parser php-psr-http-factory \
                php-psr-http-message php-slim-psr7 php-symfony-config php-symfony-expression-language php-twig \
                php-twig-i18n-extension php-webmozart-assert
            # Of Roundcube, with servers for its mail.
            printf '%s\n' dovecot-imapd libjs-bootstrap4 libjs-jquery-minicolors libjs-jstimezonedetect php-auth-sasl \
                php-guzzlehttp-guzzle php-mail-mime php-masterminds-html5 php-net-sieve php-net-smtp php-pear python3-aiosmtpd
            # Of CodeIgniter. Other packages than Debian's have one, too.
            command -v npm >/dev/null || printf 'npm\n'
            ;;
        component-suites)
            printf '%s\n' php-psr-cache php-psr-container php-psr-event-dispatcher php-psr-log phpunit xz-utils
            ;;
        acme)
            printf '%s\n' curl openssl pebble
            ;;
        caddy-compare)
            printf '%s\n' caddy php-fpm
            ;;
        bench-tls)
            printf '%s\n' curl nghttp2-client nginx openssl php-fpm procps
            ;;
        bench-fpm)
            printf '%s\n' curl mariadb-client-core mariadb-server-core nginx wrk
            ;;
        fastcgi-peers)
            # Without Debian's service for Apache.
            printf '%s\n' apache2-bin caddy curl nginx php-fpm
            ;;
        status-page)
            printf '%s\n' chromium chromium-driver curl
            ;;
        mercure-peers)
            printf '%s\n' chromium chromium-driver curl php-symfony-mercure
            ;;
        docs)
            # mdBook comes as a package for Python.
            printf '%s\n' python3-venv
            ;;
        package)
            printf '%s\n' binutils curl dpkg-dev iproute2 mmdebstrap patchelf xz-utils
            ;;
        *)
            fail "listing packages: there is no list named $1; the lists are build, test, acme, applications, bench-fpm, bench-tls, caddy-compare, component-suites, docs, fastcgi-peers, mercure-peers, package and status-page"
            ;;
    esac
}

packages_for_php() {
    # Getting the source, and the generators that PHP's makefile may call.
    printf '%s\n' autoconf bison ca-certificates curl dpkg-dev re2c xz-utils
    # The libraries of the extensions that the recipe turns on.
    printf '%s\n' \
        libcurl4-openssl-dev \
        libedit-dev \
        libfreetype-dev \
        libicu-dev \
        libjpeg-dev \
        libonig-dev \
        libpng-dev \
        libpq-dev \
        libsodium-dev \
        libsqlite3-dev \
        libssl-dev \
        libwebp-dev \
        libxml2-dev \
        libzip-dev \
        zlib1g-dev
    # The debug build registers the stacks of fibers with Valgrind.
    [[ $KIND != debug ]] || printf '%s\n' valgrind
}

# packages_missing LIST: the missing packages on one line; nothing if all are installed.
packages_missing() {
    local name names
    local -a missing=()
    names=$(packages_of "$1")
    [[ $(system_name) == debian ]] || return 0
    while read -r name; do
        [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$name" 2>/dev/null) == installed ]] ||
            missing+=("$name")
    done <<<"$names"
    ((${#missing[@]} == 0)) || printf '%s\n' "${missing[*]}"
}

# packages_install LIST: installs the missing packages without asking.
packages_install() {
    local list=$1 missing
    local -a as_root=() names
    if [[ $(system_name) != debian ]]; then
        packages_say_elsewhere
        return 0
    fi
    missing=$(packages_missing "$list")
    [[ -n $missing ]] || return 0
    read -r -a names <<<"$missing"
    if ((EUID != 0)); then
        if ! sudo -n true 2>/dev/null; then
            say "sudo apt-get install --yes --no-install-recommends $missing"
            exit 1
        fi
        as_root=(sudo -n)
    fi
    mkdir -p -- "$CACHE/apt"
    say "installing ${#names[@]} packages: $missing"
    # Old package lists may name files that the archive has removed, so they are updated first. An unreachable source of the
    # user's is not fatal.
    run_watched update "$CACHE/apt/update.log" 0 "${as_root[@]}" apt-get --quiet update ||
        say "warning: apt-get update failed (log: $CACHE/apt/update.log)"
    run_phase packages "$CACHE/apt/install.log" "installing packages" \
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get --quiet --yes --no-install-recommends install "${names[@]}"
}
