//! Stores of the cluster, as docs/stores.md describes them.

use crate::engines::{Engine, integer, redis_with};
use crate::instance::{Instance, post};
use crate::proxy::{Proxy, Weather};
use crate::until;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Runs the PHP code that it is sent.
const PAGE: &str = r#"<?php
enum Suit: string { case Hearts = 'h'; case Spades = 's'; }
try {
    $store = new FrankenPHP\SharedArray('flags');
    echo json_encode(eval(file_get_contents('php://input')));
} catch (Throwable $error) {
    echo get_class($error), ': ', $error->getMessage();
}
"#;

pub(crate) const STORE: &str = "store flags {\n cluster\n }";

pub(crate) fn start(engine: &str, store: &str) -> Instance {
    let caddyfile = format!(
        "{{\n admin off\n grace_period 1s\n frankenphp {{\n num_threads 4\n cluster {{\n {engine}\n prefix shop\n }}\n {store}\n }}\n}}\n\
         http://127.0.0.1:0 {{\n php_server {{\n root .\n }}\n}}\n"
    );
    Instance::of(&[("Caddyfile", &caddyfile), ("index.php", PAGE)])
}

/// What the code returns, as JSON, or its exception.
pub(crate) fn php(instance: &Instance, code: &str) -> String {
    post(instance.address, code).expect("an answer")
}

/// The bytes that a redis-server sends for these commands.
pub(crate) fn redis(port: u16, commands: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("redis");
    stream.write_all(commands).expect("commands");
    stream.write_all(b"QUIT\r\n").expect("a command");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends a command to a redis-server, with arguments of any bytes.
pub(crate) fn say(port: u16, words: &[&[u8]]) {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.len()).bytes());
        bytes.extend_from_slice(word);
        bytes.extend(b"\r\n");
    }
    let answer = redis(port, &bytes);
    assert!(!answer.starts_with('-'), "{answer}");
}

/// How often a server has carried out a command.
fn calls(port: u16, command: &str) -> u64 {
    let stats = redis(port, b"INFO commandstats\r\n");
    let line =
        stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")).map(str::to_owned));
    line.map_or(0, |line| line.split(',').next().and_then(|count| count.parse().ok()).expect("a number"))
}

#[test]
fn counters_of_two_instances_lose_nothing() {
    let engine = Engine::redis();
    let port = engine.servers[0].port;
    let instances = [start(&engine.directive(), STORE), start(&engine.directive(), STORE)];
    let code = "for ($i = 0; $i < 100; $i++) { $sums[] = $store->increment('n'); $store->increment('m', 3, 600.0); } return $sums;";
    let sums = std::thread::scope(|scope| {
        let threads = instances.iter().flat_map(|instance| (0..4).map(move |_| scope.spawn(|| php(instance, code))));
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|thread| thread.join().expect("it ends")).collect::<Vec<_>>()
    });
    let parse = |text: &String| serde_json::from_str::<Vec<u64>>(text).unwrap_or_else(|_| panic!("{text}"));
    let all: BTreeSet<u64> = sums.iter().flat_map(parse).collect();
    assert!(all.len() == 800 && all.last() == Some(&800), "every sum was returned once");
    assert_eq!(integer(port, "GET shop:global/flags:n"), 800);
    assert_eq!(integer(port, "GET shop:global/flags:m"), 2400);
    assert!(integer(port, "PTTL shop:global/flags:m") > 500_000, "the time of the first increment");
    assert_eq!(php(&instances[0], "return [$store['n'], $store['m']];"), "[800,2400]");
    // The largest integers are exact, also with a time, and are not exceeded.
    let code = "$store['max'] = PHP_INT_MAX - 1; return [$store->increment('max', 1, 60.0), $store->increment('max', ttl: 60.0)];";
    let said = php(&instances[0], code);
    assert!(said.ends_with("element \"max\" of store \"flags\" would be larger than a number can be"), "{said}");
    assert_eq!(integer(port, "GET shop:global/flags:max"), i64::MAX);
    let said = php(&instances[0], "$store['text'] = 'a'; return $store->decrement('text');");
    assert!(
        said.ends_with("\"text\" of store \"flags\" is not an integer, and a store of the cluster counts in integers"),
        "{said}"
    );
}

