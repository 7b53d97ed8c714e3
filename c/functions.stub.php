<?php

/**
 * The functions that Igor registers in the SAPI `frankenphp`.
 *
 * functions_arginfo.h is the same for the engine, stubs/igor.php for people and their tools; tests compare all of them.
 */

/** @return resource */
function frankenphp_get_worker_handle() {}

function frankenphp_require_background_worker(string $name, float $timeout = 30.0): void {}

function frankenphp_ensure_background_worker(string|array $name, ?float $timeout = null): void {}

function frankenphp_set_vars(array $vars): void {}

function frankenphp_get_vars(string|array $name): array {}

function frankenphp_handle_request(callable $callback): bool {}

function frankenphp_finish_request(): bool {}

/** @alias frankenphp_finish_request */
function fastcgi_finish_request(): bool {}

function headers_send(int $status = 200): int {}

function frankenphp_request_headers(): array {}

/** @alias frankenphp_request_headers */
function apache_request_headers(): array {}

/** @alias frankenphp_request_headers */
function getallheaders(): array {}

function frankenphp_response_headers(): array|bool {}

/** @alias frankenphp_response_headers */
function apache_response_headers(): array|bool {}

/** @param array<string, mixed> $context */
function frankenphp_log(string $message, int $level = 0, array $context = []): void {}

/** @param string|string[] $topics */
function mercure_publish(string|array $topics, string $data = '', bool $private = false, ?string $id = null, ?string $type = null, ?int $retry = null): string {}
