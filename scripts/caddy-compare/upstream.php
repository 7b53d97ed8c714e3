<?php
/** The server behind the proxies: PHP's own for development. It says what it was asked. */
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
header_remove('X-Powered-By');
header('X-Own: upstream');
switch ($path) {
    case '/status':
        http_response_code((int) $_SERVER['QUERY_STRING']);
        if ($_SERVER['QUERY_STRING'] === '302') {
            header('Location: /elsewhere');
        }
        echo $_SERVER['QUERY_STRING'] === '204' ? '' : "status {$_SERVER['QUERY_STRING']}\n";
        break;
    case '/fields':
        header('X-Two: one');
        header('X-Two: two', false);
        header('Set-Cookie: a=1');
        header('Set-Cookie: b=2', false);
        header('Content-Type: text/x-own');
        echo "fields\n";
        break;
    case '/page':
        header('X-Page: yes');
        echo "page\n";
        break;
    case '/long':
        header('Content-Type: text/plain');
        echo str_repeat("a long text\n", 500);
        break;
    case '/auth':
        if (!isset($_SERVER['HTTP_X_PASS'])) {
            http_response_code(401);
            header('WWW-Authenticate: Own');
            echo "who are you?\n";
            break;
        }
        header('X-User: alice');
        header('X-Group: staff');
        break;
    default:
        header('Content-Type: text/plain');
        // Caddy's client always takes gzip, and says of a PUT without a body that its length is 0.
        $fields = array_diff_assoc(getallheaders(), ['Accept-Encoding' => 'gzip', 'Content-Length' => '0']);
        ksort($fields, SORT_FLAG_CASE | SORT_STRING);
        echo "{$_SERVER['REQUEST_METHOD']} {$_SERVER['REQUEST_URI']}\n";
        foreach ($fields as $name => $value) {
            echo strtolower($name), ": $value\n";
        }
        echo "\n", file_get_contents('php://input');
}