#[test]
fn a_repeated_read_costs_no_round_trip() {
    let engine = Engine::redis();
    let port = engine.servers[0].port;
    let instance = start(&engine.directive(), STORE);
    let code = "$store['on'] = true; return [$store['on'], $store->get('absent'), isset($store['other'])];";
    assert_eq!(php(&instance, code), "[true,null,false]");
    let before = calls(port, "get");
    let code = "for ($i = 0, $ok = 0; $i < 1000; $i++) {
        $ok += (int) ($store->get('on') === true && $store->get('absent', 7) === 7 && !isset($store['other']));
    } return $ok;";
    for _ in 0..3 {
        assert_eq!(php(&instance, code), "1000");
    }
    assert_eq!(calls(port, "get") - before, 0);
    // Not even when there is room for few: the rest is read again.
    let few = start(&engine.directive(), "store flags {\n cluster\n max_keys 64\n }");
    let code = "for ($i = 0; $i < 500; $i++) { $store->get(\"k$i\"); } return $store['on'];";
    assert_eq!(php(&few, code), "true");
    let before = calls(port, "get");
    assert_eq!(php(&few, code), "true");
    assert!(calls(port, "get") - before > 400, "64 copies at most");
}

#[test]
fn changes_of_others_are_seen_and_own_ones_at_once() {
    let engine = Engine::redis();
    let port = engine.servers[0].port;
    let (here, there) = (start(&engine.directive(), STORE), start(&engine.directive(), STORE));
    let is =
        |expected: &str| until("the change", || (php(&here, "return $store->get('k');") == expected).then_some(()));
    is("null");
    assert_eq!(php(&there, "$store['k'] = [1, 'two' => Suit::Hearts]; return 1;"), "1");
    is("{\"0\":1,\"two\":\"h\"}");
    assert!(php(&there, "return $store->increment('k');").contains("is not an integer"));
    assert_eq!(php(&there, "unset($store['k']); return $store->increment('k', 5);"), "5");
    is("5");
    redis(port, b"SET shop:global/flags:k abc\r\n");
    is("\"abc\"");
    redis(port, b"FLUSHALL\r\n");
    is("null");
    // Its own writes, of one thread and of all.
    let own = "for ($i = 0; $i < 100; $i++) {
        $store['own'] = $i;
        if ($store['own'] !== $i) { return \"$i was \" . $store['own']; }
        if ($store->increment('own') !== $store['own']) { return 'an increment'; }
    } return 'right';";
    assert_eq!(php(&here, own), "\"right\"");
    // While many read and two write, no reader goes back.
    let writes = "for ($i = 0; $i < 100; $i++) { $n = $store->increment('up'); } return $n;";
    let reads = "for ($i = 0, $last = 0; $i < 2000; $i++, $last = $now) {
        $now = $store->get('up', 0);
        if ($now < $last) { return \"$now after $last\"; }
    } return 'right';";
    std::thread::scope(|scope| {
        let writers = [scope.spawn(|| php(&here, writes)), scope.spawn(|| php(&there, writes))];
        let readers = [scope.spawn(|| php(&here, reads)), scope.spawn(|| php(&there, reads))];
        readers.into_iter().for_each(|reader| assert_eq!(reader.join().expect("it ends"), "\"right\""));
        writers.into_iter().for_each(|writer| assert!(writer.join().expect("it ends").parse::<u32>().is_ok()));
    });
    until("the last", || (php(&here, "return $store['up'];") == "200").then_some(()));
}

