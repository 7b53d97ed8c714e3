//! PHP in a Rust program: what the library promises. A process has only one engine, so each test starts the test program
//! once more.

use igor_php::config::ReadyWhen;
use igor_php::embed::{
    Builder, EnumCase, Mounted, PhpScope, RustWorker, StartError, Store, VarsError, Worker, WorkerFailure,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// Marks the child process of a test.
const IS_PROCESS: &str = "IGOR_TEST_EMBEDDING";
/// Far more than anything here takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// Runs the body in a process of its own. The name is that of the test.
fn in_process(name: &str, body: fn()) {
    if std::env::var_os(IS_PROCESS).is_some() {
        return body();
    }
    let mut command = Command::new(std::env::current_exe().expect("the test program has a path"));
    command.args(["--exact", "--nocapture", name]).env(IS_PROCESS, "1");
    let output = command.output().expect("the test program can be started");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{:?}\n{text}", output.status);
}

/// A folder with these files.
fn files(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("a file can be written");
    }
    folder
}

const CADDYFILE: &str = "{\n frankenphp {\n num_threads 2\n worker values.php {\n background\n name values\n num 1\n }\n }\n}\n\
                         :80 {\n php_server {\n root ROOT\n }\n}\n";

fn caddyfile(folder: &TempDir) -> String {
    CADDYFILE.replace("ROOT", &folder.path().display().to_string())
}

/// A worker's script that publishes once and then waits for its end.
fn publishing(array: &str) -> String {
    format!("<?php\n$handle = frankenphp_get_worker_handle();\nfrankenphp_set_vars({array});\nfgets($handle);\n")
}

fn wait<F: Future>(runtime: &Runtime, future: F) -> F::Output {
    runtime.block_on(async { tokio::time::timeout(DEADLINE, future).await.expect("it comes in time") })
}

/// Answers a request for this path by PHP.
fn get(runtime: &Runtime, php: &Mounted, path: &str) -> String {
    get_of(runtime, php, "any", path)
}

fn get_of(runtime: &Runtime, php: &Mounted, host: &str, path: &str) -> String {
    let body = http_body_util::Empty::<bytes::Bytes>::new();
    let request = http::Request::get(path).header("host", host).body(body).expect("a request");
    wait(runtime, async {
        let response = php.service().oneshot(request).await.expect("it never fails");
        let body = http_body_util::BodyExt::collect(response.into_body()).await.expect("a whole body");
        String::from_utf8_lossy(&body.to_bytes()).into_owned()
    })
}

const RANDOM_VALUES: &str = r#"
function value(int $level): mixed {
    switch (mt_rand(0, $level > 4 ? 6 : 9)) {
        case 0: return null;
        case 1: return (bool) mt_rand(0, 1);
        case 2: return mt_rand(-1000, 1000);
        case 3: return [PHP_INT_MAX, PHP_INT_MIN, 0, -1][mt_rand(0, 3)];
        case 4: return mt_rand(-1000000000, 1000000000) / 64;
        case 5: return str_repeat(['a', 'é', '"', "\\", "\u{1F600}", "\n", "\0"][mt_rand(0, 6)], mt_rand(0, 9));
        case 6: return (string) mt_rand(0, 99);
        case 7: return array_map(fn() => value($level + 1), array_fill(0, mt_rand(0, 5), 0));
        default:
            $array = [];
            for ($i = mt_rand(0, 5); $i > 0; $i--) {
                $array[mt_rand(0, 1) ? mt_rand(-3, 9) : 'k' . mt_rand(0, 9)] = value($level + 1);
            }
            return $array;
    }
}
mt_srand(SEED);
$values = $floats = $strings = [];
for ($i = 0; $i < 3000; $i++) {
    $value = value(0);
    $values[] = ['value' => $value, 'json' => json_encode($value, JSON_PRESERVE_ZERO_FRACTION | JSON_THROW_ON_ERROR)];
    $float = unpack('d', pack('q', mt_rand(PHP_INT_MIN >> 2, PHP_INT_MAX >> 2) * 4 + mt_rand(0, 3)))[1];
    $floats[] = ['value' => $float, 'text' => var_export($float, true)];
    $bytes = random_bytes(mt_rand(1, 12));
    $strings[] = ['value' => $bytes, 'hex' => bin2hex($bytes)];
}
$handle = frankenphp_get_worker_handle();
frankenphp_set_vars(compact('values', 'floats', 'strings'));
fgets($handle);
"#;

