//! B1 to B9: the declaration of workers.

use super::super::{Config, WorkerConfig, WorkerKind};
use super::Fixture;

/// The workers of the only `php_server` with this text inside.
fn workers(fixture: &Fixture, block: &str) -> Vec<WorkerConfig> {
    let config = fixture.config(&in_server(block));
    config.scopes().nth(1).expect("the scope of the block").workers.to_vec()
}

fn in_server(block: &str) -> String {
    format!(":80 {{\n\tphp_server {{\n{block}\n\t}}\n}}\n")
}

#[test]
fn b1_long_and_short_form() {
    let fixture = Fixture::new();
    for text in [
        "worker {\nfile worker.php\nnum 3\n}",
        "worker worker.php 3",
        "worker worker.php {\nnum 3\n}",
        "worker worker.php 3 {\n}",
    ] {
        let workers = workers(&fixture, text);
        assert_eq!(workers.len(), 1, "{text}");
        assert_eq!(workers[0].file, fixture.path("worker.php"), "{text}");
        assert_eq!((workers[0].num, &workers[0].kind), (Some(3), &WorkerKind::Http { match_: Vec::new() }), "{text}");
    }
}

#[test]
fn b1_in_php_blocks_and_in_the_global_block() {
    let fixture = Fixture::new();
    let config = fixture.config(
        "{\n\tfrankenphp {\n\t\tworker bin/feed.php {\n\t\t\tbackground\n\t\t}\n\t}\n}\n:80 {\n\tphp {\n\t\tworker worker.php\n\t}\n}\n",
    );
    let scopes: Vec<(String, usize)> =
        config.scopes().map(|scope| (scope.label.to_string(), scope.workers.len())).collect();
    assert_eq!(scopes, [("global".to_owned(), 1), (":80".to_owned(), 1)]);
}

#[test]
fn b2_a_background_worker_without_a_name_is_the_catch_all() {
    let fixture = Fixture::new();
    let workers = workers(
        &fixture,
        "worker bin/feed.php {\nbackground\n}\nworker bin/feed.php {\nbackground\nname feed\n}\nworker worker.php",
    );
    let catch_alls: Vec<bool> = workers.iter().map(WorkerConfig::is_catch_all).collect();
    assert_eq!(catch_alls, [true, false, false]);
}

#[test]
fn b3_threads_at_boot() {
    let fixture = Fixture::new();
    let workers = workers(
        &fixture,
        "worker bin/feed.php {\nbackground\nname lazy\n}\nworker bin/feed.php 2 {\nbackground\nname eager\n}\nworker worker.php\nworker other.php 1",
    );
    let threads: Vec<usize> = workers.iter().map(|worker| worker.boot_threads(4)).collect();
    assert_eq!(threads, [0, 2, 8, 1]);
}

#[test]
fn b4_a_catch_all_starts_sixteen_names_by_default() {
    let fixture = Fixture::new();
    assert_eq!(workers(&fixture, "worker bin/feed.php {\nbackground\n}")[0].names_max(), 16);
    assert_eq!(workers(&fixture, "worker bin/feed.php {\nbackground\nmax_threads 3\n}")[0].names_max(), 3);
}

#[test]
fn b5_failures() {
    let fixture = Fixture::new();
    let failures =
        |text: &str| workers(&fixture, &format!("worker worker.php {{\n{text}\n}}"))[0].max_consecutive_failures;
    assert_eq!(failures(""), 6);
    assert_eq!(failures("max_consecutive_failures -1"), -1);
    assert_eq!(failures("max_consecutive_failures 0"), 0);
    for wrong in ["-2", "x", "1.5", "99999999999"] {
        let errors = fixture.errors(&in_server(&format!("worker worker.php {{\nmax_consecutive_failures {wrong}\n}}")));
        let expected = format!(
            "Caddyfile:4:26: `{wrong}` is not a number of failures\n  hint: write -1 for never, or a number from 0"
        );
        assert_eq!(errors, expected);
    }
}

#[test]
fn b6_names_may_share_one_file() {
    let fixture = Fixture::new();
    let text = "worker bin/console.php {\nbackground\nname a\n}\nworker bin/console.php {\nbackground\nname b\n}";
    assert_eq!(workers(&fixture, text).len(), 2);
}

