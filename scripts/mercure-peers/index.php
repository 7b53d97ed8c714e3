<?php

// A worker in the shape of a Symfony application: Symfony's component publishes to the hub, and authorizes the browser.

declare(strict_types=1);

use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Mercure\Authorization;
use Symfony\Component\Mercure\Hub;
use Symfony\Component\Mercure\HubRegistry;
use Symfony\Component\Mercure\Jwt\FactoryTokenProvider;
use Symfony\Component\Mercure\Jwt\TokenFactoryInterface;
use Symfony\Component\Mercure\Update;

require 'Symfony/Component/Mercure/autoload.php';

const TITLE = 'Welcome';

/** Debian has no package of the library that Symfony's own factory needs. */
final class TokenFactory implements TokenFactoryInterface
{
    public function create(?array $subscribe = [], ?array $publish = [], array $additionalClaims = []): string
    {
        $encoded = static fn (string $bytes): string => rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
        $expires = ($additionalClaims['exp'] ?? null)?->getTimestamp() ?? time() + 3600;
        $claims = ['mercure' => ['subscribe' => $subscribe, 'publish' => $publish, 'payload' => ['name' => 'Ann']], 'exp' => $expires];
        $message = $encoded('{"alg":"HS256","typ":"JWT"}') . '.' . $encoded(json_encode($claims));
        return $message . '.' . $encoded(hash_hmac('sha256', $message, $_SERVER['MERCURE_PUBLISHER_JWT_KEY'], true));
    }
}

function hub(): Hub
{
    static $hub = null;
    $factory = new TokenFactory();
    $url = "http://{$_SERVER['HTTP_HOST']}/.well-known/mercure";
    return $hub ??= new Hub($url, new FactoryTokenProvider($factory, [], ['*']), $factory);
}

function page(): void
{
    $topics = ['/news/{id}', '/.well-known/mercure/subscriptions{/topic}{/subscriber}'];
    $authorization = new Authorization(new HubRegistry(hub()));
    header('Set-Cookie: ' . $authorization->createCookie(Request::createFromGlobals(), $topics));
    $query = implode('&', array_map(static fn (string $topic): string => 'topic=' . rawurlencode($topic), $topics));
    $hot = json_encode($_SERVER['FRANKENPHP_HOT_RELOAD'] ?? null);
    $title = TITLE;
    echo <<<HTML
        <!doctype html>
        <title>$title</title>
        <p id="state">closed</p>
        <ul></ul>
        <script>
            const list = document.querySelector('ul');
            const line = (text) => list.append(Object.assign(document.createElement('li'), {textContent: text}));
            const count = (text) => [...list.children].filter((item) => item.textContent === text).length;
            let stream, last, opened = 0;
            const connect = (query) => {
                stream = new EventSource('/.well-known/mercure?$query' + query);
                stream.onopen = () => document.querySelector('#state').textContent = `open \${++opened}`;
                stream.onmessage = (event) => {
                    last = event.lastEventId;
                    const data = event.data.startsWith('{') ? JSON.parse(event.data) : event.data;
                    line(data.type === 'Subscription' ? `\${data.topic} \${data.active} \${data.payload?.name}` : data);
                };
                stream.addEventListener('sale', (event) => {
                    last = event.lastEventId;
                    line(`sale: \${event.data}`);
                });
            };
            connect('');
            if ($hot) new EventSource($hot).onmessage = () => location.reload();
        </script>
        HTML;
}

function publish(): void
{
    $update = new Update($_GET['topic'], $_GET['data'], isset($_GET['private']), null, $_GET['type'] ?? null);
    echo hub()->publish($update);
}

while (frankenphp_handle_request(static fn () => $_SERVER['REQUEST_URI'] === '/' ? page() : publish())) {
}
