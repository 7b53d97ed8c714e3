//! The routes of a site, compiled (pure): a list of steps that a request walks from first to last, jumping over those
//! that do not match it. The walk holds two numbers and allocates nothing. It can stop at a handler and continue after
//! it.
//!
//! A matcher is evaluated when the request reaches it, so it sees what earlier handlers have changed.

use crate::config::{self, Exclusive, Matcher, RequestView, Route};

/// The routes of a site or of a block, compiled.
#[derive(Clone)]
pub struct Routes<H> {
    /// In the order in which a request walks through them.
    steps: Vec<Step<H>>,
}

impl<H> Default for Routes<H> {
    fn default() -> Self {
        Self { steps: Vec::new() }
    }
}

#[derive(Clone)]
enum Step<H> {
    /// Starts a level of nesting: none of its exclusive routes was taken yet.
    Enter { marks: u128 },
    /// Continues at the step `miss` if a route with this mark was taken.
    Unless { mark: u128, miss: usize },
    /// Continues at the step `miss` if the matcher does not match.
    If { matcher: Matcher, miss: usize },
    /// Sets the mark of an exclusive route.
    Take { mark: u128 },
    /// Stops at a handler.
    Handle(H),
}

impl<H> Step<H> {
    /// Names the step that follows if a test fails. The other steps have none.
    fn set_miss(&mut self, step: usize) {
        if let Self::Unless { miss, .. } | Self::If { miss, .. } = self {
            *miss = step;
        }
    }
}

/// The bit of a kind of exclusive routes on a level of nesting.
fn mark(level: u32, kind: Exclusive) -> u128 {
    let kind = match kind {
        Exclusive::Handle => 0,
        Exclusive::Rewrite => 1,
        Exclusive::Root => 2,
    };
    1_u128.checked_shl(level * KINDS + kind).unwrap_or_default()
}

/// The position of a request.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Walk {
    /// The next step.
    at: usize,
    /// One bit for each kind of exclusive routes on each level.
    taken: u128,
}

/// The kinds of exclusive routes.
const KINDS: u32 = 3;

impl<H> Routes<H> {
    /// Compiles routes. `make` builds the handlers of routes that are not blocks.
    #[must_use]
    pub fn compile(routes: &[Route], make: &dyn Fn(&config::Handler) -> Option<H>) -> Self {
        let mut compiled = Self::default();
        compiled.add_block(routes, 0, make);
        compiled
    }

    /// Whether there is no step.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    fn add_block(&mut self, routes: &[Route], level: u32, make: &dyn Fn(&config::Handler) -> Option<H>) {
        // The configuration bounds the depth, so there are always enough marks for a level.
        debug_assert!((level as usize) < config::limits::ROUTE_DEPTH_MAX);
        let mark = |kind: Exclusive| mark(level, kind);
        if level > 0 && routes.iter().any(|route| route.exclusive.is_some()) {
            let marks = mark(Exclusive::Handle) | mark(Exclusive::Rewrite) | mark(Exclusive::Root);
            self.steps.push(Step::Enter { marks });
        }
        for route in routes {
            let start = self.steps.len();
            if let Some(kind) = route.exclusive {
                self.steps.push(Step::Unless { mark: mark(kind), miss: 0 });
            }
            if !route.matcher.is_any() {
                self.steps.push(Step::If { matcher: route.matcher.clone(), miss: 0 });
            }
            if let Some(kind) = route.exclusive {
                self.steps.push(Step::Take { mark: mark(kind) });
            }
            let behind_tests = self.steps.len();
            match &route.handler {
                config::Handler::Subroute(inner) => self.add_block(inner, level + 1, make),
                handler => self.steps.extend(make(handler).map(Step::Handle)),
            }
            let end = self.steps.len();
            self.steps[start..behind_tests].iter_mut().for_each(|step| step.set_miss(end));
        }
    }

    /// The next handler that matches the request.
    ///
    /// # Errors
    /// The status with which a matcher ends the request.
    pub(super) fn next<'r>(&'r self, walk: &mut Walk, request: &mut dyn RequestView) -> Result<Option<&'r H>, u16> {
        while let Some(step) = self.steps.get(walk.at) {
            walk.at += 1;
            match step {
                Step::Enter { marks } => walk.taken &= !marks,
                Step::Unless { mark, miss } if walk.taken & mark != 0 => walk.at = *miss,
                Step::Unless { .. } => {}
                Step::If { matcher, miss } => {
                    if !matcher.matches(request)? {
                        walk.at = *miss;
                    }
                }
                Step::Take { mark } => walk.taken |= mark,
                Step::Handle(handler) => return Ok(Some(handler)),
            }
        }
        Ok(None)
    }
}

/// Routes without nesting, for servers without a configuration.
impl<H> FromIterator<(Matcher, H)> for Routes<H> {
    fn from_iter<I: IntoIterator<Item = (Matcher, H)>>(routes: I) -> Self {
        let mut steps = Vec::new();
        for (matcher, handler) in routes {
            if !matcher.is_any() {
                let miss = steps.len() + 2;
                steps.push(Step::If { matcher, miss });
            }
            steps.push(Step::Handle(handler));
        }
        Self { steps }
    }
}
