<?php
http_response_code((int) ($_GET['status'] ?? 200));
if (isset($_GET['raw'])) {
    header('Status: 402 Own Words');
}
if (($_GET['status'] ?? '') === '301') {
    header('Location: /elsewhere');
}
header('X-Script: yes');
header('X-Script-Set: script');
header('X-Two: one');
header('X-Two: two', false);
header('Cache-Control: private');
header('Content-Type: text/x-script; charset=utf-8');
setcookie('a', '1');
echo "headers\n";
