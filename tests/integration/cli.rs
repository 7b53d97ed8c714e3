//! The command line: output and exit status, for valid and invalid input.

use crate::common::{Igor, Request, Server, igor, php_tests, wait_for};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A folder with a Caddyfile and a script.
fn folder(caddyfile: &str) -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    fs::write(dir.path().join("Caddyfile"), caddyfile).expect("files can be written");
    fs::write(dir.path().join("w.php"), "<?php frankenphp_set_vars([]);").expect("files can be written");
    dir
}

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program can be started");
    (status.code(), String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned())
}

fn validate(dir: &Path) -> (Option<i32>, String) {
    let (code, stdout, stderr) = run(igor().arg("validate").arg("--config").arg(dir.join("Caddyfile")));
    (code, stdout + &stderr)
}

#[test]
fn version() {
    for spelled in ["--version", "-v"] {
        assert_eq!(run(igor().arg(spelled)).0, Some(0), "{spelled}");
    }
    let (code, stdout, stderr) = run(igor().arg("version"));
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.starts_with(&format!("igor {}\n", env!("CARGO_PKG_VERSION"))), "{stdout}");
    for part in ["\nPHP ", "ZTS", "opcache: "] {
        assert!(stdout.contains(part), "{stdout}");
    }
}

/// `igor … | head` succeeds, a full disk is a failure, and neither panics.
#[test]
fn output_that_nobody_takes() {
    let dir = folder(":0 {\nphp_server\n}\n");
    let config = dir.path().join("Caddyfile");
    let started = |arguments: &[&str], output: Stdio| {
        let config = config.to_str().expect("the path is text");
        let arguments = arguments.iter().map(|argument| if *argument == "FILE" { config } else { argument });
        let Output { status, stderr, .. } =
            igor().args(arguments).stdout(output).output().expect("the program can be started");
        (status.code(), String::from_utf8_lossy(&stderr).into_owned())
    };
    for arguments in [&["version"][..], &["validate", "--config", "FILE"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe can be made");
        drop(reader);
        assert_eq!(started(arguments, writer.into()), (Some(0), String::new()), "{arguments:?}");
        let full = fs::File::options().write(true).open("/dev/full").expect("Linux has /dev/full");
        let (code, stderr) = started(arguments, full.into());
        assert_eq!(code, Some(1), "{arguments:?}: {stderr}");
        assert!(stderr.starts_with("igor: writing to the standard output: "), "{arguments:?}: {stderr}");
    }
    let full = fs::File::options().write(true).open("/dev/full").expect("Linux has /dev/full");
    let status = igor().args(["run", "--config", "/nonexistent/Caddyfile"]).stderr(full).status();
    assert_eq!(status.expect("the program can be started").code(), Some(1), "the status is all that is left to tell");
}

#[test]
fn wrong_usage_is_status_2() {
    for arguments in [
        vec![],
        vec!["nonsense"],
        vec!["run", "--nonsense"],
        vec!["php-server", "--worker", "w.php,many"],
        vec!["php-server", "--background", "w.php"],
    ] {
        let (code, stdout, stderr) = run(igor().args(&arguments));
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(stderr.contains("Usage") || stderr.contains("error: "), "{arguments:?}: {stderr}");
    }
    let (code, stdout, _) = run(igor().arg("--help"));
    assert_eq!(code, Some(0));
    for command in ["run", "php-server", "validate", "version"] {
        assert!(stdout.contains(command), "{stdout}");
    }
}

#[test]
fn a_configuration_that_is_not_there() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    for arguments in [vec!["run"], vec!["validate"], vec!["run", "--config", "elsewhere/Caddyfile"]] {
        let (code, stdout, stderr) = run(igor().args(&arguments).current_dir(dir.path()));
        assert_eq!(code, Some(1), "{arguments:?}");
        assert!((stdout.clone() + &stderr).contains("Caddyfile"), "{arguments:?}: {stdout}{stderr}");
    }
}

#[test]
fn a_valid_configuration() {
    let dir = folder("{\nadmin off\n}\n:0 {\nphp_server {\nworker w.php {\nbackground\nname w\n}\n}\n}\n");
    let (code, output) = validate(dir.path());
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains("the configuration is valid"), "{output}");
}

