<?php

// Debian's Symfony makes tables with styles, lays out texts of several widths, and exports values.
require_once '/usr/share/php/Symfony/Component/Console/autoload.php';
require_once '/usr/share/php/Symfony/Component/VarExporter/autoload.php';

use Symfony\Component\Console\Formatter\OutputFormatterStyle;
use Symfony\Component\Console\Helper\Table;
use Symfony\Component\Console\Helper\TableSeparator;
use Symfony\Component\Console\Output\BufferedOutput;
use Symfony\Component\VarExporter\VarExporter;

$output = new BufferedOutput(decorated: true);
$output->getFormatter()->setStyle('loud', new OutputFormatterStyle('red', null, ['bold']));
$table = (new Table($output))->setHeaders(['Number', 'Näme', '<info>Value</info>'])->setStyle('box');
for ($i = 0; $i < 25; $i++) {
    $table->addRow([$i, "<loud>row $i</loud> " . str_repeat('日本', $i % 4), sprintf('%.3f', sqrt($i))]);
    $i % 10 || $table->addRow(new TableSeparator());
}
$table->render();
$value = ['list' => range(1, 40), 'object' => new ArrayObject(['a' => 1, 'b' => [true, null, 1.5]]), 'text' => "two\nlines", 'date' => new DateTimeZone('UTC')];
echo $output->fetch(), VarExporter::export($value), "\n";
