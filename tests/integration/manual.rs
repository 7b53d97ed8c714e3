//! The manual knows every message that the functions of background workers throw, and what to do about it.
//!
//! Messages are taken from the sources, with wildcards where values are put in; the first column of the manual's tables holds
//! them abbreviated by `…`. Each matches the other's wildcards, so a row documents a message if enough of their common
//! literal text agrees.

use std::fs;
use std::path::Path;

/// This many letters must agree, or all letters of a shorter message.
const AGREEING_LETTERS: usize = 15;

/// One character of a message or row, or a wildcard (`None`).
type Pattern = Vec<Option<char>>;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()))
}

/// The literals of a source file, with escapes resolved as far as messages use them, and where each begins.
fn literals(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut rest = code.char_indices().peekable();
    while let Some((start, sign)) = rest.next() {
        match sign {
            // Comments hold quotes too.
            '/' if code[start..].starts_with("//") => while rest.next_if(|&(_, sign)| sign != '\n').is_some() {},
            '/' if code[start..].starts_with("/*") => {
                let end = start + code[start..].find("*/").expect("a comment has an end");
                while rest.next_if(|&(at, _)| at < end).is_some() {}
            }
            '\'' if code[start..].starts_with("'\"'") => drop(rest.nth(1)),
            '"' => {
                let mut text = String::new();
                while let Some((_, sign)) = rest.next() {
                    match sign {
                        '"' => break,
                        '\\' => match rest.next() {
                            Some((_, '\n')) => while rest.next_if(|&(_, sign)| sign.is_whitespace()).is_some() {},
                            Some((_, escaped)) => text.push(escaped),
                            None => break,
                        },
                        sign => text.push(sign),
                    }
                }
                found.push((start, text));
            }
            _ => {}
        }
    }
    found
}

/// Whether a literal of C is a message: other literals there are names.
fn is_sentence(text: &str) -> bool {
    text.matches(' ').count() >= 2
}

/// A message whose values `format!` puts in between braces.
fn rust_message(text: &str) -> Pattern {
    let text = text.replace("{{", "\u{1}").replace("}}", "\u{2}");
    let mut pattern = vec![None];
    let mut inside = false;
    for sign in text.chars() {
        match sign {
            '{' => inside = true,
            '}' => {
                inside = false;
                pattern.push(None);
            }
            _ if inside => {}
            '\u{1}' => pattern.push(Some('{')),
            '\u{2}' => pattern.push(Some('}')),
            sign => pattern.push(Some(sign)),
        }
    }
    pattern.push(None);
    pattern
}

/// A message into which `%s` puts values.
fn c_message(text: &str) -> Pattern {
    let mut pattern = vec![None];
    for (number, part) in text.split("%s").enumerate() {
        if number > 0 {
            pattern.push(None);
        }
        pattern.extend(part.chars().map(Some));
    }
    pattern.push(None);
    pattern
}

fn messages() -> Vec<(String, Pattern)> {
    let mut messages = Vec::new();
    for file in ["c/background.c", "c/errors.c", "c/response.c", "c/module.c", "c/vars.c", "c/enums.c", "c/worker.c"] {
        let texts = literals(&read(file)).into_iter().map(|(_, text)| text).filter(|text| is_sentence(text));
        messages.extend(texts.map(|text| (format!("{file}: {text}"), c_message(&text))));
    }
    for file in ["src/worker/messages.rs", "src/vars/refusal.rs"] {
        let code = read(file);
        let code = code.split("#[cfg(test)]").next().expect("there is code");
        let texts = literals(code).into_iter().map(|(_, text)| text).filter(|text| is_sentence(text));
        messages.extend(texts.map(|text| (format!("{file}: {text}"), rust_message(&text))));
    }
    for file in [
        "src/worker/scope.rs",
        "src/php/host.rs",
        "src/php/workers.rs",
        "src/php/context.rs",
        "src/php/context/workers.rs",
    ] {
        let code = read(file);
        for (start, text) in literals(&code) {
            let before = code[..start].trim_end().trim_end_matches("format!(").trim_end();
            let thrown = ["Failure::runtime(", "Failure::value("].iter().any(|call| before.ends_with(call));
            if thrown && is_sentence(&text) {
                messages.push((format!("{file}: {text}"), rust_message(&text)));
            }
        }
    }
    messages
}

/// The messages in the tables of the manual's last section, each with its cure.
fn rows() -> Vec<(String, Pattern)> {
    let manual = read("docs/background-workers.md");
    let (_, section) = manual.split_once("\n## Error messages").expect("the section is there");
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let (message, cure) = row[3..].split_once("` | ").unwrap_or_else(|| panic!("no cure: {row}"));
        assert!(cure.len() > " |".len(), "no cure: {row}");
        (message.to_owned(), message.chars().map(|sign| Some(sign).filter(|&sign| sign != '…')).collect())
    })
    .collect()
}