#[derive(Deserialize)]
struct Random<'a> {
    values: Vec<Encoded<'a>>,
    #[serde(borrow)]
    floats: Vec<Written<'a>>,
    #[serde(borrow)]
    strings: Vec<Hex<'a>>,
}

#[derive(Deserialize)]
struct Encoded<'a> {
    value: Value,
    json: &'a str,
}

#[derive(Deserialize)]
struct Written<'a> {
    value: f64,
    text: &'a str,
}

#[derive(Deserialize)]
struct Hex<'a> {
    #[serde(borrow)]
    value: Bytes<'a>,
    hex: &'a str,
}

/// A string of any bytes, borrowed.
struct Bytes<'a>(&'a [u8]);

impl<'de: 'a, 'a> Deserialize<'de> for Bytes<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&[u8]>::deserialize(deserializer).map(Self)
    }
}

/// Rust reads what PHP's own json_encode() and var_export() write of the same values.
#[test]
fn rust_reads_every_value_as_php_writes_it() {
    in_process("rust_reads_every_value_as_php_writes_it", || {
        let seed = fastrand::u32(1..);
        println!("seed {seed}");
        let script = format!("<?php\n{}", RANDOM_VALUES.replace("SEED", &seed.to_string()));
        let folder = files(&[("values.php", &script)]);
        let php =
            Mounted::builder().text(&caddyfile(&folder), folder.path().join("Caddyfile")).start().expect("PHP starts");
        let runtime = Runtime::new().expect("a runtime");
        let mut vars = php.vars("values").expect("it is declared");
        assert_eq!(wait(&runtime, vars.changed()), Ok(1));

        let pinned = vars.pin().expect("it is published");
        let random: Random<'_> = pinned.get().expect("the types are right");
        assert_eq!((random.values.len(), random.floats.len(), random.strings.len()), (3000, 3000, 3000));
        for Encoded { value, json } in random.values {
            let expected: Value = serde_json::from_str(json).expect("PHP writes JSON");
            assert_eq!(value, expected, "{json}");
            // The order of the keys too.
            assert_eq!(value.to_string(), expected.to_string());
        }
        for Written { value, text } in random.floats {
            let expected: f64 = text.parse().expect("PHP writes a number");
            assert!(value == expected || (value.is_nan() && expected.is_nan()), "{value} and {text}");
        }
        for Hex { value, hex } in random.strings {
            let written: String = value.0.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(written, hex);
        }
        drop(runtime);
        php.stop().expect("PHP stops");
        // The snapshot outlives PHP.
        assert!(pinned.get::<Random<'_>>().is_ok());
    });
}

/// Errors say what is where, and what is not there.
#[test]
fn what_rust_cannot_read() {
    in_process("what_rust_cannot_read", || {
        let script =
            publishing("['db' => ['ports' => [1, 'two']], 'suit' => Suit::Hearts, 'none' => null, 7 => 'seven']")
                .replace("<?php", "<?php\nenum Suit: string { case Hearts = 'h'; case Spades = 's'; }");
        let folder = files(&[("values.php", &script)]);
        let php =
            Mounted::builder().text(&caddyfile(&folder), folder.path().join("Caddyfile")).start().expect("PHP starts");
        let runtime = Runtime::new().expect("a runtime");
        let mut vars = php.vars("values").expect("it is declared");
        wait(&runtime, vars.changed()).expect("it publishes");

        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "it is never made")]
        struct Ports {
            db: HashMap<String, Vec<u16>>,
        }
        let error = vars.get::<Ports>().expect_err("one is a string").to_string();
        assert_eq!(
            error,
            "background worker \"values\": $vars['db']['ports'][1]: invalid type: string \"two\", expected u16"
        );
        #[derive(Debug, Deserialize, PartialEq)]
        enum Suit {
            Hearts,
            Spades,
        }
        #[derive(Debug, Deserialize)]
        struct Card<'a> {
            suit: Suit,
            none: Option<u8>,
            #[serde(rename = "7")]
            seven: &'a str,
        }
        let pinned = vars.pin().expect("it is published");
        let card: Card<'_> = pinned.get().expect("the types are right");
        assert_eq!((card.suit, card.none, card.seven), (Suit::Hearts, None, "seven"));
        #[derive(Deserialize)]
        struct WithCase<'a> {
            #[serde(borrow)]
            suit: EnumCase<'a>,
        }
        let case = pinned.get::<WithCase<'_>>().expect("the types are right").suit;
        assert_eq!((&*case.class, &*case.name), ("Suit", "Hearts"));

        let error = php.vars("none").expect_err("it is not declared").to_string();
        assert_eq!(error, "no background worker \"none\" is declared (declared: values in global)");
        let mut waiting = vars.clone();
        let waits = runtime.spawn(async move { waiting.changed().await });
        php.stop().expect("PHP stops");
        assert_eq!(wait(&runtime, waits).expect("no panic"), Err(VarsError::Stopped));
    });
}

