//! The files by which editors complete directives agree with the program.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::super::directive_docs;

/// In a snippet `$` and `}` have a meaning.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('$', "\\$").replace('}', "\\}")
}

/// Snippets in the format of Visual Studio Code, which other editors read too: one for each directive of each block. The argument
/// is shown as a place to fill in; a block opens.
fn snippets() -> String {
    let mut all: BTreeMap<String, Value> = BTreeMap::new();
    for directive in directive_docs() {
        let rest = directive.usage.strip_prefix(directive.name).unwrap_or_default().trim();
        let (arguments, has_block) = match rest.strip_suffix("{ … }") {
            Some(arguments) => (arguments.trim(), true),
            // A block that is optional is not part of the snippet.
            None => (rest.trim_end_matches("[{ … }]").trim(), false),
        };
        let mut line = directive.name.to_owned();
        if !arguments.is_empty() {
            line = format!("{line} ${{1:{}}}", escaped(arguments));
        }
        let body = if has_block { json!([format!("{line} {{"), "\t$0", "}"]) } else { json!([line]) };
        let snippet = json!({
            "scope": "caddyfile",
            "prefix": directive.name,
            "body": body,
            "description": format!("{} In {}: {}", directive.doc, directive.block, directive.usage),
        });
        let earlier = all.insert(format!("{} in {}", directive.name, directive.block), snippet);
        assert!(earlier.is_none(), "{} is twice in {}", directive.name, directive.block);
    }
    let all: Map<String, Value> = all.into_iter().collect();
    serde_json::to_string_pretty(&all).expect("it is JSON") + "\n"
}

/// Each name once, a line each: a dictionary, as Vim and Emacs take it.
fn words() -> String {
    let names: BTreeSet<&str> = directive_docs().iter().map(|directive| directive.name).collect();
    names.iter().map(|name| format!("{name}\n")).collect()
}

/// `make editors` writes them.
#[test]
fn editors_know_the_directives() {
    for (name, wanted) in [("caddyfile.code-snippets", snippets()), ("caddyfile.words", words())] {
        let path = format!("{}/packaging/editors/{name}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("EDITORS_WRITE").is_some() {
            std::fs::write(&path, &wanted).expect("the file can be written");
        }
        let text = std::fs::read_to_string(&path).expect("the file");
        assert!(text == wanted, "packaging/editors/{name} is not that of the directives; `make editors` writes it");
    }
}
