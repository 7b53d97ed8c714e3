--TEST--
N10 (B36): the enum is autoloaded, also by an autoloader that reads the same name
--INI--
igor.config={PWD}/../include/Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/steps.inc';

function define_enum(string $class): void
{
    if ($class === 'Lazy\Suit') {
        eval('namespace Lazy; enum Suit: string { case Hearts = "h"; case Spades = "s"; }');
    }
}

$publish = steps([
    'enum' => function () {
        class_exists('Lazy\Suit', false) || define_enum('Lazy\Suit');
        frankenphp_set_vars(['suit' => Lazy\Suit::Hearts, 'rest' => [1, 2, 3], 'again' => [Lazy\Suit::Hearts]]);
    },
    'plain' => fn () => frankenphp_set_vars(['rest' => [1, 2, 3]]),
]);

$publish('plain');
$plain = published();
$publish('enum');
spl_autoload_register(function ($class) use ($publish, $plain) {
    static $depth = 0;
    echo "autoload $class, depth ", ++$depth, "\n";
    if ($depth === 1) {
        // The same name, while it is being read: the class is still missing, and nobody is asked for it twice.
        try {
            published();
        } catch (LogicException $error) {
            echo '  ', $error->getMessage(), "\n";
        }
        // The reading goes on although what is read is published anew.
        $publish('plain');
        var_dump(published() === $plain);
        $publish('enum');
        define_enum($class);
        var_dump(published()['suit'] === Lazy\Suit::Hearts);
    }
    $depth--;
});
$read = published();
var_dump($read['suit'] === Lazy\Suit::Hearts, $read['again'][0] === $read['suit'], $read['rest']);
var_dump($read === published());
?>
--EXPECT--
autoload Lazy\Suit, depth 1
  frankenphp_get_vars(): the snapshot holds the enum case Lazy\Suit::Hearts, but this script cannot load that enum
bool(true)
bool(true)
bool(true)
bool(true)
array(3) {
  [0]=>
  int(1)
  [1]=>
  int(2)
  [2]=>
  int(3)
}
bool(true)
