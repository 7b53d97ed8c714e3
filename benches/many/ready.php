<?php

// Starts the catch-all's workers, and answers when all workers have published.
$of = static fn (string $prefix) => array_map(static fn (int $number) => "$prefix-$number", range(1, (int) $_GET['count']));
frankenphp_ensure_background_worker([...$of('named'), ...$of('any')], 300.0);
echo count(frankenphp_get_vars([...$of('named'), ...$of('any')]));
