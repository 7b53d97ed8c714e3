//! The configuration of the command `php-server`.

use std::path::PathBuf;

use super::super::{QuickOptions, WATCH_DEFAULT, quick};
use super::Fixture;

#[test]
fn a_root_and_an_address_make_a_site() {
    let fixture = Fixture::new();
    let options = QuickOptions {
        root: fixture.path("public"),
        listen: vec![":8080".to_owned(), "localhost:8081".to_owned()],
        workers: vec![(fixture.path("worker.php"), Some(2))],
        background: vec![
            ("feed".to_owned(), fixture.path("bin/feed.php"), None),
            ("console".to_owned(), fixture.path("bin/console.php"), Some(1)),
        ],
        ..QuickOptions::default()
    };
    let config = quick(options).expect("a configuration");
    let server = config.sites[0].php_servers().next().expect("a php_server");
    assert_eq!(server.settings.root.fixed(), Some(&*fixture.path("public")));
    assert_eq!(server.scope.as_str(), "localhost");
    let shown: Vec<_> =
        server.workers.iter().map(|worker| (worker.name.as_deref(), worker.is_background(), worker.num)).collect();
    assert_eq!(shown, [(None, false, Some(2)), (Some("feed"), true, None), (Some("console"), true, Some(1))]);
}

#[test]
fn without_options_it_serves_the_working_directory_on_port_80() {
    let config = quick(QuickOptions::default()).expect("a configuration");
    assert_eq!(config.sites[0].listeners()[0].to_string(), ":80");
    let server = config.sites[0].php_servers().next().expect("a php_server");
    assert_eq!(server.settings.root.fixed(), std::env::current_dir().ok().as_deref());
}

/// As in FrankenPHP: HTTPS, unless the port is that of plain HTTP.
#[test]
fn a_domain_is_served_by_https() {
    let site = |domain: &str, listen: &[&str]| {
        let listen = listen.iter().map(|text| (*text).to_owned()).collect();
        let options = QuickOptions { domain: Some(domain.to_owned()), listen, ..QuickOptions::default() };
        quick(options).map(|config| {
            let site = &config.sites[0];
            let listeners: Vec<_> = site.listeners().iter().map(ToString::to_string).collect();
            (site.addresses[0].to_string(), site.addresses[0].https, listeners.join(" "))
        })
    };
    for (listen, address, https, listeners) in [
        (&[][..], "shop.example:443", true, ":443"),
        (&[":8443"], "shop.example:8443", true, ":8443"),
        (&["127.0.0.1:8443"], "shop.example:8443", true, "127.0.0.1:8443"),
        (&[":80"], "shop.example:80", false, ":80"),
    ] {
        let found = site("shop.example", listen).expect("a configuration");
        assert_eq!(found, (address.to_owned(), https, listeners.to_owned()), "{listen:?}");
    }
    for (domain, listen, message) in [
        ("shop.example:8443", &[][..], "`--domain shop.example:8443` is no name of a host"),
        ("https://shop.example", &[], "`--domain https://shop.example` is no name of a host"),
        ("shop.example", &[":1", ":2"], "`--domain` with more than one `--listen`"),
    ] {
        let errors = site(domain, listen).expect_err("an error");
        assert!(errors[0].to_string().contains(message), "{}", errors[0]);
    }
}

#[test]
fn all_workers_watch_the_same_files() {
    let fixture = Fixture::new();
    let options = QuickOptions {
        root: fixture.path("public"),
        workers: vec![(fixture.path("worker.php"), None)],
        background: vec![("feed".to_owned(), fixture.path("bin/feed.php"), None)],
        watch: vec![fixture.path("src/**/*.php").display().to_string(), WATCH_DEFAULT.to_owned()],
        ..QuickOptions::default()
    };
    let alone = QuickOptions { workers: Vec::new(), background: Vec::new(), ..options.clone() };
    let config = quick(options).expect("a configuration");
    let server = config.sites[0].php_servers().next().expect("a php_server");
    assert_eq!(server.workers.len(), 2);
    let here = std::env::current_dir().expect("a working directory");
    for worker in &server.workers {
        let matches = |path: PathBuf| worker.watch.iter().any(|pattern| pattern.matches(&path));
        assert!(matches(fixture.path("src/a/b.php")) && matches(here.join("a/b.twig")), "{:?}", worker.watch);
        assert!(!matches(fixture.path("src/b.txt")));
    }
    let warnings = fixture.shown(&quick(alone).expect("a configuration").warnings);
    assert!(warnings.contains("`--watch` has no effect without a worker"), "{warnings}");
}

#[test]
fn all_mistakes_are_reported() {
    let fixture = Fixture::new();
    let feed = fixture.path("bin/feed.php");
    let options = QuickOptions {
        root: fixture.path("missing"),
        listen: vec![":99999".to_owned(), "https://example.com".to_owned()],
        workers: vec![(fixture.path("none.php"), Some(9999)), (PathBuf::new(), None)],
        background: vec![
            (String::new(), feed.clone(), None),
            ("a".to_owned(), feed.clone(), None),
            ("a".to_owned(), feed, None),
        ],
        watch: vec!["a{".to_owned()],
        mercure: true,
        ..QuickOptions::default()
    };
    let errors = quick(options).expect_err("errors");
    insta::assert_snapshot!(fixture.shown(&errors), @"
    command line:1:1: `99999` is not a port in the address `:99999`
      hint: write a number from 1 to 65535
    command line:1:1: the document root missing does not exist
      hint: make the directory, or name another one
    command line:1:1: 9999 threads are more than 4096
    command line:1:1: the name of the worker is empty
      hint: write `igor php-server --root DIRECTORY --listen ADDRESS`
    command line:1:1: `--mercure` needs the environment variable MERCURE_PUBLISHER_JWT_KEY
      hint: set it to the key of the tokens of publishers
    command line:1:1: the worker file none.php does not exist
    command line:1:1: the file of the worker is empty
      hint: write `igor php-server --root DIRECTORY --listen ADDRESS`
    command line:1:1: `a{` is not a pattern of files: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)
      hint: write `watch [PATTERN…]`
    command line:1:1: two workers of the scope `example.com` are named `a`
      hint: the first one is at command line:1:1
    ");
}
