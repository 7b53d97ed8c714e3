//! Published arrays and what readers get: in classic requests, HTTP workers and background workers.
//!
//! Snapshots are hardened here: a write to one, or a read after its end, is a crash.

use crate::common::{Igor, Outcome, Request, Server, wait_until};
use rustix::param::page_size;
use rustix::process::{Resource, Rlimit, prlimit};
use serde_json::json;
use std::fs;

const HARDENED: &str = "vars {\nhardened on\n}";

/// Two puppets and an HTTP worker in one block, and one classic thread.
fn server_with(lines: &str) -> Server {
    let puppet = |name: &str| {
        format!(
            "worker {{$PHP_TESTS}}/puppet.php 1 {{\nbackground\nname {name}\nenv BOOT \"require __DIR__ . '/vars/values.php'; require __DIR__ . '/vars/enums.php'; frankenphp_set_vars([]);\"\n}}\n"
        )
    };
    let site = format!(
        "root {{$PHP_TESTS}}\nphp_server {{\nenv DIR {{$DIR}}\n{}{}worker {{$PHP_TESTS}}/worker.php 1 {{\nenv BOOT \"require __DIR__ . '/vars/values.php';\"\n}}\n}}",
        puppet("w"),
        puppet("other")
    );
    let server = Igor::new().frankenphp(&format!("num_threads 3\n{lines}")).site(&site).start();
    server.eval("frankenphp_ensure_background_worker(['w', 'other']);").value();
    server
}

fn server() -> Server {
    server_with(HARDENED)
}

/// Runs the same code wherever PHP code can read.
fn everywhere(server: &Server, code: &str) -> Vec<Outcome> {
    vec![server.eval(code), server.eval_in_worker(code), server.puppet("other").eval(code)]
}

fn publish(server: &Server, vars: &str) {
    server.puppet("w").eval(&format!("frankenphp_set_vars({vars});")).value();
}

/// B23, N3, N4, N5, N6, N18: every reader gets exactly what was published.
#[test]
fn values_are_the_same_for_every_reader() {
    for mode in ["hardened on\nmode auto", "hardened on\nmode zero_copy", "hardened on\nmode copy", "hardened off"] {
        let server = server_with(&format!("vars {{\n{mode}\n}}"));
        publish(&server, "exact_values()");
        let compare = "require_once __DIR__ . '/vars/values.php'; $v = frankenphp_get_vars('w'); return difference($v, exact_values());";
        for outcome in everywhere(&server, compare) {
            assert_eq!(outcome.value(), json!(null), "mode {mode}");
        }
        let as_any_array = "require_once __DIR__ . '/vars/values.php'; $v = frankenphp_get_vars('w'); unset($v['floats'][3]); $e = exact_values(); unset($e['floats'][3]);
            return [$v === $e, serialize($v) === serialize($e), var_export($v, true) === var_export($e, true), unserialize(serialize($v)) === $v,
                    preg_match('/./u', $v['strings'][3]), preg_match('/./u', $v['strings'][4]), json_encode($v['literal']) === json_encode($e['literal'])];";
        for outcome in everywhere(&server, as_any_array) {
            assert_eq!(outcome.value(), json!([true, true, true, true, false, 1, true]), "mode {mode}");
        }
    }
}

/// B22
#[test]
fn a_publish_replaces_everything() {
    let server = server();
    publish(&server, "['a' => 1, 'b' => ['c' => 2]]");
    assert_eq!(server.eval("return frankenphp_get_vars('w');").value(), json!({"a": 1, "b": {"c": 2}}));
    publish(&server, "['b' => ['d' => 3]]");
    assert_eq!(server.eval("return frankenphp_get_vars('w');").value(), json!({"b": {"d": 3}}));
    publish(&server, "[]");
    assert_eq!(server.eval("return frankenphp_get_vars('w');").value(), json!([]));
}

