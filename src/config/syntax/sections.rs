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

/// Which names are known, from the tables of directives.
#[derive(Clone, Copy)]
pub(crate) struct Names {
    /// Whether a directive of a site has this name.
    pub(crate) is_site_directive: fn(&str) -> bool,
    /// Whether a global option has it, or a line of the `frankenphp` block among them.
    pub(crate) is_global_option: fn(&str) -> bool,
}

/// Splits the top of a file. The first block without a name holds the global options. A line that opens no block is the
/// address of a site whose directives are all lines that follow. `names` separates misplaced lines from
/// addresses.
pub(crate) fn split_sections(nodes: Vec<Node>, names: Names, findings: &mut Findings) -> Sections {
    let mut sections = Sections { global: Vec::new(), sites: Vec::new() };
    let mut nodes = nodes.into_iter().enumerate().peekable();
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
            node @ Node { block: None, .. } if !sections.sites.is_empty() && (names.is_site_directive)(node.name()) => {
                let message = format!("`{}` is outside of every site", excerpt(node.name()));
                findings.report(
                    Diagnostic::error(&node.position, message)
                        .with_hint("put directives between the braces of a site, and braces around every site"),
                );
            }
            node @ Node { block: None, .. } if !sections.sites.is_empty() && (names.is_global_option)(node.name()) => {
                let message = format!("`{}` is outside of every block", excerpt(node.name()));
                findings.report(Diagnostic::error(&node.position, message).with_hint(
                    "global options, `frankenphp` among them, are in the first block of the file, which has no address",
                ));
            }
            Node { words, block: None, position } => {
                let body = std::iter::from_fn(|| nodes.next_if(|(_, node)| !is_second_site(node, names)));
                let body = body.map(|(_, node)| node).collect();
                if let Some((_, second)) = nodes.peek() {
                    refuse_second_site(second, words.first(), findings);
                }
                sections.sites.push(RawSite { addresses: split_addresses(words), body, position });
            }
        }
    }
    sections
}

/// Whether a line behind a site without braces can only be the address of another one. No name of a directive has a dot or a
/// colon.
fn is_second_site(node: &Node, names: Names) -> bool {
    let name = node.name();
    let is_address = name.contains(['.', ':', ',']) || name == "localhost";
    is_address && !name.starts_with('@') && !(names.is_site_directive)(name)
}

/// As in Caddy, a site without braces reaches to the end of the file. The second one is read as a site all the same, so that
/// its own mistakes are shown too.
fn refuse_second_site(second: &Node, address: Option<&Token>, findings: &mut Findings) {
    let first = address.map_or("", |word| &word.text);
    let message = format!(
        "`{}` is in the site `{}`, which has no braces and so reaches to the end of the file",
        excerpt(second.name()),
        excerpt(first)
    );
    findings.report(
        Diagnostic::error(&second.position, message)
            .with_hint("write `{` behind the address of each site, and `}` after its last line"),
    );
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
