//! Checks claims of documents and comments about the whole tree, which a reader could only verify by a search.

use crate::common::sources;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The documents for readers of the project: those in the root and in `docs`.
fn documents() -> Vec<PathBuf> {
    let mut found = sources(&root().join("docs"), "md");
    found.extend(["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"].map(|name| root().join(name)));
    found
}

/// The comment of `Cargo.toml` beside the lint.
#[test]
fn unsafe_code_is_allowed_only_where_cargo_toml_says() {
    let manifest = read("Cargo.toml");
    let (before, _) = manifest.split_once("\nunsafe_code = \"deny\"").expect("the lint");
    let comment: Vec<&str> = before.lines().rev().take_while(|line| line.starts_with('#')).collect();
    let comment: String = comment.into_iter().rev().collect();
    let named: BTreeSet<&str> = comment.split('`').skip(1).step_by(2).collect();
    let mut allowed = BTreeSet::new();
    for file in sources(&root().join("src"), "rs") {
        if read(&file).contains("#![allow(unsafe_code") {
            let below = file.strip_prefix(root().join("src")).expect("below src").to_string_lossy().into_owned();
            allowed.insert(below.trim_end_matches(".rs").trim_end_matches("/mod").to_owned());
        }
    }
    assert_eq!(named, allowed.iter().map(String::as_str).collect());
}

/// `c/compat.h` and the README: every difference between PHP versions is there and nowhere else.
#[test]
fn only_compat_h_knows_versions_of_php() {
    let mut files = sources(&root().join("c"), "c");
    files.extend(sources(&root().join("c"), "h"));
    let knowing: Vec<_> = files.into_iter().filter(|file| read(file).contains("PHP_VERSION_ID")).collect();
    assert_eq!(knowing, [root().join("c/compat.h")]);
}

/// `src/limits`: every bound of the configuration has one home, and no name of a bound exists twice.
#[test]
fn a_bound_has_one_home() {
    let mut homes: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in sources(&root().join("src"), "rs") {
        for line in read(&file).lines() {
            let code = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(super) ");
            let code = code.trim_start_matches("pub(crate) ");
            let Some(name) = code.strip_prefix("const ").and_then(|rest| rest.split(':').next()) else { continue };
            if ["_MAX", "_MIN", "_DEFAULT"].iter().any(|end| name.ends_with(end)) {
                homes.entry(name.to_owned()).or_default().push(file.clone());
            }
        }
    }
    let twice: Vec<_> = homes.iter().filter(|(_, files)| files.len() > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert!(homes.len() > 100, "the bounds are found: {}", homes.len());
}

/// One number for the repeated read, wherever it is named.
#[test]
fn a_repeated_read_has_the_same_length_everywhere() {
    let mut named = Vec::new();
    for file in documents().into_iter().chain([root().join("c/vars.c")]) {
        let text = read(&file).split_whitespace().collect::<Vec<_>>().join(" ");
        for (at, _) in text.match_indices(" instructions") {
            let number = text[..at].rsplit(' ').next().unwrap_or_default();
            let before = &text[..at];
            let is_of_a_read = ["load), done in", "needs no stack:", "our part is about"]
                .iter()
                .any(|words| before.ends_with(&format!("{words} {number}")));
            if is_of_a_read {
                named.push((file.file_name().expect("a name").to_owned(), number.to_owned()));
            }
        }
    }
    assert_eq!(named.len(), 3, "{named:?}");
    assert!(named.iter().all(|(_, number)| *number == named[0].1), "{named:?}");
}

/// `src/worker/mod.rs`: the three kinds have the same files and the same verbs.
#[test]
fn the_kinds_of_workers_have_the_same_files_and_verbs() {
    for kind in ["classic", "http", "background"] {
        let folder = Path::new("src/worker").join(kind);
        for file in ["mod.rs", "config.rs", "work.rs"] {
            assert!(root().join(&folder).join(file).is_file(), "{kind}/{file}");
        }
        let code = read(folder.join("mod.rs"));
        let verbs = ["new", "start", "status", "stop", "thread_group"].into_iter();
        for verb in verbs.chain((kind != "classic").then_some("restart")) {
            assert!(code.contains(&format!("pub fn {verb}(")), "{kind}::{verb}");
        }
    }
}

/// The states of a background worker have the same words in the code, the glossary and the guides.
#[test]
fn a_workers_states_have_the_same_words_everywhere() {
    let code = read("src/worker/background/life.rs");
    let function = code.split("fn word(").nth(1).and_then(|rest| rest.split("\n    }\n").next()).expect("the words");
    let words: Vec<&str> = function.split('"').skip(1).step_by(2).collect();
    assert_eq!(words.len(), 6, "{words:?}");
    for document in ["ARCHITECTURE.md", "docs/operations.md", "docs/background-workers.md"] {
        let text = read(document);
        for word in &words {
            assert!(text.contains(word), "{document} does not name `{word}`");
        }
    }
    let glossary = read("ARCHITECTURE.md");
    let row = glossary.lines().find(|line| line.starts_with("| life |")).expect("the row of the glossary");
    assert!(row.contains(&words.join(", ")), "{row}");
}

/// No table has the same row twice.
#[test]
fn no_table_has_a_row_twice() {
    for file in documents() {
        let mut rows = BTreeSet::new();
        for line in read(&file).lines() {
            if !line.starts_with('|') {
                rows.clear();
            } else if !line.starts_with("|-") && !line.starts_with("|  ") {
                assert!(rows.insert(line.to_owned()), "{}: {line}", file.display());
            }
        }
    }
}

/// Nothing is counted twice: a counter of the metrics exists once, and the program reads it.
#[test]
fn a_counter_exists_once_and_is_read() {
    let readers = ["metrics.rs", "look.rs"].map(|file| read(Path::new("src/server/admin").join(file))).concat();
    let mut homes: BTreeMap<String, &str> = BTreeMap::new();
    for (file, kind) in [
        ("src/vars/stats.rs", "MemoryStats"),
        ("src/vars/slot.rs", "SlotCounters"),
        ("src/worker/counters.rs", "WorkerCounters"),
    ] {
        let code = read(file);
        let fields = code.split("pub struct ").skip(1).filter(|rest| rest.starts_with(kind));
        let fields = fields.filter_map(|rest| rest.split("\n}").next());
        for line in fields.flat_map(str::lines) {
            let Some(name) = line.trim_start().strip_prefix("pub ").and_then(|line| line.split(':').next()) else {
                continue;
            };
            assert!(readers.contains(&format!(".{name}")), "the admin interface does not read `{name}` of {file}");
            let first = *homes.entry(name.to_owned()).or_insert(file);
            assert_eq!(first, file, "`{name}` is counted twice");
        }
    }
    assert!(homes.len() > 10, "the counters are found: {homes:?}");
}

/// `c/internal.h`: which functions make an `igor_thread`.
#[test]
fn an_igor_thread_is_made_where_its_comment_says() {
    let header = read("c/internal.h");
    let (before, _) = header.split_once("typedef struct igor_thread {").expect("the structure");
    let comment = before.rsplit("/*").next().expect("its comment");
    let first_sentence = comment.split(". ").next().expect("a sentence");
    let named: BTreeSet<&str> = first_sentence
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("shim_"))
        .collect();
    let mut makers = BTreeSet::new();
    for file in sources(&root().join("c"), "c") {
        let mut function = String::new();
        for line in read(&file).lines() {
            if line.starts_with(|letter: char| letter.is_ascii_alphabetic()) && line.contains('(') {
                function =
                    line.split('(').next().and_then(|head| head.rsplit([' ', '*']).next()).expect("a name").into();
            }
            if line.contains("igor_thread self = {") || line.contains("sizeof(igor_thread)") {
                makers.insert(function.clone());
            }
        }
    }
    assert_eq!(named, makers.iter().map(String::as_str).collect());
}

