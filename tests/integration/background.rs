//! Background workers: declarations, demands and waits.

use crate::common::workers::{READY, assert_holds, block, ensure, puppet, read, site};
use crate::common::{Igor, Outcome, Request, wait_until};
use serde_json::json;
use std::fs;

/// B3, B10, B31, B45
#[test]
fn a_worker_without_a_number_starts_on_first_demand() {
    let server = block(&puppet("w", READY)).start();
    assert_holds(
        &read(&server, "w").thrown("RuntimeException"),
        &["\"w\"", "has published nothing", "ensure_background_worker()"],
    );
    assert_eq!(server.log.count("background worker started"), 0);
    ensure(&server, "w");
    assert!(read(&server, "w").value()["pid"].is_u64());
    ensure(&server, "w");
    server.eval("frankenphp_require_background_worker('w');").value();
    server.wait_log(&["background worker started"]);
    assert_eq!(server.log.count("background worker started"), 1);
}

/// B45, B31: the server serves while an eager worker has not published.
#[test]
fn the_server_does_not_wait_for_eager_workers() {
    let server = block(&puppet("w", "num 1")).start();
    server.wait_log(&["background worker started", "worker=\"w\""]);
    assert_holds(&read(&server, "w").thrown("RuntimeException"), &["\"w\"", "runs", "frankenphp_set_vars()"]);
    server.puppet("w").eval("frankenphp_set_vars([]);").value();
    assert_eq!(read(&server, "w").value(), json!([]), "an empty snapshot is one");
    server.wait_log(&["background worker ready", "worker=\"w\""]);
}

/// B3, B28, B40
#[test]
fn a_pool_shares_one_slot() {
    let server = block(&puppet("w", "num 3")).start();
    let mut threads: Vec<_> = (0..3).map(|number| server.puppet_thread("w", number)).collect();
    for (number, thread) in threads.iter_mut().enumerate() {
        thread.eval(&format!("frankenphp_set_vars(['from' => {number}]);")).value();
        assert_eq!(read(&server, "w").value(), json!({"from": number}), "the last publisher wins");
    }
    threads.remove(1).doom("exit(1);");
    assert_eq!(read(&server, "w").value(), json!({"from": 2}), "the others are not disturbed");
    server.puppet_thread("w", 1).eval("frankenphp_set_vars(['from' => 'again']);").value();
    assert_eq!(threads[0].eval("return frankenphp_get_vars('w');").value(), json!({"from": "again"}));
    assert_eq!(threads[1].eval("return frankenphp_get_vars('w');").value(), json!({"from": "again"}));
}

/// B2, B4, B21, B41
#[test]
fn a_catch_all_serves_any_name_up_to_its_cap() {
    let server = block(
        "worker {\nfile {$PHP_TESTS}/puppet.php\nbackground\nmax_threads 2\n\
         env BOOT \"frankenphp_set_vars([$_SERVER['FRANKENPHP_WORKER_NAME'], $_SERVER['argv'][1]]);\"\n}\n",
    )
    .start();
    assert_holds(&read(&server, "one").thrown("RuntimeException"), &["\"one\"", "has not been started"]);
    server.eval("frankenphp_ensure_background_worker(['one', 'zwei ü']);").value();
    assert_eq!(read(&server, "one").value(), json!(["one", "one"]));
    assert_eq!(read(&server, "zwei ü").value(), json!(["zwei ü", "zwei ü"]));
    let refused = server.eval("frankenphp_ensure_background_worker('three');").thrown("RuntimeException");
    assert_holds(&refused, &["\"three\"", "2 names", "max_threads"]);
    let refused = server.eval("frankenphp_require_background_worker('three');").thrown("RuntimeException");
    assert_holds(&refused, &["\"three\"", "max_threads"]);
    ensure(&server, "one");
    server.puppet("one").doom("exit(1);");
    assert_eq!(read(&server, "zwei ü").value(), json!(["zwei ü", "zwei ü"]), "each name has its own life");
}

/// If the catch-all may not start all names of a list, it starts none: otherwise the first ones would keep its places
/// forever.
#[test]
fn a_list_beyond_the_cap_takes_no_place() {
    let server = block(
        "worker {\nfile {$PHP_TESTS}/puppet.php\nbackground\nmax_threads 2\nenv BOOT \"frankenphp_set_vars([1]);\"\n}\n",
    )
    .start();
    let ensure = |names: &str| server.eval(&format!("frankenphp_ensure_background_worker({names});"));
    assert_holds(&ensure("['a', 'b', 'c']").thrown("RuntimeException"), &["\"c\"", "2 names"]);
    ensure("['d', \"\\xff\"]").thrown("ValueError");
    ensure("['e', 'f']").value();
    assert_eq!(read(&server, "e").value(), json!([1]));
    assert_holds(&ensure("'a'").thrown("RuntimeException"), &["\"a\"", "2 names"]);
}