#[test]
fn values_and_what_redis_sees_of_them() {
    let engine = Engine::redis();
    let port = engine.servers[0].port;
    let (here, there) = (start(&engine.directive(), STORE), start(&engine.directive(), STORE));
    let code = "$values = [null, true, -1, PHP_INT_MIN, 0.1, -0.0, INF, \"\\0\\xff\", '7', 'IGOR', '', str_repeat('x', 9000), [],
        [3 => 'a', -7 => [1, [2]]], Suit::Spades];
        $made = array_combine(array_map(fn ($i) => \"v$i\", array_keys($values)), $values);";
    assert_eq!(php(&here, &format!("{code} $store->merge($made); return 1;")), "1");
    let check = "foreach ($made as $key => $value) {
        if ($store->get($key, 'none') !== $value) { return $key . ' ' . var_export($store->get($key), true); }
    } return count($made);";
    for instance in [&here, &there, &there] {
        assert_eq!(php(instance, &format!("{code} {check}")), "15");
    }
    assert_eq!(redis(port, b"GET shop:global/flags:v2\r\n"), "$2\r\n-1\r\n+OK\r\n");
    redis(
        port,
        b"SET shop:global/flags:foreign 41\r\nSET shop:global/flags:odd 4.5\r\nLPUSH shop:global/flags:list 1\r\n",
    );
    let code = "return [$store['foreign'], $store->increment('foreign'), $store['odd'], $store->add('odd', 1), $store->add('new', 1)];";
    assert_eq!(php(&there, code), "[41,42,\"4.5\",false,true]");
    let said = php(&there, "return $store['list'];");
    assert!(said.starts_with("RuntimeException: the Redis of store \"flags\" has refused it: WRONGTYPE"), "{said}");
    // A comparison is one of PHP, also of arrays; a time is kept or set.
    let code = "$store->set('c', ['a' => 1.0], 600.0);
        return [$store->cas('c', ['a' => 1], 2), $store->cas('c', ['a' => 1.0], 3), $store->cas('none', null, 1), $store['c'],
            $store->pull('c'), $store->pull('c', 'gone'), $store->delete('c'), $store->delete('new')];";
    assert_eq!(php(&here, code), "[false,true,false,3,3,\"gone\",false,true]");
    assert_eq!(php(&here, "$store->set('t', 1, 600.0); return $store->cas('t', 1, 2);"), "true");
    assert!(integer(port, "PTTL shop:global/flags:t") > 500_000, "cas() keeps the time");
    // A copy does not outlive its element.
    assert_eq!(php(&there, "$store->set('short', 1, 0.3); return $store['short'];"), "1");
    let code = "$end = microtime(true) + 0.4; while (microtime(true) < $end) { $last = $store->get('short', 'gone'); } return $last;";
    assert_eq!(php(&there, code), "\"gone\"");
}

/// An increment by compare and set, of many threads on two instances.
#[test]
fn cas_loses_nothing() {
    let engine = Engine::redis();
    let instances = [start(&engine.directive(), STORE), start(&engine.directive(), STORE)];
    assert_eq!(php(&instances[0], "$store['list'] = []; return 1;"), "1");
    let code = "for ($i = 0; $i < 40; $i++) {
        do { $old = $store['list']; $new = $old; $new[] = count($old); } while (!$store->cas('list', $old, $new));
    } return 1;";
    std::thread::scope(|scope| {
        for instance in instances.iter().flat_map(|instance| [instance, instance]) {
            scope.spawn(|| assert_eq!(php(instance, code), "1"));
        }
    });
    assert_eq!(php(&instances[0], "return $store['list'] === range(0, 159);"), "true");
}

