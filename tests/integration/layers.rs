//! The layers of the library, as the table in ARCHITECTURE.md has them: a module uses those below it, and no other. Inside a
//! layer no files import each other in a circle, and neither do the files of the shim.

use crate::common::sources;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

type Graph = BTreeMap<String, BTreeSet<String>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names in backquotes of a cell.
fn names(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// What each module may use of the crate besides itself: the table below the heading "The layers".
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let map = read(&root().join("ARCHITECTURE.md"));
    let (_, section) = map.split_once("\n## The layers").expect("the map has the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut table = BTreeMap::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').collect();
        for module in names(cells[1]) {
            let known = names(cells[2]).into_iter().collect();
            assert!(table.insert(module.clone(), known).is_none(), "`{module}` stands in two rows");
        }
    }
    assert!(table.len() > 10, "the table was found");
    table
}

/// Code without its comments and without the module of tests, which is the last thing in its file.
fn code_of(source: &str) -> String {
    let source = source.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    source.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

/// Every path that code names from `start` on, such as `config::model::Site`; lists in braces are taken apart.
fn paths(code: &str, start: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(start) {
        let is_whole =
            at == 0 || !code[..at].ends_with(|letter: char| letter.is_alphanumeric() || "_:".contains(letter));
        if is_whole {
            expand(&code[at + start.len()..], &[], &mut found);
        }
    }
    found
}

/// Reads one path behind `before`; returns what is left of the text.
fn expand<'t>(text: &'t str, before: &[String], found: &mut Vec<Vec<String>>) -> &'t str {
    let mut path = before.to_vec();
    let mut text = text.trim_start();
    loop {
        if let Some(mut list) = text.strip_prefix('{') {
            loop {
                list = list.trim_start();
                if let Some(rest) = list.strip_prefix('}') {
                    return rest;
                }
                let rest = expand(list, &path, found).trim_start();
                list = rest.strip_prefix(',').unwrap_or(rest);
                if rest.len() == list.len() && !rest.starts_with('}') {
                    return rest;
                }
            }
        }
        let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len());
        if end == 0 {
            break;
        }
        path.push(text[..end].to_owned());
        text = &text[end..];
        match text.strip_prefix("::") {
            Some(rest) => text = rest,
            None => break,
        }
    }
    if let Some(rest) = text.strip_prefix(" as ") {
        text = rest.trim_start_matches(|letter: char| letter.is_alphanumeric() || letter == '_');
    }
    if path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    if path.len() > before.len() || !before.is_empty() {
        found.push(path);
    }
    text
}

/// The module path of a file below `src`: `http::tests::sites` for `http/tests/sites.rs`.
fn module_path(file: &Path) -> Vec<String> {
    let relative = file.strip_prefix(root().join("src")).expect("the file is below src").with_extension("");
    let mut path: Vec<String> = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if path.last().is_some_and(|last| last == "mod") {
        path.pop();
    }
    path
}

