//! The parts of one component of a URL pattern (the URL Pattern standard, "Parsing pattern strings").

use super::automaton::{Automaton, Builder, Built};

/// Why a pattern is not valid.
pub(super) type Wrong = &'static str;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Char(char),
    Escaped(char),
    Name(String),
    Regex(String),
    Open,
    Close,
    /// `?` or `+`.
    Modifier(char),
    Asterisk,
}

impl Token {
    /// Whether it is this character, and nothing more.
    pub(super) fn is(&self, letter: char) -> bool {
        matches!(self, Self::Char(own) | Self::Escaped(own) if *own == letter)
    }
}

/// The tokens with their places. Where the whole is divided into components, what is no token there may be one in a component, so
/// it is read as characters.
pub(super) fn tokens(chars: &[char], is_strict: bool) -> Result<Vec<(usize, Token)>, Wrong> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let start = at;
        at += 1;
        let token = match chars[start] {
            '*' => Token::Asterisk,
            letter @ ('?' | '+') => Token::Modifier(letter),
            '{' => Token::Open,
            '}' => Token::Close,
            '\\' if at < chars.len() => {
                at += 1;
                Token::Escaped(chars[start + 1])
            }
            ':' if chars.get(at).is_some_and(|letter| is_name(*letter, true)) => {
                at += chars[at..].iter().take_while(|letter| is_name(**letter, false)).count();
                Token::Name(chars[start + 1..at].iter().collect())
            }
            '(' => match regex_end(chars, at) {
                Some(end) => {
                    at = end + 1;
                    Token::Regex(chars[start + 1..end].iter().collect())
                }
                None if is_strict => return Err("a regular expression in it is not valid"),
                None => Token::Char('('),
            },
            ':' | '\\' if is_strict => return Err("a `:` or `\\` in it has nothing behind it"),
            letter => Token::Char(letter),
        };
        tokens.push((start, token));
    }
    Ok(tokens)
}

fn is_name(letter: char, is_first: bool) -> bool {
    letter == '_' || letter == '$' || if is_first { letter.is_alphabetic() } else { letter.is_alphanumeric() }
}

/// The place of the `)` that ends the regular expression which begins here.
fn regex_end(chars: &[char], start: usize) -> Option<usize> {
    let mut at = start;
    let mut depth = 1;
    while let Some(letter) = chars.get(at) {
        match letter {
            '?' if at == start => return None,
            letter if !letter.is_ascii() => return None,
            '\\' => at += 1,
            '(' if chars.get(at + 1) != Some(&'?') => return None,
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (at > start).then_some(at);
        }
        at += 1;
    }
    None
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Modifier {
    None,
    Optional,
    OneOrMore,
    ZeroOrMore,
}

#[derive(Debug, PartialEq, Eq)]
enum Value {
    /// The text is in the prefix.
    Fixed,
    /// At least one character, and no delimiter.
    Segment,
    /// Any text.
    All,
    Regex(String),
}

#[derive(Debug)]
struct Part {
    prefix: String,
    value: Value,
    suffix: String,
    modifier: Modifier,
}

/// What a component has of its own.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    /// Where the value of a name ends.
    pub(super) delimiter: Option<u8>,
    /// The character that belongs to the name behind it.
    pub(super) prefix: Option<char>,
    /// Encodes its text as a URL does.
    pub(super) encoded: fn(&str) -> Result<String, Wrong>,
}

/// What a component of a URL must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    Any,
    Text(Box<str>),
    Pattern(Automaton),
}

impl Rule {
    /// Reads the pattern of a component; `None`: there is none.
    pub(super) fn read(pattern: Option<&str>, kind: Kind) -> Result<Self, Wrong> {
        let Some(pattern) = pattern else { return Ok(Self::Any) };
        let chars: Vec<char> = pattern.chars().collect();
        let tokens = tokens(&chars, true)?.into_iter().map(|(_, token)| token).collect();
        let mut reader = Reader { tokens, at: 0, kind, parts: Vec::new(), fixed: String::new(), names: Vec::new() };
        reader.read()?;
        let parts = reader.parts;
        match parts.as_slice() {
            [Part { value: Value::All, modifier: Modifier::None, prefix, suffix }]
                if prefix.is_empty() && suffix.is_empty() =>
            {
                return Ok(Self::Any);
            }
            _ => {}
        }
        if parts.iter().all(|part| part.value == Value::Fixed && part.modifier == Modifier::None) {
            return Ok(Self::Text(parts.into_iter().map(|part| part.prefix).collect::<String>().into()));
        }
        let (mut builder, end) = Builder::new();
        let start = parts.iter().rev().try_fold(end, |behind, part| repeat(&mut builder, part, kind, behind))?;
        Ok(Self::Pattern(builder.finish(start)))
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Text(own) => **own == *text,
            Self::Pattern(automaton) => automaton.matches(text),
        }
    }

    pub(super) fn steps(&self) -> usize {
        if let Self::Pattern(automaton) = self { automaton.steps() } else { 0 }
    }
}

