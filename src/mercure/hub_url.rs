//! The URL of a hub, and topics as URLs.

use std::cell::OnceCell;
use std::sync::{Arc, LazyLock};

use url::Url;

/// The URL of the hub, as the client of a request knows it. Relative topics and URL patterns belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubUrl(Arc<Url>);

static ANY_HUB: LazyLock<HubUrl> = LazyLock::new(|| {
    let url = Url::parse("http://localhost/.well-known/mercure");
    HubUrl(Arc::new(url.expect("the text is a URL")))
});

impl Default for HubUrl {
    fn default() -> Self {
        ANY_HUB.clone()
    }
}

impl HubUrl {
    /// The hub of this host, which may have a port.
    #[must_use]
    pub fn new(scheme: &str, host: &str) -> Self {
        let url = Url::parse(&format!("{scheme}://{host}/.well-known/mercure"));
        url.map_or_else(|_| Self::default(), |url| Self(Arc::new(url)))
    }

    pub(super) fn url(&self) -> &Url {
        &self.0
    }

    /// The path of a topic; `None`: it is no URL.
    pub(super) fn path_of(&self, topic: &str) -> Option<String> {
        self.0.join(topic).ok().map(|url| url.path().to_owned())
    }
}

/// A topic that is compared with selectors.
pub struct Topic<'t> {
    text: &'t str,
    hub: &'t HubUrl,
    /// Many selectors need it; `None`: it is no URL.
    url: OnceCell<Option<Url>>,
}

impl<'t> Topic<'t> {
    /// A topic of this hub.
    #[must_use]
    pub fn new(text: &'t str, hub: &'t HubUrl) -> Self {
        Self { text, hub, url: OnceCell::new() }
    }

    pub(super) fn text(&self) -> &str {
        self.text
    }

    pub(super) fn url(&self) -> Option<&Url> {
        self.url.get_or_init(|| self.hub.0.join(self.text).ok()).as_ref()
    }
}
