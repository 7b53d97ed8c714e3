<?php

declare(strict_types=1);

namespace Training\Blog;

final class Post extends Model
{
    public function getSlug(): string
    {
        return trim(preg_replace('/[^\pL\d]+/u', '-', mb_strtolower((string) $this->title)), '-');
    }

    public function jsonSerialize(): array
    {
        return ['slug' => $this->slug, 'words' => str_word_count((string) $this->text)] + parent::jsonSerialize();
    }
}
