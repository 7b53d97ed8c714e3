<?php
/** A long page with the fields that decide whether it is compressed. */
header('Content-Type: ' . ($_GET['type'] ?? 'text/html'));
http_response_code((int) ($_GET['status'] ?? 200));
isset($_GET['vary']) && header('Vary: Cookie');
isset($_GET['etag']) && header('ETag: "tag"');
isset($_GET['encoded']) && header('Content-Encoding: x-own');
isset($_GET['control']) && header('Cache-Control: ' . $_GET['control']);
echo ($_GET['status'] ?? '') === '204' ? '' : str_repeat("a long page\n", 500);
