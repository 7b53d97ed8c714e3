//! URL patterns (the URL Pattern standard of WHATWG): `https://example.com/books/:id`. Relative ones and relative topics belong to the
//! URL of the hub.

use url::Url;

use super::pattern_parts::{Kind, Rule, Token, Wrong, tokens};

/// A pattern, in components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UrlPattern {
    protocol: Rule,
    hostname: Rule,
    port: Rule,
    pathname: Rule,
    search: Rule,
    hash: Rule,
}

impl UrlPattern {
    pub(super) fn read(text: &str, hub: &Url) -> Result<Self, Wrong> {
        let mut components = Components::split(text)?;
        components.inherit(hub);
        let Components { protocol, hostname, port, pathname, search, hash, .. } = components;
        let protocol = Rule::read(protocol.as_deref(), PROTOCOL)?;
        let is_default = |port: &&str| matches!(&protocol, Rule::Text(scheme) if default_port(scheme) == Some(*port));
        let port = if port.as_deref().filter(is_default).is_some() { Some(String::new()) } else { port };
        let is_path = is_special(&protocol) || pathname.as_deref().is_some_and(|path| path.starts_with('/'));
        Ok(Self {
            hostname: Rule::read(hostname.as_deref(), HOSTNAME)?,
            port: Rule::read(port.as_deref(), PORT)?,
            pathname: Rule::read(pathname.as_deref(), if is_path { PATHNAME } else { OPAQUE })?,
            search: Rule::read(search.as_deref(), SEARCH)?,
            hash: Rule::read(hash.as_deref(), HASH)?,
            protocol,
        })
    }

    pub(super) fn matches(&self, url: &Url) -> bool {
        let port = url.port().map(|port| port.to_string()).unwrap_or_default();
        self.protocol.matches(url.scheme())
            && self.hostname.matches(url.host_str().unwrap_or_default())
            && self.port.matches(&port)
            && self.pathname.matches(url.path())
            && self.search.matches(url.query().unwrap_or_default())
            && self.hash.matches(url.fragment().unwrap_or_default())
    }

    /// What a byte of a topic can cost, in the unit of a template's variable. Reading the topic as a URL takes two.
    pub(super) fn steps(&self) -> usize {
        let Self { protocol, hostname, port, pathname, search, hash } = self;
        2 + [protocol, hostname, port, pathname, search, hash].into_iter().map(Rule::steps).sum::<usize>()
    }
}

fn is_special(protocol: &Rule) -> bool {
    ["ftp", "file", "http", "https", "ws", "wss"].iter().any(|scheme| protocol.matches(scheme))
}

fn default_port(scheme: &str) -> Option<&'static str> {
    match scheme {
        "http" | "ws" => Some("80"),
        "https" | "wss" => Some("443"),
        "ftp" => Some("21"),
        _ => None,
    }
}

// --- How the text of each component is written in a URL -------------------------------------------------------------

const PROTOCOL: Kind = Kind { delimiter: None, prefix: None, encoded: |text| Ok(text.to_ascii_lowercase()) };
const HOSTNAME: Kind = Kind { delimiter: Some(b'.'), prefix: None, encoded: hostname };
const PORT: Kind = Kind { delimiter: None, prefix: None, encoded: port };
const PATHNAME: Kind = Kind { delimiter: Some(b'/'), prefix: Some('/'), encoded: pathname };
const OPAQUE: Kind =
    Kind { delimiter: None, prefix: None, encoded: |text| changed("data:x", |url| url.set_path(text), Url::path) };
const SEARCH: Kind = Kind {
    delimiter: None,
    prefix: None,
    encoded: |text| changed("http://a", |url| url.set_query(Some(text)), |url| url.query().unwrap_or_default()),
};
const HASH: Kind = Kind {
    delimiter: None,
    prefix: None,
    encoded: |text| changed("http://a", |url| url.set_fragment(Some(text)), |url| url.fragment().unwrap_or_default()),
};

/// A component of this URL after a change.
fn changed(url: &str, change: impl FnOnce(&mut Url), component: impl Fn(&Url) -> &str) -> Result<String, Wrong> {
    let mut url = Url::parse(url).map_err(|_| "it cannot be part of a URL")?;
    change(&mut url);
    Ok(component(&url).to_owned())
}

fn hostname(text: &str) -> Result<String, Wrong> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:%".contains(&byte);
    if !text.bytes().all(is_name) {
        return Err("its host is not in ASCII, or has characters that no host has");
    }
    Ok(text.to_ascii_lowercase())
}

