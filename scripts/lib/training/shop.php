<?php

// A page with a database: a list of products, filtered, sorted, paged and shown as HTML, and a form that is checked.
declare(strict_types=1);

interface Shape
{
    public static function of(array $row): self;
}

final class Product implements Shape, JsonSerializable
{
    private function __construct(
        public readonly int $id,
        public readonly string $name,
        public readonly ?string $group,
        public readonly float $price,
        public readonly DateTimeImmutable $since,
    ) {
    }

    public static function of(array $row): self
    {
        return new self((int) $row['id'], $row['name'], $row['grp'], (float) $row['price'], new DateTimeImmutable($row['since']));
    }

    public function jsonSerialize(): mixed
    {
        return get_object_vars($this);
    }
}

final class Products implements IteratorAggregate, Countable
{
    private array $conditions = [];
    private array $values = [];

    public function __construct(private PDO $database, private string $order = 'id', private int $limit = 50)
    {
    }

    public function where(string $column, string $sign, mixed $value): static
    {
        $copy = clone $this;
        $copy->conditions[] = "$column $sign :v" . count($copy->values);
        $copy->values[':v' . count($copy->values)] = $value;

        return $copy;
    }

    public function getIterator(): Generator
    {
        $found = $this->database->prepare("SELECT * FROM products{$this->filter()} ORDER BY $this->order LIMIT $this->limit");
        $found->execute($this->values);
        while ($row = $found->fetch(PDO::FETCH_ASSOC)) {
            yield (int) $row['id'] => Product::of($row);
        }
    }

    public function count(): int
    {
        $found = $this->database->prepare('SELECT COUNT(*) FROM products' . $this->filter());
        $found->execute($this->values);

        return (int) $found->fetchColumn();
    }

    private function filter(): string
    {
        return $this->conditions === [] ? '' : ' WHERE ' . implode(' AND ', $this->conditions);
    }
}

/** @return array<string, string> the message of each field that is wrong */
function wrong(array $form): array
{
    $rules = [
        'name' => static fn (string $value): bool => preg_match('/^[\p{L} .\'-]{2,60}$/u', $value) === 1,
        'mail' => static fn (string $value): bool => filter_var($value, FILTER_VALIDATE_EMAIL) !== false,
        'amount' => static fn (string $value): bool => ctype_digit($value) && $value > 0 && $value < 100,
        'day' => static fn (string $value): bool => (bool) DateTime::createFromFormat('!Y-m-d', $value),
    ];
    $messages = [];
    foreach ($rules as $field => $rule) {
        $value = trim((string) ($form[$field] ?? ''));
        if ($value === '') {
            $messages[$field] = ucfirst("$field is missing");
        } elseif (!$rule($value)) {
            $messages[$field] = sprintf('%s is not valid: "%s"', ucfirst($field), addslashes($value));
        }
    }

    return $messages;
}

$database = new PDO('sqlite::memory:', null, null, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
$database->exec('CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT, grp TEXT, price REAL, since TEXT)');
$database->beginTransaction();
$insert = $database->prepare('INSERT INTO products (name, grp, price, since) VALUES (?, ?, ?, ?)');
foreach (['screw', 'nail', 'hammer', 'saw', 'Säge & "Beil"'] as $at => $name) {
    for ($i = 1; $i <= 12; $i++) {
        $insert->execute(["$name $i", $i % 4 ? 'group ' . $i % 4 : null, ($at + 1) * $i * 0.99, sprintf('2026-%02d-%02d', $i, $at + 1)]);
    }
}
$database->commit();

$all = iterator_to_array((new Products($database))->where('price', '>', 5)->where('name', '<>', 'saw 3'));
$groups = [];
foreach ($all as $id => $product) {
    $groups[$product->group ?? 'none'][] = $product;
}
ksort($groups, SORT_NATURAL);
echo '<p>', count($all), ' of ', count(new Products($database)), "</p>\n";
foreach ($groups as $group => $products) {
    usort($products, static fn (Product $one, Product $other): int => [$one->price, $one->name] <=> [$other->price, $other->name]);
    $html = '';
    foreach (array_slice($products, 0, 10) as $product) {
        $html .= '<tr><td>' . htmlspecialchars($product->name) . '</td><td class="r">' . number_format($product->price, 2) . '</td><td>'
            . $product->since->format('j M Y') . "</td></tr>\n";
    }
    $sum = array_sum(array_map(static fn (Product $product): float => $product->price, $products));
    printf("<h2>%s</h2>\n<table>%s</table><p>%01.2f, %s</p>\n", htmlspecialchars($group), $html, $sum, max(array_column($products, 'name')));
}
echo json_encode(array_values(array_filter($all, static fn (Product $product): bool => $product->id % 5 === 0)), JSON_UNESCAPED_UNICODE), "\n";
foreach ([[], ['name' => 'Ann O\'Hara', 'mail' => 'ann@example.com', 'amount' => '3', 'day' => '2026-01-02'], ['name' => '<b>', 'mail' => 'x@', 'amount' => '-1']] as $form) {
    foreach (wrong($form) as $field => $message) {
        echo "<label for='$field'>", htmlspecialchars($message), "</label>\n";
    }
}
parse_str('a[]=1&a[]=2&b[c]=%C3%A4&page=3', $query);
echo http_build_query(array_merge($query, ['page' => (int) $query['page'] + 1])), "\n";
