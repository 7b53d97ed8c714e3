<?php

declare(strict_types=1);

require_once __DIR__ . '/../src/catalogue.php';

// What it costs to have the objects of so many products: from arrays, and from the text of serialize().
$count = min(10_000, max(1, (int) ($_GET['products'] ?? 1000)));
$products = [];
$brands = array_map(static fn (int $number): Brand => new Brand("brand $number"), range(0, 9));
foreach (range(1, $count) as $number) {
    $price = new Price($number, Currency::Euro);
    $since = new DateTimeImmutable("@$number");
    $products["product $number"] = new Product("product $number", $brands[$number % 10], $price, $since, ['kitchen', 'steel', 'sale']);
}
$array = ObjectGraph::toArray($products);
$text = serialize($products);
$ways = [
    'unserialize()' => static fn (): array => unserialize($text),
    'ObjectGraph::fromArray()' => static fn (): array => ObjectGraph::fromArray($array),
];
header('Content-Type: application/json');
$nanoseconds = $same = [];
foreach ($ways as $way => $make) {
    $times = [];
    for ($round = 0; $round < 15; $round++) {
        $start = hrtime(true);
        $made = $make();
        $times[] = hrtime(true) - $start;
    }
    sort($times);
    $nanoseconds[$way] = $times[7];
    $same[$way] = $made == $products;
}
echo json_encode([
    'products' => $count,
    'nanoseconds' => $nanoseconds,
    'bytes of the text' => strlen($text),
    'same' => $same,
], JSON_PRETTY_PRINT), "\n";