#[test]
fn b7_scopes_share_nothing() {
    let fixture = Fixture::new();
    let server = "php_server {\n\t\tworker bin/feed.php {\n\t\t\tbackground\n\t\t\tname feed\n\t\t}\n\t}";
    let config = fixture.config(&format!(
        "{{\n\tfrankenphp {{\n\t\tworker bin/feed.php {{\n\t\t\tbackground\n\t\t\tname feed\n\t\t}}\n\t}}\n}}\nhttp://a.example {{\n\t{server}\n}}\n:8080 {{\n\t{server}\n}}\n"
    ));
    assert_eq!(labels(&config), ["global", "a.example", ":8080"]);
}

/// The labels of all scopes.
fn labels(config: &Config) -> Vec<String> {
    config.scopes().map(|scope| scope.label.to_string()).collect()
}

#[test]
fn every_scope_has_a_label_of_its_own() {
    let fixture = Fixture::new();
    let config = fixture.config(
        "http://a.example {\n\tphp_server /x/*\n\tphp_server /y/*\n\tphp\n}\n:80, http://b.example {\n\tphp_server\n}\nhttp://global {\n\tphp_server\n}\nhttp://127.0.0.1:81 {\n\tphp_server {\n\t\tname shop\n\t}\n}\nhttp://127.0.0.1:82 {\n\tphp_server\n}\n",
    );
    let mut found = labels(&config);
    found.sort();
    let mut expected =
        vec!["global", "a.example", "a.example-2", "a.example-3", "b.example", "global-2", "shop", "127.0.0.1:82"];
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn relative_files_start_from_the_blocks_root_else_from_the_caddyfile() {
    let fixture = Fixture::new();
    assert_eq!(workers(&fixture, "root public\nworker index.php")[0].file, fixture.path("public/index.php"));
    assert_eq!(workers(&fixture, "worker ./bin/../worker.php")[0].file, fixture.path("worker.php"));
    let config = fixture.config(":80 {\n\troot public\n\tphp_server {\n\t\tworker public/index.php\n\t}\n}\n");
    assert_eq!(config.scopes().nth(1).expect("a scope").workers[0].file, fixture.path("public/index.php"));
    let absolute = fixture.path("other.php");
    assert_eq!(workers(&fixture, &format!("root public\nworker {}", absolute.display()))[0].file, absolute);
}

#[test]
fn a_moved_declaration_is_the_same_worker() {
    let fixture = Fixture::new();
    let text = "worker bin/feed.php {\nbackground\nname feed\nwatch src\n}";
    let here = workers(&fixture, text).remove(0);
    let moved = workers(&fixture, &format!("env A 1\n\n{text}")).remove(0);
    assert!(!here.same_declaration(&moved), "its environment changed");
    let moved = workers(&fixture, &format!("\n\n{text}")).remove(0);
    assert_ne!(here, moved);
    assert!(here.same_declaration(&moved));
}

#[test]
fn watch_patterns() {
    let fixture = Fixture::new();
    let table = [
        ("src", "src/a/b.txt", true),
        ("src", "other/b.txt", false),
        ("worker.php", "worker.php", true),
        ("worker.php", "workerXphp", false),
        ("bin/*.php", "bin/a.php", true),
        ("bin/*.php", "bin/deep/a.php", false),
        ("bin/**/*.{php,twig}", "bin/a/b/c.twig", true),
        ("bin/**/*.{php,twig}", "bin/c.php", true),
        ("bin/**/*.{php,twig}", "bin/c.js", false),
    ];
    for (pattern, path, expected) in table {
        let worker = workers(&fixture, &format!("worker worker.php {{\nwatch {pattern}\n}}")).remove(0);
        assert_eq!(worker.watch[0].matches(&fixture.path(path)), expected, "{pattern} on {path}");
    }
    let worker = workers(&fixture, "worker worker.php {\nwatch bin/**/*.php other.php\nwatch\n}").remove(0);
    let directories: Vec<_> = worker.watch.iter().map(|pattern| pattern.directory().to_path_buf()).collect();
    assert_eq!(directories, [fixture.path("bin"), fixture.path(""), fixture.path("")]);
}
