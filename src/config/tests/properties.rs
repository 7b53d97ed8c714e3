//! Whatever the text: reading it ends, and its errors point into it.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::super::{Diagnostic, Handler, directive_docs, format, parse};

/// Words that pass the parser's first check, for arbitrary text.
const WORDS: &[&str] = &[
    "{",
    "}",
    "\n",
    "\n",
    "\n",
    " ",
    "\t",
    "\\\n",
    "\"",
    "`",
    "#",
    "<<END",
    "END",
    ",",
    "(s)",
    "import",
    "s",
    "*",
    "@m",
    ":80",
    "http://a.example",
    "https://b",
    "[::1]:8",
    "{$A}",
    "{$B:x y}",
    "{env.A}",
    "{args[0]}",
    "{args[:]}",
    "{args.1}",
    "{host}",
    "frankenphp",
    "worker",
    "php_server",
    "php",
    "root",
    "file",
    "background",
    "name",
    "num",
    "max_threads",
    "env",
    "watch",
    "match",
    "path",
    "not",
    "header",
    "respond",
    "redir",
    "file_server",
    "log",
    "admin",
    "vars",
    "bind",
    "1",
    "-1",
    "30s",
    "64KiB",
    "99999999999999999999",
    "/p/*",
    "*.php",
    "ü",
    "\u{0}",
    "\u{feff}",
    "[",
    "{a,b}",
    "**",
];

fn text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        8 => prop::sample::select(WORDS).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    let separated = (word, prop::bool::weighted(0.7)).prop_map(|(word, space)| if space { word + " " } else { word });
    prop::collection::vec(separated, 0..60).prop_map(|words| words.concat())
}

/// Whole lines inside a site, so that directives are reached.
fn site() -> impl Strategy<Value = String> {
    let line = prop::collection::vec(prop::sample::select(WORDS), 1..6).prop_map(|words| {
        words.into_iter().filter(|word| !word.contains(['\n', '{', '}'])).collect::<Vec<_>>().join(" ")
    });
    let block = (line.clone(), prop::collection::vec(line, 0..5), any::<bool>())
        .prop_map(|(head, lines, block)| if block { format!("{head} {{\n{}\n}}", lines.join("\n")) } else { head });
    prop::collection::vec(block, 0..8).prop_map(|blocks| format!(":80 {{\n{}\n}}\n", blocks.join("\n")))
}

/// Directives in the blocks that have them, with words of their own syntax: what arbitrary words rarely meet.
fn directives() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<u16>(), 0..120).prop_map(|numbers| {
        let mut choose = Chooser { numbers: numbers.into_iter() };
        let (options, site) = (choose.block("the global options", 3), choose.block("a block of routes", 3));
        let more = choose.block("a site", 3);
        format!("{{\n{options}}}\n:80 {{\n{site}{more}}}\n")
    })
}

/// Chooses by numbers; without one, the first of everything.
struct Chooser {
    numbers: std::vec::IntoIter<u16>,
}

impl Chooser {
    fn below(&mut self, count: usize) -> usize {
        self.numbers.next().map_or(0, usize::from) % count.max(1)
    }

    /// Lines of directives of this block.
    fn block(&mut self, name: &str, depth: usize) -> String {
        let docs = directive_docs();
        let known: Vec<_> = docs.iter().filter(|doc| doc.block == name).collect();
        let mut text = String::new();
        for _ in 0..if known.is_empty() { 0 } else { self.below(5) } {
            let doc = known[self.below(known.len())];
            let own = doc.usage.split([' ', '|', '[', ']', '…', '{', '}']).filter(|word| !word.is_empty()).skip(1);
            let own: Vec<&str> = own.collect();
            let mut words = vec![doc.name];
            for _ in 0..self.below(4) {
                let word = WORDS[self.below(WORDS.len())];
                let of_own = self.below(3) > 0 && !own.is_empty();
                words.push(if of_own { own[self.below(own.len())] } else { word });
            }
            words.retain(|word| !word.contains(['\n', '#', '"', '`', '<']));
            text.push_str(&words.join(" "));
            let inner = docs.iter().map(|doc| doc.block).find(|block| {
                let words = block.split('`').nth(1).unwrap_or_default();
                words.split(' ').next() == Some(doc.name) && words.split(' ').all(|word| text.contains(word))
            });
            if let Some(inner) = inner.filter(|_| depth > 0 && self.below(4) > 0) {
                text.push_str(&format!(" {{\n{}}}", self.block(inner, depth - 1)));
            }
            text.push('\n');
        }
        text
    }
}

/// The folder of inputs that fuzzing has kept.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/configurations");

/// Keeps the shortest input for each kind of error, if `FUZZ_KEEPS` is set, as by `make fuzz`.
fn keep(text: &str, errors: &[Diagnostic]) {
    if std::env::var_os("FUZZ_KEEPS").is_none() {
        return;
    }
    for error in errors {
        // The message without what it quotes and without paths, as the name of a file.
        let (before, after) = error.message.split_once('`').unwrap_or((error.message.as_str(), ""));
        let after = after.rsplit('`').next().unwrap_or_default();
        let words = before.split(' ').chain(after.split(' ')).filter(|word| !word.contains('/'));
        let letters = |word: &str| word.chars().filter(char::is_ascii_alphabetic).collect::<String>();
        let kind = words.map(letters).filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
        let path = Path::new(CORPUS).join(&kind[..kind.len().min(80)]).with_extension("txt");
        if fs::metadata(&path).is_ok_and(|known| known.len() <= text.len() as u64) {
            continue;
        }
        fs::write(&path, text).expect("the folder of kept inputs can be written");
    }
}

