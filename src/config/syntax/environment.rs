//! `{env.NAME}`: Caddy reads the variable when it uses the value. The environment of a server does not change while it
//! runs, so it is put in when the configuration is read.

use super::super::diagnostic::{Diagnostic, Position};
use super::super::findings::Findings;
use super::super::limits;
use super::fill::{Budget, fill};
use super::in_expression::Place;
use super::lexer::{Environment, Token};
use super::tree::{Node, excerpt};

/// Puts the variables of the environment in.
pub(super) struct Variables<'a, 'e> {
    pub(super) env: &'a Environment<'e>,
    pub(super) findings: &'a mut Findings,
    pub(super) budget: &'a mut Budget,
}

impl Variables<'_, '_> {
    /// Does so in the lines of `node`.
    pub(super) fn fill_node(&mut self, node: &mut Node) {
        if node.words.iter().any(|word| word.text.contains("{env.")) && self.fill_expression(node) {
            return;
        }
        // Empty means the usual one.
        let algorithm = matches!(node.name(), "publisher_jwt" | "subscriber_jwt").then_some(2);
        for (index, word) in node.words.iter_mut().enumerate().filter(|(_, word)| word.text.contains("{env.")) {
            word.from_env = word.text.starts_with("{env.");
            self.fill_word(word, algorithm != Some(index));
        }
        node.block.iter_mut().flatten().for_each(|child| self.fill_node(child));
    }

    /// `warns`: an empty value is most likely a mistake, and is reported.
    fn fill_word(&mut self, word: &mut Token, warns: bool) {
        let env = self.env;
        let mut empty: Vec<(String, bool)> = Vec::new();
        word.text = fill(&word.text, "{env.", self.budget, |name| {
            let value = env(name);
            if value.as_deref().unwrap_or_default().is_empty() && empty.len() < limits::EMPTY_VARIABLES_MAX {
                empty.push((name.to_owned(), value.is_some()));
            }
            Some(value.unwrap_or_default())
        });
        for (name, is_set) in empty.into_iter().filter(|_| warns) {
            self.warn(&word.position, &name, is_set);
        }
    }

    fn warn(&mut self, position: &Position, name: &str, is_set: bool) {
        let reason = if is_set { "the variable is empty" } else { "the environment has no such variable" };
        let placeholder = format!("{{env.{}}}", excerpt(name));
        self.findings.note_empty(position, placeholder.clone());
        self.findings.report(Diagnostic::warning(position, format!("`{placeholder}` is always empty: {reason}")));
    }

    /// Fills a line that is an expression, and says whether it is one. An expression may ask whether a variable is empty,
    /// so nothing is reported.
    fn fill_expression(&mut self, node: &mut Node) -> bool {
        let is_matcher = node.words[0].text.starts_with('@');
        let first = match node.words.as_slice() {
            [word, _, ..] if word.is_bare("expression") => 1,
            [_, word, _, ..] if is_matcher && word.is_bare("expression") => 2,
            [_, word] if is_matcher && word.quoted => 1,
            _ => return false,
        };
        let env = self.env;
        let words = &mut node.words[first..];
        // In a line of several words, a quoted one is a text.
        let is_line = words.len() > 1;
        let mut place = Place::default();
        let mut refused = None;
        for word in words {
            if is_line && word.quoted {
                self.fill_word(word, false);
                continue;
            }
            let budget = &mut *self.budget;
            let mut value = |name: &str| Some(env(name).unwrap_or_default()).filter(|value| budget.spend(value));
            match place.fill(&word.text, &mut value) {
                Ok(text) => word.text = text,
                Err(quote) => refused = Some((word.position.clone(), quote)),
            }
        }
        if let Some((position, quote)) = refused {
            let message = format!("the value of an `{{env.NAME}}` has a {quote}, which ends the raw text around it");
            let hint = "write the placeholder outside of the text, or a text that is not raw";
            self.findings.report(Diagnostic::error(&position, message).with_hint(hint));
        }
        true
    }
}
