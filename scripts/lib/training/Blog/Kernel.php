<?php

declare(strict_types=1);

namespace Training\Blog;

final class Kernel
{
    use Listens;

    private Container $container;

    public function __construct()
    {
        $this->container = new Container();
        $log = $this->container->get(Log::class);
        $this->listen('answered', static function (Request $request, Response $response) use ($log): void {
            $log->add('{path}: {status}', ['path' => $request->path, 'status' => $response->status, 'request' => $request]);
        });
        $this->listen('answered', [$this, 'count'], 10);
    }

    public function count(Request $request, Response $response): void
    {
        static $counts = [];
        $counts[$request->method] = ($counts[$request->method] ?? 0) + 1;
        $response->headers['x-count'] = (string) $counts[$request->method];
    }

    public function handle(Request $request): Response
    {
        $handler = array_reduce(
            [Names::class, Errors::class],
            fn (\Closure $next, string $class): \Closure => fn (Request $request): Response => $this->container->get($class)->handle($request, $next),
            $this->dispatch(...),
        );
        $response = $handler($request);
        $this->tell('answered', $request, $response);

        return $response;
    }

    private function dispatch(Request $request): Response
    {
        [$method, $arguments] = $this->container->get(Router::class)->match($request);
        $result = call_user_func_array([$this->container->get(Posts::class), $method], ['request' => $request] + $arguments);

        return $result instanceof Response ? $result : new JsonResponse($result);
    }
}