/// What fuzzing has kept: at least one input for each kind of error that it has met.
#[test]
fn kept_inputs_give_a_configuration_or_errors_with_a_place() {
    let kept = fs::read_dir(CORPUS).expect("the folder of kept inputs");
    let paths: Vec<_> = kept.map(|entry| entry.expect("an entry").path()).collect();
    assert!(paths.len() >= 40, "{} kept inputs", paths.len());
    for path in paths {
        let text = fs::read_to_string(&path).expect("a text");
        check(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if let Ok(formatted) = format(&text) {
            assert_eq!(format(&formatted).expect("it has the words of the text"), formatted, "{}", path.display());
        }
    }
}

/// Parses `text`, and checks that every error is at a place that an editor can show.
fn check(text: &str) -> Result<(), TestCaseError> {
    let origin = Path::new("/nonexistent/Caddyfile");
    let environment = |name: &str| (name == "A").then(|| "a {\nb".to_owned());
    let Err(errors) = parse(text, origin, &environment) else { return Ok(()) };
    keep(text, &errors);
    prop_assert!(!errors.is_empty());
    let lines: Vec<&str> = text.strip_prefix('\u{feff}').unwrap_or(text).split('\n').collect();
    for error in errors {
        prop_assert_eq!(&*error.file, origin);
        prop_assert!((1..=lines.len()).contains(&error.line), "{}", error);
        let columns = lines[error.line - 1].chars().count() + 1;
        prop_assert!((1..=columns).contains(&error.column), "{}", error);
        prop_assert!(!error.message.is_empty());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_words_give_a_configuration_or_errors_with_a_place(text in text()) {
        check(&text)?;
    }

    #[test]
    fn arbitrary_directives_give_a_configuration_or_errors_with_a_place(text in site()) {
        check(&text)?;
    }

    #[test]
    fn the_directives_of_each_block_give_a_configuration_or_errors_with_a_place(text in directives()) {
        check(&text)?;
    }

    #[test]
    fn arbitrary_characters_give_a_configuration_or_errors_with_a_place(text in any::<String>()) {
        check(&text)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_formatted_text_has_the_same_words_and_stays_as_it_is(text in prop_oneof![text(), site(), any::<String>()]) {
        if let Ok(formatted) = format(&text) {
            prop_assert_eq!(format(&formatted).expect("it has the words of the text"), formatted);
        }
    }
}

/// Each run added a line.
#[test]
fn a_text_that_would_not_stay_as_it_is_is_refused() {
    let error = format("\"\"\"{$\"{$A} \"").expect_err("its quotes depend on variables");
    assert!(error.to_string().ends_with("cannot be formatted without a change of its words"), "{error}");
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    let text = format!(":80 {{\n{}", "a {\n".repeat(100_000));
    let errors = parse(&text, Path::new("/nonexistent/Caddyfile"), &|_| None).expect_err("an error");
    assert_eq!(errors[0].to_string(), "/nonexistent/Caddyfile:33:3: blocks are nested more than 32 deep here");
}

/// A parser that looks ahead to the end of the line for each word, or copies the rest of it, would need an hour or all
/// memory for these lines. The test's deadline is the proof.
#[test]
fn long_lines_are_read_once() {
    for (part, count) in [("{$", 1_500_000), ("{$:", 1_000_000), ("{", 4_000_000), ("{a", 3_000_000)] {
        let text = format!(":80 {{\nrespond `{}`\n}}\n", part.repeat(count));
        let config = parse(&text, Path::new("/nonexistent/Caddyfile"), &|_| None).expect("braces are text");
        let Handler::Respond(respond) = &config.sites[0].routes[0].handler else { panic!("no respond") };
        assert_eq!(respond.body.as_literal().map(str::len), Some(part.len() * count), "{part}");
    }
    let text = format!(":80 {{\nrespond {}\n}}\n", "<<a b ".repeat(400_000));
    let errors = parse(&text, Path::new("/nonexistent/Caddyfile"), &|_| None).expect_err("too many arguments");
    assert_eq!(errors.len(), 1, "{errors:?}");
    let text = format!(":80 {{\n{}\n}}\n", "x".repeat(8_000_000));
    let errors = parse(&text, Path::new("/nonexistent/Caddyfile"), &|_| None).expect_err("no directive");
    assert_eq!(errors.len(), 1, "{errors:?}");
}

#[test]
fn any_number_of_nots_is_one_or_two() {
    let matcher = |nots: usize| {
        let text = format!(":80 {{\n@m {} path /a\nrespond @m yes\n}}\n", "not ".repeat(nots));
        let config = parse(&text, Path::new("/nonexistent/Caddyfile"), &|_| None).expect("a configuration");
        config.sites[0].routes[0].matcher.clone()
    };
    assert_eq!(matcher(20_000), matcher(2));
    assert_eq!(matcher(20_001), matcher(1));
    assert_ne!(matcher(1), matcher(2));
}
