//! `hot_reload` in a block of PHP: open pages are loaded again when watched files change.

use super::super::context::Context;
use super::super::model::ScopeLabel;
use super::super::syntax::{Node, Token};
use super::super::uri::encoded_query_value;
use super::super::values;
use super::super::watch::HOT_RELOAD_DEFAULT;
use super::super::workers::HotReload;
use super::worker_words::{is_free_topic, patterns};

/// Where the pages of the block find the stream of changes, as in FrankenPHP.
const VARIABLE: &str = "FRANKENPHP_HOT_RELOAD";

/// `hot_reload [PATTERN…] [{ topic TOPIC, watch PATTERN… }]` as written.
#[derive(Debug, Default)]
pub(super) struct HotReloadDraft {
    topic: Option<String>,
    watch: Vec<Token>,
}

impl HotReloadDraft {
    pub(super) fn read(node: &Node, context: &mut Context<'_>) -> Self {
        let mut draft = Self { topic: None, watch: node.args().to_vec() };
        for child in node.children() {
            match (child.name(), child.args()) {
                ("topic", [word]) => {
                    let topic = values::filled(word, "the topic", context).unwrap_or_default();
                    if !topic.is_empty() && !is_free_topic(topic) {
                        context.error(&word.position, "this cannot be the topic of changed files");
                    }
                    draft.topic = Some(topic.to_owned());
                }
                ("watch", words @ [_, ..]) => draft.watch.extend_from_slice(words),
                _ => context.usage_error(&child.position, "the block has `topic TOPIC` and `watch PATTERN…`"),
            }
        }
        if draft.watch.is_empty() {
            let position = node.position.clone();
            draft.watch.push(Token { text: HOT_RELOAD_DEFAULT.to_owned(), quoted: false, from_env: false, position });
        }
        draft
    }

    /// Completes it, and returns it with the variable for the pages of its block.
    pub(super) fn finish(self, label: &ScopeLabel, context: &mut Context<'_>) -> (HotReload, (String, String)) {
        let topic = self.topic.unwrap_or_else(|| format!("urn:igor:hot-reload:{label}"));
        let url = format!("/.well-known/mercure?topic={}", encoded_query_value(&topic));
        let watch = patterns(&self.watch, context.working_dir, "hot_reload [PATTERN…]", context);
        (HotReload { topic, watch }, (VARIABLE.to_owned(), url))
    }
}