fn port(text: &str) -> Result<String, Wrong> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("its port is no number");
    }
    Ok(text.to_owned())
}

/// The standard's way to encode a piece that does not begin with a slash: behind one, which is removed again.
fn pathname(text: &str) -> Result<String, Wrong> {
    if text.is_empty() {
        return Ok(String::new());
    }
    if text.starts_with('/') {
        return changed("http://a", |url| url.set_path(text), Url::path);
    }
    let encoded = changed("http://a", |url| url.set_path(&format!("/-{text}")), Url::path)?;
    Ok(encoded.strip_prefix("/-").unwrap_or(&encoded).to_owned())
}

// --- Division into components (the standard, "Parse a constructor string") ---------------------------------------------

#[derive(Debug, Default)]
struct Components {
    protocol: Option<String>,
    hostname: Option<String>,
    port: Option<String>,
    pathname: Option<String>,
    search: Option<String>,
    hash: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Start,
    Protocol,
    Authority,
    Hostname,
    Port,
    Pathname,
    Search,
    Hash,
    Done,
}

struct Splitter<'p> {
    chars: &'p [char],
    tokens: &'p [(usize, Token)],
    at: usize,
    /// The first token of the component.
    start: usize,
    groups: usize,
    brackets: usize,
    place: Place,
    is_special: bool,
    components: Components,
}

impl Components {
    fn split(text: &str) -> Result<Self, Wrong> {
        let chars: Vec<char> = text.chars().collect();
        let tokens = tokens(&chars, false)?;
        let mut splitter = Splitter {
            chars: &chars,
            tokens: &tokens,
            at: 0,
            start: 0,
            groups: 0,
            brackets: 0,
            place: Place::Start,
            is_special: false,
            components: Self::default(),
        };
        splitter.run()?;
        let mut components = splitter.components;
        if components.hostname.is_some() && components.port.is_none() {
            components.port = Some(String::new());
        }
        Ok(components)
    }

    /// What a relative pattern takes from the URL of the hub.
    fn inherit(&mut self, hub: &Url) {
        if self.protocol.is_some() {
            return;
        }
        self.protocol = Some(escaped(hub.scheme()));
        if self.hostname.is_some() {
            return;
        }
        self.hostname = Some(escaped(hub.host_str().unwrap_or_default()));
        if self.port.is_some() {
            return;
        }
        self.port = Some(hub.port().map(|port| port.to_string()).unwrap_or_default());
        match &mut self.pathname {
            Some(path) => {
                let is_absolute = ["/", "\\/", "{/"].iter().any(|start| path.starts_with(start));
                if let Some((folder, _)) = hub.path().rsplit_once('/').filter(|_| !is_absolute) {
                    *path = format!("{}/{path}", escaped(folder));
                }
            }
            None => {
                self.pathname = Some(escaped(hub.path()));
                self.search = self.search.take().or(Some(String::new()));
            }
        }
    }
}

