--TEST--
B16: workers that wait for each other in a circle are told so at once
--INI--
igor.config={PWD}/cycle.Caddyfile
--FILE--
<?php
frankenphp_ensure_background_worker(['itself', 'a', 'b', 'c', 'free'], 15);
echo frankenphp_get_vars('itself')['told'], "\n";
// Which of the three closes the circle is a matter of timing.
$told = array_values(array_filter(array_column(frankenphp_get_vars(['a', 'b', 'c', 'free']), 'told')));
var_dump(count($told), preg_replace('/"[abc]" -> "[abc]" -> "[abc]" -> "[abc]"/', '(three names and the first again)', $told[0]));
?>
--EXPECT--
background workers wait for each other in a circle: "itself" -> "itself"
int(1)
string(85) "background workers wait for each other in a circle: (three names and the first again)"