#[test]
fn what_redis_cannot_do_in_one_step_throws() {
    let engine = Engine::redis();
    let instance = start(&engine.directive(), STORE);
    for (code, operation) in [
        ("$store->keys()", "keys()"),
        ("$store->snapshot()", "snapshot()"),
        ("iterator_to_array($store)", "foreach"),
        ("count($store)", "count()"),
        ("$store->version()", "version()"),
        ("$store->clear()", "clear()"),
        ("$store->replace(['a' => 1])", "replace()"),
        ("$store->compute('a', fn () => 1)", "compute()"),
        ("$store->watch()", "watch()"),
        ("$store->increment('a', 0.5)", "increment() by a float"),
    ] {
        let said = php(&instance, &format!("return {code};"));
        assert!(said.starts_with("RuntimeException: store \"flags\" is of the cluster and has no "), "{code}: {said}");
        assert!(said.contains(operation), "{code}: {said}");
        // The manual has the same way out.
        let (_, way_out) = said.split_once("in one step; ").expect("a way out");
        let manual = include_str!("../../docs/stores.md");
        let row =
            manual.lines().find(|line| line.starts_with('|') && line.contains(operation) && line.contains(way_out));
        assert!(row.is_some(), "{operation}: {way_out}");
    }
    assert_eq!(php(&instance, "return $store->get('a');"), "null", "nothing was written");
}

/// Cut off, an instance serves no copy that is too old: it throws. With the network it reads what was written meanwhile.
#[test]
fn a_partition_ends_copies() {
    let engine = Engine::redis();
    let port = engine.servers[0].port;
    let network = Proxy::start(engine.addresses()[0]);
    let (here, there) = (start(&engine.at(&[network.address]), STORE), start(&engine.directive(), STORE));
    let read = "$at = microtime(true); $start = hrtime(true);
        try { $r = $store['k']; } catch (RuntimeException $e) { $r = $e->getMessage(); }
        return [$r, intdiv(hrtime(true) - $start, 1_000_000), $at];";
    let parse = |text: String| {
        serde_json::from_str::<(serde_json::Value, u64, f64)>(&text).unwrap_or_else(|_| panic!("{text}"))
    };
    assert_eq!(php(&here, "$store['k'] = 1; return [$store['k'], $store['k']];"), "[1,1]");
    network.set(Weather::Cut);
    let cut_at = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs_f64();
    assert_eq!(php(&there, "$store['k'] = 2; return 2;"), "2");
    // At first the copy, then an exception, each within the bound.
    let said = until("the end of the copy", || {
        let (value, ms, at) = parse(php(&here, read));
        assert!(ms < 1500, "a call has waited for {ms} ms");
        if value == 1 {
            assert!(at - cut_at < 2.0, "an old copy was read {} s after the cut", at - cut_at);
            return None;
        }
        value.as_str().map(str::to_owned)
    });
    assert!(said.contains("has not answered within 1000 ms") || said.contains("cannot reach its Redis: "), "{said}");
    // Without a connection calls fail at once.
    until("the loss", || {
        let (value, ms, _) = parse(php(&here, read));
        (value.as_str()?.contains("cannot reach its Redis: ") && ms < 500).then_some(())
    });
    network.set(Weather::Fine);
    until("the connection", || {
        let (value, ..) = parse(php(&here, read));
        assert_ne!(value, 1, "a copy from before has survived");
        (value == 2).then_some(())
    });
    // Broken connections lose no copy's invalidation either.
    for round in 3..8 {
        network.set(if round % 2 == 0 { Weather::Slow } else { Weather::Dropping });
        redis(port, format!("SET shop:global/flags:k {round}\r\n").as_bytes());
        network.set(Weather::Fine);
        until("the change", || (parse(php(&here, read)).0 == round).then_some(()));
    }
    assert!(!here.log().contains("panicked"), "{}", here.log());
}