/// B5, B6: each mistake is reported with its place, and keeps the server from starting.
#[test]
fn mistakes_in_a_configuration_have_a_place() {
    let cases = [
        ("worker w.php {\nbackground\nnmae w\n}", "5:1", &["unknown directive", "nmae", "did you mean `name`"][..]),
        ("worker missing.php {\nbackground\n}", "3:8", &["missing.php", "does not exist"]),
        ("worker {\nbackground\nname w\n}", "3:1", &["file"]),
        (
            "worker w.php {\nbackground\nname w\n}\nworker w.php {\nbackground\nname w\n}",
            "7:1",
            &["two workers", "`w`"],
        ),
        ("worker w.php {\nbackground\n}\nworker w.php {\nbackground\n}", "6:1", &["catch-all"]),
        ("worker w.php {\nbackground\nmatch /x\n}", "5:1", &["match", "background"]),
        (
            "worker w.php {\nbackground\nname w\nmax_consecutive_failures -2\n}",
            "6:26",
            &["`-2`", "number of failures", "write -1 for never"],
        ),
        ("worker w.php {\nbackground\nname w\nnum many\n}", "6:5", &["many"]),
        ("nonsense", "3:1", &["nonsense"]),
        ("env ONLY_A_NAME", "3:1", &["env"]),
    ];
    for (lines, place, parts) in cases {
        let dir = folder(&format!(":0 {{\nphp_server {{\n{lines}\n}}\n}}\n"));
        let expected = format!("Caddyfile:{place}: ");
        let (code, output) = validate(dir.path());
        assert_eq!(code, Some(1), "{lines}: {output}");
        assert!(output.contains(&expected), "{expected} is not in: {output}");
        for part in parts {
            assert!(output.contains(part), "{part:?} is not in: {output}");
        }
        let (code, stdout, stderr) = run(igor().arg("run").arg("--config").arg(dir.path().join("Caddyfile")));
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{lines}");
        assert!(stderr.contains(&expected) && !stderr.contains("PHP started"), "{stderr}");
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let dir = folder(":0 {\nphp_server {\nnonsense\nworker missing.php\n}\nmore nonsense\n}\n");
    let (code, output) = validate(dir.path());
    assert_eq!(code, Some(1));
    for place in ["Caddyfile:3:1: ", "Caddyfile:4:8: ", "Caddyfile:6:1: "] {
        assert!(output.contains(place), "{place} is not in: {output}");
    }
}

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let dir = folder(&format!("{{\nadmin off\n}}\nhttp://{address} {{\nphp_server\n}}\n"));
    let (code, _, stderr) = run(igor().arg("run").arg("--config").arg(dir.path().join("Caddyfile")));
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(&address) && stderr.contains("in use"), "{stderr}");
}

#[test]
fn php_server_serves_a_folder_with_workers() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let mut command = igor();
    let scripts = php_tests();
    let path = |name: &str| scripts.join(name).display().to_string();
    command.args(["php-server", "--listen", "127.0.0.1:0", "--root"]).arg(&scripts);
    command.arg("--worker").arg(format!("{},1", path("worker.php")));
    command.arg("--background").arg(format!("lazy={}", path("puppet.php")));
    command.arg("--background").arg(format!("eager={},1", path("puppet.php")));
    let server = Server::spawn(command, dir).wait_listening();
    server.puppet("eager").eval("frankenphp_set_vars(['eager']);").value();
    assert_eq!(server.eval("return frankenphp_get_vars('eager');").value(), serde_json::json!(["eager"]));
    assert_eq!(server.eval_in_worker("return $state->requests;").value(), 1);
    assert_eq!(server.eval_in_worker("return $state->requests;").value(), 2);
    let lazy = server.eval("frankenphp_get_vars('lazy');").thrown("RuntimeException");
    assert!(lazy.contains("has not been started"), "{lazy}");
}

/// FrankenPHP's flag: without a pattern PHP files below the working directory are watched.
#[test]
fn php_server_watches_files() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let mut command = igor();
    command.args(["php-server", "--watch", "--listen", "127.0.0.1:0", "--root"]).arg(php_tests());
    command.arg("--worker").arg(format!("{},1", php_tests().join("worker.php").display()));
    command.current_dir(dir.path());
    let server = Server::spawn(command, dir).wait_listening();
    assert_eq!(server.eval_in_worker("return $state->requests;").value(), 1);
    assert_eq!(server.eval_in_worker("return $state->requests;").value(), 2);
    fs::write(server.path("new.php"), "<?php").expect("files can be written");
    server.wait_log(&["watched files have changed"]);
    wait_for("the worker to start again", || {
        (server.eval_in_worker("return $state->requests;").value() == 1).then_some(())
    });
}