/// `src/server/control.rs`: the loop of the server carries out reloads, and nothing else.
#[test]
fn only_a_reload_goes_through_the_servers_loop() {
    let code = read("src/server/control.rs");
    let requests = code.split("enum Request {").nth(1).and_then(|rest| rest.split("\n}").next()).expect("the requests");
    let variants: Vec<&str> = requests
        .lines()
        .map(str::trim_start)
        .filter(|line| line.starts_with(|letter: char| letter.is_ascii_uppercase()))
        .filter_map(|line| line.split([' ', '(', ',']).next())
        .collect();
    assert_eq!(variants, ["Reload"]);
    for (function, asks_the_loop) in [("reload", true), ("restart", false), ("stop", false)] {
        let body = code.split(&format!("fn {function}(")).nth(1).and_then(|rest| rest.split("\n    }\n").next());
        assert_eq!(body.expect("the function").contains("requests.send"), asks_the_loop, "{function}");
    }
}

/// `src/exchange.rs`: only the methods of `Exchange` may block; the rest may be used from async code.
#[test]
fn only_an_exchange_may_block() {
    let code = read("src/exchange.rs");
    let (before, rest) = code.split_once("pub trait Exchange").expect("the trait");
    let (_, after) = rest.split_once("\n}").expect("its end");
    let other = [before, after, &read("src/exchange/cancellation.rs")].concat();
    let other: String = other.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    for blocking in ["recv(", ".wait(", "park(", "sleep(", ".join()", "block_on(", "Condvar", "await"] {
        assert!(!other.contains(blocking), "{blocking}");
    }
    // The one lock there protects a waker, and is dropped before the waker is called.
    assert_eq!(other.matches(".lock()").count(), 1);
}

/// Scripts learn of a function from a guide, so each function of the module is in one.
#[test]
fn every_function_is_in_a_guide() {
    let guides: String = sources(&root().join("docs"), "md").into_iter().map(read).collect();
    let stub = read("c/functions.stub.php");
    let functions: Vec<&str> =
        stub.lines().filter_map(|line| line.strip_prefix("function ")?.split('(').next()).collect();
    assert!(functions.len() > 10, "the functions are found: {functions:?}");
    let missing: Vec<_> = functions.iter().filter(|name| !guides.contains(&format!("{name}("))).collect();
    assert!(missing.is_empty(), "in no guide: {missing:?}");
}
