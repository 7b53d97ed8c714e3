--TEST--
N15 (B27): used in output callbacks, shutdown functions, destructors and session handlers
--INI--
igor.config={PWD}/../include/Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/steps.inc';

$publish = steps([
    'publish' => fn () => frankenphp_set_vars(['name' => 'first', 'list' => ['a', 'b', 'c']]),
    'replace' => fn () => frankenphp_set_vars(['name' => 'second', 'list' => ['d']]),
]);
$publish('publish');

class Late
{
    public function __construct(private string $where, private array $kept)
    {
    }

    public function __destruct()
    {
        echo "$this->where: ", $this->kept['name'], ' ', implode($this->kept['list']), ', now ', published()['name'], "\n";
    }
}

class Sessions implements SessionHandlerInterface
{
    public function __construct(private array $kept)
    {
    }

    public function open(string $path, string $name): bool { return true; }
    public function read(string $id): string|false { return ''; }
    public function destroy(string $id): bool { return true; }
    public function gc(int $lifetime): int|false { return 0; }
    public function close(): bool { return true; }

    public function write(string $id, string $data): bool
    {
        $text = 'session handler: ' . $this->kept['name'] . ", $data, now " . published()['name'];
        file_put_contents('php://stdout', "$text\n");
        return true;
    }
}

$kept = published();
$global = new Late('destructor of a global', $kept);
class Statics
{
    public static ?Late $late;
    public static array $array;
}
Statics::$late = new Late('destructor of a static', $kept);
Statics::$array = $kept;

session_set_save_handler(new Sessions($kept), true);
ini_set('session.use_cookies', '0');
session_start();
$_SESSION['vars'] = $kept['list'];
register_shutdown_function(function () use ($kept) {
    echo 'shutdown function: ', $kept['name'], ', now ', published()['name'], "\n";
});
register_shutdown_function('printf', "%s\n", $kept['list'][2]);
ob_start(function (string $output) use ($kept) {
    return strtr($output, [$kept['list'][0] => 'A']) . 'output callback: ' . $kept['name'] . ', now ' . published()['name'] . "\n";
});
echo "a text\n";
$publish('replace');
unset($publish, $kept);
?>
--EXPECT--
session handler: first, vars|a:3:{i:0;s:1:"a";i:1;s:1:"b";i:2;s:1:"c";}, now second
A text
shutdown function: first, now second
c
destructor of A globAl: first Abc, now second
destructor of A stAtic: first Abc, now second
output callback: first, now second
