//! The manual agrees with the program.

use std::path::Path;

use super::super::directive_docs;
use super::super::table::{APPLIED, DirectiveDoc};
use super::Fixture;

fn manual() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
    std::fs::read_to_string(path).expect("the manual")
}

#[test]
fn every_directive_is_in_the_manual_with_its_syntax() {
    let manual = manual();
    for directive in directive_docs() {
        let missing = |what: &str| panic!("{what} of `{}` in {} is not in the manual", directive.name, directive.block);
        // In a table of the manual, `|` is written `\|`.
        if !manual.contains(&format!("`{}`", directive.usage.replace('|', "\\|"))) {
            missing(directive.usage);
        }
        assert!(directive.doc.ends_with('.'), "{directive:?}");
    }
}

/// The Caddyfiles of a page, whole.
fn examples(page: &str) -> Vec<&str> {
    page.split("```caddyfile\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn every_example_of_the_manual_works() {
    let fixture = Fixture::new();
    fixture.write("sites/shop.caddy", ":8090 {\n\trespond shop\n}\n");
    let passwords = ["etcd.password", "redis.password", "sentinel.password", "shop.creds"];
    let others = ["shop.pem", "shop.key", "clients.pem", "partners.pem", "root.pem", "more/one.pem"];
    for file in others.iter().chain(&passwords) {
        fixture.write(&format!("certificates/{file}"), "");
    }
    ["bin/api.php", "bin/mail.php"].iter().for_each(|script| fixture.write(script, "<?php\n"));
    let manual = manual();
    let examples = examples(&manual);
    assert!(examples.len() >= 8, "only {} examples", examples.len());
    APPLIED.take();
    for example in examples {
        fixture.config(example);
    }
    let applied = APPLIED.take();
    let shown = |directive: &DirectiveDoc| format!("`{}` in {}", directive.usage, directive.block);
    let missing: Vec<String> = directive_docs()
        .iter()
        .filter(|directive| !applied.contains(&(directive.block, directive.name)))
        .map(shown)
        .collect();
    assert!(missing.is_empty(), "no example of the manual has\n{}", missing.join("\n"));
}

/// The Rust files below `folder`.
fn sources(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder of sources").map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => sources(&path),
            false => vec![std::fs::read_to_string(path).expect("a source")],
        })
        .collect()
}

#[test]
fn every_table_is_in_the_documentation() {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/directives"));
    let tables: Vec<&str> = sources
        .iter()
        .flat_map(|source| source.lines())
        .filter_map(|line| line.split_once("static ")?.1.split_once(": Table<").map(|(name, _)| name))
        .collect();
    assert!(tables.len() >= 30, "only {} tables", tables.len());
    for table in tables {
        let call = format!("{table}.docs()");
        // Its directives are those of other tables.
        let is_empty = table == "PHP_FASTCGI";
        assert!(is_empty || sources.iter().any(|source| source.contains(&call)), "`{call}` is nowhere");
    }
}

/// Makes the scripts, files and folders that an example names, for `config()`. What the example has under `/srv` and
/// `/etc/igor` is made below the fixture's directory.
fn provide(fixture: &Fixture, example: &str) -> String {
    let below = |folder: &str| format!(" {}/", fixture.path(folder).display());
    let example = example.replace(" /srv/", &below("srv")).replace(" /etc/igor/", &below("etc"));
    let words: Vec<&str> = example.split_whitespace().collect();
    for pair in words.windows(2) {
        match pair {
            // Beside the `root` of its block is the directory of the Caddyfile.
            ["worker", script] if *script != "{" => fixture.write(script.trim_start_matches("../"), "<?php"),
            ["password_file" | "ca" | "credentials", file] if file.starts_with('/') => {
                let name = file.rsplit('/').next().unwrap_or(file);
                fixture.write(&format!("etc/{name}"), "");
            }
            ["root", folder] if folder.starts_with('/') => std::fs::create_dir_all(folder).expect("a folder"),
            _ => {}
        }
    }
    // Some show a worker alone, or the global options.
    if example.starts_with("worker ") {
        return format!(":8080 {{\n\tphp_server {{\n{example}}}\n}}\n");
    }
    let has_site = !example.starts_with('{') || example.matches("\n}").count() > 1;
    if has_site { example } else { format!("{example}:8080 {{\n\trespond shop\n}}\n") }
}

#[test]
fn every_example_of_the_other_pages_works() {
    let fixture = Fixture::new();
    let mut count = 0;
    for page in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/docs")).expect("the folder of the pages") {
        let page = page.expect("a page").path();
        if page.extension().is_none_or(|extension| extension != "md") || page.ends_with("configuration.md") {
            continue;
        }
        for example in examples(&std::fs::read_to_string(&page).expect("a page")) {
            fixture.config(&provide(&fixture, example));
            count += 1;
        }
    }
    assert!(count >= 15, "only {count} examples");
}
