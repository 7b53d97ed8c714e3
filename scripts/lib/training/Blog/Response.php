<?php

declare(strict_types=1);

namespace Training\Blog;

class Response
{
    public function __construct(public readonly string $body = '', public readonly int $status = 200, public array $headers = [])
    {
        $this->headers += ['content-type' => 'text/plain', 'content-length' => (string) strlen($body)];
    }
}
