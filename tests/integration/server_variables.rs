//! `$_SERVER`: what it has, what it costs, and that a script without it does not pay for it.

use crate::common::{Igor, Request, Server, compile_module};
use serde_json::{Value, json};

/// Prints a list of values as JSON. It never names `$_SERVER`, so PHP does not fill it before the body does.
fn script(body: &str) -> String {
    format!("<?php\n{body}")
}

fn classic(body: &str, lines: &str) -> Igor {
    Igor::new().file("show.php", &script(body)).site(&format!("root {{$DIR}}\nphp_server {{\n{lines}\n}}"))
}

fn show(server: &Server, request: Request) -> Value {
    server.send(&request).json()
}

/// B56
#[test]
fn input_filters_see_the_variables_as_they_came() {
    let body = "echo json_encode([
        filter_input(INPUT_SERVER, 'HTTP_X_ONE'), $_SERVER['HTTP_X_ONE'],
        filter_input(INPUT_SERVER, 'REQUEST_METHOD'), filter_input(INPUT_SERVER, 'REMOTE_PORT', FILTER_VALIDATE_INT) > 0,
        filter_input(INPUT_SERVER, 'PATH'), filter_has_var(INPUT_SERVER, 'HTTP_X_TWO'), $_SERVER['QUERY_STRING'],
        filter_input_array(INPUT_SERVER)['SERVER_PROTOCOL'], filter_input(INPUT_SERVER, 'QUERY_STRING'),
    ]);";
    let request = || Request::get("/show.php").header("X-One", "<b> & \"c\"");
    let raw = "<b> & \"c\"";
    let server = classic(body, "").start();
    let expected = json!([raw, raw, "GET", true, null, false, "", "HTTP/1.1", ""]);
    assert_eq!(show(&server, request()), expected);
    assert_eq!(show(&server, request()), expected);

    // Then the filter changes what `$_SERVER` has. What it keeps itself is as it came.
    let server = classic(body, "").frankenphp("php_ini filter.default special_chars").start();
    let special = "&#60;b&#62; &#38; &#34;c&#34;";
    let seen = show(&server, request());
    assert_eq!((&seen[0], &seen[1]), (&json!(raw), &json!(special)));
    assert_eq!((&seen[2], &seen[7]), (&json!("GET"), &json!("HTTP/1.1")));
}

/// B56
#[test]
fn names_are_those_that_php_makes() {
    let body = "$all = $_SERVER; echo json_encode([$all['a_b'] ?? null, $all['list'] ?? null, $all[7] ?? null,
        $all['c_d'] ?? null, filter_input(INPUT_SERVER, 'a_b'), $all['EMPTY'] ?? null, $all['ONE'] ?? null]);";
    let server = classic(body, "env a.b 1\nenv list[x] 2\nenv 7 3\nenv \"c d\" 4\nenv EMPTY \"\"\nenv ONE 5").start();
    assert_eq!(show(&server, Request::get("/show.php")), json!(["1", {"x": "2"}, "3", "4", "1", "", "5"]));
}

/// B56: PHP fills it "just in time", when code that names it is compiled.
#[test]
fn a_script_that_never_names_it_does_not_have_it() {
    let body = "$name = '_SERVER'; $has = fn () => isset($GLOBALS[$name]); $before = $has();
        isset($_GET['use']) && include __DIR__ . '/use.php';
        echo json_encode([$before, $has(), $has() ? $GLOBALS[$name]['QUERY_STRING'] : null]);";
    let worker = format!("<?php while (frankenphp_handle_request(function () {{ {body} }}));");
    let server = Igor::new()
        .file("show.php", &script(body))
        .file("worker.php", &worker)
        .file("use.php", "<?php $_SERVER['SCRIPT_NAME'];")
        .site("root {$DIR}\nphp_server {\nworker worker.php 1\n}")
        .start();
    for path in ["/show.php", "/worker.php"] {
        assert_eq!(show(&server, Request::get(path)), json!([false, false, null]), "{path}");
        let used = show(&server, Request::get(&format!("{path}?use=1")));
        assert_eq!(used, json!([false, true, "use=1"]), "{path}");
    }
    // The code that names it stays in the worker, so each of its requests has it from now on.
    assert_eq!(show(&server, Request::get("/worker.php?a")), json!([true, true, "a"]));
    assert_eq!(show(&server, Request::get("/show.php")), json!([false, false, null]));
}

/// `filter_input()` has a table of its own, which a script without that function does not fill: its values would be copies.
#[test]
fn a_value_is_kept_once() {
    let body = "$before = memory_get_usage(); include __DIR__ . '/use.php'; echo memory_get_usage() - $before;";
    let server = classic(body, "").file("use.php", "<?php isset($_SERVER['X']);").start();
    let bytes = |fields: usize| {
        let get = Request::get("/show.php");
        let request = (0..fields).fold(get, |request, field| request.header(&format!("X-{field}"), &"x".repeat(1000)));
        server.send(&request).text().parse::<usize>().expect("a number")
    };
    // The first request also compiles the file.
    bytes(0);
    let grown = bytes(10) - bytes(0);
    assert!(grown > 10 * 1000 && grown < 16 * 1000, "{grown} bytes for 10 values");
}

/// PHP has one filter, the last that an extension has registered, and every variable passes through it.
#[test]
fn the_filter_of_another_extension_is_asked() {
    let body = "echo json_encode([$_SERVER['HTTP_X_ONE'], $_SERVER['HTTP_X_TWO'], filter_has_var(INPUT_SERVER, 'HTTP_X_TWO')]);";
    let igor = classic(body, "").frankenphp("php_ini extension {$DIR}/other_filter.so");
    compile_module("filter.c", "other_filter", igor.folder());
    let server = igor.start();
    let request = Request::get("/show.php").header("X-One", "1").header("X-Two", "2");
    assert_eq!(show(&server, request), json!(["of the filter", "2", false]));
}

/// B56
#[test]
fn input_filters_of_a_worker_see_its_request() {
    let body = "$_SERVER['HTTP_X_ONE'] = 'changed'; $one = filter_input(INPUT_SERVER, 'HTTP_X_ONE');
        echo json_encode([$one, $_SERVER['HTTP_X_ONE'], count(filter_input_array(INPUT_SERVER)) > 20]);";
    let between = "$between = filter_has_var(INPUT_SERVER, 'HTTP_X_ONE'); ";
    let worker = format!("<?php {between} while (frankenphp_handle_request(function () {{ {body} }})) {{ {between} }}");
    let igor = Igor::new().file("show.php", &script(body)).file("worker.php", &worker);
    let server = igor.site("root {$DIR}\nphp_server {\nworker worker.php 1\n}").start();
    for path in ["/show.php", "/worker.php"] {
        for value in ["1", "2", "<3>"] {
            let seen = show(&server, Request::get(path).header("X-One", value));
            assert_eq!(seen, json!([value, "changed", true]), "{path}");
        }
    }
}
