<?php

declare(strict_types=1);

use Symfony\Component\VarExporter\Instantiator;

/**
 * Graphs of objects as arrays, which can be published, and back. Only arrays, scalars and enum cases can be.
 *
 * An object is written once, however often it is referred to, and only after those that it refers to. So readonly properties get
 * their values when their object is made, and a circle is refused. Objects of PHP's own classes, dates for example, become the text
 * of serialize().
 *
 * Where the extension deepclone is loaded, its functions do this faster, and take circles.
 */
final class ObjectGraph
{
    /** @var list<array{string, array<string, array<string, mixed>>, array<string, array<string, mixed>>}|string> */
    private array $objects = [];
    /** @var SplObjectStorage<object, ?int> the place of each object; null while it is being written */
    private SplObjectStorage $places;

    private function __construct()
    {
        $this->places = new SplObjectStorage();
    }

    /** What can be published of a value. */
    public static function toArray(mixed $value): array
    {
        if (function_exists('deepclone_to_array')) {
            return deepclone_to_array($value);
        }
        $graph = new self();
        [$root, $mask] = $graph->plain($value);

        return ['objects' => $graph->objects, 'root' => $root, 'mask' => $mask];
    }

    /** The value again, with new objects. */
    public static function fromArray(array $array): mixed
    {
        if (function_exists('deepclone_from_array')) {
            return deepclone_from_array($array);
        }
        $objects = [];
        foreach ($array['objects'] as $object) {
            if (is_string($object)) {
                $objects[] = unserialize($object);
                continue;
            }
            [$class, $properties, $masks] = $object;
            foreach ($masks as $scope => $mask) {
                $properties[$scope] = self::filled($properties[$scope], $mask, $objects);
            }
            $objects[] = Instantiator::instantiate($class, [], $properties);
        }

        return self::filled($array['root'], $array['mask'], $objects);
    }

    /**
     * A value in which each object is the number of its place, and where those are: true, or an array of the keys that lead to them.
     *
     * @return array{mixed, array|bool|null}
     */
    private function plain(mixed $value): array
    {
        if (is_object($value) && !$value instanceof UnitEnum) {
            return [$this->place($value), true];
        }
        $masks = [];
        foreach (is_array($value) ? $value : [] as $key => $element) {
            [$value[$key], $mask] = $this->plain($element);
            $mask === null || $masks[$key] = $mask;
        }

        return [$value, $masks ?: null];
    }

    private function place(object $object): int
    {
        if ($this->places->contains($object)) {
            return $this->places[$object] ?? throw new LogicException('an object of class ' . $object::class . ' refers to itself');
        }
        $this->places[$object] = null;
        $class = new ReflectionClass($object);
        if ($class->isInternal() && !$object instanceof stdClass) {
            $this->objects[] = serialize($object);
        } else {
            $this->objects[] = [$object::class, ...$this->properties($object)];
        }

        return $this->places[$object] = count($this->objects) - 1;
    }

    /** The properties by the class that declares them, and where objects are among them. */
    private function properties(object $object): array
    {
        $properties = $masks = [];
        foreach ((array) $object as $name => $value) {
            $parts = explode("\0", (string) $name);
            $name = end($parts);
            // "\0class\0name" is private, "\0*\0name" protected.
            $scope = count($parts) === 3 && $parts[1] !== '*' ? $parts[1] : self::scope($object, $name);
            [$properties[$scope][$name], $mask] = $this->plain($value);
            $mask === null || $masks[$scope][$name] = $mask;
        }

        return [$properties, $masks];
    }

    private static function scope(object $object, string $name): string
    {
        return property_exists($object, $name) && !$object instanceof stdClass
            ? (new ReflectionProperty($object, $name))->getDeclaringClass()->name
            : $object::class;
    }

    private static function filled(mixed $value, array|bool|null $mask, array $objects): mixed
    {
        if ($mask === true) {
            return $objects[$value];
        }
        foreach ($mask ?? [] as $key => $inner) {
            $value[$key] = self::filled($value[$key], $inner, $objects);
        }

        return $value;
    }
}
