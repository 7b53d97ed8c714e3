//! Classic mode: each HTTP request is a separate PHP request.

use crate::common::{Connection, Igor, Request, Response, Server, wait_for, wait_until};
use serde_json::json;
use std::fs;

/// One thread, so that each request runs on the thread of the previous one.
fn server() -> Server {
    igor().start()
}

fn igor() -> Igor {
    Igor::new().frankenphp("num_threads 1").site("root {$PHP_TESTS}\nphp_server {\nenv DIR {$DIR}\n}")
}

/// Runs code that may print, exit or fail.
fn run(server: &Server, code: &str) -> Response {
    server.send(&Request::post("/eval.php?raw", code))
}

/// The thread serves the next request as if nothing had happened.
fn assert_goes_on(server: &Server) {
    assert_eq!(server.eval("return 40 + 2;").value(), json!(42));
}

/// B56
#[test]
fn superglobals_of_a_get_request() {
    let server = server();
    let request = Request::get("/classic/show.php?a=1&b[]=2&b[]=3&c%20d=%C3%BC&e")
        .header("Cookie", "one=1; two=zwei%20drei")
        .header("X-Custom-Header", "value")
        .header("X-Twice", "a")
        .header("X-Twice", "b");
    let seen = server.send(&request).json();
    assert_eq!(seen["get"], json!({"a": "1", "b": ["2", "3"], "c_d": "ü", "e": ""}));
    assert_eq!(seen["cookie"], json!({"one": "1", "two": "zwei drei"}));
    assert_eq!(seen["post"], json!([]));
    assert_eq!(
        seen["request"],
        json!({"a": "1", "b": ["2", "3"], "c_d": "ü", "e": "", "one": "1", "two": "zwei drei"})
    );
    let vars = &seen["server"];
    assert_eq!(vars["REQUEST_METHOD"], "GET");
    assert_eq!(vars["REQUEST_URI"], "/classic/show.php?a=1&b[]=2&b[]=3&c%20d=%C3%BC&e");
    assert_eq!(vars["QUERY_STRING"], "a=1&b[]=2&b[]=3&c%20d=%C3%BC&e");
    assert_eq!(vars["SCRIPT_NAME"], "/classic/show.php");
    assert_eq!(vars["PHP_SELF"], "/classic/show.php");
    assert_eq!(vars["SERVER_PROTOCOL"], "HTTP/1.1");
    assert_eq!(vars["REMOTE_ADDR"], "127.0.0.1");
    assert_eq!(vars["SERVER_PORT"], server.address().port().to_string());
    assert_eq!(vars["HTTP_X_CUSTOM_HEADER"], "value");
    assert_eq!(vars["HTTP_X_TWICE"], "a, b");
    assert_eq!(vars["HTTP_HOST"], server.address().to_string());
    assert!(vars["REQUEST_TIME_FLOAT"].as_f64().is_some_and(|time| time > 1e9));
    assert_eq!(vars.get("FRANKENPHP_WORKER"), None);
    assert_eq!(seen["headers"]["X-Custom-Header"], "value");
}

/// B56
#[test]
fn superglobals_of_a_form() {
    let server = server();
    let seen = server.send(&Request::form("/classic/show.php?q=query", "name=J%C3%BCrgen&tags[x]=1&q=body")).json();
    assert_eq!(seen["post"], json!({"name": "Jürgen", "tags": {"x": "1"}, "q": "body"}));
    assert_eq!(seen["get"], json!({"q": "query"}));
    assert_eq!(seen["request"]["q"], "body");
    assert_eq!(seen["input"], "name=J%C3%BCrgen&tags[x]=1&q=body");
    assert_eq!(seen["server"]["CONTENT_TYPE"], "application/x-www-form-urlencoded");
    assert_eq!(seen["server"]["CONTENT_LENGTH"], "33");
}