/// As in FrankenPHP, responses are compressed unless a flag says otherwise.
#[test]
fn php_server_compresses() {
    for (flag, formats) in [(None, ["zstd", "br", "gzip"]), (Some("--no-compress"), [""; 3])] {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        fs::write(dir.path().join("index.php"), "<?php echo str_repeat('text ', 500);").expect("files can be written");
        let mut command = igor();
        command.args(["php-server", "--listen", "127.0.0.1:0"]).args(flag).current_dir(dir.path());
        let server = Server::spawn(command, dir).wait_listening();
        for (accepted, expected) in ["gzip, br, zstd", "gzip, br", "gzip"].into_iter().zip(formats) {
            let response = server.send(&Request::get("/").header("Accept-Encoding", accepted));
            assert_eq!(response.header("content-encoding").unwrap_or_default(), expected, "{flag:?} {accepted}");
        }
    }
}

/// FrankenPHP's flag: the hub has the keys of the environment, and a subscriber needs a token.
#[test]
fn php_server_has_a_hub() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let mut command = igor();
    command.args(["php-server", "-m", "--listen", "127.0.0.1:0"]).current_dir(dir.path());
    command.env("MERCURE_PUBLISHER_JWT_KEY", "!ChangeThisMercureHubJWTSecretKey!");
    let without = run(command.env_remove("MERCURE_SUBSCRIBER_JWT_KEY"));
    assert!(without.0 == Some(1) && without.2.contains("variable MERCURE_SUBSCRIBER_JWT_KEY"), "{}", without.2);
    command.env("MERCURE_SUBSCRIBER_JWT_KEY", "!ChangeThisMercureHubJWTSecretKey!");
    fs::write(dir.path().join("index.php"), "<?php echo mercure_publish('a', 'data');").expect("files can be written");
    let server = Server::spawn(command, dir).wait_listening();
    let hub = "/.well-known/mercure?topic=a";
    assert_eq!(server.get(hub).status, 401, "it lets no one subscribe without a token");
    assert!(server.get("/").text().starts_with("urn:uuid:"), "a script publishes to the hub of its site");
    // The token of the documentation of Mercure, which may subscribe to everything.
    let message = "eyJhbGciOiJIUzI1NiJ9.eyJtZXJjdXJlIjp7InN1YnNjcmliZSI6WyIqIl19fQ";
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"!ChangeThisMercureHubJWTSecretKey!");
    let signature = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, message.as_bytes()));
    let mut connection = server.connect();
    connection.write(&Request::get(hub).header("Authorization", &format!("Bearer {message}.{signature}")));
    assert_eq!(connection.read_head().status, 200);
}

/// For any spelling of the file's path on the command line, links included.
#[test]
fn the_configuration_is_never_served() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let path = |name: &str| dir.path().join(name);
    let site =
        "{\nadmin off\n}\nhttp://127.0.0.1:0 {\nroot current\n@php path /php/*\nphp_server @php\nfile_server\n}\n";
    for (file, text) in [("release/Caddyfile", site), ("release/page.txt", "page"), ("release/php/page.txt", "page")] {
        fs::create_dir_all(path(file).parent().expect("a file has a folder")).expect("folders can be made");
        fs::write(path(file), text).expect("files can be written");
    }
    for (target, link) in
        [("release", "current"), ("Caddyfile", "release/alias.txt"), ("../Caddyfile", "release/php/alias.txt")]
    {
        symlink(target, path(link)).expect("links can be made");
    }
    let mut command = igor();
    command.args(["run", "--config", "current/Caddyfile"]).current_dir(dir.path());
    let server = Server::spawn(command, dir).wait_listening();
    for (path, status) in
        [("/page.txt", 200), ("/php/page.txt", 200), ("/Caddyfile", 404), ("/alias.txt", 404), ("/php/alias.txt", 404)]
    {
        assert_eq!(server.get(path).status, status, "{path}");
    }
}

