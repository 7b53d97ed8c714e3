//! What applications meet that move in from other servers.

use crate::common::workers::{assert_holds, block, script};
use crate::common::{Igor, Request, Server, igor, wait_until};
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

/// One directive hides what is often in a document root.
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

/// Workers that leave no thread for anything else are said to do so, with the numbers.
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

/// A page that asks its own site while it holds the only thread waits for itself: the log says so, and for what.
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

/// A consumer that publishes nothing may end well, again and again: to ask for the handle is enough.
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

/// What a block says counts as ready.
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

/// A deployment that switches a symbolic link makes a worker's script another file: a reload restarts its workers, and
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
