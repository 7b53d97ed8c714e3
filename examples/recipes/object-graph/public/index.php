<?php

declare(strict_types=1);

require_once __DIR__ . '/../src/catalogue.php';

frankenphp_require_background_worker('catalogue', 5.0);
$products = ObjectGraph::fromArray(frankenphp_get_vars('catalogue')['products']);
$shown = array_map(static fn (Product $product): array => [
    'name' => $product->name,
    'brand' => $product->brand->name,
    'price' => sprintf('%.2f %s', $product->price->cents / 100, $product->price->currency->value),
    'since' => $product->since->format('Y-m-d H:i P'),
    'tags' => $product->tags,
], array_values($products));
header('Content-Type: application/json');
echo json_encode([
    'products' => $shown,
    'one brand, one object' => count(array_unique(array_map(static fn (Product $product): int => spl_object_id($product->brand), $products))),
]);