#[test]
fn php_server_refuses_what_is_not_there() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    for (flag, value) in [
        ("--root", "missing"),
        ("--worker", "missing.php"),
        ("--background", "w=missing.php"),
        ("--listen", "nowhere:port"),
    ] {
        let (code, _, stderr) = run(igor().args(["php-server", flag, value]).current_dir(dir.path()));
        assert_eq!(code, Some(1), "{flag} {value}: {stderr}");
        assert!(stderr.contains("missing") || stderr.contains("nowhere"), "{flag} {value}: {stderr}");
    }
}

/// B58: the message names the file and the line.
#[test]
fn a_syntax_error_in_an_http_worker() {
    let stopped = Igor::new()
        .file("w.php", "<?php\n\nthis is no php\n")
        .site("php_server {\nworker {$DIR}/w.php 1 {\nmax_consecutive_failures 1\n}\n}")
        .start_fails();
    assert_eq!(stopped.status.code(), Some(1));
    let message = stopped.log.lines().rfind(|line| line.starts_with("igor: ")).unwrap_or_default().to_owned();
    assert!(message.contains("syntax error") && message.contains("w.php:3"), "{message}");
}

/// B19
#[test]
fn a_syntax_error_in_a_background_worker() {
    let server = Igor::new()
        .file("w.php", "<?php\n\nthis is no php\n")
        .site("root {$PHP_TESTS}\nphp_server {\nworker {$DIR}/w.php {\nbackground\nname w\nmax_consecutive_failures 1\n}\n}")
        .start();
    let message = server.eval("frankenphp_ensure_background_worker('w');").thrown("RuntimeException");
    assert!(message.contains("syntax error") && message.contains("w.php:3"), "{message}");
}

/// B24: if a worker publishes an object, the log has the object's path.
#[test]
fn a_worker_that_publishes_an_object() {
    let server = Igor::new()
        .file("w.php", "<?php\nfrankenphp_set_vars(['app' => ['db' => ['conn' => new stdClass]]]);\n")
        .site("root {$PHP_TESTS}\nphp_server {\nworker {$DIR}/w.php {\nbackground\nname w\nmax_consecutive_failures 1\n}\n}")
        .start();
    let message = server.eval("frankenphp_ensure_background_worker('w');").thrown("RuntimeException");
    for text in [&message, &server.wait_log(&["given up", "worker=\"w\""])] {
        assert!(
            text.contains("$vars['app']['db']['conn']") && text.contains("stdClass") && text.contains("w.php:2"),
            "{text}"
        );
    }
}

/// A script that was deleted after the server had started.
#[test]
fn a_worker_script_that_was_removed() {
    let server = Igor::new()
        .file("w.php", "<?php frankenphp_set_vars([]);")
        .site("root {$PHP_TESTS}\nphp_server {\nworker {$DIR}/w.php {\nbackground\nname w\nmax_consecutive_failures 1\n}\n}")
        .start();
    fs::remove_file(server.path("w.php")).expect("files can be removed");
    let message = server.eval("frankenphp_ensure_background_worker('w');").thrown("RuntimeException");
    assert!(message.contains("w.php") && message.contains("Failed opening"), "{message}");
}

/// The release of the PHP in use, and the floor of its series when it is below it, from the list itself.
fn release_and_floor() -> (String, Option<String>) {
    let (_, stdout, _) = run(igor().arg("version"));
    let line = stdout.lines().find_map(|line| line.strip_prefix("PHP ")).expect("there is a line of PHP");
    let release = line.split(' ').next().expect("it begins with the release").to_owned();
    let numbers = |version: &str| -> Vec<u32> {
        let leading = version.split(|sign: char| !sign.is_ascii_digit() && sign != '.').next().unwrap_or_default();
        leading.split('.').filter_map(|number| number.parse().ok()).collect()
    };
    let list = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/php-releases.txt"));
    let list = list.expect("the list of releases is there");
    let floor = list.lines().find_map(|line| {
        let words: Vec<_> = line.split(' ').collect();
        (words[0] == "floor" && release.starts_with(&format!("{}.", words[1]))).then(|| words[2].to_owned())
    });
    let below = floor.filter(|floor| numbers(&release) < numbers(floor));
    (release, below)
}

