<?php

/**
 * The arrays that the benchmarks publish: `$elements` values in nested records of ints, strings and floats. With another
 * salt every value is another.
 */
function records(int $elements, int $salt = 0): array
{
    $records = [];
    // A record holds ten values.
    for ($i = 0; $i < intdiv($elements, 10); $i++) {
        $number = $i + $salt;
        $records["record-$i"] = [
            'id' => $number,
            'name' => "name of $number",
            'weight' => $number / 7,
            'enabled' => $number % 2 === 0,
            'address' => ['host' => "10.0.0.$number", 'port' => 6379 + $salt, 'db' => $salt, 'timeout' => 1.5 + $salt],
            'tag' => "tag-$number",
        ];
    }

    return $records;
}
