<?php
echo $_SERVER['REQUEST_METHOD'], ' ', $_SERVER['CONTENT_LENGTH'] ?? 'none', ' ', strlen(file_get_contents('php://input')), "\n";
