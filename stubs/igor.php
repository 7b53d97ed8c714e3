<?php

/**
 * What Igor adds to PHP, for IDEs and static analysers. Nothing in here is ever run.
 *
 * A test compares the functions, their parameters, types and defaults with those of the program.
 */

/**
 * Gives a stream that reaches its end when the server wants this background worker to end: `stream_select()` reports it as
 * readable, and `feof()` is true after a read. Each call gives another stream; closing one does not harm the next.
 *
 * @return resource
 *
 * @throws RuntimeException outside of a background worker, or when the process has no descriptors left
 */
function frankenphp_get_worker_handle() {}

/**
 * Declares that this script needs a background worker, and returns when it has published for the first time.
 *
 * Before the loop of an HTTP worker it starts the worker and throws at the first failed run. In a request of an HTTP worker
 * it starts nothing. Anywhere else it starts the worker and waits, also through failed runs.
 *
 * @param non-empty-string $name    at most 1,024 bytes, none of them NUL
 * @param float            $timeout seconds: finite and greater than 0
 *
 * @throws ValueError       $name or $timeout is not as said above
 * @throws RuntimeException the worker is not declared, failed, was given up, or was not ready in time
 *
 * @phpstan-impure
 */
function frankenphp_require_background_worker(string $name, float $timeout = 30.0): void {}

/**
 * Starts one or several background workers, also from a request of an HTTP worker, and returns when all of them have
 * published for the first time. All are started before the first is waited for.
 *
 * @param non-empty-string|non-empty-array<array-key, non-empty-string> $name    a name, or a list that holds none twice
 * @param float|null                                                    $timeout seconds for all of them together: finite
 *                                                                               and greater than 0; null is 30
 *
 * @throws ValueError       a name, the list or $timeout is not as said above; nothing was started then
 * @throws TypeError        the list holds something that is not a string
 * @throws RuntimeException a worker is not declared, failed, was given up, or was not ready in time
 *
 * @phpstan-impure
 */
function frankenphp_ensure_background_worker(string|array $name, ?float $timeout = null): void {}

/**
 * Publishes $vars in place of what this background worker published before. Every request sees all of it from now on.
 *
 * @param array<array-key, null|bool|int|float|string|UnitEnum|array<array-key, mixed>> $vars the same values at any depth,
 *                                                                                            up to 256 levels
 *
 * @throws ValueError       $vars holds something that cannot be published, or is too large; the message names its place
 * @throws RuntimeException outside of a background worker, or when the system gives no memory
 *
 * @phpstan-impure
 */
function frankenphp_set_vars(array $vars): void {}

/**
 * Gives what a background worker published last, or, for a list of names, `name => what it published`. Never waits, and
 * costs next to nothing.
 *
 * @param string|array<array-key, string> $name
 *
 * @return ($name is string ? array<array-key, mixed> : array<array-key, array<array-key, mixed>>)
 *
 * @throws RuntimeException a name is not declared, or nothing has been published under it yet
 * @throws LogicException   the snapshot holds an enum case that this script does not have
 * @throws TypeError        the list holds something that is not a string
 *
 * @phpstan-impure
 */
function frankenphp_get_vars(string|array $name): array {}

/**
 * Takes the next request of an HTTP worker, and calls $callback with the superglobals of that request.
 *
 * @param callable(): mixed $callback its result is not used
 *
 * @return bool false: the server wants the script to end
 *
 * @throws RuntimeException outside of an HTTP worker, or in the callback itself
 *
 * @phpstan-impure
 */
function frankenphp_handle_request(callable $callback): bool {}

/**
 * Sends the response, and lets the script go on without its client.
 *
 * @return bool false: there is no request, or its response has been finished already
 *
 * @phpstan-impure
 */
function frankenphp_finish_request(): bool {}

/**
 * Another name of frankenphp_finish_request().
 *
 * @return bool false: there is no request, or its response has been finished already
 *
 * @phpstan-impure
 */
function fastcgi_finish_request(): bool {}

/**
 * Sends the headers that header() has gathered, now: as an informational response when $status is one (103, Early Hints),
 * else as those of the response.
 *
 * @return int for an informational response 1 when it was sent, else 0 when the headers were; another number when they
 *             could not be sent, because they have been already or because there is no request
 *
 * @phpstan-impure
 */
function headers_send(int $status = 200): int {}

/**
 * The headers of the request, by their names as the client wrote them.
 *
 * @return array<string, string> empty when there is no request
 *
 * @phpstan-impure
 */
function frankenphp_request_headers(): array {}

/**
 * Another name of frankenphp_request_headers().
 *
 * @return array<string, string> empty when there is no request
 *
 * @phpstan-impure
 */
function apache_request_headers(): array {}

/**
 * Another name of frankenphp_request_headers().
 *
 * @return array<string, string> empty when there is no request
 *
 * @phpstan-impure
 */
function getallheaders(): array {}

/**
 * The headers of the response so far. Of several with one name, the last.
 *
 * @return array<string, string>
 *
 * @phpstan-impure
 */
function frankenphp_response_headers(): array|bool {}

/**
 * Another name of frankenphp_response_headers().
 *
 * @return array<string, string>
 *
 * @phpstan-impure
 */
function apache_response_headers(): array|bool {}

/**
 * Writes a record to the server's log.
 *
 * @param int                  $level   -4 is debug, 0 information, 4 a warning, 8 an error
 * @param array<string, mixed> $context is written behind the message, as JSON
 */
function frankenphp_log(string $message, int $level = 0, array $context = []): void {}

/**
 * Sends an update to the browsers that are subscribed to one of the topics, by the Mercure hub of the script's site.
 *
 * @param string|list<string> $topics  names of the same update, the canonical one first
 * @param string              $data    what the page gets
 * @param bool                $private only subscribers with a matching claim get it
 * @param string|null         $id      the identifier; a random one by default
 * @param string|null         $type    the name of the event, "message" by default
 * @param int|null            $retry   how long a browser waits before it connects again, in milliseconds
 *
 * @return string the identifier
 *
 * @throws RuntimeException if the site has no hub
 * @throws ValueError       if the update is not valid: no topic, or a control character in a topic, the identifier or the type
 */
function mercure_publish(string|array $topics, string $data = '', bool $private = false, ?string $id = null, ?string $type = null, ?int $retry = null): string {}
