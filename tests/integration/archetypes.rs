//! Typical configurations, each with a small tree of files: checks which file or script answers.
//!
//! The files in `tests/archetypes` are our own, in the shape of public ones. The variables are those with which the
//! framework starts its server.

use crate::common::{Igor, Request, Server};
use crate::mercure::{Stream, publish, token_by};
use std::fs;
use std::path::Path;

/// Says which script it is.
const SCRIPT: &str = "<?php echo basename(__DIR__), '/', basename(__FILE__);";

/// The same for each request of a worker.
const WORKER: &str = r"<?php
while (frankenphp_handle_request(function () {
    echo 'worker ', basename(__FILE__);
})) {}
";

/// A server with this configuration and these files. A script prints its folder and name; any other file contains its
/// path.
fn server(name: &str, files: &[&str], variables: &[(&str, &str)]) -> Server {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/archetypes/{name}.Caddyfile"));
    let mut igor = Igor::new().caddyfile(&fs::read_to_string(path).expect("the configuration"));
    igor = igor.env("SERVER_NAME", "http://127.0.0.1:0").env("CADDY_GLOBAL_OPTIONS", "admin off");
    for file in files {
        let (file, text) = match file.strip_prefix("worker:") {
            Some(file) => (file, WORKER.to_owned()),
            None if file.ends_with(".php") => (*file, SCRIPT.to_owned()),
            None => (*file, format!("file {file}")),
        };
        igor = igor.file(file, &text);
    }
    for (name, value) in variables {
        let value = value.replace("DIR", &igor.folder().to_string_lossy());
        igor = igor.env(name, &value);
    }
    igor.start()
}

/// Requests each target and compares status and text.
fn check(server: &Server, table: &[(&str, &str)]) {
    check_with(server, "*/*", table);
}