/// B24, N2, N11, N12
#[test]
fn what_cannot_be_published_is_refused_with_its_path() {
    let server = server();
    publish(&server, "['kept' => true]");
    let refused = [
        ("new stdClass", "$vars[0]", "stdClass"),
        ("fn () => 1", "$vars[0]", "Closure"),
        ("['a' => ['b' => [5 => new ArrayObject]]]", "$vars[0]['a']['b'][5]", "ArrayObject"),
        ("fopen('php://memory', 'r')", "$vars[0]", "resource"),
        ("(function () { yield 1; })()", "$vars[0]", "Generator"),
        ("new DateTimeImmutable", "$vars[0]", "DateTimeImmutable"),
        ("['x' => [[[new class {}]]]]", "$vars[0]['x'][0][0][0]", "class@anonymous"),
    ];
    let mut puppet = server.puppet("w");
    for (value, path, kind) in refused {
        let message = puppet.eval(&format!("frankenphp_set_vars([{value}]);")).thrown("ValueError");
        assert!(message.contains(path) && message.contains(kind), "{path} and {kind} in: {message}");
    }
    let shared = puppet.eval("$live = 1; frankenphp_set_vars(['a' => ['b' => &$live]]);").thrown("ValueError");
    assert!(shared.contains("$vars['a']['b']") && shared.contains("reference"), "{shared}");
    let recursive = puppet.eval("$a = ['x' => 1]; $a['self'] = &$a; frankenphp_set_vars($a);").thrown("ValueError");
    assert!(recursive.contains("$vars['self']"), "{recursive}");
    let globals = puppet.eval("$GLOBALS['object'] = new stdClass; frankenphp_set_vars($GLOBALS);").thrown("ValueError");
    assert!(globals.contains("$vars["), "{globals}");
    assert_eq!(server.eval("return frankenphp_get_vars('w');").value(), json!({"kept": true}));
}

/// B23, B24, N1, N8: 256 levels are the limit; far more are refused without a stack overflow.
#[test]
fn nesting() {
    let server = server();
    let mut puppet = server.puppet("w");
    let nest =
        |levels: u32| format!("$a = []; for ($i = 1; $i < {levels}; $i++) {{ $a = [$a]; }} frankenphp_set_vars($a);");
    puppet.eval(&nest(256)).value();
    let depth = "$v = frankenphp_get_vars('w'); for ($n = 1; $v !== []; $n++) { $v = $v[0]; } return $n;";
    for outcome in everywhere(&server, depth) {
        assert_eq!(outcome.value(), 256);
    }
    // Still deeper arrays overflow the stack when PHP itself frees them, in a build with debugging at 300,000.
    for levels in [257, 10_000, 100_000] {
        let message = puppet.eval(&nest(levels)).thrown("ValueError");
        assert!(message.contains("256"), "{message}");
    }
    let wide = "$a = ['x']; for ($i = 0; $i < 30; $i++) { $a = [$a, $a]; } frankenphp_set_vars($a); return true;";
    assert_eq!(puppet.eval(wide).value(), true, "what stands in many places is stored once");
    let walk = "$v = frankenphp_get_vars('w'); for ($n = 0; $n < 30; $n++) { if ($v[0] !== $v[1] || count($v) !== 2) { return $n; } $v = $v[$n % 2]; } return $v;";
    for outcome in everywhere(
        &server,
        "ini_set('memory_limit', '32M'); $v = frankenphp_get_vars('w'); for ($n = 0; $n < 30; $n++) { $v = $v[$n % 2]; } return $v;",
    ) {
        assert_eq!(outcome.value(), json!(["x"]));
    }
    // Comparing 2^30 leaves would take for ever, were equal sub-arrays not the same one.
    assert_eq!(server.eval(walk).value(), json!(["x"]));
}

/// B26, N6: which differences count as a change.
#[test]
fn changes_that_only_an_exact_comparison_sees() {
    let server = server();
    let mut puppet = server.puppet("w");
    let changes = [
        "[0.0]",
        "[-0.0]",
        "[0]",
        "[false]",
        "[null]",
        "['']",
        "['0']",
        "[[]]",
        "['a' => 1, 'b' => 2]",
        "['b' => 2, 'a' => 1]",
        "[NAN]",
        "[1 => NAN]",
        "[\\Suit\\Pure::Hearts]",
        "[\\Suit\\Text::Hearts]",
    ];
    for vars in changes {
        puppet.eval(&format!("frankenphp_set_vars({vars});")).value();
        let seen = format!(
            "require_once __DIR__ . '/vars/enums.php'; return serialize(frankenphp_get_vars('w')) === serialize({vars});"
        );
        assert_eq!(server.eval(&seen).value(), true, "{vars}");
    }
}