/// A PHP below the floor of its series is named by `igor version`, by one warning at start and by a metric; any other by none.
#[test]
fn an_unsafe_php_is_named() {
    let (release, below) = release_and_floor();
    let (_, stdout, _) = run(igor().arg("version"));
    let server = Igor::new().admin().site("").start();
    let metrics = server.ask_admin(&crate::common::Request::get("/metrics")).text();
    let status = server.ask_admin(&crate::common::Request::get("/frankenphp/status")).json();
    assert_eq!(status["php"]["version"], release);
    assert_eq!(status["php"]["unsafe"]["safe_from"].as_str(), below.as_deref());
    let log = server.stop().log;
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("this PHP is unsafe")).collect();
    assert!(metrics.contains(&format!("php=\"{release}\"")), "{metrics}");
    let gauge = metrics.lines().find_map(|line| line.strip_prefix("igor_php_unsafe ")).expect("the metric is there");
    if let Some(floor) = below {
        assert!(stdout.contains(&format!(": UNSAFE, older than {floor}; public since 20")), "{stdout}");
        assert_eq!(warnings.len(), 1, "{log}");
        for part in ["WARN", &release, &floor, "since", "PHP_UPDATE=1"] {
            assert!(warnings[0].contains(part), "{part} in {}", warnings[0]);
        }
        assert_eq!(gauge, "1");
    } else {
        assert!(!stdout.contains("UNSAFE"), "{stdout}");
        assert_eq!(warnings, [""; 0]);
        assert_eq!(gauge, "0");
    }
}

/// Laravel Octane's artisan commands ask for the line of FrankenPHP, get the configuration, and send it back to restart workers.
#[test]
fn octanes_commands() {
    let (code, stdout, stderr) = run(igor().arg("build-info"));
    assert_eq!(code, Some(0), "{stderr}");
    let version = stdout.lines().find(|line| line.starts_with("dep") && line.contains("github.com/dunglas/frankenphp"));
    let version = version.and_then(|line| line.rsplit_once('v')).expect("the line of FrankenPHP").1;
    assert_eq!(version.split('.').count(), 3, "{version}");

    let script = "<?php while (frankenphp_handle_request(function () { echo 'ok'; })) {}";
    let server =
        Igor::new().admin().file("octane.php", script).frankenphp("worker octane.php 1").site("php_server").start();
    let app = server.ask_admin(&Request::get("/config/apps/frankenphp"));
    assert_eq!(app.status, 200);
    assert!(app.text().contains("octane.php"), "{}", app.text());
    let restarted = server.ask_admin(&Request::new("PATCH", "/config/apps/frankenphp").body(app.text()));
    assert_eq!(restarted.status, 200, "{}", restarted.text());
    assert_eq!(restarted.json()["workers"], 1, "{}", restarted.text());
    let refused = server.ask_admin(&Request::new("PATCH", "/config/apps/frankenphp").body("{}"));
    assert_eq!(refused.status, 400, "{}", refused.text());
}

#[test]
fn a_caddyfile_is_formatted_and_shown() {
    let dir = folder(
        ":8080   {\nroute {\n  respond /a   \"a  b\"\n}\nbasic_auth {\nalice $2a$04$HASH\n}\n}\n"
            .replace("HASH", &"a".repeat(53))
            .as_str(),
    );
    let igor = |arguments: &[&str]| run(igor().current_dir(dir.path()).args(arguments));
    let (code, text, _) = igor(&["fmt"]);
    assert_eq!(code, Some(1));
    assert!(text.starts_with(":8080 {\n\troute {\n\t\trespond /a \"a  b\"\n\t}\n"), "{text}");
    assert_eq!(igor(&["fmt", "--overwrite"]).0, Some(0));
    assert_eq!(fs::read_to_string(dir.path().join("Caddyfile")).expect("the file"), text);
    assert_eq!(igor(&["fmt"]).0, Some(0));
    let (code, shown, _) = igor(&["adapt", "--pretty"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    let routes = &shown["sites"][0]["routes"];
    assert_eq!(
        (code, &routes[0]["directive"], &routes[1]["directive"]),
        (Some(0), &"basic_auth".into(), &"block".into())
    );
    assert_eq!(routes[1]["routes"][0]["at"], "Caddyfile:3:3");
    assert!(!shown.to_string().contains("aaaa"), "a hash is no one's business: {shown}");
}

/// The shell itself must understand its script, and every command has a page.
#[test]
fn completions_and_man_pages() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (code, script, stderr) = run(igor().args(["completion", shell]));
        assert!(code == Some(0) && script.contains("php-server") && script.contains("pidfile"), "{shell}: {stderr}");
    }
    let dir = folder(":0\n");
    let (_, script, _) = run(igor().args(["completion", "bash"]));
    fs::write(dir.path().join("igor.bash"), script).expect("files can be written");
    let complete =
        "source ./igor.bash; COMP_WORDS=(igor php-se); COMP_CWORD=1; _igor igor php-se igor; echo \"${COMPREPLY[@]}\"";
    let (_, completed, stderr) = run(Command::new("bash").current_dir(dir.path()).args(["-c", complete]));
    assert_eq!(completed, "php-server\n", "{stderr}");

    let (code, page, _) = run(igor().arg("manpage"));
    assert!(code == Some(0) && page.contains(".TH igor 1"), "{page}");
    let pages = dir.path().join("deep/man1");
    assert_eq!(run(igor().args(["manpage", "--directory"]).arg(&pages)).0, Some(0));
    let reload = fs::read_to_string(pages.join("igor-reload.1")).expect("the page of a command");
    assert!(reload.contains("read its configuration again"), "{reload}");
    let (code, _, stderr) = run(igor().args(["manpage", "--directory", "/proc/none"]));
    assert!(code == Some(1) && stderr.contains("writing man pages to /proc/none: "), "{stderr}");
}

