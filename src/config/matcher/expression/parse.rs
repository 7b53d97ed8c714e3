//! The parser of expressions: one function for each level of precedence, lowest first.

use super::super::super::limits;
use super::super::super::text::{Text, word_in_braces};
use super::super::{Matcher, Pattern};
use super::{Call, Comparison, Each, Macro, Method, Node, Operation, Value};

/// A token of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Lexeme {
    Name(String),
    Text(String),
    Number(i64),
    /// A placeholder with its braces.
    Placeholder(String),
    Sign(&'static str),
}

/// Operators, longer ones before their prefixes.
const SIGNS: [&str; 24] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "(", ")", "[", "]", "{", "}", ",", ".", ":", "?", "+", "-", "*",
    "/", "%",
];

pub(super) fn parse(
    source: &str,
    name: &str,
    make_text: &mut dyn FnMut(&str) -> Result<Text, String>,
    make_matcher: &mut dyn FnMut(&Call) -> Result<Matcher, String>,
) -> Result<Node, String> {
    let lexemes = lexemes(source)?;
    let mut parser = Parser { lexemes, at: 0, depth: 0, variables: Vec::new(), name, make_text, make_matcher };
    let root = parser.choice()?;
    match parser.lexemes.get(parser.at) {
        None => Ok(root),
        Some(lexeme) => Err(format!("{} is not expected there", shown(lexeme))),
    }
}

fn shown(lexeme: &Lexeme) -> String {
    match lexeme {
        Lexeme::Name(name) => format!("`{name}`"),
        Lexeme::Text(text) => format!("the text `{text}`"),
        Lexeme::Number(number) => format!("`{number}`"),
        Lexeme::Placeholder(word) => format!("`{word}`"),
        Lexeme::Sign(sign) => format!("`{sign}`"),
    }
}

fn lexemes(source: &str) -> Result<Vec<Lexeme>, String> {
    let mut found = Vec::new();
    let mut rest = source.trim_start();
    while let Some(first) = rest.chars().next() {
        let (lexeme, length) = if first == '"' || first == '\'' || first == '`' {
            quoted(rest, first)?
        } else if let Some(word) = word_in_braces(rest) {
            (Lexeme::Placeholder(format!("{{{word}}}")), word.len() + 2)
        } else if first.is_ascii_digit() {
            let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
            let number = rest[..end].parse().map_err(|_| format!("`{}` is too large a number", &rest[..end]))?;
            (Lexeme::Number(number), end)
        } else if first.is_ascii_alphabetic() || first == '_' {
            let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len());
            (Lexeme::Name(rest[..end].to_owned()), end)
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (Lexeme::Sign(sign), sign.len())
        } else {
            return Err(format!("`{first}` is no sign of an expression"));
        };
        if found.len() == limits::EXPRESSION_WORDS_MAX {
            return Err(format!("it has more than {} words", limits::EXPRESSION_WORDS_MAX));
        }
        found.push(lexeme);
        rest = rest[length..].trim_start();
    }
    Ok(found)
}

/// A text in quotes; a backslash makes the next character literal, or a line break or tab.
fn quoted(text: &str, quote: char) -> Result<(Lexeme, usize), String> {
    let mut value = String::new();
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            _ if letter == quote => return Ok((Lexeme::Text(value), at + quote.len_utf8())),
            '\\' if quote != '`' => match letters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, escaped @ ('\\' | '"' | '\''))) => value.push(escaped),
                Some((_, other)) => value.extend(['\\', other]),
                None => break,
            },
            _ => value.push(letter),
        }
    }
    Err(format!("a text has no closing {quote}"))
}

struct Parser<'p> {
    lexemes: Vec<Lexeme>,
    at: usize,
    depth: usize,
    /// The variables of the macros around this place, the outermost first.
    variables: Vec<String>,
    name: &'p str,
    make_text: &'p mut dyn FnMut(&str) -> Result<Text, String>,
    make_matcher: &'p mut dyn FnMut(&Call) -> Result<Matcher, String>,
}