/// B2: a declared name does not count against the catch-all, and is not served by it.
#[test]
fn a_named_worker_comes_before_the_catch_all() {
    let catch_all = "worker {\nfile {$PHP_TESTS}/puppet.php\nbackground\nmax_threads 1\nenv BOOT \"frankenphp_set_vars(['any']);\"\n}\n";
    let named = puppet("named", "env BOOT \"frankenphp_set_vars(['named']);\"");
    let server = block(&format!("{catch_all}{named}")).start();
    server.eval("frankenphp_ensure_background_worker(['named', 'other']);").value();
    assert_eq!(
        server.eval("return frankenphp_get_vars(['named', 'other']);").value(),
        json!({"named": ["named"], "other": ["any"]})
    );
}

/// B6
#[test]
fn several_workers_may_share_one_file() {
    let dispatch = "env BOOT \"frankenphp_set_vars(['i am' => $_SERVER['FRANKENPHP_WORKER_NAME']]);\"";
    let server = block(&format!("{}{}", puppet("a", dispatch), puppet("b", dispatch))).start();
    server.eval("frankenphp_ensure_background_worker(['a', 'b']);").value();
    let expected = json!({"b": {"i am": "b"}, "a": {"i am": "a"}});
    assert_eq!(server.eval("return frankenphp_get_vars(['b', 'a']);").value(), expected);
}

/// B7, N27
#[test]
fn one_name_in_two_scopes_is_two_workers() {
    let workers = |number: u8| {
        site(&puppet("w", &format!("env PUPPET w{number}\nenv BOOT \"frankenphp_set_vars([{number}]);\"")))
    };
    let server = Igor::new()
        .frankenphp("num_threads 1")
        .hosts(&[("one.test", &workers(1)), ("two.test", &workers(2)), ("none.test", &site(""))])
        .start();
    server.eval_at("one.test", "frankenphp_ensure_background_worker('w');").value();
    let missing = server.eval_at("two.test", "frankenphp_get_vars('w');").thrown("RuntimeException");
    assert_holds(&missing, &["has published nothing"]);
    server.eval_at("two.test", "frankenphp_ensure_background_worker('w');").value();
    for _ in 0..5 {
        assert_eq!(server.eval_at("one.test", "return frankenphp_get_vars('w');").value(), json!([1]));
        assert_eq!(server.eval_at("two.test", "return frankenphp_get_vars('w');").value(), json!([2]));
    }
    server.puppet("w1").doom("exit(1);");
    assert_eq!(server.puppet("w2").eval("return frankenphp_get_vars('w');").value(), json!([2]));
    let unknown = server.eval_at("none.test", "frankenphp_get_vars('w');").thrown("RuntimeException");
    assert_holds(&unknown, &["\"w\"", "not declared", "no background workers are declared there"]);
}

/// B1: workers outside of every block belong to the global scope.
#[test]
fn a_block_without_workers_sees_the_global_ones() {
    let global = puppet("w", "env DIR {$DIR}\nenv BOOT \"frankenphp_set_vars(['global']);\"");
    let server = Igor::new().frankenphp(&global).hosts(&[("one.test", &site("")), ("two.test", &site(""))]).start();
    server.eval_at("one.test", "frankenphp_ensure_background_worker('w');").value();
    assert_eq!(server.eval_at("two.test", "return frankenphp_get_vars('w');").value(), json!(["global"]));
}

/// B8
#[test]
fn background_threads_take_none_of_the_http_threads() {
    let server = block(&puppet("w", "num 5\nenv BOOT \"frankenphp_set_vars([]); while (!file_exists(getenv('DIR') . '/go')) { usleep(1000); clearstatcache(); }\""))
        .frankenphp("num_threads 1")
        .start();
    ensure(&server, "w");
    for _ in 0..20 {
        assert_eq!(server.eval("return 1;").value(), 1);
    }
    fs::write(server.path("go"), "").expect("files can be written");
}

