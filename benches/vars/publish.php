<?php

// Publishes arrays of each size again and again, beside serialize() and ===, and publishes the result as its snapshot.
require __DIR__ . '/data.php';

$rounds = [];
for ($round = 0; $round < 9; $round++) {
    foreach ([10, 1000, 100000] as $size) {
        $times = max(3, intdiv(300_000, $size));
        $a = records($size, 1);
        $b = records($size, 2);
        $same = records($size, 1);

        $start = hrtime(true);
        for ($i = 0; $i < $times; $i++) {
            serialize($a);
        }
        $serialize = (hrtime(true) - $start) / $times;

        $start = hrtime(true);
        for ($i = 0; $i < $times; $i++) {
            frankenphp_set_vars($i % 2 ? $a : $b);
        }
        $publish = (hrtime(true) - $start) / $times;

        frankenphp_set_vars($a);
        $start = hrtime(true);
        for ($i = 0; $i < $times; $i++) {
            frankenphp_set_vars($same);
        }
        $unchanged = (hrtime(true) - $start) / $times;

        $start = hrtime(true);
        $identical = true;
        for ($i = 0; $i < $times; $i++) {
            $identical = $identical && $a === $same;
        }
        $identity = (hrtime(true) - $start) / $times;
        $rounds[$size][] = compact('serialize', 'publish', 'unchanged', 'identity');
    }
}
frankenphp_set_vars(['rounds' => $rounds]);

$read = [frankenphp_get_worker_handle()];
$write = $except = null;
stream_select($read, $write, $except, null);
