//! The targets of requests, as tables over a fake file system.

use std::collections::HashMap;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::http::paths;
use crate::http::routing::{FileKind, FileSystem, Script, Target, host_without_port, route as route_path, select_site};
use crate::http::settings::WorkerRoute;

struct FakeFiles(HashMap<PathBuf, FileKind>);

impl FakeFiles {
    fn new(entries: &[&str]) -> Self {
        let entry = |path: &&str| match path.strip_suffix('/') {
            Some(directory) => (PathBuf::from(directory), FileKind::Directory),
            None => (PathBuf::from(path), FileKind::File),
        };
        Self(entries.iter().map(entry).collect())
    }
}

impl FileSystem for FakeFiles {
    fn kind(&self, path: &Path) -> Option<FileKind> {
        let text = path.to_str()?;
        let kind = self.0.get(Path::new(text.trim_end_matches('/'))).copied()?;
        // Like `stat`: a file with a trailing slash is an error.
        (kind == FileKind::Directory || !text.ends_with('/')).then_some(kind)
    }
}

fn queue() -> Arc<RequestQueue> {
    RequestQueue::new(FakeThreads::without_threads(1).0, None)
}

fn server() -> PhpRoute {
    server_with(|_| ())
}

fn server_with(change: impl FnOnce(&mut PhpSettings)) -> PhpRoute {
    with_settings(Path::new("/site"), &queue(), change)
}

fn worker(name: &str, script: &str, patterns: &[&str]) -> WorkerRoute {
    WorkerRoute {
        name: name.to_owned(),
        script: PathBuf::from(script),
        paths: patterns.iter().map(|pattern| config::PathPattern::new(pattern)).collect(),
        queue: queue(),
    }
}

/// Routes the raw path, and writes the outcome down shortly.
fn outcome(php: &PhpRoute, raw: &str, files: &dyn FileSystem) -> String {
    let path = paths::normalize(raw).expect("a valid path");
    match route_path(php, php.settings.root.fixed().expect("a fixed root"), &path, files) {
        Target::Script(Script { file, name, path_info, worker }) => {
            let (name, info) = (String::from_utf8_lossy(&name), String::from_utf8_lossy(&path_info));
            let worker = worker.map(|index| format!(" worker {}", php.workers[index].name)).unwrap_or_default();
            format!("{} as {name} + {info:?}{worker}", file.display())
        }
        Target::File(file) => format!("file {}", String::from_utf8_lossy(&file)),
        Target::AddSlash => "slash".to_owned(),
        Target::NotFound => "404".to_owned(),
        Target::Status(status) => format!("status {status}"),
    }
}

const SITE: &[&str] = &[
    "/site/",
    "/site/index.php",
    "/site/app.php",
    "/site/UPPER.PHP",
    "/site/style.css",
    "/site/.env",
    "/site/blog/",
    "/site/blog/index.php",
    "/site/assets/",
    "/site/assets/index.html",
    "/site/dir.php/",
    "/etc/passwd",
];

#[test]
fn php_server_finds_what_caddy_finds() {
    let front = |info: &str| format!("/site/index.php as /index.php + {info:?}");
    let cases: &[(&str, String)] = &[
        ("/", front("")),
        ("/index.php", front("")),
        ("/index.php/", front("/")),
        ("/index.php/a/b", front("/a/b")),
        ("/app.php", "/site/app.php as /app.php + \"\"".to_owned()),
        ("/app.php/x.php", "/site/app.php as /app.php + \"/x.php\"".to_owned()),
        ("/UPPER.PHP/x", "/site/UPPER.PHP as /UPPER.PHP + \"/x\"".to_owned()),
        ("/style.css", "file /style.css".to_owned()),
        ("//style.css", "file /style.css".to_owned()),
        ("/style%2ecss", "file /style.css".to_owned()),
        ("/style.css/", front("")),
        ("/.env", "file /.env".to_owned()),
        ("/blog", "slash".to_owned()),
        ("/blog/", "/site/blog/index.php as /blog/index.php + \"\"".to_owned()),
        ("/blog/post/1", front("")),
        ("/assets", front("")),
        ("/assets/", front("")),
        ("/missing", front("")),
        ("/missing.php", front("")),
        ("/dir.php", front("")),
        ("/../../etc/passwd", front("")),
        ("/%2e%2e/%2e%2e/etc/passwd", front("")),
    ];
    let (server, files) = (server(), FakeFiles::new(SITE));
    for (path, expected) in cases {
        assert_eq!(&outcome(&server, path, &files), expected, "{path}");
    }
}