/// B9
#[test]
fn the_path_of_a_worker_script_is_an_ordinary_script() {
    let server = Igor::new()
        .file("public/w.php", "<?php echo json_encode([$_SERVER['FRANKENPHP_WORKER_BACKGROUND'] ?? null, $_GET]);")
        .site("root {$DIR}/public\nphp_server {\nworker {$DIR}/public/w.php {\nbackground\nname w\n}\n}")
        .start();
    assert_eq!(server.get("/w.php?a=1").json(), json!([null, {"a": "1"}]));
}

/// B10 (c), B11
#[test]
fn many_callers_start_one_thread() {
    let server = block(&puppet("w", "")).frankenphp("num_threads 8").start();
    let mut waiting: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for (number, connection) in waiting.iter_mut().enumerate() {
        let function = if number % 2 == 0 { "require" } else { "ensure" };
        let code = format!(
            "touch(getenv('DIR') . '/waits-{number}'); frankenphp_{function}_background_worker('w'); return frankenphp_get_vars('w');"
        );
        connection.write(&Request::post("/eval.php", code));
    }
    wait_until("all callers", || (0..8).all(|number| server.path(&format!("waits-{number}")).exists()));
    server.puppet("w").eval("frankenphp_set_vars(['one']);").value();
    for connection in &mut waiting {
        assert_eq!(Outcome::of_response(&connection.read(false)).value(), json!(["one"]));
    }
    assert_eq!(server.log.count("background worker started"), 1);
}

/// B13: an array is started as a whole first, and shares one deadline.
#[test]
fn ensure_takes_several_names() {
    let waits = |other: &str| {
        format!(
            "env BOOT \"while (!file_exists(getenv('DIR') . '/{other}')) {{ usleep(1000); clearstatcache(); }} frankenphp_set_vars([]);\""
        )
    };
    let a = puppet(
        "a",
        &format!(
            "{}\nenv PUPPET a",
            "env BOOT \"touch(getenv('DIR') . '/a'); while (!file_exists(getenv('DIR') . '/b')) { usleep(1000); clearstatcache(); } frankenphp_set_vars([]);\""
        ),
    );
    let b = puppet(
        "b",
        "env BOOT \"touch(getenv('DIR') . '/b'); while (!file_exists(getenv('DIR') . '/a')) { usleep(1000); clearstatcache(); } frankenphp_set_vars([]);\"",
    );
    let server = block(&format!("{a}{b}{}", puppet("never", &waits("nothing")))).start();
    server.eval("frankenphp_ensure_background_worker(['a', 'b']);").value();
    let message = server.eval("frankenphp_ensure_background_worker(['a', 'never'], 0.05);").thrown("RuntimeException");
    assert_holds(&message, &["\"never\"", "not ready after"]);
    fs::write(server.path("nothing"), "").expect("files can be written");
    ensure(&server, "never");
}

/// B14: everything is checked before anything starts.
#[test]
fn arguments_are_checked_first() {
    let server = block(&puppet("w", READY)).start();
    let cases = [
        ("frankenphp_ensure_background_worker('');", "ValueError", "must not be empty"),
        ("frankenphp_ensure_background_worker(\"w\\0\");", "ValueError", "null bytes"),
        ("frankenphp_ensure_background_worker([]);", "ValueError", "empty array"),
        ("frankenphp_ensure_background_worker(['w', 'w']);", "ValueError", "twice"),
        ("frankenphp_ensure_background_worker(['w', '']);", "ValueError", "must not be empty"),
        ("frankenphp_ensure_background_worker(['w', 5]);", "TypeError", "int"),
        ("frankenphp_ensure_background_worker(['w', null]);", "TypeError", "null"),
        ("frankenphp_ensure_background_worker('w', 0);", "ValueError", "greater than 0"),
        ("frankenphp_ensure_background_worker('w', -1);", "ValueError", "greater than 0"),
        ("frankenphp_ensure_background_worker('w', NAN);", "ValueError", "finite"),
        ("frankenphp_ensure_background_worker('w', INF);", "ValueError", "finite"),
        ("frankenphp_require_background_worker('');", "ValueError", "must not be empty"),
        ("frankenphp_require_background_worker(\"\\0\");", "ValueError", "null bytes"),
        ("frankenphp_require_background_worker('w', 0.0);", "ValueError", "greater than 0"),
        ("frankenphp_require_background_worker('w', -INF);", "ValueError", "finite"),
        ("frankenphp_require_background_worker(['w']);", "TypeError", "string"),
        ("frankenphp_get_vars([5, 'w']);", "TypeError", "int"),
    ];
    for (code, class, part) in cases {
        assert_holds(&server.eval(code).thrown(class), &[part]);
    }
    let partly = server.eval("frankenphp_ensure_background_worker(['w', 'unknown']);").thrown("RuntimeException");
    assert_holds(&partly, &["\"unknown\"", "not declared"]);
    assert_eq!(server.log.count("background worker started"), 0, "nothing was started");
    server.eval("frankenphp_ensure_background_worker('w', null);").value();
}