/// The most signs that are literal in both, when one can be read as the other at all.
fn agreement(one: &Pattern, other: &Pattern) -> Option<usize> {
    // best[j]: of one[i..] and other[j..], from the end to the start.
    let mut best: Vec<Option<usize>> = vec![None; other.len() + 1];
    for i in (0..=one.len()).rev() {
        let below = best.clone();
        for j in (0..=other.len()).rev() {
            best[j] = match (one.get(i), other.get(j)) {
                (None, None) => Some(0),
                (Some(Some(a)), Some(Some(b))) => {
                    if a == b {
                        below[j + 1].map(|count| count + 1)
                    } else {
                        None
                    }
                }
                (left, right) => {
                    let wildcard = left == Some(&None) || right == Some(&None);
                    let without_left = if wildcard && left.is_some() { below[j] } else { None };
                    let without_right = if wildcard && right.is_some() { best[j + 1] } else { None };
                    without_left.max(without_right)
                }
            };
        }
    }
    best[0]
}

fn documents(row: &Pattern, message: &Pattern) -> bool {
    let letters = message.iter().flatten().count();
    agreement(row, message).is_some_and(|count| count >= AGREEING_LETTERS.min(letters))
}

#[test]
fn patterns_agree_by_their_letters() {
    let row = |text: &str| text.chars().map(|sign| Some(sign).filter(|&sign| sign != '…')).collect::<Pattern>();
    let message = rust_message("worker \"{name}\" has been given up: {why}; see the log");
    assert!(documents(&row("worker \"a\" has been given up: …"), &message));
    assert!(documents(&row("… has been given up: 6 attempts; see the log"), &message));
    assert!(!documents(&row("… has been given away: 6 attempts; see the log"), &message));
    assert!(!documents(&row("…"), &message));
    assert!(!documents(&row("worker \"…"), &message));
    assert!(documents(&row("… must not be 7"), &c_message("must not be %s")));
}

#[test]
fn every_message_is_in_the_manual_with_its_cure() {
    let (rows, messages) = (rows(), messages());
    assert!(rows.len() > 20 && messages.len() > 30, "{} rows, {} messages", rows.len(), messages.len());
    let missing: Vec<&str> = messages
        .iter()
        .filter(|(_, message)| !rows.iter().any(|(_, row)| documents(row, message)))
        .map(|(text, _)| text.as_str())
        .collect();
    assert!(missing.is_empty(), "these are not in docs/background-workers.md:\n{}", missing.join("\n"));
    let stale: Vec<&str> = rows
        .iter()
        .filter(|(_, row)| !messages.iter().any(|(_, message)| documents(row, message)))
        .map(|(text, _)| text.as_str())
        .collect();
    assert!(stale.is_empty(), "docs/background-workers.md has what no source says:\n{}", stale.join("\n"));
}

/// The documented messages of a section that has no backquotes around them.
fn plain_rows(document: &str, heading: &str) -> Vec<(String, Pattern)> {
    let manual = read(document);
    let (_, section) = manual.split_once(heading).unwrap_or_else(|| panic!("{document} has no {heading}"));
    let section = section.split("\n## ").next().expect("there is a section");
    let rows = section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| message"));
    rows.map(|row| {
        let (message, cure) = row[2..].split_once(" | ").unwrap_or_else(|| panic!("no cure: {row}"));
        assert!(cure.len() > " |".len(), "no cure: {row}");
        (message.to_owned(), message.chars().map(|sign| Some(sign).filter(|&sign| sign != '…')).collect())
    })
    .collect()
}

#[test]
fn every_message_of_tasks_and_stores_is_in_its_manual_with_its_cure() {
    for (files, document, heading) in [
        (&["src/php/tasks.rs", "src/php/open_tasks.rs"][..], "docs/tasks.md", "\n## Error messages"),
        (
            &["src/php/stores.rs", "src/php/open_stores.rs", "src/php/cluster_stores.rs"],
            "docs/stores.md",
            "\n## What the messages mean",
        ),
    ] {
        let rows = plain_rows(document, heading);
        let texts = files.iter().flat_map(|file| literals(&read(file))).map(|(_, text)| text);
        let is_message = |text: &String| is_sentence(text) && text.contains(char::is_alphabetic);
        let messages: Vec<_> = texts.filter(is_message).map(|text| (rust_message(&text), text)).collect();
        assert!(rows.len() > 8 && messages.len() > 10, "{document}: {} rows, {} messages", rows.len(), messages.len());
        let missing: Vec<_> = messages
            .iter()
            .filter(|(message, _)| !rows.iter().any(|(_, row)| documents(row, message)))
            .map(|(_, text)| text.as_str())
            .collect();
        assert!(missing.is_empty(), "these are not in {document}:\n{}", missing.join("\n"));
    }
}
