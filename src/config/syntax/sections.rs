//! Separates the top level of a file into the global options and the sites.

use super::super::diagnostic::{Diagnostic, Position};
use super::super::findings::Findings;
use super::lexer::Token;
use super::tree::{Node, excerpt};

/// A site before its words are checked.
pub(crate) struct RawSite {
    /// The addresses, without their commas. There is at least one.
    pub(crate) addresses: Vec<Token>,
    /// The directives.
    pub(crate) body: Vec<Node>,
    /// Where the site starts.
    pub(crate) position: Position,
}

/// The parts of a Caddyfile.
pub(crate) struct Sections {
    /// The directives of the global options block.
    pub(crate) global: Vec<Node>,
    /// The sites in the order of the file.
    pub(crate) sites: Vec<RawSite>,
}

/// Splits the top of a file. The first block without a name holds the global options; a first line that opens no
/// block is the address of a site whose directives are all lines that follow.
pub(crate) fn split_sections(nodes: Vec<Node>, findings: &mut Findings) -> Sections {
    let mut sections = Sections { global: Vec::new(), sites: Vec::new() };
    let mut nodes = nodes.into_iter().enumerate();
    while let Some((index, node)) = nodes.next() {
        match node {
            Node { words, block: Some(block), position } if words.is_empty() => {
                // A block whose address is an empty variable holds no options; their errors would mislead.
                if index == 0 && !findings.has_empty_variable(&position.file, position.line) {
                    sections.global = block;
                } else {
                    findings.report(
                        Diagnostic::error(&position, "this block has no address").with_hint(
                            "the global options come first in the file, once; a site starts with its address",
                        ),
                    );
                }
            }
            Node { words, block: Some(body), position } => {
                sections.sites.push(RawSite { addresses: split_addresses(words), body, position });
            }
            Node { words, block: None, position } if sections.sites.is_empty() => {
                let body = nodes.by_ref().map(|(_, node)| node).collect();
                sections.sites.push(RawSite { addresses: split_addresses(words), body, position });
            }
            node => {
                let message = format!("`{}` is outside of every site", excerpt(node.name()));
                findings.report(
                    Diagnostic::error(&node.position, message)
                        .with_hint("put directives between the braces of a site, and braces around every site"),
                );
            }
        }
    }
    sections
}

/// Splits `a.example,b.example`, and drops the commas at the ends of words.
fn split_addresses(words: Vec<Token>) -> Vec<Token> {
    let mut addresses = Vec::with_capacity(words.len());
    for word in words {
        for part in word.text.split(',').filter(|part| !part.is_empty()) {
            addresses.push(Token { text: part.to_owned(), ..word.clone() });
        }
    }
    addresses
}
