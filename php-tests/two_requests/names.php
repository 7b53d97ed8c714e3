<?php

// The names that every request of tests/integration/two_requests.rs uses: from a snapshot, or written down here.

function names(string $folder): array
{
    return [
        'regex' => '/^(?<word>\w+) (?<number>\d+)$/u',
        'subject' => 'order 66',
        'constant' => 'MADE_OF_A_SNAPSHOT',
        'ini' => ['user_agent' => 'two requests', 'precision' => '5', 'error_prepend_string' => 'before'],
        'zone' => 'Europe/Berlin',
        'global' => 'a_global_variable',
        'property' => 'a_dynamic_property',
        'class' => 'Made\ByName',
        'alias' => 'Alias\OfIt',
        'method' => 'greet',
        'function' => 'made_by_name',
        'header' => ['X-Two-Requests', 'yes'],
        'cookie' => ['crumb', 'one two'],
        'context' => ['http' => ['method' => 'PUT', 'header' => 'X-A: b', 'user_agent' => 'a context']],
        'tokens' => 'a,b,c',
        'delimiter' => ',',
        'locale' => 'C',
        'environment' => ['TWO_REQUESTS', 'TWO_REQUESTS=an environment'],
        'session' => ['folder' => $folder, 'name' => 'TWOREQUESTS', 'id' => 'twoRequestsOneThread', 'key' => 'kept'],
        'static' => ['a' => ['list', 'of', 'texts']],
        'encoding' => 'ISO-8859-1',
        'wrapper' => 'tworequests',
        'filter' => 'two.requests.*',
        'include' => ['folder' => __DIR__, 'file' => 'included.php'],
        'callback' => 'strtoupper',
        'output' => 'mb_output_handler',
        'format' => '%05d|%-5s|',
    ];
}
