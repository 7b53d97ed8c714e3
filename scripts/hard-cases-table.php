<?php

// Writes docs/hard-cases.md: values and moments that break systems that share memory between threads, and the tests that
// prove that they do no harm here.
//
//     php scripts/hard-cases-table.php           writes the file
//     php scripts/hard-cases-table.php --check   fails if the file is out of date
//
// Either way it fails if a case has no test. A test names a case (`N12`) as other tests name lines of the contract.

declare(strict_types=1);

const LETTER = 'N';
const DOCUMENT = 'docs/hard-cases.md';
const TARGET = 'hard-cases-table';

/** Cases whose tests are still being written. */
const PENDING = [];

const LINES = [
    'Values' => [
        1 => '256 levels arrive; 257, ten thousand and a million are refused without a stack overflow',
        2 => 'an array that holds itself and a reference that a variable shares are refused; one with a single holder is a value',
        3 => 'lists with holes, emptied lists, negative keys, `PHP_INT_MAX` as a key, and what the next `[]` does',
        4 => 'keys that nearly are integers; empty, with NUL, of 1 MiB, of invalid UTF-8',
        5 => 'strings: empty, one byte, NUL, 16 MiB, invalid UTF-8',
        6 => 'NAN, infinities, -0.0, the smallest float and integer; what counts as a change',
        7 => '65,536 and 65,537 elements, a million, keys that collide',
        8 => 'what stands in many places is stored once',
        9 => 'constant arrays with opcache on, off and JIT; publishing again what was read',
        10 => 'enum cases: pure, backed, nested, autoloaded, missing in the reader',
        11 => 'objects, closures and resources are refused, and none of their methods is called',
        12 => '`$GLOBALS`, `get_defined_vars()` and `$_SERVER` as argument',
    ],
    'What readers do' => [
        13 => 'writing to what was read in every way, in two threads a million times',
        14 => 'keeping an old version, or a string or array of it, over ten thousand requests and versions',
        15 => 'using it in destructors, shutdown functions, output callbacks and session handlers',
        16 => 'using it where PHP keeps texts beyond the request, and then retiring it',
        17 => 'holding it in a suspended generator or fiber, and in cyclic garbage',
        18 => 'dumping, encoding and exporting it',
    ],
    'Moments' => [
        19 => 'memory limit, time limit, exception, `exit` or a fiber switch in the middle of a read',
        20 => 'an autoloader that reads or publishes in the middle of a read',
        21 => 'memory limit, each failing allocation, and a forced end in the middle of a publish',
        22 => 'the publisher exits, crashes, restarts or is given up; with opcache off too',
        23 => '`opcache_reset()` and `opcache_invalidate()` between publish and read',
        24 => 'publishes without a pause: no version stays that nobody reads, and no publisher waits',
        25 => '`pcntl_fork()` in a reader',
        26 => 'pools shrink, threads end and the server stops while snapshots are held',
        27 => 'one name in two scopes read in turn; names of every kind',
        28 => '`frankenphp_handle_request()` in a background worker; closed handles; a thousand runs and no descriptor more',
        29 => 'a Rust panic in each call from C, and a bailout in each callback',
    ],
];

const INTRODUCTION = <<<'MARKDOWN'
    # Hard cases

    Values and moments that break systems that share memory between threads, and the tests that prove that they do no harm
    here; a test names its case by its number (`N12`). `make hard-cases-table` writes this file from them, and `make lint`
    fails when it is not up to date or a case has no test.

    `make test` runs a sample of what is long in them; `make hard-cases` runs the whole, and the tests of
    `tests/integration/faults.rs`, which need a build with the feature `faults`: in it a script arms a fault on its own
    thread by `igor_fault($point, $nth)`, and the n-th time that the thread comes by the point an allocation fails, Rust
    panics, or PHP bails out. A publish that finds no memory throws a `RuntimeException`, and the snapshot before it stays.
    Each allocation whose size depends on the array can fail in that way; the few small ones of a fixed size, such as the
    counter beside a snapshot, end the process as everywhere in Rust.

    MARKDOWN;

require __DIR__ . '/lib/test-table.php';

exit(write_or_check(dirname(__DIR__), in_array('--check', $argv, true)));