/// B24: an array that is too large is refused, and the previous snapshot stays.
#[test]
fn a_snapshot_that_is_too_large_is_refused() {
    let server = server_with("vars {\nmax_bytes 1MiB\n}");
    publish(&server, "['kept']");
    let mut puppet = server.puppet("w");
    let message = puppet.eval("frankenphp_set_vars([str_repeat('x', 2 << 20)]);").thrown("ValueError");
    assert!(message.contains("1048576 bytes") && message.contains("max_bytes"), "{message}");
    assert_eq!(server.eval("return frankenphp_get_vars('w');").value(), json!(["kept"]));
    puppet.eval("frankenphp_set_vars([str_repeat('x', 500000)]);").value();
}

/// B29: without memory for the copy the previous snapshot stays, and with memory publishing continues.
#[test]
fn a_publish_that_gets_no_memory_leaves_the_previous_snapshot() {
    // The text is larger than what the process may still get, which is enough for everything else.
    const TEXT: usize = 32 << 20;
    const LEFT: u64 = 16 << 20;
    let server = server();
    publish(&server, "['kept']");
    let mut puppet = server.puppet("w");
    puppet.eval(&format!("$GLOBALS['large'] = str_repeat('x', {TEXT});")).value();

    let statm = fs::read_to_string(format!("/proc/{}/statm", server.pid())).expect("the server's memory");
    let pages: u64 = statm.split(' ').next().and_then(|pages| pages.parse().ok()).expect("a number of pages");
    let limit = |bytes| {
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(server.pid()), Resource::As, limit).expect("the limit can be set");
    };
    limit(Some(pages * page_size() as u64 + LEFT));
    for _ in 0..20 {
        let refused = puppet.eval("frankenphp_set_vars(['small' => 1, 'large' => $GLOBALS['large']]);");
        let message = refused.thrown("RuntimeException");
        assert!(message.contains("the system has no memory left for a snapshot of"), "{message}");
        assert_eq!(server.eval("return frankenphp_get_vars('w');").value(), json!(["kept"]));
    }
    puppet.eval("frankenphp_set_vars(['small']);").value();
    assert_eq!(server.eval("return frankenphp_get_vars('w');").value(), json!(["small"]));

    limit(None);
    puppet.eval("frankenphp_set_vars(['large' => $GLOBALS['large']]);").value();
    assert_eq!(server.eval("return strlen(frankenphp_get_vars('w')['large']);").value(), json!(TEXT));
}

/// B30
#[test]
fn several_names_at_once() {
    let server = server();
    publish(&server, "['w']");
    for outcome in everywhere(&server, "return frankenphp_get_vars(['other', 'w']);") {
        assert_eq!(outcome.value(), json!({"other": [], "w": ["w"]}));
    }
    for outcome in everywhere(&server, "return frankenphp_get_vars([]);") {
        assert_eq!(outcome.value(), json!([]));
    }
    for outcome in everywhere(&server, "frankenphp_get_vars(['w', 'unknown']);") {
        assert!(outcome.thrown("RuntimeException").contains("\"unknown\""));
    }
}

/// B33: an unchanged version is the same instance: reading it again costs no memory, and `===` is a comparison of pointers.
#[test]
fn repeated_reads_give_the_same_instance() {
    let server = server();
    publish(&server, "array_fill_keys(range(1, 200000), 'a value that is long enough to need memory')");
    let code = "$all = [frankenphp_get_vars('w')]; $before = memory_get_usage();
                for ($i = 0; $i < 100; $i++) { $all[] = frankenphp_get_vars('w'); }
                $cost = memory_get_usage() - $before;
                // A hundred comparisons of 200,000 elements, ten thousand times over, would take minutes.
                for ($i = 0; $i < 1000000; $i++) { if ($all[$i % 100] !== $all[($i + 1) % 100]) { return 'different'; } }
                return $cost < 10000 ? 'same' : $cost;";
    for outcome in everywhere(&server, code) {
        assert_eq!(outcome.value(), "same");
    }
}

