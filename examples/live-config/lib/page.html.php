<?php

/**
 * The page. Comes from Page::html(), with these variables.
 *
 * @var array<string, mixed> $view
 * @var array<string, mixed> $rows
 * @var string $title
 * @var string $notice
 * @var string $accent
 */

$escape = static fn (mixed $text): string => htmlspecialchars((string) $text, ENT_QUOTES | ENT_SUBSTITUTE);
$encode = static fn (mixed $value): string => json_encode($value, Page::JSON_FLAGS);
$by = $view['answered_by'];
?>
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title><?= $escape($title) ?></title>
<link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark; --page: #f5f4f0; --card: #fff; --ink: #22262a; --dim: #6b7278; --line: #e5e3dc; --bad: #a8321f; --bad-page: #fdf0ec }
@media (prefers-color-scheme: dark) {
    :root { --page: #16191b; --card: #1f2326; --ink: #e8e6e1; --dim: #99a0a6; --line: #32383c; --bad: #ff9d87; --bad-page: #3a211b }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif }
main { max-width: 46rem; margin: 3rem auto; padding: 0 1.25rem }
header { background: var(--accent); color: #fff; border-radius: 14px 14px 0 0; padding: 1.6rem 1.75rem; transition: background .4s }
h1 { margin: 0; font-size: 1.75rem; letter-spacing: -.01em }
header p { margin: .2rem 0 0; opacity: .9 }
.card { background: var(--card); border: 1px solid var(--line); border-top: 0; border-radius: 0 0 14px 14px; overflow: hidden }
.error { margin: 0; padding: .9rem 1.75rem; background: var(--bad-page); color: var(--bad); border-bottom: 1px solid var(--line) }
.facts { display: grid; grid-template-columns: repeat(4, 1fr); margin: 0; border-bottom: 1px solid var(--line) }
.facts div { padding: .9rem 1rem .9rem 1.75rem }
.facts dt { color: var(--dim); font-size: .75rem; text-transform: uppercase; letter-spacing: .06em }
.facts dd { margin: 0; font-weight: 600 }
table { width: 100%; border-collapse: collapse }
td { padding: .55rem 1.75rem; border-bottom: 1px solid var(--line); vertical-align: top }
tr:last-child td { border-bottom: 0 }
td:first-child { color: var(--dim); width: 42% }
code { font: .9em ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere }
footer { color: var(--dim); font-size: .875rem; padding: 1rem 1.75rem }
footer p { margin: .25rem 0 }
a { color: inherit }
@media (max-width: 40rem) {
    main { margin: 1rem auto }
    header, td, footer, .error, .facts div { padding-left: 1rem; padding-right: 1rem }
    .facts { grid-template-columns: 1fr 1fr }
}
</style>
<main style="--accent: <?= $escape($accent) ?>">
    <header>
        <h1><?= $escape($title) ?></h1>
        <p><?= $escape($notice) ?></p>
    </header>
    <div class="card">
<?php if ($view['error'] !== null): ?>
        <p class="error"><strong><?= $view['revision'] === 0 ? 'No settings yet:' : 'Still the last good settings:' ?></strong> <?= $escape($view['error']) ?></p>
<?php endif ?>
        <dl class="facts">
            <div><dt>Revision</dt><dd><?= $view['revision'] ?></dd></div>
            <div><dt>Age</dt><dd><?= $view['age_seconds'] === null ? 'none yet' : number_format($view['age_seconds'], 1) . ' s' ?></dd></div>
            <div><dt>Mode</dt><dd><?= $escape($by['mode']) ?></dd></div>
            <div><dt>Thread</dt><dd><?= $escape($by['thread']) ?></dd></div>
        </dl>
        <table>
<?php foreach ($rows as $name => $value): ?>
            <tr><td><code><?= $escape($name) ?></code></td><td><code><?= $escape($encode($value)) ?></code></td></tr>
<?php endforeach ?>
        </table>
    </div>
    <footer>
        <p>Edit <code>settings.json</code> and watch this page. A background worker notices (by <?= $escape($view['watched_by']) ?>);
            this request read its snapshot in <?= number_format($by['read_ns'] / 1000, 1) ?> µs, and is number
            <?= $by['requests_of_this_run'] ?> of its script's run.</p>
        <p><a href="/">HTTP worker</a> · <a href="/classic.php">classic</a> · <a href="/api">JSON</a></p>
    </footer>
</main>
<script>
const refresh = async () => {
    try {
        const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), 'text/html');
        const main = page.querySelector('main');
        if (main) {
            document.querySelector('main').replaceWith(main);
            document.title = page.title;
        }
    } catch {
        // The server is away; the stream opens again when it is back.
    }
};
const settings = new EventSource('/.well-known/mercure?topic=settings');
settings.onmessage = refresh;
// Also after a time without the server.
settings.onopen = refresh;
</script>
