//! From the text of a Caddyfile to a tree of directives, with the place of every word.
//!
//! No library does all that is needed here. Every word has its line and column, even after imports, snippets and
//! environment variables. Quoting, heredocs and braces follow Caddy's own rules.

mod environment;
mod fill;
mod import;
mod in_expression;
mod lexer;
mod sections;
mod tree;

#[cfg(feature = "http")]
pub(crate) use import::not_utf8;
pub(crate) use import::{Unreadable, open_regular, read_document, read_file};
pub(crate) use lexer::{Token, tokenize};
pub(crate) use sections::{Names, RawSite, Sections, split_sections};
pub(crate) use tree::{Node, excerpt};
