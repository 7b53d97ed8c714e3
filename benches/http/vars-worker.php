<?php

while (frankenphp_handle_request(static function (): void {
    echo 'Hello, world', frankenphp_get_vars('publish')['key-999']['number'] === 999 ? '' : '?';
})) {
}
