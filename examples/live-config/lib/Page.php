<?php

declare(strict_types=1);

/** Answers a request with the settings, as a page or (below /api) as JSON. */
final class Page
{
    /** A number like 1e999 is infinite in PHP, which JSON cannot say: it is shown as 0 and fails nothing. */
    public const JSON_FLAGS = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_PARTIAL_OUTPUT_ON_ERROR;

    private int $requests = 0;

    public function __construct(private readonly string $mode)
    {
    }

    public function answer(): void
    {
        $this->requests++;
        $started = hrtime(true);
        $snapshot = frankenphp_get_vars('settings');
        $readNs = hrtime(true) - $started;

        $view = [
            'settings' => $snapshot['settings'],
            'revision' => $snapshot['revision'],
            'age_seconds' => $snapshot['loaded_at'] === null ? null : round(microtime(true) - $snapshot['loaded_at'], 1),
            'error' => $snapshot['error']['message'] ?? null,
            'watched_by' => $snapshot['watched_by'],
            'answered_by' => [
                'mode' => $this->mode,
                'thread' => self::thread(),
                'requests_of_this_run' => $this->requests,
                'read_ns' => $readNs,
            ],
        ];
        header('Cache-Control: no-store');
        $path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) ?: '/';
        match (true) {
            str_ends_with($path, '/api') => self::json($view),
            $path === '/', $path === $_SERVER['SCRIPT_NAME'] => self::html($view),
            default => self::notFound(),
        };
    }

    private static function json(array $view): void
    {
        header('Content-Type: application/json');
        echo json_encode($view, JSON_PRETTY_PRINT | self::JSON_FLAGS), "\n";
    }

    private static function html(array $view): void
    {
        header('Content-Type: text/html; charset=utf-8');
        $rows = self::rows($view['settings']);
        $title = self::text($view['settings'], 'title', 'Live settings');
        $notice = self::text($view['settings'], 'notice', '');
        $accent = self::text($view['settings'], 'accent', '');
        if (!preg_match('/^#[0-9a-f]{6}$/iD', $accent)) {
            $accent = '#1f6f78';
        }
        require __DIR__ . '/page.html.php';
    }

    private static function notFound(): void
    {
        http_response_code(404);
        header('Content-Type: text/plain; charset=utf-8');
        echo "Nothing is here. The settings are at / and at /api.\n";
    }

    /** The settings as one list, with the names of the levels joined by dots. */
    private static function rows(array $settings, string $prefix = ''): array
    {
        $rows = [];
        foreach ($settings as $name => $value) {
            if (is_array($value) && $value !== [] && !array_is_list($value)) {
                $rows += self::rows($value, "$prefix$name.");
            } else {
                $rows["$prefix$name"] = $value;
            }
        }
        return $rows;
    }

    private static function text(array $settings, string $name, string $default): string
    {
        $value = $settings[$name] ?? null;
        return is_string($value) ? $value : $default;
    }

    /** The server names its threads; Linux shows the name of the one that reads this file. */
    private static function thread(): string
    {
        return trim(@file_get_contents('/proc/thread-self/comm') ?: 'unknown');
    }
}
