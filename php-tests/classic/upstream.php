<?php

// Reads a body of any size in pieces and answers with its length and hash.

$hash = hash_init('sha256');
$length = 0;
$input = fopen('php://input', 'rb');
while (!feof($input)) {
    $piece = fread($input, 65536);
    $length += strlen($piece);
    hash_update($hash, $piece);
}
echo json_encode(['length' => $length, 'hash' => hash_final($hash), 'peak' => memory_get_peak_usage()]);
