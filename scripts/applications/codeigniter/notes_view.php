<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Notes</title></head>
<body>
<h1>Notes</h1>
<ul>
<?php foreach ($notes as $note) : ?>
    <li><?= esc($note['text']) ?></li>
<?php endforeach ?>
</ul>
<form method="post" action="/notes/write"><input name="text"><button>Write</button></form>
</body>
</html>
