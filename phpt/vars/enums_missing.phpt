--TEST--
N10 (B36): a reader without the enum or the case gets a LogicException on every read
--INI--
igor.config={PWD}/../include/Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/steps.inc';

if (in_worker()) {
    enum Gone: int { case One = 1; }
    enum Changed { case Kept; case Removed; const Constant = 1; }
    enum NowAClass { case One; }
    enum NowAConstant { case One; }
    enum Broken { case One; }
} else {
    enum Changed { case Kept; }
    class NowAClass { const One = 1; }
    enum NowAConstant { const One = 1; case Two; }
    spl_autoload_register(function ($class) {
        echo "autoload $class\n";
        if ($class === 'Broken') {
            throw new DomainException('the autoloader says no');
        }
    });
}

$values = [
    'class missing' => fn () => ['deep' => ['er' => [Gone::One]], 'plain' => 1],
    'case kept' => fn () => [Changed::Kept],
    'case removed' => fn () => [Changed::Kept, Changed::Removed],
    'name is a class' => fn () => [NowAClass::One],
    'name is a constant' => fn () => [NowAConstant::One],
    'autoloader throws' => fn () => [Broken::One],
];
$publish = steps(array_map(fn ($make) => fn () => frankenphp_set_vars($make()), $values));
foreach (array_keys($values) as $name) {
    $publish($name);
    echo "$name:\n";
    for ($read = 1; $read <= 2; $read++) {
        try {
            var_dump(published());
        } catch (Exception $error) {
            echo '  ', $error::class, ': ', $error->getMessage(), "\n";
        }
    }
}
?>
--EXPECT--
class missing:
autoload Gone
  LogicException: frankenphp_get_vars(): the snapshot holds the enum case Gone::One, but this script cannot load that enum
autoload Gone
  LogicException: frankenphp_get_vars(): the snapshot holds the enum case Gone::One, but this script cannot load that enum
case kept:
array(1) {
  [0]=>
  enum(Changed::Kept)
}
array(1) {
  [0]=>
  enum(Changed::Kept)
}
case removed:
  LogicException: frankenphp_get_vars(): the snapshot holds the enum case Changed::Removed, but in this script the enum has no such case
  LogicException: frankenphp_get_vars(): the snapshot holds the enum case Changed::Removed, but in this script the enum has no such case
name is a class:
  LogicException: frankenphp_get_vars(): the snapshot holds the enum case NowAClass::One, but in this script that name is not an enum
  LogicException: frankenphp_get_vars(): the snapshot holds the enum case NowAClass::One, but in this script that name is not an enum
name is a constant:
  LogicException: frankenphp_get_vars(): the snapshot holds the enum case NowAConstant::One, but in this script the enum has no such case
  LogicException: frankenphp_get_vars(): the snapshot holds the enum case NowAConstant::One, but in this script the enum has no such case
autoloader throws:
autoload Broken
  DomainException: the autoloader says no
autoload Broken
  DomainException: the autoloader says no
