# shellcheck shell=bash
# Whether a php-config names a PHP that can be used. Sourced by scripts/php.sh.

readonly VERSION_ID_MIN=80200
readonly VERSION_ID_MAX=80699

# php_config_check PHP_CONFIG: says in one sentence what is wrong and returns 1.
# With IGOR_MODULE_ONLY set, a PHP without the embed library is enough, because it only loads the module.
php_config_check() {
    local config=$1 version id include header
    local headers=(main/php.h main/php_config.h Zend/zend.h TSRM/TSRM.h)
    local way_out='name the php-config of a PHP 8.2 to 8.6 configured with --enable-zts --enable-embed=shared, or unset PHP_CONFIG to have one built'
    if ! command -v "$config" >/dev/null; then
        say "error: checking PHP_CONFIG: $config is no program; $way_out"
        return 1
    fi
    version=$("$config" --version 2>/dev/null) || version=''
    id=$("$config" --vernum 2>/dev/null) || id=''
    include=$("$config" --include-dir 2>/dev/null) || include=''
    if [[ ! $id =~ ^[0-9]+$ || -z $version || -z $include ]]; then
        say "error: checking PHP_CONFIG: $config does not answer like a php-config (--version, --vernum, --include-dir); $way_out"
        return 1
    fi
    if ((10#$id < VERSION_ID_MIN || 10#$id > VERSION_ID_MAX)); then
        say "error: checking PHP_CONFIG: $config is of PHP $version, which is not supported; $way_out"
        return 1
    fi
    [[ -n ${IGOR_MODULE_ONLY:-} ]] || headers+=(sapi/embed/php_embed.h)
    for header in "${headers[@]}"; do
        if [[ ! -r $include/$header ]]; then
            say "error: checking PHP_CONFIG: the header $include/$header is missing, so this PHP $version was installed without its headers or without the embed library; $way_out"
            return 1
        fi
    done
    if ! grep --quiet -E '^#[[:space:]]*define[[:space:]]+ZTS[[:space:]]+1' "$include/main/php_config.h"; then
        say "error: checking PHP_CONFIG: $config is of a PHP $version without thread safety (ZTS); $way_out"
        return 1
    fi
    if [[ -z ${IGOR_MODULE_ONLY:-} && -z $(php_config_library "$config") ]]; then
        say "error: checking PHP_CONFIG: the embed library libphp.so of $config was not found beside PHP $version; $way_out"
        return 1
    fi
}

# php_config_library PHP_CONFIG: the path of libphp.so, or nothing.
php_config_library() {
    local config=$1 prefix folder
    prefix=$("$config" --prefix)
    # --lib-dir came with 8.4; older ones print their usage and fail.
    for folder in "$("$config" --lib-dir 2>/dev/null || true)" "$prefix/lib" "$prefix/lib64" "$prefix"/lib/*-linux-gnu; do
        if [[ $folder == /* && -r $folder/libphp.so ]]; then
            printf '%s\n' "$folder/libphp.so"
            return 0
        fi
    done
}

# php_config_path PHP_CONFIG: its absolute path, without following links, because a link may select one of several versions.
php_config_path() {
    realpath --no-symlinks -- "$(command -v "$1")"
}
