<?php

while (frankenphp_handle_request(static function (): void {
    echo frankenphp_get_vars('publish')['key-999']['number'] === 999 ? 'Hello, world' : '?';
})) {
}
