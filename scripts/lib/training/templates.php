<?php

// A page by a template engine: the source is split into a tree once for each request, and the tree is rendered with nested data.
declare(strict_types=1);

final class Template
{
    private const ESCAPES = ['html', 'upper', 'title', 'short', 'count', 'money', 'raw'];

    /** @var array<string, \Closure> */
    private array $filters;

    public function __construct(private array $sources, private array $globals = [])
    {
        $this->filters = [
            'html' => static fn (mixed $value): string => htmlspecialchars((string) $value, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8'),
            'upper' => strtoupper(...),
            'title' => static fn (string $value): string => ucwords(str_replace(['-', '_'], ' ', $value)),
            'short' => static fn (string $value): string => mb_strlen($value) > 24 ? mb_substr($value, 0, 23) . '…' : $value,
            'count' => count(...),
            'money' => static fn (int|float $value): string => number_format($value, 2, ',', '.') . ' €',
            'raw' => static fn (mixed $value): string => (string) $value,
        ];
    }

    public function render(string $name, array $variables): string
    {
        ob_start();
        try {
            $this->run($this->tree($this->tokens($this->sources[$name])), $variables + $this->globals);
        } finally {
            $output = ob_get_clean();
        }

        return $output;
    }

    private function tokens(string $source): array
    {
        $tokens = [];
        foreach (preg_split('~(\{\{.*?\}\}|\{%.*?%\})~s', $source, -1, PREG_SPLIT_DELIM_CAPTURE | PREG_SPLIT_NO_EMPTY) as $part) {
            $tokens[] = match (substr($part, 0, 2)) {
                '{{' => ['show', array_map(trim(...), explode('|', substr($part, 2, -2)))],
                '{%' => ['do', preg_split('/\s+/', trim(substr($part, 2, -2)))],
                default => ['text', $part],
            };
        }

        return $tokens;
    }

    private function tree(array $tokens): array
    {
        $stack = [[]];
        foreach ($tokens as [$kind, $content]) {
            if ($kind !== 'do') {
                $stack[array_key_last($stack)][] = [$kind, $content];
                continue;
            }
            if (str_starts_with($content[0], 'end')) {
                $body = array_pop($stack);
                $last = &$stack[array_key_last($stack)];
                $last[count($last) - 1][] = $body;
                unset($last);
                continue;
            }
            $stack[array_key_last($stack)][] = [$content[0], $content];
            if ($content[0] !== 'include') {
                $stack[] = [];
            }
        }

        return $stack[0];
    }

    private function run(array $nodes, array $variables): void
    {
        foreach ($nodes as $node) {
            switch ($node[0]) {
                case 'text':
                    echo $node[1];
                    break;
                case 'show':
                    echo $this->shown($node[1], $variables);
                    break;
                case 'for':
                    [, $item, , $list] = $node[1];
                    $number = 0;
                    foreach ($this->value($list, $variables) ?? [] as $key => $value) {
                        $this->run($node[2], [$item => $value, 'key' => $key, 'number' => ++$number] + $variables);
                    }
                    break;
                case 'if':
                    $negated = $node[1][1] === 'not';
                    if ((bool) $this->value($node[1][$negated ? 2 : 1], $variables) !== $negated) {
                        $this->run($node[2], $variables);
                    }
                    break;
                case 'include':
                    echo $this->render($node[1][1], $variables);
            }
        }
    }

    private function shown(array $filters, array $variables): string
    {
        $value = $this->value(array_shift($filters), $variables);
        foreach ($filters ?: ['html'] as $filter) {
            if (!in_array($filter, self::ESCAPES, true)) {
                throw new \LogicException(sprintf('no filter named "%s"', $filter));
            }
            $value = ($this->filters[$filter])($value);
        }

        return (string) $value;
    }

    private function value(string $path, array $variables): mixed
    {
        $value = $variables;
        foreach (explode('.', $path) as $name) {
            if (is_array($value) || $value instanceof \ArrayAccess) {
                $value = $value[$name] ?? null;
            } elseif (is_object($value)) {
                $value = method_exists($value, $name) ? $value->$name() : ($value->$name ?? null);
            } else {
                return null;
            }
        }

        return $value;
    }
}

final class Person
{
    public function __construct(public string $name, private string $street, public bool $known)
    {
    }

    public function address(): string
    {
        return "$this->street 12, 10115 Berlin";
    }
}

$templates = new Template([
    'layout' => <<<'HTML'
        <!doctype html>
        <html lang="en"><head><title>{{ title|title|html }}</title></head>
        <body class="{{ theme }}">{% include menu %}
        <h1>{{ title|upper }}</h1>
        {% for order in orders %}<section id="order-{{ key }}">{% include order %}</section>{% endfor %}
        {% if not orders %}<p>No orders.</p>{% endif %}
        </body></html>
        HTML,
    'menu' => '<ul>{% for entry in menu %}<li><a href="{{ entry.link }}">{{ number }}. {{ entry.text|short|html }}</a></li>{% endfor %}</ul>',
    'order' => <<<'HTML'
        <h2>{{ order.person.name }}{% if order.person.known %} (known){% endif %}</h2>
        <address>{{ order.person.address }}</address>
        <table>{% for line in order.lines %}
        <tr><td>{{ number }}</td><td>{{ line.text }}</td><td>{{ line.tags|count }}</td><td>{{ line.price|money }}</td></tr>{% endfor %}
        </table>
        HTML,
], ['theme' => 'light "plain"', 'menu' => [
    ['link' => '/?a=1&b=2', 'text' => 'Start'],
    ['link' => '/orders', 'text' => 'All the orders that there are in the shop'],
    ['link' => '/about', 'text' => 'Über uns & <others>'],
]]);
$orders = [];
for ($i = 0; $i < 8; $i++) {
    $lines = [];
    for ($j = 0; $j < 6; $j++) {
        $lines[] = ['text' => "Part $i.$j of <steel> & \"brass\"", 'tags' => array_fill(0, $j, 'tag'), 'price' => 3.99 * ($i + 1) * ($j + 1)];
    }
    $orders["n$i"] = ['person' => new Person("Person $i & co", "Street $i", $i % 3 === 0), 'lines' => $lines];
}
echo $templates->render('layout', ['title' => 'orders-of_today', 'orders' => $orders]);
echo $templates->render('layout', ['title' => 'orders-of_yesterday', 'orders' => []]);