#[test]
fn arrows_point_down_only() {
    let table = table();
    let mut wrong = Vec::new();
    for file in sources(&root().join("src"), "rs") {
        let own = module_path(&file)[0].clone();
        if own == "lib" {
            continue;
        }
        let Some(allowed) = table.get(&own) else {
            wrong.push(format!("{} belongs to no layer; add `{own}` to the table in ARCHITECTURE.md", file.display()));
            continue;
        };
        let code = code_of(&read(&file));
        for path in paths(&code, "crate::").into_iter().chain(paths(&code, "igor_php::")) {
            let name = &path[0];
            if *name != own && table.contains_key(name) && !allowed.contains(name) {
                wrong.push(format!("{} uses `{name}`, which `{own}` may not", file.display()));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_table_itself_has_no_circle() {
    assert_eq!(circles(&table()), Vec::<Vec<String>>::new());
}

/// What a `mod.rs` re-exports: the name, and the module that it comes from.
fn re_exports(folder: &[String], code: &str) -> BTreeMap<String, Vec<String>> {
    let mut from = BTreeMap::new();
    for start in ["pub use ", "pub(crate) use ", "pub(super) use ", "pub(in crate) use "] {
        for path in paths(code, start) {
            if path.len() > 1 && path[0] != "crate" {
                let ups = path.iter().take_while(|part| *part == "super").count();
                let skip = ups + usize::from(path[0] == "self");
                let name = path[path.len() - 1].clone();
                let start = &folder[..folder.len() - ups.min(folder.len())];
                from.insert(name, start.iter().chain(&path[skip..path.len() - 1]).cloned().collect());
            }
        }
    }
    from
}

/// Which files of each folder use which others. A node is a file or a whole folder, named by its path; `mod.rs` is none, and
/// what it re-exports belongs to the file that has it.
fn graph() -> Graph {
    let files = sources(&root().join("src"), "rs");
    let modules: BTreeMap<Vec<String>, PathBuf> = files.iter().map(|file| (module_path(file), file.clone())).collect();
    let exports: BTreeMap<&Vec<String>, BTreeMap<String, Vec<String>>> =
        modules.iter().map(|(path, file)| (path, re_exports(path, &code_of(&read(file))))).collect();
    let mut graph = Graph::new();
    for (own, file) in &modules {
        let code = code_of(&read(file));
        for used in absolute_paths(own, file, &code) {
            let used = resolve(used, &modules, &exports);
            let common = own.iter().zip(&used).take_while(|(a, b)| a == b).count();
            if common > 0 && common < own.len() && common < used.len() {
                let node = |path: &[String]| path[..=common].join("::");
                graph.entry(node(own)).or_default().insert(node(&used));
            }
        }
    }
    graph
}

/// The paths that code names, from the crate's root.
fn absolute_paths(own: &[String], file: &Path, code: &str) -> Vec<Vec<String>> {
    let mut found = paths(code, "crate::");
    for (ups, start) in [(1, "super::"), (2, "super::super::"), (3, "super::super::super::")] {
        for path in paths(code, start) {
            if path[0] == "super" || ups > own.len() {
                continue;
            }
            found.push(own[..own.len() - ups].iter().cloned().chain(path).collect());
        }
    }
    if file.ends_with("mod.rs") {
        found.retain(|path| !path.starts_with(own));
    }
    found
}

/// The module that has what a path names.
fn resolve(
    mut path: Vec<String>,
    modules: &BTreeMap<Vec<String>, PathBuf>,
    exports: &BTreeMap<&Vec<String>, BTreeMap<String, Vec<String>>>,
) -> Vec<String> {
    for _ in 0..4 {
        let len = (0..=path.len()).rev().find(|&len| modules.contains_key(&path[..len])).unwrap_or(0);
        let module = path[..len].to_vec();
        let target = path.get(len).and_then(|name| Some((name.clone(), exports.get(&module)?.get(name)?.clone())));
        match target {
            Some((name, from)) if from != module => path = from.into_iter().chain([name]).collect(),
            _ => return module,
        }
    }
    path
}

/// The sets of nodes that reach each other.
fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let reach = |start: &String| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(node) = open.pop() {
            for next in graph.get(node).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&String, BTreeSet<String>> = graph.keys().map(|node| (node, reach(node))).collect();
    let mut found = BTreeSet::new();
    for (node, seen) in &reached {
        if seen.contains(*node) {
            let circle = seen.iter().filter(|&other| reached.get(other).is_some_and(|back| back.contains(*node)));
            found.insert(circle.cloned().collect::<Vec<_>>());
        }
    }
    found.into_iter().collect()
}

#[test]
fn no_files_of_a_layer_import_each_other_in_a_circle() {
    let graph = graph();
    assert!(graph.len() > 60, "the graph was found: {}", graph.len());
    let found: Vec<_> = circles(&graph).iter().map(|circle| circle.join(", ")).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// A C file's text without comments, strings and preprocessor lines.
fn c_code(source: &str) -> String {
    let mut code = String::new();
    let mut rest = source;
    while let Some((before, comment)) = rest.split_once("/*") {
        code.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    code.push_str(rest);
    code
}

/// The `igor_…` and `shim_…` names in code.
fn c_names(code: &str) -> BTreeSet<String> {
    code.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("igor_") || word.starts_with("shim_"))
        .map(str::to_owned)
        .collect()
}

/// The names that a C file defines for other files: functions at the start of a line whose body follows, and variables.
fn c_definitions(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let lines: Vec<&str> = code.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        let is_top = line.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
        if !is_top || line.starts_with("static") || line.starts_with("typedef") || line.starts_with("extern") {
            continue;
        }
        let head = line.split(['(', '=']).next().unwrap_or_default();
        let body = lines[number..].iter().take(4).any(|line| *line == "{");
        if body || line.contains('=') || (line.ends_with(';') && !line.contains('(')) {
            let mut words = head.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            found.extend(words.rfind(|word| !c_names(word).is_empty()).map(str::to_owned));
        }
    }
    found
}

#[test]
fn no_files_of_the_shim_use_each_other_in_a_circle() {
    let files = sources(&root().join("c"), "c");
    let code: BTreeMap<String, String> = files
        .iter()
        .map(|file| (file.file_name().unwrap_or_default().to_string_lossy().into_owned(), c_code(&read(file))))
        .collect();
    let mut home = BTreeMap::new();
    for (file, code) in &code {
        home.extend(c_definitions(code).into_iter().map(|name| (name, file.clone())));
    }
    assert!(home.len() > 60, "the definitions were found: {}", home.len());
    assert_eq!(home.get("igor_self").map(String::as_str), Some("self.c"));
    let mut graph = Graph::new();
    for (file, code) in &code {
        let used = c_names(code).into_iter().filter_map(|name| home.get(&name)).filter(|other| *other != file);
        graph.entry(file.clone()).or_default().extend(used.cloned());
    }
    let found: Vec<_> = circles(&graph).iter().map(|circle| circle.join(", ")).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Without its default features the crate pulls in no HTTP server, no async runtime and no TLS.
#[test]
fn the_engine_alone_needs_no_server() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let words = "tree --offline --no-default-features --features php --edges normal --prefix none --format {p}";
    let output = Command::new(cargo).args(words.split(' ')).current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8_lossy(&output.stdout);
    let crates: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(crates.contains("igor-php") && crates.contains("ext-php-rs"), "{tree}");
    let servers = ["axum", "h2", "h3", "http", "hyper", "quinn", "redis", "rustls", "tokio", "tower"];
    let pulled_in: Vec<_> = crates.iter().filter(|name| servers.contains(name)).collect();
    assert!(pulled_in.is_empty(), "{pulled_in:?}");
}

#[test]
fn every_way_of_naming_a_module_is_seen() {
    let source = "use crate::config::{self, Config};\nuse crate::{\n    vars::{Pins, Slot},\n    limits,\n};\n// crate::comment\n\
                  fn f() { crate::http::go(); }\n#[cfg(test)]\nmod tests {\n use crate::worker::x;\n}";
    let mut seen: Vec<_> = paths(&code_of(source), "crate::").iter().map(|path| path.join("::")).collect();
    seen.sort();
    assert_eq!(seen, ["config", "config::Config", "http::go", "limits", "vars::Pins", "vars::Slot"]);
}

#[test]
fn a_circle_is_found() {
    let edges = [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")];
    let mut graph = Graph::new();
    for (from, to) in edges {
        graph.entry(from.into()).or_default().insert(to.into());
    }
    assert_eq!(circles(&graph), [["b", "c"]]);
}

/// Law 1: creating an `Outside` claims that no leaf is on the stack. These files start or end PHP code from the
/// outside.
#[test]
fn only_the_outside_of_php_starts_it() {
    let claims = |file: &&PathBuf| code_of(&read(file)).contains("Outside::new()");
    let files = sources(&root().join("src"), "rs");
    let mut found: Vec<_> = files
        .iter()
        .filter(claims)
        .map(|file| file.strip_prefix(root()).unwrap_or(file).to_string_lossy().into_owned())
        .collect();
    found.sort();
    assert_eq!(found, ["src/php/adopt.rs", "src/php/engine.rs", "src/php/thread.rs"]);
}

/// The documents lead to files that exist.
#[test]
fn files_that_the_documents_name_exist() {
    let documents = sources(&root().join("docs"), "md");
    let own = ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"].map(|name| root().join(name));
    let mut checked = 0;
    for document in documents.iter().chain(&own) {
        for word in read(document).split('`').skip(1).step_by(2) {
            let is_path =
                ["src/", "c/", "tests/", "scripts/", "benches/", "phpt/"].iter().any(|top| word.starts_with(top));
            let is_plain = word.chars().all(|letter| letter.is_ascii_alphanumeric() || "/._-".contains(letter));
            if is_path && is_plain && word.contains('.') {
                checked += 1;
                assert!(root().join(word).exists(), "{}: {word}", document.display());
            }
        }
    }
    assert!(checked > 20, "paths were found: {checked}");
}
