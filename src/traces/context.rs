//! Which trace and which span something belongs to, as W3C Trace Context writes it (`traceparent`).

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

/// The letters of a `traceparent` in version 00.
const LETTERS: usize = 55;

/// A trace, and a span in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace: [u8; 16],
    span: [u8; 8],
    is_sampled: bool,
}

impl TraceContext {
    /// Reads a `traceparent`. `None`: it is not valid, so it must not be used (W3C Trace Context, 3.2).
    pub fn parse(text: &[u8]) -> Option<Self> {
        let version: [u8; 1] = from_hex(text.get(..2)?)?;
        let is_longer = text.len() > LETTERS;
        // A later version may have more, behind another dash.
        if version == [0xff] || (is_longer && (version == [0] || text[LETTERS] != b'-')) {
            return None;
        }
        if [2, 35, 52].iter().any(|&at| text.get(at) != Some(&b'-')) {
            return None;
        }
        let (trace, span) = (from_hex::<16>(text.get(3..35)?)?, from_hex::<8>(text.get(36..52)?)?);
        let flags: [u8; 1] = from_hex(text.get(53..LETTERS)?)?;
        let is_valid = trace != [0; 16] && span != [0; 8];
        is_valid.then_some(Self { trace, span, is_sampled: flags[0] & 1 == 1 })
    }

    /// Another span of the parent's trace, or the first one of a trace. `samples` decides for the trace.
    pub(super) fn below(parent: Option<&Self>, samples: impl FnOnce(&[u8; 16]) -> bool) -> Self {
        let trace = parent
            .map_or_else(|| (u128::from(random()) << 64 | u128::from(random())).to_be_bytes(), |parent| parent.trace);
        Self { trace, span: random().to_be_bytes(), is_sampled: samples(&trace) }
    }

    /// The number of the trace.
    pub fn trace(&self) -> [u8; 16] {
        self.trace
    }

    /// The number of the span.
    pub fn id(&self) -> [u8; 8] {
        self.span
    }

    /// Whether its spans are recorded.
    pub fn is_sampled(&self) -> bool {
        self.is_sampled
    }
}

/// As `traceparent`.
impl fmt::Display for TraceContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace, span) = (u128::from_be_bytes(self.trace), u64::from_be_bytes(self.span));
        write!(formatter, "00-{trace:032x}-{span:016x}-{:02x}", u8::from(self.is_sampled))
    }
}

/// Small letters only, as the specification wants.
fn from_hex<const BYTES: usize>(text: &[u8]) -> Option<[u8; BYTES]> {
    let digit = |letter: u8| match letter {
        b'0'..=b'9' => Some(letter - b'0'),
        b'a'..=b'f' => Some(letter - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; BYTES];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    (text.len() == BYTES * 2).then_some(bytes)
}

/// A random number, not 0. It names a span, and protects no secret.
fn random() -> u64 {
    thread_local! {
        /// The keys are random, and each number is hashed once.
        static NUMBERS: (RandomState, Cell<u64>) = (RandomState::new(), Cell::new(0));
    }
    NUMBERS.with(|(keys, last)| {
        last.set(last.get().wrapping_add(1));
        keys.hash_one(last.get()).max(1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_traceparent_is_read_and_written() {
        for text in [
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
        ] {
            assert_eq!(TraceContext::parse(text.as_bytes()).expect("valid").to_string(), text);
        }
        // A later version, perhaps with more.
        for text in [
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-09",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-brings",
        ] {
            let read = TraceContext::parse(text.as_bytes()).expect("valid");
            assert_eq!(read.to_string(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        }
    }

    #[test]
    fn an_invalid_traceparent_is_not_used() {
        for text in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333é-01",
        ] {
            assert_eq!(TraceContext::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn numbers_differ() {
        let made: std::collections::BTreeSet<u64> = (0..1000).map(|_| random()).collect();
        assert_eq!(made.len(), 1000);
    }
}
