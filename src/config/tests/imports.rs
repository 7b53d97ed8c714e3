//! Snippets and imported files.

use super::super::{Config, Handler, HeaderOp, Layer, Status, load, parse};
use super::{Fixture, respond_body};
use std::path::Path;

/// The header fields that the first site sets, in order.
fn header_fields(config: &Config) -> Vec<&str> {
    let rules = config.sites[0].routes.iter().filter_map(|route| match &route.handler {
        Handler::Layer(Layer::Header(rule)) => Some(rule),
        _ => None,
    });
    rules
        .flat_map(|rule| &rule.ops)
        .map(|op| match op {
            HeaderOp::Set { field, .. } => field.as_str(),
            other => panic!("not a set: {other:?}"),
        })
        .collect()
}

#[test]
fn a_snippet_takes_arguments() {
    let fixture = Fixture::new();
    let text = "(greet) {\n\trespond \"{args[0]}, {args[1]}!\" {args[2]}\n}\n:80 {\n\timport greet Hello \"wide world\" 201\n}\n";
    let config = fixture.config(text);
    assert_eq!(respond_body(&config), "Hello, wide world!");
}

#[test]
fn old_and_ranged_arguments() {
    let fixture = Fixture::new();
    let text = "(greet) {\n\trespond {args[1:]}\n\theader X {args.0}\n}\n:80 {\n\timport greet a body 201\n}\n";
    let config = fixture.config(text);
    let Handler::Respond(respond) = &config.sites[0].routes[1].handler else { panic!("not a respond") };
    assert_eq!((respond.body.as_literal(), &respond.status), (Some("body"), &Status::Code(201)));
    for (range, status) in [("{args[:]}", 202), ("{args[:2]}", 202), ("{args[0:2]}", 202), ("{args[0:9]}", 202)] {
        let text = format!("(greet) {{\n\trespond {range}\n}}\n:80 {{\n\timport greet body 202\n}}\n");
        let config = fixture.config(&text);
        let Handler::Respond(respond) = &config.sites[0].routes[0].handler else { panic!("not a respond") };
        assert_eq!(respond.status, Status::Code(status), "{range}");
    }
}

#[test]
fn snippets_nest_and_may_be_defined_later() {
    let fixture = Fixture::new();
    let text =
        ":80 {\n\timport outer x\n}\n(outer) {\n\theader A {args[0]}\n\timport inner\n}\n(inner) {\n\theader B 1\n}\n";
    assert_eq!(header_fields(&fixture.config(text)), ["a", "b"]);
}

#[test]
fn a_snippet_can_hold_sites_and_global_options_can_import() {
    let fixture = Fixture::new();
    let text = "(sites) {\n\t:8081 {\n\t\trespond one\n\t}\n}\n(options) {\n\tgrace_period 7s\n}\n";
    fixture.write("options.caddy", "{\n\timport options\n}\n");
    fixture.write("snippets.caddy", text);
    let config =
        fixture.config("import snippets.caddy\nimport options.caddy\nimport sites\n:8082 {\n\trespond two\n}\n");
    assert_eq!(config.sites.len(), 2);
    assert_eq!(config.global.grace_period.as_secs(), 7);
    assert_eq!(config.sources.len(), 3);
}

#[test]
fn files_are_looked_for_beside_the_file_that_imports_them() {
    let fixture = Fixture::new();
    fixture.write("conf.d/a.caddy", ":8081 {\n\timport parts/body.caddy\n}\n");
    fixture.write("conf.d/b.caddy", ":8082 {\n\trespond b\n}\n");
    fixture.write("conf.d/.hidden.caddy", "nonsense nonsense nonsense\n");
    fixture.write("conf.d/parts/body.caddy", "respond body\n");
    let config = fixture.config("import conf.d/*.caddy\n");
    let ports: Vec<u16> = config.sites.iter().map(|site| site.addresses[0].port).collect();
    assert_eq!(ports, [8081, 8082]);
    assert_eq!(config.sources.len(), 4);
}

#[test]
fn a_pattern_without_files_is_a_warning() {
    let fixture = Fixture::new();
    let config = fixture.config(":80 {\n\timport none.d/*\n\trespond ok\n}\n");
    assert_eq!(fixture.shown(&config.warnings), "Caddyfile:2:9: warning: no file matches the import `none.d/*`");
}

#[test]
fn errors_of_an_imported_file_are_in_that_file() {
    let fixture = Fixture::new();
    fixture.write("part.caddy", "respond ok\nrespnd no\n");
    let errors = fixture.errors(":80 {\n\timport part.caddy\n}\n");
    assert!(errors.starts_with("part.caddy:2:1: unknown directive in a site: `respnd`"), "{errors}");
}

