//! Stores in a running server: one content for all kinds of PHP threads, reloads, what the admin interface shows, and clients of
//! Redis.

use crate::common::workers::{assert_holds, puppet, site};
use crate::common::{Igor, Request, Server, wait_until};
use serde_json::json;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A server with stores, an HTTP worker and a puppet `w`.
fn stores(lines: &str) -> Igor {
    let workers = format!("worker {{$PHP_TESTS}}/worker.php 1 {{\nname app\n}}\n{}", puppet("w", "num 1\nready start"));
    Igor::new().admin().frankenphp(lines).site(&site(&workers))
}

/// What `redis-cli` prints for a command.
fn redis(server: &Server, words: &[&str]) -> String {
    let output = Command::new("redis-cli").arg("-s").arg(server.path("store.sock")).args(words).output();
    let output = output.expect("redis-cli of the package redis-tools is installed");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// One store that listens.
fn listening() -> Server {
    stores("store default {\nlisten unix/{$DIR}/store.sock\n}").start()
}

#[test]
fn all_kinds_of_threads_write_one_store() {
    let server = stores("store default").start();
    let add = "return (new FrankenPHP\\SharedArray())->increment('n');";
    assert_eq!(server.eval(add).value(), 1);
    assert_eq!(server.eval_in_worker(add).value(), 2);
    assert_eq!(server.puppet("w").eval(add).value(), 3);
    let large =
        "$store = new FrankenPHP\\SharedArray(); $store['large'] = range(1, 100000); return count($store['large']);";
    assert_eq!(server.eval(large).value(), 100_000);
    let read = "$store = new FrankenPHP\\SharedArray(); return array_sum($store['large']) + count($store);";
    assert_eq!(server.eval_in_worker(read).value(), 5_000_050_002_u64);
    let answer = server.ask_admin(&Request::get("/frankenphp/stores")).text();
    let seen: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!((&seen[0]["name"], &seen[0]["keys"], &seen[0]["version"]), (&json!("default"), &json!(2), &json!(4)));
    let metrics = server.ask_admin(&Request::get("/metrics")).text();
    assert_holds(
        &metrics,
        &[
            "igor_store_keys{scope=\"global\",store=\"default\"} 2",
            "igor_store_changes_total{scope=\"global\",store=\"default\"} 4",
        ],
    );
}

/// One PHP thread serves both blocks in turn, so nothing of the one may stay for the other.
#[test]
fn a_store_of_a_block_is_seen_by_its_scripts_alone() {
    let one = site(&format!(
        "store both {{\nlisten unix/{{$DIR}}/store.sock\n}}\nstore own\nworker {{$PHP_TESTS}}/worker.php 1\n{}",
        puppet("w", "num 1\nready start")
    ));
    let server = Igor::new()
        .admin()
        .frankenphp("num_threads 2\nstore both\nstore all\napcu both")
        .hosts(&[("one.test", &one), ("two.test", &site(""))])
        .start();
    let add = |store: &str| format!("return (new FrankenPHP\\SharedArray('{store}'))->increment('n');");
    for n in 1..=5 {
        assert_eq!(server.eval_at("one.test", &add("both")).value(), 2 * n - 1);
        assert_eq!(server.puppet("w").eval(&add("both")).value(), 2 * n, "its workers belong to the block");
        assert_eq!(server.eval_at("two.test", &add("both")).value(), n, "the store of all blocks");
        assert_eq!(server.eval_at("one.test", &add("own")).value(), n);
        assert_eq!(server.eval_at("one.test", &add("all")).value(), 2 * n - 1);
        assert_eq!(server.eval_at("two.test", &add("all")).value(), 2 * n);
    }
    let cached = server.eval_at("one.test", "return [apcu_store('a', 'one'), apcu_fetch('a')];").value();
    assert_eq!(cached, json!([true, "one"]), "its cache is the store of the block that has the name");
    assert_eq!(server.eval_at("two.test", "return apcu_fetch('a');").value(), false);
    let unknown = server.eval_at("two.test", &add("own")).thrown("RuntimeException");
    assert_holds(&unknown, &["\"own\" is not declared (declared are \"all\", \"both\")"]);
    assert_eq!(redis(&server, &["GET", "n"]), "10", "the port belongs to the store of the block");
    let answer = server.ask_admin(&Request::get("/frankenphp/stores")).text();
    let seen: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    let scopes: Vec<_> =
        seen.as_array().expect("a list").iter().map(|store| (&store["name"], &store["scope"])).collect();
    let (global, of_one) = (json!("global"), json!("one.test"));
    let names = (json!("all"), json!("both"), json!("own"));
    assert_eq!(scopes, [(&names.0, &global), (&names.1, &global), (&names.1, &of_one), (&names.2, &of_one)]);

    let text = fs::read_to_string(server.path("Caddyfile")).expect("the Caddyfile can be read");
    let answer = server.ask_admin(&Request::post("/load", text.replace("store own\n", "")));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let gone = server.eval_at("one.test", &add("own")).thrown("RuntimeException");
    assert_holds(&gone, &["\"own\" is not declared"]);
    assert_eq!(server.eval_at("one.test", &add("both")).value(), 11, "a reload keeps what is in it");
}

/// A script merges and replaces, another one and a client of Redis read meanwhile.
#[test]
fn many_elements_change_in_one_step_for_scripts_and_clients() {
    let server = &listening();
    // Each call is short enough for its deadline.
    let write = |first: u64| {
        let last = first + 99;
        let code = format!(
            "$s = new FrankenPHP\\SharedArray();
            for ($n = {first}; $n <= {last}; $n++) {{
                $all = array_fill_keys(range(1, 40), $n) + ['list' => [$n]];
                $n % 3 ? $s->merge($all) : $s->replace($all);
            }}
            return $s->snapshot()['list'];"
        );
        assert_eq!(server.eval(&code).value(), json!([last]));
    };
    let read = "$s = new FrankenPHP\\SharedArray();
        for ($looks = 0; $looks < 200; $looks++) {
            $all = $s->snapshot();
            $list = $all['list'][0] ?? 0;
            unset($all['list']);
            if (count(array_unique($all)) > 1 || $all && current($all) !== $list) { return $all; }
        }
        return $looks;";
    let seen_by_client = || {
        let seen = redis(server, &["MGET", "1", "20", "40"]);
        let first = seen.lines().next().unwrap_or_default().to_owned();
        assert!(seen.lines().all(|number| number == first), "{seen}");
        first
    };
    let is_over = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (1..=1500).step_by(100).for_each(write));
        let go_on = || !is_over.load(Ordering::Relaxed);
        scope.spawn(move || {
            while go_on() {
                assert_eq!(server.eval_in_worker(read).value(), 200)
            }
        });
        scope.spawn(move || {
            while go_on() {
                seen_by_client();
            }
        });
        let written = writer.join();
        is_over.store(true, Ordering::Relaxed);
        written.expect("it does not panic");
    });
    assert_eq!(seen_by_client(), "1500");
}

