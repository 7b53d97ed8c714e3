<?php

// Does to an array all that a script may do to its own copy.

function mutate(array $vars): void
{
    foreach ($vars as $key => &$value) {
        $value = "changed $key";
    }
    unset($value);
    $list = $vars;
    sort($list);
    rsort($list);
    shuffle($list);
    ksort($vars);
    krsort($vars);
    uasort($vars, static fn ($a, $b) => strcmp((string) $a, (string) $b));
    array_walk($vars, static function (&$value) {
        $value = [$value];
    });
    array_walk_recursive($vars, static function (&$value) {
        $value .= 'x';
    });
    array_splice($list, 0, 1, ['spliced']);
    array_unshift($list, 'first');
    array_push($list, 'last');
    array_pop($list);
    array_shift($list);
    $vars['new'] = 1;
    $vars[] = 2;
    unset($vars['new'], $vars['map']);
    extract($vars, EXTR_REFS | EXTR_PREFIX_ALL, 'x');
    $reference = &$vars['nested']['deeper'];
    $reference = 'written';
    settype($vars, 'object');
}

/** The same, on every level of what was read. */
function mutate_all(array $vars): void
{
    foreach ($vars as $value) {
        if (is_array($value)) {
            mutate_all($value);
        }
    }
    foreach (array_keys($vars) as $key) {
        if (is_array($vars[$key])) {
            $vars[$key]['written'] = true;
            unset($vars[$key]['written']);
            $vars[$key][] = 'appended';
        } elseif (is_string($vars[$key]) && $vars[$key] !== '') {
            $vars[$key][0] = 'X';
        }
    }
    mutate($vars);
}