/// The commands that frameworks for Caddy call.
#[test]
fn commands_of_caddy() {
    let (code, hash, _) = run(igor().args(["hash-password", "--plaintext", "secret", "--cost", "4"]));
    assert!(code == Some(0) && hash.starts_with("$2b$04$"), "{hash}");
    for (flag, expected) in
        [("-v", "igor "), ("--version", "igor "), ("list-modules", "a site\n"), ("environ", "PATH=")]
    {
        let (code, stdout, stderr) = run(igor().arg(flag));
        assert!(code == Some(0) && stdout.contains(expected), "{flag}: {stdout}{stderr}");
    }
    let (code, hash, _) = run(igor().args(["hash-password", "--plaintext", "secret", "--algorithm", "argon2id"]));
    assert!(code == Some(0) && hash.starts_with("$argon2id$v=19$m=47104,t=1,p=1$"), "{hash}");
    let (code, _, stderr) = run(igor().arg("upgrade"));
    assert!(code == Some(2) && stderr.contains("there is no command `upgrade`"), "{stderr}");
    let (code, _, stderr) = run(igor().arg("reverse-proxy"));
    assert!(code == Some(2) && stderr.contains("--to <ADDR>"), "{stderr}");
    let dir = folder(":0 {\nrespond {$ANSWER}\n}\n");
    fs::write(dir.path().join("vars"), "ANSWER=\"ok {\"\n").expect("files can be written");
    let validate = |flags: &[&str]| run(igor().current_dir(dir.path()).arg("validate").args(flags));
    assert_eq!(validate(&["--adapter", "caddyfile"]).0, Some(0));
    assert_eq!(validate(&["--adapter", "json"]).0, Some(1));
    // Only code that has read the file can notice the invalid value.
    let (code, stdout, stderr) = validate(&["--envfile", "vars"]);
    assert_eq!(code, Some(1), "{stdout}{stderr}");
}

/// `run --watch` reloads; `--pidfile` writes the process id, and the file is removed at the end.
#[test]
fn flags_of_run() {
    let dir = folder("{\nadmin off\n}\n:0 {\nrespond one\n}\n");
    let pidfile = dir.path().join("pid");
    let mut command = igor();
    command.current_dir(dir.path()).args(["run", "--watch", "--pidfile", "pid"]);
    let server = Server::spawn(command, dir).wait_listening();
    let pid = fs::read_to_string(&pidfile).expect("the file is there");
    assert_eq!(pid.trim(), server.pid().as_raw_pid().to_string());
    // Or the server could read half of it.
    server.while_stopped(|| {
        fs::write(server.path("Caddyfile"), "{\nadmin off\n}\n:0 {\nrespond two\n}\n").expect("files can be written");
    });
    server.wait_log(&["the configuration has changed"]);
    server.wait_log(&["reloaded"]);
    assert_eq!(server.get("/").text(), "two");
    server.stop();
    assert!(!pidfile.exists());
}
