//! A whole configuration, and the defaults.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::*;
use super::Fixture;

const WHOLE: &str = r#"
{
	admin 127.0.0.1:2020
	grace_period 1m30s
	debug
	log {
		level warn
		format json
		output file logs/igor.log
	}
	frankenphp {
		num_threads 4
		max_threads auto
		max_wait_time 250ms
		php_ini memory_limit 256M
		php_ini {
			opcache.enable 1
			error_log "a b"
		}
		worker bin/feed.php {
			background
			name feed
			num 2
			env A 1
			watch
		}
		vars {
			mode copy
			hardened
			copy_max_bytes 16KiB
			max_bytes 10MB
			max_depth 32
			thread_budget_bytes 1MiB
			process_budget_bytes 4MiB
		}
	}
}
http://example.com, http://*.example.com:8080 {
	root public
	log {
		output stdout
	}
	redir /old https://{host}/new permanent
	header -Server
	respond /health "fine" 204
	php_server /app/* {
		env APP_ENV prod
		index app.php index.php
		split_path .php .phtml
		resolve_root_symlink off
		file_server off
		try_files {path} app.php
		request_buffering 1MiB
		worker {
			file ../worker.php
			match /api/* *.json
			num 3
			max_threads 5
			max_consecutive_failures -1
			env APP_ENV dev
		}
		worker ../bin/console.php {
			background
			max_threads 8
		}
		root public
	}
	file_server {
		hide *.md
		index start.html
	}
}
"#;

#[test]
fn everything_arrives_in_the_model() {
    let fixture = Fixture::new();
    let config = fixture.config(WHOLE);
    insta::assert_snapshot!(fixture.shown(&config.warnings), @"Caddyfile:20:10: warning: `bin/feed.php` is not in the working directory WORKING_DIRECTORY and is taken from the directory of the Caddyfile");
    let global = &config.global;
    assert_eq!(global.admin, Some(Admin::Addr(SocketAddr::from(([127, 0, 0, 1], 2020)))));
    assert_eq!((global.grace_period, global.debug), (Duration::from_secs(90), true));
    let output = LogOutput::File {
        path: std::env::current_dir().expect("a directory").join("logs/igor.log"),
        roll: Some(LogRoll::default()),
    };
    let expected =
        LogSettings { level: Some(LogLevel::Warn), format: LogFormat::Json, output, ..LogSettings::default() };
    assert_eq!(global.log, expected);

    let php = &global.frankenphp;
    assert_eq!((php.num_threads, php.max_threads), (Some(4), Some(MaxThreads::Auto)));
    assert_eq!(php.max_wait_time, Some(Duration::from_millis(250)));
    let ini: Vec<(&str, &str)> = php.php_ini.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(ini, [("memory_limit", "256M"), ("opcache.enable", "1"), ("error_log", "a b")]);
    let vars = VarsSettings {
        mode: VarsMode::Copy,
        hardened: true,
        copy_max_bytes: 16_384,
        max_bytes: 10_000_000,
        max_depth: 32,
        thread_budget_bytes: 1 << 20,
        process_budget_bytes: 4 << 20,
    };
    assert_eq!(php.vars, vars);
    let [feed] = php.workers.as_slice() else { panic!("not one global worker") };
    assert_eq!((feed.name.as_deref(), feed.num, feed.is_background()), (Some("feed"), Some(2), true));
    assert_eq!(feed.file, fixture.path("bin/feed.php"));
    assert_eq!((feed.position.line, feed.position.column), (20, 3));
    assert!(feed.watch[0].matches(&fixture.path("src/deep/a.php")));
    assert!(!feed.watch[0].matches(&fixture.path("src/deep/a.log")));
    assert_eq!(feed.watch[0].directory(), fixture.path(""));
}

#[test]
fn a_site_has_its_routes_in_the_order_of_trial() {
    let fixture = Fixture::new();
    let config = fixture.config(WHOLE);
    let [site] = config.sites.as_slice() else { panic!("not one site") };
    assert_eq!(site.access_logs.iter().map(|log| &log.output).collect::<Vec<_>>(), [&LogOutput::Stdout]);
    let listeners: Vec<String> = site.listeners().iter().map(ToString::to_string).collect();
    assert_eq!(listeners, [":80", ":8080"]);
    let kinds: Vec<&str> = site
        .routes
        .iter()
        .map(|route| match &route.handler {
            Handler::PhpServer(_) => "php_server",
            Handler::Php(_) => "php",
            Handler::Respond(_) => "respond",
            Handler::Redir(_) => "redir",
            Handler::Layer(Layer::Header(_)) => "header",
            Handler::Layer(Layer::Encode(_)) => "encode",
            Handler::Change(Change::Root(_)) => "root",
            Handler::FileServer(_) => "file_server",
            other => panic!("not expected: {other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["root", "header", "redir", "respond", "php_server", "file_server"]);
    let Handler::Layer(Layer::Header(header)) = &site.routes[1].handler else { panic!("not a header") };
    let ops = vec![HeaderOp::Remove { field: "server".to_owned() }];
    assert_eq!(*header, HeaderRule { ops, defer: true, only: None });
    let Handler::Redir(redir) = &site.routes[2].handler else { panic!("not a redir") };
    assert_eq!((redir.status, redir.to.as_literal()), (Some(301), None));
    let Handler::FileServer(files) = &site.routes[5].handler else { panic!("not a file server") };
    assert_eq!(
        *files,
        FileServer {
            index: vec!["start.html".to_owned()],
            hide: vec!["*.md".to_owned()],
            ..FileServer::new(Root::Fixed(fixture.path("public")))
        }
    );
}

#[test]
fn a_php_server_has_its_settings_and_workers() {
    let fixture = Fixture::new();
    let config = fixture.config(WHOLE);
    let server = config.sites[0].php_servers().next().expect("a php_server");
    assert_eq!(server.scope.as_str(), "example.com");
    assert_eq!(server.settings.root, Root::Fixed(fixture.path("public")));
    let settings = &server.settings;
    assert_eq!(settings.index, ["app.php", "index.php"]);
    assert_eq!(settings.split_path, [".php", ".phtml"]);
    assert_eq!((settings.resolve_root_symlink, settings.file_server.is_some()), (false, false));
    assert_eq!(settings.request_buffering_bytes_max, Some(1 << 20));
    assert_eq!(settings.try_files.as_deref(), Some(&["{path}".to_owned(), "app.php".to_owned()][..]));
    let [http, catch_all] = server.workers.as_slice() else { panic!("not two workers") };
    let WorkerKind::Http { match_ } = &http.kind else { panic!("not an HTTP worker") };
    assert_eq!(match_.iter().map(PathPattern::as_str).collect::<Vec<_>>(), ["/api/*", "*.json"]);
    assert_eq!(http.file, fixture.path("worker.php"), "relative to the block's root, as in FrankenPHP");
    assert_eq!((http.num, http.max_threads, http.max_consecutive_failures), (Some(3), Some(5), -1));
    assert_eq!(http.env, [("APP_ENV".to_owned(), "dev".to_owned())], "the worker's own variable wins");
    assert!(catch_all.is_catch_all());
    assert_eq!(catch_all.names_max(), 8);
    assert_eq!(catch_all.env, [("APP_ENV".to_owned(), "prod".to_owned())]);
}

#[test]
fn defaults() {
    let fixture = Fixture::new();
    let config = fixture.config(":8080 {\n\tphp_server\n\tfile_server\n}\n");
    assert_eq!(config.global.admin, None);
    assert_eq!(Admin::default(), Admin::Addr(SocketAddr::from(([127, 0, 0, 1], 2019))));
    assert_eq!(config.global.grace_period, Duration::from_secs(5));
    assert_eq!(config.global.log, LogSettings::default());
    let php = &config.global.frankenphp;
    assert_eq!((php.num_threads, php.max_threads, php.max_wait_time), (None, None, None));
    assert_eq!(php.vars, VarsSettings::default());
    assert_eq!((php.vars.copy_max_bytes, php.vars.max_depth, php.vars.hardened), (65_536, 256, false));
    let server = config.sites[0].php_servers().next().expect("a php_server");
    let settings = &server.settings;
    assert_eq!(settings.root, Root::Fixed(std::env::current_dir().expect("a directory")), "as in Caddy");
    assert_eq!(
        (settings.index.as_slice(), settings.split_path.as_slice()),
        (&["index.php".to_owned()][..], &[".php".to_owned()][..])
    );
    assert_eq!(
        (settings.resolve_root_symlink, settings.file_server.is_some(), &settings.try_files),
        (true, true, &None)
    );
    assert_eq!(server.scope.as_str(), ":8080");
    let Handler::FileServer(files) = &config.sites[0].routes[1].handler else { panic!("not a file server") };
    assert_eq!(files.index, ["index.html", "index.txt"]);
}

#[test]
fn addresses_are_plain_http() {
    let fixture = Fixture::new();
    let table = [
        (":8080", ":8080", None),
        ("http://", ":80", None),
        ("http://:81", ":81", None),
        ("http://Example.com", ":80", Some("example.com")),
        ("http://example.com:8080", ":8080", Some("example.com")),
        ("http://example.com/", ":80", Some("example.com")),
        ("example.com:80", ":80", Some("example.com")),
        ("http://*.example.com", ":80", Some("*.example.com")),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", None),
        ("http://[::1]:8080", "[::1]:8080", None),
        ("http://localhost:0", ":0", Some("localhost")),
    ];
    for (text, listener, host) in table {
        let config = fixture.config(&format!("{text} {{\n\trespond ok\n}}\n"));
        let site = &config.sites[0];
        assert_eq!(site.listeners().iter().map(ToString::to_string).collect::<Vec<_>>(), [listener], "{text}");
        assert_eq!(site.addresses[0].host.as_deref(), host, "{text}");
    }
    for (text, listener, host) in [
        ("example.com", ":80", Some("example.com")),
        ("localhost:8080", ":8080", Some("localhost")),
        ("127.0.0.1:8080", "127.0.0.1:8080", None),
    ] {
        let config = fixture.config(&format!("{{\n\tauto_https off\n}}\n{text} {{\n\trespond ok\n}}\n"));
        let site = &config.sites[0];
        assert_eq!(site.listeners().iter().map(ToString::to_string).collect::<Vec<_>>(), [listener], "{text}");
        assert_eq!(site.addresses[0].host.as_deref(), host, "{text}");
    }
}

#[test]
fn a_host_without_a_scheme_means_https_as_in_caddy() {
    let fixture = Fixture::new();
    for (text, listener, https) in [
        ("example.com", ":443", true),
        ("localhost", ":443", true),
        ("localhost:8443", ":8443", true),
        ("127.0.0.1", "127.0.0.1:443", true),
        ("https://a.example", ":443", true),
        (":443", ":443", true),
        ("http://", ":80", false),
        ("http://a.example:8443", ":8443", false),
        ("a.example:80", ":80", false),
        (":8443", ":8443", false),
    ] {
        let config = fixture.config(&format!("{text} {{\n\trespond ok\n}}\n"));
        let site = &config.sites[0];
        assert_eq!(site.listeners().iter().map(ToString::to_string).collect::<Vec<_>>(), [listener], "{text}");
        assert_eq!(site.addresses[0].https, https, "{text}");
    }
    let ports = "{\n\thttp_port 8080\n\thttps_port 8443\n}\na.example, http://b.example, :8443 {\n\trespond ok\n}\n";
    let seen: Vec<(u16, bool)> =
        fixture.config(ports).sites[0].addresses.iter().map(|address| (address.port, address.https)).collect();
    assert_eq!(seen, [(8443, true), (8080, false), (8443, true)]);
    let shared = fixture.config("localhost, 127.0.0.1 {\n\trespond ok\n}\n");
    assert_eq!(shared.sites[0].listeners().len(), 1);
    assert_eq!(shared.sites[0].addresses[1].host.as_deref(), Some("127.0.0.1"));
}

#[test]
fn certificates_come_from_where_the_site_or_the_process_says() {
    let fixture = Fixture::new();
    fixture.write("a.crt", "");
    fixture.write("a.key", "");
    let source = |global: &str, tls: &str| {
        let text = format!("{{\n{global}\n}}\na.example {{\n{tls}\nrespond ok\n}}\n");
        fixture.config(&text).sites[0].tls.certificates.clone()
    };
    let issuers = |source: CertificateSource| match source {
        CertificateSource::Automatic(issuers) => issuers,
        other => panic!("{other:?}"),
    };
    let default = issuers(source("email me@example.com", ""));
    assert_eq!((default.len(), default[0].directory.as_str()), (1, ACME_DIRECTORY_DEFAULT));
    assert_eq!(default[0].email.as_deref(), Some("me@example.com"));
    let own = issuers(source("acme_ca https://ca.example/dir", "tls you@example.com"));
    assert_eq!(
        (own[0].directory.as_str(), own[0].email.as_deref()),
        ("https://ca.example/dir", Some("you@example.com"))
    );
    assert_eq!(source("local_certs", ""), CertificateSource::Internal);
    assert_eq!(source("", "tls internal"), CertificateSource::Internal);
    assert_eq!(source("auto_https disable_certs", ""), CertificateSource::Others);
    let CertificateSource::Files(files) = source("", "tls a.crt a.key") else { panic!("no files") };
    assert_eq!((&files[0].certificate, &files[0].key), (&fixture.path("a.crt"), &fixture.path("a.key")));
}

#[test]
fn global_options_of_certificates_are_read_as_those_of_a_site() {
    let fixture = Fixture::new();
    let config = |global: &str| fixture.config(&format!("{{\n{global}\n}}\na.example {{\nrespond ok\n}}\n"));
    let CertificateSource::Automatic(issuers) =
        config("cert_issuer acme https://ca.example/dir {\nemail me@example.com\n}").sites[0].tls.certificates.clone()
    else {
        panic!("no authority")
    };
    assert_eq!(issuers[0].directory, "https://ca.example/dir");
    assert_eq!(config("cert_issuer internal").sites[0].tls.certificates, CertificateSource::Internal);
    let sni = |global: &str| config(global).global.https.default_sni;
    assert_eq!(sni("fallback_sni B.example").as_deref(), Some("b.example"));
    assert_eq!(sni("default_sni a.example\nfallback_sni b.example").as_deref(), Some("a.example"));
    for option in ["key_type p256", "preferred_chains smallest", "renew_interval 1h", "ocsp_interval 1h"] {
        assert!(fixture.shown(&config(option).warnings).contains("has no effect"), "{option}");
    }
}

#[test]
fn an_upstream_for_each_port_of_a_range() {
    let fixture = Fixture::new();
    let config = fixture.config(":80 {\nreverse_proxy app:3000-3002 {\nto other:1-1\n}\n}\n");
    let Handler::ReverseProxy(proxy) = &config.sites[0].routes[0].handler else { panic!("no proxy") };
    let upstreams: Vec<String> = proxy.settings.upstreams.iter().map(ToString::to_string).collect();
    assert_eq!(upstreams, ["app:3000", "app:3001", "app:3002", "other:1"]);
    for wrong in ["app:3002-3000", "app:0-5", "app:1-2000", "app:1-x"] {
        fixture.errors(&format!(":80 {{\nreverse_proxy {wrong}\n}}\n"));
    }
}

/// What Caddy 2.6 adapts the same lines to.
#[test]
fn tls_decides_where_the_address_does_not() {
    let fixture = Fixture::new();
    fixture.write("a.crt", "");
    fixture.write("a.key", "");
    let addresses = |text: &str| {
        let config = fixture.config(text);
        let addresses = config.sites.iter().flat_map(|site| &site.addresses);
        addresses.map(|address| format!("{address} {}", address.https)).collect::<Vec<_>>().join(", ")
    };
    let off = "{\n\tauto_https off\n}\n";
    for (text, expected) in [
        (":8443 {\ntls a.crt a.key\n}\n", ":8443 true"),
        (":8443 {\ntls {\nprotocols tls1.3\n}\n}\n", ":8443 true"),
        (":8443, :8080 {\ntls a.crt a.key\n}\n", ":8443 true, :8080 true"),
        (":8443 {\ntls internal\n}\n", ":8443 false"),
        (":8443 {\ntls me@example.com\n}\n", ":8443 false"),
        (":8443 {\n}\ny.test:8443 {\n}\n", ":8443 true, y.test:8443 true"),
        (":8443, y.test:8443 {\ntls internal\n}\n", ":8443 true, y.test:8443 true"),
        ("http://x.test, https://x.test {\ntls a.crt a.key\n}\n", "x.test:80 false, x.test:443 true"),
        (&format!("{off}x.test {{\ntls a.crt a.key\n}}\n"), "x.test:443 true"),
        (&format!("{off}x.test:8443 {{\ntls internal\n}}\n"), "x.test:8443 true"),
        (&format!("{off}x.test {{\n}}\n"), "x.test:80 false"),
        (&format!("{off}:443 {{\n}}\n"), ":443 false"),
        (&format!("{off}:443 {{\ntls internal\n}}\n"), ":443 false"),
        (&format!("{off}:443 {{\ntls a.crt a.key\n}}\n"), ":443 true"),
        (&format!("{off}https:// {{\n}}\n"), ":443 true"),
        (&format!("{off}localhost:443 {{\n}}\n:443 {{\n}}\n"), "localhost:443 true, :443 true"),
        (&format!("{off}:443, :8080 {{\n}}\n"), ":443 false, :8080 false"),
    ] {
        assert_eq!(addresses(text), expected, "{text}");
    }
    for text in [":80", "http://:8443", "http://x.test", "x.test:80"] {
        let shown = fixture.errors(&format!("{text} {{\ntls a.crt a.key\n}}\n"));
        assert!(shown.contains("the site has `tls`, and its address means plain HTTP"), "{text}: {shown}");
    }
    let warned = |text: &str| fixture.shown(&fixture.config(&format!("{off}{text} {{\nrespond ok\n}}\n")).warnings);
    assert!(warned(":443").starts_with("Caddyfile:4:1: warning: `:443` is served by plain HTTP"), "{}", warned(":443"));
    assert_eq!((warned("https://"), warned(":8443")), (String::new(), String::new()));
    let once = fixture.shown(&fixture.config(&format!("{off}:443 {{\ntls internal\nrespond ok\n}}\n")).warnings);
    let expected = "Caddyfile:5:1: warning: `tls` has no effect, and the site is served by plain HTTP: no certificate can be \
                    made without a host\n  hint: write the host in the address of the site";
    assert_eq!(once, expected);
}

#[test]
fn the_usual_caddyfile_of_an_image_works() {
    let fixture = Fixture::new();
    let text = "{\n\tskip_install_trust\n\t{$CADDY_GLOBAL_OPTIONS}\n\n\tfrankenphp {\n\t\t{$FRANKENPHP_CONFIG}\n\t}\n}\n\n\
                {$CADDY_EXTRA_CONFIG}\n\n{$SERVER_NAME:http://localhost} {\n\t# a comment\n\troot {$SERVER_ROOT:public/}\n\n\
                \t{$CADDY_SERVER_EXTRA_DIRECTIVES}\n\n\tphp_server {\n\t\t#worker /path/to/your/worker.php\n\t}\n}\n";
    let config = fixture.config(text);
    assert_eq!(config.sites[0].addresses[0].to_string(), "localhost:80");
    let server = config.sites[0].php_servers().next().expect("a php_server");
    assert_eq!(server.settings.root, Root::Fixed(fixture.path("public")));
}

#[test]
fn bind_names_the_interfaces() {
    let fixture = Fixture::new();
    let config = fixture.config("http://a.example, :8081 {\n\tbind 127.0.0.1 ::1\n\trespond ok\n}\n");
    let listeners: Vec<String> = config.sites[0].listeners().iter().map(ToString::to_string).collect();
    assert_eq!(listeners, ["127.0.0.1:80", "[::1]:80", "127.0.0.1:8081", "[::1]:8081"]);
    let lines = "\tbind tcp4/127.0.0.1\n\tbind tcp6/[::1] tcp/127.0.0.2\n";
    let config = fixture.config(&format!("http://a.example {{\n{lines}\trespond ok\n}}\n"));
    let listeners: Vec<String> = config.sites[0].listeners().iter().map(ToString::to_string).collect();
    assert_eq!(listeners, ["127.0.0.1:80", "[::1]:80", "127.0.0.2:80"]);
    for wrong in ["tcp6/127.0.0.1", "tcp4/::1", "udp/127.0.0.1", "127.0.0.0/8"] {
        let errors = fixture.errors(&format!(":80 {{\n\tbind {wrong}\n\trespond ok\n}}\n"));
        assert!(errors.contains("is no IP address"), "{errors}");
    }
}

#[test]
fn the_same_host_may_be_on_two_ports_and_a_port_may_have_many_hosts() {
    let fixture = Fixture::new();
    fixture
        .config("http://a.example {\n\trespond 1\n}\nhttp://a.example:81 {\n\trespond 2\n}\n:80 {\n\trespond 3\n}\n");
}

#[test]
fn what_has_no_effect_is_a_warning() {
    let fixture = Fixture::new();
    let config =
        fixture.config("{\n\tskip_install_trust\n\tadmin :2019\n}\n:80 {\n\troot /\n\tphp_server\n}\n:81 {\n}\n:82 {\n\theader >Content-Length 5\n}\n");
    insta::assert_snapshot!(fixture.shown(&config.warnings), @"
    Caddyfile:2:2: warning: `skip_install_trust` has no effect: igor trusts nothing by itself; `igor trust` does it
    Caddyfile:3:8: warning: the admin interface at [::]:2019 lets everybody who reaches it replace the configuration, and so run any PHP file and read any file as the user of the server
    Caddyfile:9:1: warning: the site has no directives: every request gets a 404
    Caddyfile:12:9: warning: the header field `content-length` is the server's own: this change has no effect
    ");
}

/// As in Caddy; nothing of the first one remains.
#[test]
fn of_two_options_the_last_counts() {
    let fixture = Fixture::new();
    let config = fixture.config("{\n\tauto_https off\n\tauto_https disable_certs\n\thttp_port 81\n\thttp_port 82\n}\nhttp://a.test {\n\trespond ok\n}\n");
    let auto = &config.global.https.auto;
    assert!(auto.addresses && auto.redirects && !auto.certificates);
    assert_eq!(config.sites[0].addresses[0].port, 82);
    insta::assert_snapshot!(fixture.shown(&config.warnings), @"
    Caddyfile:3:2: warning: `auto_https` is given twice in the global options; this one counts, not the one at Caddyfile:2:2
    Caddyfile:5:2: warning: `http_port` is given twice in the global options; this one counts, not the one at Caddyfile:4:2
    ");
}

#[test]
fn addresses_of_the_admin_interface() {
    let address = |text: &str| Admin::parse(text).map(|admin| admin.to_string());
    for (text, meant) in [
        ("off", "off"),
        ("localhost", "127.0.0.1:2019"),
        ("localhost:0", "127.0.0.1:0"),
        (":2019", "[::]:2019"),
        ("[::1]:80", "[::1]:80"),
        ("unix//run/igor.sock", "unix//run/igor.sock"),
    ] {
        assert_eq!(address(text).as_deref(), Some(meant));
    }
    for text in
        ["", "everywhere", "localhost:", "localhost:-1", "127.0.0.1", "unix/igor.sock", "unix/", "http://[::1]:1"]
    {
        assert_eq!(address(text), None, "{text}");
    }
}

/// The forms of `transport` and `transport_url`: kits write a URL behind the kind.
#[test]
fn the_transport_of_a_hub() {
    let fixture = Fixture::new();
    let file = fixture.path("history.db");
    for line in [
        format!("transport bolt bolt://{}?size=7", file.display()),
        format!("transport bolt {{\npath {}\nsize 7\n}}", file.display()),
        format!("transport_url bolt://{}?size=7", file.display()),
    ] {
        let config = fixture.config(&format!(":8080 {{\nmercure {{\nanonymous\n{line}\n}}\n}}"));
        let Handler::Mercure(hub) = &config.sites[0].routes[0].handler else { panic!("{line}: {config:?}") };
        assert_eq!((hub.history_file.as_deref(), hub.history_max), (Some(&*file), 7), "{line}");
    }
}

#[test]
fn certificates_on_demand_need_someone_who_knows_the_hosts() {
    let fixture = Fixture::new();
    let asks = "{\non_demand_tls {\nask http://localhost:9123/ask\n}\n}\n";
    let site = |address: &str, tls: &str| format!("{address} {{\ntls {tls} {{\non_demand\n}}\nrespond ok\n}}\n");
    for open in ["https://", "*.example.com", "https://:8443"] {
        let errors = fixture.errors(&site(open, ""));
        assert!(errors.contains("nothing says which are yours"), "{open}: {errors}");
        fixture.config(&(asks.to_owned() + &site(open, "")));
        fixture.config(&site(open, "internal"));
    }
    fixture.config(&site("shop.example.com", ""));
    for wrong in ["localhost:9123", "ftp://localhost/", "http:///ask", "https://", "http://a b"] {
        let errors = fixture.errors(&asks.replace("http://localhost:9123/ask", &format!("\"{wrong}\"")));
        assert!(errors.contains("is no address that can be asked"), "{wrong}: {errors}");
    }
    let whole = asks.replace("ask http", "burst 3\ninterval 10s\npermission http http") + &site("https://", "");
    let settings = fixture.config(&whole).global.https;
    let ask = Some("http://localhost:9123/ask".to_owned());
    assert_eq!(settings.on_demand, OnDemandSettings { ask, burst: 3, interval: Duration::from_secs(10) });
}