impl Parser<'_> {
    fn take(&mut self, sign: &str) -> bool {
        let found = matches!(self.lexemes.get(self.at), Some(Lexeme::Sign(other)) if *other == sign);
        self.at += usize::from(found);
        found
    }

    fn need(&mut self, sign: &str) -> Result<(), String> {
        if self.take(sign) {
            return Ok(());
        }
        let instead = self.lexemes.get(self.at).map_or("the end".to_owned(), shown);
        Err(format!("`{sign}` is expected before {instead}"))
    }

    fn choice(&mut self) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > limits::EXPRESSION_DEPTH_MAX {
            return Err(format!("it is nested more than {} deep", limits::EXPRESSION_DEPTH_MAX));
        }
        let condition = self.or()?;
        let node = if self.take("?") {
            let yes = self.choice()?;
            self.need(":")?;
            Node::Choice(condition.into(), yes.into(), self.choice()?.into())
        } else {
            condition
        };
        self.depth -= 1;
        Ok(node)
    }

    /// Operands with the same sign between them, joined from the left.
    fn chain(
        &mut self,
        sign: &str,
        operand: fn(&mut Self) -> Result<Node, String>,
        join: fn(Box<Node>, Box<Node>) -> Node,
    ) -> Result<Node, String> {
        let mut left = operand(self)?;
        while self.take(sign) {
            left = join(left.into(), operand(self)?.into());
        }
        Ok(left)
    }

    fn or(&mut self) -> Result<Node, String> {
        self.chain("||", Self::and, Node::Or)
    }

    fn and(&mut self) -> Result<Node, String> {
        self.chain("&&", Self::comparison, Node::And)
    }

    fn comparison(&mut self) -> Result<Node, String> {
        let left = self.sum()?;
        let comparisons = [
            ("==", Comparison::Equal),
            ("!=", Comparison::Unequal),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        for (sign, comparison) in comparisons {
            if self.take(sign) {
                return Ok(Node::Compare(comparison, left.into(), self.sum()?.into()));
            }
        }
        if self.lexemes.get(self.at) == Some(&Lexeme::Name("in".to_owned())) {
            self.at += 1;
            return Ok(Node::In(left.into(), self.sum()?.into()));
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<Node, String> {
        self.calculation(&[("+", Operation::Add), ("-", Operation::Subtract)], Self::product)
    }

    fn product(&mut self) -> Result<Node, String> {
        let operations = [("*", Operation::Multiply), ("/", Operation::Divide), ("%", Operation::Remainder)];
        self.calculation(&operations, Self::unary)
    }

    /// Operands with one of these operations between them, joined from the left.
    fn calculation(
        &mut self,
        operations: &[(&str, Operation)],
        operand: fn(&mut Self) -> Result<Node, String>,
    ) -> Result<Node, String> {
        let mut left = operand(self)?;
        while let Some((_, operation)) = operations.iter().find(|(sign, _)| self.take(sign)) {
            left = Node::Calculate(*operation, left.into(), operand(self)?.into());
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Node, String> {
        let mut negations = 0_usize;
        while self.take("!") {
            negations += 1;
        }
        let operand = if self.take("-") { self.negative()? } else { self.member()? };
        Ok(match negations {
            0 => operand,
            count if count % 2 == 1 => Node::Not(operand.into()),
            _ => Node::Not(Box::new(Node::Not(operand.into()))),
        })
    }

    /// What is behind a `-`.
    fn negative(&mut self) -> Result<Node, String> {
        let zero = Node::Value(Value::Number(0));
        Ok(Node::Calculate(Operation::Subtract, zero.into(), self.member()?.into()))
    }

    fn member(&mut self) -> Result<Node, String> {
        let mut of = self.primary()?;
        loop {
            if self.take("[") {
                let number = self.choice()?;
                self.need("]")?;
                of = Node::Element(of.into(), number.into());
                continue;
            }
            if !self.take(".") {
                return Ok(of);
            }
            let Some(Lexeme::Name(name)) = self.lexemes.get(self.at).cloned() else {
                return Err("the name of a method is expected behind `.`".to_owned());
            };
            self.at += 1;
            self.need("(")?;
            of = match macro_of(&name) {
                Some(what) => self.each(what, of)?,
                None => self.method(&name, of)?,
            };
        }
    }

    /// `(VARIABLE, EXPRESSION)`, or `(VARIABLE, CONDITION, EXPRESSION)` of `map`, after its `(`.
    fn each(&mut self, what: Macro, list: Node) -> Result<Node, String> {
        let Some(Lexeme::Name(variable)) = self.lexemes.get(self.at).cloned() else {
            return Err("the variable of a macro is expected: `list.exists(x, x == 'a')`".to_owned());
        };
        self.at += 1;
        self.need(",")?;
        self.variables.push(variable);
        let first = self.choice()?;
        let (condition, body) = match what {
            Macro::Map if self.take(",") => (Some(first), self.choice()?),
            _ => (None, first),
        };
        self.variables.pop();
        self.need(")")?;
        Ok(Node::Each(Box::new(Each { what, list, condition, body })))
    }

    fn method(&mut self, name: &str, of: Node) -> Result<Node, String> {
        if name == "matches" {
            let Some(Lexeme::Text(source)) = self.lexemes.get(self.at).cloned() else {
                return Err("`matches` needs a regular expression in quotes".to_owned());
            };
            self.at += 1;
            self.need(")")?;
            return Ok(Node::Regexp(of.into(), Pattern::new(self.name, &source)?));
        }
        let (method, min, max) = Method::named(name).ok_or_else(|| format!("there is no method `{name}`"))?;
        let mut arguments = Vec::new();
        while !self.take(")") {
            if !arguments.is_empty() {
                self.need(",")?;
            }
            arguments.push(self.choice()?);
        }
        if !(min..=max).contains(&arguments.len()) {
            return Err(format!("`{name}` has another number of arguments"));
        }
        Ok(Node::Method(method, of.into(), arguments))
    }

    /// The expression up to the `)` of a `(` that was read already.
    fn until_closed(&mut self) -> Result<Node, String> {
        let inner = self.choice()?;
        self.need(")")?;
        Ok(inner)
    }

    fn primary(&mut self) -> Result<Node, String> {
        let Some(lexeme) = self.lexemes.get(self.at).cloned() else {
            return Err("it ends where a value is expected".to_owned());
        };
        self.at += 1;
        match lexeme {
            Lexeme::Text(text) if text.contains('{') => (self.make_text)(&text).map(Node::Text),
            Lexeme::Text(text) => Ok(Node::Value(Value::Text(text))),
            Lexeme::Placeholder(word) => (self.make_text)(&word).map(Node::Text),
            Lexeme::Number(number) => Ok(Node::Value(Value::Number(number))),
            Lexeme::Name(name) => match name.as_str() {
                name if self.variables.iter().any(|known| known == name) => {
                    let number = self.variables.iter().rposition(|known| known == name);
                    Ok(Node::Variable(number.unwrap_or_default()))
                }
                "true" => Ok(Node::Value(Value::Boolean(true))),
                "false" => Ok(Node::Value(Value::Boolean(false))),
                "int" | "string" => {
                    self.need("(")?;
                    self.until_closed()
                }
                "size" => {
                    self.need("(")?;
                    Ok(Node::Method(Method::Size, self.until_closed()?.into(), Vec::new()))
                }
                _ => self.call(name),
            },
            Lexeme::Sign("(") => self.until_closed(),
            Lexeme::Sign("[") => self.list(),
            other => Err(format!("{} is not expected there", shown(&other))),
        }
    }

    fn list(&mut self) -> Result<Node, String> {
        let mut items = Vec::new();
        while !self.take("]") {
            items.push(self.choice()?);
            if !self.take(",") {
                self.need("]")?;
                break;
            }
        }
        Ok(Node::List(items))
    }

    /// A matcher as a function: texts, or one map of texts or lists of texts.
    fn call(&mut self, name: String) -> Result<Node, String> {
        self.need("(")?;
        let mut call = Call { name, lines: Vec::new() };
        if self.take("{") {
            while !self.take("}") {
                let key = self.word()?;
                self.need(":")?;
                let values = self.words()?;
                call.lines.extend(values.into_iter().map(|value| vec![key.clone(), value]));
                if !self.take(",") {
                    self.need("}")?;
                    break;
                }
            }
            self.need(")")?;
        } else {
            let mut arguments = Vec::new();
            while !self.take(")") {
                arguments.append(&mut self.words()?);
                if !self.take(",") {
                    self.need(")")?;
                    break;
                }
            }
            call.lines.push(arguments);
        }
        (self.make_matcher)(&call).map(Node::Matcher)
    }

    /// A text, or a list of texts.
    fn words(&mut self) -> Result<Vec<String>, String> {
        if !self.take("[") {
            return Ok(vec![self.word()?]);
        }
        let mut words = Vec::new();
        while !self.take("]") {
            words.push(self.word()?);
            if !self.take(",") {
                self.need("]")?;
                break;
            }
        }
        Ok(words)
    }

    fn word(&mut self) -> Result<String, String> {
        let word = match self.lexemes.get(self.at) {
            Some(Lexeme::Text(text)) => text.clone(),
            Some(Lexeme::Placeholder(word)) => word.clone(),
            Some(Lexeme::Number(number)) => number.to_string(),
            _ => return Err("a text in quotes is expected".to_owned()),
        };
        self.at += 1;
        Ok(word)
    }
}

fn macro_of(name: &str) -> Option<Macro> {
    Some(match name {
        "all" => Macro::All,
        "exists" => Macro::Exists,
        "exists_one" | "existsOne" => Macro::ExistsOne,
        "filter" => Macro::Filter,
        "map" => Macro::Map,
        _ => return None,
    })
}
