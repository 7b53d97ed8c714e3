//! What users read when a configuration is wrong. Each snapshot holds configurations with their messages.

use super::Fixture;

/// Each configuration with its messages, as one text.
fn report(cases: &[&str]) -> String {
    let fixture = Fixture::new();
    let mut report = String::new();
    for case in cases {
        let text = case.trim_start_matches('\n');
        let errors = fixture.errors(text);
        report.push_str(&format!("{}\n-----\n{errors}\n\n==========\n\n", text.trim_end()));
    }
    report
}

/// Compares with the snapshot of this name, which is beside the tests.
fn compare(name: &str, cases: &[&str]) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, report(cases)));
}

#[test]
fn syntax() {
    compare(
        "syntax",
        &[
            "",
            "# nothing\n",
            ":80 {\n\trespond \"open\n}\n",
            ":80 {\n\trespond `open\n}\n",
            ":80 {\n\trespond <<END\n\t\ttext\n}\n",
            ":80 {\n\trespond <<\n\t\ttext\n}\n",
            ":80 {\n\trespond <<END\n\t\ttext\n\tmore\n\t\tEND\n}\n",
            ":80 {\n\trespond ok\n",
            ":80 {\n\trespond ok\n}\n}\n",
            ":80 { respond ok }\n",
            ":80{\n\trespond ok\n}\n",
            ":80 {}\n",
            ":80 {\n\tphp_server {\n\t} respond ok\n}\n",
            ":80 {\n\trespond ok\n}\n{\n\tdebug\n}\n",
            ":80 {\n\trespond ok\n}\nrespond ok\n",
            ":80 {\n\t{\n\t\trespond ok\n\t}\n}\n",
            ", {\n\trespond ok\n}\n",
        ],
    );
}

#[test]
fn imports() {
    compare(
        "imports",
        &[
            ":80 {\n\timport\n}\n",
            ":80 {\n\timport missing\n}\n",
            "(one) {\n\trespond ok\n}\n:80 {\n\timport on\n}\n",
            "(one) {\n\trespond {args[0]} {args[3]}\n}\n:80 {\n\timport one a b\n}\n",
            "(one) {\n\trespond ok\n}\n(one) {\n\trespond no\n}\n()\n(two)\n:80 {\n\timport one\n}\n",
            "(one) {\n\trespond ok\n}\n:80 {\n\timport one {\n\t\tx\n\t}\n\timport a*/b\n\timport [\n}\n",
            "&(route) {\n\tinvoke route\n}\n&(route) {\n}\n&()\n:80 {\n\tinvoke route\n\tinvoke roote\n}\n",
        ],
    );
}

#[test]
fn addresses() {
    compare(
        "addresses",
        &[
            "http://b.example:443, https://b.example:80 {\n\trespond ok\n}\n",
            "a.example:8443 {\n\trespond ok\n}\nhttp://b.example:8443 {\n\trespond no\n}\n",
            ":0x50, :65536, :, http://a:b:c, ftp://a, http://a.example/path, http://bücher.example, http://a..b, {host} {\n\trespond ok\n}\n",
            "php_server\n",
            "http://a.example {\n\trespond 1\n}\nhttp://A.example:80 {\n\trespond 2\n}\n",
            ":80, :80 {\n\trespond ok\n}\n",
            ":80 {\n\trespond 1\n}\nhttp://127.0.0.1 {\n\trespond 2\n}\n",
            ":2019 {\n\trespond 1\n}\nhttp://127.0.0.1:2019 {\n\trespond 2\n}\n",
            ":80 {\n\tbind eth0 unix/ unix//run/a|0077 unix//run/a|rw fd/ unix//run/a|1777\n\trespond ok\n}\n",
        ],
    );
}