fn repeat(builder: &mut Builder, part: &Part, kind: Kind, behind: u32) -> Built {
    let one = |builder: &mut Builder, behind| once(builder, part, kind, behind);
    match part.modifier {
        Modifier::None => one(builder, behind),
        Modifier::Optional => builder.optional(behind, one),
        Modifier::OneOrMore => builder.repeated(behind, one),
        Modifier::ZeroOrMore => {
            let inside = builder.repeated(behind, one)?;
            builder.optional(behind, |_, _| Ok(inside))
        }
    }
}

fn once(builder: &mut Builder, part: &Part, kind: Kind, behind: u32) -> Built {
    let behind = builder.text(part.suffix.as_bytes(), behind)?;
    let behind = match &part.value {
        Value::Fixed => behind,
        Value::Segment => builder.repeated(behind, |builder, behind| builder.any_but(kind.delimiter, behind))?,
        Value::All => {
            let inside = builder.repeated(behind, |builder, behind| builder.any_but(None, behind))?;
            builder.optional(behind, |_, _| Ok(inside))?
        }
        Value::Regex(text) => builder.regex(text, behind)?,
    };
    builder.text(part.prefix.as_bytes(), behind)
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    kind: Kind,
    parts: Vec<Part>,
    /// Text that has not become a part yet.
    fixed: String,
    names: Vec<String>,
}

impl Reader {
    fn read(&mut self) -> Result<(), Wrong> {
        while self.at < self.tokens.len() {
            let letter = self.take(|token| if let Token::Char(letter) = token { Some(*letter) } else { None });
            let value = self.value()?;
            if let Some(value) = value {
                let mut prefix = letter.map(String::from).unwrap_or_default();
                if letter.is_some() && letter != self.kind.prefix {
                    self.fixed.push_str(&prefix);
                    prefix.clear();
                }
                let modifier = self.modifier();
                self.add(prefix, Some(value), String::new(), modifier)?;
                continue;
            }
            let escaped = |token: &Token| if let Token::Escaped(letter) = token { Some(*letter) } else { None };
            if let Some(letter) = letter.or_else(|| self.take(escaped)) {
                self.fixed.push(letter);
                continue;
            }
            if self.take(|token| (*token == Token::Open).then_some(())).is_none() {
                return Err("a `?`, `+` or `}` in it has nothing before it");
            }
            let prefix = self.text();
            let value = self.value()?;
            let suffix = self.text();
            self.take(|token| (*token == Token::Close).then_some(())).ok_or("a `{` in it has no `}`")?;
            let modifier = self.modifier();
            self.add(prefix, value, suffix, modifier)?;
        }
        self.add_fixed()
    }

    /// The next token, if it is one of these.
    fn take<T>(&mut self, wanted: impl Fn(&Token) -> Option<T>) -> Option<T> {
        let taken = wanted(self.tokens.get(self.at)?)?;
        self.at += 1;
        Some(taken)
    }

    /// `:name`, `(regex)`, both, or `*`.
    fn value(&mut self) -> Result<Option<Value>, Wrong> {
        let name = self.take(|token| if let Token::Name(name) = token { Some(name.clone()) } else { None });
        let regex = self.take(|token| if let Token::Regex(text) = token { Some(text.clone()) } else { None });
        let is_all =
            name.is_none() && regex.is_none() && self.take(|token| (*token == Token::Asterisk).then_some(())).is_some();
        if let Some(name) = &name {
            if self.names.contains(name) {
                return Err("two names in it are the same");
            }
            self.names.push(name.clone());
        }
        Ok(match (name, regex) {
            (_, Some(text)) if text == ".*" => Some(Value::All),
            (_, Some(text)) => Some(Value::Regex(text)),
            (Some(_), None) => Some(Value::Segment),
            (None, None) => is_all.then_some(Value::All),
        })
    }

    fn text(&mut self) -> String {
        let mut text = String::new();
        let letter = |token: &Token| match token {
            Token::Char(letter) | Token::Escaped(letter) => Some(*letter),
            _ => None,
        };
        while let Some(letter) = self.take(letter) {
            text.push(letter);
        }
        text
    }

    fn modifier(&mut self) -> Modifier {
        let modifier = self.take(|token| match token {
            Token::Modifier('?') => Some(Modifier::Optional),
            Token::Modifier(_) => Some(Modifier::OneOrMore),
            Token::Asterisk => Some(Modifier::ZeroOrMore),
            _ => None,
        });
        modifier.unwrap_or(Modifier::None)
    }

    fn add(&mut self, prefix: String, value: Option<Value>, suffix: String, modifier: Modifier) -> Result<(), Wrong> {
        if value.is_none() && modifier == Modifier::None {
            self.fixed.push_str(&prefix);
            return Ok(());
        }
        self.add_fixed()?;
        let encoded = self.kind.encoded;
        let value = value.unwrap_or(Value::Fixed);
        let (prefix, suffix) = (encoded(&prefix)?, encoded(&suffix)?);
        self.parts.push(Part { prefix, value, suffix, modifier });
        Ok(())
    }

    fn add_fixed(&mut self) -> Result<(), Wrong> {
        if !self.fixed.is_empty() {
            let prefix = (self.kind.encoded)(&std::mem::take(&mut self.fixed))?;
            self.parts.push(Part { prefix, value: Value::Fixed, suffix: String::new(), modifier: Modifier::None });
        }
        Ok(())
    }
}