#[test]
fn without_a_front_controller_what_is_missing_is_404() {
    let files = FakeFiles::new(&["/site/", "/site/a.txt", "/site/docs/", "/site/x.php"]);
    let cases = [
        ("/", "file /"),
        ("/docs", "file /docs"),
        ("/docs/", "file /docs/"),
        ("/a.txt", "file /a.txt"),
        ("/b.txt", "404"),
        ("/y.php", "404"),
        ("/x.php", "/site/x.php as /x.php + \"\""),
    ];
    for (path, expected) in cases {
        assert_eq!(outcome(&server(), path, &files), expected, "{path}");
    }
    let no_files = server_with(|settings| settings.file_server = None);
    assert_eq!(outcome(&no_files, "/a.txt", &files), "404");
}

#[test]
fn several_index_files_are_tried_in_order() {
    let files = FakeFiles::new(&[
        "/site/",
        "/site/start.php",
        "/site/both/",
        "/site/both/app.php",
        "/site/both/index.html",
        "/site/static/",
        "/site/static/index.html",
        "/site/empty/",
    ]);
    let index = ["app.php", "index.html", "start.php"].map(str::to_owned).to_vec();
    let mut server = server_with(|settings| settings.index = index);
    let cases = [
        ("/both/", "/site/both/app.php as /both/app.php + \"\""),
        ("/both", "slash"),
        ("/static", "slash"),
        ("/static/", "file /static/index.html"),
        ("/empty/", "/site/start.php as /start.php + \"\""),
        ("/", "/site/start.php as /start.php + \"\""),
        ("/none", "/site/start.php as /start.php + \"\""),
    ];
    for (path, expected) in cases {
        assert_eq!(outcome(&server, path, &files), expected, "{path}");
    }
    server.settings.index.clear();
    let cases = [
        ("/", "file /"),
        ("/static", "file /static"),
        ("/none", "404"),
        ("/start.php/x", "/site/start.php as /start.php + \"/x\""),
    ];
    for (path, expected) in cases {
        assert_eq!(outcome(&server, path, &files), expected, "{path} without an index");
    }
}

#[test]
fn files_to_try_are_tried_in_order() {
    let files = FakeFiles::new(&[
        "/site/",
        "/site/app.php",
        "/site/index.php",
        "/site/page.html",
        "/site/blog/",
        "/site/blog/index.php",
        "/site/docs/",
        "/site/cache/a.css",
        "/etc/passwd",
    ]);
    let cases: &[(&[&str], &str, &str)] = &[
        (&["{path}", "app.php"], "/page.html", "file /page.html"),
        (&["{path}", "app.php"], "/none", "/site/app.php as /app.php + \"\""),
        (&["{path}", "app.php"], "/index.php/x", "/site/index.php as /index.php + \"/x\""),
        (&["{path}", "app.php"], "/blog", "/site/app.php as /app.php + \"\""),
        (&["{path}", "{path}/index.php", "app.php"], "/blog", "slash"),
        (&["{path}", "{path}/index.php", "app.php"], "/blog/", "/site/blog/index.php as /blog/index.php + \"\""),
        (&["{path}.html", "app.php"], "/page", "file /page.html"),
        (&["/cache{path}", "app.php"], "/a.css", "file /cache/a.css"),
        (&["{path}/", "app.php"], "/docs", "file /docs"),
        (&["{path}/", "app.php"], "/docs/", "file /docs/"),
        (&["docs/", "app.php"], "/none", "file /docs/"),
        (&["page.html"], "/app.php", "file /page.html"),
        // If none matches, the path stays unchanged.
        (&["none.php"], "/app.php", "/site/app.php as /app.php + \"\""),
        (&["none.php"], "/page.html", "file /page.html"),
        (&["none.php"], "/none", "404"),
        (&["../../etc/passwd", "app.php"], "/none", "/site/app.php as /app.php + \"\""),
    ];
    for (patterns, path, expected) in cases {
        let try_files = Some(patterns.iter().map(|&pattern| pattern.to_owned()).collect());
        let server = server_with(|settings| settings.try_files = try_files);
        assert_eq!(&outcome(&server, path, &files), expected, "{patterns:?} {path}");
    }
}

#[test]
fn php_alone_runs_scripts_and_nothing_else() {
    let server = PhpRoute { mode: PhpMode::ScriptsOnly, ..server() };
    let files = FakeFiles::new(SITE);
    let cases = [
        ("/app.php/x", "/site/app.php as /app.php + \"/x\""),
        ("/missing.php", "404"),
        ("/style.css", "404"),
        ("/", "404"),
        ("/blog/", "404"),
        ("/dir.php", "404"),
    ];
    for (path, expected) in cases {
        assert_eq!(outcome(&server, path, &files), expected, "{path}");
    }
}

