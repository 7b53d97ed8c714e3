<?php

// Writes docs/contract.md: the promises of the system, line by line, with the tests that name each line.
//
//     php scripts/contract-table.php           writes the file
//     php scripts/contract-table.php --check   fails if the file is out of date
//
// Either way it fails if a line has no test, or if a test names a line that does not exist. A test names a line (`B12`, or
// several: `B16 to B21`) in the comment above its function, in a .phpt file in its title. Such a name in the `//!` comment
// at the head of a file that contains only tests applies to all of them.

declare(strict_types=1);

const LETTER = 'B';
const DOCUMENT = 'docs/contract.md';
const TARGET = 'contract';

/** Lines whose tests are still being written. A line with tests must not be listed here. */
const PENDING = [];

const LINES = [
    'Declaring workers' => [
        1 => 'the `worker` block and its directives, in `php_server`, `php` and `frankenphp` blocks; the short form',
        2 => 'with `name` a named worker, without one the catch-all of its scope',
        3 => '`num 0` starts on demand, `num K` starts a pool of K threads with the server',
        4 => 'a catch-all starts at most `max_threads` names, each with a snapshot and a failure count of its own',
        5 => '`max_consecutive_failures`: 6 by default, -1 is never, less is an error',
        6 => 'mistakes in a declaration are reported with file, line and column before anything is served',
        7 => 'one name in two scopes is two workers',
        8 => 'background workers take no thread from the requests',
        9 => "a request for the path of a worker's script runs it as an ordinary script",
    ],
    'require' => [
        10 => 'starts and waits; fails fast in the boot of an HTTP worker; starts nothing in a request of one',
        11 => 'any number of callers start a worker once, and get one outcome',
        12 => 'a worker that was ready once is ready, also while its script is down',
    ],
    'ensure' => [
        13 => 'starts several workers first, then waits for them against one deadline; also from a request of an HTTP worker',
        14 => 'all arguments are checked before anything starts: `ValueError`, `TypeError`',
        15 => 'a timeout is what it says, down to fractions of a millisecond',
        16 => 'workers that wait for each other in a circle are told so at once',
    ],
    'What a failed wait says' => [
        17 => 'not declared: the name, the scope, and what is declared there',
        18 => 'timed out without a failed run: worker, file, what it has not done, and after how long',
        19 => 'after failed runs also their number, the last exit status, and the last PHP error with file and line',
        20 => 'giving up wakes every waiter at once, with the same details',
        21 => "the catch-all's cap, and a server that is stopping, are said as such",
    ],
    'set_vars' => [
        22 => 'replaces the whole snapshot at once; readers see all of one or all of another',
        23 => 'null, bool, int, float, string, arrays up to 256 levels deep, and enum cases arrive as they were published',
        24 => 'anything else is refused with its path, and the previous snapshot stays',
        25 => 'outside of a background worker: `RuntimeException`',
        26 => 'publishing what is published changes nothing',
        27 => "a snapshot owns all of itself: it survives its publisher's end, its thread and opcache",
        28 => 'in a pool the last publish wins; versions only grow',
        29 => 'a publish that fails half way leaves the previous snapshot, and no memory behind',
    ],
    'get_vars' => [
        30 => 'reads only: starts nothing, waits for nothing; several names at once',
        31 => 'an unknown name and a worker that has published nothing are told apart',
        32 => 'works in classic requests, HTTP workers and background workers',
        33 => 'while nothing new is published, one request gets one array instance, and no copy of the data',
        34 => 'what is published between two reads of a request is seen by the second',
        35 => 'what a script does to its array is seen by nobody else, and damages nothing',
        36 => "an enum case is the reader's own; where it is missing, each read throws `LogicException`",
        37 => 'the snapshot of a crashed worker, or of one that was given up, is still served',
    ],
    'The handle' => [
        38 => 'a stream that reaches its end when the script is to end; works with `stream_select()` and event loops',
        39 => 'each call gives a usable stream; closing one harms no other, and no descriptor leaks',
        40 => 'one for each thread of a pool; functions that make no sense where they are called throw',
    ],
    "The script's environment" => [
        41 => "`\$_SERVER` and `argv` hold the worker's name, and the `env` lines of its block",
        42 => 'no time limit; what the script prints goes to the log, with its name',
        43 => 'each run is a fresh PHP request; what was published stays',
        44 => "in PHP's plain command line, the functions of background workers do not exist",
    ],
    'The life of a worker' => [
        45 => 'ready is the first publish, unless the block says `ready handle` or `ready start`; the server does not wait for it',
        46 => 'ending with status 0 after a publish or with the handle taken is a restart at once, at most ten a second, and no failure',
        47 => 'any other end is a failure, with a growing pause before the next run',
        48 => 'the count of failures goes back; at its cap the worker is given up, and a later call starts it afresh',
        49 => 'on shutdown scripts are asked by the handle, then interrupted; what cannot be is named, and the process ends',
        50 => 'a restart of all workers by the admin address, with snapshots readable throughout',
        51 => 'a changed file restarts the workers that watch it, once for each burst of changes',
        52 => 'a reload keeps what did not change, every snapshot, and every request',
    ],
    'Seeing what happens' => [
        53 => 'Prometheus metrics',
        54 => 'threads and workers as JSON',
        55 => "a structured log record for each step of a worker's life",
    ],
    'HTTP' => [
        56 => 'classic and worker mode, with everything of a request reset for the next',
        57 => "the functions for finishing a response, early hints, headers and the server's log",
        58 => 'whatever ends a request ends that request alone',
    ],
];

const INTRODUCTION = <<<'MARKDOWN'
    # What is promised, and what proves it

    Each line is something that a user, a script or a test can see; the tests that prove it name it by its number (`B12`).
    `make contract` writes this file from them, and `make lint` fails when it is not up to date or a line has no test.
    [background-workers.md](background-workers.md) explains what these are short forms of.


    MARKDOWN;

require __DIR__ . '/lib/test-table.php';

exit(write_or_check(dirname(__DIR__), in_array('--check', $argv, true)));
