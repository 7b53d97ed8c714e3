<?php

declare(strict_types=1);

namespace App;

use Symfony\Component\Messenger\Transport\Serialization\SerializerInterface;
use Symfony\Component\Messenger\Transport\TransportFactoryInterface;
use Symfony\Component\Messenger\Transport\TransportInterface;

/** Makes transports of `igor://WORKER?store=messages&patience=0.1&redeliver_after=3600`; in Symfony, autoconfiguration finds it. */
final class TaskTransportFactory implements TransportFactoryInterface
{
    public function createTransport(string $dsn, array $options, SerializerInterface $serializer): TransportInterface
    {
        parse_str(parse_url($dsn, PHP_URL_QUERY) ?? '', $query);
        $options = $query + $options;

        return new TaskTransport(
            $serializer,
            parse_url($dsn, PHP_URL_HOST),
            $options['store'] ?? 'messages',
            (float) ($options['patience'] ?? 0.1),
            (float) ($options['redeliver_after'] ?? 3600),
        );
    }

    public function supports(string $dsn, array $options): bool
    {
        return str_starts_with($dsn, 'igor://');
    }
}
