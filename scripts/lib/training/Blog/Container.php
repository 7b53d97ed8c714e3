<?php

declare(strict_types=1);

namespace Training\Blog;

/** Makes services with what their constructors ask for. */
final class Container
{
    /** @var array<class-string, object> */
    private array $services = [];

    public function get(string $class): object
    {
        if (isset($this->services[$class])) {
            return $this->services[$class];
        }
        $arguments = [];
        foreach ((new \ReflectionClass($class))->getConstructor()?->getParameters() ?? [] as $parameter) {
            $type = $parameter->getType();
            $arguments[] = $type instanceof \ReflectionNamedType && !$type->isBuiltin()
                ? $this->get($type->getName())
                : $parameter->getDefaultValue();
        }

        return $this->services[$class] = new $class(...$arguments);
    }
}
