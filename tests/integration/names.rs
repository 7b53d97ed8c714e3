//! Names of functions in comments and documents: what a comment or a document calls `host_…`, `shim_…` or `igor_…` is in the
//! code, so a renamed function takes its mentions along.

use crate::common::sources;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names with one of the prefixes. A name that ends with `_` stands for a group, or precedes a wildcard.
fn names(text: &str) -> BTreeSet<&str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| {
            ["host_", "shim_", "igor_"].iter().any(|start| word.starts_with(start) && word.len() > start.len())
        })
        .filter(|word| !word.ends_with('_'))
        .collect()
}

/// The comments of a file, and everything else of it.
fn apart(source: &str, is_c: bool) -> (String, String) {
    let (mut comments, mut code) = (String::new(), String::new());
    if is_c {
        let mut rest = source;
        while let Some((before, comment)) = rest.split_once("/*") {
            let (comment, after) = comment.split_once("*/").unwrap_or((comment, ""));
            code.push_str(before);
            comments.push_str(comment);
            comments.push('\n');
            rest = after;
        }
        code.push_str(rest);
        return (comments, code);
    }
    for line in source.lines() {
        let into = if line.trim_start().starts_with("//") { &mut comments } else { &mut code };
        into.push_str(line);
        into.push('\n');
    }
    (comments, code)
}

#[test]
fn what_comments_and_documents_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut mentioned: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut files = sources(&root.join("src"), "rs");
    files.extend(sources(&root.join("tests"), "rs"));
    files.extend(sources(&root.join("c"), "c"));
    files.extend(sources(&root.join("c"), "h"));
    files.push(root.join("build.rs"));
    for file in &files {
        let is_c = file.extension().is_some_and(|extension| extension != "rs");
        let source = read(file);
        let (comments, code) = apart(&source, is_c);
        known.extend(names(&code).into_iter().map(str::to_owned));
        for name in names(&comments) {
            mentioned.entry(name.to_owned()).or_insert_with(|| file.clone());
        }
    }
    known.insert("igor_php".into());
    let mut documents = sources(&root.join("docs"), "md");
    documents.extend(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| root.join(name)));
    for file in documents {
        for name in names(&read(&file)) {
            mentioned.entry(name.to_owned()).or_insert_with(|| file.clone());
        }
    }
    assert!(mentioned.len() > 40, "the names were found: {}", mentioned.len());
    let missing: Vec<_> = mentioned.iter().filter(|(name, _)| !known.contains(*name)).collect();
    let lines: Vec<_> = missing.iter().map(|(name, file)| format!("{name} in {}", file.display())).collect();
    assert!(lines.is_empty(), "nothing in the code is called so:\n{}", lines.join("\n"));
}
