<?php

// The front controller: gets every request that names no file.

echo json_encode(['front' => $_SERVER['REQUEST_URI'], 'script' => $_SERVER['SCRIPT_NAME'], 'q' => $_GET['q'] ?? null]);
