<?php

declare(strict_types=1);

/**
 * Turns the content of a JSON file into the snapshot that requests read:
 *
 *     settings   what the file held when it was last in order
 *     revision   how often that has changed
 *     loaded_at  when it changed last, in seconds since 1970
 *     error      null, or why the file as it is now cannot be used: message, since
 */
final class SettingsFile
{
    /** A snapshot is copied into memory of its own, so someone's wrong file must not be read without an end. */
    private const BYTES_MAX = 1024 * 1024;
    private const DEPTH_MAX = 64;

    /** The content that the current snapshot stands for. */
    private ?string $taken = null;
    /** Content that could not be used at the last look, and may have been half a save. */
    private ?string $unsettled = null;

    public function __construct(private readonly string $path)
    {
    }

    /**
     * Looks at the file and returns the snapshot that follows on $snapshot; null when there is nothing to publish yet.
     *
     * The content is compared, not the time of the last change: that one has whole seconds in PHP, in which two edits
     * find room. A few kilobytes come out of the page cache, so a look costs some microseconds.
     */
    public function look(?array $snapshot): ?array
    {
        try {
            $text = $this->read();
            if ($text === $this->taken) {
                $this->unsettled = null;
                return $snapshot;
            }
            $settings = $this->decode($text);
        } catch (UnexpectedValueException $error) {
            return $this->refuse($snapshot, $text ?? '', $error->getMessage());
        }
        $this->taken = $text;
        $this->unsettled = null;
        if ($snapshot !== null && $settings === $snapshot['settings']) {
            return ['error' => null] + $snapshot;
        }
        return [
            'settings' => $settings,
            'revision' => ($snapshot['revision'] ?? 0) + 1,
            'loaded_at' => microtime(true),
            'error' => null,
        ];
    }

    /** Whether the next look should come soon, even if nothing changes any more. */
    public function isUnsettled(): bool
    {
        return $this->unsettled !== null;
    }

    /**
     * The last good settings stay, with the error beside them. An editor may have been in the middle of a save, so it
     * takes two looks at the same content to call it wrong.
     */
    private function refuse(?array $snapshot, string $text, string $message): ?array
    {
        if ($text !== $this->unsettled) {
            $this->unsettled = $text;
            return $snapshot;
        }
        // The good content, if it comes back, must be read again: that clears the error.
        $this->taken = null;
        if ($message === ($snapshot['error']['message'] ?? null)) {
            return $snapshot;
        }
        return ['error' => ['message' => $message, 'since' => microtime(true)]]
            + ($snapshot ?? ['settings' => [], 'revision' => 0, 'loaded_at' => null]);
    }

    private function read(): string
    {
        $text = @file_get_contents($this->path, length: self::BYTES_MAX + 1);
        if ($text === false) {
            throw new UnexpectedValueException($this->name() . ' cannot be read: does it exist, and may the server read it?');
        }
        if (strlen($text) > self::BYTES_MAX) {
            throw new UnexpectedValueException($this->name() . ' is larger than ' . self::BYTES_MAX . ' bytes');
        }
        return $text;
    }

    private function decode(string $text): array
    {
        try {
            $settings = json_decode($text, true, self::DEPTH_MAX, JSON_THROW_ON_ERROR);
        } catch (JsonException $error) {
            throw new UnexpectedValueException($this->name() . ' is not valid JSON: ' . lcfirst($error->getMessage()));
        }
        if (!is_array($settings) || ($settings !== [] && array_is_list($settings))) {
            throw new UnexpectedValueException($this->name() . ' must hold a JSON object: {"name": value, …}');
        }
        return $settings;
    }

    private function name(): string
    {
        return basename($this->path);
    }
}
