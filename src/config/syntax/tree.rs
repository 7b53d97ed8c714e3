//! Groups logical lines into directives and their blocks.

use super::super::diagnostic::{Diagnostic, Position};
use super::super::findings::Findings;
use super::super::limits;
use super::lexer::Token;

/// One directive: the words of its line and its block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// The words. Empty only for a block without a name, as the global options are.
    pub(crate) words: Vec<Token>,
    /// The directives between its braces, if it has them.
    pub(crate) block: Option<Vec<Node>>,
    /// Where the line starts.
    pub(crate) position: Position,
}

impl Node {
    /// The first word, or nothing for a block without a name.
    pub(crate) fn name(&self) -> &str {
        self.words.first().map_or("", |word| &word.text)
    }

    /// The words behind the name.
    pub(crate) fn args(&self) -> &[Token] {
        self.words.get(1..).unwrap_or_default()
    }

    /// The directives of the block; none when there is no block.
    pub(crate) fn children(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }
}

/// A block that is being read.
struct Open {
    words: Vec<Token>,
    position: Position,
    brace: Position,
    nodes: Vec<Node>,
}

/// Builds the tree of one file. Unbalanced braces are reported, and reading continues.
pub(crate) fn build(lines: Vec<Vec<Token>>, findings: &mut Findings) -> Vec<Node> {
    let mut top = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut suspect = None;
    let mut lines = lines.into_iter();
    while let Some(mut words) = lines.next() {
        if words[0].is_bare("}") {
            suspect = suspect.or_else(|| suspected(open.last(), &words[0]));
            close(&words, &mut open, &mut top, findings);
            continue;
        }
        while open.is_empty() && words.last().is_some_and(|word| !word.quoted && word.text.ends_with(',')) {
            let Some(more) = lines.next() else { break };
            words.extend(more);
        }
        let position = words[0].position.clone();
        let brace = opening_brace(&mut words, findings);
        cut_stray_braces(&mut words, findings);
        match brace {
            Some(brace) if open.len() >= limits::BLOCK_DEPTH_MAX => {
                let message = format!("blocks are nested more than {} deep here", limits::BLOCK_DEPTH_MAX);
                findings.report(Diagnostic::error(&brace, message));
                return top;
            }
            Some(brace) => open.push(Open { words, position, brace, nodes: Vec::new() }),
            None => siblings(&mut open, &mut top).push(Node { words, block: None, position }),
        }
    }
    while let Some(block) = open.pop() {
        let (place, hint) = match suspect.take() {
            Some((brace, line)) => (brace, format!("add a line with `}}` before line {line}")),
            None => (block.brace.clone(), "add a line with `}`".to_owned()),
        };
        findings.report(Diagnostic::error(&place, "this block is not closed").with_hint(hint));
        finish(block, &mut open, &mut top);
    }
    top
}

/// The brace of a block that is indented more than the `}` that closes it, with the line of that: if a `}` is missing
/// somewhere, it is most likely the one of this block.
fn suspected(block: Option<&Open>, closing: &Token) -> Option<(Position, usize)> {
    let block = block.filter(|block| block.position.column > closing.position.column)?;
    let is_above = block.position.file == closing.position.file && block.position.line < closing.position.line;
    is_above.then(|| (block.brace.clone(), closing.position.line))
}

/// The list that receives the next directive.
fn siblings<'a>(open: &'a mut [Open], top: &'a mut Vec<Node>) -> &'a mut Vec<Node> {
    match open.last_mut() {
        Some(block) => &mut block.nodes,
        None => top,
    }
}

fn finish(block: Open, open: &mut [Open], top: &mut Vec<Node>) {
    let node = Node { words: block.words, block: Some(block.nodes), position: block.position };
    siblings(open, top).push(node);
}

fn close(words: &[Token], open: &mut Vec<Open>, top: &mut Vec<Node>, findings: &mut Findings) {
    match open.pop() {
        Some(block) => finish(block, open, top),
        None => findings.report(Diagnostic::error(&words[0].position, "this `}` closes no block")),
    }
    if let Some(word) = words.get(1) {
        let message = format!("`{}` follows a closing brace on the same line", excerpt(&word.text));
        findings.report(Diagnostic::error(&word.position, message).with_hint("put `}` on a line of its own"));
    }
}

/// Removes the `{` from the end of a line. A `{` without a space before it is reported, and opens the block too.
fn opening_brace(words: &mut Vec<Token>, findings: &mut Findings) -> Option<Position> {
    if let Some(brace) = words.pop_if(|word| word.is_bare("{")) {
        return Some(brace.position);
    }
    let last = words.last_mut().filter(|word| !word.quoted)?;
    let stem = last.text.strip_suffix('{')?.to_owned();
    let message = format!("`{}` ends with a brace", excerpt(&last.text));
    findings.report(Diagnostic::error(&last.position, message).with_hint("put a space before `{`"));
    last.text = stem;
    Some(last.position.clone())
}

fn is_brace(word: &Token) -> bool {
    !word.quoted && matches!(word.text.as_str(), "{" | "}" | "{}")
}

/// As in Caddy, a brace belongs at the end of a line or on its own line; elsewhere it is almost always a mistake. It is
/// reported, and the rest of the line is skipped, because it would only cause further errors.
fn cut_stray_braces(words: &mut Vec<Token>, findings: &mut Findings) {
    let Some(at) = words.iter().position(is_brace) else { return };
    let brace = &words[at];
    let hint = if brace.text == "{" {
        "put a line break behind `{`, or quote it if it is text"
    } else {
        "put `}` on a line of its own, or quote it if it is text"
    };
    let message = format!("`{}` cannot stand in the middle of a line", brace.text);
    findings.report(Diagnostic::error(&brace.position, message).with_hint(hint));
    words.truncate(at);
}

/// A word for a message: shortened if long, with control characters escaped.
pub(crate) fn excerpt(text: &str) -> String {
    const CHARS_SHOWN: usize = 60;
    let mut shown: String = text.chars().take(CHARS_SHOWN).collect();
    if text.chars().nth(CHARS_SHOWN).is_some() {
        shown.push('…');
    }
    shown.chars().flat_map(escape).collect()
}

fn escape(character: char) -> Vec<char> {
    if character.is_control() { character.escape_default().collect() } else { vec![character] }
}