/// B34
#[test]
fn a_publish_between_two_reads_is_seen() {
    let server = server();
    publish(&server, "[1]");
    let code = "$first = frankenphp_get_vars('w'); touch(getenv('DIR') . '/read');
                for ($i = 0; $i < 6000 && frankenphp_get_vars('w') === $first; $i++) { usleep(5000); }
                return [$first, frankenphp_get_vars('w')];";
    let mut connection = server.connect();
    connection.write(&Request::post("/eval.php", code));
    wait_until("the first read", || server.path("read").exists());
    publish(&server, "[2]");
    assert_eq!(Outcome::of_response(&connection.read(false)).value(), json!([[1], [2]]));
}

/// B35, N13
#[test]
fn readers_change_only_their_own_copy() {
    let nested = "['list' => [3, 1, 2], 'map' => ['b' => 'x', 'a' => 'y'], 'nested' => ['deeper' => ['deepest' => 'ground']], 'text' => 'text', 'number' => 1]";
    for mode in ["auto", "zero_copy", "copy"] {
        let server = server_with(&format!("vars {{\nhardened on\nmode {mode}\n}}"));
        publish(&server, nested);
        let code = format!(
            "require_once __DIR__ . '/vars/mutate.php'; for ($i = 0; $i < 50; $i++) {{ mutate_all(frankenphp_get_vars('w')); mutate(frankenphp_get_vars('w')); }}
             $GLOBALS['own'] = frankenphp_get_vars('w'); $GLOBALS['own']['list'][] = 4; $GLOBALS['own']['nested']['deeper'] = null;
             return frankenphp_get_vars('w') === {nested};"
        );
        for _ in 0..3 {
            for outcome in everywhere(&server, &code) {
                assert_eq!(outcome.value(), true, "mode {mode}");
            }
        }
    }
}

/// B35, N14: values that a long-lived script keeps never change, however many versions follow.
#[test]
fn what_is_kept_stays() {
    for mode in ["auto", "zero_copy", "copy"] {
        let server = server_with(&format!("vars {{\nhardened on\nmode {mode}\nthread_budget_bytes 1MiB\n}}"));
        let filler = "'large' => str_repeat('x', 100000), 'list' => range(1, 1000)";
        publish(
            &server,
            &format!("['n' => -1, 'text' => 'the first text', 'nested' => ['one' => ['two' => 'three']], {filler}]"),
        );
        let keep = "$v = frankenphp_get_vars('w'); $state->all = $v; $state->text = $v['text']; $state->nested = $v['nested']['one']; return true;";
        assert_eq!(server.eval_in_worker(keep).value(), true);
        let mut puppet = server.puppet("w");
        let mut connection = server.connect();
        for n in 0..100 {
            puppet.eval(&format!("for ($i = 0; $i < 5; $i++) {{ frankenphp_set_vars(['n' => {n}, 'i' => $i, 'text' => 'another text', {filler}]); }}")).value();
            let read = connection.send(&Request::post("/worker.php", "return frankenphp_get_vars('w')['n'];"));
            assert_eq!(Outcome::of_response(&read).value(), n);
        }
        let look = "return [$state->all['n'], $state->text, $state->nested, $state->all['text'], strlen($state->all['large']), array_sum($state->all['list'])];";
        assert_eq!(
            server.eval_in_worker(look).value(),
            json!([-1, "the first text", {"two": "three"}, "the first text", 100_000, 500_500]),
            "mode {mode}"
        );
    }
}