/// The same for a client that accepts these types.
fn check_with(server: &Server, accept: &str, table: &[(&str, &str)]) {
    // The port is another one each time.
    let port = format!(":{}", server.address().port());
    let wrong: Vec<String> = table
        .iter()
        .filter_map(|(target, expected)| {
            let answer = server.send(&Request::get(target).header("Accept", accept));
            let found = match answer.header("location") {
                Some(location) => format!("{} {location}", answer.status),
                None => format!("{} {}", answer.status, answer.text().trim()),
            };
            let found = found.replace(&port, "");
            (found.trim() != *expected).then(|| format!("{target}: {found}\n    not: {expected}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_default_file_of_packages_and_images() {
    let server = server(
        "package",
        &[
            "public/index.php",
            "public/about.php",
            "public/style.css",
            "public/docs/index.php",
            "public/plain/index.html",
            "public/img/logo.svg",
            "public/.htaccess",
            "Caddyfile.d/readme.txt",
        ],
        &[],
    );
    check(
        &server,
        &[
            ("/", "200 public/index.php"),
            ("/index.php", "200 public/index.php"),
            ("/about.php", "200 public/about.php"),
            ("/about.php/more/info", "200 public/about.php"),
            ("/style.css", "200 file public/style.css"),
            ("/style.css?v=1", "200 file public/style.css"),
            ("/nothing", "200 public/index.php"),
            ("/nothing.css", "200 public/index.php"),
            ("/nothing.php", "200 public/index.php"),
            ("/docs", "308 /docs/"),
            ("/docs/", "200 docs/index.php"),
            ("/docs/more", "200 public/index.php"),
            ("/img/logo.svg", "200 file public/img/logo.svg"),
            ("/img/", "200 public/index.php"),
            ("/.htaccess", "404"),
        ],
    );
}

#[test]
fn laravel_octane() {
    let server = server(
        "octane",
        &[
            "public/index.php",
            "worker:public/frankenphp-worker.php",
            "public/app.css",
            "public/robots.txt",
            "public/dump.sql",
            "public/.env",
            "public/.well-known/security.txt",
            "public/build/app.js",
        ],
        &[
            ("CADDY_SERVER_ADMIN_HOST", "localhost"),
            ("CADDY_SERVER_ADMIN_PORT", "0"),
            ("CADDY_GLOBAL_OPTIONS", ""),
            ("APP_PUBLIC_PATH", "DIR/public"),
            ("CADDY_SERVER_WORKER_DIRECTIVE", "num 1"),
            ("CADDY_SERVER_WATCH_DIRECTIVES", ""),
            ("CADDY_SERVER_SERVER_NAME", "http://127.0.0.1:0"),
            ("CADDY_SERVER_LOG_LEVEL", "WARN"),
            ("CADDY_SERVER_LOGGER", "json"),
        ],
    );
    check(
        &server,
        &[
            ("/", "200 worker frankenphp-worker.php"),
            ("/users/1?page=2", "200 worker frankenphp-worker.php"),
            ("/frankenphp-worker.php", "200 worker frankenphp-worker.php"),
            ("/index.php", "200 public/index.php"),
            ("/app.css", "200 file public/app.css"),
            ("/build/app.js", "200 file public/build/app.js"),
            ("/build/none.js", "404 <h1>404 Not Found</h1>"),
            ("/none.png", "404 <h1>404 Not Found</h1>"),
            ("/robots.txt", "200 file public/robots.txt"),
            ("/dump.sql", "401 <h1>401 Unauthorized</h1>"),
            ("/a/b.bak", "401 <h1>401 Unauthorized</h1>"),
            ("/.env", "401 <h1>401 Unauthorized</h1>"),
            ("/.well-known/security.txt", "200 file public/.well-known/security.txt"),
            ("/build/", "200 worker frankenphp-worker.php"),
            ("/none.php", "200 worker frankenphp-worker.php"),
        ],
    );
    let mut connection = server.connect();
    connection.write_raw(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000001\r\n\r\n");
    let large = connection.read(false);
    assert_eq!((large.status, large.text().as_str()), (413, "<h1>413 Payload Too Large</h1>"));
}

const MERCURE_KEY: &str = "!ChangeThisMercureHubJWTSecretKey!";

/// A private update reaches who may get it, through the hub of the site.
fn check_hub(server: &Server) {
    let token = token_by(MERCURE_KEY, r#"{"mercure":{"publish":["*"],"subscribe":["/books/{id}"]}}"#);
    let mut stream = Stream::open(server, &format!("topic=/books/%7Bid%7D&authorization={token}"), &[]);
    assert_eq!(publish(server, &token, "topic=/books/1&data=x&private=on&id=1").status, 200);
    assert_eq!(stream.next().as_deref(), Some("id: 1\ndata: x\n\n"));
    assert_eq!(publish(server, "x", "topic=/books/1&data=x").status, 401);
}

#[test]
fn symfony() {
    let server = server(
        "symfony",
        &[
            "worker:public/index.php",
            "public/other.php",
            "public/app.css",
            "public/bundles/a.js",
            "public/plain/index.html",
        ],
        &[
            ("FRANKENPHP_WORKER_CONFIG", "num 1"),
            ("MERCURE_TRANSPORT_URL", "bolt://DIR/mercure.db"),
            ("MERCURE_PUBLISHER_JWT_KEY", MERCURE_KEY),
            ("MERCURE_SUBSCRIBER_JWT_KEY", MERCURE_KEY),
        ],
    );
    check(
        &server,
        &[
            ("/", "200 worker index.php"),
            ("/index.php", "404"),
            ("/blog/1", "200 worker index.php"),
            ("/blog/1.html?a=b", "200 worker index.php"),
            ("/app.css", "200 file public/app.css"),
            ("/app.css?v=2", "200 file public/app.css"),
            ("/none.css", "200 worker index.php"),
            ("/bundles/a.js", "200 file public/bundles/a.js"),
            ("/bundles/", "200 worker index.php"),
            ("/bundles", "200 worker index.php"),
            ("/plain/index.html", "200 file public/plain/index.html"),
            ("/other.php", "404"),
            ("/index.php/blog", "200 worker index.php"),
            ("/.well-known/mercure", "400 Missing \"topic\" or \"match\" parameter"),
            ("/.well-known/mercure/none", "404"),
            ("/.well-known/other", "200 worker index.php"),
        ],
    );
    let page = server.get("/");
    assert_eq!(page.header("permissions-policy"), Some("browsing-topics=()"));
    let answer = server.get("/.well-known/mercure/subscriptions");
    assert_eq!((answer.status, answer.text().trim()), (401, "this hub needs a token"));
    check_hub(&server);
}

#[test]
fn wordpress() {
    let server = server(
        "wordpress",
        &[
            "site/index.php",
            "site/wp-login.php",
            "site/wp-config.php",
            "site/xmlrpc.php",
            "site/wp-admin/index.php",
            "site/wp-admin/includes/file.php",
            "site/wp-includes/js/a.js",
            "site/wp-includes/load.php",
            "site/wp-content/uploads/photo.png",
            "site/wp-content/uploads/evil.php",
            "site/wp-content/debug.log",
            "site/readme.html",
        ],
        &[("DOCUMENT_ROOT", "DIR/site"), ("LOG_FILE", "DIR/access.log")],
    );
    check(
        &server,
        &[
            ("/", "200 site/index.php"),
            ("/2024/01/hello-world/", "200 site/index.php"),
            ("/index.php/2024/", "200 site/index.php"),
            ("/wp-login.php", "200 site/wp-login.php"),
            ("/wp-admin", "308 /wp-admin/"),
            ("/wp-admin/", "200 wp-admin/index.php"),
            ("/wp-admin/includes/file.php", "403 Access denied"),
            ("/wp-includes/js/a.js", "200 file site/wp-includes/js/a.js"),
            ("/wp-includes/load.php", "403 Access denied"),
            ("/wp-content/uploads/photo.png", "200 file site/wp-content/uploads/photo.png"),
            ("/wp-content/uploads/evil.php", "403 Access denied"),
            ("/wp-content/debug.log", "403 Access denied"),
            ("/wp-config.php", "403 Access denied"),
            ("/xmlrpc.php", "403 Access denied"),
            ("/readme.html", "200 file site/readme.html"),
        ],
    );
    assert_eq!(server.get("/wp-includes/js/a.js").header("cache-control"), Some("max-age=31536000"));
    server.wait_log(&["`php_fastcgi` runs the scripts in this process"]);
}

#[test]
fn drupal() {
    let server = server(
        "drupal",
        &[
            "web/index.php",
            "web/update.php",
            "web/core/install.php",
            "web/core/lib.php",
            "web/core/misc/a.js",
            "web/modules/own/own.module",
            "web/modules/own/own.services.yml",
            "web/sites/default/settings.php",
            "web/sites/default/files/styles/thumb/made.png",
            "web/sites/default/files/private/secret.txt",
            "web/robots.txt",
            "web/.ht.router.php",
            "web/.well-known/security.txt",
        ],
        &[],
    );
    check(
        &server,
        &[
            ("/", "200 web/index.php"),
            ("/node/1", "200 web/index.php"),
            ("/index.php/node/1", "200 web/index.php"),
            ("/update.php", "200 web/update.php"),
            ("/core/install.php", "200 core/install.php"),
            ("/core/lib.php", "404 Drupal has no /core/lib.php"),
            ("/core/misc/a.js", "200 file web/core/misc/a.js"),
            ("/modules/own/own.module", "404 Drupal has no /modules/own/own.module"),
            ("/modules/own/own.services.yml", "404 Drupal has no /modules/own/own.services.yml"),
            ("/sites/default/settings.php", "404 Drupal has no /sites/default/settings.php"),
            ("/sites/default/files/styles/thumb/made.png", "200 file web/sites/default/files/styles/thumb/made.png"),
            ("/sites/default/files/styles/thumb/new.png?itok=1", "200 web/index.php"),
            ("/sites/default/files/private/secret.txt", "403"),
            ("/.ht.router.php", "404 Drupal has no /.ht.router.php"),
            ("/.well-known/security.txt", "200 file web/.well-known/security.txt"),
            ("/robots.txt", "200 file web/robots.txt"),
        ],
    );
}

#[test]
fn shopware() {
    let server = server(
        "shopware",
        &[
            "public/index.php",
            "public/install.php",
            "public/theme/a/all.css",
            "public/media/1.png",
            "public/bundles/admin/app.js",
            "public/favicon.ico",
        ],
        &[],
    );
    check(
        &server,
        &[
            ("/", "200 public/index.php"),
            // The front controller is `index.php` without a slash, which only the rewrite produces.
            ("/index.php", "404"),
            ("/checkout/cart", "200 public/index.php"),
            ("/detail/1?x=2", "200 public/index.php"),
            ("/theme/a/all.css", "200 file public/theme/a/all.css"),
            ("/theme/a/none.css", "410"),
            ("/theme/old", "410"),
            ("/media/1.png", "200 file public/media/1.png"),
            ("/media/2.png", "404"),
            ("/thumbnail/2.png", "404"),
            ("/bundles/admin/app.js", "200 file public/bundles/admin/app.js"),
            ("/bundles/admin/none.js", "404"),
            ("/favicon.ico", "200 file public/favicon.ico"),
            ("/install.php", "404"),
            ("/none.css", "200 public/index.php"),
        ],
    );
}

#[test]
fn magento() {
    let server = server(
        "magento",
        &[
            "pub/index.php",
            "pub/get.php",
            "pub/static.php",
            "pub/health_check.php",
            "pub/cron.php",
            "pub/errors/404.php",
            "pub/static/frontend/a.css",
            "pub/media/catalog/1.jpg",
            "pub/media/customer/id.pdf",
            "pub/media/evil.php",
            "pub/robots.txt",
        ],
        &[],
    );
    check(
        &server,
        &[
            ("/", "200 pub/index.php"),
            ("/catalog/product/1", "200 pub/index.php"),
            ("/index.php/admin", "200 pub/index.php"),
            ("/static/frontend/a.css", "200 file pub/static/frontend/a.css"),
            ("/static/version1700000000/frontend/a.css", "200 file pub/static/frontend/a.css"),
            ("/static/version1700000000/frontend/b.css", "200 pub/static.php"),
            ("/media/catalog/1.jpg", "200 file pub/media/catalog/1.jpg"),
            ("/media/catalog/2.jpg", "200 pub/get.php"),
            ("/media/customer/id.pdf", "403"),
            ("/media/evil.php", "403"),
            ("/health_check.php", "200 pub/health_check.php"),
            ("/errors/404.php", "200 errors/404.php"),
            ("/cron.php", "404"),
            ("/setup/index.php", "404"),
            ("/robots.txt", "200 file pub/robots.txt"),
        ],
    );
    let file = server.get("/static/version1/frontend/a.css");
    assert_eq!(file.header("cache-control"), Some("public, max-age=31536000"));
}

#[test]
fn several_front_controllers() {
    let server = server(
        "slim",
        &[
            "src/index.php",
            "src/session/index.php",
            "src/session/a.css",
            "src/api/index.php",
            "src/api/other.php",
            "src/setup/index.php",
            "src/skin/a.css",
            "src/logs/today.log",
            "src/.git/config",
            "src/errors/404.html",
            "src/errors/401.html",
        ],
        &[],
    );
    check(
        &server,
        &[
            ("/", "200 src/index.php"),
            ("/list-events", "200 src/index.php"),
            ("/session/begin", "200 session/index.php"),
            ("/session/a.css", "200 file src/session/a.css"),
            ("/session/", "200 session/index.php"),
            ("/api/persons/1", "200 api/index.php"),
            ("/api/other.php", "200 api/other.php"),
            ("/api", "200 api/index.php"),
            ("/skin/a.css", "200 file src/skin/a.css"),
            ("/skin/none.css", "200 src/index.php"),
            // As in Caddy, a `handle` for every request comes before `respond`.
            ("/logs/today.log", "200 file src/logs/today.log"),
            ("/.git/config", "404"),
            ("/a/.hidden", "404"),
            ("/setup/step", "401 file src/errors/401.html"),
            ("/errors/404.html", "200 file src/errors/404.html"),
        ],
    );
    let setup = server.send(&Request::get("/setup/step").header("Authorization", "Basic YWRtaW46c2VjcmV0"));
    assert_eq!((setup.status, setup.text().as_str()), (200, "setup/index.php"));
}

/// A server behind the proxy of a test: it says its name and what it was asked.
fn behind(name: &str) -> Server {
    Igor::new()
        .site(&format!("respond \"{name} {{uri}} {{header.X-Forwarded-Host}} {{header.X-Forwarded-Proto}}\""))
        .start()
}

#[test]
fn api_platform() {
    let pwa = behind("pwa");
    let server = server(
        "api_platform",
        &[
            "public/index.php",
            "public/bundles/a.js",
            "public/favicon.ico",
            "public/docs/index.html",
            "public/robots.txt",
        ],
        &[
            ("APP_ROOT", "DIR"),
            ("PWA_UPSTREAM", &pwa.address().to_string()),
            ("MERCURE_PUBLISHER_JWT_KEY", MERCURE_KEY),
            ("MERCURE_SUBSCRIBER_JWT_KEY", MERCURE_KEY),
        ],
    );
    check_with(
        &server,
        "application/ld+json",
        &[
            ("/", "200 public/index.php"),
            ("/books", "200 public/index.php"),
            ("/books?page=2", "200 public/index.php"),
            ("/docs.jsonld", "200 public/index.php"),
            ("/bundles/a.js", "200 file public/bundles/a.js"),
            ("/robots.txt", "200 file public/robots.txt"),
            ("/favicon.ico", "200 pwa /favicon.ico 127.0.0.1 http"),
            ("/_app/chunk.js", "200 pwa /_app/chunk.js 127.0.0.1 http"),
        ],
    );
    check_with(
        &server,
        "text/html,application/xhtml+xml",
        &[
            ("/", "200 pwa / 127.0.0.1 http"),
            ("/books/1?tab=reviews", "200 pwa /books/1?tab=reviews 127.0.0.1 http"),
            ("/docs", "200 public/index.php"),
            ("/docs/", "200 public/index.php"),
            ("/books.json", "200 public/index.php"),
            ("/bundles/a.js", "200 file public/bundles/a.js"),
            ("/admin-api/x", "200 public/index.php"),
            ("/robots.txt", "200 pwa /robots.txt 127.0.0.1 http"),
        ],
    );
    assert_eq!(server.get("/books").header("link"), Some("</api.jsonld>; rel=\"describedby\""));
    check_hub(&server);
}

#[test]
fn nextcloud() {
    let (office, push, only, cloud) = (behind("office"), behind("push"), behind("only"), behind("cloud"));
    let server = server(
        "nextcloud",
        &[],
        &[
            ("PROTOCOL", "http"),
            ("NC_DOMAIN", "127.0.0.1"),
            ("APACHE_PORT", "0"),
            ("DATA", "DIR/data"),
            ("LOG_LEVEL", "INFO"),
            ("OFFICE", &office.address().to_string()),
            ("PUSH", &push.address().to_string()),
            ("ONLYOFFICE", &only.address().to_string()),
            ("CLOUD", &cloud.address().to_string()),
        ],
    );
    check(
        &server,
        &[
            ("/", "200 cloud / 127.0.0.1 http"),
            ("/index.php/login", "200 cloud /index.php/login 127.0.0.1 http"),
            ("/remote.php/dav/files", "200 cloud /remote.php/dav/files 127.0.0.1 http"),
            ("/status.php?x=1", "200 cloud /status.php?x=1 127.0.0.1 http"),
            ("/browser/", "200 office /browser/ 127.0.0.1 http"),
            ("/browser/dist/a.js?v=1", "200 office /browser/dist/a.js?v=1 127.0.0.1 http"),
            ("/hosting/discovery", "200 office /hosting/discovery 127.0.0.1 http"),
            ("/browser", "200 cloud /browser 127.0.0.1 http"),
            ("/push/ws", "200 push /ws 127.0.0.1 http"),
            ("/push/test/cookie?a=b", "200 push /test/cookie?a=b 127.0.0.1 http"),
            ("/onlyoffice/web-apps/x.js", "200 only /web-apps/x.js 127.0.0.1/onlyoffice https"),
            ("/onlyoffice/", "200 only / 127.0.0.1/onlyoffice https"),
            ("/.well-known/carddav", "301 /remote.php/dav/"),
            ("/.well-known/caldav", "301 /remote.php/dav/"),
            ("/.well-known/webfinger", "200 cloud /.well-known/webfinger 127.0.0.1 http"),
        ],
    );
    assert_eq!(server.get("/").header("strict-transport-security"), Some("max-age=31536000;"));
    drop(push);
    assert_eq!(server.get("/push/ws").status, 502);
}