#[derive(Serialize)]
struct Rates<'a> {
    run: u64,
    eur: f64,
    suit: EnumCase<'a>,
    by_day: BTreeMap<&'a str, u32>,
    note: Option<&'a str>,
}

async fn rates(worker: RustWorker) -> Result<(), WorkerFailure> {
    match worker.run() {
        1 => panic!("no rates today"),
        2 => return Err("the source does not answer".into()),
        _ => {}
    }
    let suit = EnumCase { class: "Suit".into(), name: "Spades".into() };
    let by_day = BTreeMap::from([("2", 20), ("10", 100), ("mon", 1)]);
    let version = worker.publish(&Rates { run: worker.run(), eur: 1.5, suit, by_day, note: None })?;
    let again = worker.publish(&Rates {
        run: worker.run(),
        eur: 1.5,
        suit: EnumCase { class: "Suit".into(), name: "Spades".into() },
        by_day: BTreeMap::from([("2", 20), ("10", 100), ("mon", 1)]),
        note: None,
    })?;
    assert_eq!(version, again, "an equal value costs no version");
    assert!(worker.publish(&7).is_err() && worker.publish(&[u64::MAX]).is_err());
    worker.ending().await;
    Ok(())
}

const PAGE: &str = r#"<?php
enum Suit: string { case Hearts = 'h'; case Spades = 's'; }
try {
    frankenphp_require_background_worker($_GET['worker'], 30);
    var_export(frankenphp_get_vars($_GET['worker']));
} catch (Throwable $error) {
    echo get_class($error), ': ', $error->getMessage();
}
"#;

/// PHP reads what Rust publishes. A panic and an error are failed runs, and others follow, up to the sixth.
#[test]
fn background_workers_in_rust() {
    in_process("background_workers_in_rust", || {
        let folder = files(&[("values.php", &publishing("[]")), ("index.php", PAGE)]);
        let runtime = Runtime::new().expect("a runtime");
        let php = Mounted::builder()
            .text(&caddyfile(&folder), folder.path().join("Caddyfile"))
            .runtime(runtime.handle().clone())
            .background("rates", rates)
            .background("broken", |_worker| async { panic!("boom") })
            .background("hasty", |_worker| async { Ok(()) })
            // It does not end by itself, and is ended after the grace period.
            .background("deaf", |worker| async move {
                worker.publish(&["deaf"])?;
                std::future::pending().await
            })
            .start()
            .expect("PHP starts");
        let page = get(&runtime, &php, "/?worker=rates");
        let expected = "array (\n  'run' => 3,\n  'eur' => 1.5,\n  'suit' => \n  \\Suit::Spades,\n  'by_day' => \n  array (\n    \
                        10 => 100,\n    2 => 20,\n    'mon' => 1,\n  ),\n  'note' => NULL,\n)";
        assert_eq!(page, expected);
        assert_eq!(php.vars("rates").expect("it is declared").version(), 1);
        assert_eq!(
            get(&runtime, &php, "/?worker=broken"),
            "RuntimeException: background worker \"broken\" (Rust) in scope \"global\" has been given up: 6 failed attempts, \
             last exit status 1, last error: Panic: boom; see max_consecutive_failures"
        );
        let hasty = get(&runtime, &php, "/?worker=hasty");
        assert!(
            hasty.ends_with("last exit status 0: the run ended before it published; see max_consecutive_failures"),
            "{hasty}"
        );
        assert_eq!(get(&runtime, &php, "/?worker=deaf"), "array (\n  0 => 'deaf',\n)");
        php.stop().expect("PHP stops, and the deaf worker with it");
        let duplicate = Mounted::builder()
            .text(&caddyfile(&folder), folder.path().join("Caddyfile"))
            .runtime(runtime.handle().clone())
            .background("values", rates);
        let error = duplicate.start().expect_err("two have the name").to_string();
        assert_eq!(error, "the scope \"global\" declares two background workers \"values\"");
    });
}

