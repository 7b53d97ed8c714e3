<?php

declare(strict_types=1);

namespace App;

use Illuminate\Http\Request;
use Illuminate\Support\Facades\Route;
use Illuminate\Support\ServiceProvider;
use RuntimeException;

final class Routes extends ServiceProvider
{
    private static int $requests = 0;

    public function boot(): void
    {
        Route::middleware('web')->group(static function (): void {
            Route::get('/visits', static function (Request $request): string {
                $request->session()->put('visits', $request->session()->get('visits', 0) + 1);
                return "visit {$request->session()->get('visits')}\n";
            });
        });
        Route::get('/', static fn (Request $request): string => "<h1>Hello from Laravel</h1>\n<p>{$request->fullUrl()}</p>\n");
        Route::post('/greet', static fn (Request $request): string => "Hello {$request->input('name')}\n");
        // What stays between two requests, and what does not: each request has a copy of the application.
        Route::get('/state', static function (): array {
            $mark = app()->bound('mark');
            app()->instance('mark', true);
            return ['requests of the thread' => ++self::$requests, 'mark of another request' => $mark];
        });
        Route::get('/old', static fn () => redirect('/'));
        Route::get('/fail', static fn () => throw new RuntimeException('this page fails'));
        Route::get('/stream', static fn () => response()->stream(static function (): void {
            for ($line = 1; $line <= 3; $line++) {
                echo "line $line\n";
                flush();
            }
        }));
    }
}
