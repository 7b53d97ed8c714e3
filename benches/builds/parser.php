<?php

// Debian's PhpParser reads a source text, counts its nodes and prints it again: objects of many classes that call each other.
// It is older than PHP 8.4.
error_reporting(E_ALL & ~E_DEPRECATED);
require_once '/usr/share/php/PhpParser/autoload.php';

use PhpParser\NodeTraverser;
use PhpParser\NodeVisitorAbstract;
use PhpParser\ParserFactory;
use PhpParser\PrettyPrinter\Standard;

$tree = (new ParserFactory())->create(ParserFactory::PREFER_PHP7)->parse(file_get_contents(__DIR__ . '/page.php'));
$counter = new class extends NodeVisitorAbstract {
    public array $counts = [];

    public function enterNode(PhpParser\Node $node): void
    {
        $this->counts[$node->getType()] = ($this->counts[$node->getType()] ?? 0) + 1;
    }
};
$traverser = new NodeTraverser();
$traverser->addVisitor($counter);
$traverser->traverse($tree);
arsort($counter->counts);
echo (new Standard())->prettyPrintFile($tree), "\n", json_encode(array_slice($counter->counts, 0, 5)), "\n";
