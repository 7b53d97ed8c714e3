<?php

declare(strict_types=1);

namespace Training\Blog;

/** Who asks, and in which language. */
final class Names implements Middleware
{
    public function handle(Request $request, \Closure $next): Response
    {
        $languages = [];
        foreach (explode(',', $request->header('accept-language', 'de;q=0.5, en, fr;q=0.8')) as $language) {
            [$name, $weight] = explode(';q=', trim($language)) + [1 => '1'];
            $languages[$name] = (float) $weight;
        }
        arsort($languages);
        $response = $next($request->with('language', array_key_first($languages))->with('name', $request->header('X-Name') ?: 'nameless'));
        $response->headers['vary'] = 'accept-language';

        return $response;
    }
}
