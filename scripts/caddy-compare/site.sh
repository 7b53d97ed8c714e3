# shellcheck shell=bash
# The files of the sites that both servers have. Sourced by scripts/caddy-compare.sh.

# site_made FOLDER
site_made() {
    mkdir -p -- "$1"/{app,dir/sub,errors,nodir,secret}
    local name
    for name in a.txt archive.tar.gz data.json feed.xml font.woff2 manual.pdf module.mjs module.wasm noextension picture.svg script.js \
        site.webmanifest style.css unknown.xyz123 video.mp4 'space name.txt' ümlaut.txt .env pre.txt dir/sub/x.txt nodir/one.txt \
        nodir/two.html secret/x.txt; do
        printf 'the file %s\n' "$name" >"$1/$name"
    done
    printf '\x89PNG\r\n\x1a\n' >"$1/picture.png"
    printf '<!doctype html>\n<p>%s\n' index >"$1/index.html"
    printf '<!doctype html>\n<p>%s\n' page >"$1/page.html"
    printf '<!doctype html>\n<p>%s\n' directory >"$1/dir/index.html"
    printf '<!doctype html>\n<p>%s\n' 'not found' >"$1/errors/404.html"
    : >"$1/empty.txt"
    # shellcheck disable=SC2016
    for name in index.php echo.php 'space name.php' .php app/index.php app.php app/.php error.php part.inc; do
        printf '<?php\nrequire "%s/describe.inc";\n' "$SOURCES" >"$1/$name"
    done
    cp -- "$SOURCES"/site/* "$1/"
    head --bytes=6000 /dev/zero | tr '\0' 'x' >"$1/big.txt"
    gzip --keep --stdout "$1/pre.txt" >"$1/pre.txt.gz"
    printf 'not really zstd' >"$1/pre.txt.zst"
    # One second, so that both servers see one version.
    find "$1" -exec touch --date='2026-01-02 03:04:05' {} +
}
