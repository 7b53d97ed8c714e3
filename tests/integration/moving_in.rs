//! What applications notice when they move from other servers.

use crate::common::workers::{assert_holds, block, puppet, script};
use crate::common::{Igor, Request, Server, igor, output_of, wait_until};
use rustix::process::Signal;
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;

fn served(server: &Server, path: &str) -> u16 {
    server.get(path).status
}

/// Files that Apache never serves are not served here either, under any spelling.
#[test]
fn names_that_begin_with_ht_are_never_served() {
    let files = [
        "public/.htaccess",
        "public/.htpasswd",
        "public/data/.ht.sqlite",
        "public/.HTACCESS2",
        "public/.htfolder/a.txt",
    ];
    for site in ["root {$DIR}/public\nphp_server", "root {$DIR}/public\nfile_server"] {
        let igor = files.iter().fold(Igor::new(), |igor, file| igor.file(file, "secret"));
        let server = igor.file("public/ht.txt", "fine").file("public/index.html", "home").site(site).start();
        for file in files {
            let path = file.trim_start_matches("public");
            let (plain, encoded) = (server.get(path), server.get(&path.replace(".ht", "%2eht")));
            assert!(!plain.text().contains("secret") && !encoded.text().contains("secret"), "{path} with {site}");
            assert_eq!(plain.status, 404, "{path} with {site}");
        }
        assert_eq!(served(&server, "/ht.txt"), 200);
    }
}

/// Deployments mount a document root, or make it, when the server runs.
#[test]
fn a_document_root_may_appear_later() {
    for site in ["root {$DIR}/later\nphp_server", "file_server {\nroot {$DIR}/later\n}"] {
        let server = Igor::new().site(site).start();
        server.wait_log(&["later does not exist, so requests find no file there"]);
        assert_eq!((served(&server, "/a.txt"), served(&server, "/")), (404, 404), "{site}");
        fs::create_dir(server.path("later")).expect("a directory");
        fs::write(server.path("later/a.txt"), "a").expect("a file");
        assert_eq!(served(&server, "/a.txt"), 200, "{site}");
    }
    // As in FrankenPHP, whose start resolves the links of this root.
    let site = |lines: &str| Igor::new().site(&format!("php_server {{\nroot {{$DIR}}/later\n{lines}\n}}"));
    let log = site("").start_fails().log;
    assert!(log.contains("later does not exist, and its symbolic links cannot be resolved"), "{log}");
    let server = site("resolve_root_symlink off").start();
    assert_eq!(served(&server, "/"), 404);
    fs::create_dir(server.path("later")).expect("a directory");
    fs::write(server.path("later/index.php"), "<?php echo __DIR__;").expect("a script");
    assert_eq!(server.get("/").text(), server.path("later").display().to_string());
}

/// One directive hides files that are often in a document root.
#[test]
fn sensitive_files_are_hidden_by_one_directive() {
    let secrets = [
        ".env",
        ".env.local",
        ".git/config",
        "db.sqlite",
        "dump.sql",
        "composer.json",
        "composer.lock",
        "vendor/a/b.txt",
        "page.bak",
    ];
    let site = |lines: &str| {
        let igor = secrets.iter().fold(Igor::new(), |igor, file| igor.file(&format!("public/{file}"), "secret"));
        igor.file("public/a.css", "fine")
            .file("public/logo.sql.svg", "fine")
            .file("public/js/vendor/jquery.js", "fine")
            .site(&format!("root {{$DIR}}/public\n{lines}"))
            .start()
    };
    let open = site("php_server");
    assert_eq!(served(&open, "/.env"), 200, "without the directive it is served, as everywhere");
    for lines in ["php_server {\nhide_sensitive\n}", "file_server {\nhide_sensitive\n}"] {
        let server = site(lines);
        for secret in secrets {
            assert_eq!(served(&server, &format!("/{secret}")), 404, "{secret} with {lines}");
        }
        // phpMyAdmin's pages load what is in `js/vendor`, WordPress's from `wp-includes/js/dist/vendor`.
        for open in ["/a.css", "/logo.sql.svg", "/js/vendor/jquery.js"] {
            assert_eq!(served(&server, open), 200, "{open} with {lines}");
        }
    }
}

