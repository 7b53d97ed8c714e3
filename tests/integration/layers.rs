//! The layers of the library: a module may use those below it, and no other.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each module may use of the crate besides itself.
const MAY_USE: &[(&str, &[&str])] = &[
    ("limits", &[]),
    ("exchange", &[]),
    ("signals", &[]),
    // In builds for tests of faults only.
    ("faults", &[]),
    ("vars", &["limits", "exchange", "signals", "faults"]),
    ("config", &["limits", "exchange"]),
    ("ffi", &["limits", "exchange", "vars", "config"]),
    ("php", &["limits", "exchange", "signals", "vars", "config", "ffi", "faults"]),
    ("threads", &["limits", "exchange", "vars", "config", "ffi", "php"]),
    ("worker", &["limits", "exchange", "vars", "config", "ffi", "php", "threads"]),
    ("http", &["limits", "exchange", "config"]),
    ("assemble", &["limits", "exchange", "signals", "vars", "config", "php", "threads", "worker", "http"]),
    ("server", &["limits", "exchange", "signals", "vars", "config", "php", "threads", "worker", "http", "assemble"]),
    (
        "embed",
        &["limits", "exchange", "signals", "vars", "config", "php", "threads", "worker", "http", "assemble", "server"],
    ),
    // Scripts of the command line answer on the standard output, so `cli` knows what an answer is.
    ("cli", &["limits", "exchange", "assemble", "server", "embed", "config", "php"]),
    // The functions that C calls of the module: nothing but a thin coat over `embed`.
    ("extension", &["ffi", "embed"]),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// The Rust files below a folder, without those of unit tests.
fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The module of the crate's root that a file belongs to.
fn module(file: &Path, root: &Path) -> String {
    let first =
        file.strip_prefix(root).expect("the file is below the root").iter().next().expect("the file has a name");
    first.to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// The modules that code names as `crate::…`, or from outside the library as `igor_php::…`. Comments do not count, and
/// neither does what comes after the first `#[cfg(test)]` of a module of tests, which stands last in its file.
fn used(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let code: String =
        source.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect();
    let mut found = Vec::new();
    for start in ["crate::", "igor_php::"] {
        for (at, _) in code.match_indices(start) {
            let rest = &code[at + start.len()..];
            let names = match rest.strip_prefix('{') {
                // `use crate::{a::b, c}`: the names at the top of the braces.
                Some(list) => top_names(list),
                None => vec![
                    rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
                        .next()
                        .unwrap_or_default()
                        .to_owned(),
                ],
            };
            found.extend(names);
        }
    }
    found
}

/// The first names of the items of a braced list, up to its closing brace.
fn top_names(list: &str) -> Vec<String> {
    let (mut depth, mut item, mut names) = (0, String::new(), Vec::new());
    for letter in list.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(std::mem::take(&mut item)),
            _ if depth == 0 => item.push(letter),
            _ => {}
        }
    }
    names.push(item);
    names
        .iter()
        .filter_map(|item| item.trim().split("::").next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn arrows_point_down_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let table: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 20, "the sources were found");
    let mut wrong = Vec::new();
    for file in files {
        let own = module(&file, &root);
        let source = fs::read_to_string(&file).expect("the file can be read");
        let Some(allowed) = table.get(own.as_str()) else {
            wrong.push(format!("{} belongs to no layer; add `{own}` to the table", file.display()));
            continue;
        };
        for name in used(&source) {
            if name != own && table.contains_key(name.as_str()) && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{} uses `{name}`, which `{own}` may not", file.display()));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_way_of_naming_a_module_is_seen() {
    let source = "use crate::config::{self, Config};\nuse crate::{\n    vars::{Pins, Slot},\n    limits,\n};\n// crate::comment\n\
                  fn f() { crate::http::go(); igor_php::cli::main() }\n#[cfg(test)]\nmod tests {\n use crate::worker::x;\n}";
    let mut seen = used(source);
    seen.sort();
    assert_eq!(seen, ["cli", "config", "http", "limits", "vars"]);
}