/// B23, B35: the copies that a long-lived script gets share what did not change from version to version, and no one can tell.
#[test]
fn copies_of_many_versions_are_each_right() {
    let server = server_with("vars {\nhardened on\nmode copy\n}");
    let load = "require_once __DIR__ . '/vars/values.php'; require_once __DIR__ . '/vars/versions.php';";
    let mut puppet = server.puppet("w");
    for n in 0..200 {
        puppet.eval(&format!("{load} frankenphp_set_vars(version_of({n}));")).value();
        // The read value is kept unchanged, and a second time to be written to in the middle and at its end.
        let read = format!(
            "{load} $state->kept[{n}] = $state->written[{n}] = frankenphp_get_vars('w');
            array_walk_recursive($state->written[{n}], function (&$value) {{ $value = 'overwritten'; }}); $state->written[{n}][] = 1;
            return difference(frankenphp_get_vars('w'), version_of({n}));"
        );
        assert_eq!(server.eval_in_worker(&read).value(), json!(null), "version {n}");
    }
    let look = format!(
        "{load} foreach ($state->kept as $n => $kept) {{
            $expected = version_of($n);
            if (serialize($kept) !== serialize($expected)) {{ return $n; }}
            $kept[] = $expected[] = 1;
            if (array_key_last($kept) !== array_key_last($expected)) {{ return \"next index of $n\"; }}
        }} return count($state->kept);"
    );
    assert_eq!(server.eval_in_worker(&look).value(), 200);
}

/// B27, B35, N16: what the engine may keep of a value beyond the request must not be the snapshot's own memory.
#[test]
fn a_value_may_be_used_in_every_way() {
    let server = server();
    let words = |n: u32| {
        format!(
            "['words' => ['Word{n}', 'Other{n}'], 'pattern' => '/W(or)d{n}?/u', 'zone' => 'Asia/Tokyo', 'key' => 'key{n}', 'list' => ['x' => [{n}]],
              'sentence' => 'words of a sentence {n}', 'locale' => 'C', 'encoding' => 'UTF-8']"
        )
    };
    let wear = "require_once __DIR__ . '/vars/wear.php'; wear_out(frankenphp_get_vars('w')); return count(frankenphp_get_vars('w'));";
    for n in 0..20 {
        publish(&server, &words(n));
        for outcome in everywhere(&server, wear) {
            assert_eq!(outcome.value(), 8);
        }
    }
    publish(&server, "[]");
    for _ in 0..200 {
        assert_eq!(server.eval("return preg_match('/W(or)d1?/u', 'Word1');").value(), 1);
    }
}

/// B35, N15: values are used where a script has ended already.
#[test]
fn values_in_shutdown_functions_destructors_and_callbacks() {
    let server = server();
    publish(&server, "['text' => 'value']");
    let code = "class Late { function __destruct() { echo ' d:', frankenphp_get_vars('w')['text'], $GLOBALS['kept']['text']; } }
                $GLOBALS['late'] = new Late; $GLOBALS['kept'] = frankenphp_get_vars('w');
                register_shutdown_function(function () { echo ' s:', frankenphp_get_vars('w')['text']; });
                ob_start(fn ($text) => $text . ' o:' . frankenphp_get_vars('w')['text']); echo 'script';";
    for _ in 0..3 {
        let response = server.send(&Request::post("/eval.php?raw", code));
        assert_eq!(response.text(), "script s:value d:valuevalue o:value");
    }
}

/// B36, N10
#[test]
fn enums_are_the_readers_own() {
    let server = server();
    publish(
        &server,
        "['pure' => \\Suit\\Pure::Hearts, 'deep' => [[['text' => \\Suit\\Text::Spades]]], 'number' => \\Suit\\Number::One, 'many' => array_fill(0, 1000, \\Suit\\Pure::Spades), 'plain' => ['no enum' => [1]]]",
    );
    let compare = "require_once __DIR__ . '/vars/enums.php'; $v = frankenphp_get_vars('w');
                   return [$v['pure'] === \\Suit\\Pure::Hearts, $v['deep'][0][0]['text'] === \\Suit\\Text::Spades, $v['number'] === \\Suit\\Number::One,
                           array_unique($v['many'], SORT_REGULAR) === [\\Suit\\Pure::Spades], $v['plain'], $v === frankenphp_get_vars('w')];";
    for outcome in everywhere(&server, compare) {
        assert_eq!(outcome.value(), json!([true, true, true, true, {"no enum": [1]}, true]));
    }
}

