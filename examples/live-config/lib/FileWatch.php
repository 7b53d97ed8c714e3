<?php

declare(strict_types=1);

/**
 * Waits until something may have changed in a directory, or the worker is asked to end. Uses inotify where PHP has the
 * extension, and otherwise lets a short time pass.
 */
final class FileWatch
{
    private const LOOK_EVERY_MS = 250;
    /** With inotify: now and then all the same, for file systems of other machines, about which it is silent. */
    private const LOOK_ANYWAY_EVERY_MS = 5000;

    /** @var resource|null */
    private $inotify = null;

    public function __construct(string $directory)
    {
        if (function_exists('inotify_init')) {
            $this->inotify = inotify_init();
            stream_set_blocking($this->inotify, false);
            // The directory, for most editors save by putting a new file in the place of the old one.
            inotify_add_watch(
                $this->inotify,
                $directory,
                IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE,
            );
        }
    }

    /** How it learns of changes. */
    public function method(): string
    {
        return $this->inotify === null ? 'polling' : 'inotify';
    }

    /**
     * Waits, not long if $soon. False: the worker is to end.
     *
     * @param resource $handle the worker's handle, which becomes readable when the server wants the script to end
     */
    public function wait($handle, bool $soon): bool
    {
        $readable = $this->inotify === null ? [$handle] : [$handle, $this->inotify];
        $writable = $exceptional = null;
        $ms = $this->inotify === null || $soon ? self::LOOK_EVERY_MS : self::LOOK_ANYWAY_EVERY_MS;
        $count = stream_select($readable, $writable, $exceptional, intdiv($ms, 1000), $ms % 1000 * 1000);
        if ($this->inotify !== null) {
            // Which file it was does not matter; what was read is not reported again.
            inotify_read($this->inotify);
        }
        return $count !== false && !in_array($handle, $readable, true);
    }
}
