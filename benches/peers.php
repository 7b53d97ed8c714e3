<?php

// The other servers of the benchmarks, each with what its manual suggests for speed. All of them are started by the benchmark,
// as the user who runs it.

/** nginx with this content of its `server` block and `$beside` it, a process for each core. */
function nginx(string $scratch, int $port, string $server, string $beside = ''): Server
{
    $folder = "$scratch/nginx-$port";
    mkdir($folder);
    $temporary = '';
    foreach (['client_body', 'fastcgi', 'proxy', 'uwsgi', 'scgi'] as $kind) {
        $temporary .= "    {$kind}_temp_path $folder;\n";
    }
    // Root's own processes, because others could not read what the benchmark has made.
    $user = posix_geteuid() === 0 ? "user root;\n" : '';
    file_put_contents("$folder/nginx.conf", <<<CONF
        daemon off;
        {$user}worker_processes auto;
        pid $folder/nginx.pid;
        error_log $folder/error.log;
        events { worker_connections 4096; }
        http {
            access_log off;
            sendfile on;
            tcp_nopush on;
            keepalive_requests 1000000000;
            client_max_body_size 16m;
            default_type application/octet-stream;
        $temporary
            $beside
            server {
                listen 127.0.0.1:$port reuseport;
        $server
            }
        }
        CONF);

    return new Server(['nginx', '-p', $folder, '-c', "$folder/nginx.conf", '-e', "$folder/error.log"], $port);
}

/** php-fpm with that many processes, at the socket of this name. Its opcache is on, as in the PHP of the same build. */
function php_fpm(string $program, string $name, int $processes): Server
{
    $user = posix_geteuid() === 0 ? "user = root\ngroup = root\n" : '';
    file_put_contents("$name.conf", <<<CONF
        [global]
        daemonize = no
        error_log = $name.log
        log_level = error
        [www]
        {$user}listen = $name.sock
        listen.backlog = 4096
        pm = static
        pm.max_children = $processes
        CONF);

    return new Server([$program, '--nodaemonize', '--fpm-config', "$name.conf", ...(posix_geteuid() === 0 ? ['--allow-to-run-as-root'] : [])],
        "$name.sock");
}

/** The locations of nginx for the php-fpm at the socket of this name. */
function fastcgi_location(string $root): string
{
    return <<<CONF
                root $root;
                location / {
                    include /etc/nginx/fastcgi_params;
                    fastcgi_param SCRIPT_FILENAME \$document_root\$fastcgi_script_name;
                    fastcgi_keep_conn on;
                    fastcgi_pass php;
                }
        CONF;
}

/** PHP's own server, with eight processes and without its log. */
function php_server(int $port, string $root): Server
{
    return new Server([PHP_BINARY, '-d', 'opcache.enable_cli=1', '-q', '-S', "127.0.0.1:$port", '-t', $root], $port,
        ['PHP_CLI_SERVER_WORKERS' => '8']);
}

/** The server `pasir`, which embeds the same libphp. */
function pasir(string $program, int $port, string $root): Server
{
    return new Server([$program, '--quiet', '--address', '127.0.0.1', '--port', (string) $port, $root], $port,
        ['LD_LIBRARY_PATH' => dirname(PHP_BINARY, 2) . '/lib']);
}

/** Asks each server once, and compares the bodies of those that do the same. */
function check_answers(array $measured): void
{
    $expected = [];
    foreach ($measured as $name => [$port, $path, $arguments]) {
        $http = ['timeout' => 30] + ($arguments === '' ? [] : ['method' => 'POST', 'content' => str_repeat('x', 1 << 20),
            'header' => 'Content-Type: application/octet-stream']);
        $body = @file_get_contents("http://127.0.0.1:$port$path", false, stream_context_create(['http' => $http]));
        $kind = in_array($path, ['/large.php', '/upload.php'], true) ? $path : 'hello';
        if ($body === false || $body !== ($expected[$kind] ??= $body)) {
            fwrite(STDERR, "$name has answered $path with: " . substr((string) $body, 0, 200) . "\n");
            exit(1);
        }
    }
}
