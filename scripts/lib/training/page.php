<?php

// What pages of applications do: classes, closures, texts, patterns, JSON, arrays, templates, an error here and there.
declare(strict_types=1);

namespace Training;

enum Level: string
{
    case Low = 'low';
    case High = 'high';
}

interface Shown
{
    public function show(): string;
}

abstract class Item implements Shown, \JsonSerializable
{
    private static int $made = 0;
    protected array $tags = [];

    public function __construct(public readonly int $number, protected ?string $title = null, private Level $level = Level::Low)
    {
        self::$made++;
    }

    public function __get(string $name): mixed
    {
        return $this->tags[$name] ?? null;
    }

    public function with(string $name, mixed $value): static
    {
        $copy = clone $this;
        $copy->tags[$name] = $value;

        return $copy;
    }

    public function jsonSerialize(): array
    {
        return ['number' => $this->number, 'title' => $this->title, 'level' => $this->level->value, 'tags' => $this->tags];
    }

    public static function made(): int
    {
        return self::$made;
    }
}

final class Article extends Item
{
    public function show(): string
    {
        return sprintf('<h2 id="%05d">%s</h2>', $this->number, htmlspecialchars($this->title ?? 'none', ENT_QUOTES));
    }
}

final class Container
{
    private array $made = [];

    public function __construct(private array $makers)
    {
    }

    public function get(string $name): object
    {
        return $this->made[$name] ??= ($this->makers[$name] ?? throw new \OutOfBoundsException("no $name"))($this);
    }
}

function articles(int $count): \Generator
{
    for ($i = 0; $i < $count; $i++) {
        yield $i => (new Article($i, "Title & \"text\" $i", $i % 2 ? Level::High : Level::Low))
            ->with('words', explode(' ', 'the quick brown fox jumps over the lazy dog'))->with('price', $i * 1.25);
    }
}

function route(string $path): array
{
    foreach (['~^/article/(?<number>\d+)$~' => 'article', '~^/(?<year>\d{4})/(?<month>\d\d)/?$~' => 'archive', '~^/$~' => 'home'] as $pattern => $name) {
        if (preg_match($pattern, $path, $found)) {
            return [$name, array_filter($found, is_string(...), ARRAY_FILTER_USE_KEY)];
        }
    }
    throw new \InvalidArgumentException("nothing at $path");
}

$container = new Container([
    'clock' => static fn (): \DateTimeImmutable => new \DateTimeImmutable('2026-01-31 12:00', new \DateTimeZone('UTC')),
    'list' => static fn (Container $container): \ArrayObject => new \ArrayObject([$container->get('clock')]),
]);
$container->get('list');
foreach (['/', '/article/17', '/2026/01/', '/nowhere'] as $path) {
    try {
        [$name, $parameters] = route($path);
        echo $name, http_build_query($parameters), "\n";
    } catch (\InvalidArgumentException $error) {
        echo get_class($error), $error->getLine(), "\n";
    }
}
$all = iterator_to_array(articles(30));
ob_start();
foreach ($all as $article) {
    echo $article->show(), implode(', ', array_map(ucfirst(...), $article->words)), number_format($article->price, 2), "\n";
}
$html = ob_get_clean();
echo strlen($html), md5($html), crc32($html), strtoupper(substr($html, 0, 40)), str_replace(['<', '>'], ['[', ']'], $html);
echo preg_replace_callback('/\b(\w)(\w*)\b/', static fn (array $found): string => strtolower($found[1]) . $found[2], $html);
$json = json_encode($all, JSON_THROW_ON_ERROR | JSON_PRETTY_PRINT);
$decoded = json_decode($json, true, 512, JSON_THROW_ON_ERROR);
usort($decoded, static fn (array $a, array $b): int => $b['tags']['price'] <=> $a['tags']['price']);
$by_level = [];
foreach ($decoded as ['level' => $level, 'number' => $number]) {
    $by_level[$level][] = $number;
}
ksort($by_level);
echo serialize(unserialize(serialize($by_level))), array_sum(array_column($decoded, 'number')), Article::made();
echo mb_strtoupper('grüße'), mb_substr('日本語のテキスト', 2, 3), trim("  x \n"), ucwords('a b c'), strrev('abc'), nl2br("a\nb");
echo $container->get('clock')->modify('+1 month')->format(DATE_ATOM), date('Y-m-d', 86400 * 365);
echo hash('xxh128', $json), hash('sha256', $html), base64_encode(random_bytes(8)), bin2hex('abc'), urlencode('a b&c');
$text = '';
for ($i = 0; $i < 2000; $i++) {
    $text .= chr(97 + $i % 26);
    $counts[$text[$i]] = ($counts[$text[$i]] ?? 0) + 1;
}
arsort($counts);
echo str_pad((string) count($counts), 5, '0', STR_PAD_LEFT), var_export(array_slice($counts, 0, 3, true), true);
