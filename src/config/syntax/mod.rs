//! From the text of a Caddyfile to a tree of directives, every word with its place.
//!
//! This is written here, and not taken from a library, because the contract asks for line and column on every word
//! after imports, snippets and environment variables were put in, and for Caddy's own rules of quoting, heredocs and
//! braces.

mod import;
mod lexer;
mod sections;
mod tree;

pub(crate) use import::{Unreadable, not_utf8, open_regular, read_document, read_file};
pub(crate) use lexer::Token;
pub(crate) use sections::{RawSite, Sections, split_sections};
pub(crate) use tree::{Node, excerpt};

#[cfg(test)]
pub(crate) use lexer::tokenize;
