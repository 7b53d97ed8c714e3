//! Many background workers at once.

use crate::common::wait_until;
use crate::common::workers::{block, script};
use serde_json::json;

/// B3, B4, B8: hundreds of workers, half of them by a catch-all, all publish, and requests are served beside them.
/// `IGOR_TEST_WORKERS` sets how many of each kind.
#[test]
fn hundreds_of_workers_publish_beside_requests() {
    let count = std::env::var("IGOR_TEST_WORKERS").map_or(60, |text| text.parse().expect("a number"));
    let named: String = (0..count).map(|number| script("{$DIR}/w.php", &format!("named-{number}"), "num 1")).collect();
    let catch_all = format!("worker {{$DIR}}/w.php {{\nbackground\nmax_threads {count}\n}}\n");
    let publisher = "<?php $handle = frankenphp_get_worker_handle();
        for ($n = 1;; $n++) {
            frankenphp_set_vars(['name' => $_SERVER['FRANKENPHP_WORKER_NAME'], 'n' => $n]);
            $r = [$handle]; $w = $e = null;
            if (stream_select($r, $w, $e, 0, 200_000)) { break; }
        }";
    let server = block(&(named + &catch_all)).file("w.php", publisher).start();
    let names = format!(
        "[...array_map(fn ($n) => \"named-$n\", range(0, {0} - 1)), ...array_map(fn ($n) => \"any-$n\", range(0, {0} - 1))]",
        count
    );
    server.eval(&format!("frankenphp_ensure_background_worker({names}, 300);")).value();
    let round = || {
        let code = format!(
            "foreach (frankenphp_get_vars({names}) as $name => $vars) {{ if ($vars['name'] !== $name) {{ return $name; }} $least = min($least ?? PHP_INT_MAX, $vars['n']); }} return $least;"
        );
        server.eval(&code).value()
    };
    let first = round();
    assert!(first.is_u64(), "{first}");
    wait_until("every worker to publish again", || round().as_u64() > first.as_u64());
    let one_more = server.eval("frankenphp_ensure_background_worker('one-more', 1);").thrown("RuntimeException");
    assert!(one_more.contains("max_threads") && one_more.contains(&count.to_string()), "{one_more}");
    assert_eq!(server.eval("return 1;").value(), json!(1));
}