/// The replacements of `.htaccess` rules in docs/coming-from-apache.md. The page's table and this list are equal.
const FROM_APACHE: &[&str] = &[
    "@yml path *.yml",
    "env NAME value",
    "header -X-Powered-By",
    "header >X-Frame-Options DENY",
    "hide *.yml",
    "index app.php",
    "php_value memory_limit 256M",
    "redir /old /new 301",
    "respond /data/* 403",
    "respond @yml 403",
    "try_files {path} /app.php",
];

/// Directives in the right column of the page's table: what is code there and has arguments.
fn from_apache_in_the_manual() -> Vec<&'static str> {
    let page = include_str!("../../docs/coming-from-apache.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next());
    let code = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let mut found: Vec<&str> = code.filter(|code| code.contains(' ')).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Each line of the table does what the rule of `.htaccess` did.
#[test]
fn rules_of_htaccess_have_directives() {
    assert_eq!(from_apache_in_the_manual(), FROM_APACHE);
    let show = "<?php echo json_encode([basename(__FILE__), $_SERVER['NAME'] ?? null, ini_get('memory_limit'), $_SERVER['REQUEST_URI']]);";
    let serve = |lines: &str| {
        Igor::new()
            .site(&format!("root {{$DIR}}/public\n{lines}"))
            .file("public/app.php", show)
            .file("public/index.php", show)
            .file("public/data/secret.txt", "secret")
            .file("public/data/run.php", show)
            .file("public/settings.yml", "secret: 1")
            .file("public/plain.txt", "plain")
            .file("public/folder/a.txt", "a")
            .start()
    };
    let server = serve(
        "respond /data/* 403\nredir /old /new 301\nheader >X-Frame-Options DENY\nheader -X-Powered-By\n\
         php_server {\nhide *.yml\nindex app.php\nenv NAME value\nphp_value memory_limit 256M\n}",
    );
    let home = server.get("/");
    assert_eq!(home.json(), json!(["app.php", "value", "256M", "/"]));
    assert_eq!((home.header("x-frame-options"), home.header("x-powered-by")), (Some("DENY"), None));
    assert_eq!(served(&server, "/data/secret.txt"), 403);
    assert_eq!(served(&server, "/data/run.php"), 403, "its scripts too");
    assert!(!server.get("/settings.yml").text().contains("secret"), "hidden");
    assert_eq!(server.get("/plain.txt").text(), "plain");
    let moved = server.get("/old");
    assert_eq!((moved.status, moved.header("location")), (301, Some("/new")));
    // A path that is no file is the front controller's: no ErrorDocument is needed. A folder is not listed.
    assert_eq!(server.get("/a/b?c=1").json()[3], "/a/b?c=1");
    assert!(!server.get("/folder/").text().contains("a.txt"));

    let second = serve(
        "@yml path *.yml\nrespond @yml 403\nphp_server {\ntry_files {path} /app.php\nphp_value memory_limit 256M\n}",
    );
    assert_eq!(second.get("/settings.yml").status, 403);
    assert_eq!(second.get("/a/b").json(), json!(["app.php", null, "256M", "/a/b"]));
    assert_eq!(second.get("/").header("x-powered-by").map(|value| value.starts_with("PHP/")), Some(true));
}

/// An `.htaccess` that protects something is not read: a check of the configuration shows what is served.
#[test]
fn validate_warns_of_an_htaccess_that_denies() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    for (file, text) in [
        ("public/data/.htaccess", "# secret\nDeny from all\n"),
        ("public/conf/.htaccess", "<IfModule mod_authz_core.c>\n    Require all denied\n</IfModule>\n"),
        ("public/.htaccess", "Options -Indexes\nRewriteEngine On\n"),
    ] {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("folders can be made");
        fs::write(path, text).expect("files can be written");
    }
    fs::write(dir.path().join("Caddyfile"), ":8080 {\nroot public\nphp_server\n}\n").expect("files can be written");
    let output = igor().arg("validate").arg("--config").arg(dir.path().join("Caddyfile")).output().expect("igor runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert_holds(
        &text,
        &["data/.htaccess:2:1", "conf/.htaccess:2:1", "respond /data/* 403", "coming-from-apache.md", "is valid"],
    );
    assert!(!text.contains("public/.htaccess:"), "{text}");
}

