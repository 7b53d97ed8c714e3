//! What a program declares beside the text of a Caddyfile: the same directives, made of words, so nothing needs quotes. A
//! place in messages is that of the call in the program's source.

use super::diagnostic::Position;
use super::syntax::{Node, RawSite, Sections, Token};
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;

/// A directive: its words, and the directives of its block.
#[derive(Debug, Clone)]
pub struct Declaration {
    words: Vec<String>,
    block: Option<Vec<Declaration>>,
    place: &'static Location<'static>,
}

impl Declaration {
    /// A directive of these words. Placeholders in them have their value, as in a Caddyfile; variables of the environment as
    /// `{$NAME}` have none.
    #[track_caller]
    pub fn new<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Self {
        let words = words.into_iter().map(Into::into).collect();
        Self { words, block: None, place: Location::caller() }
    }

    /// Names it otherwise, at the same place.
    pub fn name(&mut self, words: Vec<String>) {
        self.words = words;
    }

    /// Adds a directive to its block.
    pub fn add(&mut self, declaration: Declaration) {
        self.block.get_or_insert_default().push(declaration);
    }

    fn into_node(self) -> Node {
        let Self { words, block, place } = self;
        let position = position(place);
        let words = words.into_iter().map(|text| word(text, &position)).collect();
        Node { words, block: block.map(nodes), position }
    }
}

/// What a program declares.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    /// Of the `frankenphp` block.
    pub frankenphp: Vec<Declaration>,
    /// Of the global options.
    pub global: Vec<Declaration>,
    /// Sites: the words of each are its addresses.
    pub sites: Vec<Declaration>,
}

impl Declared {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frankenphp.is_empty() && self.global.is_empty() && self.sites.is_empty()
    }

    /// Adds all of it to what a text has declared.
    pub(super) fn add_to(self, sections: &mut Sections) {
        sections.global.extend(nodes(self.global));
        if let Some(first) = self.frankenphp.first() {
            let position = position(first.place);
            if !sections.global.iter().any(|node| node.name() == FRANKENPHP) {
                let words = vec![word(FRANKENPHP.to_owned(), &position)];
                sections.global.push(Node { words, block: None, position });
            }
            let block = sections.global.iter_mut().find(|node| node.name() == FRANKENPHP);
            block.into_iter().for_each(|block| {
                block.block.get_or_insert_default().extend(nodes(self.frankenphp.clone()));
            });
        }
        for site in self.sites {
            let Node { words, block, position } = site.into_node();
            sections.sites.push(RawSite { addresses: words, body: block.unwrap_or_default(), position });
        }
    }
}

const FRANKENPHP: &str = "frankenphp";

fn nodes(declarations: Vec<Declaration>) -> Vec<Node> {
    declarations.into_iter().map(Declaration::into_node).collect()
}

/// Quoted: a brace in it is text.
fn word(text: String, position: &Position) -> Token {
    Token { text, quoted: true, from_env: false, position: position.clone() }
}

fn position(place: &Location<'_>) -> Position {
    let (line, column) = (place.line() as usize, place.column() as usize);
    Position { file: Arc::from(Path::new(place.file())), line, column }
}
