<?php

declare(strict_types=1);

namespace Training\Blog;

/** Makes a response of what was thrown. */
final class Errors implements Middleware
{
    public function __construct(private readonly Log $log)
    {
    }

    public function handle(Request $request, \Closure $next): Response
    {
        try {
            return $next($request);
        } catch (\JsonException $error) {
            return $this->failed($request, $error, 400);
        } catch (\OutOfBoundsException $error) {
            return $this->failed($request, $error, 404);
        } finally {
            $this->log->add('{method} {path} has ended', ['method' => $request->method, 'path' => $request->path]);
        }
    }

    private function failed(Request $request, \Throwable $error, int $status): Response
    {
        $this->log->add('{class}: {message}', ['class' => $error::class, 'message' => $error->getMessage()]);

        return new JsonResponse(['error' => $error->getMessage(), 'at' => $request->path, 'depth' => count($error->getTrace())], $status);
    }
}
