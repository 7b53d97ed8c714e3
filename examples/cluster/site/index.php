<?php

header('Content-Type: text/html; charset=utf-8');
header('Refresh: 1');
frankenphp_require_background_worker('clock');
['time' => $time, 'leader' => $leader] = frankenphp_get_vars('clock');
$own = getmypid();
?>
<!doctype html>
<title>A cluster</title>
<p>It is <?= $time ?>, says process <?= $leader ?>.
<p>This page comes from process <?= $own ?><?= $own === $leader ? ', which leads' : '' ?>.
