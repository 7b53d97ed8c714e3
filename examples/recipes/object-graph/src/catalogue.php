<?php

declare(strict_types=1);

// The objects of the application. With Composer the first line is vendor/autoload.php; here this is Debian's package.
require_once '/usr/share/php/Symfony/Component/VarExporter/autoload.php';
require_once __DIR__ . '/ObjectGraph.php';

enum Currency: string
{
    case Euro = 'EUR';
    case Dollar = 'USD';
}

final readonly class Price
{
    public function __construct(public int $cents, public Currency $currency)
    {
    }
}

final readonly class Brand
{
    public function __construct(public string $name)
    {
    }
}

final readonly class Product
{
    /** @param list<string> $tags */
    public function __construct(
        public string $name,
        public Brand $brand,
        public Price $price,
        public DateTimeImmutable $since,
        public array $tags,
    ) {
    }
}

/** @return array<string, Product> the products of a CSV file, by name; those of one brand share its object */
function products_of(string $file): array
{
    $products = $brands = [];
    foreach (file($file, FILE_IGNORE_NEW_LINES | FILE_SKIP_EMPTY_LINES) as $line) {
        [$name, $brand, $cents, $currency, $since, $tags] = str_getcsv($line, escape: '');
        $products[$name] = new Product(
            $name,
            $brands[$brand] ??= new Brand($brand),
            new Price((int) $cents, Currency::from($currency)),
            new DateTimeImmutable($since),
            explode(' ', $tags),
        );
    }

    return $products;
}
