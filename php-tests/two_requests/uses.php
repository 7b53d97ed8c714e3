<?php

// Uses names in every way in which the engine or an extension may keep a text longer than the script that gave it. Each
// function gives what it sees, so that a text that has changed shows in the answer.

class Keeper
{
    public static array $kept = [];
}

class Wrapper
{
    public $context;
}

class Filter extends php_user_filter
{
}

function use_names(array $names): array
{
    return [
        'regex' => use_regex($names),
        'constant' => use_constant($names),
        'ini' => use_ini($names),
        'symbols' => use_symbols($names),
        'class' => use_class($names),
        'response' => use_response($names),
        'streams' => use_streams($names),
        'texts' => use_texts($names),
        'process' => use_process($names),
        'session' => use_session($names['session']),
        'statics' => use_statics($names),
        'include' => use_include($names['include']),
    ];
}

function use_regex(array $names): array
{
    preg_match($names['regex'], $names['subject'], $match);
    $number = static fn (array $match): string => $match['number'];
    return [$match['word'], preg_replace_callback($names['regex'], $number, $names['subject']), preg_quote($names['regex'])];
}

function use_constant(array $names): array
{
    if (!defined($names['constant'])) {
        define($names['constant'], $names['context']);
        define($names['constant'] . '_TEXT', $names['subject']);
    }
    return [constant($names['constant']), constant($names['constant'] . '_TEXT')];
}

function use_ini(array $names): array
{
    foreach ($names['ini'] as $name => $value) {
        ini_set($name, $value);
    }
    date_default_timezone_set($names['zone']);
    mb_substitute_character(0x3f);
    mb_internal_encoding($names['encoding']);
    $seen = [array_map(ini_get(...), array_keys($names['ini'])), date_default_timezone_get(), mb_internal_encoding(), 1 / 3 . ''];
    mb_internal_encoding('UTF-8');
    return [$seen, (new DateTimeZone($names['zone']))->getName()];
}

function use_symbols(array $names): array
{
    $GLOBALS[$names['global']] = $names['subject'];
    ${$names['property']} = $names['context'];
    $object = new stdClass();
    $object->{$names['property']} = $names['static'];
    return [$GLOBALS[$names['global']], ${$names['property']}['http']['method'], $object->{$names['property']}];
}

function use_class(array $names): array
{
    static $registered = false;
    if (!$registered) {
        $registered = true;
        spl_autoload_register(static function (string $class) use ($names): void {
            if ($class === $names['class']) {
                eval("namespace Made; class ByName { function {$names['method']}(): string { return __METHOD__; } }");
                eval("function {$names['function']}(): string { return __FUNCTION__; }");
                class_alias($names['class'], $names['alias']);
            }
        });
    }
    $object = new $names['class']();
    $greet = [$object, $names['method']];
    return [$object::class, $object instanceof $names['alias'], $greet(), $names['function'](), method_exists($object, $names['method'])];
}

function use_response(array $names): array
{
    header(implode(': ', $names['header']));
    header($names['header'][0] . '-Too: ' . $names['subject']);
    setcookie(...$names['cookie']);
    header_register_callback(static fn () => $names);
    ob_start($names['output']);
    echo $names['subject'];
    ob_end_clean();
    register_shutdown_function($names['callback'], $names['subject']);
    return array_values(preg_grep('/two-requests/i', headers_list()));
}

function use_streams(array $names): array
{
    $context = stream_context_create($names['context']);
    stream_context_set_option($context, 'http', $names['property'], $names['subject']);
    stream_context_set_option(stream_context_get_default(), $names['context']);
    if (!in_array($names['wrapper'], stream_get_wrappers(), true)) {
        stream_wrapper_register($names['wrapper'], Wrapper::class);
        stream_filter_register($names['filter'], Filter::class);
    }
    $file = fopen('php://memory', 'w+');
    stream_filter_append($file, str_replace('*', 'any', $names['filter']));
    return [stream_context_get_options($context), in_array($names['wrapper'], stream_get_wrappers(), true)];
}

function use_texts(array $names): array
{
    $first = strtok($names['tokens'], $names['delimiter']);
    sscanf($names['subject'], '%s %d', $word, $number);
    return [$first, strtok($names['delimiter']), $word, $number, sprintf($names['format'], 42, $names['locale'])];
}

function use_process(array $names): array
{
    [$name, $assignment] = $names['environment'];
    putenv($assignment);
    $_ENV[$name] = $_SERVER[$name] = $assignment;
    return [getenv($name), setlocale(LC_ALL, $names['locale']), setlocale(LC_CTYPE, 0), $_SERVER[$name]];
}

function use_session(array $session): array
{
    session_save_path($session['folder']);
    session_name($session['name']);
    session_id($session['id']);
    session_start();
    $_SESSION[$session['key']] = $session;
    $seen = [session_name(), session_id(), array_keys($_SESSION)];
    session_write_close();
    return $seen;
}

/** Kept until the script ends; in an HTTP worker that is many requests later. */
function use_statics(array $names): array
{
    static $kept = [];
    $kept[] = $names['static'];
    Keeper::$kept[$names['property']] = $names;
    return [end($kept), Keeper::$kept[$names['property']]['subject'], array_unique(array_map(json_encode(...), $kept))];
}

function use_include(array $include): array
{
    set_include_path($include['folder']);
    $path = $include['folder'] . '/' . $include['file'];
    return [include $include['file'], get_include_path(), is_file($path), in_array(realpath($path), get_included_files(), true)];
}
