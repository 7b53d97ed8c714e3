# shellcheck shell=bash
# The files that Debian's package and the tarball have in common. Sourced by scripts/deb.sh and scripts/tarball.sh.
#
# Environment:
#   PHP_CONFIG          php-config of the PHP that igor was built with (the makefile sets it)
#   SOURCE_DATE_EPOCH   the time of all files, in seconds since 1970; default: the time of the last commit

readonly ROOT=${SCRIPTS%/scripts}

# package_version: the version in Cargo.toml, or IGOR_PACKAGE_VERSION.
package_version() {
    printf '%s\n' "${IGOR_PACKAGE_VERSION:-$(sed -n 's/^version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml" | head -n 1)}"
}

# need COMMAND...: fails if one is missing.
need() {
    local command
    for command; do
        command -v "$command" >/dev/null || fail "packaging: $command is not installed; run: scripts/php.sh install-packages package"
    done
}

# stage_time: one time for all files, so that the same input makes the same package.
stage_time() {
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$ROOT" log -1 --format=%ct)}
    export SOURCE_DATE_EPOCH
    [[ $SOURCE_DATE_EPOCH =~ ^[0-9]+$ ]] || fail "reading SOURCE_DATE_EPOCH: $SOURCE_DATE_EPOCH is no number of seconds"
}

# stage_program IGOR FOLDER: bin/igor, and PHP in lib/igor. Debug information stays out: it is four times the rest.
stage_program() {
    local igor=$1 to=$2 prefix extensions
    prefix=$("$PHP_CONFIG" --prefix)
    extensions=$("$PHP_CONFIG" --extension-dir)
    install -D -m 755 -- "$igor" "$to/bin/igor"
    install -D -m 644 -- "$prefix/lib/libphp.so" "$to/lib/igor/libphp.so"
    install -D -m 755 -- "$prefix/bin/php" "$to/lib/igor/bin/php"
    mkdir -p -- "$to/lib/igor/extensions"
    install -m 644 -- "$extensions"/*.so "$to/lib/igor/extensions/"
    ! grep -q UNSAFE <<<"$("$igor" version)" || say "warning: $("$igor" version | grep UNSAFE); make php PHP_UPDATE=1"
    # patchelf appends what it writes, so it comes last.
    strip --strip-debug -- "$to/bin/igor" "$to/lib/igor/libphp.so" "$to/lib/igor/bin/php" "$to"/lib/igor/extensions/*.so
    # shellcheck disable=SC2016 # The loader replaces it.
    patchelf --set-rpath '$ORIGIN/../lib/igor' "$to/bin/igor"
}

# stage_share FOLDER: the demo, and for editors the stubs and the directives.
stage_share() {
    local to=$1
    mkdir -p -- "$to"
    cp -R -- "$ROOT/examples/live-config" "$ROOT/examples/recipes" "$ROOT/stubs" "$ROOT/packaging/editors" "$to/"
}

# stage_words IGOR FOLDER: man pages and completions, as FOLDER/man and FOLDER/bash-completion ….
stage_words() {
    local igor=$1 to=$2
    "$igor" manpage --directory "$to/man/man1"
    mkdir -p -- "$to/bash-completion/completions" "$to/zsh/vendor-completions" "$to/fish/vendor_completions.d"
    "$igor" completion bash >"$to/bash-completion/completions/igor"
    "$igor" completion zsh >"$to/zsh/vendor-completions/_igor"
    "$igor" completion fish >"$to/fish/vendor_completions.d/igor.fish"
}

# stage_licences FILE: who owns what is in the package.
stage_licences() {
    local source
    source=$("$SCRIPTS/php.sh" source)
    {
        printf 'Igor\n====\n\n'
        cat -- "$ROOT/LICENSE"
        printf '\nPHP (lib/igor)\n==============\n\n'
        cat -- "$source/LICENSE"
        printf '\nThe Rust crates that are linked in\n==================================\n\n'
        (cd "$ROOT" && cargo tree --quiet --edges normal --prefix none --format '{p}: {l}') |
            sed 's/ (\*)$//; s/ (\/[^)]*)//; s/ (proc-macro)//' | sort -u
    } >"$1"
}

# stage_settle FOLDER: the same modes and times for the same input.
stage_settle() {
    chmod -R u+rwX,go+rX,go-w -- "$1"
    find "$1" -print0 | xargs -0 touch --no-dereference --date="@$SOURCE_DATE_EPOCH" --
}
