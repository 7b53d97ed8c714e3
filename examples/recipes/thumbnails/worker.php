<?php

declare(strict_types=1);

// Makes a thumbnail of each size that a task asks for, says so after each, and where they are at the end.

/** More pixels take more than 100 MB while they are scaled. */
const PIXELS_MAX = 25_000_000;

function thumbnail(GdImage $image, int $size, string $path): void
{
    [$width, $height] = [imagesx($image), imagesy($image)];
    $scale = min(1, $size / max($width, $height));
    $small = imagescale($image, max(1, (int) ($width * $scale)), max(1, (int) ($height * $scale)));
    if ($small === false || !imagepng($small, $path)) {
        throw new RuntimeException("$path could not be written");
    }
}

function image_of(string $file): ?GdImage
{
    [$width, $height] = @getimagesize($file) ?: [0, 0];
    if ($width * $height === 0 || $width * $height > PIXELS_MAX) {
        return null;
    }

    return @imagecreatefromstring(file_get_contents($file)) ?: null;
}

function work_on(FrankenPHP\ReceivedTaskHandle $task): void
{
    ['file' => $file, 'id' => $id, 'sizes' => $sizes] = $task->getPayload();
    $image = image_of($file);
    if ($image === null) {
        $task->complete(['error' => 'this is no image, or one that is too large']);
        return;
    }
    $made = [];
    foreach ($sizes as $size) {
        thumbnail($image, $size, __DIR__ . "/public/thumbnails/$id-$size.png");
        $made[$size] = "/thumbnails/$id-$size.png";
        $task->update(['done' => count($made), 'of' => count($sizes)]);
    }
    $task->complete(['thumbnails' => $made]);
}

@mkdir(__DIR__ . '/public/thumbnails');
$worker = new FrankenPHP\WorkerHandle();
while ($worker->tick()) {
    while ($task = $worker->receive()) {
        try {
            work_on($task);
        } catch (RuntimeException $error) {
            // The browser has gone, or the disk is full: the next task may be luckier.
            frankenphp_log("a thumbnail: {$error->getMessage()}", 4);
        }
        // Without the handle the sender hears of it at once, if the task is still open.
        unset($task);
    }
    $readable = [$worker->getStream()];
    $none = null;
    stream_select($readable, $none, $none, null);
}