/// Killed and started again with other elements: no copy from before survives.
#[test]
fn redis_is_killed_and_comes_back() {
    let mut engine = Engine::redis();
    let port = engine.servers[0].port;
    let instance = start(&engine.directive(), STORE);
    assert_eq!(php(&instance, "$store['k'] = 1; return [$store['k'], $store->increment('n')];"), "[1,1]");
    engine.kill();
    let said = until("an exception", || Some(php(&instance, "return $store['k'];")).filter(|said| said != "1"));
    assert!(said.starts_with("RuntimeException: store \"flags\" cannot reach its Redis: "), "{said}");
    let said = php(&instance, "return $store->increment('n');");
    assert!(said.starts_with("RuntimeException: store \"flags\" cannot reach its Redis: "), "{said}");
    assert!(instance.log().contains("the cluster's engine is not usable, and the store throws"), "{}", instance.log());
    assert!(!instance.log().contains("redis://"), "no address in the log: {}", instance.log());
    engine.run();
    // It has loaded what it had.
    until("its elements", || redis(port, b"SET shop:global/flags:k 2\r\n").starts_with("+OK").then_some(()));
    let read =
        until("the connection", || Some(php(&instance, "return $store['k'];")).filter(|said| !said.contains("Redis")));
    assert_eq!(read, "2");
    assert_eq!(php(&instance, "return $store->increment('n');"), "2", "appendonly has kept it");
    until("the word", || instance.log().contains("the cluster's engine is usable again").then_some(()));
}

/// An instance that starts before its engine throws, and works when it is there.
#[test]
fn redis_comes_later_and_has_a_password() {
    let mut server = redis_with(&["--requirepass", "secret"]);
    let port = server.port;
    server.kill();
    let instance = start(&format!("engine redis redis://:secret@127.0.0.1:{port}"), STORE);
    let said = php(&instance, "return $store['k'];");
    assert!(said.starts_with("RuntimeException: store \"flags\" cannot reach its Redis: "), "{said}");
    assert!(!said.contains("secret") && !instance.log().contains("secret"), "{said}");
    server.run();
    until("the connection", || (php(&instance, "$store['k'] = 1; return $store['k'];") == "1").then_some(()));
}

/// A stop ends the wait of a script.
#[test]
fn an_interrupt_ends_the_wait() {
    let engine = Engine::redis();
    let network = Proxy::start(engine.addresses()[0]);
    let mut instance = start(&engine.at(&[network.address]), &format!("{STORE}\n max_wait_time 30s"));
    assert_eq!(php(&instance, "$store['k'] = 1; return $store['k'];"), "1");
    network.set(Weather::Cut);
    let code = "set_time_limit(60); while (true) { try { $store->set('k', 2); } catch (RuntimeException $e) { } }";
    let address: SocketAddr = instance.address;
    let request = std::thread::spawn(move || post(address, code));
    until("the request", || instance.log().contains("the cluster's engine is not usable").then_some(()));
    let since = Instant::now();
    instance.signal(rustix::process::Signal::INT);
    let status = until("its end", || instance.child.try_wait().expect("it was started"));
    println!("ended after {:?}: {status}", since.elapsed());
    assert!(!instance.log().contains("panicked"), "{}", instance.log());
    let _ = request.join();
}

#[test]
fn a_reload_changes_the_bounds_the_prefix_and_the_kind() {
    let engine = Engine::redis();
    let port = engine.servers[0].port;
    let instance = start(&engine.directive(), "store flags {\n cluster\n max_keys 1000\n }");
    assert_eq!(php(&instance, "$store['k'] = 1; return $store['k'];"), "1");
    let before = calls(port, "get");
    let connections = calls(port, "client|tracking");
    instance.reload("max_keys 1000", "max_keys 2000");
    assert_eq!(php(&instance, "return $store['k'];"), "1");
    assert_eq!((calls(port, "get") - before, calls(port, "client|tracking") - connections), (0, 0), "the copy stays");
    instance.reload("prefix shop", "prefix other");
    until("other elements", || (php(&instance, "return $store->get('k');") == "null").then_some(()));
    instance.reload("prefix other", "prefix shop");
    until("the elements", || (php(&instance, "return $store->get('k');") == "1").then_some(()));
    instance.reload(" cluster\n max_keys 2000", " max_keys 2000");
    assert_eq!(php(&instance, "$store['k'] = 5; return [count($store), $store['k']];"), "[1,5]");
    assert_eq!(integer(port, "GET shop:global/flags:k"), 1);
    instance.reload(" max_keys 2000", " cluster\n max_keys 2000");
    assert_eq!(php(&instance, "return $store->get('k');"), "1");
}
