//! The parser of expressions: one function for each level of precedence, lowest first.

use super::super::super::limits;
use super::super::super::text::Text;
use super::super::{Matcher, Pattern};
use super::functions::elsewhere;
use super::lexer::{Lexeme, lexemes, shown};
use super::value::{Fraction, Value};
use super::{Call, Comparison, Each, Function, Macro, Method, Node, Operation};

pub(super) fn parse(
    source: &str,
    name: &str,
    make_text: &mut dyn FnMut(&str) -> Result<Text, String>,
    make_matcher: &mut dyn FnMut(&Call) -> Result<Matcher, String>,
) -> Result<Node, String> {
    let (lexemes, places): (Vec<_>, Vec<_>) = lexemes(source)?.into_iter().unzip();
    let mut parser = Parser { lexemes, at: 0, depth: 0, variables: Vec::new(), name, make_text, make_matcher };
    let root = parser.choice().and_then(|root| match parser.lexemes.get(parser.at) {
        None => Ok(root),
        Some(lexeme) => Err(format!("{} is not expected there", shown(lexeme))),
    });
    // The word that was read last is the wrong one, or the one before it.
    root.map_err(|reason| match places.get(parser.at.saturating_sub(1)) {
        Some(place) if *place > 0 => format!("{reason}, at `{}`", start_of(source[*place..].trim_end())),
        _ => reason,
    })
}

/// Enough of a text to find its place.
fn start_of(text: &str) -> &str {
    const LETTERS: usize = 24;
    text.char_indices().nth(LETTERS).map_or(text, |(end, _)| &text[..end])
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
            if !self.take("(") {
                of = Node::Field(of.into(), name);
                continue;
            }
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
        let (method, min, max) = Method::named(name).ok_or_else(|| match elsewhere(name) {
            Some(way) => format!("there is no method `{name}`; {way}"),
            None => format!("there is no method `{name}`; the methods are {}", Method::names()),
        })?;
        Ok(Node::Method(method, of.into(), self.arguments(name, min, max)?))
    }

    /// Arguments between commas, after their `(`.
    fn arguments(&mut self, name: &str, min: usize, max: usize) -> Result<Vec<Node>, String> {
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
        Ok(arguments)
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
            Lexeme::Placeholder(word) => (self.make_text)(&word).map(Node::Placeholder),
            Lexeme::Number(number) => Ok(Node::Value(Value::Number(number))),
            Lexeme::Fraction(number) => Ok(Node::Value(Value::Fraction(Fraction(number)))),
            Lexeme::Name(name) => match self.variables.iter().rposition(|known| *known == name) {
                Some(number) => Ok(Node::Variable(number)),
                None => self.named(name),
            },
            Lexeme::Sign("(") => self.until_closed(),
            Lexeme::Sign("[") => self.list(),
            Lexeme::Sign("{") => self.map(),
            other => Err(format!("{} is not expected there", shown(&other))),
        }
    }

    /// A constant or a function.
    fn named(&mut self, mut name: String) -> Result<Node, String> {
        match name.as_str() {
            "true" => return Ok(Node::Value(Value::Boolean(true))),
            "false" => return Ok(Node::Value(Value::Boolean(false))),
            "null" => return Ok(Node::Value(Value::Null)),
            _ => {}
        }
        if name == "math"
            && self.take(".")
            && let Some(Lexeme::Name(behind)) = self.lexemes.get(self.at)
        {
            name = format!("math.{behind}");
            self.at += 1;
        }
        if !self.take("(") {
            let way =
                elsewhere(&name).unwrap_or("a text needs quotes, a fact of the request braces, such as `{method}`");
            return Err(format!("there is no variable `{name}`; {way}"));
        }
        match name.as_str() {
            "size" => Ok(Node::Method(Method::Size, self.until_closed()?.into(), Vec::new())),
            "dyn" => self.until_closed(),
            "has" => {
                match self.until_closed()? {
                    Node::Field(of, key) => Ok(Node::Has(of, key)),
                    _ => Err("`has` needs a key of a map: `has(map.key)`; a placeholder without a value is `null`"
                        .to_owned()),
                }
            }
            _ => match (Function::named(&name), elsewhere(&name)) {
                (Some((function, min, max)), _) => Ok(Node::Function(function, self.arguments(&name, min, max)?)),
                (None, Some(way)) => Err(format!("there is no function `{name}`; {way}")),
                (None, None) => self.call(name),
            },
        }
    }

    /// `{KEY: VALUE, …}`, after its `{`.
    fn map(&mut self) -> Result<Node, String> {
        let mut entries = Vec::new();
        while !self.take("}") {
            let key = self.choice()?;
            self.need(":")?;
            entries.push((key, self.choice()?));
            if !self.take(",") {
                self.need("}")?;
                break;
            }
        }
        Ok(Node::Map(entries))
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
    /// Its `(` was read already.
    fn call(&mut self, name: String) -> Result<Node, String> {
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