/// B36, N10, N20
#[test]
fn enums_are_autoloaded() {
    let server = server();
    publish(&server, "[\\Suit\\Pure::Hearts]");
    publish_other(&server);
    let code = "$GLOBALS['asked'] = []; spl_autoload_register(function ($class) { $GLOBALS['asked'][] = $class; frankenphp_get_vars('other'); require_once __DIR__ . '/vars/enums.php'; });
                return [frankenphp_get_vars('w')[0] === \\Suit\\Pure::Hearts, $GLOBALS['asked']];";
    assert_eq!(server.eval(code).value(), json!([true, ["Suit\\Pure"]]));
    let renaming = "$names = ['w']; $name = &$names[0]; $name = strtolower('W');
        spl_autoload_register(function () use (&$name) { $name = 0x41414141; require_once __DIR__ . '/vars/enums.php'; });
        return array_keys(frankenphp_get_vars($names));";
    assert_eq!(server.eval(renaming).value(), json!(["w"]), "the name may change meanwhile");
    let failing = "spl_autoload_register(function ($class) { throw new DomainException(\"no $class\"); }); frankenphp_get_vars('w');";
    assert_eq!(server.eval(failing).thrown("DomainException"), "no Suit\\Pure");
    let recursive = "spl_autoload_register(function ($class) { $GLOBALS['inner'] = outcome(fn () => frankenphp_get_vars('w')); }); frankenphp_get_vars('w');";
    assert!(server.eval(recursive).thrown("LogicException").contains("Suit\\Pure::Hearts"));
}

fn publish_other(server: &Server) {
    server.puppet("other").eval("frankenphp_set_vars(['fine']);").value();
}