#[test]
fn a_reload_keeps_what_is_in_a_store() {
    let server = stores("store kept\nstore gone").start();
    server
        .eval("(new FrankenPHP\\SharedArray('kept'))->set('a', 1); (new FrankenPHP\\SharedArray('gone'))->set('a', 1);")
        .value();
    let caddyfile = server.path("Caddyfile");
    let text = fs::read_to_string(&caddyfile).expect("the Caddyfile can be read");
    let text = text.replace("store kept\nstore gone", "store kept {\nmax_keys 1\n}\nstore new");
    let answer = server.ask_admin(&Request::post("/load", text));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(server.eval("return (new FrankenPHP\\SharedArray('kept'))['a'];").value(), 1);
    let full = server.eval("(new FrankenPHP\\SharedArray('kept'))->set('b', 1);").thrown("RuntimeException");
    assert_holds(&full, &["\"kept\" is full (1 elements)"]);
    let gone = server.eval("new FrankenPHP\\SharedArray('gone');").thrown("RuntimeException");
    assert_holds(&gone, &["\"gone\" is not declared", "\"kept\", \"new\""]);
    assert_eq!(server.eval("return count(new FrankenPHP\\SharedArray('new'));").value(), 0);
}

#[test]
fn a_script_that_computes_and_is_killed_lets_another_one_compute() {
    let server = stores("store default").start();
    let fatal = "(new FrankenPHP\\SharedArray())->compute('k', function () { no_such_function(); });";
    server.eval(fatal).thrown("Error");
    let exit = "(new FrankenPHP\\SharedArray())->compute('k', function () { exit('ended'); });";
    assert_eq!(server.send(&Request::post("/eval.php?raw", exit)).text(), "ended");
    let memory = "ini_set('memory_limit', '8M'); (new FrankenPHP\\SharedArray())->compute('k', fn () => str_repeat('x', 1 << 27));";
    server.send(&Request::post("/eval.php?raw", memory));
    server.wait_log(&["Allowed memory size"]);
    let made = "return (new FrankenPHP\\SharedArray())->compute('k', fn () => 'made');";
    assert_eq!(server.eval(made).value(), "made");
}

