--TEST--
N16 (B35): used where PHP keeps texts: regex, constants, ini, names, headers, environment
--SKIPIF--
<?php
if (PHP_SAPI === 'cli') die('skip a stock php has no frankenphp_response_headers()');
?>
--INI--
igor.config={PWD}/../include/Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/steps.inc';

$publish = steps([
    'publish' => fn () => frankenphp_set_vars([
        'regex' => '/^(?<word>\w+) (\d+)$/u',
        'subject' => 'order 66',
        'constant' => 'FROM_SNAPSHOT',
        'ini' => ['precision' => '5', 'date.timezone' => 'Europe/Berlin', 'user_agent' => 'from the snapshot'],
        'property' => 'dynamic',
        'class' => 'Made\ByName',
        'alias' => 'Alias\Of\It',
        'header' => 'X-Snapshot: yes',
        'locale' => 'C',
        'environment' => 'IGOR_PHPT_USES=from the snapshot',
        'tokens' => 'a,b;c',
        'path' => 'sub/folder',
        'context' => ['http' => ['header' => 'X-A: b', 'user_agent' => 'u']],
        'format' => '%05d|%-5s|',
        'code' => 'return ["evaluated" => 1];',
        'callable' => 'strtoupper',
    ]),
    'replace' => fn () => frankenphp_set_vars(['replaced' => true]),
]);
$publish('publish');
$v = published();
header($v['header']);

preg_match($v['regex'], $v['subject'], $match);
echo $match['word'], ' ', preg_replace_callback($v['regex'], fn ($m) => $m[2], $v['subject']), "\n";
define($v['constant'], $v['context']);
define($v['constant'] . '_TEXT', $v['subject']);
foreach ($v['ini'] as $name => $value) {
    ini_set($name, $value);
}
$GLOBALS[$v['property']] = $v['subject'];
$object = new stdClass();
$object->{$v['property']} = $v['context'];
spl_autoload_register(function ($class) use ($v) {
    if ($class === $v['class']) {
        eval('namespace Made; class ByName { const NAME = __CLASS__; }');
        class_alias($v['class'], $v['alias']);
    }
});
$instance = new $v['class']();
setlocale(LC_ALL, $v['locale']);
putenv($v['environment']);
echo strtok($v['tokens'], ',');
$context = stream_context_create($v['context']);
stream_context_set_option($context, 'http', 'method', $v['property']);
$closure = Closure::fromCallable($v['callable']);
set_include_path($v['path']);
$evaluated = eval($v['code']);
printf($v['format'] . "\n", 42, $v['locale']);
mb_internal_encoding('UTF-8');
$publish('replace');
unset($v);

echo strtok(';'), strtok(';'), "\n";
var_dump(FROM_SNAPSHOT['http']['user_agent'], FROM_SNAPSHOT_TEXT, ini_get('user_agent'), (string) (1 / 3), date_default_timezone_get());
var_dump($dynamic, $object->dynamic['http']['header'], $instance::NAME, $instance instanceof Alias\Of\It);
var_dump(frankenphp_response_headers()['X-Snapshot'], getenv('IGOR_PHPT_USES'), $closure('abc'), get_include_path());
var_dump(stream_context_get_options($context)['http'], $evaluated, preg_match('/^(?<word>\w+) (\d+)$/u', 'order 67'));
var_dump(published());
?>
--EXPECT--
order 66
a00042|C    |
bc
string(1) "u"
string(8) "order 66"
string(17) "from the snapshot"
string(7) "0.33333"
string(13) "Europe/Berlin"
string(8) "order 66"
string(6) "X-A: b"
string(11) "Made\ByName"
bool(true)
string(3) "yes"
string(17) "from the snapshot"
string(3) "ABC"
string(10) "sub/folder"
array(3) {
  ["header"]=>
  string(6) "X-A: b"
  ["user_agent"]=>
  string(1) "u"
  ["method"]=>
  string(7) "dynamic"
}
array(1) {
  ["evaluated"]=>
  int(1)
}
int(1)
array(1) {
  ["replaced"]=>
  bool(true)
}
