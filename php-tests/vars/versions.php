<?php

/** The same array with something changed somewhere, as chance has it. */
function edited(array $array, Random\Randomizer $random, int $depth = 0): array
{
    $nested = array_keys(array_filter($array, is_array(...)));
    if ($nested !== [] && $random->getInt(0, 2) > 0) {
        $key = $nested[$random->getInt(0, count($nested) - 1)];
        $array[$key] = edited($array[$key], $random, $depth + 1);

        return $array;
    }
    $number = $random->getInt(0, 99);
    $key = $array === [] ? 0 : array_keys($array)[$random->getInt(0, count($array) - 1)];
    switch ($random->getInt(0, 9)) {
        case 0:
            $array[] = $number;
            break;
        case 1:
            $array['key-' . $number % 10] = "text $number";
            break;
        case 2:
            $array = ['first' => $number] + $array;
            break;
        case 3:
            unset($array[$key]);
            break;
        case 4:
            $array[$key] = $number / 7;
            break;
        case 5:
            $array[$key] = ['id' => $number, 'name' => "name of $number", 'list' => range(0, $number % 5)];
            break;
        case 6:
            $shared = ['shared' => [$number, "text $number"]];
            $array['one'] = $shared;
            $array['other'] = [$shared, $shared];
            break;
        case 7:
            $array[$key] = [];
            break;
        case 8:
            $array[$key] = "$key" . str_repeat('x', $number);
            break;
        default:
            array_pop($array);
            $array[] = true;
    }

    return $depth === 0 && count($array) > 40 ? array_slice($array, 20) : $array;
}

/** The n-th version of an array: each is the one before with a few changes, the same in every thread. */
function version_of(int $n): array
{
    static $versions = [];

    for ($i = count($versions); $i <= $n; $i++) {
        $random = new Random\Randomizer(new Random\Engine\Mt19937($i));
        $array = $versions[$i - 1] ?? ['records' => array_map(static fn (int $n): array => ['id' => $n, 'name' => "name of $n"], range(1, 20))];
        for ($edits = $random->getInt(1, 4); $edits > 0; $edits--) {
            $array = edited($array, $random);
        }
        // A publish of what is identical is none, and would leave another next index behind.
        $versions[$i] = ['version' => $i] + $array;
        $versions[$i]['version'] = $i;
    }

    return $versions[$n];
}
