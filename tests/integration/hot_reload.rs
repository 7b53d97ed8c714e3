//! `hot_reload`: open pages learn of changed files.

use crate::common::{Igor, Server, igor as igor_command, wait_until};
use crate::mercure::Stream;
use std::fs;

fn site(hub: &str, block: &str) -> String {
    format!("mercure {{\n{hub}\n}}\nroot {{$DIR}}/public\nphp_server {{\n{block}\n}}")
}

/// The stream that the page names.
fn stream(server: &Server, page: &str) -> Stream {
    let url = server.get(page).text();
    let query = url.trim().strip_prefix("/.well-known/mercure?").unwrap_or_else(|| panic!("no address: {url}"));
    Stream::open(server, query, &[])
}

fn data(event: Option<String>) -> String {
    let event = event.expect("an event");
    event.lines().find_map(|line| line.strip_prefix("data: ")).expect("data").to_owned()
}

const PAGE: &str = "<?= $_SERVER['FRANKENPHP_HOT_RELOAD'] ?? 'none' ?>";

/// The claim: what FrankenPHP's documentation shows works here.
#[test]
fn pages_learn_of_changed_files() {
    let block = "hot_reload {\ntopic https://example.com/changes\nwatch {$DIR}/public\nwatch {$DIR}/templates/**/*{.twig,.html}\n}";
    let server = Igor::new()
        .site(&site("anonymous", block))
        .file("public/page.php", PAGE)
        .file("templates/deep/a.twig", "1")
        .start();
    assert_eq!(server.get("/page.php").text(), "/.well-known/mercure?topic=https%3A%2F%2Fexample.com%2Fchanges");
    let mut stream = stream(&server, "/page.php");
    let write = |names: [&str; 2]| {
        server.while_stopped(|| {
            names.iter().for_each(|name| fs::write(server.path(name), "changed").expect("files can be written"));
        });
    };
    write(["templates/deep/a.log", "templates/deep/a.twig"]);
    assert_eq!(data(stream.next()), r#"[{"PathName":"a.twig"}]"#, "no folders of others");
    write(["public/style.css", "public/page.php"]);
    assert_eq!(data(stream.next()), r#"[{"PathName":"page.php"},{"PathName":"style.css"}]"#);
    wait_until("the log", || server.log.count("watched files have changed") == 2);
}

#[test]
fn the_default_is_all_that_a_page_is_made_of() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let here = dir.path().to_path_buf();
    let write = |name: &str, text: &str| fs::write(here.join(name), text).expect("files can be written");
    fs::create_dir(here.join("public")).expect("folders can be made");
    write("public/page.php", PAGE);
    write("Caddyfile", &format!("{{\nadmin off\n}}\nhttp://127.0.0.1:0 {{\n{}\n}}\n", site("anonymous", "hot_reload")));
    let mut command = igor_command();
    command.arg("run").current_dir(&here);
    let server = Server::spawn(command, dir).wait_listening();
    let mut stream = stream(&server, "/page.php");
    write("public/app.log", "no part of a page");
    write("public/app.mjs", "1");
    assert_eq!(data(stream.next()), r#"[{"PathName":"public/app.mjs"}]"#);
    let other = Igor::new().site(&site("anonymous", "")).file("public/page.php", PAGE).start();
    assert_eq!(other.get("/page.php").text(), "none");
}

/// A page that loads again is made by the new code, also by a worker.
#[test]
fn workers_restart_before_pages_load_again() {
    let script = |version: u32| {
        format!(
            "<?php $version = '{version}'; while (frankenphp_handle_request(function () use ($version) {{
                echo isset($_GET['url']) ? $_SERVER['FRANKENPHP_HOT_RELOAD'] : $version;
            }})) {{}}"
        )
    };
    let block = "hot_reload {$DIR}/public/*.php\nworker {\nfile {$DIR}/public/worker.php\nnum 1\nwatch {$DIR}/public/*.php\nmatch *\n}";
    let server = Igor::new().site(&site("anonymous", block)).file("public/worker.php", &script(1)).start();
    let mut stream = stream(&server, "/?url");
    assert_eq!(server.get("/").text(), "1");
    for version in 2..5 {
        let path = server.path("public/worker.php");
        server.while_stopped(|| fs::write(&path, script(version)).expect("files can be written"));
        assert_eq!(data(stream.next()), r#"[{"PathName":"worker.php"}]"#);
        assert_eq!(server.get("/").text(), version.to_string());
    }
}

#[test]
fn hot_reload_needs_a_hub() {
    for (site, expected) in [
        ("php_server {\nhot_reload\n}".to_owned(), "the site of this block has no hub for its `hot_reload`"),
        (site("anonymous", "hot_reload {\ntopic\n}"), "the block has `topic TOPIC` and `watch PATTERN…`"),
        (site("anonymous", "hot_reload {\nwatch a[\n}"), "`a[` is not a pattern of files"),
        (
            site("anonymous", "hot_reload {\ntopic /.well-known/mercure/x\n}"),
            "this cannot be the topic of changed files",
        ),
    ] {
        let log = Igor::new().site(&site).start_fails().log;
        assert!(log.contains(expected), "{site}: {log}");
    }
}