/// B36, N10: on every read, and without harm to other names.
#[test]
fn an_enum_that_the_reader_does_not_have() {
    let server = server();
    publish(&server, "['x' => [\\Suit\\Pure::Hearts]]");
    publish_other(&server);
    let readers = [
        ("", "cannot load"),
        ("eval('namespace Suit; enum Pure { case Spades; }');", "no such case"),
        ("eval('namespace Suit; class Pure { const Hearts = 1; }');", "not an enum"),
    ];
    for (prepare, why) in readers {
        let code = format!("{prepare} for ($i = 0; $i < 3; $i++) {{ try {{ frankenphp_get_vars('w'); return 'read'; }} catch (LogicException $e) {{}} }}
                            return [$e->getMessage(), frankenphp_get_vars('other')];");
        let seen = server.eval(&code).value();
        let message = seen[0].as_str().expect("a message");
        assert!(message.contains("Suit\\Pure::Hearts") && message.contains(why), "{why} in: {message}");
        assert_eq!(seen[1], json!(["fine"]));
    }
}

/// B58, B35, N19: a memory limit in the middle of a copying read ends that request alone.
#[test]
fn the_memory_limit_in_the_middle_of_a_read() {
    let server = server_with("vars {\nhardened on\nmode copy\n}");
    let list = |n: u32| format!("['list' => array_map(fn ($n) => ['n' => $n, 'text' => \"{n} $n\"], range(1, 50000))]");
    let count = "return count(frankenphp_get_vars('w')['list']);";
    for n in 0..3 {
        publish(&server, &list(2 * n));
        assert_eq!(server.eval_in_worker(count).value(), 50_000);
        // The copy takes more than 20 MB; this script holds the one of the version before.
        publish(&server, &list(2 * n + 1));
        let response = server.send(&Request::post(
            "/worker.php?raw",
            "ini_set('memory_limit', '32M'); frankenphp_get_vars('w'); echo 'read';",
        ));
        assert_eq!((response.status, response.text().as_str()), (500, ""));
        assert_eq!(server.eval(count).value(), 50_000);
    }
    server.wait_log(&["Allowed memory size of 33554432 bytes exhausted"]);
}

/// B27, N23: an opcache reset between publish and read, with a publisher that published constants of its script.
#[test]
fn a_snapshot_survives_an_opcache_reset() {
    let server = Igor::new()
        .frankenphp(HARDENED)
        .file("w.php", "<?php const LITERAL = ['a' => ['b' => 'a literal string', 'c' => [1, 2, 3]]]; frankenphp_set_vars(LITERAL); fgets(frankenphp_get_worker_handle());")
        .site("root {$PHP_TESTS}\nphp_server {\nworker {$DIR}/w.php 1 {\nbackground\nname w\n}\n}")
        .start();
    server.eval("frankenphp_ensure_background_worker('w');").value();
    let code = "opcache_reset(); $v = frankenphp_get_vars('w'); opcache_invalidate(__FILE__, true); return [$v, frankenphp_get_vars('w')];";
    let literal = json!({"a": {"b": "a literal string", "c": [1, 2, 3]}});
    for _ in 0..10 {
        if server.eval("return function_exists('opcache_reset');").value() == true {
            assert_eq!(server.eval(code).value(), json!([literal, literal]));
        }
    }
}

/// B35: what was read is published again, and the original is retired.
#[test]
fn what_was_read_can_be_published() {
    let server = server();
    for n in 0..20 {
        publish(
            &server,
            &format!(
                "['n' => {n}, 'list' => range(1, 100), 'text' => str_repeat('t', 1000), 'suit' => \\Suit\\Pure::Hearts]"
            ),
        );
        server
            .puppet("other")
            .eval("frankenphp_set_vars(['of w' => frankenphp_get_vars('w')] + frankenphp_get_vars('w'));")
            .value();
        publish(&server, "[]");
        let look = "require_once __DIR__ . '/vars/enums.php'; $v = frankenphp_get_vars('other'); return [$v['n'], $v['of w']['n'], count($v['list']), strlen($v['of w']['text']), $v['suit'] === \\Suit\\Pure::Hearts];";
        assert_eq!(server.eval(look).value(), json!([n, n, 100, 1000, true]));
    }
}

/// B22, B33: readers on many threads, while versions go by, see each time one version only.
#[test]
fn readers_see_one_version_at_a_time() {
    let server = server();
    let publish = "$until = hrtime(true) + 2_000_000_000; for ($n = 0; hrtime(true) < $until; $n++) { frankenphp_set_vars(['n' => $n, 'all' => array_fill(0, 100, $n), 'text' => \"text $n\"]); } return $n;";
    let mut puppet = server.puppet("w");
    puppet.eval("frankenphp_set_vars(['n' => -1, 'all' => [-1], 'text' => 'text -1']);").value();
    puppet.start(publish);
    let read = "$versions = 0; $last = -2; $until = hrtime(true) + 1_000_000_000;
                while (hrtime(true) < $until) { $v = frankenphp_get_vars('w'); $n = $v['n'];
                    if ($n < $last || array_unique($v['all']) !== [$n] || $v['text'] !== \"text $n\") { return $v; }
                    $versions += $n > $last ? 1 : 0; $last = $n; }
                return $versions > 0;";
    let mut readers: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for (number, connection) in readers.iter_mut().enumerate() {
        connection.write(&Request::post(if number == 0 { "/worker.php" } else { "/eval.php" }, read));
    }
    for connection in &mut readers {
        assert_eq!(Outcome::of_response(&connection.read(false)).value(), true);
    }
    assert!(puppet.finish().value().as_u64().is_some_and(|versions| versions > 0));
}

/// B35, N25: a fork in a reader frees nothing of the parent's.
#[test]
fn a_child_process_reads_and_ends() {
    let server = server();
    publish(&server, "['text' => str_repeat('t', 100000)]");
    let code = "$v = frankenphp_get_vars('w'); $pid = pcntl_fork();
                if ($pid === 0) { file_put_contents(getenv('DIR') . '/child', strlen($v['text'])); exit(0); }
                pcntl_waitpid($pid, $status); return [pcntl_wifexited($status), pcntl_wexitstatus($status)];";
    if server.eval("return function_exists('pcntl_fork');").value() != true {
        return;
    }
    for _ in 0..5 {
        assert_eq!(server.eval(code).value(), json!([true, 0]));
        assert_eq!(fs::read_to_string(server.path("child")).expect("the child wrote"), "100000");
    }
    assert_eq!(server.eval("return strlen(frankenphp_get_vars('w')['text']);").value(), 100_000);
}
