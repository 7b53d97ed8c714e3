//! What docs/configuration.md says of php.ini and of what surprises there.

use crate::common::workers::{assert_holds, block, puppet, site};
use crate::common::{Igor, Request, compile_module};
use serde_json::json;

/// Of `php_ini` lines with one name the last wins, as everywhere; but every `extension` is loaded, those of php.ini first.
#[test]
fn every_extension_line_loads_one() {
    let lines = "php_ini memory_limit 64M\nphp_ini extension {$DIR}/second.so\nphp_ini {\nextension {$DIR}/third.so\nmemory_limit 96M\n}\n\
        php_ini extension {$DIR}/fourth.so";
    let igor = Igor::new().frankenphp(lines).site("root {$PHP_TESTS}\nphp_server");
    for name in ["first", "second", "third", "fourth"] {
        compile_module("module.c", name, igor.folder());
    }
    let ini = format!("extension={}\nmemory_limit=32M\n", igor.path("first.so").display());
    let folder = igor.folder().display().to_string();
    let server = igor.file("php.ini", &ini).env("PHPRC", &folder).start();
    let look = "$mine = ['first', 'second', 'third', 'fourth'];
        return [array_values(array_intersect(get_loaded_extensions(), $mine)), ini_get('memory_limit')];";
    assert_eq!(server.eval(look).value(), json!([["first", "second", "third", "fourth"], "96M"]));
}

/// An extension that is not there does not keep the server from starting, as with php-fpm, and the log names it.
#[test]
fn a_missing_extension_is_in_the_log() {
    let server = Igor::new().frankenphp("php_ini extension missing_one").site("root {$PHP_TESTS}\nphp_server").start();
    server.wait_log(&["Unable to load dynamic library", "missing_one"]);
    assert_eq!(server.eval("return extension_loaded('missing_one');").value(), false);
}

/// Debian's packages of libraries are not in the `include_path` of a PHP of one's own until a line says so.
#[test]
fn the_include_path_is_what_a_line_says() {
    let require = "return (bool) @include 'Symfony/Component/Console/autoload.php';";
    let plain = Igor::new().site("root {$PHP_TESTS}\nphp_server").start();
    assert_eq!(plain.eval(require).value(), false);
    let server = Igor::new()
        .frankenphp("php_ini include_path .:/usr/share/php")
        .site(&site("worker {$PHP_TESTS}/worker.php 1\n"))
        .start();
    assert_eq!(server.eval(require).value(), true);
    assert_eq!(server.eval_in_worker(require).value(), true);
    assert_eq!(server.eval("return ini_get('include_path');").value(), ".:/usr/share/php");
}

const CONSTANTS: &str = "return [defined('STDIN'), defined('STDOUT'), defined('STDERR')];";

/// `STDIN` and its siblings are PHP's command line's: by them frameworks tell it from the web. A script may define them, and
/// what it writes is in the log.
#[test]
fn constants_of_the_command_line_are_not_defined() {
    let server = block(&("worker {$PHP_TESTS}/worker.php 1\n".to_owned() + &puppet("w", "num 1"))).start();
    let none = json!([false, false, false]);
    assert_eq!(server.eval(CONSTANTS).value(), none);
    assert_eq!(server.eval_in_worker(CONSTANTS).value(), none);
    let mut worker = server.puppet("w");
    assert_eq!(worker.eval(CONSTANTS).value(), none);

    let define = |text: &str| {
        format!(
            "defined('STDERR') || define('STDERR', fopen('php://stderr', 'w')); return fwrite(STDERR, \"{text}\\n\") > 0;"
        )
    };
    assert_eq!(worker.eval(&define("of a background worker")).value(), true);
    server.wait_log(&["of a background worker"]);
    // In an HTTP worker the constant lasts as long as the script.
    for text in ["of a first request", "of a second request"] {
        assert_eq!(server.eval_in_worker(&define(text)).value(), true);
        server.wait_log(&[text]);
    }
}

/// What the boot of an HTTP worker defines is there in every request.
#[test]
fn constants_that_the_boot_defines_last() {
    let boot = "define('STDERR', fopen('php://stderr', 'w'));";
    let server =
        Igor::new().site(&site(&format!("worker {{$PHP_TESTS}}/worker.php 1 {{\nenv BOOT `{boot}`\n}}\n"))).start();
    for text in ["of a first request", "of a second request"] {
        assert_eq!(server.eval_in_worker(&format!("return fwrite(STDERR, \"{text}\\n\") > 0;")).value(), true);
        server.wait_log(&[text]);
    }
}

/// The limit is wall-clock time: a script that only waits reaches it. What blocks in one call is ended after that call.
#[test]
fn max_execution_time_counts_waiting() {
    let server = block("worker {$PHP_TESTS}/worker.php 1\n").frankenphp("php_ini max_execution_time 1").start();
    for code in ["while (true) { usleep(10000); }", "sleep(2); touch(getenv('DIR') . '/after'); return 1;"] {
        for answer in [server.send(&Request::post("/eval.php", code)), server.send(&Request::post("/worker.php", code))]
        {
            assert_eq!(answer.status, 500, "{code}: {}", answer.text());
        }
        assert!(!server.path("after").exists(), "{code}");
    }
    assert_holds(&server.wait_log(&["Maximum execution time of 1 second exceeded"]), &["eval()'d code"]);
    let log = server.stop().log;
    assert!(log.matches("Maximum execution time of 1 second exceeded").count() >= 4, "{log}");
}

/// 30 s for a request, and none for a background worker, whatever php.ini says.
#[test]
fn max_execution_time_by_default() {
    let server = block(&("worker {$PHP_TESTS}/worker.php 1\n".to_owned() + &puppet("w", "num 1"))).start();
    let look = "return ini_get('max_execution_time');";
    assert_eq!(server.eval(look).value(), "30");
    assert_eq!(server.eval_in_worker(look).value(), "30");
    assert_eq!(server.puppet("w").eval(look).value(), "0");
}