/// `schedule:work` of Laravel and others start scripts by `PHP_BINARY`, which was igor itself.
#[test]
fn a_script_starts_another_by_php_binary() {
    let server = Igor::new().site("root {$PHP_TESTS}\nphp_server").start();
    let code = "return exec(escapeshellarg(PHP_BINARY) . ' -n -r ' . escapeshellarg('echo 6 * 7;'));";
    assert_eq!(server.eval(code).value(), "42");
}

/// If workers leave no thread for other scripts, a warning has the numbers.
#[test]
fn workers_that_take_all_threads_are_a_warning() {
    let server = Igor::new()
        .frankenphp("num_threads 2")
        .site("root {$PHP_TESTS}\nphp_server {\nworker {$PHP_TESTS}/worker.php 2\n}")
        .start();
    assert_holds(&server.wait_log(&["WARN", "`num_threads` is 2"]), &["HTTP workers take 2 of them"]);
    assert_eq!(server.eval("return 1;").value(), 1);
    let roomy = Igor::new()
        .frankenphp("num_threads 3")
        .site("root {$PHP_TESTS}\nphp_server {\nworker {$PHP_TESTS}/worker.php 2\n}")
        .start();
    assert_eq!(roomy.stop().log.matches("num_threads").count(), 0);
}

/// A page that sends a request to its own site while it holds the only thread waits for itself: the log has a record.
#[test]
fn a_page_that_waits_for_its_own_site_is_told_of() {
    let server = Igor::new().frankenphp("num_threads 1").site("root {$PHP_TESTS}\nphp_server").start();
    let ask = format!(
        "return @file_get_contents('http://{}/index.php', false, stream_context_create(['http' => ['timeout' => 20]]));",
        server.address()
    );
    let mut connection = server.connect();
    connection.write(&Request::post("/eval.php?self", ask));
    let record = server.wait_log(&["WARN", "every PHP thread has been in one request"]);
    assert_holds(&record, &["threads=1", "waiting=1", "/eval.php?self", "num_threads"]);
}

/// The same in a worker: its threads are its own, so it waits for itself although others are free.
#[test]
fn a_worker_that_waits_for_itself_is_told_of() {
    let server = Igor::new()
        .frankenphp("num_threads 3")
        .site("root {$PHP_TESTS}\nphp_server {\nworker {$PHP_TESTS}/worker.php 1 {\nname shop\n}\n}")
        .start();
    let ask = format!(
        "return @file_get_contents('http://{}/worker.php', false, stream_context_create(['http' => ['timeout' => 20]]));",
        server.address()
    );
    let mut connection = server.connect();
    connection.write(&Request::post("/worker.php?self", ask));
    let record = server.wait_log(&["WARN", "every PHP thread has been in one request"]);
    assert_holds(&record, &["worker=\"shop\"", "threads=1", "waiting=1", "/worker.php?self", "the worker's num"]);
    assert_eq!(server.eval("return 1;").value(), 1, "classic threads are free");
}

/// What is in `$_SERVER` while an HTTP worker boots, beside the environment: FrankenPHP's keys, and no others that a client
/// could have sent.
#[test]
fn the_boot_has_the_keys_that_it_has_in_frankenphp() {
    let boot = r#"$process = array_map(fn ($line) => strstr($line, '=', true), explode("\0", file_get_contents('/proc/self/environ')));
        $state->keys = array_values(array_diff(array_keys($_SERVER), $process)); sort($state->keys);"#;
    let server =
        block(&format!("worker {{$PHP_TESTS}}/worker.php 1 {{\nenv BOOT `{}`\n}}\n", boot.replace('\n', " "))).start();
    let frankenphp = [
        "AUTH_TYPE",
        "CONTENT_LENGTH",
        "CONTENT_TYPE",
        "DOCUMENT_ROOT",
        "DOCUMENT_URI",
        "FRANKENPHP_WORKER",
        "FRANKENPHP_WORKER_NAME",
        "GATEWAY_INTERFACE",
        "HTTPS",
        "HTTP_HOST",
        "PATH_INFO",
        "PHP_SELF",
        "QUERY_STRING",
        "REMOTE_ADDR",
        "REMOTE_HOST",
        "REMOTE_IDENT",
        "REMOTE_PORT",
        "REQUEST_METHOD",
        "REQUEST_SCHEME",
        "REQUEST_TIME",
        "REQUEST_TIME_FLOAT",
        "REQUEST_URI",
        "SCRIPT_FILENAME",
        "SCRIPT_NAME",
        "SERVER_NAME",
        "SERVER_PORT",
        "SERVER_PROTOCOL",
        "SERVER_SOFTWARE",
        "SSL_CIPHER",
        "SSL_PROTOCOL",
        "argc",
        "argv",
    ];
    let own = ["BOOT", "FRANKENPHP_WORKER_BACKGROUND"];
    let mut expected: Vec<&str> = frankenphp.into_iter().chain(own).collect();
    expected.sort_unstable();
    assert_eq!(server.eval_in_worker("return $state->keys;").value(), json!(expected));
}