/// Everything with types: two scopes with labels, environment, workers and stores of their own beside global ones. One
/// worker in Rust belongs to one of the scopes.
#[test]
fn a_program_declares_everything_with_types() {
    in_process("a_program_declares_everything_with_types", || {
        let page = "<?php\n$shown = [getenv('SHOP'), ini_get('memory_limit')];\n\
                    foreach (['global', 'rates', 'own'] as $name) {\n try {\n frankenphp_require_background_worker($name, 30);\n \
                    $shown[] = frankenphp_get_vars($name)[0];\n } catch (Throwable $error) {\n $shown[] = 'none';\n }\n}\n\
                    foreach (['all', 'one'] as $name) {\n try {\n $store = new FrankenPHP\\SharedArray($name);\n $store['x'] ??= 'set';\n $shown[] = $store['x'];\n \
                    } catch (Throwable $error) {\n $shown[] = 'none';\n }\n}\necho implode(' ', $shown);\n";
        let own = "<?php\n$handle = frankenphp_get_worker_handle();\nfrankenphp_set_vars([getenv('WORD')]);\nfgets($handle);\n";
        let folder = files(&[("index.php", page), ("own.php", own), ("global.php", &publishing("['global']"))]);
        let at = |file: &str| folder.path().join(file);
        let runtime = Runtime::new().expect("a runtime");
        let php = Mounted::builder()
            .threads(3)
            .ini("memory_limit", "96M")
            .grace_period(Duration::from_millis(1500))
            .worker(Worker::background("global", at("global.php")).threads(1))
            .store(Store::new("all").bytes_max(1 << 20).keys_max(10).evicts())
            .scope(PhpScope::new("plain", folder.path()).env("SHOP", "a {$HOME} \"b\" `c`"))
            .scope(
                PhpScope::new("shop", folder.path())
                    .host("shop.example")
                    .env("SHOP", "shop")
                    .ini("memory_limit", "64M")
                    .worker(
                        Worker::background("own", at("own.php"))
                            .env("WORD", "own")
                            .ready(ReadyWhen::Publish)
                            .failures_max(2),
                    )
                    .store(Store::new("one")),
            )
            .background_of("shop", "rates", |worker| async move {
                worker.publish(&["rates"])?;
                worker.ending().await;
                Ok(())
            })
            .runtime(runtime.handle().clone())
            .start()
            .expect("PHP starts");
        assert_eq!(get_of(&runtime, &php, "any", "/"), "a {$HOME} \"b\" `c` 96M global none none set none");
        assert_eq!(get_of(&runtime, &php, "shop.example", "/"), "shop 64M none rates own set set");
        assert_eq!(php.vars_of("shop", "rates").expect("it is declared").version(), 1);
        php.stop().expect("PHP stops");
    });
}

/// What is wrong is said before PHP starts, with the place in the source of the program.
#[test]
fn what_a_builder_refuses() {
    let folder = tempfile::tempdir().expect("a folder");
    let scope = || PhpScope::new("shop", folder.path());
    let wrong = Mounted::builder().threads(0).scope(scope().worker(Worker::http("nowhere.php"))).start();
    let StartError::Configuration(errors) = wrong.expect_err("two errors") else { panic!("another error") };
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert!(texts.iter().all(|text| text.contains("tests/embedding.rs:")), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("nowhere.php")) && errors.len() == 2, "{texts:?}");

    let rust = |worker: RustWorker| async move {
        worker.ending().await;
        Ok(())
    };
    let runtime = Runtime::new().expect("a runtime");
    let refused = |builder: Builder| builder.start().expect_err("it is wrong").to_string();
    assert!(refused(Mounted::builder()).starts_with("no configuration was set"));
    let checked =
        igor_php::config::parse(":80 {\n php_server\n}\n", "Caddyfile".as_ref(), &|_| None).expect("it is right");
    assert!(refused(Mounted::builder().config(checked).threads(2)).starts_with("config() takes a whole configuration"));
    assert!(refused(Mounted::builder().scope(scope()).background("a", rust)).contains("\"a\" has no runtime"));
    let builder = || Mounted::builder().scope(scope()).runtime(runtime.handle().clone());
    assert_eq!(
        refused(builder().background_of("shops", "a", rust)),
        "background worker \"a\" is for the scope \"shops\", which is not declared; there is global, shop"
    );
    assert_eq!(
        refused(builder().background_of("shop", "a", rust).background_of("shop", "a", rust)),
        "the scope \"shop\" declares two background workers \"a\""
    );
}