/// As text of a pattern.
fn escaped(text: &str) -> String {
    let mut pattern = String::new();
    for letter in text.chars() {
        if "+*?:{}()\\".contains(letter) {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

impl Splitter<'_> {
    fn run(&mut self) -> Result<(), Wrong> {
        loop {
            if self.at >= self.tokens.len() {
                if !self.end() {
                    return Ok(());
                }
                continue;
            }
            match &self.tokens[self.at].1 {
                Token::Open => self.groups += 1,
                Token::Close if self.groups > 0 => self.groups -= 1,
                _ if self.groups > 0 => {}
                _ if self.step()? => continue,
                _ => {}
            }
            self.at += 1;
        }
    }

    /// At the end of the text; whether there is more to do: what was found to be no protocol or authority is read again.
    fn end(&mut self) -> bool {
        match self.place {
            Place::Start => {
                self.at = self.start;
                let (place, skipped) = if self.is('#', 0) {
                    (Place::Hash, 1)
                } else if self.is_search() {
                    (Place::Search, 1)
                } else {
                    (Place::Pathname, 0)
                };
                self.enter(place, skipped);
                true
            }
            Place::Authority => {
                self.again(Place::Hostname);
                true
            }
            _ => {
                self.enter(Place::Done, 0);
                false
            }
        }
    }

    /// Looks at a token; whether another component begins, in which it is looked at again.
    fn step(&mut self) -> Result<bool, Wrong> {
        match self.place {
            Place::Start if self.is(':', 0) => self.again(Place::Protocol),
            Place::Protocol if self.is(':', 0) => {
                let scheme = Rule::read(Some(&self.text()), PROTOCOL)?;
                self.is_special = is_special(&scheme);
                if self.is('/', 1) && self.is('/', 2) {
                    self.enter(Place::Authority, 3);
                } else if self.is_special {
                    self.enter(Place::Authority, 1);
                } else {
                    self.enter(Place::Pathname, 1);
                }
            }
            Place::Authority if self.is('@', 0) => return Err("it has a name or a password"),
            Place::Authority if self.is('/', 0) || self.is_search() || self.is('#', 0) => self.again(Place::Hostname),
            Place::Hostname if self.is('[', 0) => {
                self.brackets += 1;
                return Ok(false);
            }
            Place::Hostname if self.is(']', 0) => {
                self.brackets = self.brackets.saturating_sub(1);
                return Ok(false);
            }
            Place::Hostname if self.is(':', 0) && self.brackets == 0 => self.enter(Place::Port, 1),
            Place::Hostname | Place::Port if self.is('/', 0) => self.enter(Place::Pathname, 0),
            Place::Hostname | Place::Port | Place::Pathname if self.is_search() => self.enter(Place::Search, 1),
            Place::Hostname | Place::Port | Place::Pathname | Place::Search if self.is('#', 0) => {
                self.enter(Place::Hash, 1)
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Whether the token at this distance is this character.
    fn is(&self, letter: char, distance: usize) -> bool {
        self.tokens.get(self.at + distance).is_some_and(|(_, token)| token.is(letter))
    }

    /// Whether a query begins: a `?` that does not make what is before it optional.
    fn is_search(&self) -> bool {
        if self.is('?', 0) {
            return true;
        }
        let before = self.at.checked_sub(1).map(|at| &self.tokens[at].1);
        self.tokens.get(self.at).is_some_and(|(_, token)| *token == Token::Modifier('?'))
            && !matches!(before, Some(Token::Name(_) | Token::Regex(_) | Token::Close | Token::Asterisk))
    }

    /// The text of the component until here.
    fn text(&self) -> String {
        let place = |token: usize| self.tokens.get(token).map_or(self.chars.len(), |(at, _)| *at);
        self.chars[place(self.start)..place(self.at)].iter().collect()
    }

    /// Reads what was read once more, as another component.
    fn again(&mut self, place: Place) {
        self.at = self.start;
        self.place = place;
    }

    /// Ends a component; the next one begins behind some tokens.
    fn enter(&mut self, next: Place, skipped: usize) {
        let text = self.text();
        let before = self.place;
        let components = &mut self.components;
        match before {
            Place::Protocol => components.protocol = Some(text),
            Place::Hostname => components.hostname = Some(text),
            Place::Port => components.port = Some(text),
            Place::Pathname => components.pathname = Some(text),
            Place::Search => components.search = Some(text),
            Place::Hash => components.hash = Some(text),
            Place::Start | Place::Authority | Place::Done => {}
        }
        // What was skipped is empty, because something behind it is there.
        if before != Place::Start && next != Place::Done {
            if before <= Place::Authority && next >= Place::Port && components.hostname.is_none() {
                components.hostname = Some(String::new());
            }
            if before <= Place::Port && next >= Place::Search && components.pathname.is_none() {
                components.pathname = Some(if self.is_special { "/" } else { "" }.to_owned());
            }
            if before <= Place::Pathname && next == Place::Hash && components.search.is_none() {
                components.search = Some(String::new());
            }
        }
        self.place = next;
        self.at += skipped;
        self.start = self.at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, topic: &str) -> Result<bool, Wrong> {
        let hub = Url::parse("https://hub.example/.well-known/mercure").expect("it is a URL");
        UrlPattern::read(pattern, &hub).map(|pattern| hub.join(topic).is_ok_and(|topic| pattern.matches(&topic)))
    }

    #[test]
    fn patterns_match_as_in_a_browser() {
        for (pattern, topic, expected) in [
            ("https://example.com/books/:id", "https://example.com/books/1", true),
            ("https://example.com/books/:id", "https://example.com/books/1/reviews", false),
            ("https://example.com/books/:id", "https://example.com/books/", false),
            ("https://example.com/books/:id", "https://EXAMPLE.com:443/books/1?a=b#c", true),
            ("https://example.com/books/:id", "http://example.com/books/1", false),
            ("https://example.com/books/:id", "https://example.com:8443/books/1", false),
            ("https://example.com:443/books/:id", "https://example.com/books/1", true),
            ("https://example.com:8443/*", "https://example.com:8443/books/1", true),
            ("http{s}?://example.com/books", "http://example.com/books", true),
            ("https://*.example.com/books", "https://a.b.example.com/books", true),
            ("https://:site.example.com/books", "https://a.b.example.com/books", false),
            ("https://:site.example.com/books", "https://a.example.com/books", true),
            ("https://example.com/books/*", "https://example.com/books/1/reviews/2", true),
            ("https://example.com/books/*", "https://example.com/books", false),
            ("https://example.com/books{/:id}?", "https://example.com/books", true),
            ("https://example.com/books/:id?", "https://example.com/books", true),
            ("https://example.com/:path+", "https://example.com/a/b/c", true),
            ("https://example.com/:path*/end", "https://example.com/end", true),
            ("https://example.com/books/:id.json", "https://example.com/books/1.json", true),
            ("https://example.com/books/:id(\\d+)", "https://example.com/books/12", true),
            ("https://example.com/books/:id(\\d+)", "https://example.com/books/a", false),
            ("https://example.com/feed/:type(news|alerts)", "https://example.com/feed/alerts", true),
            ("https://example.com/feed/:type(news|alerts)", "https://example.com/feed/other", false),
            ("https://example.com/:a([a-c]{2,3})", "https://example.com/abc", true),
            ("https://example.com/:a([a-c]{2,3})", "https://example.com/abca", false),
            ("https://example.com/:a([a-c]{2,})", "https://example.com/abcabc", true),
            ("https://example.com/:a([a-c]{2,})", "https://example.com/a", false),
            ("https://example.com/:a((?:xy)*)", "https://example.com/xyxy", true),
            ("https://example.com/search\\?q=:word", "https://example.com/search?q=cat", true),
            ("https://example.com/search?q=:word", "https://example.com/search?q=", false),
            ("https://example.com/b\u{fc}cher", "https://example.com/b%C3%BCcher", true),
            ("https://example.com/a b", "https://example.com/a%20b", true),
            ("https://example.com", "https://example.com/any", true),
            ("https://example.com/*", "https://example.com/", true),
            ("*://*/books/:id", "ftp://example.org/books/1", true),
            ("/books/:id", "/books/1", true),
            ("/books/:id", "https://hub.example/books/1", true),
            ("/books/:id", "https://other.example/books/1", false),
            ("https://hub.example/books/:id", "/books/1", true),
            (":name", "name", true),
            (":name", "/name", false),
            ("/.well-known/mercure/:a/:b/:c", "/.well-known/mercure/exact/https%3A%2F%2Fa%2Fb/urn%3A1", true),
            ("?page=:number", "?page=2", true),
            ("#:part", "#a", true),
            ("urn\\:books\\::id", "urn:books:1", true),
            ("urn\\:books\\::id", "urn:users:1", false),
            ("https://[\\:\\:1]/:id", "https://[::1]/1", true),
            ("https://example.com/:a", "not a url: %zz\\", false),
        ] {
            assert_eq!(matches(pattern, topic), Ok(expected), "{pattern} {topic}");
        }
    }

    #[test]
    fn patterns_that_are_none() {
        for pattern in [
            "https://example.com/(unclosed",
            "https://example.com/{a",
            "https://example.com/:id/:id",
            "https://example.com/(?=a)",
            "https://example.com/((a))",
            "https://example.com/(^a)",
            "https://example.com/(a\\b)",
            "https://example.com/(\u{e9})",
            "https://example.com/(a{4000})",
            "https://example.com/((?:(?:(?:a{100}){100}){100}){100})",
            "https://user:word@example.com/",
            "https://ex ample.com/",
            "https://example.com:8x/",
            "https://example.com/+",
            "https://example.com/\\",
            "https://example.com/a}",
        ] {
            assert!(matches(pattern, "/").is_err(), "{pattern}");
        }
    }

    /// What an expression of a browser would follow one way after the other.
    #[test]
    fn no_pattern_takes_long() {
        let topic = format!("/{}", "a".repeat(4000));
        let began = std::time::Instant::now();
        for pattern in ["/((?:a+)+b)", "/((?:a|a|a)*b)", "/((?:a?){300}b)", &format!("/{}b", "*{x}?".repeat(300))] {
            assert_eq!(matches(pattern, &topic), Ok(false), "{pattern}");
        }
        assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    }
}