#[test]
fn workers() {
    compare(
        "workers",
        &[
            ":80 {\n\tphp_server {\n\t\tworker {\n\t\t\tname a\n\t\t}\n\t\tworker missing.php\n\t\tworker bin\n\t\tworker /dev/null\n\t\tworker \"\"\n\t}\n}\n",
            ":80 {\n\tphp_server {\n\t\troot public\n\t\tworker worker.php\n\t\tworker missing.php\n\t}\n}\n",
            ":80 {\n\tphp_server {\n\t\tworker worker.php 2 {\n\t\t\tfile other.php\n\t\t\tnum 3\n\t\t}\n\t}\n}\n",
            ":80 {\n\tphp_server {\n\t\tworker worker.php x\n\t\tworker other.php 1 2\n\t\tworker worker.php 4097\n\t}\n}\n",
            "
:80 {
	php_server {
		worker bin/feed.php {
			background
			name feed
		}
		worker worker.php {
			name feed
		}
		worker bin/feed.php {
			background
		}
		worker bin/console.php {
			background
		}
		worker worker.php
	}
}
",
            "
{
	frankenphp {
		worker worker.php {
			match /x
		}
		worker bin/feed.php {
			background
			match /x
			max_consecutive_failures -2
			num two
			max_threads 0
			nmae feed
			name \"\"
			env A=B c
			env A
			watch [
			boot_timeout 3s
			background on
		}
		worker bin/feed.php 1 {
			background
		}
		worker other.php {
			num 4
			max_threads 2
			match api
			match /a[b]
		}
	}
}
:80 {
	respond ok
}
",
        ],
    );
}

#[test]
fn global_options() {
    compare(
        "global_options",
        &[
            "
{
	admin everywhere
	admin off
	grace_period 5
	auto_https disable_redirects
	debug yes
	servers {
		trusted_proxies static private_ranges
	}
	order php_server before file_server
	frankenfpp {
	}
	log access {
		level loud
		format xml
		output net tcp/1.2.3.4:5
		output stdout now
		include x
	}
	frankenphp {
		num_threads 0
		num_threads many
		max_threads -1
		max_wait_time 3 s
		max_idle_time 5s
		php_ini memory_limit
		php_ini {
			a
			b c d
		}
		vars {
			mode slow
			hardened maybe
			copy_max_bytes 64XB
			max_bytes 2TiB
			max_depth 257
			thread_budget_bytes 1GiB
			copy_max 1
		}
	}
}
:80 {
	respond ok
}
",
            "{\n\tfrankenphp {\n\t\tnum_threads 8\n\t\tmax_threads 4\n\t}\n\tgrace_period 400d\n}\n:80 {\n\trespond ok\n}\n",
            "{\n\tfrankenphp {\n\t\tvars {\n\t\t\tthread_budget_bytes 4XiB\n\t\t\tprocess_budget_bytes 1MiB\n\t\t}\n\t}\n}\n:80 {\n\trespond ok\n}\n",
            "{\n\tfrankenphp {\n\t\tvars {\n\t\t\tmax_bytes 0\n\t\t}\n\t}\n}\n:80 {\n\trespond ok\n}\n",
        ],
    );
}

#[test]
fn site_directives() {
    compare(
        "site_directives",
        &[
            "
:80 {
	php_sever
	phpserver
	tls internal
	encode gzip
	acme_server
	handle /x {
		respond ok
	}
	somethingelse
	php_server now
	php_server @unknown
	php_server {
		root
		rot public
		index
		split_path php
		env
		resolve_root_symlink perhaps
		try_files {path} {uri} =404
		root public
		root public
		root /{host}
		mercure {
		}
	}
	root /x public
}
",
            "
:80 {
	respond /x a b c
	respond ok 99
	respond {nothing}
	respond ok {
		close
	}
	redir /only
	redir
	redir * /x 200
	redir * /x later
	header
	header Field
	header \"Bad Field\" x
	header -Field x
	header Field a b
	header Field \"a
b\"
	header {
		X-Ok {unknown}
		-A b
	}
	file_server browse
	file_server {
		precompressed gzip
		hid *.md
	}
	log {
	}
	log
}
",
            "
:80 {
	@a path x
	@b methd GET
	@c remote_ip 10.0.0.0/8
	@d
	@e header X
	@f header !X y
	@g path /x
	@g path /y
	@ path /x
	@h {
		path /[x]
	}
	@i expression `true`
	respond @j ok
	respond @g ok
}
",
        ],
    );
}

/// Accepted with a warning, the protection would silently be missing.
#[test]
fn a_protection_that_is_not_there_is_an_error() {
    let fixture = Fixture::new();
    for (directive, way_out) in [("rate_limit", "limit_req"), ("coraza_waf", "ModSecurity")] {
        let shown = fixture.errors(&format!(":80 {{\n{directive} {{\nanything\n}}\nrespond ok\n}}\n"));
        assert!(shown.contains(&format!("`{directive}`")) && shown.contains(way_out), "{shown}");
    }
}

#[test]
fn the_block_of_a_refused_directive_is_read_too() {
    let fixture = Fixture::new();
    for (text, mistake) in [
        (":80 {\nhandel /a {\nrespond 1 2 3 4\n}\n}\n", "respond"),
        (":80 {\nroute {\nhandle_pth /a* {\nrespond 1 2 3 4\n}\n}\n}\n", "respond"),
        (":80 {\nhandle_path a {\nrespond 1 2 3 4\n}\n}\n", "respond"),
        (":80 {\nphp_sever {\nnum 2\n}\n}\n", "num"),
        ("{\nfrankenphq {\nnum_threads many\n}\n}\n:80 {\nrespond ok\n}\n", "many"),
    ] {
        let shown = fixture.errors(text);
        assert!(shown.lines().filter(|line| line.starts_with("Caddyfile:")).count() >= 2, "{shown}");
        assert!(shown.contains(mistake), "{shown}");
    }
}

/// What people write who move a site: the message names the thing, its place and what to write instead.
#[test]
fn what_a_newcomer_writes() {
    let fixture = Fixture::new();
    for (text, expected) in [
        // The `}` of the worker is missing, not the one of the site.
        (
            ":80 {\n\tphp_server {\n\t\tworker {\n\t\t\tfile worker.php\n\t}\n}\n",
            "Caddyfile:3:10: this block is not closed\n  hint: add a line with `}` before line 5",
        ),
        (
            "{$NONE} {\n\troot public\n\tphp_server\n}\n",
            "this block has no address\n  hint: `{$NONE}` on this line is empty",
        ),
        (
            "{\n\tservers {\n\t\ttrusted_proxies 10.0.0.0/8 ::1\n\t}\n}\n:80 {\n\trespond ok\n}\n",
            "Caddyfile:3:19: `10.0.0.0/8` is no source of trusted proxies\n  hint: write `trusted_proxies static 10.0.0.0/8 ::1`",
        ),
        (
            ":80 {\n\treverse_proxy localhost:99999\n}\n",
            "Caddyfile:2:16: the upstream `localhost:99999` has no port from 1 to 65535",
        ),
        (
            "{\n\tgrace_period 10\n}\n:80 {\n\trespond ok\n}\n",
            "Caddyfile:2:15: `10` is not a duration\n  hint: a unit is missing; write `10s` for seconds",
        ),
        (
            ":80 {\n\trespond {http.request.hst}\n}\n",
            "hint: did you mean `{http.request.host}`? write `\\{http.request.hst\\}` for the text itself",
        ),
        (
            ":80 {\n\tlocation /a {\n\t\trespond a\n\t}\n}\n",
            "Caddyfile:2:2: unknown directive in a site: `location`\n  hint: write `handle PATH {`",
        ),
        (
            ":80 {\n\ttry_files $uri $uri/ /index.php\n\tphp_server\n}\n",
            "Caddyfile:2:12: `$uri` is a variable of nginx\n  hint: write `{path}`",
        ),
        (":80 {\n\t@a expression {method} = 'GET'\n}\n", "`=` is no sign of an expression; write `==` to compare"),
        (
            ":80 {\n\t@a expression `r\"{env.CODE}\" == 'x'`\n\trespond @a ok\n}\n",
            "has a \", which ends the raw text around it",
        ),
        (":80 {\n\trespond {file./run/secret}\n}\n", "hint: `{env.NAME}` takes a value from the environment"),
        (
            ":80 {\n\trespond {http.request.tls.vrsion}\n}\n",
            "hint: behind `http.request.tls.` come version, cipher_suite",
        ),
        (
            ":80 {\n\trespond {http.request.remote.host/33}\n}\n",
            "hint: write at most 32 bits for IPv4 and 128 for IPv6",
        ),
    ] {
        let errors = fixture.errors(text);
        assert!(errors.contains(expected), "{text}\n{errors}");
        assert!(!errors.contains("has no upstream") && !errors.contains("`php_server`"), "{text}\n{errors}");
    }
}

/// Hubs of the same name were numbered by their order, so instances with other sites mixed their updates.
#[test]
fn a_cluster_refuses_two_hubs_of_one_name() {
    let fixture = Fixture::new();
    let text = |cluster: &str, [first, second]: [&str; 2]| {
        let global = format!("{{\n\tfrankenphp {{\n\t\t{cluster}\n\t}}\n}}\n");
        let site = |host: &str, lines: &str| format!("{host} {{\n\tmercure {{\n\t\tanonymous\n\t\t{lines}\n\t}}\n}}\n");
        format!("{global}{}{}", site("http://a.test", first), site("http://b.test", second))
    };
    let cluster = "cluster {\n engine redis redis://127.0.0.1\n }";
    let errors = fixture.errors(&text(cluster, ["name shop", "name shop\n heartbeat 1m"]));
    assert!(
        errors.starts_with("Caddyfile:15:2: the hub at Caddyfile:9:2 has the name `shop` too, but other settings"),
        "{errors}"
    );
    assert!(errors.contains("write another `name` for one of them on all instances, or the same settings"), "{errors}");
    for names in [["name shop", "name shop"], ["", "heartbeat 1m"], ["name shop", "name news\n heartbeat 1m"]] {
        fixture.config(&text(cluster, names));
    }
    fixture.config(&text("num_threads 2", ["name shop", "name shop\n heartbeat 1m"]));
}