#[test]
fn redis_clients_read_and_write_what_php_does() {
    let server = listening();
    server
        .eval("$s = new FrankenPHP\\SharedArray(); $s->merge(['text' => 'from PHP', 'n' => 5, 'list' => [1, ['a' => \"b\\n\"]], 'yes' => true]);")
        .value();
    for (words, printed) in [
        (&["PING"][..], "PONG"),
        (&["GET", "text"], "from PHP"),
        (&["GET", "list"], r#"[1,{"a":"b\n"}]"#),
        (&["GET", "none"], ""),
        (&["INCR", "n"], "6"),
        (&["INCRBY", "n", "4"], "10"),
        (&["DECR", "n"], "9"),
        (&["INCRBYFLOAT", "n", "0.5"], "9.5"),
        (&["INCR", "text"], "ERR value is not an integer or out of range"),
        (&["SET", "k", "v", "NX", "PX", "100000"], "OK"),
        (&["SET", "k", "w", "NX"], ""),
        (&["TTL", "k"], "100"),
        (&["SET", "k", "w", "XX", "KEEPTTL", "GET"], "v"),
        (&["TTL", "k"], "100"),
        (&["PERSIST", "k"], "1"),
        (&["TTL", "k"], "-1"),
        (&["PTTL", "none"], "-2"),
        (&["APPEND", "k", "xyz"], "4"),
        (&["STRLEN", "k"], "4"),
        (&["MSET", "a", "1", "b", "2"], "OK"),
        (&["MGET", "a", "none", "b"], "1\n\n2"),
        (&["EXISTS", "a", "b", "none"], "2"),
        (&["TYPE", "a"], "string"),
        (&["KEYS", "[ab]"], "a\nb"),
        (&["DBSIZE"], "7"),
        (&["DEL", "a", "b", "none"], "2"),
        (&["EXPIRE", "k", "0"], "1"),
        (&["GET", "k"], ""),
        (&["CONFIG", "GET", "maxmem*"], "maxmemory\n67108864"),
        (&["LPUSH", "k", "v"], "ERR unknown command 'LPUSH'; a store has the commands that docs/stores.md lists"),
        (&["GET"], "ERR wrong number of arguments for 'get' command"),
    ] {
        let mut output: Vec<String> = redis(&server, words).lines().map(str::to_owned).collect();
        if words[0] == "KEYS" {
            output.sort();
        }
        let output = output.join("\n").trim_end().to_owned();
        if printed == "100" {
            // Seconds that are left; each command is a program that has to start.
            assert!(output.parse().is_ok_and(|left: u32| (70..=100).contains(&left)), "{words:?}: {output}");
            continue;
        }
        assert_eq!(output, printed, "{words:?}");
        let resp3: Vec<&str> = [&["-3"], words].concat();
        assert!(!words.contains(&"PING") || redis(&server, &resp3) == printed, "{words:?} with RESP3");
    }
    redis(&server, &["SET", "flag", "on"]);
    assert_eq!(server.eval("return (new FrankenPHP\\SharedArray())['flag'];").value(), "on");
    let keys = redis(&server, &["--scan"]).lines().count();
    assert_eq!(keys, 5, "a scan finds each key once");
    assert_eq!(redis(&server, &["FLUSHDB"]), "OK");
    assert_eq!(server.eval("return count(new FrankenPHP\\SharedArray());").value(), 0);
}

#[test]
fn increments_of_php_and_of_redis_lose_none() {
    let server = listening();
    let benchmark = Command::new("redis-benchmark")
        .arg("-s")
        .arg(server.path("store.sock"))
        .args(["-q", "-n", "20000", "-c", "8", "INCR", "n"])
        .stdout(Stdio::null())
        .spawn();
    let mut benchmark = benchmark.expect("redis-benchmark of the package redis-tools is installed");
    let add = "$s = new FrankenPHP\\SharedArray(); for ($i = 0; $i < 50000; $i++) { $s->increment('n'); } return true;";
    server.eval(add).value();
    assert!(benchmark.wait().expect("it ends").success());
    assert_eq!(server.eval("return (new FrankenPHP\\SharedArray())['n'];").value(), 70_000);
}

#[test]
fn transactions_events_and_passwords() {
    let server = stores("store default {\nlisten unix/{$DIR}/store.sock\npassword s3cret\n}").start();
    assert_eq!(redis(&server, &["GET", "a"]), "NOAUTH Authentication required.");
    assert_holds(&redis(&server, &["--no-auth-warning", "-a", "wrong", "GET", "a"]), &["NOAUTH"]);
    assert_eq!(redis(&server, &["--no-auth-warning", "-a", "s3cret", "SET", "a", "1"]), "OK");
    let session = |commands: &str| {
        fs::write(server.path("commands"), commands).expect("a file can be written");
        let input = fs::File::open(server.path("commands")).expect("it is there");
        let output = Command::new("redis-cli").arg("-s").arg(server.path("store.sock")).stdin(input).output();
        String::from_utf8_lossy(&output.expect("redis-cli is installed").stdout).into_owned()
    };
    let done = session("AUTH s3cret\nMULTI\nINCR a\nGET a\nEXEC\nEXEC\n");
    assert_eq!(done, "OK\nOK\nQUEUED\nQUEUED\n2\n2\nERR EXEC without MULTI\n\n");
    let wrong = session("AUTH s3cret\nMULTI\nNONSENSE\nSET a 9\nEXEC\nGET a\n");
    assert_holds(&wrong, &["EXECABORT", "\n2\n"]);
    let watched = session("AUTH s3cret\nWATCH a\nSET a 5\nMULTI\nSET a 6\nEXEC\nGET a\n");
    assert!(watched.trim_end().ends_with("5"), "{watched}");

    let heard = fs::File::create(server.path("heard")).expect("a file can be made");
    let mut listener = Command::new("redis-cli")
        .arg("-s")
        .arg(server.path("store.sock"))
        .args(["--no-auth-warning", "-a", "s3cret", "PSUBSCRIBE", "__keyevent@0__:*"])
        .stdout(heard)
        .spawn()
        .expect("redis-cli is installed");
    let heard = || fs::read_to_string(server.path("heard")).unwrap_or_default();
    wait_until("it listens", || heard().contains("psubscribe"));
    server.eval("$s = new FrankenPHP\\SharedArray(); $s['x'] = 1; unset($s['x']);").value();
    wait_until("it hears", || heard().contains("__keyevent@0__:del"));
    assert_holds(&heard(), &["__keyevent@0__:set\nx"]);
    // It may have ended by itself.
    let _ = listener.kill();
    listener.wait().expect("it ends");
}

/// Symfony's adapter of Debian's package, in a classic script and in an HTTP worker.
#[test]
fn symfony_caches_in_a_store() {
    let server = stores("store cache\napcu cache").start();
    let code = "require_once '/usr/share/php/Symfony/Component/Cache/autoload.php';
        $cache = new Symfony\\Component\\Cache\\Adapter\\ApcuAdapter('app', 60, 'v1');
        $made = 0;
        $get = fn (string $key) => $cache->get($key, function () use (&$made) { $made++; return new ArrayObject([1, 2]); });
        $first = $get('a'); $second = $get('a');
        $cache->delete('b'); $cache->save($cache->getItem('b')->set(['x' => null]));
        $seen = [$made <= 1, $first == $second, $cache->getItem('b')->get(), $cache->hasItem('c')];
        $cache->clear();
        return [...$seen, $cache->hasItem('b'), count(new FrankenPHP\\SharedArray('cache')) <= 1];";
    let expected = json!([true, true, {"x": null}, false, false, true]);
    assert_eq!(server.eval(code).value(), expected);
    assert_eq!(server.eval_in_worker(code).value(), expected);
    let record = server.ask_admin(&Request::post("/load", {
        let text = fs::read_to_string(server.path("Caddyfile")).expect("the Caddyfile can be read");
        text.replace("apcu cache", "")
    }));
    assert_eq!(record.status, 400, "{}", record.text());
    assert_holds(&record.text(), &["`apcu` cannot change while the server runs"]);
}

/// Clients and scripts write what expires at once, and read it; then it is gone, with all that was counted for it.
#[test]
fn expiry_under_load_leaves_nothing_behind() {
    let server = listening();
    let write = "$s = new FrankenPHP\\SharedArray();
        for ($n = 0; $n < 3000; $n++) { $s->set('k' . $n % 500, [$n, str_repeat('x', 300)], 0.001 * ($n % 4 + 1)); isset($s['k' . ($n * 7) % 500]); }
        return true;";
    let mut benchmark = Command::new("redis-benchmark")
        .arg("-s")
        .arg(server.path("store.sock"))
        .args(["-q", "-n", "5000", "-c", "4", "-P", "4", "-r", "500", "SET", "k__rand_int__", "v", "PX", "2"])
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-benchmark of the package redis-tools is installed");
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(server.eval_in_worker(write).value(), true));
        assert_eq!(server.eval(write).value(), true);
    });
    assert!(benchmark.wait().expect("it ends").success());
    wait_until("everything has expired", || redis(&server, &["DBSIZE"]) == "0");
    assert_eq!(server.eval("return (new FrankenPHP\\SharedArray())->keys();").value(), json!([]));
    assert_eq!(redis(&server, &["FLUSHDB"]), "OK");
    let seen = server.ask_admin(&Request::get("/frankenphp/stores")).json();
    assert_eq!((&seen[0]["keys"], &seen[0]["bytes"]), (&json!(0), &json!(0)));
}

