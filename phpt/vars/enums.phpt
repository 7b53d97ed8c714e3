--TEST--
N10 (B36): enum cases are the own cases of the reader
--INI--
igor.config={PWD}/../include/Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/steps.inc';

enum Suit
{
    case Hearts;
    case Spades;
    const Wild = self::Spades;
}

enum Level: int
{
    case Low = 1;
    case High = 10;

    public function label(): string
    {
        return ucfirst(strtolower($this->name));
    }
}

enum Color: string
{
    case Red = 'r';
    case Blue = 'b';
}

interface HasLabel
{
}

enum Labelled: string implements HasLabel
{
    case A = 'a';
}

$values = [
    'pure' => fn () => [Suit::Hearts],
    'backed' => fn () => ['int' => Level::High, 'string' => Color::Red, 'labelled' => Labelled::A],
    'by constant' => fn () => [Suit::Wild],
    'all cases' => fn () => [Suit::cases(), Level::cases(), Color::cases()],
    'nested beside plain values' => fn () => ['a' => [1, 2, ['x' => Suit::Spades, 'y' => ['plain']], 'z'], 'b' => ['plain' => [1]]],
    'many times' => fn () => array_fill(0, 1000, Level::Low),
    'in shared arrays' => function () {
        $inner = ['level' => Level::Low, 'list' => [Suit::Hearts]];
        return [$inner, $inner, ['deeper' => $inner]];
    },
    'with holes' => function () {
        $list = [Suit::Hearts, 1, Suit::Spades, 2];
        unset($list[1], $list[3]);
        return $list;
    },
    'negative key' => fn () => [-3 => Color::Blue],
];
$publish = steps(array_map(fn ($make) => fn () => frankenphp_set_vars($make()), $values));
foreach ($values as $name => $make) {
    $publish($name);
    $expected = $make();
    $read = published();
    $next = fn ($array) => [...array_keys($array + []), (function () use ($array) {
        $array[] = 0;
        return array_key_last($array);
    })()];
    echo $name, ': ', $read === $expected && $next($read) === $next($expected)
        && serialize($read) === serialize($expected) ? 'same' : 'different', "\n";
}
$publish('backed');
var_dump(published()['int']->label(), published()['int'] === Level::from(10), published() === published());
?>
--EXPECT--
pure: same
backed: same
by constant: same
all cases: same
nested beside plain values: same
many times: same
in shared arrays: same
with holes: same
negative key: same
string(4) "High"
bool(true)
bool(true)
