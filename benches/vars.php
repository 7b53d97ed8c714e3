<?php

// make bench-vars: what snapshots cost, as ratios of things measured in the same round, and whether the targets are met;
// see docs/benchmarks.md. Arguments: the folder of the program, the file for the results, and the sections to run (all).
require __DIR__ . '/lib.php';
require __DIR__ . '/report.php';
require __DIR__ . '/vars/timing.php';
require __DIR__ . '/vars/memory.php';
require __DIR__ . '/vars/callgrind.php';
require __DIR__ . '/vars/data.php';

[, $binaries, $results] = $argv;
$sections = array_slice($argv, 3) ?: ['timing', 'memory', 'callgrind'];
$rounds = (int) (getenv('BENCH_ROUNDS') ?: 9);
$scratch = scratch_folder();
$apcu = (string) getenv('BENCH_APCU');
$report = new Report(conditions($rounds));

if (in_array('timing', $sections, true)) {
    (new TimingBenchmark($binaries, $scratch, $report, $rounds, $apcu))->run();
}
if (in_array('callgrind', $sections, true)) {
    $report->section('instructions of one call, by Callgrind');
    (new CallgrindBenchmark($binaries, $scratch, $report))->run();
}
if (in_array('memory', $sections, true)) {
    $report->section('growth of resident memory');
    (new MemoryBenchmark($binaries, $scratch, $report))->run();
}
$report->summary();
$report->save($results);
