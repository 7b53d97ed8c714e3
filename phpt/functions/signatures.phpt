--TEST--
The functions have the signatures of c/functions.stub.php
--FILE--
<?php
require __DIR__ . '/../include/signatures.inc';

$registered = registered();
$declared = declared_in(__DIR__ . '/../../c/functions.stub.php', 'Stub');
var_dump(count($declared) > 10);
compare_signatures($declared, $registered);
foreach ($registered as $function) {
    if (str_contains($function->getName(), '_worker') || str_ends_with($function->getName(), '_vars')) {
        echo signature($function), "\n";
    }
}
?>
--EXPECT--
bool(true)
frankenphp_get_worker_handle()
frankenphp_require_background_worker(string $name, float $timeout = 30.0): void
frankenphp_ensure_background_worker(array|string $name, ?float $timeout = NULL): void
frankenphp_set_vars(array $vars): void
frankenphp_get_vars(array|string $name): array
