<?php

declare(strict_types=1);

namespace Training\Blog;

final class JsonResponse extends Response
{
    public function __construct(mixed $data, int $status = 200)
    {
        $body = json_encode($data, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_PRESERVE_ZERO_FRACTION);
        parent::__construct($body, $status, ['content-type' => 'application/json', 'etag' => '"' . md5($body) . '"']);
    }
}
