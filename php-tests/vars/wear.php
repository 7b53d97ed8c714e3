<?php

// Uses strings in every way in which the engine may keep them longer than the script that gave them.

class Worn
{
}

function wear_out(array $vars): void
{
    foreach ($vars['words'] as $word) {
        preg_match("/$word/", $word);
        preg_match($vars['pattern'], $word);
        preg_replace_callback($vars['pattern'], static fn ($match) => $match[0], $word);
        if (!defined($word)) {
            define($word, $word);
        }
        ini_set('user_agent', $word);
        ini_set('date.timezone', $vars['zone']);
        $GLOBALS[$word] = $word;
        $object = new stdClass();
        $object->$word = $word;
        $object->{$vars['key']} = $vars['list'];
        header("X-$word: $word");
        setcookie($word, $word);
        class_exists($word);
        strtok($vars['sentence'], ' ');
        setlocale(LC_CTYPE, $vars['locale']);
        putenv("$word=$word");
        date_default_timezone_set($vars['zone']);
        mb_internal_encoding($vars['encoding']);
        stream_context_set_option(stream_context_get_default(), ['http' => ['header' => $word]]);
        stream_context_get_default(['http' => ['user_agent' => $word]]);
        error_log('', 4);
        spl_autoload_register(static fn ($class) => null);
        trigger_error($word, E_USER_NOTICE);
        session_name($word);
        $closure = static fn () => $vars;
        $closure();
        $GLOBALS['kept'][] = $vars;
        include_path($word);
    }
    class_alias(Worn::class, 'Alias' . $vars['words'][0]);
}

function include_path(string $word): void
{
    set_include_path($word . PATH_SEPARATOR . get_include_path());
    @include $word;
    is_file($word);
    realpath($word);
}