/// Three writers fill one store: as many elements as fit are there, each other write throws, and a removal makes room.
#[test]
fn a_full_store_throws_or_evicts() {
    let server = stores("store full {\nmax_keys 100\n}\nstore lru {\nmax_keys 100\neviction lru\n}").start();
    let fill = |store: &str| {
        format!(
            "$s = new FrankenPHP\\SharedArray('{store}'); $stored = 0; $prefix = uniqid('', true);
            for ($n = 0; $n < 100; $n++) {{
                try {{ $s[$prefix . $n] = [$n]; $stored++; }}
                catch (RuntimeException $e) {{ if (!str_contains($e->getMessage(), 'is full (100 elements)')) {{ throw $e; }} }}
            }}
            return $stored;"
        )
    };
    let stored = |store: &str| -> u64 {
        let code = fill(store);
        let count = |value: serde_json::Value| value.as_u64().expect("a number");
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| count(server.eval_in_worker(&code).value()));
            let puppet = scope.spawn(|| count(server.puppet("w").eval(&code).value()));
            count(server.eval(&code).value())
                + worker.join().expect("it does not panic")
                + puppet.join().expect("it does not panic")
        })
    };
    assert_eq!(stored("full"), 100);
    assert_eq!(stored("lru"), 300);
    let room = "$s = new FrankenPHP\\SharedArray('full'); $key = $s->keys()[0]; unset($s[$key]); $s['new'] = 1; return count($s);";
    assert_eq!(server.eval(room).value(), 100);
    let seen = server.ask_admin(&Request::get("/frankenphp/stores")).json();
    assert_eq!((&seen[0]["name"], &seen[0]["keys"], &seen[0]["refused"]), (&json!("full"), &json!(100), &json!(200)));
    assert_eq!((&seen[1]["name"], &seen[1]["keys"], &seen[1]["evicted"]), (&json!("lru"), &json!(100), &json!(200)));
}