/// By what frameworks tell the web from a command line: the names of the tests that take this place for a command line.
const COMMAND_LINE: &str = "array_keys(array_filter([
    'PHP_SAPI' => in_array(PHP_SAPI, ['cli', 'phpdbg', 'embed'], true),
    'php_sapi_name()' => str_starts_with(php_sapi_name(), 'cli'),
    'STDIN' => defined('STDIN'),
    'method and address' => !isset($_SERVER['REQUEST_METHOD']) && !isset($_SERVER['REMOTE_ADDR']),
    'getenv()' => getenv('REQUEST_METHOD') === false,
    'host' => !isset($_SERVER['HTTP_HOST']),
    'interface' => !isset($_SERVER['GATEWAY_INTERFACE']),
    'arguments' => ($_SERVER['argc'] ?? 0) > 0,
    'query' => isset($_SERVER['argv']) && !isset($_SERVER['QUERY_STRING']),
    'status' => http_response_code() === false,
    'head' => headers_sent(),
]))";

/// CodeIgniter 4 asks when it boots, Laravel and Symfony when they need it: none may take the web for a command line.
#[test]
fn frameworks_tell_the_web_from_a_command_line() {
    let one_line = COMMAND_LINE.replace('\n', " ");
    let server = block(
        &(format!("worker {{$PHP_TESTS}}/worker.php 1 {{\nenv BOOT `$state->boot = {one_line};`\n}}\n")
            + &puppet("w", "num 1")),
    )
    .start();
    let ask = format!("return {COMMAND_LINE};");
    assert_eq!(server.eval_in_worker("return $state->boot;").value(), json!([]), "the boot of a worker");
    assert_eq!(server.eval_in_worker(&ask).value(), json!([]), "a request of a worker");
    assert_eq!(server.eval(&ask).value(), json!([]), "a classic request");
    // A background worker has arguments and no request; PHP's constants and name are the server's all the same.
    let background = server.puppet("w").eval(&ask).value();
    let expected = ["method and address", "getenv()", "host", "interface", "arguments", "query"];
    assert_eq!(background, json!(expected));
    let mut command = igor();
    command.args(["php-cli", "-n", "-r", &format!("echo json_encode({COMMAND_LINE});")]).env_remove("REQUEST_METHOD");
    let seen: Vec<String> = serde_json::from_str(&output_of(&mut command)).expect("JSON");
    for name in ["PHP_SAPI", "php_sapi_name()", "STDIN", "method and address", "getenv()", "arguments"] {
        assert!(seen.iter().any(|seen| seen == name), "{name} is not in {seen:?}");
    }
}

/// A consumer that publishes nothing may end normally any number of times, if it has asked for its handle.
#[test]
fn a_worker_that_publishes_nothing_ends_well_once_it_has_its_handle() {
    let consume = "<?php $handle = frankenphp_get_worker_handle(); file_put_contents(getenv('DIR') . '/runs', 'x', FILE_APPEND); exit(0);";
    let server = block(&script("{$DIR}/consumer.php", "w", "num 1\nmax_consecutive_failures 2"))
        .admin()
        .file("consumer.php", consume)
        .start();
    wait_until("ten runs", || fs::read(server.path("runs")).is_ok_and(|runs| runs.len() >= 10));
    let seen = server.seen_worker("w");
    assert_eq!((&seen["counts"]["failures"], &seen["attempts"]), (&json!(0), &json!(0)), "{seen}");
    assert!(!server.stop().log.contains("background worker failed"));
}

