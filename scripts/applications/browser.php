<?php
// Runs steps in a headless Chromium, by the WebDriver protocol.
//
//   browser.php BASE STEP…
//
// A STEP is: "go PATH"; "type CSS TEXT" (CSS without a space), replacing the field's content; "click CSS"; "see TEXT",
// which waits until the page's text contains it; "gone TEXT", the opposite; "size WIDTH HEIGHT"; "scheme dark" or
// "scheme light"; "clear CSS"; "focus CSS"; "keys TEXT", typed where the focus is, with ⏎, ⎋ and ⇥ for keys; "picture FILE", a PNG; "shell COMMAND"; "script CODE". After a failure the page is in
// $BROWSER_FOLDER/browser.html.

const SECONDS_MAX = 30;

function fail(string $message): never
{
    fwrite(STDERR, "error: $message\n");
    exit(1);
}

/** Calls the driver and returns the value of its response, or null if it refuses. */
function call(string $method, string $path, ?array $body = null, ?array &$error = null): mixed
{
    global $driver;
    $request = curl_init("http://127.0.0.1:$driver$path");
    curl_setopt_array($request, [
        CURLOPT_CUSTOMREQUEST => $method,
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => SECONDS_MAX,
    ]);
    if ($method === 'POST') {
        curl_setopt($request, CURLOPT_POSTFIELDS, json_encode($body ?? new stdClass()));
    }
    $answer = curl_exec($request);
    $value = json_decode((string) $answer, true)['value'] ?? null;
    if (is_array($value) && isset($value['error'])) {
        $error = $value;
        return null;
    }
    return $value;
}

/** Repeats until the function returns neither null nor false. */
function wait_for(string $what, callable $function): mixed
{
    $until = microtime(true) + SECONDS_MAX;
    do {
        $value = $function();
        if ($value !== null && $value !== false) {
            return $value;
        }
        usleep(50_000);
    } while (microtime(true) < $until);
    global $session;
    file_put_contents(getenv('BROWSER_FOLDER') . '/browser.html', (string) call('GET', "/session/$session/source"));
    fail("the browser waits in vain for: $what");
}

function element(string $css): string
{
    global $session;
    $found = wait_for("an element $css", static fn () => call('POST', "/session/$session/element", ['using' => 'css selector', 'value' => $css]));
    return "/session/$session/element/" . current($found);
}

/** Does something to an element as soon as the page allows it. */
function act(string $css, string $action, array $body): void
{
    wait_for("$action on $css", static function () use ($css, $action, $body): bool {
        $error = null;
        call('POST', element($css) . "/$action", $body ?: null, $error);
        return $error === null;
    });
}

function step(string $step): void
{
    global $session, $base;
    [$verb, $rest] = explode(' ', $step, 2);
    switch ($verb) {
        case 'go':
            call('POST', "/session/$session/url", ['url' => $base . $rest], $error);
            $error === null || fail("$step: {$error['message']}");
            break;
        case 'type':
            [$css, $text] = explode(' ', $rest, 2);
            act($css, 'clear', []);
            act($css, 'value', ['text' => $text]);
            break;
        case 'clear':
            // By a key, so that the page notices.
            act($rest, 'clear', []);
            act($rest, 'value', ['text' => " \u{E003}"]);
            break;
        case 'focus':
            $code = 'const found = document.querySelector(arguments[0]); found && found.focus(); return !!found';
            wait_for($step, static fn () => call('POST', "/session/$session/execute/sync", ['script' => $code, 'args' => [$rest]]));
            break;
        case 'keys':
            $actions = [];
            foreach (mb_str_split(strtr($rest, ['⏎' => "\u{E007}", '⎋' => "\u{E00C}", '⇥' => "\u{E004}"])) as $key) {
                array_push($actions, ['type' => 'keyDown', 'value' => $key], ['type' => 'keyUp', 'value' => $key]);
            }
            call('POST', "/session/$session/actions", ['actions' => [['type' => 'key', 'id' => 'keyboard', 'actions' => $actions]]]);
            break;
        case 'click':
            act($rest, 'click', []);
            break;
        case 'script':
            call('POST', "/session/$session/execute/sync", ['script' => $rest, 'args' => []], $error);
            $error === null || fail("$step: {$error['message']}");
            break;
        case 'see':
            $code = 'return document.body ? document.body.innerText + document.title : ""';
            wait_for($step, static fn () => str_contains(
                (string) call('POST', "/session/$session/execute/sync", ['script' => $code, 'args' => []]),
                $rest,
            ));
            break;
        case 'gone':
            $code = 'return document.body.innerText';
            wait_for($step, static fn () => !str_contains(
                (string) call('POST', "/session/$session/execute/sync", ['script' => $code, 'args' => []]),
                $rest,
            ));
            break;
        case 'size':
            [$width, $height] = array_map(intval(...), explode(' ', $rest));
            call('POST', "/session/$session/goog/cdp/execute", ['cmd' => 'Emulation.setDeviceMetricsOverride',
                'params' => ['width' => $width, 'height' => $height, 'deviceScaleFactor' => 1, 'mobile' => false]]);
            break;
        case 'scheme':
            call('POST', "/session/$session/goog/cdp/execute", ['cmd' => 'Emulation.setEmulatedMedia',
                'params' => ['features' => [['name' => 'prefers-color-scheme', 'value' => $rest]]]]);
            break;
        case 'picture':
            file_put_contents($rest, base64_decode((string) call('GET', "/session/$session/screenshot")));
            break;
        case 'shell':
            passthru($rest, $status);
            $status === 0 || fail("$step: status $status");
            break;
        default:
            fail("there is no step $verb");
    }
}

$base = $argv[1];
$log = getenv('BROWSER_FOLDER') . '/chromedriver.log';
$process = proc_open(
    ['chromedriver', '--port=0'],
    [['file', '/dev/null', 'r'], ['pipe', 'w'], ['file', $log, 'w']],
    $pipes,
) ?: fail('chromedriver does not start');
register_shutdown_function(static function () use (&$session, $process): void {
    $session === null || call('DELETE', "/session/$session");
    proc_terminate($process);
    proc_close($process);
});
$driver = null;
while ($driver === null && ($line = fgets($pipes[1])) !== false) {
    $driver = preg_match('/successfully on port (\d+)/', $line, $match) ? (int) $match[1] : null;
}
$driver ?? fail("chromedriver says no port; see $log");
$options = ['args' => ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--window-size=1280,1024']];
$error = null;
$session = call('POST', '/session', ['capabilities' => ['alwaysMatch' => ['goog:chromeOptions' => $options]]], $error)['sessionId'] ?? null;
$session ?? fail('Chromium does not start: ' . json_encode($error));
foreach (array_slice($argv, 2) as $step) {
    step($step);
}
