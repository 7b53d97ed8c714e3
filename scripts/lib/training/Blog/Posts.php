<?php

declare(strict_types=1);

namespace Training\Blog;

final class Posts
{
    /** @var array<int, Post> */
    private array $posts = [];

    public function __construct(private readonly Log $log)
    {
        foreach (range(1, 25) as $id) {
            $this->posts[$id] = new Post([
                'id' => $id,
                'title' => " Post number $id: Ünder the bridge ",
                'text' => str_repeat("Some words of post $id. ", 4),
                'tags' => array_values(array_filter(['php', 'web', 'news'], static fn (string $tag): bool => strlen($tag) % 2 === $id % 2)),
            ]);
        }
    }

    #[Route('/posts')]
    public function list(Request $request): array
    {
        $posts = $this->posts;
        uasort($posts, static fn (Post $one, Post $other): int => strcmp($one->slug, $other->slug));

        return ['for' => $request->get('name'), 'language' => $request->get('language'), 'posts' => array_slice(array_values($posts), 0, 10)];
    }

    #[Route('/posts/{id}')]
    public function show(Request $request, int $id): Post
    {
        return $this->posts[$id] ?? throw new \OutOfBoundsException("no post $id");
    }

    #[Route('/posts', 'POST')]
    public function add(Request $request): Response
    {
        $post = new Post($request->json());
        $post['id'] = count($this->posts) + 1;
        isset($post['title']) || throw new \OutOfBoundsException('no title');
        $post['copy'] = unserialize(serialize($post->jsonSerialize()), ['allowed_classes' => false]);

        return new JsonResponse($this->posts[$post['id']] = $post, 201);
    }

    #[Route('/posts/{id}/comments/{number}')]
    public function comment(Request $request, int $id, int $number): array
    {
        return ['post' => $this->show($request, $id)->slug, 'comment' => $number, 'log' => $this->log->lines()];
    }

    #[Route('/tags/{tag}')]
    public function tagged(Request $request, string $tag): array
    {
        $found = [];
        foreach ($this->posts as $post) {
            foreach ($post->tags as $name) {
                $found[$name]['slugs'][$post->id] ??= $post->slug;
                $found[$name]['ids'][] = $post->id;
            }
        }

        return ['tag' => $tag, 'ids' => $found[$tag]['ids'] ?? [], 'all' => array_map(count(...), $found)];
    }
}