/// B56
#[test]
fn uploads() {
    let server = server();
    let body = "--limit\r\nContent-Disposition: form-data; name=\"field\"\r\n\r\nvalue\r\n\
                --limit\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a b.txt\"\r\n\
                Content-Type: text/plain\r\n\r\nthe\r\ncontent\r\n--limit--\r\n";
    let request =
        Request::post("/classic/show.php", body).header("Content-Type", "multipart/form-data; boundary=limit");
    let seen = server.send(&request).json();
    let file = &seen["files"]["file"];
    assert_eq!(seen["post"], json!({"field": "value"}));
    assert_eq!(file["content"], "the\r\ncontent");
    assert_eq!([&file["name"], &file["type"]], ["a b.txt", "text/plain"]);
    assert_eq!((&file["error"], &file["size"], &file["uploaded"]), (&json!(0), &json!(12), &json!(true)));
    let path = file["tmp_name"].as_str().expect("the file has a place").to_owned();
    wait_until("the end of the uploaded file", || !fs::exists(&path).expect("the place can be looked at"));
    assert_eq!(server.get("/classic/show.php").json()["files"], json!([]), "nothing is left for the next request");
}

/// B56
#[test]
fn basic_authentication() {
    let server = server();
    let seen =
        server.send(&Request::get("/classic/show.php").header("Authorization", "Basic dXNlcjpwYXNzOndvcmQ=")).json();
    assert_eq!(seen["server"]["PHP_AUTH_USER"], "user");
    assert_eq!(seen["server"]["PHP_AUTH_PW"], "pass:word");
    let next = server.get("/classic/show.php").json();
    assert_eq!(next["server"].get("PHP_AUTH_USER"), None, "the next request has no user");
}

/// B56
#[test]
fn php_input_can_be_read_again_and_in_pieces() {
    let server = server();
    let code = "$f = fopen('php://input', 'rb'); $start = fread($f, 2); rewind($f);
                return [$start, strlen(stream_get_contents($f)), file_get_contents('php://input') === $code];";
    assert_eq!(server.eval(code).value(), json!(["$f", code.len(), true]));
}

/// B56
#[test]
fn a_body_without_a_length() {
    let server = server();
    let request = Request::form("/classic/show.php", "chunked=yes").chunked();
    let seen = server.send(&request).json();
    assert_eq!(seen["post"], json!({"chunked": "yes"}));
    assert_eq!(seen["server"]["CONTENT_LENGTH"], "11");
    let large = Request::post("/classic/upstream.php", vec![b'x'; 300_000]).chunked();
    assert_eq!(server.send(&large).json()["length"], 300_000);
}

/// B56
#[test]
fn a_large_body_is_streamed_to_the_script() {
    let server = Igor::new()
        .frankenphp("num_threads 1\nphp_ini post_max_size 64M\nphp_ini memory_limit 16M")
        .site("root {$PHP_TESTS}\nphp_server")
        .start();
    let body: Vec<u8> = (0..32_usize << 20).map(|at| (at % 251) as u8).collect();
    let seen = server.send(&Request::post("/classic/upstream.php", body.clone())).json();
    assert_eq!(seen["length"], body.len());
    let hash = "$all = ''; for ($i = 0; $i < 251; $i++) { $all .= chr($i); }
                $h = hash_init('sha256'); $rest = 32 << 20;
                while ($rest > 0) { hash_update($h, substr($all, 0, $rest)); $rest -= 251; } return hash_final($h);";
    assert_eq!(seen["hash"], server.eval(hash).value());
    assert!(seen["peak"].as_u64().is_some_and(|peak| peak < 16 << 20), "{}", seen["peak"]);
}

/// B56
#[test]
fn a_large_response_is_streamed_to_the_client() {
    let server = server();
    let response = server.get("/classic/downstream.php?pieces=64&size=500000");
    assert_eq!(response.status, 200);
    assert_eq!(response.body.len(), 64 * 500_000);
    let expected = |at: usize| b'a' + (at / 500_000 % 26) as u8;
    assert!(response.body.iter().enumerate().all(|(at, &byte)| byte == expected(at)));
}

