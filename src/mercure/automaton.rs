//! Matches a text against alternatives and repetitions, in time in proportion to both lengths: all states that the text can reach
//! are followed at once.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

use crate::limits;

/// A state, and the states behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Byte(u8, u32),
    /// Any byte but this one.
    Not(u8, u32),
    Any(u32),
    /// A byte of these ranges.
    Ranges(u32, u32),
    Both(u32, u32),
    End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Automaton {
    states: Vec<State>,
    ranges: Vec<Box<[(u8, u8)]>>,
    start: u32,
}

/// It needs too many states, or has something that cannot be followed in linear time.
pub(super) type Impossible = &'static str;

/// Makes an automaton from its end to its start: each step takes what comes behind it.
pub(super) struct Builder {
    states: Vec<State>,
    ranges: Vec<Box<[(u8, u8)]>>,
}

pub(super) type Built = Result<u32, Impossible>;

impl Builder {
    /// With its last state.
    pub(super) fn new() -> (Self, u32) {
        (Self { states: vec![State::End], ranges: Vec::new() }, 0)
    }

    pub(super) fn finish(self, start: u32) -> Automaton {
        let Self { states, ranges } = self;
        Automaton { states, ranges, start }
    }

    fn push(&mut self, state: State) -> Built {
        if self.states.len() >= limits::MERCURE_PATTERN_STATES_MAX {
            return Err("it is too large");
        }
        self.states.push(state);
        // The bound is far below that of the type.
        Ok(self.states.len() as u32 - 1)
    }

    pub(super) fn text(&mut self, bytes: &[u8], behind: u32) -> Built {
        bytes.iter().rev().try_fold(behind, |behind, byte| self.push(State::Byte(*byte, behind)))
    }

    /// Any byte but this one.
    pub(super) fn any_but(&mut self, byte: Option<u8>, behind: u32) -> Built {
        self.push(byte.map_or(State::Any(behind), |byte| State::Not(byte, behind)))
    }

    pub(super) fn optional(&mut self, behind: u32, one: impl FnOnce(&mut Self, u32) -> Built) -> Built {
        let inside = one(self, behind)?;
        self.push(State::Both(inside, behind))
    }

    /// Once, or more often.
    pub(super) fn repeated(&mut self, behind: u32, one: impl FnOnce(&mut Self, u32) -> Built) -> Built {
        let again = self.push(State::Both(0, behind))?;
        let inside = one(self, again)?;
        self.states[again as usize] = State::Both(inside, behind);
        Ok(inside)
    }

    /// A regular expression about ASCII, in the syntax that JavaScript and the crate share.
    pub(super) fn regex(&mut self, text: &str, behind: u32) -> Built {
        let mut parser = ParserBuilder::new();
        parser.unicode(false).utf8(false).nest_limit(limits::MERCURE_PATTERN_NESTS_MAX);
        let tree = parser.build().parse(text).map_err(|_| "its regular expression is not valid")?;
        self.tree(&tree, behind)
    }

    fn tree(&mut self, tree: &Hir, behind: u32) -> Built {
        match tree.kind() {
            HirKind::Empty => Ok(behind),
            HirKind::Literal(literal) => self.text(&literal.0, behind),
            HirKind::Class(Class::Bytes(class)) => {
                let ranges = class.ranges().iter().map(|range| (range.start(), range.end())).collect();
                let number = self.ranges.len() as u32;
                self.ranges.push(ranges);
                self.push(State::Ranges(number, behind))
            }
            HirKind::Capture(capture) => self.tree(&capture.sub, behind),
            HirKind::Concat(parts) => parts.iter().rev().try_fold(behind, |behind, part| self.tree(part, behind)),
            HirKind::Alternation(ways) => {
                let mut starts =
                    ways.iter().map(|way| self.tree(way, behind)).collect::<Result<Vec<_>, _>>()?.into_iter();
                let first = starts.next().unwrap_or(behind);
                starts.try_fold(first, |one, other| self.push(State::Both(one, other)))
            }
            HirKind::Repetition(repetition) => {
                let (least, sub) = (repetition.min, &repetition.sub);
                let mut next = behind;
                match repetition.max {
                    None => {
                        next = self.repeated(next, |this, behind| this.tree(sub, behind))?;
                        next = if least == 0 { self.push(State::Both(next, behind))? } else { next };
                    }
                    Some(most) => {
                        for _ in least..most {
                            next = self.optional_to(next, behind, sub)?;
                        }
                    }
                }
                let more = if repetition.max.is_none() { least.saturating_sub(1) } else { least };
                for _ in 0..more {
                    // One that adds no state has no text; repeating it would never reach the bound.
                    let before = self.states.len();
                    next = self.tree(sub, next)?;
                    if self.states.len() == before {
                        break;
                    }
                }
                Ok(next)
            }
            HirKind::Class(Class::Unicode(_)) | HirKind::Look(_) => Err("its regular expression has an assertion"),
        }
    }

    /// The tree before `next`, or nothing before `behind`.
    fn optional_to(&mut self, next: u32, behind: u32, tree: &Hir) -> Built {
        let inside = self.tree(tree, next)?;
        self.push(State::Both(inside, behind))
    }
}

impl Automaton {
    /// What a byte of a text can cost, in the unit of a template's variable.
    pub(super) fn steps(&self) -> usize {
        let branches = self.states.iter().filter(|state| matches!(state, State::Both(..))).count();
        branches + self.states.len() / limits::MERCURE_PATTERN_STATES_EACH
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let mut reached = Reached { list: Vec::new(), marks: vec![0; self.states.len()], round: 1, open: Vec::new() };
        self.reach(self.start, &mut reached);
        for byte in text.bytes() {
            let list = std::mem::take(&mut reached.list);
            if list.is_empty() {
                return false;
            }
            reached.round += 1;
            for state in &list {
                if let Some(next) = self.after(*state, byte) {
                    self.reach(next, &mut reached);
                }
            }
        }
        reached.list.iter().any(|state| self.states[*state as usize] == State::End)
    }

    /// The state behind this one, if the byte leads there.
    fn after(&self, state: u32, byte: u8) -> Option<u32> {
        match self.states[state as usize] {
            State::Byte(own, next) => (own == byte).then_some(next),
            State::Not(own, next) => (own != byte).then_some(next),
            State::Any(next) => Some(next),
            State::Ranges(number, next) => {
                let ranges = &self.ranges[number as usize];
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&byte)).then_some(next)
            }
            State::Both(..) | State::End => None,
        }
    }

    /// Adds a state with all that can be reached from it without a byte.
    fn reach(&self, state: u32, reached: &mut Reached) {
        reached.open.push(state);
        while let Some(state) = reached.open.pop() {
            if std::mem::replace(&mut reached.marks[state as usize], reached.round) == reached.round {
                continue;
            }
            match self.states[state as usize] {
                State::Both(one, other) => reached.open.extend([one, other]),
                _ => reached.list.push(state),
            }
        }
    }
}

/// The states that a text has reached.
struct Reached {
    list: Vec<u32>,
    /// The round in which a state was reached last.
    marks: Vec<u32>,
    round: u32,
    open: Vec<u32>,
}