/// A script that asks for its handle and continues is running, and not for ever starting; whatever waits for what it
/// publishes keeps waiting.
#[test]
fn a_worker_with_its_handle_runs() {
    let wait = "<?php $handle = frankenphp_get_worker_handle(); touch(getenv('DIR') . '/up'); fgets($handle);";
    let server = block(&script("{$DIR}/consumer.php", "w", "num 1")).admin().file("consumer.php", wait).start();
    wait_until("the script", || server.path("up").exists());
    assert_eq!(server.seen_worker("w")["state"], "running");
    let message = server.eval("frankenphp_require_background_worker('w', 0.1);").thrown("RuntimeException");
    assert!(message.contains("frankenphp_set_vars()"), "{message}");
}

/// The `ready` of a block decides when a worker is ready.
#[test]
fn ready_is_what_the_block_says() {
    let plain = "<?php touch(getenv('DIR') . '/ran-' . $_SERVER['FRANKENPHP_WORKER_NAME']); sleep(3600);";
    let handle = "<?php $handle = frankenphp_get_worker_handle(); fgets($handle);";
    let server = block(
        &(script("{$DIR}/plain.php", "starts", "ready start") + &script("{$DIR}/handle.php", "asks", "ready handle")),
    )
    .admin()
    .file("plain.php", plain)
    .file("handle.php", handle)
    .start();
    for worker in ["starts", "asks"] {
        server.eval(&format!("frankenphp_require_background_worker('{worker}', 30);")).value();
        assert_eq!(server.seen_worker(worker)["state"], "ready");
    }
    let ended = block(&script("{$DIR}/ends.php", "w", "num 1\nready start\nmax_consecutive_failures 2"))
        .file("ends.php", "<?php file_put_contents(getenv('DIR') . '/runs', 'x', FILE_APPEND);")
        .start();
    wait_until("five runs", || fs::read(ended.path("runs")).is_ok_and(|runs| runs.len() >= 5));
    assert!(!ended.stop().log.contains("background worker failed"));
}

/// When a deployment switches a symbolic link, a worker's path leads to another file. A reload restarts that worker and
/// leaves the others alone.
#[test]
fn a_switched_link_makes_another_worker() {
    let code = |release: &str| {
        format!(
            "<?php while (frankenphp_handle_request(function () {{ echo '{release} ', getmypid(), ' ', __FILE__; }})) {{}}"
        )
    };
    let publish = |release: &str| {
        format!("<?php frankenphp_set_vars(['release' => '{release}']); fgets(frankenphp_get_worker_handle());")
    };
    let server = Igor::new()
        .file("releases/1/worker.php", &code("one"))
        .file("releases/2/worker.php", &code("two"))
        .file("releases/1/feed.php", &publish("one"))
        .file("releases/2/feed.php", &publish("two"))
        .file("current", "")
        .file("start.php", "<?php");
    let server = {
        let igor = server.site("root {$PHP_TESTS}\nphp_server {\nworker {$DIR}/current/worker.php 1 {\nmatch /app\n}\nworker {$PHP_TESTS}/worker.php 1\n\
            worker {$DIR}/current/feed.php 1 {\nbackground\nname feed\n}\n}");
        fs::remove_file(igor.folder().join("current")).expect("files can be removed");
        symlink("releases/1", igor.folder().join("current")).expect("links can be made");
        igor.start()
    };
    let release = || server.get("/app").text().split(' ').next().unwrap_or_default().to_owned();
    let published = || {
        server
            .eval("frankenphp_require_background_worker('feed'); return frankenphp_get_vars('feed')['release'];")
            .value()
    };
    assert_eq!((release().as_str(), published()), ("one", json!("one")));
    let requests = server.eval_in_worker("return $state->requests;").value();
    assert_eq!(requests, 1);
    symlink("releases/2", server.path("next")).expect("links can be made");
    fs::rename(server.path("next"), server.path("current")).expect("links can be renamed");
    server.signal(Signal::HUP);
    server.wait_log(&["the configuration was reloaded"]);
    assert_eq!(release(), "two");
    wait_until("the new feed", || published() == "two");
    assert_eq!(server.eval_in_worker("return $state->requests;").value(), 2, "an unchanged worker goes on");
}