#[test]
fn workers_get_their_script_and_their_patterns() {
    let workers = vec![worker("front", "/site/index.php", &[]), worker("api", "/apps/api.php", &["/api/*", "/v1"])];
    let mut server = PhpRoute { workers, ..server() };
    let files = FakeFiles::new(&["/site/", "/site/style.css", "/site/api/", "/site/api/real.css", "/site/other.php"]);
    let cases = [
        ("/", "/site/index.php as /index.php + \"\" worker front"),
        ("/index.php/a", "/site/index.php as /index.php + \"/a\" worker front"),
        ("/any/path", "/site/index.php as /index.php + \"\" worker front"),
        ("/style.css", "file /style.css"),
        // Another script, for example a background worker's, is not sent to the worker (B9).
        ("/other.php", "/site/other.php as /other.php + \"\""),
        // As in FrankenPHP, static files win over a worker's patterns.
        ("/api/real.css", "file /api/real.css"),
        ("/api/users", "/apps/api.php as /api.php + \"\" worker api"),
        ("/api/../style.css", "file /style.css"),
        ("/V1", "/apps/api.php as /api.php + \"\" worker api"),
    ];
    for (path, expected) in cases {
        assert_eq!(outcome(&server, path, &files), expected, "{path}");
    }
    server.settings.file_server = None;
    assert_eq!(outcome(&server, "/api/real.css", &files), "/apps/api.php as /api.php + \"\" worker api");
}

#[test]
fn the_site_is_the_one_that_names_the_host_best() {
    let sites = [site(&[], vec![]), site(&["*.example.com"], vec![]), site(&["www.example.com", "b.test"], vec![])];
    let cases = [
        ("www.example.com", "www.example.com"),
        ("WWW.Example.COM", "www.example.com"),
        ("b.test", "www.example.com"),
        ("api.example.com", "*.example.com"),
        ("a.b.example.com", "*"),
        ("example.com", "*"),
        ("", "*"),
    ];
    for (host, expected) in cases {
        assert_eq!(select_site(&sites, host).map(|site| site.label.as_str()), Some(expected), "{host}");
    }
    assert!(select_site(&sites[1..], "other.test").is_none());
}

#[test]
fn hosts_lose_their_port() {
    for (authority, expected) in
        [("a", "a"), ("a:80", "a"), ("a.:80", "a"), ("[::1]", "[::1]"), ("[::1]:80", "[::1]"), ("", "")]
    {
        assert_eq!(host_without_port(authority), expected);
    }
}

/// A file system in which every path exists: the worst case for a path that tries to leave the root.
struct Everything(FileKind);

impl FileSystem for Everything {
    fn kind(&self, _: &Path) -> Option<FileKind> {
        Some(self.0)
    }
}

proptest! {
    #[test]
    fn no_path_leads_out_of_the_root(raw in "(/|\\.\\.|\\.|%2e%2e|%2E|%2f|%5c|\\\\|a|\\.php|index\\.php|[^\0])*", is_file: bool) {
        let kind = if is_file { FileKind::File } else { FileKind::Directory };
        let Ok(path) = paths::normalize(&raw) else { return Ok(()) };
        let own = ["x{path}", "../{path}.html", "{path}/../"].map(str::to_owned).to_vec();
        for (mode, try_files) in [(PhpMode::Server, None), (PhpMode::Server, Some(own)), (PhpMode::ScriptsOnly, None)] {
            let server = PhpRoute { mode, ..server_with(|settings| settings.try_files = try_files) };
            let file = match route_path(&server, Path::new("/site"), &path, &Everything(kind)) {
                Target::Script(script) => script.file,
                Target::File(path) => crate::http::routing::below(Path::new("/site"), &path),
                Target::AddSlash | Target::NotFound | Target::Status(_) => continue,
            };
            prop_assert!(file.starts_with("/site"), "{raw:?} gave {}", file.display());
            prop_assert!(!file.components().any(|part| part == std::path::Component::ParentDir), "{raw:?} gave {}", file.display());
        }
    }

    #[test]
    fn no_script_is_served_as_a_file(stem in "[a-z/.]{0,8}", extension in "\\.[pP][hH][pP]") {
        let Ok(path) = paths::normalize(&format!("/{stem}{extension}")) else { return Ok(()) };
        let target = route_path(&server(), Path::new("/site"), &path, &Everything(FileKind::File));
        prop_assert!(!matches!(target, Target::File(_)), "{target:?}");
    }
}
