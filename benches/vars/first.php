<?php

// The first read of a fresh request, in nanoseconds, beside what the request would do without us: unserialize() and, where
// it is there, apcu_fetch() of the same array.
require __DIR__ . '/data.php';

$size = (int) $_GET['size'];
$name = "size-$size";
$start = hrtime(true);
$vars = frankenphp_get_vars($name);
$first = hrtime(true) - $start;
$start = hrtime(true);
$timer = hrtime(true) - $start;

$result = ['first' => max(1, $first - $timer), 'timer' => $timer];
if (isset($_GET['compare'])) {
    $serialized = serialize($vars);
    $start = hrtime(true);
    unserialize($serialized);
    $result['unserialize'] = hrtime(true) - $start;
    if (function_exists('apcu_fetch') && apcu_enabled()) {
        apcu_store($name, $vars);
        $start = hrtime(true);
        apcu_fetch($name);
        $result['apcu_fetch'] = hrtime(true) - $start;
    }
}
echo json_encode($result);
