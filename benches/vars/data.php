<?php

/**
 * The arrays that the benchmarks publish: `$elements` values in nested records of ints, strings and floats.
 */
function records(int $elements, int $salt = 0): array
{
    $records = [];
    // A record holds ten values.
    for ($i = 0; $i < intdiv($elements, 10); $i++) {
        $records["record-$i"] = [
            'id' => $i + $salt,
            'name' => "name of $i",
            'weight' => $i / 7,
            'enabled' => $i % 2 === 0,
            'address' => ['host' => "10.0.0.$i", 'port' => 6379, 'db' => 0, 'timeout' => 1.5],
            'tag' => "tag-$i",
        ];
    }

    return $records;
}