/// A script and a client that listen and do not read do not delay writers. The stream of the script shows that there
/// was something, and shows the next change too; the client is disconnected, as by Redis.
#[test]
fn a_slow_watcher_delays_no_writer() {
    const CHANGES: usize = 100_000;
    let server = listening();
    let mut client = UnixStream::connect(server.path("store.sock")).expect("the port listens");
    client.write_all(b"PSUBSCRIBE *\r\n").expect("it can be written");
    let mut subscribed = [0; 16];
    client.read_exact(&mut subscribed).expect("it is answered");
    let watch = "global $watched; $s = new FrankenPHP\\SharedArray(); $watched = $s->watch(); return true;";
    let mut puppet = server.puppet("w");
    assert_eq!(puppet.eval(watch).value(), true);
    let write = format!(
        "$s = new FrankenPHP\\SharedArray(); for ($n = 0; $n < {CHANGES}; $n++) {{ $s['k'] = $n; }} return $s['k'];"
    );
    assert_eq!(server.eval(&write).value(), CHANGES - 1);
    let look = "global $watched; stream_set_blocking($watched, false);
        $look = function () use ($watched) { $r = [$watched]; $n = null; return stream_select($r, $n, $n, 0); };
        $seen = [$look()];
        while (fread($watched, 8192)) {}
        $seen[] = $look();
        (new FrankenPHP\\SharedArray())->set('k', 'next');
        $seen[] = $look();
        return $seen;";
    assert_eq!(puppet.eval(look).value(), json!([1, 0, 1]));
    client.set_read_timeout(Some(Duration::from_secs(60))).expect("it has a timeout");
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).expect("it is disconnected");
    let events = heard.windows(8).filter(|part| part == b"pmessage").count();
    assert!(events < CHANGES, "{events} events were kept for a client that reads nothing");
    assert_eq!(redis(&server, &["GET", "k"]), "next");
}

/// Scripts keep arrays of a store across removals of everything; each stays what it was.
#[test]
fn a_flush_leaves_readers_what_they_hold() {
    let server = listening();
    let read = "$s = new FrankenPHP\\SharedArray(); $held = []; $found = 0;
        for ($round = 0; $round < 1500; $round++) {
            $s->set('k', array_fill(0, 300, \"text $round\"));
            $held[] = $s['k'] ?? ['gone'];
            if (count($held) > 20) { array_shift($held); }
            $found += (int) (end($held) !== ['gone']);
            foreach ($held as $array) { if (count(array_unique($array)) !== 1) { return $array; } }
        }
        return $found > 0;";
    let mut flush = Command::new("redis-benchmark")
        .arg("-s")
        .arg(server.path("store.sock"))
        .args(["-q", "-n", "3000", "-c", "2", "FLUSHDB"])
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-benchmark of the package redis-tools is installed");
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(server.eval_in_worker(read).value(), true));
        assert_eq!(server.eval(read).value(), true);
    });
    assert!(flush.wait().expect("it ends").success());
    assert_eq!(redis(&server, &["FLUSHDB"]), "OK");
    assert_eq!(redis(&server, &["DBSIZE"]), "0");
}
