//! The manual agrees with the program.

use super::super::directive_docs;
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

#[test]
fn every_example_of_the_manual_works() {
    let fixture = Fixture::new();
    fixture.write("sites/shop.caddy", ":8090 {\n\trespond shop\n}\n");
    let manual = manual();
    let examples: Vec<&str> =
        manual.split("```caddyfile\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 8, "only {} examples", examples.len());
    for example in examples {
        fixture.config(example);
    }
}
