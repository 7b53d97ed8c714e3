//! Topic selectors: `*`, a topic, a URI template, or a URL pattern.

use super::hub_url::{HubUrl, Topic};
use super::template::Template;
use super::update::is_topic;
use super::url_pattern::UrlPattern;

/// Selects topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    kind: SelectorKind,
    text: Box<str>,
    rule: Rule,
}

/// What a text says as a selector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SelectorKind {
    /// A topic, or a URI template: the selectors of Mercure 0.x.
    Topic,
    /// A topic: the matcher type `exact` of Mercure 1.0.
    Exact,
    /// The matcher type `urlpattern`.
    UrlPattern,
}

impl SelectorKind {
    /// The matcher types of Mercure 1.0, with their names.
    pub const MATCH_TYPES: [(&'static str, Self); 2] = [("exact", Self::Exact), ("urlpattern", Self::UrlPattern)];

    /// The name of the matcher type; `None`: it is not of Mercure 1.0.
    #[must_use]
    pub fn match_type(self) -> Option<&'static str> {
        Self::MATCH_TYPES.iter().find(|(_, kind)| *kind == self).map(|(name, _)| *name)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    /// `*`.
    All,
    /// The topic that is spelled like it.
    Same,
    /// The topics that it can expand to, and the one that is spelled like it.
    Template(Template),
    Pattern(Box<UrlPattern>),
}

/// A text that is no selector of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSelector {
    /// It cannot be a topic.
    #[error("a selector is empty, too long, or contains a control character")]
    Text,
    /// It is no URL pattern.
    #[error("a URL pattern is not valid: {0}")]
    Pattern(&'static str),
}

impl Selector {
    /// A selector of Mercure 0.x. A text that is no template is literal.
    #[must_use]
    pub fn topic(text: &str) -> Self {
        let rule = Template::read(text).filter(|_| text.contains('{')).map_or(Rule::Same, Rule::Template);
        Self::new(SelectorKind::Topic, text, rule)
    }

    /// The matcher type `exact`.
    #[must_use]
    pub fn exact(text: &str) -> Self {
        Self::new(SelectorKind::Exact, text, Rule::Same)
    }

    /// The matcher type `urlpattern`.
    ///
    /// # Errors It is no URL pattern.
    pub fn url_pattern(text: &str, hub: &HubUrl) -> Result<Self, NoSelector> {
        let rule = match text {
            "*" => Rule::All,
            text => Rule::Pattern(Box::new(UrlPattern::read(text, hub.url()).map_err(NoSelector::Pattern)?)),
        };
        Ok(Self::new(SelectorKind::UrlPattern, text, rule))
    }

    /// A selector of this kind.
    ///
    /// # Errors The text cannot be one.
    pub fn read(kind: SelectorKind, text: &str, hub: &HubUrl) -> Result<Self, NoSelector> {
        if !is_topic(text) {
            return Err(NoSelector::Text);
        }
        match kind {
            SelectorKind::Topic => Ok(Self::topic(text)),
            SelectorKind::Exact => Ok(Self::exact(text)),
            SelectorKind::UrlPattern => Self::url_pattern(text, hub),
        }
    }

    fn new(kind: SelectorKind, text: &str, rule: Rule) -> Self {
        Self { kind, text: text.into(), rule: if text == "*" { Rule::All } else { rule } }
    }

    pub(super) fn kind(&self) -> SelectorKind {
        self.kind
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it selects the topic.
    #[must_use]
    pub fn matches(&self, topic: &Topic<'_>) -> bool {
        match &self.rule {
            Rule::All => true,
            Rule::Same => *self.text == *topic.text(),
            Rule::Template(template) => *self.text == *topic.text() || template.matches(topic.text()),
            Rule::Pattern(pattern) => topic.url().is_some_and(|url| pattern.matches(url)),
        }
    }

    /// Whether it may select a topic that begins like this. Says so of some that do not.
    pub(super) fn reaches(&self, start: &str) -> bool {
        match &self.rule {
            Rule::All | Rule::Pattern(_) => true,
            Rule::Same => self.text.starts_with(start),
            Rule::Template(template) => template.start().starts_with(start) || start.starts_with(template.start()),
        }
    }

    /// What it costs to compare, in walks over the topic beyond the first.
    pub(super) fn variables(&self) -> usize {
        match &self.rule {
            Rule::All | Rule::Same => 0,
            Rule::Template(template) => template.variables(),
            Rule::Pattern(pattern) => pattern.steps(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &Selector, topic: &str) -> bool {
        selector.matches(&Topic::new(topic, &HubUrl::default()))
    }

    #[test]
    fn a_selector_is_a_topic_a_template_or_a_star() {
        for (selector, topic, expected) in [
            ("*", "anything", true),
            ("/books/1", "/books/1", true),
            ("/books/1", "/books/12", false),
            ("https://example.com/books/{id}", "https://example.com/books/1", true),
            ("https://example.com/books/{id}", "https://example.com/books/1/reviews", false),
            ("https://example.com/books/{id}", "https://example.com/books/", true),
            ("https://example.com/books/{id}", "https://example.org/books/1", false),
            ("https://example.com/books/{id}.jsonld", "https://example.com/books/a.b.jsonld", true),
            ("https://example.com/{+path}", "https://example.com/a/b?c=d", true),
            ("https://example.com/{path}", "https://example.com/a?b", false),
            ("https://example.com{/path*}", "https://example.com/a/b/c", true),
            ("https://example.com{/path}", "https://example.com/a/b", false),
            ("https://example.com{/path}", "https://example.com", true),
            ("/users/foo/{?topic}", "/users/foo/?topic=https%3A%2F%2Fexample.com", true),
            ("/users/foo/{?topic}", "/users/foo/?other=1", false),
            ("/users/foo/{?topic}", "/users/foo/", true),
            ("/users/foo/{?a,b}", "/users/foo/?a=1&b=2", true),
            ("/users/foo/{?a,b}", "/users/foo/?b=2", true),
            ("/users/foo/{?a,b}", "/users/foo/?b=2&a=1", false),
            ("/search{?q*}", "/search?x=1&y=2", true),
            ("/map/{x,y}", "/map/1024,768", true),
            ("/a{#part}", "/a#part/1", true),
            ("/a{.ext}", "/a.tar", true),
            ("/a{.ext}", "/atar", false),
            ("/{id}", "/{id}", true),
            ("/{id}", "/b%C3%BCcher", true),
            ("/{id", "/{id", true),
            ("/{id", "/1", false),
            ("/{}", "/1", false),
            ("/{a b}", "/1", false),
            ("{a}{b}{c}{d}{e}{f}{g}", &"x".repeat(4000), true),
        ] {
            assert_eq!(matches(&Selector::topic(selector), topic), expected, "{selector} {topic}");
        }
    }

    #[test]
    fn selectors_that_cannot_reach_a_topic() {
        for (selector, expected) in [
            ("*", true),
            ("/hub/subscriptions/a", true),
            ("/hub/subscriptions{/topic}", true),
            ("/hub{/path*}", true),
            ("{+any}", true),
            ("/hub", false),
            ("/books/{id}", false),
            ("https://example.com/hub/subscriptions", false),
        ] {
            assert_eq!(Selector::topic(selector).reaches("/hub/subscriptions"), expected, "{selector}");
        }
    }

    #[test]
    fn matchers_of_version_1() {
        let hub = HubUrl::default();
        for (selector, topic, expected) in [
            (Selector::exact("*"), "anything", true),
            (Selector::exact("/books/{id}"), "/books/1", false),
            (Selector::exact("/books/{id}"), "/books/{id}", true),
            (Selector::url_pattern("*", &hub).expect("it is one"), "no URL: \\", true),
            (Selector::url_pattern("/books/:id", &hub).expect("it is one"), "/books/1", true),
            (Selector::url_pattern("/books/:id", &hub).expect("it is one"), "/books/:id", true),
        ] {
            assert_eq!(matches(&selector, topic), expected, "{selector:?} {topic}");
        }
    }
}
