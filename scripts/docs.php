<?php

// make docs: docs/ as a site with search, by mdBook. Usage: php docs.php MDBOOK FOLDER
//
// A page may link to a file of the source tree. The site holds these files as text, and folders as lists. Every link of every
// page is then looked up in the site, anchors included; one that leads nowhere is an error.

const TREE = __DIR__ . '/..';

/** Writes a file and the folders above it. */
function put(string $file, string $text): void
{
    if (!is_dir(dirname($file))) {
        mkdir(dirname($file), 0o755, true);
    }
    file_put_contents($file, $text);
}

/** The path of `$link` from the folder `$from`, both from the root of the tree, without `.` and `..`. */
function resolve(string $from, string $link): string
{
    $parts = [];
    foreach (explode('/', "$from/$link") as $part) {
        if ($part === '..') {
            array_pop($parts);
        } elseif ($part !== '' && $part !== '.') {
            $parts[] = $part;
        }
    }

    return implode('/', $parts);
}

/** Copies a file of the tree into the site as text, or a folder as a list of links. Returns where it is in the site. */
function publish(string $path, string $site): string
{
    static $published = [];

    if (isset($published[$path])) {
        return $published[$path];
    }
    $name = htmlspecialchars($path);
    if (is_file(TREE . "/$path")) {
        // mdBook leads a link with `.md` in it to a chapter.
        $published[$path] = 'tree/' . preg_replace('/\.md$/', '', $path) . '.txt';
        put("$site/$published[$path]", file_get_contents(TREE . "/$path"));
        return $published[$path];
    }
    $published[$path] = "tree/$path/index.html";
    $lines = '';
    foreach (array_diff(scandir(TREE . "/$path"), ['.', '..', 'target']) as $entry) {
        $target = substr(publish("$path/$entry", $site), strlen("tree/$path/"));
        $lines .= sprintf("<li><a href=\"%s\">%s</a></li>\n", htmlspecialchars($target), htmlspecialchars($entry));
    }
    $style = 'body{font:16px sans-serif;max-width:50em;margin:2em auto;padding:0 1em;color-scheme:light dark}';
    put("$site/tree/$path/index.html", "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>$name</title>"
        . "<meta name=\"viewport\" content=\"width=device-width\"><style>$style</style><h1>$name</h1>\n<ul>\n$lines</ul>\n</html>\n");

    return $published[$path];
}

/** A page with its links into the tree led to the copies in the site. */
function page(string $name, string $site): string
{
    $lead = static function (array $match) use ($name, $site): string {
        [$whole, $link] = $match;
        [$path, $anchor] = explode('#', $link, 2) + [1 => null];
        if (preg_match('~^[a-z]+:|^#~', $link) || ($path = resolve('docs', $path)) === '' || str_starts_with($path, 'docs/')) {
            return $whole;
        }
        if (!file_exists(TREE . "/$path")) {
            throw new RuntimeException("docs/$name: $link does not exist");
        }

        return '](' . publish($path, $site) . ')';
    };

    return preg_replace_callback('~\]\(([^)\s]+)\)~', $lead, file_get_contents(TREE . "/docs/$name"));
}

/** The links of a page, and the names that links may end with. */
function links_and_anchors(string $html): array
{
    $document = new DOMDocument();
    @$document->loadHTML($html);
    $links = $anchors = [];
    foreach ($document->getElementsByTagName('*') as $element) {
        foreach (['href', 'src'] as $attribute) {
            if ($element->hasAttribute($attribute)) {
                $links[] = $element->getAttribute($attribute);
            }
        }
        $anchors[$element->getAttribute('id')] = true;
    }

    return [$links, $anchors];
}

/** The links of the site that lead nowhere. */
function dead_links(string $site): array
{
    $pages = [];
    foreach (new RecursiveIteratorIterator(new RecursiveDirectoryIterator($site, FilesystemIterator::SKIP_DOTS)) as $file) {
        if ($file->getExtension() === 'html') {
            $pages[substr($file->getPathname(), strlen($site) + 1)] = links_and_anchors(file_get_contents($file->getPathname()));
        }
    }
    $dead = [];
    foreach ($pages as $page => [$links]) {
        foreach (array_unique($links) as $link) {
            [$path, $anchor] = explode('#', strtok($link, '?') ?: '', 2) + ['', ''];
            // mdBook's page for a server's errors has absolute links.
            if (preg_match('~^([a-z]+:|//|/)~', $link) || $page === '404.html') {
                continue;
            }
            $target = $path === '' ? $page : resolve(dirname($page), rawurldecode($path));
            if (!is_file("$site/$target") || ($anchor !== '' && isset($pages[$target]) && !isset($pages[$target][1][rawurldecode($anchor)]))) {
                $dead[] = "$page: $link";
            }
        }
    }

    return $dead;
}

[, $mdbook, $folder] = $argv;
$site = "$folder/site";
exec('rm -rf ' . escapeshellarg("$folder/source") . ' ' . escapeshellarg($site));
put("$folder/book.toml", file_get_contents(TREE . '/docs/book.toml'));
$pages = glob(TREE . '/docs/*.md');
$chapters = file_get_contents(TREE . '/docs/SUMMARY.md');
foreach ($pages as $page) {
    $name = basename($page);
    if ($name !== 'SUMMARY.md' && !str_contains($chapters, "($name)")) {
        throw new RuntimeException("docs/SUMMARY.md does not name $name");
    }
    put("$folder/source/$name", page($name, "$folder/source"));
}
foreach (glob(TREE . '/docs/images/*') as $image) {
    put("$folder/source/images/" . basename($image), file_get_contents($image));
}
passthru(escapeshellarg($mdbook) . ' build ' . escapeshellarg($folder), $status);
if ($status !== 0) {
    exit($status);
}
$dead = dead_links($site);
foreach ($dead as $link) {
    fwrite(STDERR, "leads nowhere: $link\n");
}
printf("%d pages, %d links that lead nowhere: %s/index.html\n", count($pages) - 1, count($dead), $site);
exit($dead === [] ? 0 : 1);