/// B56
#[test]
fn status_and_headers() {
    let server = server();
    let code = "header('X-One: 1'); header('X-Many: a'); header('X-Many: b', false); header('X-Gone: 1');
                header_remove('X-Gone'); header('Content-Type: text/plain'); http_response_code(418);
                setcookie('a', '1'); setcookie('b', '2'); echo 'short';";
    let response = run(&server, code);
    assert_eq!((response.status, response.text().as_str()), (418, "short"));
    assert_eq!(response.header("x-one"), Some("1"));
    assert_eq!(response.all("x-many").collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(response.all("set-cookie").collect::<Vec<_>>(), ["a=1", "b=2"]);
    assert_eq!(response.header("x-gone"), None);
    assert!(response.header("content-type").is_some_and(|value| value.starts_with("text/plain")));
    assert_eq!(response.header("content-length"), Some("5"));

    let redirect = run(&server, "header('Location: /elsewhere'); ");
    assert_eq!((redirect.status, redirect.header("location")), (303, Some("/elsewhere")), "PHP's answer to a POST");
    assert_eq!(run(&server, "header('HTTP/1.1 410 Gone'); ").status, 410);
    assert_eq!(run(&server, "http_response_code(204); ").status, 204);
    assert_eq!(run(&server, "").status, 200, "the status of a request is not that of the one before");
}

/// B57
#[test]
fn request_and_response_headers_as_functions() {
    let server = server();
    let code = "header('X-Answer: 42');
                return [frankenphp_request_headers()['X-Ask'], apache_request_headers() === getallheaders(),
                        frankenphp_response_headers()['X-Answer'],
                        apache_response_headers() === frankenphp_response_headers()];";
    let response = server.send(&Request::post("/eval.php", code).header("X-Ask", "why"));
    assert_eq!(response.json()["value"], json!(["why", true, "42", true]));
    assert_eq!(response.header("x-answer"), Some("42"));
}

/// B57
#[test]
fn early_hints() {
    let server = server();
    let code = "header('Link: </style.css>; rel=preload'); headers_send(103); header_remove('Link'); echo 'page';";
    let response = run(&server, code);
    let (status, hints) = &response.interim[0];
    assert!(hints.contains(&("link".to_owned(), "</style.css>; rel=preload".to_owned())), "{hints:?}");
    assert_eq!((*status, response.interim.len()), (103, 1));
    assert_eq!((response.status, response.text().as_str(), response.header("link")), (200, "page", None));
}

/// B57
#[test]
fn log_records_from_a_script() {
    let server = server();
    server.eval("frankenphp_log('a record of mine', 4, ['answer' => 42]); error_log('another record');").value();
    let record = server.wait_log(&["a record of mine"]);
    assert!(record.contains("WARN") && record.contains(r#"{"answer":42}"#), "{record}");
    server.wait_log(&["another record"]);
}

/// B58
#[test]
fn exit_ends_the_request_with_what_was_printed() {
    let server = server();
    let response = run(&server, "echo 'before '; exit('message');");
    assert_eq!((response.status, response.text().as_str()), (200, "before message"));
    let response = run(&server, "echo 'status'; exit(3);");
    assert_eq!((response.status, response.text().as_str()), (200, "status"));
    assert_goes_on(&server);
}

/// B58
#[test]
fn a_fatal_error_is_a_500_and_the_thread_goes_on() {
    let server = server();
    for _ in 0..3 {
        let response = run(&server, "class A {} eval('class A {}');");
        assert_eq!((response.status, response.text().as_str()), (500, ""));
        assert_goes_on(&server);
    }
    server.wait_log(&["ERROR", "Cannot", "class A"]);
    let response = run(&server, "echo 'printed '; flush(); trigger_error('mine', E_USER_ERROR);");
    assert_eq!((response.status, response.text().as_str()), (200, "printed "));
    assert_goes_on(&server);
}

/// B58
#[test]
fn an_uncaught_exception_is_a_500_and_the_thread_goes_on() {
    let server = server();
    for code in [
        "throw new DomainException('nobody catches me');",
        "register_shutdown_function(fn () => throw new DomainException('late'));",
    ] {
        let response = run(&server, code);
        assert_eq!((response.status, response.text().as_str()), (500, ""));
        assert_goes_on(&server);
    }
    server.wait_log(&["ERROR", "Uncaught DomainException: nobody catches me"]);
    server.wait_log(&["ERROR", "Uncaught DomainException: late"]);
}

/// B58
#[test]
fn the_memory_limit_is_a_500_and_the_thread_goes_on() {
    let server = server();
    for _ in 0..3 {
        let response =
            run(&server, "ini_set('memory_limit', '8M'); $all = []; while (true) { $all[] = str_repeat('x', 4096); }");
        assert_eq!(response.status, 500);
        assert_goes_on(&server);
    }
    server.wait_log(&["Allowed memory size of 8388608 bytes exhausted"]);
}

/// B58
#[test]
fn the_time_limit_is_a_500_and_the_thread_goes_on() {
    let server = server();
    let response = run(&server, "set_time_limit(1); while (true);");
    assert_eq!(response.status, 500);
    server.wait_log(&["Maximum execution time of 1 second exceeded"]);
    assert_goes_on(&server);
}

/// B58
#[test]
fn endless_recursion_is_a_500_and_the_thread_goes_on() {
    let server = server();
    let response =
        run(&server, "ini_set('memory_limit', '64M'); $f = function () use (&$f) { return 1 + $f(); }; $f();");
    assert_eq!(response.status, 500);
    assert_goes_on(&server);
}

/// B58: recursion through an internal function uses the C stack, which PHP guards since 8.3.
#[test]
fn an_overflow_of_the_c_stack_is_an_error_of_the_request() {
    let server = server();
    if server.eval("return PHP_VERSION_ID;").value().as_i64().is_some_and(|version| version < 80300) {
        return;
    }
    let code = "ini_set('memory_limit', '1G'); $f = function ($x) use (&$f) { return array_map($f, [$x]); }; $f(1);";
    let message = server.eval(code).thrown("Error");
    assert!(message.contains("Maximum call stack size of"), "{message}");
    assert_goes_on(&server);
}

/// B56
#[test]
fn flushed_output_arrives_while_the_script_runs() {
    let server = server();
    let mut connection = server.connect();
    connection.write(&Request::get("/classic/pause.php"));
    let head = connection.read_head();
    assert_eq!(head.status, 200);
    assert_eq!(connection.read_chunk().expect("a chunk"), Some(b"first".to_vec()));
    fs::write(server.path("go"), "").expect("files can be written");
    assert_eq!(connection.read_chunk().expect("a chunk"), Some(b"second".to_vec()));
    assert_eq!(connection.read_chunk().expect("the end"), None);
}

/// B57
#[test]
fn a_finished_request_is_answered_while_its_script_goes_on() {
    let server = server();
    let response = server.get("/classic/pause.php?finish");
    assert_eq!((response.status, response.text().as_str()), (200, "first"));
    assert!(!server.path("done").exists());
    fs::write(server.path("go"), "").expect("files can be written");
    wait_until("the rest of the script", || server.path("done").exists());
    assert_goes_on(&server);
}

/// B56
#[test]
fn output_buffers() {
    let server = server();
    assert_eq!(run(&server, "ob_start(); echo 'left open'; ").text(), "left open");
    assert_eq!(run(&server, "ob_start(fn ($text) => strtoupper($text)); echo 'shout'; ").text(), "SHOUT");
    assert_eq!(run(&server, "ob_start(); echo 'dropped'; ob_end_clean(); echo 'kept'; ").text(), "kept");
    assert_eq!(run(&server, "ob_start(); echo 'a'; header('X-Late: 1'); ").header("x-late"), Some("1"));
}

/// B56
#[test]
fn shutdown_functions_and_destructors_still_answer() {
    let server = server();
    let code = "class D { function __destruct() { echo ' destructor'; } } $GLOBALS['d'] = new D;
                register_shutdown_function(function () { echo ' shutdown'; }); echo 'script';";
    assert_eq!(run(&server, code).text(), "script shutdown destructor");
}

/// B56
#[test]
fn the_front_controller_gets_what_names_no_file() {
    let server = server();
    let expected = json!({"front": "/some/page?q=1", "script": "/index.php", "q": "1"});
    assert_eq!(server.get("/some/page?q=1").json(), expected);
    assert_eq!(server.get("/").json()["script"], "/index.php");
}

/// B56
#[test]
fn static_files_and_what_is_not_there() {
    let server = Igor::new().site("root {$PHP_TESTS}/classic\nphp_server").start();
    let file = server.get("/static.txt");
    assert_eq!((file.status, file.text().as_str()), (200, "static text\n"));
    assert!(file.header("content-type").is_some_and(|value| value.starts_with("text/plain")));
    assert_eq!(server.get("/missing.txt").status, 404);
    assert_eq!(server.get("/missing.php").status, 404);
    assert_eq!(server.get("/").status, 404, "there is no index script");
    assert_eq!(server.get("/../eval.php").status, 404, "nothing above the root is served");
    assert_eq!(server.get("/show.php").status, 200);
}

/// B56
#[test]
fn path_info() {
    let server = server();
    let vars = server.get("/classic/show.php/extra/p%20ath?x=1").json()["server"].take();
    assert_eq!(vars["PATH_INFO"], "/extra/p ath");
    assert_eq!(vars["SCRIPT_NAME"], "/classic/show.php");
    assert_eq!(vars["PHP_SELF"], "/classic/show.php/extra/p ath");
    assert!(vars["SCRIPT_FILENAME"].as_str().is_some_and(|file| file.ends_with("/php-tests/classic/show.php")));
}

/// B56
#[test]
fn head_requests_have_no_body() {
    let server = server();
    let mut connection = server.connect();
    let target = "/classic/downstream.php?pieces=2&size=100";
    let head = connection.send(&Request::new("HEAD", target));
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(connection.send(&Request::get(target)).body.len(), 200, "the connection is in order");
}

/// B56
#[test]
fn nothing_is_left_for_the_next_request() {
    let server = server();
    let leave = "$GLOBALS['left'] = 1; define('LEFT', 1); ini_set('precision', 3); function left() {} class Left {}
                 putenv('LEFT=1'); set_error_handler(fn () => true); date_default_timezone_set('Asia/Tokyo');
                 setlocale(LC_ALL, 'C.UTF-8'); chdir('/'); http_response_code(404); header('X-Left: 1');
                 mb_internal_encoding('ISO-8859-1'); ob_start(); $_SERVER['LEFT'] = 1; umask(0077);";
    let look = "return [isset($GLOBALS['left']), defined('LEFT'), ini_get('precision') === '3', function_exists('left'),
                        class_exists('Left'), getenv('LEFT'), set_error_handler(null), date_default_timezone_get() === 'Asia/Tokyo',
                        getcwd() === '/', ob_get_level(), mb_internal_encoding() === 'ISO-8859-1', isset($_SERVER['LEFT'])];";
    let before = server.eval(look).value();
    for _ in 0..3 {
        server.send(&Request::post("/eval.php", leave));
        let response = server.send(&Request::post("/eval.php", look));
        assert_eq!(response.json()["value"], before);
        assert_eq!((response.status, response.header("x-left")), (200, None));
    }
}

/// B56
#[test]
fn sessions() {
    let server = Igor::new()
        .frankenphp("num_threads 2\nphp_ini session.save_path {$DIR}")
        .site("root {$PHP_TESTS}\nphp_server")
        .start();
    let count = "session_start(); $_SESSION['count'] = ($_SESSION['count'] ?? 0) + 1; return $_SESSION['count'];";
    let first = server.send(&Request::post("/eval.php", count));
    let cookie = first.header("set-cookie").and_then(|value| value.split(';').next()).expect("a cookie").to_owned();
    assert!(cookie.starts_with("PHPSESSID="), "{cookie}");
    for expected in 2..5 {
        let next = server.send(&Request::post("/eval.php", count).header("Cookie", &cookie));
        assert_eq!(next.json()["value"], expected);
    }
    assert_eq!(server.eval(count).value(), 1, "another client has another session");
}

/// B41, B56
#[test]
fn the_environment_of_a_block() {
    let server = Igor::new().site("root {$PHP_TESTS}\nphp_server {\nenv APP_MODE \"test mode\"\n}").start();
    let look = "return [$_SERVER['APP_MODE'], getenv('APP_MODE'), getenv('APP_MISSING')];";
    assert_eq!(server.eval(look).value(), json!(["test mode", "test mode", false]));
}

/// B56
#[test]
fn many_requests_on_one_connection() {
    let server = server();
    let mut connection = server.connect();
    for number in 0..300 {
        let seen =
            connection.send(&Request::form(&format!("/classic/show.php?n={number}"), &format!("m={number}"))).json();
        assert_eq!((&seen["get"]["n"], &seen["post"]["m"]), (&json!(number.to_string()), &json!(number.to_string())));
    }
}

/// B56
#[test]
fn requests_of_several_threads_run_side_by_side() {
    let server =
        Igor::new().frankenphp("num_threads 3").site("root {$PHP_TESTS}\nphp_server {\nenv DIR {$DIR}\n}").start();
    let mut waiting: Vec<Connection> = (0..2).map(|_| server.connect()).collect();
    for connection in &mut waiting {
        connection.write(&Request::get("/classic/pause.php"));
        assert_eq!(connection.read_head().status, 200);
    }
    assert_goes_on(&server);
    fs::write(server.path("go"), "").expect("files can be written");
    for connection in &mut waiting {
        let chunks: Vec<Option<Vec<u8>>> = (0..3).map(|_| connection.read_chunk().expect("a chunk")).collect();
        assert_eq!(chunks, [Some(b"first".to_vec()), Some(b"second".to_vec()), None]);
    }
}

/// A connection with a script that has begun and waits. On a loaded machine the only thread may take longer than
/// `max_wait_time` to accept a request, and then this request is refused too.
fn holds_the_thread(server: &Server) -> Connection {
    wait_for("a script that holds the thread", || {
        let mut busy = server.connect();
        busy.write(&Request::get("/classic/pause.php"));
        let status = busy.read_head().status;
        assert!([200, 503].contains(&status), "neither run nor refused: {status}");
        (status == 200).then_some(busy)
    })
}

/// B56: a request that gets no thread in time is refused.
#[test]
fn a_request_that_waits_too_long_is_refused() {
    let server = Igor::new()
        .frankenphp("num_threads 1\nmax_wait_time 50ms")
        .site("root {$PHP_TESTS}\nphp_server {\nenv DIR {$DIR}\n}")
        .start();
    let mut busy = holds_the_thread(&server);
    let refused = server.get("/classic/show.php");
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    fs::write(server.path("go"), "").expect("files can be written");
    assert_eq!(busy.read_chunk().expect("a chunk"), Some(b"first".to_vec()));
    assert_eq!(busy.read_chunk().expect("a chunk"), Some(b"second".to_vec()));
    // The script ends after its last chunk, and a loaded machine may take longer for that than a request waits.
    wait_until("the next request's run", || server.get("/classic/show.php").status == 200);
}

/// B56: the site may answer for a full queue itself, as for each other error.
#[test]
fn a_request_that_waits_too_long_reaches_handle_errors() {
    let errors = "handle_errors {\nrespond \"too many: {err.status_code}\" 503\n}";
    let server = Igor::new()
        .frankenphp("num_threads 1\nmax_wait_time 50ms")
        .site(&format!("root {{$PHP_TESTS}}\nphp_server {{\nenv DIR {{$DIR}}\n}}\n{errors}"))
        .start();
    let _busy = holds_the_thread(&server);
    let refused = server.get("/classic/show.php");
    assert_eq!((refused.status, refused.text().as_str()), (503, "too many: 503"));
    assert!(refused.header("retry-after").is_some());
    fs::write(server.path("go"), "").expect("files can be written");
}

/// B56
#[test]
fn a_script_notices_that_its_client_has_gone() {
    let server = server();
    let mut connection = server.connect();
    let code = "register_shutdown_function(fn () => touch(getenv('DIR') . '/aborted-' . connection_aborted()));
                while (true) { echo str_repeat('x', 10000); flush(); }";
    connection.write(&Request::post("/eval.php", code));
    assert_eq!(connection.read_head().status, 200);
    drop(connection);
    wait_until("the script's end", || server.path("aborted-1").exists());
    assert_goes_on(&server);
}

/// B56
#[test]
fn a_body_that_breaks_off_does_not_hold_the_thread() {
    let server = server();
    let mut connection = server.connect();
    connection.write_raw(b"POST /classic/upstream.php HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nonly this");
    drop(connection);
    assert_goes_on(&server);
}

/// B56
#[test]
fn warnings_go_to_the_log_and_not_to_the_client() {
    let server = server();
    assert_eq!(run(&server, "echo $undefined; echo 'text'; ").text(), "text");
    server.wait_log(&["Undefined variable $undefined", "eval.php"]);
}

/// B56
#[test]
fn results_and_exceptions_of_code_come_back() {
    let server = server();
    assert_eq!(
        server.eval("return [null, true, 1.0, 'ü', [1, 'a' => 2]];").value(),
        json!([null, true, 1.0, "ü", {"0": 1, "a": 2}])
    );
    assert_eq!(server.eval("throw new LogicException('m');").thrown("LogicException"), "m");
}