/// B15, B18
#[test]
fn a_timeout_below_a_millisecond_is_what_it_says() {
    let server = block(&puppet("w", "")).start();
    let message = server.eval("frankenphp_ensure_background_worker('w', 0.0005);").thrown("RuntimeException");
    assert_holds(&message, &["\"w\"", "puppet.php", "not ready after", "frankenphp_set_vars()"]);
    server.puppet("w").eval("frankenphp_set_vars([]);").value();
    server.eval("frankenphp_ensure_background_worker('w', 0.0005);").value();
}

/// B17
#[test]
fn an_unknown_name_is_told_what_is_declared() {
    let server =
        Igor::new().hosts(&[("shop.test", &site(&format!("{}{}", puppet("redis", ""), puppet("flags", ""))))]).start();
    for call in ["require_background_worker('cache')", "ensure_background_worker('cache')", "get_vars('cache')"] {
        let message = server.eval_at("shop.test", &format!("frankenphp_{call};")).thrown("RuntimeException");
        assert_holds(&message, &["\"cache\"", "\"shop.test\"", "\"redis\"", "\"flags\"", "not declared"]);
    }
}

/// B16
#[test]
fn workers_that_wait_for_each_other_are_told() {
    let server = block(&format!("{}{}{}", puppet("a", "num 1"), puppet("b", "num 1"), puppet("c", "num 1"))).start();
    let (mut a, mut b, mut c) = (server.puppet("a"), server.puppet("b"), server.puppet("c"));
    let own = a.eval("frankenphp_ensure_background_worker('a', 3600);").thrown("RuntimeException");
    assert_holds(&own, &["\"a\" -> \"a\""]);
    a.start("touch(getenv('DIR') . '/a'); frankenphp_require_background_worker('b', 3600); return 'b is ready';");
    b.start("touch(getenv('DIR') . '/b'); frankenphp_require_background_worker('c', 3600); frankenphp_set_vars([]); return 'c is ready';");
    wait_until("both waits", || server.path("a").exists() && server.path("b").exists());
    // The scripts create the two files right before their waits, so the last wait is repeated until both waits are
    // registered.
    let circle = loop {
        match c.eval("frankenphp_ensure_background_worker('a', 0.01);").thrown("RuntimeException") {
            message if message.contains("circle") => break message,
            message => assert_holds(&message, &["not ready after"]),
        }
    };
    assert_holds(&circle, &["\"c\" -> \"a\" -> \"b\" -> \"c\""]);
    c.eval("frankenphp_set_vars([]);").value();
    assert_eq!(b.finish().value(), "c is ready");
    assert_eq!(a.finish().value(), "b is ready");
}

/// B10 (c), B32
#[test]
fn workers_read_themselves_and_others() {
    let server =
        block(&format!("{}{}", puppet("a", READY), puppet("b", "env BOOT \"frankenphp_set_vars(['b']);\""))).start();
    ensure(&server, "a");
    let mut a = server.puppet("a");
    assert_holds(&a.eval("frankenphp_get_vars('b');").thrown("RuntimeException"), &["has not been started"]);
    assert_eq!(
        a.eval("frankenphp_require_background_worker('b'); return frankenphp_get_vars('b');").value(),
        json!(["b"])
    );
    assert_eq!(a.eval("frankenphp_set_vars(['own']); return frankenphp_get_vars('a');").value(), json!(["own"]));
}

/// B25, B40, N28
#[test]
fn what_only_a_background_worker_may_do() {
    let server = block(&format!("worker {{$PHP_TESTS}}/worker.php 1\n{}", puppet("w", READY))).start();
    for call in ["set_vars([])", "get_worker_handle()"] {
        let classic = server.eval(&format!("frankenphp_{call};")).thrown("RuntimeException");
        assert_holds(&classic, &["can only be called in a background worker"]);
        let worker = server.eval_in_worker(&format!("frankenphp_{call};")).thrown("RuntimeException");
        assert_holds(&worker, &["can only be called in a background worker"]);
    }
    ensure(&server, "w");
    let handle = server.puppet("w").eval("frankenphp_handle_request(fn () => 1);").thrown("RuntimeException");
    assert_holds(&handle, &["background worker"]);
}
