<?php

declare(strict_types=1);

namespace Training\Blog;

final class Router
{
    /** @var list<array{string, string, string}> */
    private array $routes = [];

    public function __construct(string $controller = Posts::class)
    {
        foreach ((new \ReflectionClass($controller))->getMethods(\ReflectionMethod::IS_PUBLIC) as $method) {
            foreach ($method->getAttributes(Route::class) as $attribute) {
                $route = $attribute->newInstance();
                $this->routes[] = [$route->method, $route->pattern(), $method->getName()];
            }
        }
    }

    /** @return array{string, array<string, int|string>} the method of the controller, and its arguments */
    public function match(Request $request): array
    {
        foreach ($this->routes as [$method, $pattern, $name]) {
            if ($method === $request->method && preg_match($pattern, rawurldecode($request->path), $found) === 1) {
                $arguments = array_filter($found, is_string(...), ARRAY_FILTER_USE_KEY);

                return [$name, array_map(static fn (string $value): int|string => ctype_digit($value) ? (int) $value : $value, $arguments)];
            }
        }
        throw new \OutOfBoundsException("nothing answers $request->method $request->path");
    }
}
