<?php

while (frankenphp_handle_request(static function (): void {
    echo 'Hello, world';
})) {
}