#[test]
fn cycles_end() {
    let fixture = Fixture::new();
    fixture.write("a.caddy", "import b.caddy\n");
    fixture.write("b.caddy", "import a.caddy\n");
    let errors = fixture.errors(":80 {\n\timport a.caddy\n}\n");
    assert!(errors.starts_with("b.caddy:1:8: import cycle: "), "{errors}");
    let errors = fixture.errors("(a) {\n\timport b\n}\n(b) {\n\timport a\n}\n:80 {\n\timport a\n}\n");
    assert_eq!(errors, "Caddyfile:5:9: import cycle: (a) → (b) → (a)");
    let errors = fixture.errors("import Caddyfile\n");
    fixture.write("Caddyfile", "import Caddyfile\n");
    assert!(errors.contains("nothing to import"), "{errors}");
    assert!(fixture.errors("import Caddyfile\n").contains("import cycle"));
}

#[test]
fn imports_are_bounded_in_depth_and_in_number() {
    let fixture = Fixture::new();
    let mut deep = String::new();
    for level in 0..40 {
        deep.push_str(&format!("(s{level}) {{\n\timport s{}\n}}\n", level + 1));
    }
    deep.push_str("(s40) {\n\trespond ok\n}\n:80 {\n\timport s0\n}\n");
    assert!(fixture.errors(&deep).contains("imports are nested more than 16 deep here"));

    let mut wide = String::new();
    for level in 0..14 {
        let next = format!("\timport w{}\n", level + 1).repeat(8);
        wide.push_str(&format!("(w{level}) {{\n{next}}}\n"));
    }
    wide.push_str("(w14) {\n\theader A 1\n}\n:80 {\n\timport w0\n}\n");
    assert!(fixture.errors(&wide).contains("the configuration has more than 100000 lines with its imports"));
}

#[test]
fn arguments_that_repeat_themselves_are_bounded() {
    let fixture = Fixture::new();
    for argument in ["x{args[0]}".repeat(50), "{args[:]} ".repeat(50)] {
        let mut text = String::new();
        for level in 0..12 {
            text.push_str(&format!("(s{level}) {{\n\timport s{} {argument}\n}}\n", level + 1));
        }
        text.push_str("(s12) {\n\trespond {args[0]}\n}\n:80 {\n\timport s0 a b\n}\n");
        let errors = fixture.errors(&text);
        assert!(errors.contains("arguments and variables add more than 8388608 bytes"), "{errors}");
    }
}

#[test]
fn an_error_in_a_snippet_is_told_once() {
    let fixture = Fixture::new();
    let errors = fixture.errors("(s) {\n\tphp_server x\n}\n:80 {\n\timport s\n}\n:81 {\n\timport s\n}\n");
    assert_eq!(errors.matches("takes no argument").count(), 1, "{errors}");
}

#[test]
fn load_reads_the_file_in_the_environment_of_the_process() {
    let fixture = Fixture::new();
    fixture.write("Caddyfile", ":80 {\n\trespond \"at {$PATH}\"\n}\n");
    let config = load(&fixture.path("Caddyfile")).expect("a configuration");
    assert_eq!(respond_body(&config), format!("at {}", std::env::var("PATH").expect("a search path")));
    assert_eq!((config.base_dir, config.sources), (fixture.path(""), vec![fixture.path("Caddyfile")]));
    let errors = load(&fixture.path("None")).expect_err("an error");
    assert!(fixture.shown(&errors).starts_with("None:1:1: cannot read the configuration: "));
}

#[test]
fn what_cannot_be_read_is_named() {
    let fixture = Fixture::new();
    std::fs::write(fixture.path("latin1.caddy"), b"respond \xe9\n").expect("a file");
    let errors = fixture.errors(":80 {\n\timport latin1.caddy\n\timport bin\n}\n");
    assert!(errors.contains("latin1.caddy`: line 1, column 9: the byte 0xe9 is not valid UTF-8"), "{errors}");
    assert!(errors.contains("bin`: it is not a regular file"), "{errors}");
}

#[test]
fn the_files_of_a_relative_path_are_known_by_absolute_ones() {
    let origin = Path::new("somewhere/../Caddyfile");
    let config = parse(":80 {\n}\n", origin, &|_| None).expect("a configuration");
    let working_dir = std::env::current_dir().expect("the working directory is there");
    assert_eq!((config.sources, config.base_dir), (vec![working_dir.join("Caddyfile")], working_dir));
}
